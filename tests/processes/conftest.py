"""Several consoles and workers on one database, which a test can kill."""

import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from sqlalchemy.engine import URL

from core.access import Actor
from core.services import lookups
from core.settings import CHECKOUT, Part, child_environment, settings
from core.states import Stage
from tests.campaign.harness import CODE, WorkerProcess, World, new_world, until
from tests.front_door.conftest import Console, free_port
from tests.processes.sticky import StickyProxy
from tests.world import GIVEN_DATABASE_URL

# Everything starts at once, and the machine may have more to do.
PATIENCE_SECONDS = 300.0

# Nothing here is about slow billers: on a busy machine a call has its time.
UNHURRIED = {"timeout_ms": 10_000}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--times", type=int, default=1, help="How often each of these tests is run.")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    times = metafunc.config.getoption("--times", default=1)
    if times > 1:
        metafunc.fixturenames.append("time")
        metafunc.parametrize("time", range(1, times + 1))


def at_work(worker: WorkerProcess) -> WorkerProcess:
    """Once it says that it is ready."""
    until(lambda: "ready" in worker.lines or not worker.is_running, "the worker says that it is ready", PATIENCE_SECONDS)
    assert worker.is_running, worker.lines
    return worker


def pay(world: World, account: str, actor: Actor) -> uuid.UUID:
    """From the account number to the click on Pay, with an operator's patience: a question that was lost with its worker is asked again."""

    def answered() -> uuid.UUID | None:
        asked = lookups.ask(actor, CODE, account)
        settled = world.wait_for(asked, Stage.COMPLETED, Stage.FAILED, seconds=PATIENCE_SECONDS)
        return asked if settled.stage == Stage.COMPLETED.value else None

    lookup = until(answered, f"the biller tells who has {account}", PATIENCE_SECONDS)
    return world.pay(account, lookup=lookup, actor=actor)


@dataclass
class WebProcess:
    """One console: `streamlit run Home.py` on a port of its own."""

    port: int
    log: Path
    _process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        arguments = (sys.executable, "-m", "streamlit", "run", "Home.py", "--server.port", str(self.port), "--server.headless", "true")
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(arguments, cwd=CHECKOUT, stdout=output, stderr=subprocess.STDOUT, env=child_environment())

    def wait_ready(self) -> None:
        until(self._answers, f"the console on port {self.port} is ready: {self.log}", PATIENCE_SECONDS)

    def kill(self) -> None:
        """SIGKILL: not a line of its own runs after that."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(30)
            self._process = None

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text()
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/readyz", trust_env=False, timeout=5).status_code == 200
        except httpx.TransportError:
            return False


@dataclass
class House:
    """The bank's set-up: a database, consoles behind a proxy, workers, and a biller."""

    world: World
    webs: list[WebProcess]
    proxy: StickyProxy = field(init=False)
    front: Console = field(init=False)

    def open(self, workers: int) -> None:
        for web in self.webs:
            web.start()
        for _ in range(workers):
            self.world.start_worker()
        for worker in self.world.workers:
            at_work(worker)
        for web in self.webs:
            web.wait_ready()
        self.proxy = StickyProxy([web.port for web in self.webs])
        self.front = Console(self.proxy.port)

    def close(self) -> None:
        if hasattr(self, "proxy"):
            self.proxy.close()
        for web in self.webs:
            web.kill()


@pytest.fixture
def house(server_url: URL, template: URL, tmp_path: Path, clean_environment: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """Two consoles that are not open yet; each program signs in to the database by its own role, as in earnest."""
    with new_world(server_url, template, tmp_path, monkeypatch, **UNHURRIED) as world:
        monkeypatch.setenv("BILLERS_SECURE_COOKIES", "false")
        if not GIVEN_DATABASE_URL:
            for part in Part:
                monkeypatch.setenv(f"DATABASE_URL_{part.name}", world.url.set(username=part.role).render_as_string(hide_password=False))
        settings.cache_clear()
        made = House(world, [WebProcess(free_port(), tmp_path / f"web-{number}.log") for number in range(2)])
        try:
            yield made
        finally:
            made.close()
