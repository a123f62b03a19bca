-- Proofs: when a session last proved who it is, the authenticators that people enrolled, their recovery codes, and which roles may not do without.
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
