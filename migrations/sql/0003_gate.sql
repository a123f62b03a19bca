-- This database, whatever it is called and wherever it is restored: what is written down outside of it belongs to it and to no other.
CREATE TABLE installations (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    made_at timestamptz DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_installations PRIMARY KEY (id)
);
CREATE UNIQUE INDEX uq_installations_one ON installations ((true));
INSERT INTO installations DEFAULT VALUES;

-- Each time that the database came back with less than it had confirmed: nothing is sent until a person has signed it off.
CREATE TABLE gates (
    -- One more than any that is known of, here or outside: a sign-off that was lost is not taken for a later one.
    id bigint NOT NULL,
    closed_at timestamptz DEFAULT clock_timestamp() NOT NULL,
    because text NOT NULL,
    noticed_by text NOT NULL,
    mirrored_seq bigint NOT NULL,
    mirrored_at timestamptz NOT NULL,
    found_seq bigint NOT NULL,
    found_at timestamptz,
    reopened_at timestamptz,
    reopened_by uuid,
    reopened_because text,
    doubted integer,
    CONSTRAINT pk_gates PRIMARY KEY (id),
    CONSTRAINT fk_gates_reopened_by FOREIGN KEY(reopened_by) REFERENCES users (id),
    CONSTRAINT ck_gates_reopened CHECK ((reopened_at IS NULL) = (reopened_because IS NULL) AND (reopened_at IS NULL) = (doubted IS NULL))
);
CREATE UNIQUE INDEX uq_gates_closed ON gates ((true)) WHERE reopened_at IS NULL;

-- What was found stays what was found, and a gate is reopened once.
CREATE FUNCTION hold_the_gate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR OLD.reopened_at IS NOT NULL
       OR (OLD.id, OLD.closed_at, OLD.because, OLD.noticed_by, OLD.mirrored_seq, OLD.mirrored_at, OLD.found_seq, OLD.found_at)
          IS DISTINCT FROM (NEW.id, NEW.closed_at, NEW.because, NEW.noticed_by, NEW.mirrored_seq, NEW.mirrored_at, NEW.found_seq, NEW.found_at) THEN
        RAISE EXCEPTION 'what closed gate % stays on record: it can only be signed off, once', OLD.id USING ERRCODE = 'BM003';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER hold_the_gate BEFORE UPDATE OR DELETE ON gates FOR EACH ROW EXECUTE FUNCTION hold_the_gate();
CREATE TRIGGER not_emptied BEFORE TRUNCATE ON gates FOR EACH STATEMENT EXECUTE FUNCTION append_only();
