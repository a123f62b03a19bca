-- Calls of all billers by the business day. What the days hold already is added up here.
CREATE TABLE rollup_call_totals (
    day date NOT NULL,
    bucket smallint NOT NULL,
    count bigint NOT NULL,
    total_ms bigint NOT NULL,
    CONSTRAINT pk_rollup_call_totals PRIMARY KEY (day, bucket)
) WITH (fillfactor = 80);

INSERT INTO rollup_call_totals
SELECT day, bucket, sum(count), sum(total_ms)
FROM rollup_call_days
GROUP BY 1, 2
ORDER BY 1;
