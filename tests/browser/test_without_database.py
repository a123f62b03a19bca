"""The database stops under open pages: everybody reads a sentence, nobody a trace, and all goes on when it is back."""

import json
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import run

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from core.launch.embedded import EmbeddedPostgres
from core.settings import DATABASE_NAME, DATABASE_PORT, DATABASE_ROLE
from Home import PAGES
from tests.browser.conftest import PATIENCE_MS, ROOT, free_ports, serving

SENTENCE = "The database cannot be reached. Nothing was lost"

# An administrator sees what a manager does not, and the other way round.
ROLES = ("manager", "administrator")


@dataclass
class Served:
    """A console of its own, and the server it stands on."""

    url: str
    server: EmbeddedPostgres
    people: list[dict[str, str]]

    @contextmanager
    def without_database(self) -> Iterator[None]:
        pid = self.server.pid
        assert pid is not None
        os.kill(pid, signal.SIGINT)
        waiting = threading.Event()
        for _ in range(600):
            if self.server.pid is None:
                break
            waiting.wait(0.05)
        assert self.server.pid is None, "the server did not stop"
        try:
            yield
        finally:
            self.server.start()


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    directory = Path(tempfile.mkdtemp(prefix="billers-without-", dir="/var/tmp"))
    directory.chmod(0o711)
    (port,) = free_ports(1)
    with EmbeddedPostgres(directory, directory / "run") as server:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("BILLERS_")},  # noqa: TID251 - what a child process gets
            "BILLERS_DATA_DIR": str(directory),
            "DATABASE_URL": f"postgresql://{DATABASE_ROLE}@/{DATABASE_NAME}?host={directory / 'run'}&port={DATABASE_PORT}",
            "BILLERS_SANDBOX": "true",
            "BILLERS_SECURE_COOKIES": "false",
            "BILLERS_DEMO_TRANSACTIONS": "0",
            "PORT": str(port),
        }
        for command in ("migrate", "seed"):
            run([sys.executable, "-m", "core.cli", command], cwd=ROOT, env=environment, check=True)
        streamlit = [
            sys.executable,
            "-m",
            "streamlit",
            "run",
            "Home.py",
            "--server.port",
            str(port),
            "--server.address",
            "127.0.0.1",
            "--server.headless",
            "true",
        ]
        with serving(streamlit, environment, port):
            yield Served(f"http://127.0.0.1:{port}", server, json.loads((directory / "sandbox-sign-ins.json").read_text()))
    shutil.rmtree(directory, ignore_errors=True)


def signed_in(served: Served, context: BrowserContext, role: str) -> None:
    person = next(person for person in served.people if person["role"] == role)
    page = context.new_page()
    page.goto(served.url)
    page.get_by_label("User name").fill(person["username"])
    page.get_by_label("Password", exact=True).fill(person["password"])
    page.get_by_label("Password", exact=True).press("Enter")
    expect(page.get_by_test_id("stSidebarNav")).to_be_visible()


def open_page(served: Served, context: BrowserContext, name: str) -> Page:
    page = context.new_page()
    page.goto(f"{served.url}/{'' if name == PAGES[0][0] else name}")
    expect(page.get_by_test_id("stMain").get_by_role("heading", level=1)).to_be_visible()
    return page


def without_trace(page: Page) -> None:
    told = page.locator("body").inner_text()
    for word in ("Traceback", "incident", "psycopg", "sqlalchemy", "SELECT", str(ROOT)):
        assert word not in told, told


@pytest.mark.parametrize("role", ROLES)
def test_no_page_shows_a_trace_while_the_database_is_stopped_and_each_comes_back(role: str, served: Served, browser: Browser) -> None:
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    context.set_default_timeout(PATIENCE_MS)
    signed_in(served, context, role)
    windows = {name: open_page(served, context, name) for name, *_ in PAGES}
    with served.without_database():
        for page in windows.values():
            # What looks again by itself meets it first, without anybody's doing.
            without_trace(page)
            page.reload()
            expect(page.get_by_text(SENTENCE).first).to_be_visible()
            without_trace(page)
        stranger = browser.new_context()
        at_the_door = stranger.new_page()
        at_the_door.goto(served.url)
        expect(at_the_door.get_by_test_id("stMain")).to_be_visible()
        without_trace(at_the_door)
        stranger.close()
    for page in windows.values():
        page.reload()
        expect(page.get_by_test_id("stMain").get_by_role("heading", level=1)).to_be_visible()
        expect(page.get_by_text(SENTENCE)).to_have_count(0)
    context.close()
