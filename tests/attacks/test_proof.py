"""Sessions chosen, kept, replayed and gone round: what an attacker gets by each where nothing is done against it, and from the console."""

import asyncio
import os
import select
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, expect
from sqlalchemy import URL
from starlette.applications import Starlette
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.testing.v1 import AppTest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from core.access import SYSTEM
from core.api import endings, windows
from core.api import session as way_in
from core.api.routes import ROUTES
from core.api.windows import Windows
from core.ids import new_secret
from core.security.sessions import cookie_name
from core.services import people, staff
from core.settings import CHECKOUT
from core.ui import session
from tests.attacks.report import ControlFired, Refused
from tests.front_door.conftest import Console, Served, free_port
from tests.pages.conftest import HOME, LWB, PATIENCE_SECONDS, Till
from tests.world import PASSWORD, AddPerson, Database, SetEnvironment
from tests.world import connect as to_database

# What the issue asks: an open page is shut within so long.
SHUT_SECONDS = 5

Found = TypeVar("Found")

Silence = Callable[[], AbstractContextManager[None]]


def apart(act: Coroutine[Any, Any, Found]) -> Found:
    """In a thread of its own: a browser that another test opened has a loop in this one."""
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(asyncio.run, act).result()


# ---- A session that an attacker chose


@dataclass
class Victim:
    """A browser that keeps cookies as browsers do, before the console's own way in."""

    cookie: str | None = None

    def enter(self, ticket: str, came_from: str = "same-origin") -> None:
        async def ask() -> None:
            cookies = {cookie_name(): self.cookie} if self.cookie else {}
            way = httpx.ASGITransport(app=Starlette(routes=ROUTES))
            async with httpx.AsyncClient(transport=way, base_url="http://console.test", cookies=cookies) as browser:
                answer = await browser.get(f"/session/enter?ticket={ticket}", headers={"Sec-Fetch-Site": came_from})
                self.cookie = answer.cookies.get(cookie_name()) or self.cookie

        apart(ask())

    def name(self) -> str | None:
        actor = people.actor_of(self.cookie)
        return actor.username if actor else None


@pytest.fixture
def victim(database: Database, add_person: AddPerson, set_environment: SetEnvironment) -> Victim:
    set_environment(billers_secure_cookies="false")
    add_person("operator", username="grace")
    return Victim()


def ticket_of(username: str) -> str:
    return people.sign_in(username, PASSWORD, None)


@pytest.mark.attack("session-fixation")
def test_a_cookie_that_was_planted_before_the_sign_in_opens_nothing_after_it(
    victim: Victim, monkeypatch: pytest.MonkeyPatch, control_fired: ControlFired, refused: Refused
) -> None:
    victim.cookie = planted = new_secret()
    ticket = ticket_of("grace")
    with monkeypatch.context() as off:
        # A console that goes on with the name the browser brings, as many do.
        off.setattr(people, "new_secret", lambda: planted)
        off.setattr(people, "sign_out", lambda *_, **__: None)
        victim.enter(ticket)
    stolen = people.actor_of(planted)
    assert stolen is not None
    assert stolen.username == "grace"
    control_fired("where the browser's own session name is kept, the attacker who planted it is signed in as the victim")

    victim.cookie = planted = new_secret()
    victim.enter(ticket_of("grace"))
    assert people.actor_of(planted) is None
    assert victim.cookie != planted
    assert victim.name() == "grace"
    refused("the session has a name of the console's own choice; the planted one opens nothing")


@pytest.mark.attack("session-fixation")
def test_a_link_with_the_attackers_own_ticket_signs_nobody_in_as_the_attacker(
    victim: Victim, add_person: AddPerson, monkeypatch: pytest.MonkeyPatch, control_fired: ControlFired, refused: Refused
) -> None:
    add_person("operator", username="mallory")
    victim.enter(ticket_of("grace"))
    with monkeypatch.context() as off:
        off.setattr(way_in, "came_from_us", lambda _request: True)
        victim.enter(ticket_of("mallory"), came_from="cross-site")
    assert victim.name() == "mallory"
    control_fired("where nobody asks which page led here, a link makes the victim work in the attacker's name")

    victim.enter(ticket_of("grace"))
    victim.enter(ticket_of("mallory"), came_from="cross-site")
    assert victim.name() == "grace"
    refused("a ticket is taken from the console's own pages only; the victim stays who they are")


