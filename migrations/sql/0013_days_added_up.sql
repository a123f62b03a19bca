DROP INDEX ix_transactions_person_created;
-- What one person paid, of one biller or of any; what a day of theirs adds up to is read here, and not from each of its rows.
CREATE INDEX ix_transactions_person_created ON transactions (initiated_by, biller_type, created_at DESC, id DESC)
    INCLUDE (transaction_type, status, currency, amount, debit_account);
