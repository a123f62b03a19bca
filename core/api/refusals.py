"""How a request is turned away before a page or a route of ours sees it: a sentence for whoever asked, and a line in the log, but not a million of them."""

import math

import structlog
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from core.api.buckets import Buckets, Rate
from core.api.problems import is_programs, of_status

# Of each reason so many lines are written at once, and one every few seconds after that.
LINES = Buckets(Rate(burst=20, per_second=0.2))

log = structlog.get_logger()


async def turn_away(
    scope: Scope, receive: Receive, send: Send, status: int, sentence: str, *, because: str, retry_after_seconds: float | None = None, **facts: object
) -> None:
    """Answers for a request or a websocket that was not accepted yet. `because` is the log's word for it."""
    if LINES.take(because) == 0:
        client = scope.get("client")
        log.warning("turned away", because=because, status=status, path=scope["path"], address=client[0] if client else None, **facts)
    headers = {"Cache-Control": "no-store"}
    if retry_after_seconds is not None:
        headers["Retry-After"] = str(max(1, math.ceil(retry_after_seconds)))
    if scope["type"] == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008})
        return
    said = of_status(status, sentence, headers) if is_programs(scope["path"]) else PlainTextResponse(sentence, status, headers=headers)
    await said(scope, receive, send)
