"""The only module that opens a connection. It knows one thing about failures: whether the biller can have seen the request."""

import asyncio
import ssl
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

import certifi
import structlog

from core import clock
from core.errors import Misconfigured
from core.wire.accidents import WHILE_CONNECTING, Accident, NotConnected, OutcomeClass, accident, failure_of, failure_of_status
from core.wire.contract import Exchange, Reply, Request, Terms
from core.wire.conversation import LARGEST_REPLY as LARGEST_REPLY
from core.wire.conversation import Conversation
from core.wire.destination import Address, Destination, Refused, checked_addresses, destination, networks
from core.wire.destination import LinePolicy as LinePolicy
from core.wire.transcript import Masker, Transcript

T = TypeVar("T")

CONNECT_SECONDS = 5.0
# For TLS to say goodbye, after a whole answer.
FAREWELL_SECONDS = 5.0

# Said by the line in every request, whatever the adapter says: no reuse of the connection, no compression.
OWN_HEADERS = {"Accept-Encoding": "identity", "Connection": "close", "User-Agent": "billers"}

log = structlog.get_logger(__name__)


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
    url: str = ""
    sent_at: datetime | None = None
    conversation: Conversation | None = None
    may_leave: Callable[[], bool] | None = None

    @property
    def reply(self) -> Reply | None:
        """What came of an answer, whole or not."""
        heard = self.conversation
        return None if heard is None or heard.status is None else Reply(heard.status, heard.headers, bytes(heard.body))


class Line:
    """Carries exchanges to billers. One line serves a whole process; each call has a connection of its own."""

    def __init__(self, policy: LinePolicy) -> None:
        self._policy = policy
        self._networks = networks(policy)
        self._tls = _verifying(policy)

    async def perform(self, terms: Terms, exchange: Exchange[T], masked: Collection[str] = (), *, may_leave: Callable[[], bool] | None = None) -> Answer[T]:
        """Sends the request once and reads the answer. Accidents are answers too: only cancellation is raised.

        `may_leave` is asked when the connection stands and not one byte has left: False means NOT_SENT.
        """
        trip = _Trip(began_at=clock.now(), began_seconds=clock.monotonic_seconds(), may_leave=may_leave)
        value: T | None = None
        failure = await self._travelled(terms, exchange, trip)
        reply = trip.reply
        if failure is None and reply is not None:
            try:
                value = exchange.read(reply)
            except Exception as error:  # noqa: BLE001 - a reader's defect must not lose an answer about money
                failure = "reader_failed"
                log.error("reader failed", error=type(error).__name__, base_url=terms.base_url, status=reply.status)
        return _answer(trip, failure, value, _transcript(terms, exchange.request, trip, masked))

    def perform_now(self, terms: Terms, exchange: Exchange[T], masked: Collection[str] = ()) -> Answer[T]:
        """For callers without an event loop of their own."""
        return asyncio.run(self.perform(terms, exchange, masked))

    async def _travelled(self, terms: Terms, exchange: Exchange[T], trip: _Trip) -> str | None:
        """None when a whole reply lies in `trip` for the reader, else what happened."""
        failure: str | None = None
        request = exchange.request
        try:
            # The only time-out after the connection: a dripping biller would never meet one that is per read.
            async with asyncio.timeout(terms.deadline_seconds):
                place = destination(terms.base_url, request.path, self._policy)
                trip.url = place.url
                headers = {**_checked(request.headers), **OWN_HEADERS, "Host": place.netloc}
                trip.conversation = await self._connected(place, await checked_addresses(place, self._networks))
                await _converse(trip, trip.conversation, trip.conversation.written(request.method, place.target, headers, request.body))
        except TimeoutError:
            failure = "deadline" if trip.sent_at else "deadline_connecting"
        except Refused as refusal:
            failure = refusal.failure
        except Exception as error:  # noqa: BLE001 - whatever it was: after the first byte, not knowing is the answer
            failure = _named(error)
        finally:
            if trip.conversation is not None:
                trip.conversation.hang_up()
        status = trip.conversation.status if trip.conversation is not None else None
        return (failure_of_status(status, exchange.also_reads) if status is not None else None) or failure

    async def _connected(self, place: Destination, addresses: list[Address]) -> Conversation:
        """A connection to the first of the checked addresses that takes it and proves its name. Raises `NotConnected`."""
        connect_until = clock.monotonic_seconds() + CONNECT_SECONDS
        for address in addresses[:-1]:
            try:
                return await self._connect(address, place, connect_until)
            except NotConnected:
                continue
        return await self._connect(addresses[-1], place, connect_until)

    async def _connect(self, address: Address, place: Destination, until: float) -> Conversation:
        """To the address that was checked, under the name it must prove by certificate."""
        loop, conversation = asyncio.get_running_loop(), Conversation()
        try:
            async with asyncio.timeout(max(0.001, until - clock.monotonic_seconds())):
                if place.scheme == "https":
                    await loop.create_connection(
                        lambda: conversation, str(address), place.port, ssl=self._tls, server_hostname=place.host, ssl_shutdown_timeout=FAREWELL_SECONDS
                    )
                else:
                    await loop.create_connection(lambda: conversation, str(address), place.port)
        except BaseException as error:
            # It may have come to stand in the very moment in which it was given up.
            conversation.hang_up()
            failure = next((name for kind, name in WHILE_CONNECTING if isinstance(error, kind)), None)
            if failure is None:
                raise
            raise NotConnected(failure) from error
        return conversation


