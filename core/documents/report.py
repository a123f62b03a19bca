"""A report as one value: what a business day, a week or a month came to, as it was known at one moment. Every file is written from this alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from pydantic import TypeAdapter

from core.models.reports import ReportKind


@dataclass(frozen=True, slots=True)
class Tally:
    """What a set of transactions came to, counted by the definitions of the pages. A rate or a time is None where there is none: unknown, not zero."""

    payments: int = 0
    completed: int = 0
    failed: int = 0
    reversed: int = 0
    cancelled: int = 0
    # Sent or perhaps sent, and not settled when this was counted.
    in_doubt: int = 0
    # Nothing of it was sent yet.
    not_sent: int = 0
    # Completed, failed and reversed: what the success rate is a part of.
    ended: int = 0
    success_rate: float | None = None
    # What was paid, per currency: amounts of two currencies are never added.
    values: Mapping[str, Decimal] = field(default_factory=dict)
    lookups: int = 0
    # Calls that pay, and how long they took.
    calls: int = 0
    average_ms: float | None = None
    median_ms: float | None = None
    p95_ms: float | None = None


@dataclass(frozen=True, slots=True)
class BillerPart:
    """One biller's share, and what it had in the period before."""

    code: str
    title: str
    now: Tally
    before: Tally


@dataclass(frozen=True, slots=True)
class StepPart:
    """One hour of a day, or one day of a week or a month, by its first moment."""

    start: datetime
    now: Tally


@dataclass(frozen=True, slots=True)
class FailurePart:
    """Why payments failed: the biller's own code, or our name for what went wrong, and one of the sentences that came with it."""

    biller: str
    title: str
    code: str
    words: str
    count: int


@dataclass(frozen=True, slots=True)
class DoubtPart:
    """A payment of the period that was not settled yet."""

    reference: str
    biller: str
    title: str
    submitted_at: datetime
    amount: Decimal
    currency: str
    # Two people decide about it; otherwise its biller is being asked.
    under_review: bool


@dataclass(frozen=True, slots=True)
class Report:
    """Days are business days in `zone`, both included. `before` is a half-open interval: as long, and up to the same hour where the period was not over."""

    kind: ReportKind
    first_day: date
    last_day: date
    is_over: bool
    before: tuple[datetime, datetime]
    as_of: datetime
    zone: str
    bank: str
    target_rate: float
    target_seconds: float
    altogether: Tally
    altogether_before: Tally
    # The largest first.
    billers: tuple[BillerPart, ...]
    # Every step of the period that had begun, those without transactions included.
    course: tuple[StepPart, ...]
    # The most frequent first.
    failures: tuple[FailurePart, ...]
    # The oldest first, and no more than one page holds; how many there are stands in `altogether`.
    in_doubt: tuple[DoubtPart, ...]
    # The billers it is of, where whoever took it sees only some; none named: all.
    only: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """Transactions counted, look-ups included."""
        return self.altogether.payments + self.altogether.lookups

    @property
    def currencies(self) -> tuple[str, ...]:
        """In which anything was paid, the kwacha first and always."""
        others = {currency for tally in (self.altogether, self.altogether_before) for currency in tally.values} - {HOME}
        return (HOME, *sorted(others))


HOME = "MWK"

_REPORT, _TALLY = TypeAdapter(Report), TypeAdapter(Tally)


def to_json(report: Report) -> dict[str, Any]:
    """As it is kept: amounts as text, moments in UTC."""
    kept: dict[str, Any] = _REPORT.dump_python(report, mode="json")
    return kept


def from_json(kept: Mapping[str, Any]) -> Report:
    return _REPORT.validate_python(kept)


def tally_from_json(kept: Mapping[str, Any]) -> Tally:
    """`altogether` alone."""
    return _TALLY.validate_python(kept)
