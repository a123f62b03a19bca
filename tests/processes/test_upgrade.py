"""A new version comes while bills are paid: the database first, then one process after the other. Nobody notices."""

import asyncio
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import alembic.config
import alembic.script
import httpx
import pytest
from sqlalchemy.engine import URL
from starlette.applications import Starlette

from core import db
from core.access import Actor
from core.api.routes import ROUTES
from core.services import seeds
from core.settings import CHECKOUT, child_environment
from core.states import Stage
from tests.campaign.harness import World, until
from tests.processes.conftest import PATIENCE_SECONDS, UNHURRIED, at_work, pay
from tests.world import create_database, drop_database

# It waits for conditions, and on a busy machine for each of them a while.
pytestmark = pytest.mark.timeout(1_500)

OPERATORS = 3
WORKERS = 2
BILLS_BETWEEN_STEPS = 4


def before_the_newest() -> str:
    """The version of the tables that the present one follows. Its processes run on both: that is what makes an upgrade without an interruption."""
    scripts = alembic.script.ScriptDirectory.from_config(db.alembic_config())
    newest = scripts.get_revision(scripts.get_current_head() or "")
    assert newest is not None
    return str(newest.down_revision)


@pytest.fixture
def old_world(server_url: URL, tmp_path: Path, clean_environment: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A world whose database is one version behind."""
    url = create_database(server_url, f"upgrade_{uuid.uuid4().hex[:12]}")
    world = World(url, tmp_path)
    world.enter(monkeypatch)
    try:
        db.migrate(before_the_newest())
        seeds.load()
        world.begin(**UNHURRIED)
        yield world
    finally:
        world.enter(monkeypatch)
        world.end()
        db.let_go()
        drop_database(server_url, url)


ONE_MORE = """
from alembic import op

revision = "one more"
down_revision = "{head}"
branch_labels = None
depends_on = None


def upgrade():
    op.execute("ALTER TABLE transactions ADD COLUMN one_more text")
"""


@pytest.fixture
def one_more_migration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A newest version that changes the table which payments hold: not every real one does."""
    config = db.alembic_config
    scripts = alembic.script.ScriptDirectory.from_config(config())
    versions = tmp_path / "versions"
    versions.mkdir()
    (versions / "one_more.py").write_text(ONE_MORE.format(head=scripts.get_current_head()))

    def with_one_more(dsn: str | None = None) -> alembic.config.Config:
        made = config(dsn)
        made.set_main_option("path_separator", "newline")
        made.set_main_option("version_locations", f"{scripts.versions}\n{versions}")
        return made

    monkeypatch.setattr(db, "alembic_config", with_one_more)


class Load:
    """Operators who pay one bill after the other until told to stop."""

    def __init__(self, world: World) -> None:
        self.paid: list[uuid.UUID] = []
        self.troubles: list[str] = []
        self._world = world
        self._stopping = threading.Event()
        staff = [world.add_person("operator") for _ in range(OPERATORS)]
        self._threads = [threading.Thread(target=self._work, args=(number, actor), daemon=True) for number, actor in enumerate(staff)]

    def _work(self, number: int, actor: Actor) -> None:
        bills = 0
        try:
            while not self._stopping.is_set():
                bills += 1
                self.paid.append(pay(self._world, f"7{number}{bills:06d}", actor))
        except Exception as error:  # noqa: BLE001 - told by the test, and not by a thread that nobody hears
            self.troubles.append(f"{type(error).__name__}: {error}")

    def go_on(self, bills: int = BILLS_BETWEEN_STEPS) -> None:
        begun = len(self.paid)
        until(lambda: len(self.paid) >= begun + bills or self.troubles, f"{bills} more bills are paid", PATIENCE_SECONDS)
        assert self.troubles == []

    @contextmanager
    def running(self) -> Iterator[None]:
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._stopping.set()
            for thread in self._threads:
                thread.join(PATIENCE_SECONDS)


def test_an_upgrade_while_bills_are_paid_loses_none_and_troubles_nobody(old_world: World) -> None:
    assert db.revision_gap() is not None
    workers = [at_work(old_world.start_worker()) for _ in range(WORKERS)]
    load = Load(old_world)
    with load.running():
        load.go_on()
        migrating = subprocess.run(
            [sys.executable, "-m", "core.cli", "migrate"],
            cwd=CHECKOUT,
            env=child_environment(),
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        assert (migrating.returncode, migrating.stdout) == (0, "The database is up to date.\n"), migrating.stderr
        load.go_on()
        for worker in workers:
            # Its calls are concluded first; the other one takes what comes meanwhile.
            assert worker.stop() == 0
            old_world.workers.remove(worker)
            at_work(old_world.start_worker())
            load.go_on()
    assert load.troubles == []
    assert db.revision_gap() is None
    for one in load.paid:
        old_world.wait_for(one, Stage.COMPLETED, seconds=PATIENCE_SECONDS)
    old_world.judge().assert_all_well()


def ready() -> int:
    async def ask() -> int:
        transport = httpx.ASGITransport(app=Starlette(routes=ROUTES))
        async with httpx.AsyncClient(transport=transport, base_url="https://console.test") as client:
            return (await client.get("/readyz")).status_code

    return asyncio.run(ask())


def test_a_proxy_keeps_the_consoles_of_the_version_before_while_the_tables_are_of_the_next(old_world: World) -> None:
    assert ready() == 503
    db.migrate()
    assert ready() == 200
    # As an older console would see them: of a version that it never heard of.
    old_world.rows("UPDATE alembic_version SET version_num = '9999' RETURNING 1")
    assert ready() == 200
    assert "too old" in (db.revision_gap() or "")


def test_a_migration_that_has_to_wait_for_a_table_lets_payments_pass(one_more_migration: None, old_world: World) -> None:
    """Whoever asks for a table after the migration stands behind it in the queue: so it stands there for a moment only, and comes again."""
    at_work(old_world.start_worker())
    ended: list[BaseException | None] = []

    def migrate() -> None:
        try:
            db.migrate()
        except BaseException as error:  # noqa: BLE001 - told by the test
            ended.append(error)
        else:
            ended.append(None)

    with old_world.connect() as holder, holder.transaction():
        # As whoever has written to it and forgets to commit.
        holder.execute("LOCK TABLE transactions IN ROW EXCLUSIVE MODE")
        migrating = threading.Thread(target=migrate)
        migrating.start()
        waits = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'transactions'::regclass AND mode LIKE '%%Exclusive%%'"
        until(lambda: old_world.rows(waits), "the migration waits for the table", PATIENCE_SECONDS)
        paid = pay(old_world, "70000001", old_world.operator)
        old_world.wait_for(paid, Stage.COMPLETED, seconds=PATIENCE_SECONDS)
        assert ended == []
    migrating.join(PATIENCE_SECONDS)
    assert ended == [None]
    assert db.revision_gap() is None


def test_a_table_that_is_never_let_go_of_is_told_of_and_nothing_was_changed(
    one_more_migration: None, old_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db, "LOCK_TRIES", 1)
    gap = db.revision_gap()
    with old_world.connect() as holder, holder.transaction():
        holder.execute("LOCK TABLE transactions IN ROW EXCLUSIVE MODE")
        with pytest.raises(db.TablesHeld, match="pg_stat_activity"):
            db.migrate()
    assert db.revision_gap() == gap
    db.migrate()
    assert db.revision_gap() is None
