-- The vault's keys: which of them every worker holds, which are retired, and that an envelope is only ever sealed anew.

-- As each worker tells with its heartbeat: by id and fingerprint, the newest last. A rotation waits for those who do not hold the new key yet.
ALTER TABLE workers ADD COLUMN vault_keys text;

-- Nothing is sealed with these any more, and nothing ever will be.
CREATE TABLE retired_keys (
    key_id text NOT NULL,
    retired_at timestamptz DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_retired_keys PRIMARY KEY (key_id)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON retired_keys FOR EACH ROW EXECUTE FUNCTION append_only();

-- Whoever seals holds the keys, shared, until the transaction ends; whoever retires one takes them alone, and so sees every envelope there is.
CREATE FUNCTION hold_the_keys() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    key text := split_part(to_jsonb(NEW) ->> TG_ARGV[0], '.', 2);
BEGIN
    PERFORM pg_advisory_xact_lock_shared(hashtext('billers.keys.used'));
    IF EXISTS (SELECT FROM retired_keys WHERE key_id = key) THEN
        RAISE EXCEPTION 'key % is retired, and nothing can be sealed with it', key USING ERRCODE = 'BM004';
    END IF;
    RETURN NEW;
END $$;

-- An envelope may go into another one of its length, with another key, and nothing else of its row with it. What is in it the database cannot read;
-- that it opens at its own place only is the vault's word.
CREATE FUNCTION only_sealed_anew() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    envelope constant text := '^v1\.[A-Za-z0-9]+\.[A-Za-z0-9+/]+=*$';
    old_one text := to_jsonb(OLD) ->> TG_ARGV[0];
    new_one text := to_jsonb(NEW) ->> TG_ARGV[0];
BEGIN
    IF to_jsonb(OLD) - TG_ARGV[0] = to_jsonb(NEW) - TG_ARGV[0]
       AND old_one ~ envelope AND new_one ~ envelope
       AND split_part(old_one, '.', 2) <> split_part(new_one, '.', 2)
       AND length(split_part(old_one, '.', 3)) = length(split_part(new_one, '.', 3)) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '% is append-only, but for envelopes that are sealed anew', TG_TABLE_NAME USING ERRCODE = 'BM003';
END $$;

DROP TRIGGER append_only ON biller_config_versions;
CREATE TRIGGER append_only BEFORE DELETE ON biller_config_versions FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER only_sealed_anew BEFORE UPDATE ON biller_config_versions FOR EACH ROW EXECUTE FUNCTION only_sealed_anew('authentication');
CREATE TRIGGER only_sealed_anew BEFORE UPDATE ON vended_tokens FOR EACH ROW EXECUTE FUNCTION only_sealed_anew('envelope');

CREATE TRIGGER hold_the_keys BEFORE INSERT OR UPDATE OF authentication ON biller_configs
    FOR EACH ROW WHEN (NEW.authentication IS NOT NULL) EXECUTE FUNCTION hold_the_keys('authentication');
CREATE TRIGGER hold_the_keys BEFORE INSERT OR UPDATE OF authentication ON biller_config_versions
    FOR EACH ROW WHEN (NEW.authentication IS NOT NULL) EXECUTE FUNCTION hold_the_keys('authentication');
CREATE TRIGGER hold_the_keys BEFORE INSERT OR UPDATE OF authentication ON configuration_proposals
    FOR EACH ROW WHEN (NEW.authentication IS NOT NULL) EXECUTE FUNCTION hold_the_keys('authentication');
CREATE TRIGGER hold_the_keys BEFORE INSERT OR UPDATE OF secret ON authenticators FOR EACH ROW EXECUTE FUNCTION hold_the_keys('secret');
CREATE TRIGGER hold_the_keys BEFORE INSERT OR UPDATE OF envelope ON vended_tokens FOR EACH ROW EXECUTE FUNCTION hold_the_keys('envelope');
