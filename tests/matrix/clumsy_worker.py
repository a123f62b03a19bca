"""A worker whose adapter for Lilongwe fails over every answer to a payment, as a defect of ours would have it. Otherwise the real one."""

from collections.abc import Callable
from typing import Any

from core import worker
from core.adapters.lwb_postpaid import LwbPostpaid

receipt = LwbPostpaid._receipt


def clumsy(self: LwbPostpaid, payment: Any, *, inquiry: bool = False) -> Callable[[Any], Any]:
    def stumble(_: Any) -> Any:
        raise ZeroDivisionError("A defect of ours.")

    return receipt(self, payment, inquiry=True) if inquiry else stumble


if __name__ == "__main__":
    LwbPostpaid._receipt = clumsy  # type: ignore[method-assign]
    raise SystemExit(worker.main())
