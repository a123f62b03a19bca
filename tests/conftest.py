"""The world that tests run in: a PostgreSQL of their own, and for each test that asks a fresh database, migrated and seeded."""

import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from sqlalchemy import make_url, text
from sqlalchemy.engine import URL

import core.db
from core import clock
from core.access import Actor
from core.ids import new_id
from core.launch.embedded import EmbeddedPostgres
from core.models import User
from core.settings import DATABASE_PORT, DATABASE_ROLE, settings
from tests.world import GIVEN_DATABASE_URL, PASSWORD_HASH, AddPerson, Database, SetEnvironment, console_uses, create_database, drop_database, forget_settings

# Each attack that the tests try, and what became of it: a table at the end of the run.
pytest_plugins = ("tests.attacks.report",)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever asks for the database is marked so, without anybody having to remember."""
    for item in items:
        if "server_url" in getattr(item, "fixturenames", ()):
            item.add_marker("database")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No test sees the developer's settings or data, nor another test's."""
    forget_settings(monkeypatch, tmp_path)
    yield
    settings.cache_clear()
    # Nor the name of an act that a command of it began.
    structlog.contextvars.clear_contextvars()


@pytest.fixture
def set_environment(monkeypatch: pytest.MonkeyPatch) -> SetEnvironment:
    """`set_environment(billers_sandbox="true")`: sets variables (None removes one) and has the settings read again."""

    def set_them(**values: object) -> None:
        for name, value in values.items():
            if value is None:
                monkeypatch.delenv(name.upper(), raising=False)
            else:
                monkeypatch.setenv(name.upper(), str(value))
        settings.cache_clear()

    return set_them


@pytest.fixture(scope="session")
def server_url() -> Iterator[URL]:
    """The server that tests make their databases in: DATABASE_URL's when given, else an embedded one that lives as long as the run."""
    if GIVEN_DATABASE_URL:
        given = make_url(GIVEN_DATABASE_URL).set(drivername="postgresql+psycopg")
        yield given if given.database else given.set(database="postgres")
        return
    # /var/tmp and not pytest's own directory: as root the server runs as somebody who cannot pass through there.
    directory = Path(tempfile.mkdtemp(prefix="billers-tests-", dir="/var/tmp"))
    directory.chmod(0o711)
    try:
        with EmbeddedPostgres(directory, directory / "run"):
            yield URL.create("postgresql+psycopg", DATABASE_ROLE, database="postgres", query={"host": str(directory / "run"), "port": str(DATABASE_PORT)})
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def template(server_url: URL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[URL]:
    """A database migrated and seeded once; each test gets a copy. Not in sandbox mode, so there are no people in it."""
    from core.services import seeds

    url = create_database(server_url, f"template_{uuid.uuid4().hex[:12]}")
    with pytest.MonkeyPatch.context() as patch:
        forget_settings(patch, tmp_path_factory.mktemp("template"))
        with console_uses(url, patch):
            core.db.migrate()
            seeds.load()
    settings.cache_clear()
    yield url
    drop_database(server_url, url)


@pytest.fixture
def database(server_url: URL, template: URL, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """A database of the test's own, which the console uses while the test runs."""
    url = create_database(server_url, f"test_{uuid.uuid4().hex[:12]}", template=template.database)
    with console_uses(url, monkeypatch):
        yield Database(url)
    drop_database(server_url, url)


@pytest.fixture
def empty_database(server_url: URL, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """The same without a single table, for tests of migrations."""
    url = create_database(server_url, f"empty_{uuid.uuid4().hex[:12]}")
    with console_uses(url, monkeypatch):
        yield Database(url)
    drop_database(server_url, url)


@pytest.fixture
def add_person(database: Database) -> AddPerson:
    """`add_person("operator", username="grace")`: somebody who can sign in with PASSWORD, as the Actor that a session would make of them just then."""

    def add(role: str = "operator", *, username: str = "", display_name: str = "", sandbox: bool = False) -> Actor:
        username = username or f"{role}-{uuid.uuid4().hex[:6]}"
        person = User(id=new_id(), username=username, display_name=display_name or username.title(), role=role, password_hash=PASSWORD_HASH, sandbox=sandbox)
        with core.db.unit_of_work() as session:
            session.add(person)
            permissions = session.execute(text("SELECT permission FROM role_permissions WHERE role = :role"), {"role": role}).scalars().all()
        return Actor(person.id, person.username, person.display_name, role, frozenset(permissions), "127.0.0.1", proved_at=clock.now())

    return add
