-- What the database itself refuses, whoever asks: illegal moves, changed intents, rewritten history.

-- A status is what its stage says, and a stage that waits for nobody is one that is settled or in a person's hands.
ALTER TABLE transactions
    ADD CONSTRAINT ck_transactions_status CHECK (status = CASE
        WHEN stage IN ('CREATED', 'AWAITING_APPROVAL', 'QUEUED') THEN 'PENDING'
        WHEN stage IN ('ASKING', 'DEBIT_SENDING', 'DEBIT_ACCEPTED', 'DEBIT_RETRY', 'DEBIT_UNKNOWN', 'DEBITED', 'PAY_SENDING', 'PAY_ACCEPTED', 'PAY_UNKNOWN', 'PAY_RETRY', 'PAY_REJECTED', 'REVERSAL_SENDING', 'REVERSAL_UNKNOWN', 'REVIEW') THEN 'PROCESSING'
        WHEN stage IN ('COMPLETED', 'REVERSAL_REQUESTED', 'PAY_REVERSAL_SENDING', 'PAY_REVERSAL_UNKNOWN', 'REFUND_SENDING', 'REFUND_UNKNOWN', 'REVIEW_REVERSAL') THEN 'COMPLETED'
        WHEN stage IN ('FAILED') THEN 'FAILED'
        WHEN stage IN ('CANCELLED') THEN 'CANCELLED'
        WHEN stage IN ('REVERSED') THEN 'REVERSED'
    END),
    ADD CONSTRAINT ck_transactions_next_step CHECK (
        next_action_at IS NOT NULL
        OR stage IN ('COMPLETED', 'FAILED', 'CANCELLED', 'REVERSED', 'REVIEW', 'REVIEW_REVERSAL', 'AWAITING_APPROVAL', 'REVERSAL_REQUESTED')
    ),
    ADD CONSTRAINT ck_transactions_type CHECK (
        transaction_type IN ('ACCOUNT_DETAILS', 'POST_TRANSACTION', 'GET_INVOICE', 'CONFIRM_INVOICE', 'BUNDLE_DETAILS', 'CONFIRM_BUNDLE')
    );

