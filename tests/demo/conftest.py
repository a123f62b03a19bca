"""A sandbox with some thousand demonstration transactions in it, loaded once for the tests that only look."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy.engine import URL

import core.db
from core.services import demo, seeds
from core.settings import settings
from tests.world import Database, console_uses, create_database, drop_database, forget_settings

COUNT = 4_000

TABLES = ("transactions", "legs", "attempts", "answers", "events", "vended_tokens", "audit_entries")


@dataclass(frozen=True)
class Sandbox:
    """A database in sandbox mode, and what loading the demonstration said."""

    database: Database
    said: list[str]

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self.database.connect() as connection:
            cursor = connection.execute(query, values)
            return cursor.fetchall() if cursor.description else []

    def one(self, query: str, *values: object) -> Any:
        [(value,)] = self.rows(query, *values)
        return value


def counts(sandbox: Sandbox) -> dict[str, int]:
    return {table: sandbox.one(f"SELECT count(*) FROM {table}") for table in TABLES}


@pytest.fixture(scope="module")
def loaded(server_url: URL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    yield from _sandbox(server_url, tmp_path_factory, COUNT)


@pytest.fixture
def fresh(server_url: URL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Seeded, and without a transaction."""
    yield from _sandbox(server_url, tmp_path_factory, 0)


def _sandbox(server_url: URL, tmp_path_factory: pytest.TempPathFactory, count: int) -> Iterator[Sandbox]:
    directory = tmp_path_factory.mktemp("demo")
    url = create_database(server_url, f"demo_{directory.parent.name.replace('-', '_')}_{directory.name}")
    with pytest.MonkeyPatch.context() as patch:
        forget_settings(patch, directory)
        with console_uses(url, patch):
            patch.setenv("BILLERS_SANDBOX", "true")
            settings.cache_clear()
            core.db.migrate()
            seeds.load()
            yield Sandbox(Database(url), demo.load(count) if count else [])
    settings.cache_clear()
    drop_database(server_url, url)


@pytest.fixture(autouse=True)
def clean_environment() -> None:
    """These fixtures set the environment for as long as their database lives; nothing may take it away in between."""
