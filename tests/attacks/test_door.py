"""An attacker before the door: with the door taken off, everything here works; that is `undefended`, the same console without core/api's middleware."""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import httpx
import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection

from core.api.limits import KINDS
from core.api.session import safe_path
from core.api.windows import MOST_BYTES_OF_A_STRANGER, MOST_OF_STRANGERS_AT_AN_ADDRESS
from core.services import people
from core.wire.accidents import OutcomeClass
from core.wire.contract import Exchange, Request, Terms
from core.wire.destination import LinePolicy
from core.wire.line import Line
from tests.attacks.listener import listening
from tests.attacks.report import ControlFired, Refused
from tests.front_door.conftest import Console
from tests.world import PASSWORD

MIB = 1024 * 1024

# Each attack comes from an address of its own, as attackers do: what it uses up is its own.
CROWD, FLOOD, BOMBER = "127.0.0.21", "127.0.0.22", "127.0.0.23"

TokenOf = Callable[[str], str]

HOUSE = "Payments today"


def shown(console: Console, token: str | None = None, *, origin: str | None = None, host: str = "localhost") -> str:
    """What a page of `origin` would be shown, which calls the console by this name."""
    with console.window(token, origin=origin, host=host) as window:
        return "\n".join(map(str, Console.run(window)))


def told(console: Console, because: str) -> bool:
    """Whether the log has a line about it; each line is one object."""
    lines = [line for line in console.log.read_text(encoding="utf-8").splitlines() if line.startswith("{")]
    return because in {json.loads(line).get("because") for line in lines}


# ---- Another site's page, and another name


@pytest.mark.attack("websocket-origin")
@pytest.mark.parametrize("origin", ["http://localhost:1", "http://127.0.0.1:1"])
def test_another_sites_page_opens_no_window(
    console: Console, undefended: Console, token_of: TokenOf, origin: str, control_fired: ControlFired, refused: Refused
) -> None:
    token = token_of("manager")
    assert HOUSE in shown(undefended, token, origin=origin)
    control_fired("a page of another port read the manager's dashboard with the manager's cookie")

    with pytest.raises(InvalidStatus) as refusal:
        shown(console, token, origin=origin)
    assert refusal.value.response.status_code == 403
    assert HOUSE in shown(console, token)
    assert told(console, "asked by another site")
    refused("403 before the websocket stands", record="log: asked by another site")


@pytest.mark.attack("foreign-host")
def test_the_console_is_nobody_elses_name(console: Console, undefended: Console, token_of: TokenOf, control_fired: ControlFired, refused: Refused) -> None:
    """Rebinding: a page of evil.example whose name leads here after a minute is, to the browser, the console's own."""
    evil = {"Host": "evil.example"}
    assert httpx.get(f"{undefended.url}/payment", headers=evil, trust_env=False).status_code == 200
    assert HOUSE in shown(undefended, token_of("manager"), origin=f"http://evil.example:{undefended.port}", host="evil.example")
    control_fired("under the attacker's name the page came, and a window as of the same site")

    for path in ("/", "/payment", "/session/leave", "/_stcore/health", "/export/transactions.csv", "/static/js/none.js"):
        answer = httpx.get(console.url + path, headers=evil, trust_env=False)
        assert (answer.status_code, "evil" in answer.text) == (421, False), path
        assert answer.headers["x-frame-options"] == "DENY"
    with pytest.raises(InvalidStatus) as refusal:
        shown(console, token_of("manager"), origin=f"http://evil.example:{console.port}", host="evil.example")
    assert refusal.value.response.status_code == 421
    assert httpx.get(f"{console.url}/healthz", headers=evil, trust_env=False).status_code == 200, "machines call it what they like"
    assert told(console, "not under this name")
    refused("421 for every path and for websockets", record="log: not under this name")


@pytest.mark.attack("foreign-host")
def test_a_form_of_another_site_changes_nothing(console: Console, token_of: TokenOf, refused: Refused) -> None:
    token = token_of("operator")
    with console.client(token) as browser:
        for path in ("/session/leave", "/_stcore/upload_file/a/b", "/export/transactions.csv"):
            assert browser.post(path, headers={"Origin": "http://evil.example"}).status_code == 403
    assert people.actor_of(token) is not None
    refused("403 for whatever another site's page posts")


