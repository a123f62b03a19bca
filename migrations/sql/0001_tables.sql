-- The tables, in the order a transaction meets them. core/models says why each index exists; a test holds the two together.

CREATE TABLE roles (
    code text NOT NULL,
    title text NOT NULL,
    CONSTRAINT pk_roles PRIMARY KEY (code)
);

CREATE TABLE role_permissions (
    role text NOT NULL,
    permission text NOT NULL,
    CONSTRAINT pk_role_permissions PRIMARY KEY (role, permission),
    CONSTRAINT fk_role_permissions_role FOREIGN KEY(role) REFERENCES roles (code) ON DELETE CASCADE
);

CREATE TABLE users (
    id uuid NOT NULL,
    username text NOT NULL,
    display_name text NOT NULL,
    role text NOT NULL,
    password_hash text NOT NULL,
    sandbox boolean DEFAULT false NOT NULL,
    disabled_at timestamptz,
    created_at timestamptz DEFAULT now() NOT NULL,
    updated_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_users PRIMARY KEY (id),
    CONSTRAINT fk_users_role FOREIGN KEY(role) REFERENCES roles (code)
);
CREATE UNIQUE INDEX uq_users_username ON users (lower(username));

CREATE TABLE user_sessions (
    token_hash bytea NOT NULL,
    user_id uuid NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    last_seen_at timestamptz DEFAULT now() NOT NULL,
    expires_at timestamptz NOT NULL,
    ended_at timestamptz,
    ended_because text,
    address text,
    user_agent text,
    CONSTRAINT pk_user_sessions PRIMARY KEY (token_hash),
    CONSTRAINT fk_user_sessions_user_id FOREIGN KEY(user_id) REFERENCES users (id)
);
CREATE INDEX ix_user_sessions_open ON user_sessions (user_id) WHERE ended_at IS NULL;

CREATE TABLE sign_in_tickets (
    ticket_hash bytea NOT NULL,
    user_id uuid NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    CONSTRAINT pk_sign_in_tickets PRIMARY KEY (ticket_hash),
    CONSTRAINT fk_sign_in_tickets_user_id FOREIGN KEY(user_id) REFERENCES users (id)
);

CREATE TABLE sign_in_attempts (
    id uuid NOT NULL,
    username text NOT NULL,
    address text,
    at timestamptz DEFAULT now() NOT NULL,
    succeeded boolean NOT NULL,
    CONSTRAINT pk_sign_in_attempts PRIMARY KEY (id)
);
CREATE INDEX ix_sign_in_attempts_address_at ON sign_in_attempts (address, at);
CREATE INDEX ix_sign_in_attempts_username_at ON sign_in_attempts (username, at);

CREATE TABLE biller_types (
    code text NOT NULL,
    name text NOT NULL,
    CONSTRAINT pk_biller_types PRIMARY KEY (code)
);

CREATE TABLE biller_configs (
    id uuid NOT NULL,
    biller_type text NOT NULL,
    biller_name text NOT NULL,
    display_name text NOT NULL,
    description text,
    is_active boolean DEFAULT true NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    base_url text NOT NULL,
    endpoints jsonb NOT NULL,
    authentication text,
    dialect text DEFAULT 'soap' NOT NULL,
    default_currency text DEFAULT 'MWK' NOT NULL,
    supported_currencies jsonb DEFAULT '["MWK"]'::jsonb NOT NULL,
    timeout_ms integer DEFAULT 30000 NOT NULL,
    retry_attempts smallint DEFAULT 3 NOT NULL,
    concurrency integer DEFAULT 16 NOT NULL,
    expires_after_minutes integer DEFAULT 60 NOT NULL,
    duplicate_window_minutes integer DEFAULT 10 NOT NULL,
    topology text DEFAULT 'NONE' NOT NULL,
    credit_account text,
    credit_account_type text,
    inquiry_certified boolean DEFAULT false NOT NULL,
    max_processing_seconds integer,
    features jsonb DEFAULT '{}'::jsonb NOT NULL,
    validation_rules jsonb DEFAULT '{}'::jsonb NOT NULL,
    paused_at timestamptz,
    paused_reason text,
    created_at timestamptz DEFAULT now() NOT NULL,
    updated_at timestamptz DEFAULT now() NOT NULL,
    created_by uuid,
    updated_by uuid,
    CONSTRAINT pk_biller_configs PRIMARY KEY (id),
    CONSTRAINT ck_biller_configs_topology CHECK (topology IN ('NONE', 'SEPARATE', 'COMPOSITE')),
    CONSTRAINT ck_biller_configs_timeout_ms CHECK (timeout_ms BETWEEN 100 AND 120000),
    CONSTRAINT ck_biller_configs_retry_attempts CHECK (retry_attempts BETWEEN 0 AND 10),
    CONSTRAINT ck_biller_configs_concurrency CHECK (concurrency BETWEEN 1 AND 1000),
    CONSTRAINT ck_biller_configs_paused CHECK ((paused_at IS NULL) = (paused_reason IS NULL)),
    CONSTRAINT fk_biller_configs_biller_type FOREIGN KEY(biller_type) REFERENCES biller_types (code),
    CONSTRAINT fk_biller_configs_created_by FOREIGN KEY(created_by) REFERENCES users (id),
    CONSTRAINT fk_biller_configs_updated_by FOREIGN KEY(updated_by) REFERENCES users (id)
);
CREATE INDEX ix_biller_configs_biller_type ON biller_configs (biller_type);
CREATE UNIQUE INDEX uq_biller_configs_active ON biller_configs (biller_type) WHERE is_active;

