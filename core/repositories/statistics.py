"""What a set of transactions comes to. It knows each definition once: payments, look-ups, value paid, success, doubt, answer time."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, DateTime, and_, cast, func, literal, select, text, tuple_
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from core.models import Answer, Attempt, BillerConfig, Break, Breaker, Event, Transaction
from core.repositories.filters import TransactionFilter
from core.states import MONEY_TYPES, Stage, Status
from core.wire.contract import Outcome, Verb

# What has ended one way or another. What was cancelled never began, and what is in doubt has not ended.
ENDED = (Status.COMPLETED, Status.FAILED, Status.REVERSED)

# The currency that a figure without one is in; amounts of another are told apart, never added up.
HOME_CURRENCY = "MWK"

# Calls that pay. An inquiry about a payment is none, nor is a reversal.
PAYING_VERBS = (Verb.PAY, Verb.CONFIRM_INVOICE, Verb.PURCHASE_BUNDLE)

# How many of those that need somebody are named; the others are behind the link.
NAMED = 3

NOTHING = Decimal("0.00")

IS_PAYMENT = Transaction.transaction_type.in_([kind.value for kind in MONEY_TYPES])
IS_PAID = and_(IS_PAYMENT, Transaction.status == Status.COMPLETED.value)


class Grain(StrEnum):
    """How long a step on the time axis is: quarters of an hour, whole business hours, days, weeks (from Monday) or months."""

    QUARTER = "quarter_hour"
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


@dataclass(frozen=True, slots=True)
class AnswerTimes:
    """How long a biller took to answer calls that pay. A call that got no answer counts with the time that was waited; one that never left does not count."""

    calls: int
    average_ms: float
    median_ms: float
    p95_ms: float


@dataclass(frozen=True)
class AnswerTimesBy:
    """All together (None where there was no call), and apart."""

    altogether: AnswerTimes | None
    by_biller: Mapping[str, AnswerTimes]
    by_step: Mapping[datetime, AnswerTimes]


@dataclass(frozen=True, slots=True)
class FailureReason:
    """Why payments failed: the biller's own code, or our name for what went wrong on the way, with one of the sentences that came with it."""

    biller: str
    code: str | None
    message: str | None
    count: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """Payments that stand somewhere: how many, since when the oldest does, how many are older than each age asked for, and which are the oldest."""

    count: int = 0
    oldest_at: datetime | None = None
    older_than: Mapping[timedelta, int] = field(default_factory=dict)
    references: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class BillerState:
    """How one biller stands just now, whatever range the figures beside it have."""

    code: str
    # The company, and which of its bills: short enough for a row or a bar.
    name: str
    title: str
    is_active: bool
    paused_because: str | None
    breaker_reason: str | None
    breaker_opened_at: datetime | None
    last_success_at: datetime | None


