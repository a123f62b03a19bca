-- What went wrong in the same way, the largest amount first: all of it was read and sorted for one page.
CREATE INDEX ix_transactions_error_amount ON transactions (COALESCE(error_code, '(none)'), amount DESC, created_at DESC, id DESC)
    INCLUDE (error_code)
    WHERE amount IS NOT NULL AND (error_code IS NOT NULL OR status IN ('FAILED', 'CANCELLED', 'REVERSED'));
