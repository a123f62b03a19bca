ALTER TABLE answers DROP COLUMN xid;
DROP TABLE rollup_reasons, rollup_call_days, rollup_call_hours, rollup_weekdays, rollup_days, rollup_hours, rollup_state;
