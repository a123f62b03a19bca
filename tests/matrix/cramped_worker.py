"""A worker on a machine that has no room: CRAMPED is `log` (the disk its log is on is full) or `memory` (so many MiB are left). Otherwise the real one."""

import os
import resource
from pathlib import Path

from core import worker

CRAMPED = os.environ["CRAMPED"]  # noqa: TID251 - a program of the tests, told by its test
MIB = 1024 * 1024


def leave_no_room_for_the_log() -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, 2)


def leave_room(mebibytes: int) -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + mebibytes * MIB
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


if __name__ == "__main__":
    if CRAMPED == "log":
        leave_no_room_for_the_log()
    else:
        leave_room(int(CRAMPED.removeprefix("memory ")))
    raise SystemExit(worker.main())
