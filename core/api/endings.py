"""What is open in this process, by whose session it is: once a session is over, everything that was opened with it is shut, whoever holds it.

A page's own guard refuses what is asked afterwards; this shuts what does not ask. The database tells of an ending as it is committed
(`NOTIFY billers_sessions`, by a trigger: also of what somebody did by hand); what ends by the clock is found at the next look.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import anyio.to_thread
import structlog

from core.errors import BillersError
from core.security.sessions import hash_of
from core.services import people
from core.services.live import CHANGES
from core.settings import settings

# A session that nobody used for too long, or that is too old, holds its windows for so long at most.
LOOK_SECONDS = 30.0

End = Callable[[], object]

log = structlog.get_logger(__name__)


class Endings:
    """One question for all that is open, however much that is."""

    def __init__(self) -> None:
        self._open: dict[bytes, list[End]] = {}

    @contextmanager
    def telling(self, token: str | None, end: End) -> Iterator[None]:
        """While this lasts, `end` is called once the session of this cookie is over. Without a cookie there is nothing to tell of."""
        if token is None:
            yield
            return
        session = hash_of(token)
        self._open.setdefault(session, []).append(end)
        try:
            yield
        finally:
            there = self._open.get(session, [])
            # By what it is, not by what it equals.
            self._open[session] = [one for one in there if one is not end]
            if not self._open[session]:
                del self._open[session]

    async def look(self) -> None:
        """Shuts what is over by now."""
        asked = list(self._open)
        if not asked:
            return
        still = await anyio.to_thread.run_sync(lambda: people.still_open(asked))
        for session in asked:
            if session in still:
                continue
            ends = self._open.get(session, [])
            log.info("session.shut", session=session.hex()[:12], connections=len(ends))
            for end in list(ends):
                end()

    async def watch(self) -> None:
        """Until cancelled: after each word of an ending, and every now and then."""
        between = LOOK_SECONDS * float(settings().billers_time_factor)
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(between):
                    await CHANGES.endings.wait()
            CHANGES.endings.clear()
            try:
                await self.look()
            except BillersError as error:
                # While the database is away nobody can say, and nobody is shown anything either.
                log.info("endings.not_seen", why=error.sentence)
            except Exception as error:  # noqa: BLE001 - whatever it was, the next look is made all the same
                log.error("endings.not_seen", error=type(error).__name__)


# The process's own.
ENDINGS = Endings()
