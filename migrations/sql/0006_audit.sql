-- How a record of millions is searched: by its moment, by what was done, by who did it and from where, each with the newest first.
-- What stands in the details is looked for along one of these, in steps: an index of every letter would cost each payment more than a search is worth.
CREATE INDEX ix_audit_entries_at ON audit_entries (at);
CREATE INDEX ix_audit_entries_action ON audit_entries (action, seq);
CREATE INDEX ix_audit_entries_address ON audit_entries (address, seq) WHERE address IS NOT NULL;
-- By the name on the record, which those have, too, who are nobody here.
CREATE INDEX ix_audit_entries_actor_name ON audit_entries (actor_name, seq);
DROP INDEX ix_audit_entries_actor;

-- What of the worker's work needs the tables' owner: the coming months' parts, and putting a month away. Each does that one thing, whoever calls it, so
-- that no program has to be the owner (roles.sql).
ALTER FUNCTION ensure_partitions(timestamptz, integer) SECURITY DEFINER SET search_path = public, pg_temp;

-- Takes a month's table out of the others, where it stays as unchangeable as it was; answers how many rows it has.
CREATE FUNCTION put_month_away(part text) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    kind constant text := split_part(part, '_', 1);
    rows bigint;
BEGIN
    IF part !~ '^(events|answers|attempts)_[0-9]{4}_[0-9]{2}$' THEN
        RAISE EXCEPTION '% is no month', part USING ERRCODE = 'BM003';
    END IF;
    EXECUTE format('SELECT count(*) FROM %I', part) INTO rows;
    EXECUTE format('ALTER TABLE %I DETACH PARTITION %I', kind, part);
    -- What held the part by its whole goes with it.
    EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON %I FOR EACH ROW EXECUTE FUNCTION append_only()', part);
    EXECUTE format('CREATE TRIGGER not_emptied BEFORE TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION append_only()', part);
    RETURN rows;
END $$;