CREATE TABLE biller_config_versions (
    config_id uuid NOT NULL,
    version integer NOT NULL,
    snapshot jsonb NOT NULL,
    authentication text,
    created_at timestamptz DEFAULT now() NOT NULL,
    created_by uuid,
    CONSTRAINT pk_biller_config_versions PRIMARY KEY (config_id, version),
    CONSTRAINT fk_biller_config_versions_config_id FOREIGN KEY(config_id) REFERENCES biller_configs (id),
    CONSTRAINT fk_biller_config_versions_created_by FOREIGN KEY(created_by) REFERENCES users (id)
);

CREATE TABLE breakers (
    biller_type text NOT NULL,
    opened_at timestamptz DEFAULT now() NOT NULL,
    probe_at timestamptz NOT NULL,
    reason text NOT NULL,
    CONSTRAINT pk_breakers PRIMARY KEY (biller_type),
    CONSTRAINT fk_breakers_biller_type FOREIGN KEY(biller_type) REFERENCES biller_types (code)
);

CREATE TABLE drafts (
    id uuid NOT NULL,
    owner_id uuid NOT NULL,
    form jsonb DEFAULT '{}'::jsonb NOT NULL,
    payload jsonb,
    payload_hash bytea,
    frozen_at timestamptz,
    created_at timestamptz DEFAULT now() NOT NULL,
    updated_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_drafts PRIMARY KEY (id),
    CONSTRAINT ck_drafts_frozen_whole CHECK ((frozen_at IS NULL) = (payload IS NULL) AND (payload IS NULL) = (payload_hash IS NULL)),
    CONSTRAINT fk_drafts_owner_id FOREIGN KEY(owner_id) REFERENCES users (id)
);
CREATE INDEX ix_drafts_owner_id_updated_at ON drafts (owner_id, updated_at);

