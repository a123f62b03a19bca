-- What one person proposed and another decides.
CREATE TABLE proposals (
    id uuid NOT NULL,
    kind text NOT NULL,
    transaction_id uuid NOT NULL,
    shown jsonb NOT NULL,
    shown_hash bytea NOT NULL,
    version integer NOT NULL,
    stage text NOT NULL,
    choice text,
    reference text,
    reason text NOT NULL,
    evidence text,
    proposed_by uuid NOT NULL,
    created_at timestamptz DEFAULT clock_timestamp() NOT NULL,
    expires_at timestamptz NOT NULL,
    decision text DEFAULT 'open' NOT NULL,
    decided_by uuid,
    decided_at timestamptz,
    decided_because text,
    CONSTRAINT pk_proposals PRIMARY KEY (id),
    CONSTRAINT fk_proposals_transaction_id FOREIGN KEY(transaction_id) REFERENCES transactions (id),
    CONSTRAINT fk_proposals_proposed_by FOREIGN KEY(proposed_by) REFERENCES users (id),
    CONSTRAINT fk_proposals_decided_by FOREIGN KEY(decided_by) REFERENCES users (id),
    CONSTRAINT ck_proposals_kind CHECK (kind IN ('PAY', 'RESOLVE', 'REVERSE', 'WAIVE')),
    CONSTRAINT ck_proposals_decision CHECK (decision IN ('open', 'approved', 'rejected', 'withdrawn', 'expired')),
    CONSTRAINT ck_proposals_decided CHECK ((decision = 'open') = (decided_at IS NULL)),
    CONSTRAINT ck_proposals_two_people CHECK (decision NOT IN ('approved', 'rejected') OR (decided_by IS NOT NULL AND decided_by <> proposed_by)),
    CONSTRAINT ck_proposals_rejected_because CHECK (decision <> 'rejected' OR decided_because IS NOT NULL),
    CONSTRAINT ck_proposals_evidence CHECK (kind <> 'RESOLVE' OR (choice IS NOT NULL AND evidence IS NOT NULL)),
    CONSTRAINT ck_proposals_hash CHECK (length(shown_hash) = 32)
);
CREATE UNIQUE INDEX uq_proposals_open ON proposals (transaction_id, kind) WHERE decision = 'open';
CREATE INDEX ix_proposals_waiting ON proposals (expires_at) WHERE decision = 'open';
CREATE INDEX ix_proposals_decided_at ON proposals (decided_at DESC) WHERE decided_at IS NOT NULL;
CREATE INDEX ix_proposals_transaction_id ON proposals (transaction_id);

-- What was shown stays what was shown, and a decision is made once.
CREATE FUNCTION hold_the_proposal() RETURNS trigger LANGUAGE plpgsql AS $$
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
    IF (OLD.id, OLD.kind, OLD.transaction_id, OLD.shown, OLD.shown_hash, OLD.version, OLD.stage, OLD.choice, OLD.reference, OLD.reason, OLD.evidence,
        OLD.proposed_by, OLD.created_at, OLD.expires_at)
       IS DISTINCT FROM
       (NEW.id, NEW.kind, NEW.transaction_id, NEW.shown, NEW.shown_hash, NEW.version, NEW.stage, NEW.choice, NEW.reference, NEW.reason, NEW.evidence,
        NEW.proposed_by, NEW.created_at, NEW.expires_at) THEN
        RAISE EXCEPTION 'what was proposed cannot be changed: withdraw it and propose anew' USING ERRCODE = 'BM002';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER hold_the_proposal BEFORE INSERT OR UPDATE OR DELETE ON proposals FOR EACH ROW EXECUTE FUNCTION hold_the_proposal();
CREATE TRIGGER not_emptied BEFORE TRUNCATE ON proposals FOR EACH STATEMENT EXECUTE FUNCTION append_only();
