-- Where a biller's file has what: one map of columns for each biller, changed by whoever imports.
CREATE TABLE statement_columns (
    biller_type text NOT NULL,
    columns jsonb NOT NULL,
    changed_at timestamptz DEFAULT clock_timestamp() NOT NULL,
    changed_by uuid,
    CONSTRAINT pk_statement_columns PRIMARY KEY (biller_type),
    CONSTRAINT fk_statement_columns_biller_type FOREIGN KEY(biller_type) REFERENCES biller_types (code),
    CONSTRAINT fk_statement_columns_changed_by FOREIGN KEY(changed_by) REFERENCES users (id)
);

-- One file of a biller, known by its bytes.
CREATE TABLE statements (
    id uuid NOT NULL,
    biller_type text NOT NULL,
    file_name text NOT NULL,
    format text NOT NULL,
    size_bytes integer NOT NULL,
    sha256 bytea NOT NULL,
    columns jsonb NOT NULL,
    first_day date NOT NULL,
    last_day date NOT NULL,
    lines integer NOT NULL,
    new_lines integer NOT NULL,
    passed_over integer NOT NULL,
    imported_by uuid NOT NULL,
    imported_at timestamptz DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_statements PRIMARY KEY (id),
    CONSTRAINT uq_statements_biller_type_sha256 UNIQUE (biller_type, sha256),
    CONSTRAINT fk_statements_biller_type FOREIGN KEY(biller_type) REFERENCES biller_types (code),
    CONSTRAINT fk_statements_imported_by FOREIGN KEY(imported_by) REFERENCES users (id),
    CONSTRAINT ck_statements_format CHECK (format IN ('csv', 'xlsx')),
    CONSTRAINT ck_statements_days CHECK (first_day <= last_day),
    CONSTRAINT ck_statements_lines CHECK (new_lines BETWEEN 1 AND lines),
    CONSTRAINT ck_statements_hash CHECK (length(sha256) = 32)
);
CREATE INDEX ix_statements_imported_at ON statements (imported_at DESC);

-- What the biller says it took or gave back. The same line in another file is the same line; twice in one file it is two.
CREATE TABLE statement_lines (
    id bigint GENERATED ALWAYS AS IDENTITY,
    statement_id uuid NOT NULL,
    row integer NOT NULL,
    biller_type text NOT NULL,
    day date NOT NULL,
    at timestamptz,
    our_reference text,
    their_reference text,
    account text,
    amount numeric(18, 2) NOT NULL,
    currency text NOT NULL,
    kind text NOT NULL,
    fingerprint uuid NOT NULL,
    occurrence integer NOT NULL,
    CONSTRAINT pk_statement_lines PRIMARY KEY (id),
    CONSTRAINT uq_statement_lines_fingerprint UNIQUE (fingerprint, occurrence),
    CONSTRAINT fk_statement_lines_statement_id FOREIGN KEY(statement_id) REFERENCES statements (id),
    CONSTRAINT ck_statement_lines_kind CHECK (kind IN ('PAYMENT', 'REVERSAL')),
    CONSTRAINT ck_statement_lines_amount CHECK (amount > 0),
    CONSTRAINT ck_statement_lines_named CHECK (our_reference IS NOT NULL OR their_reference IS NOT NULL OR account IS NOT NULL)
);
CREATE INDEX ix_statement_lines_day ON statement_lines (biller_type, day);
CREATE INDEX ix_statement_lines_statement_id ON statement_lines (statement_id);
CREATE INDEX ix_statement_lines_their_reference ON statement_lines (biller_type, their_reference) WHERE their_reference IS NOT NULL;

-- Which payment a line is of, and by what that is known.
CREATE TABLE statement_matches (
    line_id bigint NOT NULL,
    transaction_id uuid NOT NULL,
    kind text NOT NULL,
    rule text NOT NULL,
    place integer NOT NULL,
    matched_at timestamptz DEFAULT clock_timestamp() NOT NULL,
    matched_by uuid,
    CONSTRAINT pk_statement_matches PRIMARY KEY (line_id),
    CONSTRAINT uq_statement_matches_place UNIQUE (transaction_id, kind, place),
    CONSTRAINT fk_statement_matches_line_id FOREIGN KEY(line_id) REFERENCES statement_lines (id),
    CONSTRAINT fk_statement_matches_transaction_id FOREIGN KEY(transaction_id) REFERENCES transactions (id),
    CONSTRAINT fk_statement_matches_matched_by FOREIGN KEY(matched_by) REFERENCES users (id),
    CONSTRAINT ck_statement_matches_rule CHECK (rule IN ('OUR_REFERENCE', 'THEIR_REFERENCE', 'ACCOUNT', 'PERSON')),
    CONSTRAINT ck_statement_matches_person CHECK ((rule = 'PERSON') = (matched_by IS NOT NULL))
);

-- What a person made of a difference: it counts for exactly that difference, and not for what becomes of it.
CREATE TABLE difference_notes (
    id uuid NOT NULL,
    biller_type text NOT NULL,
    day date NOT NULL,
    line_id bigint,
    transaction_id uuid,
    result text NOT NULL,
    act text NOT NULL,
    told text NOT NULL,
    noted_by uuid NOT NULL,
    noted_at timestamptz DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_difference_notes PRIMARY KEY (id),
    CONSTRAINT fk_difference_notes_biller_type FOREIGN KEY(biller_type) REFERENCES biller_types (code),
    CONSTRAINT fk_difference_notes_line_id FOREIGN KEY(line_id) REFERENCES statement_lines (id),
    CONSTRAINT fk_difference_notes_transaction_id FOREIGN KEY(transaction_id) REFERENCES transactions (id),
    CONSTRAINT fk_difference_notes_noted_by FOREIGN KEY(noted_by) REFERENCES users (id),
    CONSTRAINT ck_difference_notes_act CHECK (act IN ('EXPLAINED', 'BREAK', 'HANDED_ON')),
    CONSTRAINT ck_difference_notes_about CHECK (line_id IS NOT NULL OR transaction_id IS NOT NULL)
);
CREATE INDEX ix_difference_notes_day ON difference_notes (biller_type, day);

