"""Each program signs in to the database as a role of its own, and the real server refuses it whatever would rewrite the record."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege, ReadOnlySqlTransaction
from sqlalchemy.engine import URL
from typer.testing import CliRunner, Result

import core.db
from core.access import SYSTEM
from core.cli import app
from core.db import unit_of_work
from core.launch import roles
from core.security import audit
from core.services import retention, rollups, workers
from core.services.audit import seal_all, verify
from core.settings import DATABASE_ROLE, PROGRAM_ROLES, REPORTS_ROLE, Part, settings
from tests.world import Database, SetEnvironment

RECORD = ("audit_entries", "seals", "events", "attempts", "answers", "biller_config_versions")

# Whatever would change what is on the record, or what holds it together. Each is tried as the console and as a worker.
FORBIDDEN = (
    *(f"UPDATE {table} SET {column} = {column}" for table, column in zip(RECORD, ("action", "hash", "reason", "worker", "code", "snapshot"), strict=True)),
    *(f"DELETE FROM {table}" for table in (*RECORD, "transactions", "users", "exports", "proposals")),
    *(f"TRUNCATE {table} CASCADE" for table in (*RECORD, "transactions", "sign_in_attempts")),
    *(f"ALTER TABLE {table} DISABLE TRIGGER USER" for table in (*RECORD, "transactions")),
    *(f"DROP TRIGGER append_only ON {table}" for table in ("audit_entries", "seals", "events")),
    *(f"DROP TABLE {table} CASCADE" for table in RECORD),
    *(f"ALTER TABLE {table} OWNER TO CURRENT_USER" for table in ("audit_entries", "seals")),
    "ALTER TABLE audit_entries ADD COLUMN note text",
    "ALTER TABLE events DETACH PARTITION events_default",
    "UPDATE events_default SET reason = reason",
    "INSERT INTO events_default OVERRIDING SYSTEM VALUE SELECT * FROM events_default",
    "CREATE TABLE mine (x text)",
    "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE OR REPLACE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "CREATE TRIGGER mine BEFORE INSERT ON audit_entries FOR EACH ROW EXECUTE FUNCTION append_only()",
    "CREATE RULE mine AS ON INSERT TO audit_entries DO INSTEAD NOTHING",
    "SET session_replication_role = replica",
    f"SET ROLE {DATABASE_ROLE}",
    f"SET SESSION AUTHORIZATION {DATABASE_ROLE}",
    "SET ROLE postgres",
    "CREATE ROLE mine SUPERUSER",
    f"GRANT {DATABASE_ROLE} TO CURRENT_USER",
    "ALTER ROLE CURRENT_USER CREATEROLE",
    "UPDATE alembic_version SET version_num = '0001'",
    "UPDATE vended_tokens SET envelope = envelope",
    "DELETE FROM retired_keys",
    "COPY audit_entries TO PROGRAM 'cat'",
    "COPY (SELECT 1) TO '/tmp/mine'",
)


@pytest.fixture
def sign_in(database: Database) -> Iterator[Callable[[str], psycopg.Connection]]:
    """`sign_in("billers_web")`: a connection to the test's database as that role, by the server's own way in."""
    opened: list[psycopg.Connection] = []

    def connect(role: str) -> psycopg.Connection:
        opened.append(psycopg.connect(plain(database.url.set(username=role)), autocommit=True))
        return opened[-1]

    yield connect
    for connection in opened:
        connection.close()


def plain(url: URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


@contextmanager
def acting(part: Part, database: Database, set_environment: SetEnvironment) -> Iterator[None]:
    """This process as that program."""
    role = database.url.set(username=part.role).render_as_string(hide_password=False)
    set_environment(**{f"database_url_{part.value}": role})
    core.db.act_as(part)
    try:
        yield
    finally:
        core.db.engine().dispose()
        core.db.act_as_owner()
        set_environment(**{f"database_url_{part.value}": None})


def write(subject: object) -> None:
    with unit_of_work() as session:
        audit.record(session, SYSTEM, "thing.done", "thing", subject)


@pytest.mark.parametrize("role", [part.role for part in Part])
def test_whatever_would_rewrite_the_record_is_refused(database: Database, sign_in: Callable[[str], psycopg.Connection], role: str) -> None:
    write("kept")
    seal_all()
    connection = sign_in(role)
    for statement in FORBIDDEN:
        # Refused for the right, and not for something that happens to be wrong with it.
        with pytest.raises(InsufficientPrivilege):
            connection.execute(statement)  # type: ignore[arg-type]
    assert verify().ok


def test_the_owner_may_so_each_of_them_is_a_statement_that_would_work(database: Database) -> None:
    """The control: what the programs are refused is no nonsense. Guards are what stops the owner, and the owner can switch them off."""
    write("kept")
    seal_all()
    with database.connect() as connection:
        connection.execute("ALTER TABLE audit_entries DISABLE TRIGGER USER")
        connection.execute("UPDATE audit_entries SET action = 'other' WHERE action = 'thing.done'")
        connection.execute("CREATE TABLE mine (x text)")
    assert not verify().ok


def test_the_console_cannot_chain_and_the_worker_can(database: Database, sign_in: Callable[[str], psycopg.Connection], set_environment: SetEnvironment) -> None:
    write("kept")
    with pytest.raises(InsufficientPrivilege):
        sign_in(Part.WEB.role).execute("INSERT INTO seals (number, source, source_seq, xid, hash) VALUES (1, 2, 1, 1, '')")
    with acting(Part.WORKER, database, set_environment):
        assert workers.seal() > 0
    assert verify().ok


def test_each_program_writes_the_record(database: Database, set_environment: SetEnvironment) -> None:
    for part in Part:
        with acting(part, database, set_environment):
            write(part.value)
            with unit_of_work() as session:
                assert session.execute(core.db.text("SELECT current_user")).scalar_one() == part.role
    seal_all()
    assert verify().unsealed == 0


def test_what_of_a_workers_rounds_needs_the_owner_is_done_without_being_it(database: Database, set_environment: SetEnvironment) -> None:
    with database.connect() as connection:
        connection.execute("SELECT ensure_partitions('2024-03-15', 1)")
    seal_all()
    set_environment(billers_keep_months=12)
    with acting(Part.WORKER, database, set_environment):
        workers.look_ahead()
        assert "2024-03" in retention.put_old_away()
        rollups.fold()
        rollups.rebuild()
        assert rollups.verify_lately().ok
        assert verify().ok
    with database.connect() as connection:
        assert connection.execute("SELECT relispartition FROM pg_class WHERE relname = 'events_2024_03'").fetchone() == (False,)


def test_put_month_away_takes_nothing_but_a_month(sign_in: Callable[[str], psycopg.Connection]) -> None:
    worker, web = sign_in(Part.WORKER.role), sign_in(Part.WEB.role)
    for name in ("audit_entries", "events", "events_default", "events_2024_03; DROP TABLE seals", "pg_class"):
        with pytest.raises(psycopg.Error, match="is no month"):
            worker.execute("SELECT put_month_away(%s)", (name,))
    with pytest.raises(InsufficientPrivilege):
        web.execute("SELECT put_month_away('events_2024_03')")
    with pytest.raises(InsufficientPrivilege):
        web.execute("SELECT ensure_partitions(now(), 1)")


def test_a_table_of_the_callers_own_does_not_stand_in_for_ours(sign_in: Callable[[str], psycopg.Connection]) -> None:
    """A function that runs as its owner finds the owner's tables, whatever the caller has put in the way."""
    worker = sign_in(Part.WORKER.role)
    worker.execute("CREATE TEMP TABLE events_2024_03 (x text)")
    worker.execute("SET search_path = pg_temp, public")
    with pytest.raises(psycopg.Error):
        worker.execute("SELECT put_month_away('events_2024_03')")
    assert worker.execute("SELECT count(*) FROM pg_trigger WHERE tgrelid = 'pg_temp.events_2024_03'::regclass").fetchone() == (0,)


