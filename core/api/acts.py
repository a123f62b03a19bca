"""Gives each request a name of its own, which everything that is written about it carries; whoever asked is told it, to quote it."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core import logs

HEADER = "X-Correlation-Id"


class Acts:
    """The outermost middleware: a refusal has a name, too. What somebody else calls their request has no say in it, or they could pass for another's."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            # A window is no act: each run of its page is one.
            await self._app(scope, receive, send)
            return
        act = logs.begin_act()

        async def send_with_name(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = act
            await send(message)

        await self._app(scope, receive, send_with_name)
