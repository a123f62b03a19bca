-- Configuration under four eyes: what one administrator proposed and another decides. What was there before was loaded by whoever runs the machine.
ALTER TABLE biller_configs ADD COLUMN approved_version integer;
UPDATE biller_configs SET approved_version = version;
ALTER TABLE biller_configs ADD CONSTRAINT ck_biller_configs_approved_version CHECK (approved_version BETWEEN 1 AND version);

CREATE TABLE configuration_proposals (
    id uuid NOT NULL,
    number bigint GENERATED ALWAYS AS IDENTITY,
    kind text NOT NULL,
    config_id uuid NOT NULL,
    version integer NOT NULL,
    content jsonb NOT NULL,
    authentication text,
    fate text NOT NULL,
    restores integer,
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
    CONSTRAINT pk_configuration_proposals PRIMARY KEY (id),
    CONSTRAINT fk_configuration_proposals_config_id FOREIGN KEY(config_id) REFERENCES biller_configs (id),
    CONSTRAINT fk_configuration_proposals_proposed_by FOREIGN KEY(proposed_by) REFERENCES users (id),
    CONSTRAINT fk_configuration_proposals_decided_by FOREIGN KEY(decided_by) REFERENCES users (id),
    CONSTRAINT ck_configuration_proposals_kind CHECK (kind IN ('CHANGE', 'ACTIVATE')),
    CONSTRAINT ck_configuration_proposals_fate CHECK (fate IN ('kept', 'changed', 'removed', 'voided', 'restored')),
    CONSTRAINT ck_configuration_proposals_decision CHECK (decision IN ('open', 'approved', 'rejected', 'withdrawn', 'expired')),
    CONSTRAINT ck_configuration_proposals_decided CHECK ((decision = 'open') = (decided_at IS NULL)),
    CONSTRAINT ck_configuration_proposals_two_people CHECK (decision NOT IN ('approved', 'rejected') OR decided_by IS DISTINCT FROM proposed_by),
    CONSTRAINT ck_configuration_proposals_rejected_because CHECK (decision <> 'rejected' OR decided_because IS NOT NULL),
    CONSTRAINT ck_configuration_proposals_sealed CHECK (authentication IS NULL OR (decision = 'open' AND fate IN ('changed', 'restored'))),
    CONSTRAINT ck_configuration_proposals_hash CHECK (length(shown_hash) = 32)
);
CREATE UNIQUE INDEX uq_configuration_proposals_number ON configuration_proposals (number);
CREATE UNIQUE INDEX uq_configuration_proposals_open ON configuration_proposals (config_id) WHERE decision = 'open';
CREATE INDEX ix_configuration_proposals_config_id ON configuration_proposals (config_id, number DESC);

-- Which proposal a version came of: who approved it, and why.
ALTER TABLE biller_config_versions
    ADD COLUMN proposal_id uuid,
    ADD CONSTRAINT fk_biller_config_versions_proposal_id FOREIGN KEY(proposal_id) REFERENCES configuration_proposals (id);

-- What was shown stays what was shown, and a decision is made once. Credentials may be sealed anew with another key while it waits, and go with the decision.
CREATE FUNCTION hold_the_configuration_proposal() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    envelope constant text := '^v1\.[A-Za-z0-9]+\.[A-Za-z0-9+/]+=*$';
    decided constant text[] := ARRAY['authentication', 'decision', 'decided_by', 'decided_at', 'decided_because'];
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
    IF to_jsonb(OLD) - decided IS DISTINCT FROM to_jsonb(NEW) - decided THEN
        RAISE EXCEPTION 'what was proposed cannot be changed: withdraw it and propose anew' USING ERRCODE = 'BM002';
    END IF;
    IF NEW.decision = 'open' AND OLD.authentication IS DISTINCT FROM NEW.authentication AND NOT coalesce(
           OLD.authentication ~ envelope AND NEW.authentication ~ envelope
           AND split_part(OLD.authentication, '.', 2) <> split_part(NEW.authentication, '.', 2)
           AND length(split_part(OLD.authentication, '.', 3)) = length(split_part(NEW.authentication, '.', 3)), false) THEN
        RAISE EXCEPTION 'proposed credentials cannot be changed: withdraw the proposal and propose anew' USING ERRCODE = 'BM002';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER hold_the_configuration_proposal BEFORE INSERT OR UPDATE OR DELETE ON configuration_proposals
    FOR EACH ROW EXECUTE FUNCTION hold_the_configuration_proposal();
CREATE TRIGGER not_emptied BEFORE TRUNCATE ON configuration_proposals FOR EACH STATEMENT EXECUTE FUNCTION append_only();
