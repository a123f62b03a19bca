"""How much is heard of whom: names, buckets, bodies and windows, each by itself. The whole door is tried in tests/attacks."""

import math
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Message
from streamlit.proto.BackMsg_pb2 import BackMsg

from core.api import bodies, buckets, windows
from core.api.bodies import Bodies
from core.api.buckets import Buckets, Rate
from core.api.hosts import is_ours, names_of_ours
from core.api.limits import KINDS, Kind, Limits, address_of
from core.api.windows import PACE, WORDS, WORDS_OF_A_STRANGER, Strangers, listening
from core.errors import Misconfigured
from core.settings import settings
from tests.world import SetEnvironment

# Names.


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8501", "localhost.", "127.0.0.1", "127.0.0.1:80", "10.1.2.3:8501", "[::1]:8501", "pay.example.mw", "Pay.Example.MW:443"]
)
def test_the_console_answers_to_its_names_and_to_addresses(host: str) -> None:
    assert is_ours(host, names_of_ours(["pay.example.mw"]))


@pytest.mark.parametrize(
    "host",
    [
        *(None, "", "evil.example", "pay.example.mw.evil.example", "evilpay.example.mw", "pay.example.mw@evil.example", "localhost:80:80", "localhost/x"),
        *("127.0.0.1.nip.io", "localhost evil.example", "localhost\n", "[::1", "2130706433", "localhost:port", "pay.example.mw, evil.example"),
    ],
)
def test_the_console_answers_to_no_other_name(host: str | None) -> None:
    assert not is_ours(host, names_of_ours(["pay.example.mw"]))


def test_a_name_with_a_scheme_or_a_port_stops_the_start(set_environment: SetEnvironment) -> None:
    for wrong in ("https://pay.example.mw", "pay.example.mw:443", "*", ""):
        set_environment(billers_public_hosts=f'["{wrong}"]')
        with pytest.raises(Misconfigured, match="BILLERS_PUBLIC_HOSTS"):
            settings()
    set_environment(billers_public_hosts='["pay.example.mw"]')
    assert settings().billers_public_hosts == ("pay.example.mw",)


# Buckets.


class Clock:
    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    now = Clock()
    made = Buckets(Rate(burst=3, per_second=0.5), now)
    assert [made.take("a") for _ in range(5)] == [0, 0, 0, 2.0, 2.0]
    assert made.take("b") == 0, "everybody has one of their own"
    now.seconds += 2
    assert (made.take("a"), made.take("a")) == (0, 2.0)
    now.seconds += 1_000_000
    assert [made.take("a") for _ in range(4)] == [0, 0, 0, 2.0], "it never holds more than its burst"


def test_a_full_bucket_is_forgotten_and_there_are_never_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    now = Clock()
    made = Buckets(Rate(burst=2, per_second=1), now)
    for number in range(10):
        made.take(str(number))
    assert len(made) == 10
    now.seconds += 2
    made.take("later")
    assert len(made) == 1
    monkeypatch.setattr(buckets, "MOST_KEYS", 5)
    for number in range(20):
        made.take(str(number))
    assert len(made) == 5


# Requests.


FILES = next(kind for kind in KINDS if kind.name == "file")


