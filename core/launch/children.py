"""Knows how to start one child process, when it is ready, and how to be sure that it is gone."""

import contextlib
import ctypes
import http.client
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from core.launch.words import sentence_of_exit
from core.settings import CHECKOUT

POLL_SECONDS = 0.05
STOP_SECONDS = 15
LARGEST_LOG_BYTES = 20_000_000
PR_SET_PDEATHSIG = 1  # linux/prctl.h

_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True, slots=True)
class Program:
    """One program of the console: what to run, and how to tell that it is ready."""

    name: str
    command: tuple[str, ...]
    is_ready: "Callable[[Child], bool]"
    stays: bool = True
    note: str = ""
    # False: the console is up without it. It is started last, and its last line is told when it has ended.
    is_awaited: bool = True


def says(matches: Callable[[str], bool]) -> "Callable[[Child], bool]":
    """Ready once a whole line of its output matches."""
    return lambda child: any(matches(line.strip()) for line in child.output().split("\n")[:-1])


def answers(port: int, path: str) -> "Callable[[Child], bool]":
    """Ready once this machine's `port` answers 200 to a GET."""
    return lambda _child: answered_ok(port, path)


def answered_ok(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def has_succeeded(child: "Child") -> bool:
    """For a program that does one thing and ends."""
    return child.exit_code == 0


class Child:
    """A program while it runs. Its output goes straight into its log, which is also where readiness is read: no pipe can fill or break."""

    def __init__(self, program: Program, log_dir: Path, environment: Mapping[str, str], directory: Path = CHECKOUT) -> None:
        self.program = program
        self.log = log_dir / f"{program.name}.log"
        self._environment = environment
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        self._log_began = 0
        self.started_at = 0.0
        self.was_ready = False

    def start(self) -> None:
        self.log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > LARGEST_LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        with self.log.open("ab") as log:
            self._log_began = log.tell()
            # A session of its own: Ctrl-C in the terminal reaches the launcher alone, which then stops everything in order.
            self._process = subprocess.Popen(  # noqa: S603 - our own programs, no shell
                self.program.command,
                cwd=self._directory,
                env={**self._environment, "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_dies_with(os.getpid()),
            )
        self.started_at = time.monotonic()
        self.was_ready = False

    @property
    def exit_code(self) -> int | None:
        """None while it runs, and before it ran."""
        return self._process.poll() if self._process else None

    @property
    def ending(self) -> str:
        """How it ended, as the rest of a sentence."""
        return sentence_of_exit(self.exit_code)

    def is_ready(self) -> bool:
        if not self.was_ready:
            self.was_ready = self.program.is_ready(self)
        return self.was_ready

    def output(self) -> str:
        """What it wrote since it was started."""
        with self.log.open("rb") as log:
            log.seek(self._log_began)
            return log.read().decode(errors="replace")

    def last_lines(self, count: int = 15) -> list[str]:
        return self.output().splitlines()[-count:]

    def stop(self, is_urgent: Callable[[], bool] = lambda: False) -> None:
        """Ask it to end, insist after a while, and end whatever it started itself."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            deadline = time.monotonic() + STOP_SECONDS
            while process.poll() is None and time.monotonic() < deadline and not is_urgent():
                pause()
        # The group outlives its leader as long as it has members.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def pause() -> None:
    """Wait a moment before looking at a condition again."""
    threading.Event().wait(POLL_SECONDS)


def _dies_with(parent: int) -> Callable[[], None] | None:
    """Have the kernel kill the child when the launcher dies, whichever way. Linux only; elsewhere the next start finds the port taken and says so."""
    if _LIBC is None:
        return None
    prctl = _LIBC.prctl

    def in_child() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)  # The launcher died before the kernel was told.

    return in_child
