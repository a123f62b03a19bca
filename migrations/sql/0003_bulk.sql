-- One act on many payments: what was asked for, and what came of each.
CREATE TABLE bulk_acts (
    id uuid NOT NULL,
    act text NOT NULL,
    asked_by uuid NOT NULL,
    reason text,
    created_at timestamptz DEFAULT clock_timestamp() NOT NULL,
    selection text NOT NULL,
    eligible integer NOT NULL,
    blocked integer NOT NULL,
    totals jsonb NOT NULL,
    started_at timestamptz,
    finished_at timestamptz,
    stopped_at timestamptz,
    stopped_by uuid,
    CONSTRAINT pk_bulk_acts PRIMARY KEY (id),
    CONSTRAINT fk_bulk_acts_asked_by FOREIGN KEY(asked_by) REFERENCES users (id),
    CONSTRAINT fk_bulk_acts_stopped_by FOREIGN KEY(stopped_by) REFERENCES users (id),
    CONSTRAINT ck_bulk_acts_act CHECK (act IN ('RETRY', 'CANCEL', 'REVERSE')),
    CONSTRAINT ck_bulk_acts_counts CHECK (eligible >= 1 AND blocked >= 0),
    CONSTRAINT ck_bulk_acts_stopped CHECK ((stopped_at IS NULL) = (stopped_by IS NULL)),
    CONSTRAINT ck_bulk_acts_reason CHECK (act <> 'REVERSE' OR reason IS NOT NULL)
);
CREATE INDEX ix_bulk_acts_asked_by_created_at ON bulk_acts (asked_by, created_at DESC);
CREATE INDEX ix_bulk_acts_created_at ON bulk_acts (created_at DESC);
CREATE INDEX ix_bulk_acts_running ON bulk_acts (id) WHERE finished_at IS NULL;

CREATE TABLE bulk_items (
    act_id uuid NOT NULL,
    ordinal integer NOT NULL,
    transaction_id uuid NOT NULL,
    state text NOT NULL,
    told text,
    made_transaction_id uuid,
    at timestamptz,
    CONSTRAINT pk_bulk_items PRIMARY KEY (act_id, ordinal),
    CONSTRAINT fk_bulk_items_act_id FOREIGN KEY(act_id) REFERENCES bulk_acts (id),
    CONSTRAINT fk_bulk_items_transaction_id FOREIGN KEY(transaction_id) REFERENCES transactions (id),
    CONSTRAINT fk_bulk_items_made_transaction_id FOREIGN KEY(made_transaction_id) REFERENCES transactions (id),
    CONSTRAINT uq_bulk_items_act_id_transaction_id UNIQUE (act_id, transaction_id),
    CONSTRAINT uq_bulk_items_made_transaction_id UNIQUE (made_transaction_id),
    CONSTRAINT ck_bulk_items_state CHECK (state IN ('WAITING', 'DONE', 'BLOCKED', 'FAILED')),
    CONSTRAINT ck_bulk_items_told CHECK ((state = 'WAITING') = (told IS NULL)),
    CONSTRAINT ck_bulk_items_made CHECK (made_transaction_id IS NULL OR state = 'DONE')
);
CREATE INDEX ix_bulk_items_waiting ON bulk_items (at NULLS FIRST, ordinal, act_id) WHERE state = 'WAITING';
CREATE INDEX ix_bulk_items_transaction_id ON bulk_items (transaction_id);

-- What was asked for stays what was asked for, and what came of a row is written once.
CREATE FUNCTION hold_the_bulk_act() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'an act on many payments cannot be deleted: who asked for what is kept' USING ERRCODE = 'BM003';
    END IF;
    IF (OLD.id, OLD.act, OLD.asked_by, OLD.reason, OLD.created_at, OLD.selection, OLD.eligible, OLD.blocked, OLD.totals)
       IS DISTINCT FROM
       (NEW.id, NEW.act, NEW.asked_by, NEW.reason, NEW.created_at, NEW.selection, NEW.eligible, NEW.blocked, NEW.totals) THEN
        RAISE EXCEPTION 'what was asked for cannot be changed: start another act' USING ERRCODE = 'BM002';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION hold_the_bulk_item() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'a row of an act cannot be deleted: what came of it is kept' USING ERRCODE = 'BM003';
    END IF;
    IF OLD.state <> 'WAITING' THEN
        RAISE EXCEPTION 'what came of this row is written already' USING ERRCODE = 'BM003';
    END IF;
    IF (OLD.act_id, OLD.ordinal, OLD.transaction_id) IS DISTINCT FROM (NEW.act_id, NEW.ordinal, NEW.transaction_id) THEN
        RAISE EXCEPTION 'a row of an act is about one payment for ever' USING ERRCODE = 'BM002';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER hold_the_bulk_act BEFORE UPDATE OR DELETE ON bulk_acts FOR EACH ROW EXECUTE FUNCTION hold_the_bulk_act();
CREATE TRIGGER hold_the_bulk_item BEFORE UPDATE OR DELETE ON bulk_items FOR EACH ROW EXECUTE FUNCTION hold_the_bulk_item();
CREATE TRIGGER not_emptied BEFORE TRUNCATE ON bulk_acts FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER not_emptied BEFORE TRUNCATE ON bulk_items FOR EACH STATEMENT EXECUTE FUNCTION append_only();
