-- How a record of millions is searched: by its moment, by what was done, by who did it and from where, each with the newest first.
-- What stands in the details is looked for along one of these, in steps: an index of every letter would cost each payment more than a search is worth.
CREATE INDEX ix_audit_entries_at ON audit_entries (at);
CREATE INDEX ix_audit_entries_action ON audit_entries (action, seq);
CREATE INDEX ix_audit_entries_address ON audit_entries (address, seq) WHERE address IS NOT NULL;
-- By the name on the record, which those have, too, who are nobody here.
CREATE INDEX ix_audit_entries_actor_name ON audit_entries (actor_name, seq);
DROP INDEX ix_audit_entries_actor;