-- What was counted of a day when it was last looked at: the overview reads it from here.
CREATE TABLE reconciliation_days (
    biller_type text NOT NULL,
    day date NOT NULL,
    figures jsonb NOT NULL,
    open integer NOT NULL,
    as_of timestamptz DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_reconciliation_days PRIMARY KEY (biller_type, day),
    CONSTRAINT fk_reconciliation_days_biller_type FOREIGN KEY(biller_type) REFERENCES biller_types (code)
);

-- A day of a biller that a manager signed off, with the sheet of it.
CREATE TABLE day_closes (
    id uuid NOT NULL,
    biller_type text NOT NULL,
    day date NOT NULL,
    figures jsonb NOT NULL,
    sheet bytea NOT NULL,
    sheet_sha256 bytea NOT NULL,
    note text,
    closed_by uuid NOT NULL,
    closed_at timestamptz DEFAULT clock_timestamp() NOT NULL,
    reopened_by uuid,
    reopened_at timestamptz,
    reopened_because text,
    CONSTRAINT pk_day_closes PRIMARY KEY (id),
    CONSTRAINT fk_day_closes_biller_type FOREIGN KEY(biller_type) REFERENCES biller_types (code),
    CONSTRAINT fk_day_closes_closed_by FOREIGN KEY(closed_by) REFERENCES users (id),
    CONSTRAINT fk_day_closes_reopened_by FOREIGN KEY(reopened_by) REFERENCES users (id),
    CONSTRAINT ck_day_closes_sheet CHECK (sheet_sha256 = sha256(sheet)),
    CONSTRAINT ck_day_closes_reopened CHECK ((reopened_at IS NULL) = (reopened_by IS NULL) AND (reopened_at IS NULL) = (reopened_because IS NULL))
);
CREATE UNIQUE INDEX uq_day_closes_standing ON day_closes (biller_type, day) WHERE reopened_at IS NULL;
CREATE INDEX ix_day_closes_day ON day_closes (biller_type, day);
-- A PDF is packed already.
ALTER TABLE day_closes ALTER COLUMN sheet SET STORAGE EXTERNAL;

-- A statement may show that a payment we have as completed is with its biller nowhere.
ALTER TABLE breaks DROP CONSTRAINT ck_breaks_kind,
    ADD CONSTRAINT ck_breaks_kind CHECK (kind IN ('LATE_SUCCESS', 'OTHER_AMOUNT', 'PAID_TWICE', 'NOT_PAID'));

-- What was signed off stays what was signed off: no line, no match and no explanation comes to such a day until it is reopened.
CREATE FUNCTION refuse_closed_lines() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM fresh f JOIN day_closes c ON c.biller_type = f.biller_type AND c.day = f.day AND c.reopened_at IS NULL) THEN
        RAISE EXCEPTION 'this day is signed off: reopen it first' USING ERRCODE = 'BM003';
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION refuse_closed_matches() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM fresh f JOIN statement_lines l ON l.id = f.line_id
        JOIN day_closes c ON c.biller_type = l.biller_type AND c.day = l.day AND c.reopened_at IS NULL
    ) THEN
        RAISE EXCEPTION 'this day is signed off: reopen it first' USING ERRCODE = 'BM003';
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION hold_the_close() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR OLD.reopened_at IS NOT NULL THEN
        RAISE EXCEPTION 'who signed a day off, and who reopened it, is kept' USING ERRCODE = 'BM003';
    END IF;
    IF (OLD.id, OLD.biller_type, OLD.day, OLD.figures, OLD.sheet, OLD.sheet_sha256, OLD.note, OLD.closed_by, OLD.closed_at)
       IS DISTINCT FROM
       (NEW.id, NEW.biller_type, NEW.day, NEW.figures, NEW.sheet, NEW.sheet_sha256, NEW.note, NEW.closed_by, NEW.closed_at) THEN
        RAISE EXCEPTION 'what was signed off cannot be changed: reopen the day' USING ERRCODE = 'BM002';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER refuse_closed AFTER INSERT ON statement_lines REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION refuse_closed_lines();
CREATE TRIGGER refuse_closed AFTER INSERT ON difference_notes REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION refuse_closed_lines();
CREATE TRIGGER refuse_closed AFTER INSERT ON statement_matches REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION refuse_closed_matches();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON statements FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON statement_lines FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON statement_matches FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON difference_notes FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER hold_the_close BEFORE UPDATE OR DELETE ON day_closes FOR EACH ROW EXECUTE FUNCTION hold_the_close();
CREATE TRIGGER not_emptied BEFORE TRUNCATE ON statements FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER not_emptied BEFORE TRUNCATE ON statement_lines FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER not_emptied BEFORE TRUNCATE ON statement_matches FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER not_emptied BEFORE TRUNCATE ON difference_notes FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER not_emptied BEFORE TRUNCATE ON day_closes FOR EACH STATEMENT EXECUTE FUNCTION append_only();
