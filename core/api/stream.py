"""One open answer a window: that something changed, and nothing of what. It knows who may listen, how many, and when a stream ends."""

import asyncio
import signal
import threading
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from types import FrameType

import anyio
import anyio.to_thread
import orjson
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from core import clock
from core.access import Actor
from core.api.endings import ENDINGS
from core.api.hardening import is_same_origin
from core.api.session import actor_of, bearer_of, came_from_us
from core.errors import BillersError, NotAllowed, NotSignedIn, Unavailable
from core.security.sessions import cookie_name
from core.services.live import CHANGES, Closing, Follower, LetGo, Word
from core.settings import settings

# Without news, a word that the stream is alive: who hears none for three of them opens another.
BEAT_SECONDS = 10.0

# A session that ended by the clock listens on for so long at most; one that somebody ended is told of at once (core.api.endings).
CHECK_SECONDS = 30.0

# A browser that lost its stream opens the next one after this.
REOPEN_MS = 1_000

# A reader that takes nothing for so long is gone without having said so.
STALL_SECONDS = 20

# A person's windows in sight, and what a process bears.
MOST_OF_A_PERSON = 20
MOST = 1_000

# Sessions looked up at once. After an outage all windows come back together; the pages' own questions need the connections.
LOOKS = asyncio.Semaphore(4)

HEADERS = {
    "Cache-Control": "no-store",
    # A proxy in front passes on what comes as it comes.
    "X-Accel-Buffering": "no",
}

OVER = b"event: over\ndata: {}\n\n"


class TooManyStreams(BillersError):
    """Too many windows follow the console at once. This one looks for news by itself, every 15 seconds; close some that you do not need."""


STATUSES: dict[type[BillersError], int] = {NotSignedIn: 401, NotAllowed: 403, TooManyStreams: 429, Unavailable: 503}


async def events(request: Request) -> Response:
    """`GET /live/events`: Server-Sent Events, for whoever is signed in, or a program. Listening is no sign of being at work: no session lives longer by it."""
    try:
        if bearer_of(request) is None and not (is_same_origin(request.headers) and came_from_us(request)):
            raise NotAllowed("News are for the console's own pages. Open the console, and look there.")
        actor = await _whose(request)
        if actor is None:
            raise NotSignedIn
    except BillersError as error:
        return _refusal(error)
    return Stream(request, actor.id)


async def _whose(request: Request) -> Actor | None:
    async with LOOKS:
        return await anyio.to_thread.run_sync(lambda: actor_of(request, touch=False))


def _refusal(error: BillersError) -> Response:
    return PlainTextResponse(error.sentence, STATUSES.get(type(error), 500), headers=HEADERS)


class Places:
    """How many listen, each person's counted apart."""

    def __init__(self) -> None:
        self._taken: Counter[uuid.UUID | None] = Counter()

    def is_free_for(self, person: uuid.UUID | None) -> bool:
        return self._taken[person] < MOST_OF_A_PERSON and self._taken.total() < MOST

    @contextmanager
    def taken_by(self, person: uuid.UUID | None) -> Iterator[None]:
        self._taken[person] += 1
        try:
            yield
        finally:
            self._taken[person] -= 1
            # Who has none is not counted on.
            self._taken = +self._taken


PLACES = Places()


class Stream(StreamingResponse):
    """The words as they come, until the reader leaves, its session is over, or the process stops."""

    def __init__(self, request: Request, person: uuid.UUID | None) -> None:
        self._request, self._person = request, person
        super().__init__(self._words(), headers=HEADERS, media_type="text/event-stream")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_while_read(message: Message) -> None:
            with anyio.fail_after(STALL_SECONDS):
                await send(message)

        # Looked at and taken without a pause between: a hundred that ask at once do not all find the last one free.
        if not PLACES.is_free_for(self._person):
            await self._refused()(scope, receive, send)
            return
        with PLACES.taken_by(self._person), suppress(TimeoutError):
            await super().__call__(scope, receive, send_while_read)

    async def _words(self) -> AsyncIterator[bytes]:
        token = self._request.cookies.get(cookie_name()) if bearer_of(self._request) is None else None
        with CHANGES.following() as follower, ENDINGS.telling(token, follower.let_go), suppress(Closing):
            yield f"retry: {REOPEN_MS}\n\n".encode() + self._as_event(follower.now())
            async for word in self._while_signed_in(follower):
                yield self._as_event(word)
            yield OVER

    def _refused(self) -> Response:
        return _refusal(TooManyStreams())

    def _as_event(self, word: Word) -> bytes:
        told = {"cursor": word.cursor, "hears": word.hears, "age_ms": None if word.age_ms is None else round(word.age_ms)}
        return b"data: " + orjson.dumps(told) + b"\n\n"

    async def _while_signed_in(self, follower: Follower) -> AsyncIterator[Word]:
        between = CHECK_SECONDS * float(settings().billers_time_factor)
        checked = clock.monotonic_seconds()
        while True:
            try:
                yield await follower.next(min(BEAT_SECONDS, between))
            except LetGo:
                return
            if clock.monotonic_seconds() - checked >= between:
                checked = clock.monotonic_seconds()
                if not await self._may_listen():
                    return

    async def _may_listen(self) -> bool:
        # While the database is away nobody can say; nothing is told meanwhile either.
        with suppress(Unavailable):
            return await _whose(self._request) is not None
        return True


# ---- With the process


@asynccontextmanager
async def listening() -> AsyncIterator[None]:
    """While this lasts the process hears of changes. At SIGTERM its streams end at once: the server waits for every open answer before it stops."""
    loop = asyncio.get_running_loop()
    with _before_the_server(lambda: loop.call_soon_threadsafe(CHANGES.close)):
        tasks = [asyncio.create_task(CHANGES.listen_for_ever()), asyncio.create_task(ENDINGS.watch())]
        try:
            yield
        finally:
            CHANGES.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


@contextmanager
def _before_the_server(act: Callable[[], object]) -> Iterator[None]:
    """Does it when the process is told to stop, before what else was to be done then."""
    if threading.current_thread() is not threading.main_thread():
        # Signals come to the main thread; whoever serves in another stops it by other means.
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def handle(number: int, frame: FrameType | None) -> None:
        act()
        then = before[signal.Signals(number)]
        if callable(then):
            then(number, frame)

    for number in before:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, then in before.items():
            if signal.getsignal(number) is handle:
                signal.signal(number, then)