# ---- A cookie replayed after signing out, in an open websocket


async def pour(_scope, receive, send) -> None:  # type: ignore[no-untyped-def]
    """Streamlit's part: whatever is said at the window is answered with the secret."""
    while (await receive())["type"] != "websocket.disconnect":
        await send({"type": "websocket.send", "text": "the secret"})


async def _replay(token: str, most: int) -> list[str]:
    """A thief at an open window says something again and again, until it is closed or `most` was said; after the first answer its owner signs out."""
    heard: list[str] = []
    is_signed_out = False

    async def receive() -> dict[str, object]:
        nonlocal is_signed_out
        if heard and not is_signed_out:
            is_signed_out = True
            await asyncio.to_thread(people.sign_out, token)
            await endings.ENDINGS.look()
        return {"type": "websocket.receive", "text": "more"} if len(heard) < most else {"type": "websocket.disconnect", "code": 1000}

    async def send(message: dict[str, object]) -> None:
        heard.append(str(message.get("text") or f"closed {message.get('code')}"))

    scope = {
        "type": "websocket",
        "path": windows.STREAM,
        "headers": [(b"cookie", f"{cookie_name()}={token}".encode())],
        "query_string": b"",
        "client": ("192.0.2.7", 1),
    }
    await Windows(pour)(scope, receive, send)  # type: ignore[arg-type]
    return heard


@pytest.mark.attack("session-replay")
def test_a_window_that_was_open_when_its_owner_signed_out_is_closed(
    database: Database, add_person: AddPerson, monkeypatch: pytest.MonkeyPatch, control_fired: ControlFired, refused: Refused
) -> None:
    add_person("operator", username="grace")

    def replayed() -> list[str]:
        token = people.redeem(people.sign_in("grace", PASSWORD, None), None, None)
        return apart(_replay(token, most=10))

    with monkeypatch.context() as off:
        # A console whose windows, once open, are nobody's business.
        off.setattr(windows, "ENDINGS", endings.Endings())
        assert replayed() == ["the secret"] * 10
    control_fired("where nobody watches over open windows, ten more answers came through one after its session was over")

    heard = replayed()
    assert heard[-1] == f"closed {windows.GOING_AWAY}"
    assert 0 < heard.count("the secret") < 10
    refused("the window was closed as the session ended")


@dataclass
class OpenWindow:
    """A websocket to the real server, as a thief with the cookie holds it."""

    line: ClientConnection
    page: str

    def run(self, fragment: str = "") -> str:
        """All that one run of the page sends, or of one fragment of it."""
        ask = BackMsg()
        ask.rerun_script.page_name = self.page
        ask.rerun_script.fragment_id = fragment
        self.line.send(ask.SerializeToString())
        seen = []
        while True:
            message = ForwardMsg()
            message.ParseFromString(self.line.recv(timeout=30))  # type: ignore[arg-type]
            seen.append(str(message))
            if message.WhichOneof("type") == "script_finished":
                return "\n".join(seen)

    def is_closed_within(self, seconds: float) -> bool:
        """What still comes meanwhile is read, and is nothing of the page's: nobody asked for anything."""
        with suppress(TimeoutError):
            try:
                while True:
                    self.line.recv(timeout=seconds)
            except ConnectionClosed:
                return True
        return False


@contextmanager
def held_open(console: Console, token: str, page: str) -> Iterator[OpenWindow]:
    headers = {"Cookie": f"{console.visit}; {cookie_name()}={token}"}
    address, origin = f"ws://localhost:{console.port}/_stcore/stream", Origin(console.url)
    with connect(address, subprotocols=[Subprotocol("streamlit")], origin=origin, additional_headers=headers, proxy=None, max_size=None) as line:
        yield OpenWindow(line, page)