def test_reports_read_payments_and_figures_and_no_secret_and_write_nothing(sign_in: Callable[[str], psycopg.Connection]) -> None:
    connection = sign_in(REPORTS_ROLE)
    for table in ("transactions", "rollup_days", "biller_types", "events"):
        connection.execute(f"SELECT count(*) FROM {table}")
    for table in ("users", "user_sessions", "vended_tokens", "biller_configs", "audit_entries", "answers"):
        with pytest.raises(InsufficientPrivilege):
            connection.execute(f"SELECT * FROM {table}")
    for statement in ("INSERT INTO biller_types (code, name) VALUES ('X', 'X')", "DELETE FROM transactions"):
        with pytest.raises((InsufficientPrivilege, ReadOnlySqlTransaction)):
            connection.execute(statement)


def test_no_programs_role_owns_anything_or_is_more_than_it_is(database: Database) -> None:
    with database.connect() as connection:
        rows = connection.execute(
            "SELECT rolname FROM pg_roles WHERE rolname = ANY(%s) AND NOT (rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls)",
            (list(PROGRAM_ROLES),),
        ).fetchall()
        assert {name for (name,) in rows} == set(PROGRAM_ROLES)
        owned = connection.execute(
            "SELECT count(*) FROM pg_class WHERE pg_get_userbyid(relowner) = ANY(%s) AND relnamespace = 'public'::regnamespace", (list(PROGRAM_ROLES),)
        ).fetchone()
        assert owned == (0,)
        assert connection.execute("SELECT count(*) FROM pg_auth_members m WHERE pg_get_userbyid(member) = ANY(%s)", (list(PROGRAM_ROLES),)).fetchone() == (0,)


