"""What a biller's day comes to: ours, theirs, and what lies between them, so that the one is always the other and its differences."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy.orm import Session

from core.models.reconciliation import Result
from core.repositories.reconciliation import Counted, Reconciliation

# What agrees. Everything else is a difference until somebody has settled or explained it.
AGREES = frozenset({Result.MATCHED, Result.OTHER_DAY})


@dataclass(frozen=True, slots=True)
class Tally:
    """Of what stands to each other in one way: how many, how many of those are open, and what each side's total has of it."""

    count: int
    open: int
    ours_count: int
    ours: Decimal
    theirs_count: int
    theirs: Decimal
    in_doubt: Decimal

    @property
    def gap(self) -> Decimal:
        """By how much theirs is more than ours because of these."""
        return self.theirs - self.ours


@dataclass(frozen=True, slots=True)
class Figures:
    """A day. `theirs` is what the biller took less what it gave back; `ours` is what is completed here."""

    tallies: Mapping[Result, Tally]

    @property
    def ours(self) -> Decimal:
        return sum((one.ours for one in self.tallies.values()), Decimal("0.00"))

    @property
    def ours_count(self) -> int:
        return sum(one.ours_count for one in self.tallies.values())

    @property
    def theirs(self) -> Decimal:
        return sum((one.theirs for one in self.tallies.values()), Decimal("0.00"))

    @property
    def theirs_count(self) -> int:
        return sum(one.theirs_count for one in self.tallies.values())

    @property
    def matched(self) -> int:
        return self.tallies[Result.MATCHED].count if Result.MATCHED in self.tallies else 0

    @property
    def in_doubt(self) -> Decimal:
        return sum((one.in_doubt for one in self.tallies.values()), Decimal("0.00"))

    @property
    def differences(self) -> int:
        return sum(one.count for result, one in self.tallies.items() if result not in AGREES)

    @property
    def open(self) -> int:
        return sum(one.open for one in self.tallies.values())

    @property
    def gap(self) -> Decimal:
        return self.theirs - self.ours

    def as_json(self) -> dict[str, Any]:
        return {result.value: {name: _plain(getattr(one, name)) for name in Tally.__dataclass_fields__} for result, one in self.tallies.items()}

    @classmethod
    def from_json(cls, kept: Mapping[str, Mapping[str, Any]]) -> "Figures":
        return cls({Result(result): Tally(**{name: _read(name, one[name]) for name in Tally.__dataclass_fields__}) for result, one in kept.items()})

    @classmethod
    def of(cls, counted: Iterable[Counted]) -> "Figures":
        """Of one day's counts."""
        return cls({one.result: Tally(**{name: getattr(one, name) for name in Tally.__dataclass_fields__}) for one in counted})


MONEY = ("ours", "theirs", "in_doubt")


def _plain(value: int | Decimal) -> int | str:
    return f"{value:.2f}" if isinstance(value, Decimal) else value


def _read(name: str, value: Any) -> Any:
    return Decimal(value) if name in MONEY else int(value)


def count_days(session: Session, biller_type: str, first: date, last: date) -> dict[date, Figures]:
    """Counts these days anew and keeps what came of it for the overview; a day without lines and payments is not in the answer."""
    found = Reconciliation(session)
    by_day: dict[date, list[Counted]] = {}
    for one in found.counted(biller_type, first, last):
        by_day.setdefault(one.day, []).append(one)
    figures = {day: Figures.of(counted) for day, counted in by_day.items() if first <= day <= last}
    for day, of_day in figures.items():
        found.keep_day(biller_type, day, of_day.as_json(), of_day.open)
    return figures
