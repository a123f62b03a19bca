"""A worker on a machine whose clock on the wall is wrong by SHIFTED_BY seconds; otherwise the real one."""

import os
from datetime import datetime, timedelta

from core import clock, worker

SHIFT = timedelta(seconds=float(os.environ["SHIFTED_BY"]))  # noqa: TID251 - a program of the tests, told by its test

now = clock.now


def shifted() -> datetime:
    return now() + SHIFT


if __name__ == "__main__":
    clock.now = shifted
    raise SystemExit(worker.main())
