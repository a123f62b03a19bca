"""A console that serves streams, somebody to listen, and a counter whose payments make the news."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from sqlalchemy import URL

from core.services import people
from core.settings import settings
from tests.front_door.conftest import Console, Served, free_port
from tests.payments.bench import Bench
from tests.world import PASSWORD, AddPerson, Database, console_uses, create_database, drop_database, forget_settings

# Three tenths of a second instead of half a minute between two looks at whether somebody is still signed in.
TIME_FACTOR = "0.01"


@dataclass
class Ear:
    """One open stream."""

    answer: httpx.Response
    words: Iterator[dict[str, Any]] = field(init=False)

    def __post_init__(self) -> None:
        self.words = self._words()

    def _words(self) -> Iterator[dict[str, Any]]:
        kind = "message"
        for line in self.answer.iter_lines():
            name, _, value = line.partition(": ")
            if name == "event":
                kind = value
            elif name == "data":
                yield {"kind": kind, **json.loads(value)}
                kind = "message"

    def hear(self) -> dict[str, Any]:
        return next(self.words)

    def hear_until(self, condition: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
        """All words up to the first that fulfils it."""
        heard = []
        for word in self.words:
            heard.append(word)
            if condition(word):
                return heard
        raise AssertionError(f"The stream ended after {heard}.")

    def hear_news(self, after: int) -> dict[str, Any]:
        return self.hear_until(lambda word: word["cursor"] > after)[-1]


@contextmanager
def listening(console: Console, token: str) -> Iterator[Ear]:
    with console.client(token) as browser, browser.stream("GET", "/live/events") as answer:
        assert answer.status_code == 200, answer.read()
        yield Ear(answer)


@pytest.fixture(scope="package")
def live_database(server_url: URL, template: URL) -> Iterator[URL]:
    url = create_database(server_url, "live_console", template=template.database)
    yield url
    drop_database(server_url, url)


@contextmanager
def serving(url: URL, directory: Any) -> Iterator[tuple[Console, Served]]:
    with pytest.MonkeyPatch.context() as patch:
        forget_settings(patch, directory)
        patch.setenv("DATABASE_URL", url.render_as_string(hide_password=False))
        patch.setenv("BILLERS_SANDBOX", "true")
        patch.setenv("BILLERS_SECURE_COOKIES", "false")
        patch.setenv("BILLERS_TIME_FACTOR", TIME_FACTOR)
        served = Served(free_port(), directory / "console.log")
        with served as console:
            yield console, served
    settings.cache_clear()


@pytest.fixture(scope="package")
def live_console(live_database: URL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    with serving(live_database, tmp_path_factory.mktemp("live")) as (console, _):
        yield console


@pytest.fixture
def database(live_database: URL, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """The console's own: what this process does there is what the console hears of."""
    monkeypatch.setenv("BILLERS_SECURE_COOKIES", "false")
    with console_uses(live_database, monkeypatch):
        yield Database(live_database)


@pytest.fixture(scope="package")
def shared_bench(live_database: URL) -> Iterator[Bench]:
    with pytest.MonkeyPatch.context() as patch, console_uses(live_database, patch):
        made = Bench(Database(live_database))
        yield made
        made.close()


@pytest.fixture
def bench(shared_bench: Bench, database: Database, monkeypatch: pytest.MonkeyPatch) -> Bench:
    shared_bench.enter(monkeypatch)
    return shared_bench


@pytest.fixture
def sign_in(add_person: AddPerson) -> Callable[[str], str]:
    """`sign_in("manager")`: the cookie of somebody new."""

    def enter(role: str) -> str:
        return people.redeem(people.sign_in(add_person(role).username, PASSWORD, None), None, None)

    return enter


@pytest.fixture
def ear(live_console: Console, sign_in: Callable[[str], str]) -> Iterator[Ear]:
    with listening(live_console, sign_in("manager")) as open_stream:
        yield open_stream