CREATE FUNCTION hold_the_moves() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    asking constant text[] := ARRAY[
        'CREATED > ASKING', 'ASKING > COMPLETED', 'ASKING > FAILED'
    ];
    payment constant text[] := ARRAY[
        'CREATED > AWAITING_APPROVAL', 'CREATED > CANCELLED', 'CREATED > QUEUED', 'AWAITING_APPROVAL > CANCELLED',
        'AWAITING_APPROVAL > QUEUED', 'QUEUED > CANCELLED', 'QUEUED > DEBIT_SENDING', 'QUEUED > FAILED', 'QUEUED > PAY_SENDING',
        'DEBIT_SENDING > DEBITED', 'DEBIT_SENDING > DEBIT_ACCEPTED', 'DEBIT_SENDING > DEBIT_RETRY', 'DEBIT_SENDING > DEBIT_UNKNOWN',
        'DEBIT_SENDING > FAILED', 'DEBIT_ACCEPTED > DEBITED', 'DEBIT_ACCEPTED > FAILED', 'DEBIT_ACCEPTED > REVIEW',
        'DEBIT_RETRY > DEBIT_SENDING', 'DEBIT_RETRY > FAILED', 'DEBIT_UNKNOWN > DEBITED', 'DEBIT_UNKNOWN > DEBIT_ACCEPTED',
        'DEBIT_UNKNOWN > DEBIT_RETRY', 'DEBIT_UNKNOWN > FAILED', 'DEBIT_UNKNOWN > REVIEW', 'DEBITED > PAY_SENDING',
        'DEBITED > REVERSAL_SENDING', 'PAY_SENDING > COMPLETED', 'PAY_SENDING > PAY_ACCEPTED', 'PAY_SENDING > PAY_REJECTED',
        'PAY_SENDING > PAY_RETRY', 'PAY_SENDING > PAY_UNKNOWN', 'PAY_ACCEPTED > COMPLETED', 'PAY_ACCEPTED > PAY_REJECTED',
        'PAY_ACCEPTED > REVIEW', 'PAY_UNKNOWN > COMPLETED', 'PAY_UNKNOWN > PAY_ACCEPTED', 'PAY_UNKNOWN > PAY_REJECTED',
        'PAY_UNKNOWN > PAY_RETRY', 'PAY_UNKNOWN > REVIEW', 'PAY_RETRY > FAILED', 'PAY_RETRY > PAY_SENDING',
        'PAY_RETRY > REVERSAL_SENDING', 'PAY_REJECTED > FAILED', 'PAY_REJECTED > REVERSAL_SENDING',
        'REVERSAL_SENDING > REVERSAL_SENDING', 'REVERSAL_SENDING > REVERSAL_UNKNOWN', 'REVERSAL_SENDING > REVERSED',
        'REVERSAL_SENDING > REVIEW', 'REVERSAL_UNKNOWN > REVERSAL_SENDING', 'REVERSAL_UNKNOWN > REVERSED', 'REVERSAL_UNKNOWN > REVIEW',
        'REVIEW > COMPLETED', 'REVIEW > DEBITED', 'REVIEW > DEBIT_UNKNOWN', 'REVIEW > FAILED', 'REVIEW > PAY_REJECTED',
        'REVIEW > PAY_UNKNOWN', 'REVIEW > REVERSAL_UNKNOWN', 'REVIEW > REVERSED', 'COMPLETED > REVERSAL_REQUESTED',
        'REVERSAL_REQUESTED > COMPLETED', 'REVERSAL_REQUESTED > PAY_REVERSAL_SENDING', 'PAY_REVERSAL_SENDING > COMPLETED',
        'PAY_REVERSAL_SENDING > PAY_REVERSAL_SENDING', 'PAY_REVERSAL_SENDING > PAY_REVERSAL_UNKNOWN',
        'PAY_REVERSAL_SENDING > REFUND_SENDING', 'PAY_REVERSAL_SENDING > REVERSED', 'PAY_REVERSAL_SENDING > REVIEW_REVERSAL',
        'PAY_REVERSAL_UNKNOWN > COMPLETED', 'PAY_REVERSAL_UNKNOWN > PAY_REVERSAL_SENDING', 'PAY_REVERSAL_UNKNOWN > REFUND_SENDING',
        'PAY_REVERSAL_UNKNOWN > REVERSED', 'PAY_REVERSAL_UNKNOWN > REVIEW_REVERSAL', 'REFUND_SENDING > REFUND_SENDING',
        'REFUND_SENDING > REFUND_UNKNOWN', 'REFUND_SENDING > REVERSED', 'REFUND_SENDING > REVIEW_REVERSAL',
        'REFUND_UNKNOWN > REFUND_SENDING', 'REFUND_UNKNOWN > REVERSED', 'REFUND_UNKNOWN > REVIEW_REVERSAL',
        'REVIEW_REVERSAL > COMPLETED', 'REVIEW_REVERSAL > PAY_REVERSAL_UNKNOWN', 'REVIEW_REVERSAL > REFUND_SENDING',
        'REVIEW_REVERSAL > REFUND_UNKNOWN', 'REVIEW_REVERSAL > REVERSED'
    ];
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'transaction % cannot be deleted: the record of money is kept', OLD.our_transaction_id USING ERRCODE = 'BM003';
    END IF;
    IF TG_OP = 'INSERT' THEN
        IF NEW.stage = 'CREATED' OR (NEW.demo AND NEW.stage IN ('COMPLETED', 'FAILED', 'CANCELLED', 'REVERSED')) THEN
            RETURN NEW;
        END IF;
        RAISE EXCEPTION 'a transaction begins as CREATED, not as %', NEW.stage USING ERRCODE = 'BM001';
    END IF;
    IF (OLD.id, OLD.biller_config_id, OLD.config_version, OLD.biller_type, OLD.our_transaction_id, OLD.transaction_type, OLD.topology,
        OLD.account_number, OLD.account_type, OLD.amount, OLD.currency, OLD.bundle_id, OLD.invoice_number, OLD.debit_account, OLD.credit_account,
        OLD.draft_id, OLD.retry_of, OLD.initiated_by, OLD.created_at, OLD.demo)
       IS DISTINCT FROM
       (NEW.id, NEW.biller_config_id, NEW.config_version, NEW.biller_type, NEW.our_transaction_id, NEW.transaction_type, NEW.topology,
        NEW.account_number, NEW.account_type, NEW.amount, NEW.currency, NEW.bundle_id, NEW.invoice_number, NEW.debit_account, NEW.credit_account,
        NEW.draft_id, NEW.retry_of, NEW.initiated_by, NEW.created_at, NEW.demo) THEN
        RAISE EXCEPTION 'what transaction % pays cannot be changed once it exists', OLD.our_transaction_id USING ERRCODE = 'BM002';
    END IF;
    IF NEW.lease_epoch < OLD.lease_epoch THEN
        RAISE EXCEPTION 'the lease of transaction % cannot go back', OLD.our_transaction_id USING ERRCODE = 'BM001';
    END IF;
    IF NEW.stage <> OLD.stage THEN
        IF OLD.demo OR NOT (OLD.stage || ' > ' || NEW.stage) = ANY (CASE WHEN OLD.amount IS NULL THEN asking ELSE payment END) THEN
            RAISE EXCEPTION 'transaction % cannot go from % to %', OLD.our_transaction_id, OLD.stage, NEW.stage USING ERRCODE = 'BM001';
        END IF;
        IF NEW.version <> OLD.version + 1 THEN
            RAISE EXCEPTION 'transaction % moved without its version', OLD.our_transaction_id USING ERRCODE = 'BM001';
        END IF;
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER hold_the_moves BEFORE INSERT OR UPDATE OR DELETE ON transactions FOR EACH ROW EXECUTE FUNCTION hold_the_moves();

