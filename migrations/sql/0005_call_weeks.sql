-- Calls by the business week, by its Monday. What the days hold already is added up here.
CREATE TABLE rollup_call_weeks (
    week date NOT NULL,
    biller_type text NOT NULL,
    transaction_type text NOT NULL,
    bucket smallint NOT NULL,
    count bigint NOT NULL,
    total_ms bigint NOT NULL,
    CONSTRAINT pk_rollup_call_weeks PRIMARY KEY (week, biller_type, transaction_type, bucket)
) WITH (fillfactor = 80);

INSERT INTO rollup_call_weeks
SELECT date_trunc('week', day)::date, biller_type, transaction_type, bucket, sum(count), sum(total_ms)
FROM rollup_call_days
GROUP BY 1, 2, 3, 4
ORDER BY 1;
