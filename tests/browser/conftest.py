"""A whole console as `billers up` starts it, and a real Chromium in front of it."""

import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from sqlalchemy import make_url

from core.settings import DATABASE_PORT, DATABASE_ROLE
from tests.world import drop

ROOT = Path(__file__).parents[2]

# Read before any fixture cleans the environment.
GIVEN_DATABASE_URL = os.environ.get("DATABASE_URL", "")  # noqa: TID251 - the tests' own doorstep
NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = os.environ.get("BILLERS_CHROMIUM") or next((found for name in NAMES if (found := shutil.which(name))), None)  # noqa: TID251
QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
)

# Waiting for a condition ends here; on a busy machine a page takes a while.
PATIENCE_MS = 30_000
START_SECONDS = 120


@dataclass(frozen=True)
class Console:
    """A running console: where it is, who may sign in, and the oracle's way to its database and ledgers."""

    url: str
    data_dir: Path
    dsn: str
    environment: dict[str, str]
    control: str

    def person(self, role: str, number: int = 0) -> dict[str, str]:
        """The first of this role, or another."""
        people: list[dict[str, str]] = json.loads((self.data_dir / "sandbox-sign-ins.json").read_text())
        return [person for person in people if person["role"] == role][number]

    def query(self, sql: str, *arguments: object) -> list[tuple[object, ...]]:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            cursor = connection.execute(sql, arguments)
            return cursor.fetchall() if cursor.description else []

    def ledger(self, account: str, biller: str = "LWB_POSTPAID") -> list[dict[str, str]]:
        """What the biller itself says it took for this account, read from its file."""
        path = self.data_dir / "sandbox" / f"{biller}.ledger.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [entry for line in lines if (entry := json.loads(line))["account"] == account]


def free_ports(count: int) -> list[int]:
    held = [socket.socket() for _ in range(count)]
    try:
        for one in held:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in held]
    finally:
        for one in held:
            one.close()


@contextmanager
def serving(command: list[str], environment: dict[str, str], port: int) -> Iterator[None]:
    """A program that serves a console, from its first answer to the end of the block."""
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            deadline = time.monotonic() + START_SECONDS
            while not _answers(port):
                if process.poll() is not None or time.monotonic() > deadline:
                    output.seek(0)
                    pytest.fail(f"{' '.join(command)} does not serve a console. It said:\n{output.read()}")
                select.select([], [], [], 0.05)
            yield
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                raise


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=2, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture(scope="session")
def console() -> Iterator[Console]:
    """Started once for all browser tests, with what an operator gets from `make run`; waits are a tenth of what they are in earnest."""
    data_dir = Path(tempfile.mkdtemp(prefix="billers-browser-", dir="/var/tmp"))
    data_dir.chmod(0o711)
    port, sandbox_port, control_port = free_ports(3)
    environment = {
        **os.environ,  # noqa: TID251 - what a child process gets
        "BILLERS_DATA_DIR": str(data_dir),
        "PORT": str(port),
        "BILLERS_SANDBOX": "true",
        "BILLERS_SANDBOX_PORT": str(sandbox_port),
        "BILLERS_SANDBOX_CONTROL_PORT": str(control_port),
        "BILLERS_TIME_FACTOR": "0.1",
        # The tests count what they see; ninety days of business would stand in between.
        "BILLERS_DEMO_TRANSACTIONS": "0",
        "PYTHONUNBUFFERED": "1",
    }
    dsn = f"host={data_dir / 'run'} port={DATABASE_PORT} user={DATABASE_ROLE} dbname=billers"
    with _given_database() as given:
        if given:
            environment["DATABASE_URL"] = dsn = given
        url = f"http://127.0.0.1:{port}"
        try:
            with serving([sys.executable, "-m", "core.cli", "up"], environment, port):
                made = Console(url, data_dir, dsn, environment, f"http://127.0.0.1:{control_port}")
                _shorten_deadline(made)
                yield made
        finally:
            shutil.rmtree(data_dir, ignore_errors=True)


@contextmanager
def _given_database() -> Iterator[str]:
    """A database of its own beside DATABASE_URL's, or nothing where the embedded server is used."""
    if not GIVEN_DATABASE_URL:
        yield ""
        return
    given = make_url(GIVEN_DATABASE_URL).set(drivername="postgresql")
    name = f"browser_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(given.render_as_string(hide_password=False), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    yield given.set(database=name).render_as_string(hide_password=False)
    with psycopg.connect(given.render_as_string(hide_password=False), autocommit=True) as connection:
        drop(connection, name)


def _shorten_deadline(console: Console) -> None:
    """A new version of the biller's configuration with a deadline of 5 s, so that a hanging biller is seen to hang without half a minute's wait."""
    console.query("UPDATE biller_configs SET timeout_ms = 5000, version = version + 1")
    console.query(
        "INSERT INTO biller_config_versions (config_id, version, snapshot, authentication)"
        " SELECT c.id, c.version, v.snapshot || '{\"timeout_ms\": 5000}', c.authentication"
        " FROM biller_configs c JOIN biller_config_versions v ON v.config_id = c.id AND v.version = c.version - 1"
    )


@contextmanager
def chromium() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.fail("There is no Chromium on this machine. Install the package `chromium`, or name the program in BILLERS_CHROMIUM.")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield started
        started.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser of the test's own: no cookie of another test."""
    expect.set_options(timeout=PATIENCE_MS)
    made = browser.new_context(viewport={"width": 1440, "height": 1000})
    made.set_default_timeout(PATIENCE_MS)
    yield made
    made.close()


SignIn = Callable[..., Page]


@pytest.fixture
def sign_in(console: Console, context: BrowserContext) -> SignIn:
    """`sign_in("operator")`: types the name and the password as a person does, and waits for the menu. `sign_in("administrator", 1)`: the second one."""

    def as_role(role: str, number: int = 0) -> Page:
        person = console.person(role, number)
        page = context.new_page()
        page.goto(console.url)
        page.get_by_label("User name").fill(person["username"])
        page.get_by_label("Password", exact=True).fill(person["password"])
        page.get_by_label("Password", exact=True).press("Enter")
        expect(page.get_by_test_id("stSidebarNav")).to_be_visible()
        return page

    return as_role
