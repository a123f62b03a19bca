-- People: the billers somebody is limited to, which roles are a bank's own, sessions by a name that is no secret, and the tokens of programs.
ALTER TABLE roles
    ADD COLUMN edited_at timestamptz,
    ADD COLUMN edited_by uuid,
    ADD CONSTRAINT fk_roles_edited_by FOREIGN KEY(edited_by) REFERENCES users (id);

ALTER TABLE users ADD COLUMN password_given boolean DEFAULT false NOT NULL;

-- Nobody in it is limited; a biller that is named here cannot go, or its people would see everything.
CREATE TABLE user_billers (
    user_id uuid NOT NULL,
    biller_type text NOT NULL,
    CONSTRAINT pk_user_billers PRIMARY KEY (user_id, biller_type),
    CONSTRAINT fk_user_billers_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT fk_user_billers_biller_type FOREIGN KEY(biller_type) REFERENCES biller_types (code)
);

ALTER TABLE user_sessions ADD COLUMN id uuid DEFAULT gen_random_uuid() NOT NULL;
CREATE UNIQUE INDEX uq_user_sessions_id ON user_sessions (id);

CREATE TABLE api_tokens (
    id uuid NOT NULL,
    owner_id uuid NOT NULL,
    name text NOT NULL,
    prefix text NOT NULL,
    token_hash bytea NOT NULL,
    scopes jsonb NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    expires_at timestamptz NOT NULL,
    last_used_at timestamptz,
    last_address text,
    revoked_at timestamptz,
    revoked_by uuid,
    CONSTRAINT pk_api_tokens PRIMARY KEY (id),
    CONSTRAINT fk_api_tokens_owner_id FOREIGN KEY(owner_id) REFERENCES users (id),
    CONSTRAINT fk_api_tokens_revoked_by FOREIGN KEY(revoked_by) REFERENCES users (id),
    CONSTRAINT ck_api_tokens_name CHECK (char_length(name) BETWEEN 1 AND 60),
    CONSTRAINT ck_api_tokens_hash CHECK (length(token_hash) = 32),
    CONSTRAINT ck_api_tokens_scopes CHECK (jsonb_typeof(scopes) = 'array'),
    CONSTRAINT ck_api_tokens_life CHECK (expires_at <= created_at + interval '366 days')
);
CREATE UNIQUE INDEX uq_api_tokens_token_hash ON api_tokens (token_hash);
CREATE INDEX ix_api_tokens_owner_id ON api_tokens (owner_id);
