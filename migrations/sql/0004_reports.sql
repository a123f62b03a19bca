-- Which reports are made by themselves: one row for each kind, changed by managers.
CREATE TABLE report_schedules (
    kind text NOT NULL,
    is_on boolean NOT NULL,
    hour integer NOT NULL,
    formats jsonb NOT NULL,
    since timestamptz,
    changed_at timestamptz,
    changed_by uuid,
    CONSTRAINT pk_report_schedules PRIMARY KEY (kind),
    CONSTRAINT fk_report_schedules_changed_by FOREIGN KEY(changed_by) REFERENCES users (id),
    CONSTRAINT ck_report_schedules_kind CHECK (kind IN ('daily', 'weekly', 'monthly')),
    CONSTRAINT ck_report_schedules_hour CHECK (hour BETWEEN 0 AND 23),
    CONSTRAINT ck_report_schedules_formats CHECK (jsonb_array_length(formats) >= 1)
);
INSERT INTO report_schedules (kind, is_on, hour, formats)
VALUES ('daily', true, 6, '["pdf", "xlsx", "csv"]'), ('weekly', true, 6, '["pdf", "xlsx", "csv"]'), ('monthly', true, 6, '["pdf", "xlsx", "csv"]');

-- Reports that were made, and those that are owed by a schedule and not made yet.
CREATE TABLE reports (
    id uuid NOT NULL,
    kind text NOT NULL,
    first_day date NOT NULL,
    last_day date NOT NULL,
    formats jsonb NOT NULL,
    made_by uuid,
    created_at timestamptz DEFAULT clock_timestamp() NOT NULL,
    as_of timestamptz,
    rows bigint,
    figures jsonb,
    made_at timestamptz,
    tries integer DEFAULT 0 NOT NULL,
    next_try_at timestamptz,
    told text,
    CONSTRAINT pk_reports PRIMARY KEY (id),
    CONSTRAINT fk_reports_made_by FOREIGN KEY(made_by) REFERENCES users (id),
    CONSTRAINT ck_reports_kind CHECK (kind IN ('daily', 'weekly', 'monthly')),
    CONSTRAINT ck_reports_days CHECK (first_day <= last_day),
    CONSTRAINT ck_reports_made CHECK ((made_at IS NULL) = (figures IS NULL) AND (made_at IS NULL) = (as_of IS NULL) AND (made_at IS NULL) = (rows IS NULL)),
    CONSTRAINT ck_reports_waits CHECK ((made_at IS NULL) = (next_try_at IS NOT NULL)),
    CONSTRAINT ck_reports_by_a_person CHECK (made_by IS NULL OR made_at IS NOT NULL)
);
-- However many workers look at the clock: a schedule owes one report for a period.
CREATE UNIQUE INDEX uq_reports_scheduled ON reports (kind, first_day) WHERE made_by IS NULL;
CREATE INDEX ix_reports_created_at ON reports (created_at DESC, id DESC);
CREATE INDEX ix_reports_period ON reports (kind, first_day, as_of DESC);
CREATE INDEX ix_reports_waiting ON reports (next_try_at) WHERE made_at IS NULL;

-- What was handed out, byte for byte.
CREATE TABLE report_files (
    report_id uuid NOT NULL,
    format text NOT NULL,
    content bytea NOT NULL,
    size_bytes integer NOT NULL,
    sha256 bytea NOT NULL,
    made_at timestamptz DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_report_files PRIMARY KEY (report_id, format),
    CONSTRAINT fk_report_files_report_id FOREIGN KEY(report_id) REFERENCES reports (id),
    CONSTRAINT ck_report_files_format CHECK (format IN ('csv', 'xlsx', 'pdf')),
    CONSTRAINT ck_report_files_content CHECK (size_bytes = length(content) AND sha256 = sha256(content))
);
-- PDF and XLSX are packed already.
ALTER TABLE report_files ALTER COLUMN content SET STORAGE EXTERNAL;

-- What a report said stays what it said.
CREATE FUNCTION hold_the_report() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR OLD.made_at IS NOT NULL THEN
        RAISE EXCEPTION 'a report that was made says for ever what was known then: make another one' USING ERRCODE = 'BM003';
    END IF;
    IF (OLD.id, OLD.kind, OLD.first_day, OLD.last_day, OLD.formats, OLD.made_by, OLD.created_at)
       IS DISTINCT FROM
       (NEW.id, NEW.kind, NEW.first_day, NEW.last_day, NEW.formats, NEW.made_by, NEW.created_at) THEN
        RAISE EXCEPTION 'a report is owed for one period for ever' USING ERRCODE = 'BM002';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER hold_the_report BEFORE UPDATE OR DELETE ON reports FOR EACH ROW EXECUTE FUNCTION hold_the_report();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON report_files FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER not_emptied BEFORE TRUNCATE ON reports FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER not_emptied BEFORE TRUNCATE ON report_files FOR EACH STATEMENT EXECUTE FUNCTION append_only();
