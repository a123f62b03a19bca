DROP TABLE rollup_call_weeks;
