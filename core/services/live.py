"""That something changed, and when: never what. Whoever looks at a page asks for the rest under their own name.

A change is told by `NOTIFY billers_changes` with the database's moment of it. A process that serves pages has one connection that listens and a counter
that never goes back; its streams and its pages compare the counter with the one they last drew by. A word may be lost with the connection that would have
carried it: whoever hears again counts one on, and a page that hears nothing looks every quarter of a minute.
"""

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import psycopg
import structlog
from sqlalchemy import event, text
from sqlalchemy.orm import Session

from core import clock, db
from core.services import biller_cache

CHANNEL = "billers_changes"

# A session is over, or somebody may sign in no longer: whoever holds its windows open looks which.
ENDINGS = "billers_sessions"

# What is worth another look: a transaction that was made or moved, and a biller that was switched, paused or found out of order.
HEARD = (CHANNEL, biller_cache.CHANNEL)

# A process that moves rows all day says so this often at most, and a stream passes it on this often at most.
PACE_SECONDS = 0.2
STREAM_PACE_SECONDS = 0.25

# A connection that died without a word is found out by asking.
HEARTBEAT_SECONDS = 5.0
ANSWER_SECONDS = 5.0
RETRY_SECONDS = (0.5, 1.0, 2.0, 5.0)

# Figures are told of so many measurements, the newest; the oldest change that a stream has not passed on is looked for among as many.
MEASURED = 2_000

# What a browser says it measured is believed up to here.
LONGEST_MS = 600_000.0

# The moment is taken within the unit of work: what a commit lasts is part of what somebody waits for.
NOTIFY = text("SELECT pg_notify(:channel, round((extract(epoch FROM clock_timestamp()) - :ago_seconds) * 1000)::bigint::text)")

TOLD = "billers.told"

log = structlog.get_logger(__name__)


class Closing(Exception):
    """The process stops serving; whoever follows lets go."""


class LetGo(Exception):
    """This follower's session is over."""


# ---- Telling


class Herald:
    """Speaks for a process that moves rows all day: from outside the units of work, since a NOTIFY in each commit would cost it four commits in ten."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._untold_since: float | None = None
        self.on = False

    def note(self) -> None:
        """Something was just committed."""
        with self._lock:
            if self._untold_since is None:
                self._untold_since = clock.monotonic_seconds()

    def say(self) -> bool:
        """Tells what nobody was told yet; False where there is nothing. What could not be told is told the next time."""
        with self._lock:
            since, self._untold_since = self._untold_since, None
        if since is None:
            return False
        try:
            with db.unit_of_work() as session:
                session.execute(NOTIFY, {"channel": CHANNEL, "ago_seconds": clock.monotonic_seconds() - since})
        except BaseException:
            with self._lock:
                self._untold_since = since
            raise
        return True


# The process's own; off, unless somebody has it speak every PACE_SECONDS.
HERALD = Herald()


def tell(session: Session) -> None:
    """Whoever looks at a page hears of this unit of work once it is committed; of one that is rolled back nobody does. Asked twice, it tells once."""
    if session.info.setdefault(TOLD, False):
        return
    session.info[TOLD] = True
    if HERALD.on:
        event.listen(session, "after_commit", lambda _session: HERALD.note(), once=True)
    else:
        session.execute(NOTIFY, {"channel": CHANNEL, "ago_seconds": 0.0})


# ---- How long it took


@dataclass(frozen=True, slots=True)
class Latency:
    """From the database's moment of a change, over the newest `measured` of them."""

    p50_ms: float
    p99_ms: float
    measured: int


class Stopwatch:
    """The newest measurements of one kind."""

    def __init__(self) -> None:
        self._taken: deque[float] = deque(maxlen=MEASURED)

    def note(self, milliseconds: float) -> None:
        self._taken.append(milliseconds)

    def read(self) -> Latency | None:
        taken = sorted(self._taken)
        return Latency(_percentile(taken, 0.50), _percentile(taken, 0.99), len(taken)) if taken else None