# ---- Windows of nobody


@pytest.mark.attack("anonymous-websockets")
def test_a_websocket_of_nobody_is_refused(console: Console, undefended: Console, token_of: TokenOf, control_fired: ControlFired, refused: Refused) -> None:
    with undefended.window(visit="") as window:
        assert '"Sign in"' in "\n".join(map(str, Console.run(window)))
    control_fired("whoever knocked at the websocket had a run of the script, and memory for it")

    signed_out = token_of("manager")
    people.sign_out(signed_out, because="for the test")
    for cookies, token in (("", None), ("billers-visit=9999999999.00ff", None), (undefended.visit, None), ("", "made-up"), ("", signed_out)):
        with pytest.raises(InvalidStatus) as refusal:
            console.window(token, visit=cookies)
        assert refusal.value.response.status_code == 403
    assert told(console, "a websocket of nobody")
    with console.window() as window:
        assert '"Sign in"' in "\n".join(map(str, Console.run(window))), "who loaded the page can sign in"
    with console.window(token_of("manager"), visit="") as window:
        assert HOUSE in "\n".join(map(str, Console.run(window))), "and a session needs no more than itself"
    refused("403 for each that brings neither a session nor what comes with the page", record="log: a websocket of nobody")


@contextmanager
def crowd(console: Console, many: int) -> Iterator[list[ClientConnection]]:
    with ExitStack() as stack:
        yield [stack.enter_context(console.window(source_address=(CROWD, 0))) for _ in range(many)]


@pytest.mark.attack("anonymous-websockets")
def test_one_address_holds_only_so_many_windows_of_nobody(
    console: Console, undefended: Console, token_of: TokenOf, control_fired: ControlFired, refused: Refused
) -> None:
    with crowd(undefended, MOST_OF_STRANGERS_AT_AN_ADDRESS + 20) as windows:
        assert all(window.state.name == "OPEN" for window in windows)
    control_fired(f"{MOST_OF_STRANGERS_AT_AN_ADDRESS + 20} windows of nobody stood open at once")

    with crowd(console, MOST_OF_STRANGERS_AT_AN_ADDRESS) as windows:
        with pytest.raises(InvalidStatus) as refusal:
            console.window(source_address=(CROWD, 0))
        assert refusal.value.response.status_code == 429
        assert int(refusal.value.response.headers["Retry-After"]) >= 1
        assert '"Sign in"' in console.open(), "elsewhere people sign in meanwhile"
        assert HOUSE in console.open(token=token_of("manager"))
        windows[0].close()
    assert told(console, "too many windows of strangers")
    refused("429 for the next one, while others sign in and work", record="log: too many windows of strangers")


@pytest.mark.attack("anonymous-websockets")
def test_a_stranger_says_no_more_than_a_form_does(console: Console, undefended: Console, control_fired: ControlFired, refused: Refused) -> None:
    long = BackMsg()
    long.rerun_script.query_string = "x" * (MOST_BYTES_OF_A_STRANGER + 1)
    with undefended.window() as window:
        window.send(long.SerializeToString())
        assert Console.run(window)
        control_fired("nobody was heard out, however long the message")
    with console.window(source_address=(CROWD, 0)) as window:
        window.send(long.SerializeToString())
        with pytest.raises(ConnectionClosed):
            while True:
                window.recv(timeout=30)
    refused("the window is closed over a message longer than any form's")


@pytest.mark.attack("anonymous-websockets")
def test_a_stranger_goes_on_with_nobodys_window(
    console: Console, undefended: Console, token_of: TokenOf, control_fired: ControlFired, refused: Refused
) -> None:
    def session_of(window: ClientConnection) -> str:
        return next(message.new_session.initialize.session_id for message in Console.run(window) if message.WhichOneof("type") == "new_session")

    def taken_over(at: Console) -> bool:
        with at.window(token_of("manager")) as theirs:
            wanted = session_of(theirs)
        with at.window(protocols=("streamlit", "none", wanted), source_address=(CROWD, 0)) as mine:
            return session_of(mine) == wanted

    assert taken_over(undefended)
    control_fired("with the name of a manager's window, a stranger went on with it")
    assert not taken_over(console)
    refused("a stranger's window is always a new one")