def scope_of(path: str = "/", *, client: str = "10.0.0.1", method: str = "GET", headers: dict[str, str] | None = None, kind: str = "http") -> dict[str, Any]:
    raw = [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
    return {"type": kind, "path": path, "raw_path": path.encode(), "query_string": b"", "headers": raw, "client": (client, 5), "method": method}


def answer_of(app: Any, scope: dict[str, Any], body: Iterator[bytes] | None = None) -> tuple[int, dict[str, str], str]:
    sent: list[Message] = []

    async def receive() -> Message:
        piece = next(body or iter(()), None)
        return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

    async def send(message: Message) -> None:
        sent.append(message)

    anyio.run(app, scope, receive, send)
    headers = {name.decode(): value.decode() for name, value in sent[0].get("headers", ())}
    return sent[0]["status"], headers, b"".join(message.get("body", b"") for message in sent).decode()


def everything() -> Starlette:
    async def read(request: Request) -> Response:
        return PlainTextResponse(str(len(await request.body())))

    return Starlette(routes=[Route("/{path:path}", read, methods=["GET", "POST", "PUT"])])


def test_whoever_asks_too_much_is_told_when_to_come_back_and_nobody_else_is() -> None:
    limited = Limits(everything(), now=Clock())
    burst = int(FILES.of_address.burst)
    statuses = [answer_of(limited, scope_of("/export/transactions.csv"))[0] for _ in range(burst + 1)]
    assert statuses == [*[200] * burst, 429]
    status, headers, sentence = answer_of(limited, scope_of("/export/transactions.csv"))
    assert (status, headers["retry-after"], headers["cache-control"]) == (429, "1", "no-store")
    assert sentence.startswith("Too much was asked from here")
    assert answer_of(limited, scope_of("/export/transactions.csv", client="10.0.0.2"))[0] == 200
    assert answer_of(limited, scope_of("/transactions"))[0] == 200, "and other things may still be asked for"


def test_one_session_cannot_use_up_what_its_branch_may_ask_for() -> None:
    limited = Limits(everything(), now=Clock())
    mine, hers = ({"Cookie": f"billers={token}; __Host-billers={token}"} for token in ("a", "b"))
    burst = int(FILES.of_session.burst)
    assert {answer_of(limited, scope_of("/my-day.pdf", headers=mine))[0] for _ in range(burst)} == {200}
    assert answer_of(limited, scope_of("/my-day.pdf", headers=mine))[0] == 429
    assert answer_of(limited, scope_of("/my-day.pdf", headers=hers))[0] == 200


def test_fifty_people_of_one_branch_open_the_console_at_eight() -> None:
    limited = Limits(everything(), now=Clock())
    for person in range(50):
        cookie = {"Cookie": f"billers={person}; __Host-billers={person}"}
        asked = [
            *(["/static/small.svg", "/_stcore/health", "/_stcore/host-config"] * 14),
            *["/_stcore/stream"] * 3,
            "/session/enter",
            "/live/events",
            "/my-day.pdf",
        ]
        for path in asked:
            assert answer_of(limited, scope_of(path, headers=cookie))[0] == 200


def test_whoever_watches_over_the_process_is_never_turned_away() -> None:
    nothing = Kind("nothing", KINDS[-1].path, Rate(0.5, 0.001), Rate(0.5, 0.001))
    limited = Limits(everything(), [nothing], Clock())
    assert answer_of(limited, scope_of("/payment"))[0] == 429
    assert answer_of(limited, scope_of("/healthz"))[0] == answer_of(limited, scope_of("/readyz"))[0] == 200


@pytest.mark.parametrize(
    ("one", "other", "are_one"),
    [
        ("10.0.0.1", "10.0.0.2", False),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
        ("testclient", "testclient", True),
    ],
)
def test_a_whole_network_of_the_sixth_version_is_one_who_asks(one: str, other: str, are_one: bool) -> None:
    assert (address_of(HTTPConnection(scope_of(client=one))) == address_of(HTTPConnection(scope_of(client=other)))) is are_one


# Bodies.


def test_a_body_is_as_long_as_a_form_and_no_longer() -> None:
    app = Starlette(routes=everything().routes, middleware=[Middleware(Bodies)])
    assert answer_of(app, scope_of("/x", method="POST"), iter([b"x" * bodies.MOST_BYTES]))[::2] == (200, str(bodies.MOST_BYTES))
    endless = iter(lambda: b"x" * 10_000, b"")
    assert answer_of(app, scope_of("/x", method="POST"), endless)[::2] == (413, bodies.TOO_LONG)
    announced = {"Content-Length": str(bodies.MOST_BYTES + 1)}

    def unread() -> Iterator[bytes]:
        pytest.fail("it was read")
        yield b""

    assert answer_of(app, scope_of("/x", method="POST", headers=announced), unread())[0] == 413
    assert answer_of(app, scope_of("/x", method="POST", headers={"Content-Length": "9" * 5_000}), unread())[0] == 413


def test_a_body_that_does_not_arrive_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0.05)

    async def run() -> int:
        async def never() -> Message:
            await anyio.sleep_forever()
            raise AssertionError

        with pytest.raises(bodies.HTTPException) as refusal:
            await bodies.counted(never, 10)()
        return refusal.value.status_code

    assert anyio.run(run) == 408


def test_a_route_that_is_long_at_work_still_hears_that_its_reader_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0.01)

    async def run() -> Message:
        messages = iter([{"type": "http.request", "body": b""}, {"type": "http.disconnect"}])

        async def receive() -> Message:
            await anyio.lowlevel.checkpoint()
            return next(messages)

        heard = bodies.counted(receive, 10)
        await anyio.sleep(0.05)
        await heard()
        await anyio.sleep(0.05)
        return await heard()

    assert anyio.run(run)["type"] == "http.disconnect"


