DROP TABLE rollup_call_totals;
