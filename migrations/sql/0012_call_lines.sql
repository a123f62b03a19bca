-- Answer times of a business day in one line: of all calls, of each biller's and of each kind's. A year of days was ranked from twenty thousand buckets.
CREATE TABLE rollup_call_lines (
    -- Empty: of all of them.
    biller_type text NOT NULL,
    transaction_type text NOT NULL,
    day date NOT NULL,
    -- Those that have calls, in order, and how many calls there are up to the end of each.
    buckets smallint[] NOT NULL,
    up_tos bigint[] NOT NULL,
    total_ms bigint NOT NULL,
    CONSTRAINT pk_rollup_call_lines PRIMARY KEY (biller_type, transaction_type, day)
) WITH (fillfactor = 60);

-- What the lines of these days are, by the days' sums.
CREATE FUNCTION call_lines(of_days date[]) RETURNS SETOF rollup_call_lines LANGUAGE sql STABLE AS $$
    WITH summed AS (
        SELECT
            coalesce(biller_type, '') AS biller_type, coalesce(transaction_type, '') AS transaction_type, day, bucket,
            sum(count) AS count, sum(total_ms) AS total_ms
        FROM rollup_call_days
        WHERE day = ANY (of_days)
        GROUP BY GROUPING SETS ((day, bucket), (biller_type, day, bucket), (transaction_type, day, bucket))
        HAVING sum(count) > 0
    ), counted AS (
        SELECT *, sum(count) OVER (PARTITION BY biller_type, transaction_type, day ORDER BY bucket)::bigint AS up_to FROM summed
    )
    SELECT biller_type, transaction_type, day, array_agg(bucket ORDER BY bucket), array_agg(up_to ORDER BY bucket), sum(total_ms)::bigint
    FROM counted
    GROUP BY biller_type, transaction_type, day
$$;

-- With the sums themselves, so that they agree whoever adds up, a version that knows nothing of lines too.
CREATE FUNCTION draw_call_lines() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    of_days date[] := (SELECT array_agg(DISTINCT day) FROM changed);
BEGIN
    IF TG_OP = 'DELETE' THEN
        DELETE FROM rollup_call_lines WHERE day = ANY (of_days);
    END IF;
    INSERT INTO rollup_call_lines
    SELECT * FROM call_lines(of_days)
    ON CONFLICT (biller_type, transaction_type, day) DO UPDATE SET buckets = excluded.buckets, up_tos = excluded.up_tos, total_ms = excluded.total_ms;
    RETURN NULL;
END $$;

CREATE TRIGGER draw_added AFTER INSERT ON rollup_call_days REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION draw_call_lines();
CREATE TRIGGER draw_changed AFTER UPDATE ON rollup_call_days REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION draw_call_lines();
CREATE TRIGGER draw_removed AFTER DELETE ON rollup_call_days REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION draw_call_lines();

INSERT INTO rollup_call_lines
SELECT * FROM call_lines((SELECT array_agg(DISTINCT day) FROM rollup_call_days))
ORDER BY 1, 2, 3;
ANALYZE rollup_call_lines;
