-- Months that were put away come back: what they hang on is about to go.
DO $$
DECLARE
    part record;
    start_of_month timestamp;
BEGIN
    FOR part IN
        SELECT relname, split_part(relname, '_', 1) AS parent FROM pg_class
        WHERE relkind = 'r' AND NOT relispartition AND relnamespace = current_schema()::regnamespace
          AND relname ~ '^(events|answers|attempts)_[0-9]{4}_[0-9]{2}$'
    LOOP
        start_of_month := to_timestamp(right(part.relname, 7), 'YYYY_MM') AT TIME ZONE current_setting('TimeZone');
        EXECUTE format('DROP TRIGGER append_only ON %I; DROP TRIGGER not_emptied ON %I', part.relname, part.relname);
        EXECUTE format(
            'ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
            part.parent, part.relname, start_of_month AT TIME ZONE 'UTC', (start_of_month + interval '1 month') AT TIME ZONE 'UTC'
        );
    END LOOP;
END $$;

DROP TRIGGER note_name ON transactions;
DROP TRIGGER note_accounts ON transactions;
DROP FUNCTION note_name, note_accounts, gather_accounts;
DROP TABLE known_accounts;

DROP INDEX ix_transactions_invoice;
DROP INDEX ix_transactions_external;
CREATE INDEX ix_transactions_external ON transactions (external_transaction_id) WHERE external_transaction_id IS NOT NULL;
DROP INDEX uq_transactions_our_transaction_id;
ALTER TABLE transactions ADD CONSTRAINT uq_transactions_our_transaction_id UNIQUE (our_transaction_id);
DROP INDEX ix_transactions_error_created;
DROP INDEX ix_transactions_person_created;
CREATE INDEX ix_transactions_initiated_by_created ON transactions (initiated_by, created_at DESC, id DESC);
DROP INDEX ix_transactions_account_created;
CREATE INDEX ix_transactions_account_created ON transactions (account_number, created_at DESC);
DROP INDEX ix_transactions_created_at_id;
CREATE INDEX ix_transactions_created_at_id ON transactions (created_at DESC, id DESC);
DROP INDEX ix_transactions_lane_amount;
DROP INDEX ix_transactions_lane_created;
CREATE INDEX ix_transactions_status_created ON transactions (status, created_at DESC, id DESC);
CREATE INDEX ix_transactions_biller_status_created ON transactions (biller_type, status, created_at DESC, id DESC);
