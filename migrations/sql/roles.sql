-- What each program's role may do. Run by the tables' owner after each migration, and by `billers roles`; a role that is not there is passed over.
--
-- Nobody but the owner can change or empty what is on the record, switch its guards off, or make and drop anything. The owner migrates, seeds and keeps
-- keys; the console and the worker sign in as somebody else.
DO $roles$
DECLARE
    program text;
    held record;
BEGIN
    REVOKE CREATE ON SCHEMA public FROM PUBLIC;
    FOREACH program IN ARRAY ARRAY['billers_web', 'billers_worker'] LOOP
        CONTINUE WHEN NOT EXISTS (SELECT FROM pg_roles WHERE rolname = program);
        EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', program);
        EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA public FROM %I', program);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO %I', program);
        -- Months are written by way of the whole, and made later by the owner's function: they are read, and nothing else.
        EXECUTE format('ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO %I', program);
        FOR held IN
            SELECT c.relname, coalesce(said.web, '') AS web, coalesce(said.worker, '') AS worker
            FROM pg_class c
            LEFT JOIN (VALUES
                -- The record: added to, never changed. Only the worker chains it.
                ('audit_entries', 'INSERT', 'INSERT'),
                ('seals', '', 'INSERT'),
                ('events', 'INSERT', 'INSERT'),
                ('attempts', 'INSERT', 'INSERT'),
                ('answers', 'INSERT', 'INSERT'),
                ('biller_config_versions', 'INSERT', 'INSERT'),
                -- Money and people are never forgotten.
                ('transactions', 'INSERT, UPDATE', 'INSERT, UPDATE'),
                ('legs', 'INSERT, UPDATE', 'INSERT, UPDATE'),
                ('breaks', 'INSERT, UPDATE', 'INSERT, UPDATE'),
                ('users', 'INSERT, UPDATE', ''),
                ('exports', 'INSERT, UPDATE', 'INSERT, UPDATE'),
                ('proposals', 'INSERT, UPDATE', 'INSERT, UPDATE'),
                ('configuration_proposals', 'INSERT, UPDATE', 'INSERT, UPDATE'),
                ('wider_proposals', 'INSERT, UPDATE', 'UPDATE'),
                -- From where on a second person decides: added to by the console, never changed.
                ('approval_rules', 'INSERT', ''),
                ('gates', 'UPDATE', 'INSERT, UPDATE'),
                ('reports', 'INSERT, UPDATE', 'INSERT, UPDATE'),
                ('biller_configs', 'INSERT, UPDATE', 'UPDATE'),
                -- Nothing of it changes, but who configures a biller holds its row.
                ('biller_types', 'UPDATE', ''),
                -- Who may sign in, as what, and by which proof, is for the console alone.
                ('roles', 'INSERT, UPDATE, DELETE', ''),
                ('role_permissions', 'INSERT, UPDATE, DELETE', ''),
                ('user_billers', 'INSERT, UPDATE, DELETE', ''),
                ('user_sessions', 'INSERT, UPDATE', ''),
                ('api_tokens', 'INSERT, UPDATE', ''),
                ('authenticators', 'INSERT, UPDATE, DELETE', ''),
                ('recovery_codes', 'INSERT, UPDATE, DELETE', ''),
                -- What a biller said, what people made of it, and what they signed: added to, and a day's close reopened.
                ('statements', 'INSERT', ''),
                ('statement_lines', 'INSERT', ''),
                ('statement_matches', 'INSERT', ''),
                ('difference_notes', 'INSERT', ''),
                ('day_closes', 'INSERT, UPDATE', ''),
                ('statement_columns', 'INSERT, UPDATE', ''),
                ('reconciliation_days', 'INSERT, UPDATE, DELETE', ''),
                -- What happened is written down by whoever did it, and told by the worker alone. Who is told is said at the console.
                ('notification_events', 'INSERT', 'INSERT, UPDATE, DELETE'),
                ('notification_deliveries', 'INSERT, UPDATE', 'INSERT, UPDATE, DELETE'),
                ('notification_attempts', '', 'INSERT, DELETE'),
                ('notification_channels', 'INSERT, UPDATE, DELETE', 'UPDATE'),
                ('notification_subscriptions', 'INSERT, UPDATE, DELETE', ''),
                ('notification_addresses', 'INSERT, UPDATE, DELETE', ''),
                ('notification_templates', 'INSERT, UPDATE, DELETE', ''),
                ('alert_thresholds', 'INSERT, UPDATE, DELETE', ''),
                ('alerts', '', 'INSERT, UPDATE'),
                -- What people put off is kept, and ended.
                ('put_offs', 'INSERT, UPDATE', ''),
                -- What came of each job: the worker's to write.
                ('job_runs', '', 'INSERT, UPDATE, DELETE'),
                -- A program's key is the console's; the worker forgets the old ones.
                ('idempotency_keys', 'INSERT, UPDATE, DELETE', 'DELETE'),
                -- Tokens are sealed by the worker that was told them, and read by the counter.
                ('vended_tokens', '', 'INSERT'),
                -- The worker's own.
                ('workers', '', 'INSERT, UPDATE, DELETE'),
                ('breakers', '', 'INSERT, UPDATE, DELETE'),
                -- The owner's.
                ('retired_keys', '', ''),
                ('installations', '', ''),
                ('alembic_version', '', '')
            ) AS said (name, web, worker) ON said.name = c.relname
            WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v')
              AND (said.name IS NOT NULL OR c.relispartition OR c.relkind = 'v' OR c.relname ~ '^(events|answers|attempts)_[0-9]{4}_[0-9]{2}$'
                   OR (program = 'billers_web' AND c.relname LIKE 'rollup\_%'))
        LOOP
            EXECUTE format('REVOKE INSERT, UPDATE, DELETE ON %I FROM %I', held.relname, program);
            IF program = 'billers_web' AND held.web <> '' THEN
                EXECUTE format('GRANT %s ON %I TO %I', held.web, held.relname, program);
            ELSIF program = 'billers_worker' AND held.worker <> '' THEN
                EXECUTE format('GRANT %s ON %I TO %I', held.worker, held.relname, program);
            END IF;
        END LOOP;
    END LOOP;
    -- The queue of jobs, in a schema of its own: a worker carries it out, the console puts jobs in, takes them back, and lets them be tried again.
    IF EXISTS (SELECT FROM pg_namespace WHERE nspname = 'jobs') THEN
        FOREACH program IN ARRAY ARRAY['billers_web', 'billers_worker'] LOOP
            CONTINUE WHEN NOT EXISTS (SELECT FROM pg_roles WHERE rolname = program);
            EXECUTE format('GRANT USAGE ON SCHEMA jobs TO %I', program);
            EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA jobs FROM %I', program);
            EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA jobs TO %I', program);
            EXECUTE format('GRANT USAGE ON ALL SEQUENCES IN SCHEMA jobs TO %I', program);
        END LOOP;
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'billers_web') THEN
            GRANT INSERT, UPDATE ON jobs.procrastinate_jobs TO billers_web;
            GRANT INSERT ON jobs.procrastinate_events TO billers_web;
        END IF;
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'billers_worker') THEN
            GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA jobs TO billers_worker;
        END IF;
    END IF;
    -- What of the worker's work needs an owner is done by the owner's own functions, and by nothing else.
    IF to_regprocedure('put_month_away(text)') IS NOT NULL THEN
        REVOKE EXECUTE ON FUNCTION ensure_partitions(timestamptz, integer), put_month_away(text) FROM PUBLIC;
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'billers_worker') THEN
            GRANT EXECUTE ON FUNCTION ensure_partitions(timestamptz, integer), put_month_away(text) TO billers_worker;
        END IF;
    END IF;
    -- Somebody's own report tool: figures and payments, no secrets, and nothing is written.
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'billers_reports') THEN
        REVOKE ALL ON ALL TABLES IN SCHEMA public FROM billers_reports;
        GRANT USAGE ON SCHEMA public TO billers_reports;
        FOR held IN
            SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
              AND (relname IN ('transactions', 'events', 'biller_types', 'breaks') OR relname LIKE 'rollup\_%')
        LOOP
            EXECUTE format('GRANT SELECT ON %I TO billers_reports', held.relname);
        END LOOP;
    END IF;
END $roles$;
