"""The queue's schema is procrastinate's own, as it is installed, and each program may do with it what it does and no more."""

from pathlib import Path

import psycopg
import pytest
from procrastinate.schema import SchemaManager
from psycopg.errors import InsufficientPrivilege

import core.db
from core.services import job_runs, jobs
from core.settings import CHECKOUT, Part
from tests.jobs.conftest import KIND, Bench
from tests.security.test_database_roles import acting, plain
from tests.world import Database, SetEnvironment

SQL = CHECKOUT / "migrations" / "sql" / "0007_jobs.sql"


def test_the_migration_makes_what_the_installed_version_wants() -> None:
    """Where this fails, procrastinate was upgraded: its new schema wants a migration of its own, from its sql/migrations."""
    _, _, behind = SQL.read_text().partition("holds it to the version that is installed.\n")
    pinned, _, _ = behind.partition("-- So far procrastinate.\n")
    assert pinned == SchemaManager.get_schema()


def test_nothing_of_it_lies_among_our_tables(database: Database) -> None:
    with database.connect() as connection:
        found = connection.execute(
            "SELECT DISTINCT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE relname LIKE 'procrastinate%'"
        )
        assert found.fetchall() == [("jobs",)]


def test_it_goes_and_comes_with_its_migration(empty_database: Database) -> None:
    def there() -> bool:
        with empty_database.connect() as connection:
            return connection.execute("SELECT to_regclass('jobs.procrastinate_jobs')").fetchone() != (None,)

    core.db.migrate()
    assert there()
    core.db.downgrade("0006")
    assert not there()
    core.db.migrate()
    assert there()


def test_the_console_steers_the_queue_and_the_worker_carries_it_out(bench: Bench, set_environment: SetEnvironment) -> None:
    bench.kind(lambda: "Done.")
    with acting(Part.WEB, bench.database, set_environment):
        jobs.cancel(bench.administrator, jobs.run_now(bench.administrator, KIND))
        job = jobs.run_now(bench.administrator, KIND)
    with acting(Part.WORKER, bench.database, set_environment):
        bench.work_until(lambda: bench.status(job) == "succeeded")
        assert job_runs.forget_old() == 0
    bench.sql("UPDATE jobs.procrastinate_jobs SET status = 'failed' WHERE id = %s", job)
    bench.sql("UPDATE job_runs SET outcome = 'failed' WHERE job = %s", job)
    with acting(Part.WEB, bench.database, set_environment):
        jobs.retry(bench.administrator, job)
    assert bench.status(job) == "todo"


@pytest.mark.parametrize(
    "statement", ["DELETE FROM jobs.procrastinate_jobs", "UPDATE jobs.procrastinate_workers SET last_heartbeat = now()", "DELETE FROM job_runs"]
)
def test_the_console_takes_nothing_out_of_the_queues_history(database: Database, statement: str) -> None:
    with psycopg.connect(plain(database.url.set(username=Part.WEB.role))) as connection, pytest.raises(InsufficientPrivilege):
        connection.execute(statement)  # type: ignore[arg-type]


def test_the_lock_file_and_the_schema_are_of_one_version() -> None:
    version = SQL.read_text().partition("it is procrastinate ")[2].partition("'s own")[0]
    assert f"procrastinate=={version} " in (Path(CHECKOUT) / "requirements.lock").read_text()
