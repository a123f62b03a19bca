"""Who stands at a window: the websocket that a page is drawn through. It knows what a stranger's may do, and that there are not too many of them.

A stranger's is refused, unless it comes from a page of ours: the sign-in form is a page, and is drawn through one. Such a window is for signing in and
nothing else: it takes over nobody's earlier window, says only what a form says, in short messages and not many, and ends after a while. What is drawn in
it is the sign-in, whatever page it names: that is for each page's guard to see to.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from math import inf

import anyio
import anyio.to_thread
from google.protobuf.message import DecodeError
from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.proto.BackMsg_pb2 import BackMsg

from core.api.buckets import Buckets, Rate
from core.api.endings import ENDINGS
from core.api.limits import SENTENCE, address_of
from core.api.refusals import turn_away
from core.api.visits import left_of_visit
from core.errors import BillersError
from core.security.sessions import cookie_name
from core.services import people

STREAM = "/_stcore/stream"

OF_NOBODY = "This is for the console's own pages. Open the console in a browser and sign in there."

# What a window may say. The rest of Streamlit's words are a developer's: one of them empties every cache for everybody.
WORDS_OF_A_STRANGER = frozenset({"rerun_script", "app_heartbeat", "stop_script"})
WORDS = WORDS_OF_A_STRANGER | {"file_urls_request", "backend_operation_request"}

# A branch's people all open the sign-in at eight; nobody's form is longer.
MOST_OF_STRANGERS_AT_AN_ADDRESS = 100
MOST_OF_STRANGERS = 500
MOST_BYTES_OF_A_STRANGER = 64 * 1024
# A browser opens the next by itself: what was typed is the browser's.
STRANGERS_SECONDS = 600.0

MOST_OF_A_SESSION = 40

# What a closed websocket says about itself.
GOING_AWAY, TOO_BIG = 1001, 1009

# Words a second. Who says more is heard later, and loses none.
PACE, PACE_OF_A_STRANGER = Rate(200, 40), Rate(40, 4)

# Sessions looked up at once. After an outage all windows come back together; the pages' own questions need the connections.
LOOKS = asyncio.Semaphore(4)


@dataclass(eq=False)
class Window:
    """One that somebody stands at, while it is open."""

    whose: str
    closes_at: float
    is_over: bool = False
    _waits: anyio.CancelScope | None = None

    def end(self) -> None:
        self.is_over = True
        if self._waits is not None:
            self._waits.cancel()

    def until_over(self, receive: Receive) -> Receive:
        """What comes, until the window has to make room, is old, or its session is over."""

        async def received() -> Message:
            if not self.is_over:
                with anyio.CancelScope(deadline=self.closes_at) as self._waits:
                    return await receive()
            self.is_over = True
            return {"type": "websocket.disconnect", "code": GOING_AWAY}

        return received


class Strangers:
    """The windows of nobody, by address. When there is no more room, the address with the most of them makes it."""

    def __init__(self, most_at_an_address: int = MOST_OF_STRANGERS_AT_AN_ADDRESS, most: int = MOST_OF_STRANGERS) -> None:
        self._most_at_an_address, self._most = most_at_an_address, most
        self._open: dict[str, list[Window]] = {}

    def may_come_from(self, address: str) -> bool:
        return len(self._open.get(address, ())) < self._most_at_an_address

    @contextmanager
    def one_from(self, address: str) -> Iterator[Window]:
        if sum(map(len, self._open.values())) >= self._most:
            most = max(self._open, key=lambda one: len(self._open[one]))
            self._leave(self._open[most][0])
        window = Window(address, anyio.current_time() + STRANGERS_SECONDS)
        self._open.setdefault(address, []).append(window)
        try:
            yield window
        finally:
            self._leave(window)

    def _leave(self, window: Window) -> None:
        window.end()
        there = self._open.get(window.whose, [])
        if window in there:
            there.remove(window)
        if not there:
            self._open.pop(window.whose, None)

    def __len__(self) -> int:
        return sum(map(len, self._open.values()))


class Windows:
    """The last middleware before Streamlit's own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._strangers = Strangers()
        self._of_sessions: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            await self._app(scope, receive, send)
        elif scope["path"] != STREAM:
            await turn_away(scope, receive, send, 404, "There is nothing here.", because="no such websocket")
        else:
            token = HTTPConnection(scope).cookies.get(cookie_name())
            if token and await _is_signed_in(token):
                await self._somebodys(token, scope, receive, send)
            else:
                await self._strangers_window(scope, receive, send)

    async def _somebodys(self, token: str, scope: Scope, receive: Receive, send: Send) -> None:
        if self._of_sessions[token] >= MOST_OF_A_SESSION:
            await turn_away(scope, receive, send, 429, SENTENCE, because="too many windows of a session", retry_after_seconds=10)
            return
        self._of_sessions[token] += 1
        window = Window(token, inf)
        try:
            with ENDINGS.telling(token, window.end):
                await self._app(scope, listening(window.until_over(receive), WORDS, PACE), send)
            await _tell_if_over(window, send)
        finally:
            self._of_sessions[token] -= 1
            # Who has none is not counted on.
            self._of_sessions = +self._of_sessions

    async def _strangers_window(self, scope: Scope, receive: Receive, send: Send) -> None:
        asks = HTTPConnection(scope)
        if not left_of_visit(asks):
            await turn_away(scope, receive, send, 403, OF_NOBODY, because="a websocket of nobody")
            return
        address = address_of(asks)
        if not self._strangers.may_come_from(address):
            await turn_away(scope, receive, send, 429, SENTENCE, because="too many windows of strangers", retry_after_seconds=10)
            return
        with self._strangers.one_from(address) as window:
            heard = listening(window.until_over(receive), WORDS_OF_A_STRANGER, PACE_OF_A_STRANGER, MOST_BYTES_OF_A_STRANGER)
            await self._app(_as_new(scope), heard, send)
            await _tell_if_over(window, send)


