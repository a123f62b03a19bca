-- What was taken away as a file: what was asked for, how far it came, and the hash of what left.
CREATE TABLE exports (
    id uuid NOT NULL,
    asked_by uuid,
    begun_at timestamptz DEFAULT clock_timestamp() NOT NULL,
    file_name text NOT NULL,
    filter text NOT NULL,
    address text NOT NULL,
    profile text NOT NULL,
    columns jsonb NOT NULL,
    zone text NOT NULL,
    sort text NOT NULL,
    expected_rows bigint NOT NULL,
    value jsonb NOT NULL,
    rows bigint DEFAULT 0 NOT NULL,
    size_bytes bigint DEFAULT 0 NOT NULL,
    seen_at timestamptz DEFAULT clock_timestamp() NOT NULL,
    cancelled_at timestamptz,
    ended_at timestamptz,
    sha256 text,
    complete boolean,
    because text,
    CONSTRAINT pk_exports PRIMARY KEY (id),
    CONSTRAINT fk_exports_asked_by FOREIGN KEY(asked_by) REFERENCES users (id),
    CONSTRAINT ck_exports_profile CHECK (profile IN ('spreadsheet', 'data', 'workbook')),
    CONSTRAINT ck_exports_ended CHECK ((ended_at IS NULL) = (complete IS NULL) AND (ended_at IS NULL) = (sha256 IS NULL)),
    CONSTRAINT ck_exports_because CHECK (ended_at IS NULL AND because IS NULL OR complete = (because IS NULL))
);
CREATE INDEX ix_exports_asked_by_begun_at ON exports (asked_by, begun_at DESC);
CREATE INDEX ix_exports_begun_at ON exports (begun_at DESC);

-- What was asked for stays what was asked for, and an end is written once.
CREATE FUNCTION hold_the_export() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'an export cannot be deleted: who took what away is kept' USING ERRCODE = 'BM003';
    END IF;
    IF OLD.ended_at IS NOT NULL THEN
        RAISE EXCEPTION 'how this export ended is written already' USING ERRCODE = 'BM003';
    END IF;
    IF (OLD.id, OLD.asked_by, OLD.begun_at, OLD.file_name, OLD.filter, OLD.address, OLD.profile, OLD.columns, OLD.zone, OLD.sort, OLD.expected_rows, OLD.value)
       IS DISTINCT FROM
       (NEW.id, NEW.asked_by, NEW.begun_at, NEW.file_name, NEW.filter, NEW.address, NEW.profile, NEW.columns, NEW.zone, NEW.sort, NEW.expected_rows, NEW.value) THEN
        RAISE EXCEPTION 'what was asked for cannot be changed: start another export' USING ERRCODE = 'BM002';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER hold_the_export BEFORE UPDATE OR DELETE ON exports FOR EACH ROW EXECUTE FUNCTION hold_the_export();
CREATE TRIGGER not_emptied BEFORE TRUNCATE ON exports FOR EACH STATEMENT EXECUTE FUNCTION append_only();
