"""Keeps the program that works on jobs running. It knows where that is: beside the worker and not in it, so that whatever a job draws, counts or imports,
and however long it takes, no payment waits for it. A job that takes its program down takes no payment with it either.
"""

import os
import subprocess
import sys

import structlog

from core import clock
from core.settings import CHECKOUT

log = structlog.get_logger(__name__)

PROGRAM = ("-m", "core.cli", "jobs", "work", "--beside")

# A worker begins with payments; the program that is not needed at once is begun when it is up. One that ended is not begun again faster than this.
BEGINS_AFTER_SECONDS = 2.0
AGAIN_AFTER_SECONDS = 5.0

# It is in the middle of something; what it has not kept is put back into the queue.
STOP_SECONDS = 5.0


class JobProgram:
    """One worker's: one such program runs for it. It ends by itself when its worker is gone."""

    def __init__(self) -> None:
        self._program: subprocess.Popen[bytes] | None = None
        self._may_begin_at = clock.monotonic_seconds() + BEGINS_AFTER_SECONDS

    def look(self) -> None:
        """Begins the program where it does not run. It is not waited for."""
        if self.is_at_work() or clock.monotonic_seconds() < self._may_begin_at:
            return
        if self._program is not None:
            log.warning("jobs.program_ended", code=self._program.returncode)
            self._let_go()
        self._may_begin_at = clock.monotonic_seconds() + AGAIN_AFTER_SECONDS
        self._program = subprocess.Popen(  # noqa: S603 - our own program, by our own interpreter
            # Nothing is ever written to it: its end is the worker's end, however that came.
            [sys.executable, *PROGRAM, str(os.getpid())],
            cwd=CHECKOUT,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )

    def is_at_work(self) -> bool:
        return self._program is not None and self._program.poll() is None

    def stop(self) -> None:
        """Ends the program, if it runs."""
        if self._program is None:
            return
        if self.is_at_work():
            self._program.terminate()
            try:
                self._program.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._program.kill()
                self._program.wait()
        self._let_go()

    def _let_go(self) -> None:
        if self._program is not None and self._program.stdin is not None:
            self._program.stdin.close()