def fragments_in(seen: str) -> list[str]:
    return list(dict.fromkeys(part.split('"')[1] for part in seen.split("fragment_id: ")[1:] if part.split('"')[1]))


@pytest.mark.attack("session-replay")
def test_a_replayed_cookie_is_shut_out_of_the_real_server_within_five_seconds(
    console: Console, token_of: Callable[[str], str], silence: Silence, control_fired: ControlFired, refused: Refused
) -> None:
    token = token_of("operator")
    with held_open(console, token, "dashboard") as window:
        assert "Payments today" in window.run()
        with silence():
            people.sign_out(token)
            assert not window.is_closed_within(SHUT_SECONDS)
    control_fired("where the database does not tell of endings, the window stays open as long as that")

    token = token_of("operator")
    with held_open(console, token, "dashboard") as window, held_open(console, token, "transactions") as other:
        assert "Payments today" in window.run()
        other.run()
        people.sign_out(token)
        assert window.is_closed_within(SHUT_SECONDS)
        assert other.is_closed_within(SHUT_SECONDS)
    with held_open(console, token, "dashboard") as again:
        seen = again.run()
    assert '"Sign in"' in seen
    assert "Payments today" not in seen
    refused("both windows of the session were closed by the server, and the cookie opens the sign-in only")


@pytest.fixture
def silence(console_database: URL) -> Silence:
    """`with silence():` the database does not tell of endings, as if nobody had thought of it."""

    @contextmanager
    def silent() -> Iterator[None]:
        with to_database(console_database) as connection:
            for table in ("users", "user_sessions"):
                connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER tell")
            try:
                yield
            finally:
                for table in ("users", "user_sessions"):
                    connection.execute(f"ALTER TABLE {table} ENABLE TRIGGER tell")

    return silent


# ---- The open page of somebody who was disabled, in a browser


@pytest.mark.attack("open-page")
def test_the_open_page_of_somebody_who_was_disabled_is_shut_within_five_seconds(
    console: Console,
    context: BrowserContext,
    browser: Browser,
    add_somebody: Callable[[str], str],
    silence: Silence,
    control_fired: ControlFired,
    refused: Refused,
) -> None:
    def opened(username: str, page: str, within: BrowserContext):  # type: ignore[no-untyped-def]
        token = people.redeem(people.sign_in(username, PASSWORD, None), None, None)
        within.add_cookies([{"name": cookie_name(), "value": token, "url": console.url}])
        window = within.new_page()
        window.goto(f"{console.url}/{page}")
        return window

    def disable(username: str) -> None:
        staff.disable(SYSTEM, staff.find(SYSTEM, username).id)

    somebody = add_somebody("operator")
    window = opened(somebody, "", context)
    expect(window.get_by_text("Payments today").first).to_be_visible()
    with silence():
        disable(somebody)
        with pytest.raises(AssertionError):
            expect(window.get_by_label("User name")).to_be_visible(timeout=1000 * SHUT_SECONDS)
        assert window.get_by_text("Payments today").first.is_visible()
    window.close()
    control_fired("where nobody is told, the figures of the bank are still on the screen after five seconds")

    somebody = add_somebody("operator")
    # One page that follows what happens, and one that only stands there.
    windows_of_theirs = [(opened(somebody, "", context), "Payments today"), (opened(somebody, "lookup", context), "Account number")]
    for window, words in windows_of_theirs:
        expect(window.get_by_text(words).first).to_be_visible()
    disable(somebody)
    for window, words in windows_of_theirs:
        expect(window.get_by_label("User name")).to_be_visible(timeout=1000 * SHUT_SECONDS)
        expect(window.get_by_text(words)).to_have_count(0)
        expect(window.get_by_test_id("stSidebarNav")).to_have_count(0)
        window.close()
    refused("both open pages show the sign-in, and nothing of what stood there")


