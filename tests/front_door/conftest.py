"""The real server, started once: `streamlit run Home.py` on a free port, against a database of its own."""

import http.cookiejar
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import URL
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

import core.db
from core.ids import new_id
from core.models import User
from core.security.sessions import cookie_name
from core.services import people
from core.settings import CHECKOUT, Part
from tests.world import GIVEN_DATABASE_URL, PASSWORD, PASSWORD_HASH, console_uses, create_database, drop_database, forget_settings

START_SECONDS = 120


@dataclass
class Console:
    """The console as a stranger finds it, and the means to become somebody."""

    port: int
    # What it writes, where that is kept.
    log: Path = Path("/dev/null")
    url: str = field(init=False)

    def __post_init__(self) -> None:
        self.url = f"http://localhost:{self.port}"

    def client(self, token: str | None = None) -> httpx.Client:
        """A browser without a screen. It says which page it comes from, as browsers do."""
        cookies = httpx.Cookies(http.cookiejar.CookieJar())
        if token:
            cookies.set(cookie_name(), token, domain="localhost.local")
        return httpx.Client(base_url=self.url, cookies=cookies, headers={"Sec-Fetch-Site": "same-origin"}, trust_env=False, timeout=20)

    def open(self, page: str = "", *, query: str = "", token: str | None = None, origin: str | None = None) -> str:
        """What a window shows that opens this page: all texts that one run of the script sends."""
        with self.window(token, origin=origin) as window:
            return "\n".join(str(message) for message in self.run(window, page, query))

    @cached_property
    def visit(self) -> str:
        """The cookie that a browser gets along with the page; nothing from a console that gives none."""
        given = httpx.get(f"{self.url}/_stcore/health", trust_env=False).headers.get_list("set-cookie")
        return next((cookie.partition(";")[0] for cookie in given if "billers-visit=" in cookie), "")

    def window(
        self,
        token: str | None = None,
        *,
        visit: str | None = None,
        origin: str | None = None,
        host: str = "localhost",
        protocols: tuple[str, ...] = ("streamlit",),
        **more: Any,
    ) -> ClientConnection:
        """A websocket as a page of `origin` opens it, by default one of ours, which calls the console `host`. The browser sends the cookies along."""
        cookies = [self.visit if visit is None else visit, f"{cookie_name()}={token}" if token else ""]
        return connect(
            f"ws://{host}:{self.port}/_stcore/stream",
            sock=socket.create_connection(("localhost", self.port), **more),
            subprotocols=[Subprotocol(protocol) for protocol in protocols],
            origin=Origin(origin or self.url),
            additional_headers={"Cookie": "; ".join(filter(None, cookies))} if any(cookies) else {},
            proxy=None,
            max_size=None,
            open_timeout=30,
        )

    @staticmethod
    def run(window: ClientConnection, page: str = "", query: str = "") -> list[ForwardMsg]:
        """What one run of the script sends to this window."""
        ask = BackMsg()
        ask.rerun_script.page_name = page
        ask.rerun_script.query_string = query
        window.send(ask.SerializeToString())
        seen: list[ForwardMsg] = []
        while not seen or seen[-1].WhichOneof("type") != "script_finished":
            message = ForwardMsg()
            message.ParseFromString(window.recv(timeout=30))
            seen.append(message)
        return seen


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def console_database(server_url: URL, template: URL) -> Iterator[URL]:
    url = create_database(server_url, f"console_{new_id().hex[:20]}", template=template.database)
    yield url
    drop_database(server_url, url)


@pytest.fixture(scope="session")
def running_console(console_database: URL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    port = free_port()
    directory = tmp_path_factory.mktemp("console")
    with pytest.MonkeyPatch.context() as patch:
        forget_settings(patch, directory)
        patch.setenv("DATABASE_URL", console_database.render_as_string(hide_password=False))
        if not GIVEN_DATABASE_URL:
            # As in earnest: by a role that owns nothing.
            patch.setenv("DATABASE_URL_WEB", console_database.set(username=Part.WEB.role).render_as_string(hide_password=False))
        patch.setenv("BILLERS_SECURE_COOKIES", "false")
        with Served(port, directory / "console.log") as console:
            # It has it by now. A console that another file starts meanwhile has a database of its own.
            patch.delenv("DATABASE_URL_WEB", raising=False)
            yield console


@dataclass
class Served:
    """`streamlit run Home.py`, as README has it, until the block ends."""

    port: int
    log: Path
    program: str = "Home.py"

    def __enter__(self) -> Console:
        arguments = (sys.executable, "-m", "streamlit", "run", self.program, "--server.port", str(self.port), "--server.headless", "true")
        with self.log.open("wb") as output:
            self._process = subprocess.Popen(arguments, cwd=CHECKOUT, stdout=output, stderr=subprocess.STDOUT, env=dict(os.environ))  # noqa: TID251
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                if httpx.get(f"http://localhost:{self.port}/healthz", trust_env=False).status_code == 200:
                    return Console(self.port, self.log)
            except httpx.TransportError:
                self._process.poll()
        raise AssertionError(f"the console did not start:\n{self.log.read_text()}")

    def __exit__(self, *_error: object) -> None:
        self._process.terminate()
        assert self._process.wait(timeout=30) in (0, -15, 143), self.log.read_text()


@pytest.fixture
def console(running_console: Console, console_database: URL, monkeypatch: pytest.MonkeyPatch) -> Iterator[Console]:
    """The running console; this process' services use its database meanwhile."""
    monkeypatch.setenv("BILLERS_SECURE_COOKIES", "false")
    with console_uses(console_database, monkeypatch):
        yield running_console


@pytest.fixture
def add_somebody(console: Console) -> Callable[[str], str]:
    """`add_somebody("operator")`: a new person of the running console; returns the user name."""

    def add(role: str) -> str:
        username = f"{role}-{new_id().hex[-8:]}"
        with core.db.unit_of_work() as session:
            session.add(User(id=new_id(), username=username, display_name=f"Grace *{role}* Banda", role=role, password_hash=PASSWORD_HASH, sandbox=False))
        return username

    return add


@pytest.fixture
def token_of(add_somebody: Callable[[str], str]) -> Callable[[str], str]:
    """`token_of("operator")`: the cookie of somebody new who signed in."""

    def sign_in(role: str) -> str:
        return people.redeem(people.sign_in(add_somebody(role), PASSWORD, None), None, None)

    return sign_in
