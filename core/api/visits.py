"""A visit: what a browser gets along with the console's page, and what a websocket of nobody must bring.

The sign-in is a page, and a page is drawn through a websocket: a stranger who loads the page gets a visit with it, and whoever knocks at the websocket
alone has none and is refused. It says nothing about who somebody is, and is good for nothing else. What one process gave is good at every other that holds
the same keys of the vault: a proxy may send the page's websocket elsewhere, above all when the process that gave the page is gone.
"""

import hashlib
import hmac
import secrets
from functools import lru_cache

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core import clock
from core.errors import Misconfigured
from core.security.vault import load_ring
from core.settings import settings

# The page, and what the front end asks for each time before it opens a websocket: so a page left open gets another after a restart, or over night.
ASKED_BEFORE_A_WEBSOCKET = ("/_stcore/health", "/_stcore/host-config")

LASTS_SECONDS = 12 * 60 * 60
# One that is older is followed by another.
FRESH_SECONDS = LASTS_SECONDS // 2

# Of this process alone, where there are no keys to share: what another gave is worth nothing here, and is replaced before it is needed.
_OWN_KEY = secrets.token_bytes(32)


def cookie_name() -> str:
    return "__Host-billers-visit" if settings().billers_secure_cookies else "billers-visit"


def visit_until(second: int) -> str:
    return _sealed(second, _keys()[-1])


def _sealed(second: int, key: bytes) -> str:
    return f"{second}.{hmac.new(key, str(second).encode(), hashlib.sha256).hexdigest()}"


def _keys() -> tuple[bytes, ...]:
    """The newest gives, all of them are good: a key that is added to the vault ends nobody's visit."""
    try:
        ring = load_ring()
    except Misconfigured:
        return (_OWN_KEY,)
    return _derived(tuple(ring.keys.values()))


@lru_cache(maxsize=4)
def _derived(keys: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """For visits and nothing else: whoever learnt one of these would be no nearer to the vault's."""
    return tuple(HKDF(SHA256(), 32, salt=None, info=b"billers visit").derive(key) for key in keys)


def seconds_left(visit: str | None) -> int:
    """How long this one is good for; 0 for none, for one that is over, and for one that nobody here gave."""
    until = (visit or "").partition(".")[0]
    if visit is None or not (until.isascii() and until.isdecimal()) or len(until) > 12:
        return 0
    if not any(hmac.compare_digest(visit.encode(errors="replace"), _sealed(int(until), key).encode()) for key in _keys()):
        return 0
    return max(0, int(until) - _now())


def left_of_visit(asks: HTTPConnection) -> int:
    """The same of the one that this request brings along."""
    return seconds_left(asks.cookies.get(cookie_name()))


class Visits:
    """Gives one with each page, to whoever has none or an old one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or left_of_visit(HTTPConnection(scope)) > FRESH_SECONDS:
            await self._app(scope, receive, send)
            return

        async def send_with_visit(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] < 400 and _shows_the_page(scope["path"], message):
                MutableHeaders(scope=message).append("Set-Cookie", _cookie())
            await send(message)

        await self._app(scope, receive, send_with_visit)


def _shows_the_page(path: str, answer: Message) -> bool:
    return path in ASKED_BEFORE_A_WEBSOCKET or MutableHeaders(scope=answer).get("content-type", "").startswith("text/html")


def _cookie() -> str:
    carrier = Response()
    carrier.set_cookie(
        cookie_name(),
        visit_until(_now() + LASTS_SECONDS),
        max_age=LASTS_SECONDS,
        path="/",
        httponly=True,
        samesite="strict",
        secure=settings().billers_secure_cookies,
    )
    return carrier.headers["set-cookie"]


def _now() -> int:
    return int(clock.now().timestamp())
