"""The only module that opens a connection. It knows one thing about failures: whether the biller can have seen the request."""

import asyncio
import logging
import ssl
import sys
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

import certifi
import httpx
import structlog

from core import clock
from core.errors import Misconfigured
from core.wire.accidents import Accident, OutcomeClass, accident, failure_of, failure_of_status
from core.wire.contract import Exchange, Reply, Request, Terms
from core.wire.destination import Address, Destination, Refused, checked_addresses, destination, networks
from core.wire.destination import LinePolicy as LinePolicy
from core.wire.transcript import Masker, Transcript

T = TypeVar("T")

CONNECT_SECONDS = 5.0
LARGEST_REPLY = 1024 * 1024
LARGEST_HEAD = 32 * 1024
MOST_HEADERS = 100

# Said by the line in every request, whatever the adapter says: no reuse of the connection, no compression.
OWN_HEADERS = {"Accept-Encoding": "identity", "Connection": "close", "User-Agent": "billers"}

# httpcore tells its tracer this before it hands the first byte of the request over. The TLS handshake is done by then.
FIRST_WRITE = "http11.send_request_headers.started"
CONNECTED = "connection.connect_tcp.complete"

log = structlog.get_logger(__name__)

# httpcore asks for it eight times in a call, and each time the whole path is searched on the disk for what is not installed. This is the same "no", at once.
sys.modules.setdefault("sniffio", None)  # type: ignore[arg-type]

# They write addresses with their queries, and headers, into any log that listens; some billers' credentials travel there.
for _talkative in ("httpx", "httpcore"):
    logging.getLogger(_talkative).setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """What became of one exchange. `value` is set where `outcome_class` is ANSWERED, `failure` and its sentence where it is not.

    `sent_at` is when the first byte left, or when the call began if none did.
    """

    outcome_class: OutcomeClass
    transcript: Transcript
    sent_at: datetime
    duration_ms: int
    value: T | None = None
    failure: str | None = None
    failure_sentence: str | None = None
    http_status: int | None = None


@dataclass(slots=True)
class _Trip:
    """What is known so far about a call, kept as it happens: an accident leaves no return value."""

    began_at: datetime
    began_seconds: float
    url: str = field(default="", repr=False)
    sent_at: datetime | None = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytearray = field(default_factory=bytearray, repr=False)
    hang_up: Callable[[], Awaitable[None]] | None = None
    may_leave: Callable[[], bool] | None = None

    async def notice(self, event: str, details: Mapping[str, Any]) -> None:
        if event == FIRST_WRITE:
            if self.may_leave is not None and not self.may_leave():
                raise Refused("claim_too_old", "")
            self.sent_at = clock.now()
        elif event == CONNECTED:
            self.hang_up = details["return_value"].aclose


class Line:
    """Carries exchanges to billers. One line serves a whole process; each call has a connection of its own."""

    def __init__(self, policy: LinePolicy) -> None:
        self._policy = policy
        self._networks = networks(policy)
        self._tls = verifying(policy)

    async def perform(self, terms: Terms, exchange: Exchange[T], masked: Collection[str] = (), *, may_leave: Callable[[], bool] | None = None) -> Answer[T]:
        """Sends the request once and reads the answer. Accidents are answers too: only cancellation is raised.

        `may_leave` is asked when the connection stands and not one byte has left: False means NOT_SENT.
        """
        trip = _Trip(began_at=clock.now(), began_seconds=clock.monotonic_seconds(), may_leave=may_leave)
        value: T | None = None
        failure = await self._travelled(terms, exchange, trip)
        if failure is None and trip.status is not None:
            try:
                value = exchange.read(Reply(trip.status, trip.headers, bytes(trip.body)))
            except Exception as error:  # noqa: BLE001 - a reader's defect must not lose an answer about money
                failure = "reader_failed"
                log.error("reader failed", error=type(error).__name__, base_url=terms.base_url, status=trip.status)
        answer = _answer(trip, failure, value, _transcript(terms, exchange.request, trip, masked))
        log.info(
            "line.called",
            host=_host_of(terms.base_url),
            sent=trip.sent_at is not None,
            status=trip.status,
            failure=failure,
            duration_ms=answer.duration_ms,
        )
        return answer

    def perform_now(self, terms: Terms, exchange: Exchange[T], masked: Collection[str] = ()) -> Answer[T]:
        """For callers without an event loop of their own."""
        return asyncio.run(self.perform(terms, exchange, masked))

    async def _travelled(self, terms: Terms, exchange: Exchange[T], trip: _Trip) -> str | None:
        """None when a whole reply lies in `trip` for the reader, else what happened."""
        failure: str | None = None
        request = exchange.request
        try:
            # httpx's own time-outs are per read, and a dripping biller would never meet one.
            async with asyncio.timeout(terms.deadline_seconds):
                place = destination(terms.base_url, request.path, self._policy)
                trip.url = place.url
                await self._send(place, request, trip, await checked_addresses(place, self._networks))
        except TimeoutError:
            failure = "deadline" if trip.sent_at else "deadline_connecting"
        except Refused as refusal:
            failure = refusal.failure
        except Exception as error:  # noqa: BLE001 - whatever it was: after the first byte, not knowing is the answer
            failure = _named(error, trip)
        return (failure_of_status(trip.status, exchange.also_reads) if trip.status is not None else None) or failure

    async def _send(self, place: Destination, request: Request, trip: _Trip, addresses: list[Address]) -> None:
        connect_until = clock.monotonic_seconds() + CONNECT_SECONDS
        for address in addresses:
            try:
                await self._send_to(address, place, request, trip, max(0.001, connect_until - clock.monotonic_seconds()))
            except (httpx.ConnectError, httpx.ConnectTimeout):
                if trip.sent_at is not None or address == addresses[-1]:
                    raise
            else:
                return

    async def _send_to(self, address: Address, place: Destination, request: Request, trip: _Trip, connect_seconds: float) -> None:
        """To the address that was checked, under the name it must prove by certificate."""
        url = httpx.URL(scheme=place.scheme, host=str(address), port=place.port, raw_path=place.target.encode())
        timeout = httpx.Timeout(None, connect=connect_seconds)
        extensions = {"sni_hostname": place.host, "trace": trip.notice, "timeout": timeout.as_dict()}
        headers = {**_checked(request.headers), **OWN_HEADERS, "Host": place.netloc}
        said = httpx.Request(request.method, url, headers=headers, content=request.body or None, extensions=extensions)
        try:
            # httpx's transport without its client: nothing here could follow a redirect, keep a cookie or obey the environment, and a call costs less.
            async with httpx.AsyncHTTPTransport(verify=self._tls, trust_env=False, http2=False, retries=0) as transport:
                response = await transport.handle_async_request(said)
                try:
                    await _receive(response, trip)
                finally:
                    await response.aclose()
        finally:
            # httpcore forgets a socket whose TLS handshake is interrupted by the deadline.
            if trip.hang_up is not None:
                await trip.hang_up()