# Windows.


def said(word: str) -> Message:
    message = BackMsg()
    if word == "rerun_script":
        message.rerun_script.page_name = "payment"
    elif word in ("file_urls_request", "backend_operation_request"):
        getattr(message, word).SetInParent()
    else:
        setattr(message, word, True)
    return {"type": "websocket.receive", "bytes": message.SerializeToString()}


def heard_of(messages: list[Message], words: frozenset[str], most_bytes: int | None = None, pace: Rate = PACE) -> list[Message]:
    async def run() -> list[Message]:
        coming = iter([*messages, {"type": "websocket.disconnect", "code": 1000}])

        async def receive() -> Message:
            return next(coming)

        hears, heard = listening(receive, words, pace, most_bytes), []
        while not heard or heard[-1]["type"] != "websocket.disconnect":
            heard.append(await hears())
        return heard[:-1] if heard[-1]["code"] == 1000 else heard

    return anyio.run(run)


ALL_WORDS = [field.name for field in BackMsg.DESCRIPTOR.oneofs_by_name["type"].fields]


def test_a_window_says_what_pages_need_and_nothing_that_is_a_developers() -> None:
    for words in (WORDS, WORDS_OF_A_STRANGER):
        heard = [word for word in ALL_WORDS if heard_of([said(word)], words)]
        assert set(heard) == words
    # What Streamlit's client may say is known here in full: a word that a later version brings is looked at before it is let in.
    assert set(ALL_WORDS) - WORDS == {"clear_cache", "set_run_on_save", "load_git_info", "debug_disconnect_websocket", "debug_shutdown_runtime"}


def test_a_stranger_who_says_too_much_at_once_is_left() -> None:
    long = {"type": "websocket.receive", "bytes": b"x" * 101}
    assert heard_of([long], WORDS_OF_A_STRANGER, 100) == [{"type": "websocket.disconnect", "code": 1009}]
    assert heard_of([{"type": "websocket.receive", "text": "x" * 101}], WORDS_OF_A_STRANGER, 100)[0]["code"] == 1009


def test_whoever_says_much_is_heard_later_and_loses_nothing() -> None:
    assert len(heard_of([said("rerun_script")] * 12, WORDS, pace=Rate(4, 200))) == 12


def test_a_strangers_window_goes_on_with_no_other_window() -> None:
    scope = {"headers": [(b"sec-websocket-protocol", b"streamlit, 2|token, 0190-somebodys-session"), (b"host", b"localhost")]}
    assert dict(windows._as_new(scope)["headers"])[b"sec-websocket-protocol"] == b"streamlit, 2|token"
    assert dict(scope["headers"])[b"sec-websocket-protocol"].endswith(b"session"), "what came stays as it came"
    assert windows._as_new({"headers": []})["headers"] == []


def test_when_strangers_crowd_in_the_address_with_the_most_windows_makes_room() -> None:
    async def run() -> None:
        strangers = Strangers(most_at_an_address=3, most=4)
        with ExitStack() as stack:
            crowd = [stack.enter_context(strangers.one_from("10.0.0.1")) for _ in range(3)]
            assert not strangers.may_come_from("10.0.0.1")
            assert strangers.may_come_from("10.0.0.2")
            one = stack.enter_context(strangers.one_from("10.0.0.2"))
            other = stack.enter_context(strangers.one_from("10.0.0.3"))
            assert [window.is_over for window in crowd] == [True, False, False]
            assert not one.is_over
            assert not other.is_over
            assert len(strangers) == 4
        assert len(strangers) == 0

    anyio.run(run)


def test_a_strangers_window_ends_by_itself_and_at_once_when_it_must() -> None:
    async def run() -> None:
        async def never() -> Message:
            await anyio.sleep_forever()
            raise AssertionError

        for window in (windows.Window("a", anyio.current_time() + 0.01), windows.Window("a", math.inf)):
            hears = window.until_over(never)
            async with anyio.create_task_group() as tasks:
                if window.closes_at == math.inf:

                    async def end_it(window: windows.Window = window) -> None:
                        await anyio.wait_all_tasks_blocked()
                        window.end()

                    tasks.start_soon(end_it)
                assert (await hears())["type"] == "websocket.disconnect"
            assert window.is_over
            assert (await hears())["type"] == "websocket.disconnect"

    anyio.run(run)
