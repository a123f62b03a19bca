-- Proofs: when a session last proved who it is, the authenticators that people enrolled, their recovery codes, which roles may
-- not do without, and a word to whoever holds a window open when its session is over.
ALTER TABLE user_sessions ADD COLUMN proved_at timestamptz;

ALTER TABLE roles ADD COLUMN requires_totp boolean DEFAULT false NOT NULL;

-- One a person. Until its first code was typed it is an offer, and asked of nobody.
CREATE TABLE authenticators (
    user_id uuid NOT NULL,
    secret text NOT NULL,
    last_step bigint,
    created_at timestamptz DEFAULT now() NOT NULL,
    confirmed_at timestamptz,
    CONSTRAINT pk_authenticators PRIMARY KEY (user_id),
    CONSTRAINT fk_authenticators_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);

CREATE TABLE recovery_codes (
    user_id uuid NOT NULL,
    code_hash bytea NOT NULL,
    used_at timestamptz,
    CONSTRAINT pk_recovery_codes PRIMARY KEY (user_id, code_hash),
    CONSTRAINT fk_recovery_codes_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT ck_recovery_codes_hash CHECK (length(code_hash) = 32)
);

-- Told as it is committed, and of what somebody did by hand, too: a session that ended, somebody who may sign in no longer. Which, the listener looks up.
CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify(TG_ARGV[0], '');
    RETURN NULL;
END $$;
CREATE TRIGGER tell AFTER DELETE OR UPDATE OF ended_at, expires_at ON user_sessions FOR EACH STATEMENT EXECUTE FUNCTION tell('billers_sessions');
CREATE TRIGGER tell AFTER DELETE OR UPDATE OF disabled_at ON users FOR EACH STATEMENT EXECUTE FUNCTION tell('billers_sessions');
-- Whose rights changed sees so on the page that is open, as with everything else that changed.
CREATE TRIGGER tell_of_rights AFTER UPDATE OF role ON users FOR EACH STATEMENT EXECUTE FUNCTION tell('billers_changes');
CREATE TRIGGER tell_of_rights AFTER INSERT OR DELETE ON role_permissions FOR EACH STATEMENT EXECUTE FUNCTION tell('billers_changes');
CREATE TRIGGER tell_of_rights AFTER INSERT OR DELETE ON user_billers FOR EACH STATEMENT EXECUTE FUNCTION tell('billers_changes');
CREATE TRIGGER tell_of_rights AFTER UPDATE OF requires_totp ON roles FOR EACH STATEMENT EXECUTE FUNCTION tell('billers_changes');
