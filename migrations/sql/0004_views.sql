-- Saved views: a filter under a name, its owner's alone or the team's; and the one that a role's list opens with.
CREATE TABLE saved_views (
    id uuid NOT NULL,
    owner_id uuid NOT NULL,
    name text NOT NULL,
    address jsonb NOT NULL,
    shared boolean DEFAULT false NOT NULL,
    created_at timestamptz DEFAULT clock_timestamp() NOT NULL,
    updated_at timestamptz DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_saved_views PRIMARY KEY (id),
    CONSTRAINT fk_saved_views_owner_id FOREIGN KEY(owner_id) REFERENCES users (id),
    CONSTRAINT ck_saved_views_name CHECK (char_length(name) BETWEEN 1 AND 40),
    CONSTRAINT ck_saved_views_address CHECK (jsonb_typeof(address) = 'object')
);
CREATE UNIQUE INDEX uq_saved_views_owner_name ON saved_views (owner_id, lower(name));
CREATE INDEX ix_saved_views_shared ON saved_views (id) WHERE shared;

CREATE TABLE role_views (
    role text NOT NULL,
    view_id uuid NOT NULL,
    set_by uuid NOT NULL,
    set_at timestamptz DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_role_views PRIMARY KEY (role),
    CONSTRAINT fk_role_views_role FOREIGN KEY(role) REFERENCES roles (code) ON DELETE CASCADE,
    CONSTRAINT fk_role_views_view_id FOREIGN KEY(view_id) REFERENCES saved_views (id) ON DELETE CASCADE,
    CONSTRAINT fk_role_views_set_by FOREIGN KEY(set_by) REFERENCES users (id)
);
CREATE INDEX ix_role_views_view_id ON role_views (view_id);
