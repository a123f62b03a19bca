"""The program that works on jobs, beside its worker: carries them out, says that it lives, and rescues what others left behind.

Its loop does nothing but wait. A job's own work is done in a thread, in sessions of the database that are its own.
"""

import asyncio
import os
import signal
import socket
import stat
import sys
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import structlog

from core.errors import Unavailable
from core.jobs import queue
from core.services import job_runs
from core.services.job_table import KINDS

T = TypeVar("T")

log = structlog.get_logger(__name__)

ROUND_SECONDS = 1.0
RETRY_SECONDS = 1.0

# What is under way may end by itself for so long once it is told to stop. Beyond that it is cut short, and put back into the queue by whoever rescues:
# an orphan that waited on would hold open whatever its worker was started with.
ENDS_WITHIN_SECONDS = 4.0


class Failed(Exception):
    """A job failed, and what of it is to be known is kept."""


class Program:
    """One program, beside the worker of that process id; beside none it runs until it is told to stop."""

    def __init__(self, beside: int | None) -> None:
        self._beside = beside
        self._name = f"{socket.gethostname()}:{os.getpid()}"
        # One more than jobs: whoever rescues never waits for them.
        self._threads = ThreadPoolExecutor(queue.AT_ONCE + 1, thread_name_prefix="jobs")
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Until SIGTERM or SIGINT, or until its worker is gone. What runs then is waited for, but not for long."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        if self._beside is not None and stat.S_ISFIFO(os.fstat(sys.stdin.fileno()).st_mode):
            # Numbers of processes are used again, and are others in a container; the other end of this is the worker's own.
            loop.add_reader(sys.stdin.fileno(), self._stopping.set)
        log.info("jobs.program_started", program=self._name)
        rounds = [asyncio.create_task(self._every(self._look_for_worker)), asyncio.create_task(self._every(self._rescue))]
        while not self._stopping.is_set():
            working, stopping = asyncio.create_task(queue.work(self._carry_out)), asyncio.create_task(self._stopping.wait())
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            working.cancel()
            await asyncio.wait({working}, timeout=ENDS_WITHIN_SECONDS)
            if not working.done():
                # The library waits for a beginning that does not come to an end, or a job's thread for the database.
                log.warning("jobs.program_cut_short", program=self._name)
                os._exit(1)
            (ended,) = await asyncio.gather(working, return_exceptions=True)
            if not self._stopping.is_set():
                log.warning("jobs.interrupted", error=type(ended).__name__ if ended else None)
                await _first_of(self._stopping, RETRY_SECONDS)
        for task in rounds:
            task.cancel()
        await asyncio.gather(*rounds, return_exceptions=True)
        log.info("jobs.program_stopped", program=self._name)

    # ---- One job

    async def _carry_out(self, job: int, name: str, tries: int) -> None:
        run = await self._in_thread(lambda: job_runs.begin(job, name, tries + 1, self._name))
        try:
            told = await self._in_thread(KINDS[name].act)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is kept, and the job is tried again
            await self._in_thread(lambda failure=error: job_runs.failed(run, name, failure))  # type: ignore[misc]
            raise Failed(name) from None
        await self._in_thread(lambda: job_runs.done(run, told))

    # ---- By the clock

    async def _look_for_worker(self) -> None:
        """Whoever is without its parent has another one at once."""
        if self._beside is not None and os.getppid() != self._beside:
            self._stopping.set()

    async def _rescue(self) -> None:
        await self._in_thread(job_runs.rescue)

    async def _every(self, act: Callable[[], Awaitable[None]]) -> None:
        while not self._stopping.is_set():
            try:
                await act()
            except Unavailable:
                pass
            except Exception as error:  # noqa: BLE001 - one bad round must not end the rounds
                log.error("jobs.round_failed", error=type(error).__name__, detail=str(error)[:200])
            await _first_of(self._stopping, ROUND_SECONDS)

    async def _in_thread(self, act: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, act)


async def _first_of(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass


def main(beside: int | None = None) -> None:
    """Works on jobs until it is told to stop, and does not return: it is the last thing that this process does."""

    async def run() -> None:
        await Program(beside).run()
        # Told to stop while it begins, the library's pool goes on connecting, and the loop would wait for that for ever.
        sys.stderr.flush()
        os._exit(0)

    asyncio.run(run())
