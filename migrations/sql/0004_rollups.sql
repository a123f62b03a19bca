-- Sums kept beside the rows, so that a figure of ten million costs what one of ten thousand does.

CREATE TABLE rollup_state (
    one boolean DEFAULT true NOT NULL,
    watermark bigint NOT NULL,
    settled_seq bigint DEFAULT 0 NOT NULL,
    settled_at timestamptz,
    zone text NOT NULL,
    events bigint DEFAULT 0 NOT NULL,
    answers bigint DEFAULT 0 NOT NULL,
    rebuilt_at timestamptz,
    verified_at timestamptz,
    differences integer DEFAULT 0 NOT NULL,
    differed_at timestamptz,
    CONSTRAINT pk_rollup_state PRIMARY KEY (one),
    CONSTRAINT ck_rollup_state_one CHECK (one),
    CONSTRAINT ck_rollup_state_differences CHECK (differences >= 0)
);

-- Few rows, written each second: room beside each lets it be written in its place.
CREATE TABLE rollup_hours (
    hour timestamptz NOT NULL,
    biller_type text NOT NULL,
    transaction_type text NOT NULL,
    status text NOT NULL,
    under_review boolean NOT NULL,
    currency text NOT NULL,
    count bigint NOT NULL,
    amount numeric NOT NULL,
    CONSTRAINT pk_rollup_hours PRIMARY KEY (hour, biller_type, transaction_type, status, under_review, currency)
) WITH (fillfactor = 80);

CREATE TABLE rollup_days (
    day date NOT NULL,
    biller_type text NOT NULL,
    transaction_type text NOT NULL,
    status text NOT NULL,
    under_review boolean NOT NULL,
    currency text NOT NULL,
    count bigint NOT NULL,
    amount numeric NOT NULL,
    CONSTRAINT pk_rollup_days PRIMARY KEY (day, biller_type, transaction_type, status, under_review, currency)
) WITH (fillfactor = 80);

CREATE TABLE rollup_weekdays (
    month date NOT NULL,
    weekday smallint NOT NULL,
    hour_of_day smallint NOT NULL,
    biller_type text NOT NULL,
    transaction_type text NOT NULL,
    status text NOT NULL,
    under_review boolean NOT NULL,
    currency text NOT NULL,
    count bigint NOT NULL,
    amount numeric NOT NULL,
    CONSTRAINT pk_rollup_weekdays PRIMARY KEY (month, weekday, hour_of_day, biller_type, transaction_type, status, under_review, currency)
) WITH (fillfactor = 80);

CREATE TABLE rollup_call_hours (
    hour timestamptz NOT NULL,
    biller_type text NOT NULL,
    transaction_type text NOT NULL,
    bucket smallint NOT NULL,
    count bigint NOT NULL,
    total_ms bigint NOT NULL,
    CONSTRAINT pk_rollup_call_hours PRIMARY KEY (hour, biller_type, transaction_type, bucket)
) WITH (fillfactor = 80);

CREATE TABLE rollup_call_days (
    day date NOT NULL,
    biller_type text NOT NULL,
    transaction_type text NOT NULL,
    bucket smallint NOT NULL,
    count bigint NOT NULL,
    total_ms bigint NOT NULL,
    CONSTRAINT pk_rollup_call_days PRIMARY KEY (day, biller_type, transaction_type, bucket)
) WITH (fillfactor = 80);

CREATE TABLE rollup_reasons (
    day date NOT NULL,
    biller_type text NOT NULL,
    transaction_type text NOT NULL,
    code text NOT NULL,
    count bigint NOT NULL,
    message text,
    CONSTRAINT pk_rollup_reasons PRIMARY KEY (day, biller_type, transaction_type, code)
) WITH (fillfactor = 80);

-- An answer is found by the database transaction that wrote it, as an event is. Those that are there have none: the first making of the sums counts them.
ALTER TABLE answers ADD COLUMN xid bigint;
ALTER TABLE answers ALTER COLUMN xid SET DEFAULT (pg_current_xact_id()::text::bigint);
CREATE INDEX ix_answers_xid ON answers (xid);

-- Of an empty database the sums are made. With rows in it the first worker makes them, or `billers rollups rebuild`; until then figures are counted from the rows.
INSERT INTO rollup_state (watermark, zone, rebuilt_at)
SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint, 'Africa/Blantyre', CASE WHEN NOT EXISTS (SELECT 1 FROM transactions) THEN clock_timestamp() END;
