"""A worker that dies at a chosen point, as `kill -9` would have it; otherwise the real one, line by line.

By itself it is told by its environment: MORTAL_AT names the point, MORTAL_REFERENCE the payment. Born in a nursery it is told by its order: at which
point (none: it is left to others to kill it), and how many seconds it lives at least.
"""

import os
from collections.abc import Mapping
from typing import Any

from core import clock, worker
from tests.campaign import mortality


def live(order: Mapping[str, Any]) -> int:
    point, lives_until = order["point"], clock.monotonic_seconds() + order["seconds"]
    if point is not None:
        mortality.watch(lambda here, about: here == point and clock.monotonic_seconds() >= lives_until)
    return worker.main()


if __name__ == "__main__":
    at, reference = os.environ["MORTAL_AT"], os.environ["MORTAL_REFERENCE"]  # noqa: TID251 - a program of the tests, told by its test
    mortality.watch(lambda here, about: here == at and reference in about)
    raise SystemExit(worker.main())