class Statistics:
    def __init__(self, session: Session) -> None:
        self._session = session

    def now(self) -> datetime:
        """The database's moment."""
        moment: datetime = self._session.execute(select(func.clock_timestamp())).scalar_one()
        return moment

    def mark(self) -> tuple[object, ...]:
        """Changes whenever a transaction is made or moves, and costs next to nothing to ask: what is drawn under the same mark is still true."""
        newest = select(func.max(Transaction.created_at)).scalar_subquery()
        last_move = select(func.max(Event.seq)).scalar_subquery()
        return tuple(self._session.execute(select(newest, last_move)).one())

    # ---- What a filter comes to

    def figures(self, wanted: TransactionFilter, grain: Grain | None = None, zone: ZoneInfo | None = None) -> Figures:
        """Everything that is counted and summed, by biller and, where a grain is given, by step of time in `zone`."""
        value = func.coalesce(func.sum(Transaction.amount).filter(IS_PAID), NOTHING)
        groups = (Transaction.biller_type, _step(grain, zone).label("step"), Transaction.status, IS_PAYMENT.label("is_payment"), Transaction.currency)
        # By place: a bound zone in SELECT and GROUP BY would be two parameters, and two expressions to the server.
        query = select(*groups, func.count(), value).where(*wanted.conditions()).group_by(text("1, 2, 3, 4, 5"))
        return Figures([Cell(biller, moment, Status(status), *rest) for biller, moment, status, *rest in self._session.execute(query)])

    def answer_times(self, wanted: TransactionFilter, grain: Grain | None = None, zone: ZoneInfo | None = None) -> AnswerTimesBy:
        took = Answer.duration_ms
        calls = (
            select(Transaction.biller_type.label("biller"), _step(grain, zone).label("step"), took.label("took"))
            .join(Answer, Answer.transaction_id == Transaction.id)
            .join(Attempt, Attempt.id == Answer.attempt_id)
            .where(*wanted.conditions(), Attempt.verb.in_([verb.value for verb in PAYING_VERBS]), Answer.outcome != Outcome.NOT_SENT.value, took.is_not(None))
        )
        if wanted.since:
            # Neither is older than its transaction: months before it need not be read.
            calls = calls.where(Answer.at >= wanted.since, Attempt.at >= wanted.since)
        one = calls.subquery()
        middle, high = (func.percentile_cont(share).within_group(one.c.took) for share in (0.5, 0.95))
        apart = func.grouping(one.c.biller, one.c.step)
        query = select(apart, one.c.biller, one.c.step, func.count(), func.avg(one.c.took), middle, high).group_by(
            func.grouping_sets(tuple_(), tuple_(one.c.biller), tuple_(one.c.step))
        )
        altogether, by_biller, by_step = None, {}, {}
        for level, biller, moment, count, average, median, p95 in self._session.execute(query):
            times = AnswerTimes(count, float(average or 0), float(median or 0), float(p95 or 0))
            if level == BY_BILLER:
                by_biller[biller] = times
            elif level == BY_STEP and moment is not None:
                by_step[moment] = times
            elif level == ALTOGETHER and count:
                altogether = times
        return AnswerTimesBy(altogether, by_biller, dict(sorted(by_step.items())))

    def failure_reasons(self, wanted: TransactionFilter) -> Sequence[FailureReason]:
        """Of payments that failed, the most frequent first."""
        groups = (Transaction.biller_type, Transaction.error_code)
        found = (
            select(*groups, func.min(Transaction.error_message), func.count())
            .where(*wanted.conditions(), IS_PAYMENT, Transaction.status == Status.FAILED.value)
            .group_by(*groups)
            .order_by(func.count().desc(), *groups)
        )
        return [FailureReason(*row) for row in self._session.execute(found)]

    def heat(self, wanted: TransactionFilter, zone: ZoneInfo) -> Mapping[tuple[int, int], Figures]:
        """By weekday (Monday is 0) and hour in `zone`; an hour of the week in which nothing happened is not there."""
        found: dict[tuple[int, int], list[Cell]] = {}
        for cell in self.figures(wanted, Grain.HOUR, zone).cells:
            if cell.step is not None:
                local = cell.step.astimezone(zone)
                found.setdefault((local.weekday(), local.hour), []).append(cell)
        return {place: Figures(cells) for place, cells in sorted(found.items())}

    # ---- How things stand just now

    def in_doubt(self, *, under_review: bool, ages: Sequence[timedelta] = ()) -> Waiting:
        """Payments that were or may have been sent and are not settled: those that are asked about by themselves, or those that wait for a person."""
        is_review = Transaction.stage == Stage.REVIEW.value
        return self._waiting(ages, Transaction.status == Status.PROCESSING.value, IS_PAYMENT, is_review if under_review else ~is_review)

    def queued(self, ages: Sequence[timedelta] = ()) -> Waiting:
        """Payments that nothing was sent of yet."""
        return self._waiting(ages, Transaction.stage == Stage.QUEUED.value, Transaction.next_action_at.is_not(None))

    def _waiting(self, ages: Sequence[timedelta], *where: ColumnElement[bool]) -> Waiting:
        older = [func.count().filter(Transaction.created_at <= func.now() - age) for age in ages]
        count, oldest_at, *counts = self._session.execute(select(func.count(), func.min(Transaction.created_at), *older).where(*where)).one()
        if not count:
            return Waiting()
        references = select(Transaction.our_transaction_id).where(*where).order_by(Transaction.created_at, Transaction.id).limit(NAMED)
        return Waiting(count, oldest_at, dict(zip(ages, counts, strict=True)), tuple(self._session.scalars(references)))

    def breaks(self) -> Waiting:
        """Payments whose end is contradicted, and nobody has seen to it; as old as the evidence is."""
        still_open = Break.closed_at.is_(None)
        count, oldest_at = self._session.execute(select(func.count(Break.transaction_id.distinct()), func.min(Break.found_at)).where(still_open)).one()
        if not count:
            return Waiting()
        oldest = (
            select(Transaction.our_transaction_id)
            .join(Break, Break.transaction_id == Transaction.id)
            .where(still_open)
            .group_by(Transaction.our_transaction_id)
            .order_by(func.min(Break.found_at))
            .limit(NAMED)
        )
        return Waiting(count, oldest_at, references=tuple(self._session.scalars(oldest)))

    def billers(self) -> Sequence[BillerState]:
        """Every biller with its present configuration: the active one, or the newest of those switched off."""
        last = (
            select(Transaction.completed_at)
            .where(Transaction.biller_type == BillerConfig.biller_type, Transaction.status == Status.COMPLETED.value)
            .order_by(Transaction.created_at.desc(), Transaction.id.desc())
            .limit(1)
            .scalar_subquery()
        )
        config = BillerConfig
        found = (
            select(config.biller_type, config.biller_name, config.display_name, config.is_active, config.paused_reason)
            .add_columns(Breaker.reason, Breaker.opened_at, last)
            .outerjoin(Breaker, Breaker.biller_type == config.biller_type)
            .ext(distinct_on(config.biller_type))
            .order_by(config.biller_type, config.is_active.desc(), config.updated_at.desc())
        )
        states = [BillerState(*row) for row in self._session.execute(found)]
        return sorted(states, key=lambda state: state.title)


# What GROUPING(biller, step) answers for each of the three sets.
ALTOGETHER, BY_BILLER, BY_STEP = 3, 1, 2

# Quarters of an hour are counted from here; any whole hour would do.
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


def _step(grain: Grain | None, zone: ZoneInfo | None) -> ColumnElement[Any]:
    """The first moment of the step a transaction lies in."""
    if grain is None:
        return cast(literal(None), DateTime(timezone=True))
    if zone is None:
        raise TypeError("A step of time lies in a zone.")
    if grain is Grain.QUARTER:
        # Every zone is whole quarters of an hour off: a step begins at the same moment in all of them.
        return func.date_bin(timedelta(minutes=15), Transaction.created_at, EPOCH)
    return func.date_trunc(grain.value, Transaction.created_at, zone.key)
