"""What tests share besides fixtures: their databases, a password, and an environment that forgets the developer's."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import event
from sqlalchemy.engine import URL

import core.db
from core import clock
from core.access import Actor
from core.settings import settings

# What a person of a test signs in with, and its bcrypt hash at the least cost: tests are not attacked.
PASSWORD = "granite-lantern-violet-42"
PASSWORD_HASH = "$2b$04$cEgHOtDVzClq2qQii38Sm.yCVp5QtjXQa1DeVs/L16KR6E9e0LAYW"

# Read before any test changes it: where the tests may make their databases, instead of in a server of their own.
GIVEN_DATABASE_URL = os.environ.get("DATABASE_URL", "")  # noqa: TID251 - the tests' own doorstep

SetEnvironment = Callable[..., None]
AddPerson = Callable[..., Actor]


@dataclass(frozen=True)
class Database:
    """One test's database. `core.settings` and `core.db` point at it while the test runs."""

    url: URL

    @property
    def dsn(self) -> str:
        """SQLAlchemy's URL: what DATABASE_URL is for this test and the programs it starts."""
        return self.url.render_as_string(hide_password=False)

    @property
    def name(self) -> str:
        assert self.url.database is not None
        return self.url.database

    def connect(self) -> psycopg.Connection:
        """A connection of the test's own, in autocommit, as the tables' owner: what somebody with the SQL console could do."""
        return connect(self.url)


def proven(actor: Actor) -> Actor:
    """As they are after proving anew who they are: a test that goes on for an hour outlives the first proof."""
    return replace(actor, proved_at=clock.now())


def connect(url: URL) -> psycopg.Connection:
    return psycopg.connect(url.set(drivername="postgresql").render_as_string(hide_password=False), autocommit=True)


@contextmanager
def statements() -> Iterator[list[str]]:
    """What this process asks of the database meanwhile."""
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        asked.append(statement)

    event.listen(core.db.engine(), "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(core.db.engine(), "before_cursor_execute", note)


def forget_settings(patch: pytest.MonkeyPatch, data_dir: Path) -> None:
    for name in list(os.environ):  # noqa: TID251 - the tests' own doorstep
        if name.startswith(("BILLERS_", "DATABASE_URL", "T24_", "STREAMLIT_")) or name in ("PORT", "ENABLE_BACKGROUND_JOBS"):
            patch.delenv(name)
    patch.setenv("BILLERS_DATA_DIR", str(data_dir))
    settings.cache_clear()


@contextmanager
def console_uses(url: URL, patch: pytest.MonkeyPatch) -> Iterator[None]:
    patch.setenv("DATABASE_URL", url.render_as_string(hide_password=False))
    settings.cache_clear()
    try:
        yield
    finally:
        # A command that a test ran took a program's role for this whole process: neither that nor its connections are the next test's.
        core.db.let_go()
        core.db.act_as_owner()


def create_database(server_url: URL, name: str, *, template: str | None = None) -> URL:
    with connect(server_url) as connection:
        connection.execute(f'CREATE DATABASE "{name}"' + (f' TEMPLATE "{template}"' if template else ""))
    return server_url.set(database=name)


def drop_database(server_url: URL, url: URL) -> None:
    with connect(server_url) as connection:
        drop(connection, url.database or "")


def drop(connection: psycopg.Connection, name: str) -> None:
    """Drops a database with whoever is still in it. Autovacuum is nobody's to throw out, and leaves by itself: then it is tried again."""
    leaving = threading.Event()
    for _ in range(200):
        try:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        except psycopg.errors.InsufficientPrivilege:
            leaving.wait(0.1)
        else:
            return
    raise AssertionError(f"{name} could not be dropped: somebody does not leave it.")