CREATE FUNCTION hold_the_reference() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR (OLD.transaction_id, OLD.kind, OLD.reference) IS DISTINCT FROM (NEW.transaction_id, NEW.kind, NEW.reference) THEN
        RAISE EXCEPTION 'reference % was minted once and stays', OLD.reference USING ERRCODE = 'BM002';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER hold_the_reference BEFORE UPDATE OR DELETE ON legs FOR EACH ROW EXECUTE FUNCTION hold_the_reference();

CREATE FUNCTION hold_the_frozen_draft() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.frozen_at IS NOT NULL
       AND (OLD.owner_id, OLD.form, OLD.payload, OLD.payload_hash, OLD.frozen_at)
           IS DISTINCT FROM (NEW.owner_id, NEW.form, NEW.payload, NEW.payload_hash, NEW.frozen_at) THEN
        RAISE EXCEPTION 'a draft that was shown for review cannot be changed' USING ERRCODE = 'BM002';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER hold_the_frozen_draft BEFORE UPDATE ON drafts FOR EACH ROW EXECUTE FUNCTION hold_the_frozen_draft();

CREATE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'BM003';
END $$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON attempts FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON answers FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON events FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit_entries FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON seals FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON biller_config_versions FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER not_emptied BEFORE TRUNCATE ON transactions FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER not_emptied BEFORE TRUNCATE ON attempts FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER not_emptied BEFORE TRUNCATE ON answers FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER not_emptied BEFORE TRUNCATE ON events FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER not_emptied BEFORE TRUNCATE ON audit_entries FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER not_emptied BEFORE TRUNCATE ON seals FOR EACH STATEMENT EXECUTE FUNCTION append_only();

-- The plan's payload fields: what was said last, and what was answered last.
CREATE VIEW transaction_payloads AS
SELECT t.id AS transaction_id, last.request AS request_payload, last.response AS response_payload
FROM transactions t
LEFT JOIN LATERAL (
    SELECT request, response FROM answers a WHERE a.transaction_id = t.id ORDER BY a.at DESC, a.id DESC LIMIT 1
) last ON true;