def _percentile(ordered: Sequence[float], share: float) -> float:
    """The smallest that is not exceeded by this share of them: a value that was measured."""
    return ordered[max(0, -(-len(ordered) * round(share * 100) // 100) - 1)]


TO_STREAM = Stopwatch()
TO_SCREEN = Stopwatch()


def latency() -> Latency | None:
    """From a change to the screen, as the browsers of this process measured it; None before the first."""
    return TO_SCREEN.read()


def note_screen(milliseconds: object) -> None:
    """What a browser measured. It is a stranger's word: a number within reason counts, anything else does not."""
    if isinstance(milliseconds, int | float) and not isinstance(milliseconds, bool) and 0 <= milliseconds <= LONGEST_MS:
        TO_SCREEN.note(float(milliseconds))


# ---- Hearing


@dataclass(frozen=True, slots=True)
class Word:
    """What a stream passes on. `hears` is False while this process may miss something; `age_ms` is None where nobody knows when it was."""

    cursor: int
    hears: bool
    age_ms: float | None


class Changes:
    """What this process heard. One task listens; everything but `cursor` belongs to its loop."""

    def __init__(self) -> None:
        # A process that starts anew counts on from above where the last one can have been: what it drew is older.
        self.cursor = int(clock.now().timestamp() * 1000)
        self.hears = False
        self.is_closing = False
        # Set when a session ended somewhere; whoever looks clears it.
        self.endings = asyncio.Event()
        self._followers: set[Follower] = set()
        self._moments: deque[tuple[int, float]] = deque(maxlen=MEASURED)
        # The database's clock less this process' own.
        self._ahead_seconds = 0.0

    @contextlib.contextmanager
    def following(self) -> Iterator["Follower"]:
        follower = Follower(self)
        self._followers.add(follower)
        try:
            yield follower
        finally:
            self._followers.discard(follower)

    def close(self) -> None:
        """Everybody lets go: the process was told to stop."""
        self.is_closing = True
        self._wake()

    async def listen_for_ever(self) -> None:
        """Until cancelled. A lost connection is made anew, after a little longer each time."""
        self.is_closing, tries = False, 0
        while True:
            try:
                await self._listen()
            except Exception as error:  # noqa: BLE001 - whatever it was, pages look by themselves meanwhile, and the next connection is tried
                log.info("live.deaf", error=type(error).__name__)
            finally:
                tries = 0 if self.hears else tries + 1
                self.hears = False
                self._wake()
            await asyncio.sleep(RETRY_SECONDS[min(tries, len(RETRY_SECONDS) - 1)])

    async def _listen(self) -> None:
        dsn = db.engine().url.set(drivername="postgresql").render_as_string(hide_password=False)
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True, connect_timeout=5, application_name="billers live") as connection:
            for channel in (*HEARD, ENDINGS):
                await connection.execute(f"LISTEN {channel}")
            await self._set_the_clock(connection)
            self.hears = True
            # Something may have changed while nobody listened, and somebody may be gone.
            self._count_on(None)
            self.endings.set()
            while True:
                async for heard in connection.notifies(timeout=HEARTBEAT_SECONDS):
                    if heard.channel == ENDINGS:
                        self.endings.set()
                    else:
                        self._count_on(self._moment_of(heard.payload))
                async with asyncio.timeout(ANSWER_SECONDS):
                    await self._set_the_clock(connection)

    async def _set_the_clock(self, connection: psycopg.AsyncConnection) -> None:
        before = clock.monotonic_seconds()
        row = await (await connection.execute("SELECT extract(epoch FROM clock_timestamp())::float8")).fetchone()
        after = clock.monotonic_seconds()
        if row is not None:
            self._ahead_seconds = row[0] - (before + after) / 2

    def _moment_of(self, payload: str) -> float | None:
        """On this process' own clock."""
        return int(payload) / 1000 - self._ahead_seconds if payload.isdecimal() else None

    def _count_on(self, moment: float | None) -> None:
        self.cursor += 1
        if moment is not None:
            self._moments.append((self.cursor, moment))
        self._wake()

    def _wake(self) -> None:
        for follower in self._followers:
            follower.woken.set()

    def word_since(self, cursor: int) -> Word:
        """Where things stand, and how old the oldest change is that came after `cursor`."""
        oldest = next((moment for number, moment in self._moments if number > cursor), None)
        age_ms = None if oldest is None else max(0.0, (clock.monotonic_seconds() - oldest) * 1000)
        return Word(self.cursor, self.hears, age_ms)


class Follower:
    """One stream's place in what is heard."""

    def __init__(self, changes: Changes) -> None:
        self.woken = asyncio.Event()
        self._changes = changes
        self._last = Word(changes.cursor, changes.hears, None)
        self._spoke_at = clock.monotonic_seconds()
        self._is_let_go = False

    def let_go(self) -> None:
        """Whoever follows hears no more: they may not any longer."""
        self._is_let_go = True
        self.woken.set()

    def now(self) -> Word:
        """The first word: where things stand."""
        return self._last

    async def next(self, seconds: float) -> Word:
        """The next word: soon after a change, however many there were; else, after so long, that things stand as they stood. Raises Closing or LetGo."""
        until = clock.monotonic_seconds() + seconds
        while True:
            self.woken.clear()
            if self._changes.is_closing:
                raise Closing
            if self._is_let_go:
                raise LetGo
            now = clock.monotonic_seconds()
            is_news = (self._changes.cursor, self._changes.hears) != (self._last.cursor, self._last.hears)
            at = max(now, self._spoke_at + STREAM_PACE_SECONDS) if is_news else until
            if now >= at:
                return self._say(now)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(at - now):
                    await self.woken.wait()

    def _say(self, now: float) -> Word:
        word = self._changes.word_since(self._last.cursor)
        if word.age_ms is not None:
            TO_STREAM.note(word.age_ms)
        self._last, self._spoke_at = word, now
        return word


# The process's own. The server that serves the pages has it listen; a page of a process that does not finds that nothing is heard, and looks by itself.
CHANGES = Changes()