def test_a_month_made_later_is_read_by_its_name_and_not_written(database: Database, sign_in: Callable[[str], psycopg.Connection]) -> None:
    with database.connect() as connection:
        connection.execute("SELECT ensure_partitions('2033-01-15', 1)")
    worker = sign_in(Part.WORKER.role)
    worker.execute("SELECT count(*) FROM events_2033_01")
    for statement in ("INSERT INTO events_2033_01 OVERRIDING SYSTEM VALUE SELECT * FROM events_2033_01", "DELETE FROM events_2033_01"):
        with pytest.raises(InsufficientPrivilege):
            worker.execute(statement)


def test_an_outside_database_without_roles_is_asked_as_it_always_was(set_environment: SetEnvironment) -> None:
    set_environment(database_url="postgresql://clerk@db.bank.example/billers")
    assert {settings().dsn_of(part) for part in (None, *Part)} == {"postgresql+psycopg://clerk@db.bank.example/billers"}
    set_environment(database_url_web="postgres://billers_web@db.bank.example/billers")
    assert settings().dsn_of(Part.WEB) == "postgresql+psycopg://billers_web@db.bank.example/billers"
    assert settings().dsn_of(Part.WORKER) == settings().dsn == "postgresql+psycopg://clerk@db.bank.example/billers"


def test_the_embedded_server_has_a_role_for_each_program(set_environment: SetEnvironment) -> None:
    set_environment(database_url=None)
    assert f"//{DATABASE_ROLE}@" in settings().dsn
    assert [f"//{part.role}@" in settings().dsn_of(part) for part in Part] == [True, True]


# ---- Making them, and seeing that they are used


def run(*words: str) -> Result:
    return CliRunner().invoke(app, words)


def test_roles_are_made_where_they_may_be_and_told_line_by_line(database: Database) -> None:
    result = run("roles")
    assert result.exit_code == 0, result.output
    assert "billers_web, billers_worker, billers_reports may do what" in result.output
    assert "set DATABASE_URL_WEB" in result.output


def test_who_may_not_make_roles_is_told_what_a_dba_has_to_run(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tables' owner of the embedded server may not, as many a bank's."""
    monkeypatch.setattr(roles, "PROGRAM_ROLES", ("billers_web", "billers_of_a_later_version"))
    result = run("roles")
    assert result.exit_code == 1
    assert "CREATE ROLE billers_of_a_later_version LOGIN;" in result.stderr
    assert "Traceback" not in result.output


def test_the_doctor_says_who_could_rewrite_the_record(database: Database, set_environment: SetEnvironment) -> None:
    told = roles.weakness(settings())
    assert told is not None
    assert "The console signs in to the database as billers, who could rewrite the record" in told
    assert "database roles" in run("doctor").output
    set_environment(database_url_web=database.url.set(username=Part.WEB.role).render_as_string(hide_password=False))
    assert "The worker signs in" in (roles.weakness(settings()) or "")
    set_environment(database_url_worker=database.url.set(username=Part.WORKER.role).render_as_string(hide_password=False))
    assert roles.weakness(settings()) is None


def test_a_worker_has_no_say_in_who_may_sign_in_nor_anybody_in_which_database_this_is(sign_in: Callable[[str], psycopg.Connection]) -> None:
    worker, web = sign_in(Part.WORKER.role), sign_in(Part.WEB.role)
    for statement in (
        "UPDATE users SET role = 'administrator'",
        "INSERT INTO role_permissions (role, permission) VALUES ('operator', 'transactions:approve')",
        "UPDATE user_sessions SET ended_at = NULL",
        "DELETE FROM authenticators",
        "INSERT INTO api_tokens SELECT * FROM api_tokens",
    ):
        with pytest.raises(InsufficientPrivilege):
            worker.execute(statement)
    for connection in (worker, web):
        # The restore gate knows a database by it: another number would be another history.
        with pytest.raises(InsufficientPrivilege):
            connection.execute("UPDATE installations SET id = gen_random_uuid()")
