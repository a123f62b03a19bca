"""How much one address, and one session, may ask for. Generous enough for a branch of fifty behind one address; a flood is told when to come back."""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from core import clock
from core.api.buckets import Buckets, Rate
from core.api.refusals import turn_away
from core.security.sessions import cookie_name

SENTENCE = "Too much was asked from here in a short time. Wait a little, then try again; nothing you submitted is lost."

# Whoever watches over the process asks often and must get an answer, above all in a flood.
UNCOUNTED = frozenset({"/healthz", "/readyz"})


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of request: what it looks like, and how much of it an address and a session may ask for."""

    name: str
    path: re.Pattern[str]
    of_address: Rate
    of_session: Rate


# The first that fits counts. Above each, what is dear about it.
KINDS: Sequence[Kind] = (
    # A run of the script, and its memory for minutes.
    Kind("window", re.compile(r"/_stcore/stream"), Rate(300, 5), Rate(60, 1)),
    # Up to 20 MB of memory until its window is closed.
    Kind("upload", re.compile(r"/_stcore/upload_file/.*"), Rate(60, 1), Rate(10, 0.1)),
    # A query over everything, or a document made while one waits.
    Kind("file", re.compile(r"/(export|receipt|reports)/.*|/my-day\.pdf|/api/billers/transactions/export"), Rate(300, 5), Rate(40, 1)),
    # A ticket looked up and a session opened.
    Kind("way in", re.compile(r"/session/.*"), Rate(200, 5), Rate(40, 1)),
    # Some thirty small files come with a first visit; fifty people make it at eight in the morning.
    Kind("request", re.compile(r".*", re.DOTALL), Rate(4_000, 100), Rate(600, 20)),
)


class Limits:
    """Behind what is served from memory: that costs nearly nothing."""

    def __init__(self, app: ASGIApp, kinds: Sequence[Kind] = KINDS, now: Callable[[], float] = clock.monotonic_seconds) -> None:
        self._app = app
        self._kinds = [(kind, Buckets(kind.of_address, now), Buckets(kind.of_session, now)) for kind in kinds]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or scope["path"] in UNCOUNTED:
            await self._app(scope, receive, send)
            return
        kind, of_addresses, of_sessions = next(counted for counted in self._kinds if counted[0].path.fullmatch(scope["path"]))
        asks = HTTPConnection(scope)
        wait = of_addresses.take(address_of(asks))
        if not wait and (session := _session_of(asks)) is not None:
            wait = of_sessions.take(session)
        if wait:
            await turn_away(scope, receive, send, 429, SENTENCE, because=f"too many of a kind: {kind.name}", retry_after_seconds=wait)
        else:
            await self._app(scope, receive, send)


def address_of(asks: HTTPConnection) -> str:
    """Whom to count by. Who has one address of the sixth version has a network full of them."""
    said = asks.client.host if asks.client else ""
    try:
        address = ip_address(said)
    except ValueError:
        return said
    if isinstance(address, IPv6Address):
        return str(address.ipv4_mapped or int(address) >> 64)
    return str(address)


def _session_of(asks: HTTPConnection) -> str | None:
    """By what it is called, true or made up; the address is counted anyway."""
    said = asks.cookies.get(cookie_name()) or asks.headers.get("authorization")
    return hashlib.sha256(said.encode()).hexdigest() if said else None
