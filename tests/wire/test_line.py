"""What the line says after each accident, against real sockets. The question is always: can the biller have seen the request?"""

import asyncio
import base64
import gc
import gzip
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from core.errors import Misconfigured
from core.wire import line as line_module
from core.wire.accidents import ACCIDENTS, EXCEPTIONS, OutcomeClass, accident, failure_of, failure_of_status
from core.wire.contract import Exchange, Reply, Request, Terms
from core.wire.line import LARGEST_REPLY, Answer, Line, LinePolicy

from .conftest import Certificates
from .sockets import (
    LOOPBACK,
    Conversation,
    Heard,
    Misbehaviour,
    answers,
    biller,
    closes_after_acting,
    closes_at_once,
    drips,
    hangs,
    repeats,
    reply,
    resets_after_acting,
)

ANSWERED, NOT_SENT, UNKNOWN = OutcomeClass.ANSWERED, OutcomeClass.NOT_SENT, OutcomeClass.UNKNOWN

SANDBOX = LinePolicy(allowed_hosts=[LOOPBACK, "localhost", "biller.test"], allowed_networks=["127.0.0.0/8", "::1/128"])
CREDENTIALS = {"username": "console", "password": "correct horse"}

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def terms(base_url: str, deadline_seconds: float = 5.0) -> Terms:
    return Terms(base_url, {}, CREDENTIALS, deadline_seconds=deadline_seconds)


def ask(read: Callable[[Reply], Any] = lambda reply: reply, body: bytes = b"<pay/>") -> Exchange[Any]:
    return Exchange(Request("POST", "/soap", {"Content-Type": "text/xml"}, body), read)


async def call(heard: Heard, *, deadline_seconds: float = 5.0, exchange: Exchange[Any] | None = None, policy: LinePolicy = SANDBOX) -> Answer[Any]:
    return await Line(policy).perform(terms(f"http://{LOOPBACK}:{heard.port}", deadline_seconds), exchange or ask())


def told(behave: Misbehaviour, **options: Any) -> tuple[Answer[Any], Heard]:
    """One call to one fake biller."""

    async def run() -> tuple[Answer[Any], Heard]:
        async with biller(behave) as heard:
            return await call(heard, **options), heard

    return asyncio.run(run())


