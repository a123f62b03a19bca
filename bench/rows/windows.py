"""A browser's window without the browser: it signs in by cookie, opens a page, reruns it, and does what a window does by itself (timers, the live stream).

It speaks Streamlit's own protocol over a websocket, so the server cannot tell it from a person; nothing is drawn, so fifty of them cost next to nothing.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Coroutine
from typing import Any, Self
from urllib.parse import urlencode

import httpx
import orjson
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect

from core.security.sessions import cookie_name

PATIENCE_SECONDS = 60
# No page is larger, and a window takes what it is sent.
LARGEST_MESSAGE = 64 * 2**20

# The stream says at least that it still hears, more often than this.
SILENT_SECONDS = 60.0

# A live component asks again at most so often.
GAP_SECONDS = 1.0
LIVE = "billers_live"

Query = dict[str, Any]


class Window:
    """One page, open. `follows`: it keeps a stream of what changed, and draws the page's live parts again when it hears of it."""

    def __init__(self, port: int, token: str, page: str, query: Query, *, follows: bool = False) -> None:
        self.host, self.page, self.query, self.follows = f"127.0.0.1:{port}", page, query, follows
        self.headers = {"Cookie": f"{cookie_name()}={token}", "Origin": f"http://{self.host}"}
        # Milliseconds from a word on the stream to the end of the run that it brought.
        self.drawn_ms: list[float] = []
        self.errors: list[str] = []
        self._script = ""
        self._live: set[str] = set()
        self._ended = asyncio.Event()
        self._runs: set[asyncio.Task[None]] = set()
        self._timers: dict[str, asyncio.Task[None]] = {}
        self._turn = asyncio.Lock()

    async def __aenter__(self) -> Self:
        self._socket: ClientConnection = await connect(
            f"ws://{self.host}/_stcore/stream",
            additional_headers={name: value for name, value in self.headers.items() if name != "Origin"},
            origin=self.headers["Origin"],  # type: ignore[arg-type]
            subprotocols=["streamlit"],  # type: ignore[list-item]
            max_size=LARGEST_MESSAGE,
            open_timeout=PATIENCE_SECONDS,
            proxy=None,
        )
        self._reader = self._start(self._read())
        if self.follows:
            self._start(self._follow())
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in (*self._runs, *self._timers.values()):
            task.cancel()
        await asyncio.gather(*self._runs, *self._timers.values(), return_exceptions=True)
        await self._socket.close()

    async def run(self, query: Query | None = None) -> float:
        """Opens the page, or runs it again, perhaps at another address. Answers how long it took, in milliseconds, as the window sees it."""
        async with self._turn:
            if query is not None:
                self.query = query
            # Parts of the page are told anew by each run of the whole.
            self._live.clear()
            for timer in self._timers.values():
                timer.cancel()
            self._timers.clear()
            return await self._rerun()

    async def _rerun(self, fragment: str = "") -> float:
        message = BackMsg()
        state = message.rerun_script
        state.query_string = urlencode(self.query, doseq=True)
        state.fragment_id = fragment
        if self._script:
            state.page_script_hash = self._script
        else:
            state.page_name = self.page
        self._ended.clear()
        began = time.perf_counter()
        await self._socket.send(message.SerializeToString())
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._ended.wait()
        except TimeoutError:
            # It counts with the time that somebody would have waited.
            self.errors.append(f"/{self.page} was not drawn within {PATIENCE_SECONDS} s.")
        if self._reader.done():
            raise SystemExit(f"The console closed the window of /{self.page}: {self._reader.exception() or 'without a word'}")
        return (time.perf_counter() - began) * 1000

    async def _read(self) -> None:
        try:
            await self._take()
        finally:
            # Nobody waits for a run whose end cannot come.
            self._ended.set()

    async def _take(self) -> None:
        async for data in self._socket:
            message = ForwardMsg.FromString(data)
            match message.WhichOneof("type"):
                case "navigation":
                    shown = message.navigation.page_script_hash
                    if self._script and shown != self._script:
                        self.errors.append(f"Another page came than /{self.page}.")
                    self._script = shown
                case "page_not_found":
                    self.errors.append(f"There is no page /{self.page}.")
                case "delta" if message.delta.new_element.WhichOneof("type") == "exception":
                    self.errors.append(message.delta.new_element.exception.message)
                case "delta" if message.delta.new_element.WhichOneof("type") == "bidi_component" and LIVE in str(message.delta.new_element.bidi_component):
                    self._live.add(message.delta.fragment_id)
                case "auto_rerun":
                    self._set_timer(message.auto_rerun.fragment_id, message.auto_rerun.interval)
                case "script_finished" if message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
                    self._ended.set()

    def _set_timer(self, fragment: str, seconds: float) -> None:
        if fragment not in self._timers:
            self._timers[fragment] = asyncio.create_task(self._look_again(fragment, seconds))

    async def _look_again(self, fragment: str, seconds: float) -> None:
        while True:
            await asyncio.sleep(seconds)
            async with self._turn:
                await self._rerun(fragment)

    async def _follow(self) -> None:
        """As the browser's script does: a word, then the live fragments, no sooner than a second after the last time."""
        asked = 0.0
        async for heard in self._words():
            if not self._live:
                continue
            await asyncio.sleep(max(0.0, asked + GAP_SECONDS - time.perf_counter()))
            asked = time.perf_counter()
            async with self._turn:
                for fragment in sorted(self._live):
                    await self._rerun(fragment)
            if (age := heard.get("age_ms")) is not None:
                self.drawn_ms.append(age + (time.perf_counter() - heard["at"]) * 1000)

    async def _words(self) -> AsyncIterator[dict[str, Any]]:
        headers = {**self.headers, "Sec-Fetch-Site": "same-origin"}
        async with (
            httpx.AsyncClient(timeout=SILENT_SECONDS, trust_env=False) as client,
            client.stream("GET", f"http://{self.host}/live/events", headers=headers) as answer,
        ):
            if answer.status_code != 200:
                self.errors.append(f"The stream answered {answer.status_code}.")
                return
            cursor = None
            async for line in answer.aiter_lines():
                if not line.startswith("data: "):
                    continue
                with contextlib.suppress(orjson.JSONDecodeError):
                    word = orjson.loads(line[6:])
                    if cursor is not None and word["cursor"] != cursor:
                        yield {**word, "at": time.perf_counter()}
                    cursor = word["cursor"]

    def _start(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.create_task(work)
        self._runs.add(task)
        return task