CREATE TABLE transactions (
    id uuid NOT NULL,
    biller_config_id uuid,
    config_version integer,
    biller_type text NOT NULL,
    biller_name text NOT NULL,
    our_transaction_id text NOT NULL,
    transaction_type text NOT NULL,
    topology text,
    account_number text NOT NULL,
    account_type text,
    amount numeric(18, 2),
    currency text DEFAULT 'MWK' NOT NULL,
    bundle_id text,
    invoice_number text,
    meter_number text,
    debit_account text,
    debit_account_type text,
    credit_account text,
    credit_account_type text,
    draft_id uuid,
    retry_of uuid,
    duplicate_reason text,
    initiated_by uuid,
    created_at timestamptz DEFAULT now() NOT NULL,
    demo boolean DEFAULT false NOT NULL,
    stage text NOT NULL,
    status text NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    in_flight_waived boolean DEFAULT false NOT NULL,
    next_action_at timestamptz,
    expires_at timestamptz,
    lease_owner text,
    lease_epoch bigint DEFAULT 0 NOT NULL,
    lease_until timestamptz,
    customer_account_name text,
    external_transaction_id text,
    api_endpoint text,
    error_code text,
    error_message text,
    metadata jsonb,
    processed_at timestamptz,
    completed_at timestamptz,
    updated_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_transactions PRIMARY KEY (id),
    CONSTRAINT uq_transactions_our_transaction_id UNIQUE (our_transaction_id),
    CONSTRAINT uq_transactions_draft_id UNIQUE (draft_id),
    CONSTRAINT uq_transactions_retry_of UNIQUE (retry_of),
    CONSTRAINT ck_transactions_counters CHECK (version >= 1 AND lease_epoch >= 0),
    CONSTRAINT ck_transactions_currency CHECK (currency ~ '^[A-Z]{3}$'),
    CONSTRAINT ck_transactions_money CHECK (CASE WHEN transaction_type IN ('POST_TRANSACTION', 'CONFIRM_INVOICE', 'CONFIRM_BUNDLE') THEN amount > 0 AND topology IS NOT NULL ELSE amount IS NULL AND topology IS NULL END),
    CONSTRAINT ck_transactions_invoice CHECK (transaction_type <> 'CONFIRM_INVOICE' OR invoice_number IS NOT NULL),
    CONSTRAINT ck_transactions_bundle CHECK (transaction_type <> 'CONFIRM_BUNDLE' OR bundle_id IS NOT NULL),
    CONSTRAINT ck_transactions_topology CHECK (topology IN ('NONE', 'SEPARATE', 'COMPOSITE')),
    CONSTRAINT ck_transactions_retry_of CHECK (retry_of <> id),
    CONSTRAINT fk_transactions_biller_config_id FOREIGN KEY(biller_config_id) REFERENCES biller_configs (id),
    CONSTRAINT fk_transactions_biller_type FOREIGN KEY(biller_type) REFERENCES biller_types (code),
    CONSTRAINT fk_transactions_draft_id FOREIGN KEY(draft_id) REFERENCES drafts (id),
    CONSTRAINT fk_transactions_retry_of FOREIGN KEY(retry_of) REFERENCES transactions (id),
    CONSTRAINT fk_transactions_initiated_by FOREIGN KEY(initiated_by) REFERENCES users (id)
);
CREATE INDEX ix_transactions_account_created ON transactions (account_number, created_at DESC);
CREATE INDEX ix_transactions_biller_status_created ON transactions (biller_type, status, created_at DESC, id DESC);
CREATE INDEX ix_transactions_config ON transactions (biller_config_id, created_at DESC);
CREATE INDEX ix_transactions_created_at_id ON transactions (created_at DESC, id DESC);
CREATE INDEX ix_transactions_external ON transactions (external_transaction_id) WHERE external_transaction_id IS NOT NULL;
CREATE INDEX ix_transactions_in_doubt ON transactions (created_at) WHERE status = 'PROCESSING';
CREATE INDEX ix_transactions_initiated_by_created ON transactions (initiated_by, created_at DESC, id DESC);
CREATE INDEX ix_transactions_next_action ON transactions (biller_type, next_action_at) WHERE next_action_at IS NOT NULL;
CREATE INDEX ix_transactions_status_created ON transactions (status, created_at DESC, id DESC);
CREATE UNIQUE INDEX uq_transactions_in_flight ON transactions (biller_type, account_number) WHERE amount IS NOT NULL AND stage IN ('QUEUED', 'DEBIT_SENDING', 'DEBIT_ACCEPTED', 'DEBIT_RETRY', 'DEBIT_UNKNOWN', 'DEBITED', 'PAY_SENDING', 'PAY_ACCEPTED', 'PAY_UNKNOWN', 'PAY_RETRY', 'PAY_REJECTED', 'REVERSAL_SENDING', 'REVERSAL_UNKNOWN', 'REVIEW') AND NOT in_flight_waived;
CREATE UNIQUE INDEX uq_transactions_invoice ON transactions (biller_type, invoice_number) WHERE transaction_type = 'CONFIRM_INVOICE' AND status IN ('PENDING', 'PROCESSING', 'COMPLETED');

CREATE TABLE legs (
    transaction_id uuid NOT NULL,
    kind text NOT NULL,
    reference text NOT NULL,
    tainted boolean DEFAULT false NOT NULL,
    accepted boolean DEFAULT false NOT NULL,
    sends smallint DEFAULT 0 NOT NULL,
    inquiries smallint DEFAULT 0 NOT NULL,
    not_found_in_a_row smallint DEFAULT 0 NOT NULL,
    last_sent_at timestamptz,
    last_asked_at timestamptz,
    last_deadline_ms integer,
    external_id text,
    CONSTRAINT pk_legs PRIMARY KEY (transaction_id, kind),
    CONSTRAINT uq_legs_reference UNIQUE (reference),
    CONSTRAINT ck_legs_kind CHECK (kind IN ('DEBIT', 'PAY', 'REVERSAL', 'PAY_REVERSAL', 'REFUND')),
    CONSTRAINT fk_legs_transaction_id FOREIGN KEY(transaction_id) REFERENCES transactions (id)
);

