"""What a set of transactions comes to. It knows each definition once: payments, look-ups, value paid, success, doubt, answer time."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import and_, func, literal, select, text
from sqlalchemy.orm import Session

from core.models import Transaction
from core.repositories.filters import TransactionFilter
from core.states import MONEY_TYPES, Status

# What has ended one way or another. What was cancelled never began, and what is in doubt has not ended.
ENDED = (Status.COMPLETED, Status.FAILED, Status.REVERSED)

# The currency that a figure without one is in; amounts of another are told apart, never added up.
HOME_CURRENCY = "MWK"

NOTHING = Decimal("0.00")

IS_PAYMENT = Transaction.transaction_type.in_([kind.value for kind in MONEY_TYPES])
IS_PAID = and_(IS_PAYMENT, Transaction.status == Status.COMPLETED.value)


class Grain(StrEnum):
    """How long a step on the time axis is: whole business hours, days, weeks (from Monday) or months."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Cell:
    """Transactions that are alike in everything that is counted by."""

    biller: str
    # First moment of the step it lies in; None where time was not asked for.
    step: datetime | None
    status: Status
    is_payment: bool
    currency: str
    count: int
    # Sum of what was paid; nothing unless it completed.
    value: Decimal


@dataclass(frozen=True)
class Figures:
    """What cells come to. A rate is None where nothing has ended: it is unknown then, not zero."""

    cells: Sequence[Cell]

    @cached_property
    def by_status(self) -> Mapping[Status, int]:
        """All rows, payments and look-ups, by status."""
        return _sum_by(self.cells, lambda cell: cell.status)

    @cached_property
    def payments_by_status(self) -> Mapping[Status, int]:
        return _sum_by((cell for cell in self.cells if cell.is_payment), lambda cell: cell.status)

    @cached_property
    def values(self) -> Mapping[str, Decimal]:
        """What was paid, per currency."""
        found: dict[str, Decimal] = {}
        for cell in self.cells:
            if cell.value:
                found[cell.currency] = found.get(cell.currency, NOTHING) + cell.value
        return found

    @property
    def value(self) -> Decimal:
        """What was paid, in kwacha: "Revenue (value paid)"."""
        return self.values.get(HOME_CURRENCY, NOTHING)

    @property
    def rows(self) -> int:
        return sum(self.by_status.values())

    @property
    def payments(self) -> int:
        """The volume: what moves money."""
        return sum(self.payments_by_status.values())

    @property
    def lookups(self) -> int:
        return self.rows - self.payments

    @property
    def completed(self) -> int:
        return self.payments_by_status.get(Status.COMPLETED, 0)

    @property
    def ended(self) -> int:
        return sum(self.payments_by_status.get(status, 0) for status in ENDED)

    @property
    def in_doubt(self) -> int:
        """Payments that were or may have been sent and are not settled."""
        return self.payments_by_status.get(Status.PROCESSING, 0)

    @property
    def success_rate(self) -> float | None:
        """Of what ended, the part that was paid and stayed so: 0 to 1."""
        return self.completed / self.ended if self.ended else None

    def by_biller(self) -> Mapping[str, "Figures"]:
        return self._by(lambda cell: cell.biller)

    def by_step(self) -> Mapping[datetime, "Figures"]:
        """In the order of time; a step in which nothing happened is not there."""
        return dict(sorted(self._by(lambda cell: cell.step).items()))

    def _by(self, key: Callable[[Cell], Any]) -> dict[Any, "Figures"]:
        found: dict[Any, list[Cell]] = {}
        for cell in self.cells:
            found.setdefault(key(cell), []).append(cell)
        return {name: Figures(cells) for name, cells in found.items()}


def _sum_by(cells: Iterable[Cell], key: Callable[[Cell], Any]) -> dict[Any, int]:
    found: dict[Any, int] = {}
    for cell in cells:
        found[key(cell)] = found.get(key(cell), 0) + cell.count
    return found


class Statistics:
    def __init__(self, session: Session) -> None:
        self._session = session

    def figures(self, wanted: TransactionFilter, grain: Grain | None = None, zone: ZoneInfo | None = None) -> Figures:
        """Everything that is counted and summed, by biller and, where a grain is given, by step of time in `zone`."""
        if grain is not None and zone is None:
            raise TypeError("A step of time lies in a zone.")
        step = func.date_trunc(grain.value, Transaction.created_at, zone.key) if grain and zone else literal(None)
        value = func.coalesce(func.sum(Transaction.amount).filter(IS_PAID), NOTHING)
        groups = (Transaction.biller_type, step.label("step"), Transaction.status, IS_PAYMENT.label("is_payment"), Transaction.currency)
        # By place: a bound zone in SELECT and GROUP BY would be two parameters, and two expressions to the server.
        query = select(*groups, func.count(), value).where(*wanted.conditions()).group_by(text("1, 2, 3, 4, 5"))
        return Figures([Cell(biller, moment, Status(status), *rest) for biller, moment, status, *rest in self._session.execute(query)])