async def _tell_if_over(window: Window, send: Send) -> None:
    """Streamlit was told that the browser left; the browser is told that the window is closed, and opens another: a stranger's, where its session is over."""
    if window.is_over:
        with suppress(RuntimeError, OSError):
            await send({"type": "websocket.close", "code": GOING_AWAY})


def listening(receive: Receive, words: frozenset[str], pace: Rate, most_bytes: int | None = None) -> Receive:
    """What a window says, as far as it may say it."""
    bucket = Buckets(pace)

    async def heard() -> Message:
        while True:
            message = await receive()
            if message["type"] != "websocket.receive":
                return message
            if wait := bucket.take(""):
                await anyio.sleep(wait)
                bucket.take("")
            said = message.get("bytes") or b""
            if most_bytes is not None and max(len(said), len(message.get("text") or "")) > most_bytes:
                # The one who sent it is told nothing: no form is that long.
                return {"type": "websocket.disconnect", "code": TOO_BIG}
            if _may_be_said(said, words):
                return message

    return heard


def _may_be_said(said: bytes, words: frozenset[str]) -> bool:
    """What is none of Streamlit's words at all is let through: it closes the window over it."""
    word = BackMsg()
    try:
        word.ParseFromString(said)
    except DecodeError:
        return True
    kind = word.WhichOneof("type")
    return kind is None or kind in words


def _as_new(scope: Scope) -> Scope:
    """Without the name of an earlier window that it would go on with: the third of what a browser says here, after the protocol and a token against forgery."""
    new = {**scope, "headers": list(scope["headers"])}
    headers = MutableHeaders(scope=new)
    if (said := headers.get("sec-websocket-protocol")) is not None:
        headers["sec-websocket-protocol"] = ",".join(said.split(",")[:2])
    return new


async def _is_signed_in(token: str) -> bool:
    with suppress(BillersError):
        async with LOOKS:
            return await anyio.to_thread.run_sync(lambda: people.actor_of(token, touch=False)) is not None
    # Nobody can say while the database is away: a stranger's window shows as much.
    return False