# ---- A right kept by an open page after it was taken away


@dataclass
class Counter:
    """Where payments wait for a second person, and somebody has the page open on which they are approved."""

    cashier: Till
    database: Database

    def let_one_wait(self, account: str) -> AppTest:
        """The window, as it was drawn for whoever the session says; nothing between it and the session is put aside."""
        self.cashier.pay("5475.50", account)
        window = AppTest.from_string(f"import runpy\nrunpy.run_path({str(HOME)!r}, run_name='__main__')", default_timeout=PATIENCE_SECONDS)
        window.run()
        window.switch_page(str(CHECKOUT / "pages" / "approvals.py")).run()
        assert not window.exception
        return window

    def decision(self) -> str:
        """About the newest proposal."""
        with self.database.connect() as connection:
            row = connection.execute("SELECT decision FROM proposals ORDER BY created_at DESC LIMIT 1").fetchone()
        assert row is not None
        return str(row[0])


@pytest.fixture
def counter(database: Database, add_person: AddPerson, monkeypatch: pytest.MonkeyPatch) -> Counter:
    with database.connect() as connection:
        connection.execute(
            "UPDATE biller_configs SET is_active = true, version = version + 1,"
            ' validation_rules = validation_rules || \'{"second_person_above": "5000.00"}\' WHERE biller_type = %s',
            [LWB],
        )
        connection.execute(
            "INSERT INTO biller_config_versions (config_id, version, snapshot, authentication)"
            " SELECT v.config_id, c.version, jsonb_set(v.snapshot, '{validation_rules}', c.validation_rules), v.authentication"
            " FROM biller_config_versions v JOIN biller_configs c ON c.id = v.config_id AND v.version = c.version - 1 WHERE c.biller_type = %s",
            [LWB],
        )
    return Counter(Till(add_person("operator"), monkeypatch), database)


@pytest.mark.attack("role-change")
def test_an_open_page_approves_nothing_for_somebody_who_may_not_any_more(
    counter: Counter,
    add_person: AddPerson,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    control_fired: ControlFired,
    refused: Refused,
) -> None:
    thoko = add_person("manager", username="thoko")
    token = people.redeem(people.sign_in("thoko", PASSWORD, None), None, None)
    at_the_opening = people.actor_of(token)
    assert at_the_opening is not None

    def role(code: str) -> None:
        with database.connect() as connection:
            connection.execute("UPDATE users SET role = %s WHERE id = %s", [code, thoko.id])

    def presses_approve_after_the_role_was_taken(account: str) -> str:
        role("manager")
        window = counter.let_one_wait(account)
        role("operator")
        (approve,) = [one for one in window.button if one.label == "Approve"]
        approve.click().run()
        return counter.decision()

    with monkeypatch.context() as off:
        # A console that remembers who opened the page.
        off.setattr(session, "current", lambda *, touch=True: at_the_opening)
        assert presses_approve_after_the_role_was_taken("70000001") == "approved"
    control_fired("where a page remembers who opened it, the button still approves a payment")

    monkeypatch.setattr(session, "token", lambda: token)
    assert presses_approve_after_the_role_was_taken("70000002") == "open"
    with database.connect() as connection:
        denied = connection.execute("SELECT subject_id FROM audit_entries WHERE action = 'access.denied' AND actor_id = %s", [thoko.id]).fetchall()
    assert ("transactions:approve",) in denied
    refused("the button did nothing, and the payment waits on", record="access.denied in the audit")


