UPDATE bulk_items SET state = 'BLOCKED', told = 'It waited for a second person when the console went back to an earlier version. Nothing was done.' WHERE state = 'HELD';
ALTER TABLE bulk_items
    DROP CONSTRAINT ck_bulk_items_state,
    DROP CONSTRAINT ck_bulk_items_told,
    ADD CONSTRAINT ck_bulk_items_state CHECK (state IN ('WAITING', 'DONE', 'BLOCKED', 'FAILED')),
    ADD CONSTRAINT ck_bulk_items_told CHECK ((state = 'WAITING') = (told IS NULL));

CREATE OR REPLACE FUNCTION hold_the_bulk_item() RETURNS trigger LANGUAGE plpgsql AS $$
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

DROP TABLE approval_rules, wider_proposals;
DROP FUNCTION hold_the_rule, hold_the_wider_proposal;
DROP INDEX ix_proposals_proposed_by;
