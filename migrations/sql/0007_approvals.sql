-- What one person proposed of more than one payment: an act on many, or a rule about all of them. Another person decides once.
CREATE TABLE wider_proposals (
    id uuid NOT NULL,
    kind text NOT NULL,
    subject text NOT NULL,
    shown jsonb NOT NULL,
    shown_hash bytea NOT NULL,
    reason text NOT NULL,
    proposed_by uuid NOT NULL,
    created_at timestamptz DEFAULT clock_timestamp() NOT NULL,
    expires_at timestamptz NOT NULL,
    decision text DEFAULT 'open' NOT NULL,
    decided_by uuid,
    decided_at timestamptz,
    decided_because text,
    CONSTRAINT pk_wider_proposals PRIMARY KEY (id),
    CONSTRAINT fk_wider_proposals_proposed_by FOREIGN KEY(proposed_by) REFERENCES users (id),
    CONSTRAINT fk_wider_proposals_decided_by FOREIGN KEY(decided_by) REFERENCES users (id),
    CONSTRAINT ck_wider_proposals_kind CHECK (kind IN ('BULK', 'RULE')),
    CONSTRAINT ck_wider_proposals_decision CHECK (decision IN ('open', 'approved', 'rejected', 'withdrawn', 'expired')),
    CONSTRAINT ck_wider_proposals_decided CHECK ((decision = 'open') = (decided_at IS NULL)),
    CONSTRAINT ck_wider_proposals_two_people CHECK (decision NOT IN ('approved', 'rejected') OR (decided_by IS NOT NULL AND decided_by <> proposed_by)),
    CONSTRAINT ck_wider_proposals_rejected_because CHECK (decision <> 'rejected' OR decided_because IS NOT NULL),
    CONSTRAINT ck_wider_proposals_hash CHECK (length(shown_hash) = 32)
);
CREATE UNIQUE INDEX uq_wider_proposals_open ON wider_proposals (kind, subject) WHERE decision = 'open';
CREATE INDEX ix_wider_proposals_waiting ON wider_proposals (expires_at) WHERE decision = 'open';
CREATE INDEX ix_wider_proposals_decided_at ON wider_proposals (decided_at DESC) WHERE decided_at IS NOT NULL;
CREATE INDEX ix_wider_proposals_subject ON wider_proposals (subject, kind);

-- Of one person what they proposed, the newest first.
CREATE INDEX ix_wider_proposals_proposed_by ON wider_proposals (proposed_by, created_at DESC);
CREATE INDEX ix_proposals_proposed_by ON proposals (proposed_by, created_at DESC);

-- What was shown stays what was shown, and a decision is made once.
CREATE FUNCTION hold_the_wider_proposal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'a proposal cannot be deleted: who proposed what is kept' USING ERRCODE = 'BM003';
    END IF;
    IF TG_OP = 'INSERT' THEN
        IF NEW.decision <> 'open' THEN
            RAISE EXCEPTION 'a proposal begins open, not as %', NEW.decision USING ERRCODE = 'BM001';
        END IF;
        RETURN NEW;
    END IF;
    IF OLD.decision <> 'open' THEN
        RAISE EXCEPTION 'this proposal was decided: its decision stays' USING ERRCODE = 'BM003';
    END IF;
    IF (OLD.id, OLD.kind, OLD.subject, OLD.shown, OLD.shown_hash, OLD.reason, OLD.proposed_by, OLD.created_at, OLD.expires_at)
       IS DISTINCT FROM
       (NEW.id, NEW.kind, NEW.subject, NEW.shown, NEW.shown_hash, NEW.reason, NEW.proposed_by, NEW.created_at, NEW.expires_at) THEN
        RAISE EXCEPTION 'what was proposed cannot be changed: withdraw it and propose anew' USING ERRCODE = 'BM002';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER hold_the_proposal BEFORE INSERT OR UPDATE OR DELETE ON wider_proposals FOR EACH ROW EXECUTE FUNCTION hold_the_wider_proposal();
