-- Parts of words are looked for in numbers and in names apart: a thousand customers have one name, and that stands once now, beside their accounts.

-- Each name once. Its key is as much of it as an index holds; of two that begin alike for so long, a row tells which it is.
-- No key is unique here either: two that meet a new name at once both note it.
CREATE TABLE known_names (
    customer_name text NOT NULL,
    name_key text GENERATED ALWAYS AS (left(customer_name, 200)) STORED NOT NULL
);

-- Filled anew rather than changed: what is inserted is soon vacuumed, and then read from the index alone.
ALTER TABLE known_accounts RENAME TO known_accounts_before;
CREATE TABLE known_accounts (
    biller_type text NOT NULL,
    account_number text NOT NULL,
    meter_number text NOT NULL,
    customer_name text NOT NULL,
    name_key text GENERATED ALWAYS AS (left(customer_name, 200)) STORED NOT NULL,
    -- Behind a mark of the biller that nobody types: by it the index of numbers tells billers apart.
    numbers text GENERATED ALWAYS AS (
        translate(left(md5(biller_type), 6), '0123456789abcdef', 'bcdfghjkqvwxzptr') || E'\n' || account_number || E'\n' || meter_number
    ) STORED NOT NULL,
    -- What the version before searches in: the way back leads there.
    words text GENERATED ALWAYS AS (
        translate(left(md5(biller_type), 6), '0123456789abcdef', 'bcdfghjkqvwxzptr') || E'\n'
        || account_number || E'\n' || meter_number || E'\n' || customer_name
    ) STORED NOT NULL
);
INSERT INTO known_accounts (biller_type, account_number, meter_number, customer_name)
SELECT biller_type, account_number, meter_number, customer_name FROM known_accounts_before;
DROP TABLE known_accounts_before;
INSERT INTO known_names (customer_name) SELECT DISTINCT customer_name FROM known_accounts WHERE customer_name <> '';

CREATE INDEX ix_known_accounts_account ON known_accounts (account_number, biller_type);
CREATE INDEX ix_known_accounts_name ON known_accounts (name_key, biller_type, account_number) WHERE name_key <> '';
CREATE INDEX ix_known_names_key ON known_names (name_key);
-- What the indexes of words cannot know, which begin at three letters or digits: few, whoever they are.
CREATE INDEX ix_known_accounts_odd ON known_accounts (biller_type)
    WHERE length(meter_number) IN (1, 2) OR length(customer_name) IN (1, 2) OR words ~ '(\W|_){3}';
CREATE INDEX ix_known_names_odd ON known_names (name_key) WHERE customer_name ~ '(\W|_){3}';

CREATE OR REPLACE FUNCTION note_accounts() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
    WITH noted AS (
        INSERT INTO known_accounts (biller_type, account_number, meter_number, customer_name)
        SELECT DISTINCT f.biller_type, f.account_number, coalesce(f.meter_number, ''), coalesce(f.customer_account_name, '')
        FROM fresh f
        WHERE NOT EXISTS (
            SELECT 1 FROM known_accounts k
            WHERE k.account_number = f.account_number AND k.biller_type = f.biller_type AND k.meter_number = coalesce(f.meter_number, '')
              AND (k.customer_name = f.customer_account_name OR f.customer_account_name IS NULL)
        )
        RETURNING customer_name
    )
    INSERT INTO known_names (customer_name)
    SELECT DISTINCT customer_name FROM noted
    WHERE customer_name <> '' AND NOT EXISTS (SELECT 1 FROM known_names n WHERE n.name_key = left(noted.customer_name, 200) AND n.customer_name = noted.customer_name);
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION note_name() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    WITH noted AS (
        INSERT INTO known_accounts (biller_type, account_number, meter_number, customer_name)
        SELECT NEW.biller_type, NEW.account_number, coalesce(NEW.meter_number, ''), coalesce(NEW.customer_account_name, '')
        WHERE NOT EXISTS (
            SELECT 1 FROM known_accounts k
            WHERE k.account_number = NEW.account_number AND k.biller_type = NEW.biller_type AND k.meter_number = coalesce(NEW.meter_number, '')
              AND k.customer_name = coalesce(NEW.customer_account_name, '')
        )
        RETURNING customer_name
    )
    INSERT INTO known_names (customer_name)
    SELECT customer_name FROM noted
    WHERE customer_name <> '' AND NOT EXISTS (SELECT 1 FROM known_names n WHERE n.name_key = left(noted.customer_name, 200) AND n.customer_name = noted.customer_name);
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION gather_accounts() RETURNS bigint LANGUAGE sql AS $$
    WITH noted AS (
        INSERT INTO known_accounts (biller_type, account_number, meter_number, customer_name)
        SELECT biller_type, account_number, coalesce(meter_number, ''), coalesce(customer_account_name, '') FROM transactions
        EXCEPT SELECT biller_type, account_number, meter_number, customer_name FROM known_accounts
        RETURNING customer_name
    ), named AS (
        INSERT INTO known_names (customer_name)
        SELECT customer_name FROM noted WHERE customer_name <> ''
        EXCEPT SELECT customer_name FROM known_names
    )
    SELECT count(*) FROM noted
$$;

DO $$
BEGIN
    CREATE EXTENSION IF NOT EXISTS pg_trgm;
    CREATE INDEX ix_known_accounts_numbers ON known_accounts USING gin (numbers gin_trgm_ops) WITH (gin_pending_list_limit = 256);
    CREATE INDEX ix_known_accounts_words ON known_accounts USING gin (words gin_trgm_ops) WITH (gin_pending_list_limit = 256);
    CREATE INDEX ix_known_names_words ON known_names USING gin (customer_name gin_trgm_ops) WITH (gin_pending_list_limit = 256);
EXCEPTION WHEN feature_not_supported OR undefined_file OR undefined_object OR insufficient_privilege THEN
    RAISE NOTICE 'pg_trgm is not to be had (%): a search for a part of a number or a name reads every known account', SQLERRM;
END $$;
ANALYZE known_accounts, known_names;

-- The largest payments of a number that many accounts hold: the index itself tells it now, and no row is read. Lists are read by the old one meanwhile.
CREATE INDEX ix_transactions_lane_amount_next ON transactions (biller_type, status, transaction_type, amount DESC, created_at DESC, id DESC)
    INCLUDE (initiated_by, account_number, meter_number)
    WHERE amount IS NOT NULL;
DROP INDEX ix_transactions_lane_amount;
ALTER INDEX ix_transactions_lane_amount_next RENAME TO ix_transactions_lane_amount;
