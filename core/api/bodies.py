"""How much may be sent to us, by whom, and how slowly. What is too long is refused before it is read."""

import math
import re

import anyio
import anyio.to_thread
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core import clock
from core.api.refusals import turn_away
from core.errors import Unavailable
from core.security.sessions import cookie_name
from core.services import people

# A form's worth. What pages send goes through their window.
MOST_BYTES = 64 * 1024

UPLOADS = re.compile(r"/_stcore/upload_file/.*")
# `server.maxUploadSize` in .streamlit/config.toml, and the parts' frames around it.
MOST_BYTES_OF_UPLOAD = 20 * 1024 * 1024 + 64 * 1024
# Each is in memory whole for a moment.
MOST_UPLOADS_AT_ONCE = 8

# A whole body is here within this, or whoever sends it is not coming.
BODY_SECONDS = 60.0

TOO_LONG = "That is more than the console takes at once. Send less, or a smaller file."
TOO_SLOW = "That took too long to arrive. Try again on a better connection."


class Bodies:
    """Counts what arrives. Uploads are for whoever is signed in."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._uploads = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_upload = UPLOADS.fullmatch(scope["path"]) is not None
        most = MOST_BYTES_OF_UPLOAD if is_upload else MOST_BYTES
        if _announced(scope) > most:
            await turn_away(scope, receive, send, 413, TOO_LONG, because="body too long")
        elif is_upload:
            await self._upload(scope, counted(receive, most), send)
        else:
            await self._app(scope, counted(receive, most), send)

    async def _upload(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not await _is_signed_in(scope):
            await turn_away(scope, receive, send, 401, "Sign in before you send a file.", because="upload by nobody")
        elif self._uploads >= MOST_UPLOADS_AT_ONCE:
            sentence = "Many files are arriving just now. Try again in some seconds."
            await turn_away(scope, receive, send, 429, sentence, because="too many uploads", retry_after_seconds=5)
        else:
            self._uploads += 1
            try:
                await self._app(scope, receive, send)
            finally:
                self._uploads -= 1


def counted(receive: Receive, most: int) -> Receive:
    """The same body, which ends with a refusal where it is longer than was said, or too slow."""
    arrived, is_whole, deadline = 0, False, math.inf

    async def receive_counted() -> Message:
        nonlocal arrived, is_whole, deadline
        if is_whole:
            # What comes now is that somebody left, and that may be long in coming.
            return await receive()
        # From the first time that somebody wants to read it: a route that never does has all the time it needs.
        deadline = min(deadline, clock.monotonic_seconds() + BODY_SECONDS)
        try:
            with anyio.fail_after(max(0.0, deadline - clock.monotonic_seconds())):
                message = await receive()
        except TimeoutError as error:
            raise HTTPException(408, TOO_SLOW) from error
        arrived += len(message.get("body", b""))
        if arrived > most:
            raise HTTPException(413, TOO_LONG)
        is_whole = not message.get("more_body", False)
        return message

    return receive_counted


def _announced(scope: Scope) -> int:
    """What Content-Length says; the server below has refused one that is no number."""
    said = HTTPConnection(scope).headers.get("content-length", "0")
    return int(said[:19]) if said.isdecimal() else 0


async def _is_signed_in(scope: Scope) -> bool:
    token = HTTPConnection(scope).cookies.get(cookie_name())
    try:
        return await anyio.to_thread.run_sync(lambda: people.actor_of(token, touch=False)) is not None
    except Unavailable:
        return False
