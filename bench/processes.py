"""Processor time, as the kernel counts it: what a payment costs, and whom."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from core.settings import CHECKOUT, child_environment

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
STOP_SECONDS = 60


class Program:
    """One Python process of the bench, from its first word `ready` until it is told to stop."""

    def __init__(self, *arguments: object, log: Path, **environment: str) -> None:
        with log.open("ab") as complaints:
            self._process = subprocess.Popen(  # noqa: S603 - our own modules
                [sys.executable, "-m", *map(str, arguments)],
                cwd=CHECKOUT,
                env={**child_environment(), **environment},
                stdout=subprocess.PIPE,
                stderr=complaints,
                text=True,
            )
        self.name = " ".join(map(str, arguments))
        self._log = log

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_until_ready(self) -> Self:
        for line in self._process.stdout or ():
            if line.strip() == "ready":
                return self
        raise SystemExit(f"{self.name} did not start. Its log is {self._log}.")

    @property
    def is_running(self) -> bool:
        if (ended := self._process.poll()) not in (None, 0):
            raise SystemExit(f"{self.name} ended with {ended}. Its log is {self._log}.")
        return ended is None

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.communicate(timeout=STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.communicate()


def cpu_seconds(pids: Sequence[int]) -> float:
    """What these processes have used so far."""
    return sum(_own(fields) for pid in pids if (fields := _stat(pid)))


def cpu_seconds_below(parent: int) -> float:
    """What a process and its children have used, those that ended included: PostgreSQL is a family."""
    fields = _stat(parent)
    if fields is None:
        return 0.0
    ended = (int(fields[13]) + int(fields[14])) / _TICKS_PER_SECOND
    return _own(fields) + ended + sum(_own(child) for child in _all() if int(child[1]) == parent)


def machine() -> Mapping[str, float]:
    """Seconds that all cores together were busy, and that they had."""
    user, nice, system, idle, iowait, irq, softirq, steal = (int(word) / _TICKS_PER_SECOND for word in Path("/proc/stat").read_text().split()[1:9])
    busy = user + nice + system + irq + softirq + steal
    return {"busy": busy, "all": busy + idle + iowait, "steal": steal}


def _own(fields: list[str]) -> float:
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND


def _all() -> list[list[str]]:
    return [fields for entry in Path("/proc").iterdir() if entry.name.isdigit() and (fields := _stat(int(entry.name)))]


def _stat(pid: int) -> list[str] | None:
    """From the state on: a program's name may hold anything, a bracket included."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