# What the biller does, and the failures that may be told of it. Every one of them is UNKNOWN: the request was out.
ACCIDENTS_AFTER_SENDING: dict[str, tuple[Misbehaviour, set[str]]] = {
    "W05 accepts, then closes": (closes_at_once, {"broken_head", "read_failed"}),
    "W06 acts, then resets": (resets_after_acting, {"read_failed"}),
    "W07 acts, then closes": (closes_after_acting, {"broken_head"}),
    "W08 acts, then hangs": (hangs, {"deadline"}),
    "W11 drips its head": (drips(b"HTTP/1.1 200 OK\r\nX-A: "), {"deadline"}),
    "W11 drips its body": (drips(reply(b"x" * 100_000)[:-100_000]), {"deadline"}),
    "W12 cuts its status line": (answers(b"HTTP/1.1 20"), {"broken_head"}),
    "speaks no HTTP": (answers(b"220 mail.example ESMTP\r\n\r\n"), {"broken_head"}),
    "W13 cuts its body": (answers(reply(b"x" * 100)[:-50]), {"cut_short"}),
    "W13 cuts its chunks": (answers(CHUNKED + b"5\r\nab"), {"cut_short"}),
    "W13 sends chunks without end": (repeats(CHUNKED, b"400\r\n" + b"x" * 0x400 + b"\r\n"), {"reply_too_large"}),
    "sends empty headers without end": (repeats(b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n" * 1000), {"broken_head"}),
    "sends interim answers without end": (repeats(b"", b"HTTP/1.1 102 Processing\r\n\r\n"), {"deadline"}),
    "sends too many headers": (answers(reply(b"", "200 OK", *(f"X-{n}: y" for n in range(200)))), {"headers_too_large"}),
    "sends a header too long": (answers(reply(b"", "200 OK", "X-A: " + "y" * 40_000)), {"headers_too_large"}),
    "W24 sends gzip": (answers(reply(gzip.compress(b"<ok/>"), "200 OK", "Content-Encoding: gzip")), {"encoded_reply"}),
    "W24 sends corrupt gzip": (answers(reply(b"\x1f\x8bnonsense", "200 OK", "Content-Encoding: gzip")), {"encoded_reply"}),
    "W24 sends a bomb": (answers(reply(gzip.compress(bytes(20_000_000)), "200 OK", "Content-Encoding: x-gzip, identity")), {"encoded_reply"}),
    "sends a gzip transfer": (answers(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"), {"broken_head"}),
    "W25 sends 50 MB": (repeats(b"HTTP/1.1 200 OK\r\nContent-Length: 52428800\r\n\r\n", bytes(65536)), {"reply_too_large"}),
    "W23 redirects": (answers(reply(b"", "302 Found", "Location: http://127.0.0.1:1/")), {"redirect"}),
    "W23 redirects and keeps the method": (answers(reply(b"", "308 Permanent Redirect", "Location: /elsewhere")), {"redirect"}),
    "W36 does not know us": (answers(reply(b"", "401 Unauthorized", 'WWW-Authenticate: Basic realm="x"')), {"refused_credentials"}),
    "W36 does not want us": (answers(reply(b"", "403 Forbidden")), {"refused_credentials"}),
    "gave up waiting": (answers(reply(b"", "408 Request Timeout")), {"http_408"}),
    "W21 knows the reference": (answers(reply(b"<duplicate/>", "409 Conflict")), {"http_409"}),
    "W22 has too many requests": (answers(reply(b"", "429 Too Many Requests")), {"http_429"}),
    "W14 502": (answers(reply(b"", "502 Bad Gateway")), {"http_502"}),
    "W14 503": (answers(reply(b"", "503 Service Unavailable")), {"http_503"}),
    "W14 504": (answers(reply(b"", "504 Gateway Timeout")), {"http_504"}),
    "W14 503 that hangs up": (answers(reply(b"x" * 100, "503 Service Unavailable")[:-50]), {"http_503"}),
    "204": (answers(b"HTTP/1.1 204 No Content\r\n\r\n"), {"http_204"}),
    "400": (answers(reply(b"bad", "400 Bad Request")), {"http_400"}),
    "418": (answers(reply(b"", "418 I'm a teapot")), {"http_418"}),
    "switches protocols": (answers(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"), {"broken_head"}),  # nobody asked it to
}


@pytest.mark.parametrize("name", ACCIDENTS_AFTER_SENDING)
def test_an_accident_after_the_first_byte_is_unknown(name: str) -> None:
    behave, failures = ACCIDENTS_AFTER_SENDING[name]
    answer, heard = told(behave, deadline_seconds=0.5 if "deadline" in failures else 5.0)
    assert answer.failure in failures
    assert answer.outcome_class is UNKNOWN
    assert answer.value is None
    assert answer.failure_sentence
    assert heard.connections == 1
    assert answer.duration_ms < 4000


@pytest.mark.parametrize("status", ["200 OK", "202 Accepted", "404 Not Found", "500 Internal Server Error"])
def test_a_whole_answer_reaches_its_reader(status: str) -> None:
    answer, heard = told(answers(reply(b"<ok/>", status, "X-Name: Value")))
    assert (answer.outcome_class, answer.failure) == (ANSWERED, None)
    assert answer.value == Reply(int(status[:3]), {"content-length": "5", "x-name": "Value"}, b"<ok/>")
    assert answer.http_status == int(status[:3])
    assert heard.request.endswith(b"<pay/>")


def test_a_request_says_what_the_line_promises() -> None:
    _, heard = told(answers(reply()))
    head = heard.request.lower()
    for wanted in (b"post /soap http/1.1\r\n", b"accept-encoding: identity\r\n", b"connection: close\r\n", f"host: {LOOPBACK}:{heard.port}\r\n".encode()):
        assert wanted in head


def test_each_call_has_a_connection_of_its_own() -> None:
    async def run() -> int:
        async with biller(answers(reply())) as heard:
            line = Line(SANDBOX)
            for _ in range(3):
                await line.perform(terms(f"http://{LOOPBACK}:{heard.port}"), ask())
            return heard.connections

    assert asyncio.run(run()) == 3


@pytest.mark.parametrize("may", [True, False])
def test_a_call_that_may_not_leave_any_more_ends_at_the_open_connection(may: bool) -> None:
    """A machine that slept while it connected: the claim is others' by now, and not one byte goes out under it."""

    async def run() -> tuple[Answer[Any], Heard]:
        async with biller(answers(reply())) as heard:
            answer = await Line(SANDBOX).perform(terms(f"http://{LOOPBACK}:{heard.port}"), ask(), may_leave=lambda: may)
            return answer, heard

    answer, heard = asyncio.run(run())
    assert heard.connections == 1
    assert bool(heard.request) is may
    assert (answer.outcome_class, answer.failure) == ((ANSWERED, None) if may else (NOT_SENT, "claim_too_old"))


def test_a_caller_without_a_loop_may_ask_too() -> None:
    assert Line(SANDBOX).perform_now(terms("http://elsewhere.test"), ask()).failure == "host_not_allowed"


def test_the_environment_cannot_lead_a_call_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert told(answers(reply()))[0].outcome_class is ANSWERED


def test_a_redirect_is_not_followed_to_another_host() -> None:
    async def run() -> tuple[Answer[Any], int]:
        async with biller(answers(reply(b"stolen"))) as other, biller(answers(reply(b"", "307 X", f"Location: http://{LOOPBACK}:{other.port}/"))) as heard:
            return await call(heard), other.connections

    answer, connections = asyncio.run(run())
    assert (answer.failure, connections) == ("redirect", 0)


def test_a_reply_of_exactly_the_largest_size_is_read() -> None:
    assert told(answers(reply(bytes(LARGEST_REPLY))))[0].outcome_class is ANSWERED
    assert told(answers(reply(bytes(LARGEST_REPLY + 1))))[0].failure == "reply_too_large"


def test_an_oversized_reply_is_dropped_while_it_is_read() -> None:
    """Not after it: 50 MB are offered, and the socket's buffers are all that is taken beyond the bound."""
    _, heard = told(ACCIDENTS_AFTER_SENDING["W25 sends 50 MB"][0])
    assert heard.sent < 20_000_000


def test_the_deadline_is_total() -> None:
    answer, heard = told(drips(reply(b"x" * 100_000)[:-100_000]), deadline_seconds=0.3)
    assert heard.sent > 50, "it must have dripped, or nothing was tested"
    assert 300 <= answer.duration_ms < 1500


@pytest.mark.parametrize("gives_up", ["deadline", "cancellation"])
def test_whoever_stops_waiting_hangs_up(gives_up: str) -> None:
    """A connection that was left standing would be one of the biller's few, and one of our files, for ever."""

    async def run() -> None:
        hung_up = asyncio.Event()

        async def waits(talk: Conversation) -> None:
            await talk.listen()
            with suppress(ConnectionError):
                assert await talk.reader.read() == b""
            hung_up.set()

        async with biller(waits) as heard:
            task = asyncio.create_task(call(heard, deadline_seconds=0.2 if gives_up == "deadline" else 30))
            await heard.was_asked.wait()
            if gives_up == "cancellation":
                task.cancel()
            await asyncio.wait([task])
            await asyncio.wait_for(hung_up.wait(), 10)

    asyncio.run(run())


def test_cancellation_passes_through() -> None:
    async def run() -> None:
        async with biller(hangs) as heard:
            task = asyncio.create_task(call(heard))
            await heard.was_asked.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(run())


def test_a_callers_own_time_out_passes_through() -> None:
    async def run() -> None:
        async with biller(hangs) as heard:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(call(heard), 0.2)

    asyncio.run(run())


def test_a_reader_that_raises_makes_the_answer_unknown_and_tells_only_its_type() -> None:
    def read(reply: Reply) -> Any:
        raise RuntimeError("the customer's name is in here")

    with capture_logs() as logs:
        answer, _ = told(answers(reply(b"<ok/>")), exchange=ask(read))
    assert (answer.outcome_class, answer.failure) == (UNKNOWN, "reader_failed")
    assert [entry["error"] for entry in logs if "error" in entry] == ["RuntimeError"]
    assert "customer" not in str(logs)


# --- before the first byte ---


@pytest.fixture
def closed_port() -> Iterator[int]:
    """Bound and not listening: nobody else can take it meanwhile."""
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        yield taken.getsockname()[1]


@pytest.fixture
def full_port() -> Iterator[int]:
    """Listening with a full queue: Linux drops further SYNs, as a firewall would."""
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        try:
            for one in waiting:
                one.setblocking(False)
                one.connect_ex(listener.getsockname())
            yield listener.getsockname()[1]
        finally:
            for one in waiting:
                one.close()


def test_w01_refused_is_not_sent(closed_port: int) -> None:
    answer = asyncio.run(Line(SANDBOX).perform(terms(f"http://{LOOPBACK}:{closed_port}"), ask()))
    assert (answer.outcome_class, answer.failure, answer.http_status) == (NOT_SENT, "connect_refused", None)
    assert answer.transcript.response is None


def test_w03_a_connection_that_is_never_taken_is_not_sent(full_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_module, "CONNECT_SECONDS", 0.2)
    answer = asyncio.run(Line(SANDBOX).perform(terms(f"http://{LOOPBACK}:{full_port}"), ask()))
    assert (answer.outcome_class, answer.failure) == (NOT_SENT, "connect_timeout")


def test_a_deadline_that_ends_while_connecting_is_not_sent(full_port: int) -> None:
    answer = asyncio.run(Line(SANDBOX).perform(terms(f"http://{LOOPBACK}:{full_port}", 0.2), ask()))
    assert (answer.outcome_class, answer.failure) == (NOT_SENT, "deadline_connecting")


def test_w02_a_name_nobody_knows_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nobody(*_: object, **__: object) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    assert _resolving(nobody, monkeypatch).failure == "name_not_resolved"
    impossible = asyncio.run(Line(LinePolicy(["a" * 70])).perform(terms("https://" + "a" * 70), ask()))
    assert (impossible.outcome_class, impossible.failure) == (NOT_SENT, "name_not_resolved")


def test_nobody_is_asked_for_an_address_that_is_stated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its check is the same: what is stated may be somebody's network as well as what is resolved."""

    async def nobody(*_: object, **__: object) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async def run() -> Answer[Any]:
        async with biller(answers(reply())) as heard:
            monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", nobody)
            return await call(heard)

    assert asyncio.run(run()).outcome_class is ANSWERED
    forbidden = LinePolicy(allowed_hosts=[LOOPBACK, "169.254.169.254"])
    for host in (LOOPBACK, "169.254.169.254"):
        answer = asyncio.run(Line(forbidden).perform(terms(f"https://{host}"), ask()))
        assert (answer.outcome_class, answer.failure) == (NOT_SENT, "address_refused")


def test_resolution_lies_within_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: object, **__: object) -> Any:
        await asyncio.Event().wait()

    answer = _resolving(never, monkeypatch, deadline_seconds=0.1)
    assert (answer.outcome_class, answer.failure) == (NOT_SENT, "deadline_connecting")


def _resolving(
    resolve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, base_url: str = "https://biller.test", deadline_seconds: float = 5.0
) -> Answer[Any]:
    async def run() -> Answer[Any]:
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
        return await Line(SANDBOX).perform(terms(base_url, deadline_seconds), ask())

    return asyncio.run(run())


@pytest.mark.parametrize(
    "request_",
    [
        Request("POST", "/soap", {"X-Key": "a\r\nInjected: yes"}),
        Request("POST", "/soap", {"X-Key": "naïve"}),
        Request("POST", "/soap", {"X Key": "a"}),
        Request("POST", "/soap", {"Accept-Encoding": "gzip"}),
        Request("POST", "/soap", {"Host": "elsewhere.test"}),
        Request("POST", "soap"),
        Request("POST", "@elsewhere.test/"),
        Request("POST", "/v1/../admin"),
        Request("POST", "/v1/%2e%2e/admin"),
        Request("POST", "/v1/%2Fadmin"),
        Request("POST", "/soap#x"),
        Request("POST", "/so ap"),
    ],
)
def test_a_request_that_cannot_be_written_is_not_sent(request_: Request) -> None:
    answer, heard = told(answers(reply()), exchange=Exchange(request_, lambda reply: reply))
    assert (answer.outcome_class, answer.failure, heard.connections) == (NOT_SENT, "request_malformed", 0)


# --- TLS ---


async def _over_tls(certificates: Certificates, kind: str, *, ca: Path | None, base: str = "https://localhost") -> tuple[Answer[Any], Heard]:
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # a failed handshake is what is asked for
    async with biller(answers(reply(b"<ok/>")), certificates.server(kind)) as heard:
        policy = LinePolicy(SANDBOX.allowed_hosts, SANDBOX.allowed_networks, ca)
        return await Line(policy).perform(terms(f"{base}:{heard.port}"), ask()), heard


@pytest.mark.parametrize("kind", ["expired", "not yet valid", "wrong host", "self-signed", "address only"])
def test_w04_a_biller_that_cannot_prove_its_name_sees_nothing(certificates: Certificates, kind: str) -> None:
    answer, heard = asyncio.run(_over_tls(certificates, kind, ca=certificates.ca))
    assert (answer.outcome_class, answer.failure) == (NOT_SENT, "tls_failed")
    assert (heard.connections, bytes(heard.request)) == (0, b""), "no connection got past its handshake"


def test_a_private_authority_is_trusted_when_the_deployment_names_it(certificates: Certificates) -> None:
    answer, heard = asyncio.run(_over_tls(certificates, "good", ca=certificates.ca))
    assert answer.outcome_class is ANSWERED
    assert f"host: localhost:{heard.port}".encode() in heard.request.lower()


def test_a_certificate_for_an_address_proves_an_address(certificates: Certificates) -> None:
    answer, _ = asyncio.run(_over_tls(certificates, "address only", ca=certificates.ca, base=f"https://{LOOPBACK}"))
    assert answer.outcome_class is ANSWERED


def test_the_environment_cannot_make_a_certificate_trusted(certificates: Certificates, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.ca))
    monkeypatch.setenv("SSL_CERT_DIR", str(certificates.ca.parent))
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    answer, _ = asyncio.run(_over_tls(certificates, "good", ca=None))
    assert (answer.outcome_class, answer.failure) == (NOT_SENT, "tls_failed")
    assert not (tmp_path / "keys").exists()


def test_a_handshake_that_never_ends_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent(talk: Conversation) -> None:
        talk.heard.request += await talk.reader.read(65536)
        await asyncio.Event().wait()

    async def run(deadline_seconds: float) -> tuple[Answer[Any], bytes]:
        async with biller(silent) as heard:
            answer = await Line(SANDBOX).perform(terms(f"https://{LOOPBACK}:{heard.port}", deadline_seconds), ask())
            return answer, bytes(heard.request)

    answer, seen = asyncio.run(run(0.2))
    assert (answer.outcome_class, answer.failure) == (NOT_SENT, "deadline_connecting")
    assert seen.startswith(b"\x16\x03"), "a ClientHello"
    assert b"soap" not in seen
    monkeypatch.setattr(line_module, "CONNECT_SECONDS", 0.2)
    answer, _ = asyncio.run(run(5))
    assert (answer.outcome_class, answer.failure) == (NOT_SENT, "connect_timeout")
    gc.collect()  # would find a socket that the line forgot, and the suite makes that an error


async def _speaks_plain_http(talk: Conversation) -> None:
    await talk.reader.read(1)
    await talk.say(reply(b"", "400 Bad Request"))


@pytest.mark.parametrize("behave", [closes_at_once, _speaks_plain_http])
def test_a_biller_that_breaks_off_the_handshake_saw_nothing(behave: Misbehaviour) -> None:
    async def run() -> Answer[Any]:
        async with biller(behave) as heard:
            return await Line(SANDBOX).perform(terms(f"https://{LOOPBACK}:{heard.port}"), ask())

    answer = asyncio.run(run())
    assert answer.outcome_class is NOT_SENT
    assert answer.failure in {"tls_failed", "connect_refused"}


def test_a_bundle_that_is_none_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("nothing")
    for path in (tmp_path / "missing.pem", tmp_path / "empty.pem"):
        with pytest.raises(Misconfigured, match="BILLERS_CA_BUNDLE"):
            Line(LinePolicy(ca_bundle=path))


def test_verification_is_on() -> None:
    context = Line(SANDBOX)._tls
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


# --- the table ---


def _kinds(base: type[Exception]) -> list[type[Exception]]:
    return [base, *(deeper for kind in base.__subclasses__() for deeper in _kinds(kind))]


def test_of_all_that_httpx_can_raise_exactly_three_prove_that_nothing_was_sent() -> None:
    kinds = {*_kinds(httpx.HTTPError), *_kinds(httpx.StreamError), httpx.InvalidURL, httpx.CookieConflict}
    proving = {kind for kind in kinds if accident(failure_of(kind.__new__(kind))).outcome_class is NOT_SENT}
    assert proving == {httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout}


def test_every_failure_named_anywhere_has_a_row() -> None:
    named = {failure for _, failure in EXCEPTIONS} | {failure_of_status(status) for status in (302, 401, 403, 408, 409, 429, 502, 503, 504)}
    assert named <= set(ACCIDENTS)
    assert all(row.outcome_class is not ANSWERED and row.sentence.endswith(".") for row in ACCIDENTS.values())


@pytest.mark.parametrize("status", range(100, 600))
def test_no_status_alone_proves_that_nothing_was_sent(status: int) -> None:
    failure = failure_of_status(status)
    assert failure is None or accident(failure).outcome_class is UNKNOWN


@pytest.mark.parametrize("kind", [kind for kind, _ in EXCEPTIONS[:-1]])
def test_an_exceptions_name_is_not_believed_once_the_request_began_to_leave(kind: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is the biller's second address tried then: a request leaves once."""
    left: list[str] = []

    async def two(_host: str, port: int, **_: object) -> Any:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in (LOOPBACK, "127.0.0.2")]

    async def betray(_self: object, request: httpx.Request) -> httpx.Response:
        left.append(request.url.host)
        await request.extensions["trace"](line_module.FIRST_WRITE, {})
        raise kind("after the first byte")

    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", betray)
    assert _resolving(two, monkeypatch, "http://biller.test").outcome_class is UNKNOWN
    assert left == [LOOPBACK]


def test_the_second_address_is_tried_where_the_first_takes_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    async def two(_host: str, port: int, **_: object) -> Any:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in ("127.0.0.2", LOOPBACK)]

    async def run() -> tuple[Answer[Any], Heard]:
        async with biller(answers(reply())) as heard:
            monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", two)
            return await Line(SANDBOX).perform(terms(f"http://biller.test:{heard.port}"), ask()), heard

    answer, heard = asyncio.run(run())
    assert (answer.outcome_class, heard.connections) == (ANSWERED, 1)


def test_whatever_has_no_name_is_unknown_even_before_the_first_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    async def betray(_self: object, _request: httpx.Request) -> httpx.Response:
        raise ZeroDivisionError

    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", betray)
    with capture_logs() as logs:
        answer = asyncio.run(Line(SANDBOX).perform(terms(f"http://{LOOPBACK}:1"), ask()))
    assert (answer.outcome_class, answer.failure) == (UNKNOWN, "wire_failed")
    assert logs[0]["error"] == "ZeroDivisionError"


def test_httpcore_still_tells_its_tracer_of_the_first_write() -> None:
    """The proof of NOT_SENT hangs on this name; an update that renames it must fail here."""
    answer, _ = told(hangs, deadline_seconds=0.2)
    assert answer.failure == "deadline", "and not deadline_connecting"


# --- what is kept ---


def test_the_transcript_shows_the_conversation_and_hides_the_credentials() -> None:
    authorization = "Basic " + base64.b64encode(b"console:correct horse").decode()
    exchange: Exchange[Any] = Exchange(Request("POST", "/soap", {"Authorization": authorization}, b"<Pay><Pin>1234</Pin></Pay>"), lambda reply: reply)
    answer, heard = told(answers(reply(b"<ok>correct horse</ok>", "200 OK", "Set-Cookie: a=b")), exchange=exchange)
    assert authorization.encode() in heard.request, "the biller gets what the transcript hides"
    text = str(answer.transcript)
    assert "<Pin>***</Pin>" in text
    assert "<ok>***</ok>" in text
    assert "HTTP 200" in text
    for secret in ("correct horse", authorization[6:], "1234", "a=b"):
        assert secret not in text


def test_nothing_of_a_call_gets_into_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    told(answers(reply()), exchange=Exchange(Request("GET", "/v1?apikey=hidden", {"X-API-Key": "hidden"}), lambda reply: reply))
    assert [record for record in caplog.records if record.name.startswith("http")] == []
    assert "hidden" not in caplog.text


def test_what_came_of_a_broken_answer_is_kept() -> None:
    answer, _ = told(answers(reply(b"<half", "200 OK", "Content-Type: text/xml")[:-1]), deadline_seconds=2)
    assert answer.failure == "cut_short"
    assert answer.transcript.response is not None
    assert answer.transcript.response.endswith("<hal")
