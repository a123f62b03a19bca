DROP TRIGGER draw_removed ON rollup_call_days;
DROP TRIGGER draw_changed ON rollup_call_days;
DROP TRIGGER draw_added ON rollup_call_days;
DROP FUNCTION draw_call_lines();
DROP FUNCTION call_lines(date[]);
DROP TABLE rollup_call_lines;
