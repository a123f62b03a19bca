DROP INDEX ix_transactions_lane_amount;
CREATE INDEX ix_transactions_lane_amount ON transactions (biller_type, status, transaction_type, amount DESC, created_at DESC, id DESC) INCLUDE (initiated_by)
    WHERE amount IS NOT NULL;

DROP TABLE known_names;
ALTER TABLE known_accounts DROP COLUMN numbers, DROP COLUMN name_key;

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
