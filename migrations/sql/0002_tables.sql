-- What eight billers and their configuration need beside the foundation.

CREATE TABLE vended_tokens (
    transaction_id uuid NOT NULL,
    envelope text NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_vended_tokens PRIMARY KEY (transaction_id),
    CONSTRAINT fk_vended_tokens_transaction_id FOREIGN KEY(transaction_id) REFERENCES transactions (id)
);
-- A sold token is the customer's: it may be sealed anew with another key, never taken away.
CREATE TRIGGER not_deleted BEFORE DELETE ON vended_tokens FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER not_emptied BEFORE TRUNCATE ON vended_tokens FOR EACH STATEMENT EXECUTE FUNCTION append_only();

CREATE TABLE connection_tests (
    id uuid NOT NULL,
    config_id uuid NOT NULL,
    config_version integer NOT NULL,
    at timestamptz DEFAULT now() NOT NULL,
    actor_name text NOT NULL,
    passed boolean NOT NULL,
    stages jsonb NOT NULL,
    CONSTRAINT pk_connection_tests PRIMARY KEY (id),
    CONSTRAINT fk_connection_tests_config_id FOREIGN KEY(config_id) REFERENCES biller_configs (id)
);
CREATE INDEX ix_connection_tests_config_at ON connection_tests (config_id, at DESC);