# ---- Floods


@pytest.mark.attack("flood")
def test_a_flood_is_told_to_wait_and_others_are_served(console: Console, undefended: Console, control_fired: ControlFired, refused: Refused) -> None:
    burst = int(next(kind for kind in KINDS if kind.name == "file").of_address.burst)

    def flood(at: Console) -> list[httpx.Response]:
        with httpx.Client(base_url=at.url.replace("localhost", "127.0.0.1"), transport=httpx.HTTPTransport(local_address=FLOOD), timeout=20) as attacker:
            return [attacker.get("/export/transactions.csv") for _ in range(burst + 200)]

    assert {answer.status_code for answer in flood(undefended)} == {401}
    control_fired(f"{burst + 200} requests for a file, and each was worked on")

    answers = flood(console)
    turned_away = [answer for answer in answers if answer.status_code == 429]
    assert turned_away
    assert all(int(answer.headers["retry-after"]) >= 1 and "Wait a little" in answer.text for answer in turned_away)
    with console.client() as browser:
        assert browser.get("/export/transactions.csv").status_code == 401, "another address is served"
    assert told(console, "too many of a kind: file")
    refused("429 with the seconds to wait; the next address is served", record="log: too many of a kind: file")


# ---- Uploads


def upload(console: Console, session: str, name: str, content: bytes, token: str | None = None) -> int:
    with console.client(token) as browser:
        browser.get("/_stcore/health")
        token_against_forgery = browser.cookies.get("_streamlit_xsrf") or ""
        path, headers = f"/_stcore/upload_file/{session}/{name}", {"X-Xsrftoken": token_against_forgery}
        return browser.put(path, files={"file": ("statement.csv", content)}, headers=headers).status_code


@contextmanager
def window_to_upload_by(console: Console, token: str | None = None) -> Iterator[str]:
    with console.window(token) as window:
        yield next(message.new_session.initialize.session_id for message in Console.run(window) if message.WhichOneof("type") == "new_session")


@pytest.mark.attack("upload-bomb")
def test_nobody_fills_memory_with_files(console: Console, undefended: Console, control_fired: ControlFired, refused: Refused) -> None:
    with window_to_upload_by(undefended) as session:
        assert {upload(undefended, session, str(number), b"x" * 5 * MIB) for number in range(3)} == {204}
        control_fired("nobody put 15 MB into the server's memory, where no page asks for a file")
    with window_to_upload_by(console) as session:
        assert upload(console, session, "1", b"x") == 401
    assert told(console, "upload by nobody")
    refused("401: a file is for whoever is signed in", record="log: upload by nobody")


@pytest.mark.attack("upload-bomb")
def test_nor_does_somebody(console: Console, undefended: Console, token_of: TokenOf, control_fired: ControlFired, refused: Refused) -> None:
    token = token_of("operator")
    with window_to_upload_by(undefended, token) as session:
        assert {upload(undefended, session, str(number), b"x" * 1000, token) for number in range(12)} == {204}
        control_fired("one person put in as many files as they liked")
    with window_to_upload_by(console, token) as session:
        statuses = [upload(console, session, str(number), b"x" * 1000, token) for number in range(12)]
        assert statuses[0] == 204, "a file that is wanted comes through"
        assert statuses[-1] == 429
        assert upload(console, session, "large", b"x" * 21 * MIB, token_of("operator")) == 413
    refused("429 after the tenth in a minute, 413 above 20 MB")


