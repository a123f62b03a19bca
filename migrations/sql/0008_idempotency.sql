-- What a program said it does once: its key, what was asked under it, and what came of that.
CREATE TABLE idempotency_keys (
    owner_id uuid NOT NULL,
    route text NOT NULL,
    key text NOT NULL,
    payload_hash bytea NOT NULL,
    claim_id uuid NOT NULL,
    claimed_until timestamptz,
    draft_id uuid,
    transaction_id uuid,
    status smallint,
    body text,
    created_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_idempotency_keys PRIMARY KEY (owner_id, route, key),
    CONSTRAINT fk_idempotency_keys_owner_id FOREIGN KEY(owner_id) REFERENCES users (id),
    CONSTRAINT fk_idempotency_keys_draft_id FOREIGN KEY(draft_id) REFERENCES drafts (id),
    CONSTRAINT fk_idempotency_keys_transaction_id FOREIGN KEY(transaction_id) REFERENCES transactions (id),
    CONSTRAINT ck_idempotency_keys_payload_hash CHECK (length(payload_hash) = 32),
    CONSTRAINT ck_idempotency_keys_answer CHECK ((status IS NULL) = (body IS NULL))
);
CREATE INDEX ix_idempotency_keys_created_at ON idempotency_keys (created_at);
