DROP FUNCTION put_month_away;
ALTER FUNCTION ensure_partitions(timestamptz, integer) SECURITY INVOKER RESET search_path;
DROP INDEX ix_audit_entries_at, ix_audit_entries_action, ix_audit_entries_address, ix_audit_entries_actor_name;
CREATE INDEX ix_audit_entries_actor ON audit_entries (actor_id, seq);
