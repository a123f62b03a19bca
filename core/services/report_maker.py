"""Has due reports made. It knows where: in a program of its own, for their papers are seconds of drawing, and every payment would wait for them."""

import subprocess
import sys

from core.services import reports
from core.settings import CHECKOUT

PROGRAM = ("-m", "core.cli", "reports", "make-due")

# It is in the middle of a report; what it has not kept is owed still.
STOP_SECONDS = 5.0


class ReportMaker:
    """One worker's: at most one such program runs for it. A worker that is killed leaves its program to its end, and the report is kept all the same."""

    def __init__(self) -> None:
        self._program: subprocess.Popen[bytes] | None = None

    def look(self) -> None:
        """Starts the program where something is due and it is not at work already. It is not waited for."""
        if self.is_at_work() or not reports.is_due():
            return
        self._program = subprocess.Popen(  # noqa: S603 - our own program, by our own interpreter
            [sys.executable, *PROGRAM], cwd=CHECKOUT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )

    def is_at_work(self) -> bool:
        return self._program is not None and self._program.poll() is None

    def stop(self) -> None:
        """Ends the program, if it runs. What it held is let go of by the database."""
        if self._program is None or not self.is_at_work():
            return
        self._program.terminate()
        try:
            self._program.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._program.kill()
            self._program.wait()
