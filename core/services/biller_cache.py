"""What pages ask again at each rerun, kept in this process for as long as the database says that it still holds.

A change of a configuration sends `NOTIFY billers_config` in its own unit of work; whoever listens forgets everything. Whoever does not listen keeps
nothing: before the first LISTEN, and from a lost connection to the next one, every question goes to the database. Pages only show by this. What may
be sent is decided by the statement that claims it, on the database's own rows (`core.repositories.work`).
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar, cast

import psycopg
import structlog
from sqlalchemy import event, text
from sqlalchemy.orm import Session

from core import clock, db

T = TypeVar("T")

CHANNEL = "billers_config"

# A connection that died without a word is found out by asking. What is kept counts until the second answer that fails to come.
HEARTBEAT_SECONDS = 2.0
TRUSTED_SECONDS = 5.0

RETRY_SECONDS = 0.5

log = structlog.get_logger(__name__)


def tell_everybody(session: Session) -> None:
    """Every process forgets what it kept of the billers, once this unit of work is committed; if it is rolled back, nobody hears of it."""
    session.execute(text(f"NOTIFY {CHANNEL}"))
    # This process need not wait for the round trip: whoever saved sees what was saved.
    event.listen(session, "after_commit", lambda _session: CACHE.forget(), once=True)


class BillerCache:
    """Answers by name. Off until `start`, and whenever its connection is not there."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[object, object] = {}
        # Counts what was forgotten: an answer that was looked up before is not kept after.
        self._generation = 0
        self._trusted_until: float | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._thread: threading.Thread | None = None
        self._turned = threading.Condition(self._lock)

    def answer(self, question: object, ask: Callable[[], T]) -> T:
        """What is kept for `question`, else what `ask` finds, kept if nothing has changed while it looked."""
        with self._lock:
            generation, on = self._generation, self._on()
            if on and question in self._kept:
                return cast("T", self._kept[question])
        found = ask()
        with self._lock:
            if on and self._on() and generation == self._generation:
                self._kept[question] = found
        return found

    @property
    def on(self) -> bool:
        with self._lock:
            return self._on()

    def _on(self) -> bool:
        return self._trusted_until is not None and clock.monotonic_seconds() < self._trusted_until

    def await_turn(self, *, on: bool, seconds: float) -> bool:
        """Waits until the cache is on, or off."""
        with self._turned:
            return self._turned.wait_for(lambda: self._on() == on, seconds)

    # ---- Listening

    def start(self) -> None:
        """Begins to listen, in a thread of its own. Once per process; starting twice changes nothing."""
        if self._thread is None:
            ready = threading.Event()
            self._thread = threading.Thread(target=lambda: asyncio.run(self._main(ready)), name="biller cache", daemon=True)
            self._thread.start()
            ready.wait()

    def stop(self) -> None:
        """Listens no more, and keeps nothing any more."""
        if self._thread is not None and self._loop is not None and self._task is not None:
            self._loop.call_soon_threadsafe(self._task.cancel)
            self._thread.join()
        self._thread = None

    def forget(self) -> None:
        """Whatever is kept is asked anew."""
        with self._lock:
            self._generation += 1
            self._kept.clear()

    async def _main(self, ready: threading.Event) -> None:
        self._loop, self._task = asyncio.get_running_loop(), cast("asyncio.Task[None]", asyncio.current_task())
        ready.set()
        with contextlib.suppress(asyncio.CancelledError):
            while True:
                try:
                    await self._listen()
                except Exception as error:  # noqa: BLE001 - whatever it was, without a connection nothing is kept, and the next one is tried
                    log.info("biller_cache.off", error=type(error).__name__)
                finally:
                    self._turn_off()
                await asyncio.sleep(RETRY_SECONDS)

    async def _listen(self) -> None:
        dsn = db.engine().url.set(drivername="postgresql").render_as_string(hide_password=False)
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True, connect_timeout=5, application_name="billers listener") as connection:
            await connection.execute(f"LISTEN {CHANNEL}")
            # From here on every change is heard of; what was looked up before may be older.
            self.forget()
            while True:
                self._trust()
                async for _ in connection.notifies(timeout=HEARTBEAT_SECONDS):
                    self.forget()
                await connection.execute("SELECT 1")

    def _trust(self) -> None:
        with self._turned:
            self._trusted_until = clock.monotonic_seconds() + TRUSTED_SECONDS
            self._turned.notify_all()

    def _turn_off(self) -> None:
        self.forget()
        with self._turned:
            self._trusted_until = None
            self._turned.notify_all()


# The process's own. The server that serves the pages starts it; a command or a worker that does not reads the database.
CACHE = BillerCache()