async def _receive(response: httpx.Response, trip: _Trip) -> None:
    trip.status, trip.headers = response.status_code, dict(response.headers)
    raw = response.headers.raw
    if len(raw) > MOST_HEADERS or sum(len(name) + len(value) for name, value in raw) > LARGEST_HEAD:
        raise Refused("headers_too_large", "")
    if response.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise Refused("encoded_reply", "")
    async for chunk in response.aiter_raw():
        if len(trip.body) + len(chunk) > LARGEST_REPLY:
            raise Refused("reply_too_large", "")
        trip.body += chunk


def _checked(headers: Mapping[str, str]) -> Mapping[str, str]:
    """A credential with a line break in it must not become a header of its own."""
    own = {name.lower() for name in (*OWN_HEADERS, "host", "content-length", "transfer-encoding")}
    for name, value in headers.items():
        if name.lower() in own or not name.isascii() or not value.isascii() or not value.isprintable() or not name.replace("-", "").replace("_", "").isalnum():
            raise Refused("request_malformed", f"The header {name!r} cannot be sent.")
    return headers


def _named(error: Exception, trip: _Trip) -> str:
    failure = failure_of(error)
    if failure == "connect_refused" and _is_about_tls(error):
        return "tls_failed"
    if failure == "cut_short" and trip.status is None:
        return "broken_head"
    if failure == "wire_failed":
        log.error("the line failed", error=type(error).__name__)
    return failure


def _is_about_tls(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _answer(trip: _Trip, failure: str | None, value: T | None, transcript: Transcript) -> Answer[T]:
    duration_ms = round((clock.monotonic_seconds() - trip.began_seconds) * 1000)
    known = Accident(OutcomeClass.ANSWERED, "") if failure is None else accident(failure)
    outcome_class = known.outcome_class
    # Belt and braces: whatever an exception's name promises, a request that began to leave was perhaps seen.
    if outcome_class is OutcomeClass.NOT_SENT and trip.sent_at is not None:
        outcome_class = OutcomeClass.UNKNOWN
    return Answer(outcome_class, transcript, trip.sent_at or trip.began_at, duration_ms, value, failure, known.sentence or None, trip.status)


def _transcript(terms: Terms, request: Request, trip: _Trip, masked: Collection[str]) -> Transcript:
    masker = Masker(terms, masked)
    said = masker.message(f"{request.method} {trip.url or terms.base_url + request.path}", request.headers.items(), request.body)
    if trip.status is None:
        return Transcript(said)
    return Transcript(said, masker.message(f"HTTP {trip.status}", trip.headers.items(), bytes(trip.body)))


def verifying(policy: LinePolicy) -> ssl.SSLContext:
    """Built by hand: `create_default_context` would obey SSLKEYLOGFILE, and the system's store SSL_CERT_FILE."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # requires a certificate and checks its name
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(certifi.where())
    if policy.ca_bundle is not None:
        try:
            context.load_verify_locations(policy.ca_bundle)
        except (OSError, ssl.SSLError) as error:
            told = f"BILLERS_CA_BUNDLE ({policy.ca_bundle}) is not a readable bundle of certificates."
            raise Misconfigured(f"{told} Correct the path, or put a bundle in PEM there that the console's user may read.") from error
    return context


def _host_of(base_url: str) -> str | None:
    """For the log. An address that is none was refused before, and its answer must not be lost over saying so."""
    try:
        return urlsplit(base_url).hostname
    except ValueError:
        return None
