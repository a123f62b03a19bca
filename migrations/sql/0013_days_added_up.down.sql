DROP INDEX ix_transactions_person_created;
CREATE INDEX ix_transactions_person_created ON transactions (initiated_by, biller_type, created_at DESC, id DESC);
