DROP INDEX ix_transactions_lane_amount;
CREATE INDEX ix_transactions_lane_amount ON transactions (biller_type, status, transaction_type, amount DESC, created_at DESC, id DESC) INCLUDE (initiated_by)
    WHERE amount IS NOT NULL;

DROP TABLE known_names;
DROP INDEX ix_known_accounts_name;
ALTER TABLE known_accounts DROP COLUMN words, DROP COLUMN name_key;
ALTER TABLE known_accounts ADD COLUMN words text GENERATED ALWAYS AS (
    translate(left(md5(biller_type), 6), '0123456789abcdef', 'bcdfghjkqvwxzptr') || E'\n'
    || account_number || E'\n' || meter_number || E'\n' || customer_name
) STORED NOT NULL;
CREATE INDEX ix_known_accounts_odd ON known_accounts (biller_type)
    WHERE length(meter_number) IN (1, 2) OR length(customer_name) IN (1, 2) OR words ~ '(\W|_){3}';

CREATE OR REPLACE FUNCTION note_accounts() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
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

CREATE OR REPLACE FUNCTION note_name() RETURNS trigger LANGUAGE plpgsql AS $$
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

CREATE OR REPLACE FUNCTION gather_accounts() RETURNS bigint LANGUAGE sql AS $$
    WITH noted AS (
        INSERT INTO known_accounts (biller_type, account_number, meter_number, customer_name)
        SELECT biller_type, account_number, coalesce(meter_number, ''), coalesce(customer_account_name, '') FROM transactions
        EXCEPT SELECT biller_type, account_number, meter_number, customer_name FROM known_accounts
        RETURNING 1
    )
    SELECT count(*) FROM noted
$$;

DO $$
BEGIN
    CREATE INDEX ix_known_accounts_words ON known_accounts USING gin (words gin_trgm_ops) WITH (gin_pending_list_limit = 256);
EXCEPTION WHEN feature_not_supported OR undefined_object THEN
    RAISE NOTICE 'pg_trgm is not to be had (%)', SQLERRM;
END $$;