async def _converse(trip: _Trip, conversation: Conversation, request: bytes) -> None:
    """The connection stands, and not one byte has left: the last moment to keep the request back."""
    if trip.may_leave is not None and not trip.may_leave():
        raise Refused("claim_too_old", "")
    trip.sent_at = clock.now()
    conversation.say(request)
    await conversation.answered


def _checked(headers: Mapping[str, str]) -> Mapping[str, str]:
    """A credential with a line break in it must not become a header of its own."""
    own = {name.lower() for name in (*OWN_HEADERS, "host", "content-length", "transfer-encoding")}
    for name, value in headers.items():
        if name.lower() in own or not name.isascii() or not value.isascii() or not value.isprintable() or not name.replace("-", "").replace("_", "").isalnum():
            raise Refused("request_malformed", f"The header {name!r} cannot be sent.")
    return headers


def _named(error: Exception) -> str:
    failure = failure_of(error)
    if failure == "wire_failed":
        log.error("the line failed", error=type(error).__name__)
    return failure


def _answer(trip: _Trip, failure: str | None, value: T | None, transcript: Transcript) -> Answer[T]:
    duration_ms = round((clock.monotonic_seconds() - trip.began_seconds) * 1000)
    known = Accident(OutcomeClass.ANSWERED, "") if failure is None else accident(failure)
    outcome_class = known.outcome_class
    # Belt and braces: whatever an exception's name promises, a request that began to leave was perhaps seen.
    if outcome_class is OutcomeClass.NOT_SENT and trip.sent_at is not None:
        outcome_class = OutcomeClass.UNKNOWN
    return Answer(
        outcome_class,
        transcript,
        trip.sent_at or trip.began_at,
        duration_ms,
        value,
        failure,
        known.sentence or None,
        reply.status if (reply := trip.reply) else None,
    )


def _transcript(terms: Terms, request: Request, trip: _Trip, masked: Collection[str]) -> Transcript:
    masker = Masker(terms, masked)
    said = masker.message(f"{request.method} {trip.url or terms.base_url + request.path}", request.headers.items(), request.body)
    reply = trip.reply
    if reply is None:
        return Transcript(said)
    return Transcript(said, masker.message(f"HTTP {reply.status}", reply.headers.items(), reply.body))


def _verifying(policy: LinePolicy) -> ssl.SSLContext:
    """Built by hand: `create_default_context` would obey SSLKEYLOGFILE, and the system's store SSL_CERT_FILE."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # requires a certificate and checks its name
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(certifi.where())
    if policy.ca_bundle is not None:
        try:
            context.load_verify_locations(policy.ca_bundle)
        except (OSError, ssl.SSLError) as error:
            raise Misconfigured(f"BILLERS_CA_BUNDLE ({policy.ca_bundle}) is not a readable bundle of certificates.") from error
    return context
