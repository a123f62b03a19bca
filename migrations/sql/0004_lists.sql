-- How a list of ten million rows is filtered, sorted and searched. core/repositories/walks.py asks by these; core/models says why each is there.

-- A lane is a biller, a status and a type: whatever is filtered by them is read from a few lanes, each in the order of the list.
DROP INDEX ix_transactions_biller_status_created;
DROP INDEX ix_transactions_status_created;
CREATE INDEX ix_transactions_lane_created ON transactions (biller_type, status, transaction_type, created_at DESC, id DESC) INCLUDE (amount, initiated_by);
CREATE INDEX ix_transactions_lane_amount ON transactions (biller_type, status, transaction_type, amount DESC, created_at DESC, id DESC) INCLUDE (initiated_by)
    WHERE amount IS NOT NULL;

-- The plain list, and what is counted of the hours that a range only touches, without reading a row.
DROP INDEX ix_transactions_created_at_id;
CREATE INDEX ix_transactions_created_at_id ON transactions (created_at DESC, id DESC)
    INCLUDE (biller_type, status, transaction_type, currency, amount, stage, initiated_by);

DROP INDEX ix_transactions_account_created;
CREATE INDEX ix_transactions_account_created ON transactions (account_number, created_at DESC, id DESC) INCLUDE (amount);
DROP INDEX ix_transactions_initiated_by_created;
CREATE INDEX ix_transactions_person_created ON transactions (initiated_by, biller_type, created_at DESC, id DESC);
CREATE INDEX ix_transactions_error_created ON transactions (COALESCE(error_code, '(none)'), created_at DESC, id DESC)
    INCLUDE (error_code, biller_type, status, transaction_type, amount, initiated_by)
    WHERE error_code IS NOT NULL OR status IN ('FAILED', 'CANCELLED', 'REVERSED');

-- References, whole or by how they begin, whatever the database sorts text by.
ALTER TABLE transactions DROP CONSTRAINT uq_transactions_our_transaction_id;
CREATE UNIQUE INDEX uq_transactions_our_transaction_id ON transactions (our_transaction_id text_pattern_ops);
DROP INDEX ix_transactions_external;
CREATE INDEX ix_transactions_external ON transactions (external_transaction_id text_pattern_ops) INCLUDE (created_at, id, amount)
    WHERE external_transaction_id IS NOT NULL;
CREATE INDEX ix_transactions_invoice ON transactions (invoice_number text_pattern_ops) INCLUDE (created_at, id, amount) WHERE invoice_number IS NOT NULL;

-- Each account once with each name it was known under: what parts of numbers and names are searched in, ten million rows being a fraction of that.
-- No key is unique: two that meet a new account at once both note it, and neither waits for the other.
CREATE TABLE known_accounts (
    biller_type text NOT NULL,
    account_number text NOT NULL,
    meter_number text NOT NULL,
    customer_name text NOT NULL,
    -- Behind a mark of the biller that nobody types: by it the index of words tells billers apart.
    words text GENERATED ALWAYS AS (
        translate(left(md5(biller_type), 6), '0123456789abcdef', 'bcdfghjkqvwxzptr') || E'\n'
        || account_number || E'\n' || meter_number || E'\n' || customer_name
    ) STORED NOT NULL
);
CREATE INDEX ix_known_accounts_account ON known_accounts (account_number, biller_type);
-- What the index of words cannot know, which begins at three letters or digits: few, whoever they are.
CREATE INDEX ix_known_accounts_odd ON known_accounts (biller_type)
    WHERE length(meter_number) IN (1, 2) OR length(customer_name) IN (1, 2) OR words ~ '(\W|_){3}';

-- Notes the accounts of rows that came in. By index, row for row: whoever pays at this moment must not read a million accounts.
CREATE FUNCTION note_accounts() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
    INSERT INTO known_accounts (biller_type, account_number, meter_number, customer_name)
    SELECT DISTINCT f.biller_type, f.account_number, coalesce(f.meter_number, ''), coalesce(f.customer_account_name, '')
    FROM fresh f
    WHERE NOT EXISTS (
        SELECT 1 FROM known_accounts k
        WHERE k.account_number = f.account_number AND k.biller_type = f.biller_type AND k.meter_number = coalesce(f.meter_number, '')
          AND (k.customer_name = f.customer_account_name OR f.customer_account_name IS NULL)
    );
    RETURN NULL;
END $$;

-- A name is told by the biller's answer, when the row has long been there.
CREATE FUNCTION note_name() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO known_accounts (biller_type, account_number, meter_number, customer_name)
    SELECT NEW.biller_type, NEW.account_number, coalesce(NEW.meter_number, ''), coalesce(NEW.customer_account_name, '')
    WHERE NOT EXISTS (
        SELECT 1 FROM known_accounts k
        WHERE k.account_number = NEW.account_number AND k.biller_type = NEW.biller_type AND k.meter_number = coalesce(NEW.meter_number, '')
          AND k.customer_name = coalesce(NEW.customer_account_name, '')
    );
    RETURN NULL;
END $$;

-- What rows brought that no trigger saw: those there were, and those of a load that went past them. Answers how many accounts are new.
CREATE FUNCTION gather_accounts() RETURNS bigint LANGUAGE sql AS $$
    WITH noted AS (
        INSERT INTO known_accounts (biller_type, account_number, meter_number, customer_name)
        SELECT biller_type, account_number, coalesce(meter_number, ''), coalesce(customer_account_name, '') FROM transactions
        EXCEPT SELECT biller_type, account_number, meter_number, customer_name FROM known_accounts
        RETURNING 1
    )
    SELECT count(*) FROM noted
$$;

SELECT gather_accounts();

CREATE TRIGGER note_accounts AFTER INSERT ON transactions REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION note_accounts();
CREATE TRIGGER note_name AFTER UPDATE ON transactions FOR EACH ROW
    WHEN (NEW.customer_account_name IS DISTINCT FROM OLD.customer_account_name OR NEW.meter_number IS DISTINCT FROM OLD.meter_number)
    EXECUTE FUNCTION note_name();

-- Parts of words. A server without the extension is searched all the same, only slower; `billers doctor` says so.
DO $$
BEGIN
    CREATE EXTENSION IF NOT EXISTS pg_trgm;
    CREATE INDEX ix_known_accounts_words ON known_accounts USING gin (words gin_trgm_ops) WITH (gin_pending_list_limit = 256);
EXCEPTION WHEN feature_not_supported OR undefined_file OR undefined_object OR insufficient_privilege THEN
    RAISE NOTICE 'pg_trgm is not to be had (%): a search for a part of a number or a name reads every known account', SQLERRM;
END $$;