CREATE TRIGGER not_emptied BEFORE TRUNCATE ON wider_proposals FOR EACH STATEMENT EXECUTE FUNCTION append_only();

-- From where on a second person decides. '' is whichever role or biller has no rule of its own. A change is a further version; none is ever changed.
CREATE TABLE approval_rules (
    id uuid NOT NULL,
    role text NOT NULL,
    biller_type text NOT NULL,
    currency text NOT NULL,
    version integer NOT NULL,
    pays_alone numeric(18, 2),
    duplicates text,
    duplicates_above numeric(18, 2),
    bulk_rows integer,
    bulk_sum numeric(18, 2),
    proposal_id uuid NOT NULL,
    at timestamptz DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_approval_rules PRIMARY KEY (id),
    CONSTRAINT fk_approval_rules_proposal_id FOREIGN KEY(proposal_id) REFERENCES wider_proposals (id),
    CONSTRAINT uq_approval_rules_role_biller_type_currency_version UNIQUE (role, biller_type, currency, version),
    CONSTRAINT uq_approval_rules_proposal_id UNIQUE (proposal_id),
    CONSTRAINT ck_approval_rules_duplicates CHECK (duplicates IN ('REASON', 'SECOND_PERSON')),
    CONSTRAINT ck_approval_rules_duplicates_above CHECK ((duplicates IS NOT DISTINCT FROM 'SECOND_PERSON') = (duplicates_above IS NOT NULL)),
    CONSTRAINT ck_approval_rules_limits CHECK (pays_alone >= 0 AND duplicates_above >= 0 AND bulk_rows >= 0 AND bulk_sum >= 0),
    CONSTRAINT ck_approval_rules_version CHECK (version >= 1)
);

-- A rule is what two people said: there is no other way to one.
CREATE FUNCTION hold_the_rule() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM wider_proposals WHERE id = NEW.proposal_id AND kind = 'RULE' AND decision = 'approved') THEN
        RAISE EXCEPTION 'a rule of who pays alone is approved by a second person before it holds' USING ERRCODE = 'BM001';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER hold_the_rule BEFORE INSERT ON approval_rules FOR EACH ROW EXECUTE FUNCTION hold_the_rule();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON approval_rules FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER not_emptied BEFORE TRUNCATE ON approval_rules FOR EACH STATEMENT EXECUTE FUNCTION append_only();

-- Rows of an act that waits for a second person: held, until somebody else approves the whole.
ALTER TABLE bulk_items
    DROP CONSTRAINT ck_bulk_items_state,
    DROP CONSTRAINT ck_bulk_items_told,
    ADD CONSTRAINT ck_bulk_items_state CHECK (state IN ('HELD', 'WAITING', 'DONE', 'BLOCKED', 'FAILED')),
    ADD CONSTRAINT ck_bulk_items_told CHECK ((state IN ('HELD', 'WAITING')) = (told IS NULL));

CREATE OR REPLACE FUNCTION hold_the_bulk_item() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'a row of an act cannot be deleted: what came of it is kept' USING ERRCODE = 'BM003';
    END IF;
    IF OLD.state NOT IN ('HELD', 'WAITING') THEN
        RAISE EXCEPTION 'what came of this row is written already' USING ERRCODE = 'BM003';
    END IF;
    IF (OLD.act_id, OLD.ordinal, OLD.transaction_id) IS DISTINCT FROM (NEW.act_id, NEW.ordinal, NEW.transaction_id) THEN
        RAISE EXCEPTION 'a row of an act is about one payment for ever' USING ERRCODE = 'BM002';
    END IF;
    IF OLD.state = 'HELD' AND NEW.state NOT IN ('HELD', 'BLOCKED') AND NOT (
        NEW.state = 'WAITING'
        AND EXISTS (SELECT FROM wider_proposals WHERE subject = NEW.act_id::text AND kind = 'BULK' AND decision = 'approved')
    ) THEN
        RAISE EXCEPTION 'this act waits for a second person: nothing of it is done before' USING ERRCODE = 'BM001';
    END IF;
    RETURN NEW;
END $$;