@pytest.mark.attack("upload-bomb")
@pytest.mark.parametrize("path", ["/session/leave", "/_stcore/upload_file/a/b", "/payment"])
def test_what_is_too_long_is_refused_before_it_has_come(console: Console, path: str, refused: Refused) -> None:
    with socket.create_connection(("127.0.0.1", console.port), timeout=20, source_address=(BOMBER, 0)) as attacker:
        attacker.sendall(f"POST {path} HTTP/1.1\r\nHost: localhost:{console.port}\r\nContent-Length: 10000000000\r\n\r\n".encode())
        assert attacker.recv(64).startswith(b"HTTP/1.1 413 ")
    refused("413 on the announcement of ten gigabytes, none of which was read")


# ---- Lines smuggled into headers

SPLIT = "/payment\r\nSet-Cookie: billers=chosen-by-me; Path=/"


@pytest.mark.attack("header-injection")
def test_where_the_way_in_leads_adds_no_header(console: Console, add_somebody: Callable[[str], str], control_fired: ControlFired, refused: Refused) -> None:
    with listening(status=303, headers={"Location": SPLIT}) as naive:
        assert "billers=chosen-by-me" in httpx.get(f"http://127.0.0.1:{naive.port}/", trust_env=False).headers["set-cookie"]
    control_fired("a server that writes `next` into Location as it came set the attacker's cookie")

    ticket = people.sign_in(add_somebody("operator"), PASSWORD, None)
    with console.client() as browser:
        answer = browser.get("/session/enter", params={"ticket": ticket, "next": SPLIT})
        unknown = browser.get("/session/enter", params={"ticket": "x", "next": SPLIT})
    assert (answer.headers["location"], safe_path(SPLIT)) == ("/", "/")
    for one in (answer, unknown):
        assert not any("chosen-by-me" in value for value in one.headers.values())
    refused("`next` is a path of ours in printable letters, or it is the first page")


@pytest.mark.attack("header-injection")
@pytest.mark.parametrize(
    "path",
    [
        "/receipt/x%0d%0aX-Mine:1.pdf",
        "/reports/daily/2025-01-01%0d%0aX-Mine:1.csv",
        "/reports/daily/2025-01-01.csv%0d%0aX-Mine:1",
        "/export/%0d%0aX-Mine:1.json",
    ],
)
def test_a_files_name_adds_no_header(console: Console, token_of: TokenOf, path: str, control_fired: ControlFired, refused: Refused) -> None:
    with listening(headers={"Content-Disposition": 'attachment; filename="x\r\nX-Mine: 1"'}) as naive:
        assert httpx.get(f"http://127.0.0.1:{naive.port}/", trust_env=False).headers["x-mine"].startswith("1")
    control_fired("a server that names a file as it was asked for sent the attacker's header")

    with console.client(token_of("manager")) as browser:
        answer = browser.get(path)
    assert 400 <= answer.status_code < 500
    assert "x-mine" not in answer.headers
    refused("no file has such a name, and none is answered")


@pytest.mark.attack("header-injection")
@pytest.mark.parametrize("value", ["100001\r\nX-Mine: 1", "100001\nX-Mine: 1", "100001\rX-Mine: 1", "100001\x00", "100001\x1b[2J", "１０"])
def test_a_value_in_a_billers_header_stays_one_value(value: str, control_fired: ControlFired, refused: Refused) -> None:
    with listening() as biller:
        with socket.create_connection(("127.0.0.1", biller.port), timeout=5) as naive:
            naive.sendall(f"GET / HTTP/1.1\r\nHost: x\r\nX-Account: {value}\r\n\r\n".encode())
            naive.recv(64)
        if "\nX-Mine" in value:
            assert "\nX-Mine: 1" in biller.requests[0]
            control_fired("written as text, the account number was a header of its own")
        visits = biller.visits
        request = Request("GET", "/", {"X-Account": value})
        answer = Line(LinePolicy(["127.0.0.1"], ["127.0.0.1/32"])).perform_now(
            Terms(f"http://127.0.0.1:{biller.port}", {}), Exchange(request, lambda reply: reply)
        )
        assert (answer.outcome_class, answer.failure, biller.visits) == (OutcomeClass.NOT_SENT, "request_malformed", visits)
        refused("the request does not leave")