CREATE TABLE attempts (
    id uuid NOT NULL,
    at timestamptz DEFAULT now() NOT NULL,
    transaction_id uuid NOT NULL,
    leg text,
    verb text NOT NULL,
    reference text NOT NULL,
    config_version integer,
    lease_epoch bigint NOT NULL,
    worker text NOT NULL,
    CONSTRAINT pk_attempts PRIMARY KEY (id, at),
    CONSTRAINT fk_attempts_transaction_id FOREIGN KEY(transaction_id) REFERENCES transactions (id)
)
 PARTITION BY RANGE (at);
CREATE INDEX ix_attempts_transaction_id ON attempts (transaction_id);

CREATE TABLE answers (
    id uuid NOT NULL,
    at timestamptz DEFAULT now() NOT NULL,
    attempt_id uuid NOT NULL,
    transaction_id uuid NOT NULL,
    outcome text NOT NULL,
    failure text,
    in_time boolean DEFAULT true NOT NULL,
    http_status smallint,
    code text,
    message text,
    external_id text,
    duration_ms integer,
    request text,
    response text,
    CONSTRAINT pk_answers PRIMARY KEY (id, at),
    CONSTRAINT fk_answers_transaction_id FOREIGN KEY(transaction_id) REFERENCES transactions (id)
)
 PARTITION BY RANGE (at);
CREATE INDEX ix_answers_transaction_id ON answers (transaction_id);

CREATE TABLE events (
    seq bigint GENERATED ALWAYS AS IDENTITY,
    at timestamptz DEFAULT clock_timestamp() NOT NULL,
    transaction_id uuid NOT NULL,
    version integer NOT NULL,
    from_stage text,
    to_stage text NOT NULL,
    actor_id uuid,
    actor_name text NOT NULL,
    reason text NOT NULL,
    facts jsonb DEFAULT '{}'::jsonb NOT NULL,
    xid bigint DEFAULT (pg_current_xact_id()::text::bigint) NOT NULL,
    CONSTRAINT pk_events PRIMARY KEY (seq, at),
    CONSTRAINT fk_events_transaction_id FOREIGN KEY(transaction_id) REFERENCES transactions (id)
)
 PARTITION BY RANGE (at);
CREATE INDEX ix_events_transaction_id ON events (transaction_id);
CREATE INDEX ix_events_xid ON events (xid);

CREATE TABLE workers (
    id uuid NOT NULL,
    name text NOT NULL,
    started_at timestamptz DEFAULT now() NOT NULL,
    seen_at timestamptz DEFAULT now() NOT NULL,
    stopped_at timestamptz,
    CONSTRAINT pk_workers PRIMARY KEY (id)
);

CREATE TABLE audit_entries (
    seq bigint GENERATED ALWAYS AS IDENTITY,
    at timestamptz DEFAULT clock_timestamp() NOT NULL,
    actor_id uuid,
    actor_name text NOT NULL,
    address text,
    action text NOT NULL,
    subject_type text NOT NULL,
    subject_id text NOT NULL,
    details jsonb DEFAULT '{}'::jsonb NOT NULL,
    xid bigint DEFAULT (pg_current_xact_id()::text::bigint) NOT NULL,
    CONSTRAINT pk_audit_entries PRIMARY KEY (seq)
);
CREATE INDEX ix_audit_entries_actor ON audit_entries (actor_id, seq);
CREATE INDEX ix_audit_entries_subject ON audit_entries (subject_type, subject_id, seq);
CREATE INDEX ix_audit_entries_xid ON audit_entries (xid);

CREATE TABLE seals (
    number bigint NOT NULL,
    source smallint NOT NULL,
    source_seq bigint NOT NULL,
    xid bigint NOT NULL,
    hash bytea NOT NULL,
    CONSTRAINT pk_seals PRIMARY KEY (number),
    CONSTRAINT uq_seals_source_source_seq UNIQUE (source, source_seq)
);
