-- A circuit is opened to whoever is called: core banking is no biller, and has one too.
ALTER TABLE breakers DROP CONSTRAINT fk_breakers_biller_type;

-- What speaks against a payment that had ended: found, told to people, and never mended by changing the payment.
CREATE TABLE breaks (
    id uuid NOT NULL,
    transaction_id uuid NOT NULL,
    leg text NOT NULL,
    kind text NOT NULL,
    found_at timestamptz DEFAULT now() NOT NULL,
    attempt_id uuid,
    told text NOT NULL,
    closed_at timestamptz,
    closed_by uuid,
    closed_because text,
    CONSTRAINT pk_breaks PRIMARY KEY (id),
    CONSTRAINT fk_breaks_transaction_id FOREIGN KEY(transaction_id) REFERENCES transactions (id),
    CONSTRAINT fk_breaks_closed_by FOREIGN KEY(closed_by) REFERENCES users (id),
    CONSTRAINT uq_breaks_transaction_id_leg_kind UNIQUE (transaction_id, leg, kind),
    CONSTRAINT ck_breaks_kind CHECK (kind IN ('LATE_SUCCESS', 'OTHER_AMOUNT', 'PAID_TWICE')),
    CONSTRAINT ck_breaks_closed CHECK ((closed_at IS NULL) = (closed_because IS NULL))
);
CREATE INDEX ix_breaks_open ON breaks (found_at) WHERE closed_at IS NULL;
