DROP TABLE day_closes, reconciliation_days, difference_notes, statement_matches, statement_lines, statements, statement_columns;
DROP FUNCTION refuse_closed_lines, refuse_closed_matches, hold_the_close;
DELETE FROM breaks WHERE kind = 'NOT_PAID';
ALTER TABLE breaks DROP CONSTRAINT ck_breaks_kind, ADD CONSTRAINT ck_breaks_kind CHECK (kind IN ('LATE_SUCCESS', 'OTHER_AMOUNT', 'PAID_TWICE'));
