-- Months of what fills a disk. Made ahead by the worker and by each migration; the default part takes what nobody foresaw.

CREATE TABLE attempts_default PARTITION OF attempts DEFAULT;
CREATE TABLE answers_default PARTITION OF answers DEFAULT;
CREATE TABLE events_default PARTITION OF events DEFAULT;

-- Makes the parts of `months` months from the one `first` lies in; returns how many were new. Months are UTC months.
CREATE FUNCTION ensure_partitions(first timestamptz, months integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    made integer := 0;
    parent text;
    part text;
    start_of_month timestamp;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('billers.partitions'));
    FOR step IN 0 .. months - 1 LOOP
        start_of_month := date_trunc('month', first AT TIME ZONE 'UTC') + make_interval(months => step);
        FOREACH parent IN ARRAY ARRAY['attempts', 'answers', 'events'] LOOP
            part := parent || to_char(start_of_month, '"_"YYYY"_"MM');
            IF to_regclass(part) IS NULL THEN
                EXECUTE format(
                    'CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)',
                    part, parent, start_of_month AT TIME ZONE 'UTC', (start_of_month + interval '1 month') AT TIME ZONE 'UTC'
                );
                made := made + 1;
            END IF;
        END LOOP;
    END LOOP;
    RETURN made;
END $$;

SELECT ensure_partitions(now(), 4);