@pytest.mark.attack("role-change")
def test_a_fragment_of_an_open_page_has_the_rights_of_its_own_moment(
    console: Console, add_somebody: Callable[[str], str], console_database: URL, control_fired: ControlFired, refused: Refused
) -> None:
    somebody = add_somebody("manager")
    token = people.redeem(people.sign_in(somebody, PASSWORD, None), None, None)
    with held_open(console, token, "approvals") as window:
        seen = window.run()
        assert "Nothing waits for a second person" in seen
        (page,) = [one for one in fragments_in(seen) if "Nothing waits" in window.run(one)]
        control_fired("the page's fragment is drawn by itself, without the main script, and shows what its role may see")
        with to_database(console_database) as connection:
            connection.execute("UPDATE users SET role = 'analyst' WHERE username = %s", [somebody])
            drawn = window.run(page)
            assert "Nothing waits" not in drawn
            assert "does not include the right to see what waits for a second person" in drawn
            row = connection.execute(
                "SELECT count(*) FROM audit_entries WHERE action = 'access.denied' AND actor_name = %s AND subject_id = 'approvals:read'", [somebody]
            ).fetchone()
        assert row is not None
        assert row[0] >= 1
    refused("the next drawing says why it shows nothing any more", record="access.denied in the audit")


# ---- A page without the front door, on a fresh server

UNGUARDED = 'import streamlit as st\n\nst.title("The salaries of the bank")\n'
GUARDED = f'from core.ui.session import guard\n\nactor = guard("people:read")\n\n{UNGUARDED}'
FRONT = 'import streamlit as st\n\nst.navigation([st.Page(lambda: st.title("Only the sign-in"), title="Sign in")]).run()\n'


@pytest.mark.attack("page-bypass")
def test_a_page_asked_for_first_on_a_fresh_server_is_not_shown_to_a_stranger(
    console: Console, console_database: URL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, control_fired: ControlFired, refused: Refused
) -> None:
    (tmp_path / "pages").mkdir()
    (tmp_path / "Front.py").write_text(FRONT)
    (tmp_path / "pages" / "salaries.py").write_text(UNGUARDED)
    (tmp_path / "pages" / "guarded.py").write_text(GUARDED)
    monkeypatch.setenv("DATABASE_URL", console_database.render_as_string(hide_password=False))
    monkeypatch.setenv("BILLERS_SECURE_COOKIES", "false")
    monkeypatch.setenv("PYTHONPATH", str(CHECKOUT))
    # Whatever the framework does with a folder called pages: no lifespan of ours that stops it.
    with fresh(tmp_path / "Front.py", tmp_path) as naive:
        assert "The salaries of the bank" in naive.open("salaries")
        control_fired("beside a main script that shows only a sign-in, the page is drawn for a stranger who asks for it first")
        guarded = naive.open("guarded")
        assert "The salaries of the bank" not in guarded
        assert '"Sign in"' in guarded
    refused("under the same circumstances, a page that begins with the guard shows the sign-in")

    with Served(free_port(), tmp_path / "console.log") as ours:
        seen = ours.open("people")
        assert '"Sign in"' in seen
        assert "stSidebarNav" not in seen
        assert "Add" not in seen.replace("Added", "")
    refused("the console itself, asked for a page before anything else, shows the sign-in (each page: tests/browser/test_front_door.py)")


@contextmanager
def fresh(script: Path, directory: Path) -> Iterator[Console]:
    """A server that nobody has asked anything."""
    port = free_port()
    arguments = (
        sys.executable,
        "-m",
        "streamlit",
        "run",
        str(script),
        "--server.port",
        str(port),
        "--server.headless",
        "true",
        "--server.fileWatcherType",
        "none",
    )
    with (directory / "naive.log").open("wb") as output:
        process = subprocess.Popen(arguments, cwd=directory, stdout=output, stderr=subprocess.STDOUT, env=dict(os.environ))  # noqa: TID251 - what a child gets
    try:
        until_it_answers(f"http://localhost:{port}/_stcore/health", process)
        yield Console(port)
    finally:
        process.terminate()
        process.wait(timeout=30)


def until_it_answers(url: str, process: "subprocess.Popen[bytes]") -> None:
    with httpx.Client(trust_env=False) as client:
        while process.poll() is None:
            with suppress(httpx.TransportError):
                if client.get(url).status_code == 200:
                    return
            select.select([], [], [], 0.05)
    raise AssertionError("the naive server did not start")
