"""What a set of transactions comes to. It knows each definition once: payments, look-ups, value paid, success, doubt, answer time."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import and_, func, select, text, tuple_
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from core.models import Answer, Attempt, BillerConfig, BillerConfigVersion, Breaker, ConnectionTest, Transaction
from core.repositories.billers import TYPED_ONLY
from core.repositories.filters import TransactionFilter
from core.repositories.rollup_questions import ALTOGETHER, BY_BILLER, BY_STEP, Question, Steps, can_add_up, can_tell
from core.repositories.rollup_tables import PAYING_VERBS, bucket_middle_ms
from core.repositories.rollups import Rollups
from core.repositories.steps import Grain as Grain
from core.repositories.steps import step_of
from core.repositories.walks import Walk
from core.states import MONEY_TYPES, WHEN_LEASE_EXPIRES, Status
from core.wire.contract import Outcome

STATUSES = {status.value: status for status in Status}

# What has ended one way or another. What was cancelled never began, and what is in doubt has not ended.
ENDED = (Status.COMPLETED, Status.FAILED, Status.REVERSED)

# The currency that a figure without one is in; amounts of another are told apart, never added up.
HOME_CURRENCY = "MWK"

NOTHING = Decimal("0.00")

# A number that is only looked at is not counted further than this.
COUNTED_AT_MOST = 1_000

IS_PAYMENT = Transaction.transaction_type.in_([kind.value for kind in MONEY_TYPES])
IS_PAID = and_(IS_PAYMENT, Transaction.status == Status.COMPLETED.value)


class Cell(NamedTuple):
    """Transactions that are alike in everything that is counted by. A tuple: a year has thousands, and it is made in a third of the time."""

    biller: str
    # First moment of the step it lies in; None where time was not asked for.
    step: datetime | None
    status: Status
    is_payment: bool
    currency: str
    count: int  # type: ignore[assignment]  # A tuple's own `count` is of no use here.
    # Sum of what was paid; nothing unless it completed.
    value: Decimal


@dataclass(frozen=True)
class Figures:
    """What cells come to. A rate is None where nothing has ended: it is unknown then, not zero."""

    cells: Sequence[Cell]

    @cached_property
    def by_status(self) -> Mapping[Status, int]:
        """All rows, payments and look-ups, by status."""
        return _by_status(self.cells)

    @cached_property
    def payments_by_status(self) -> Mapping[Status, int]:
        return _by_status([cell for cell in self.cells if cell.is_payment])

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

    def between(self, since: datetime, until: datetime) -> "Figures":
        """Those of the steps that begin in this half-open stretch of time."""
        return Figures([cell for cell in self.cells if cell.step is not None and since <= cell.step < until])

    def since(self, moment: datetime) -> "Figures":
        """Those of the steps that begin then or later."""
        return Figures([cell for cell in self.cells if cell.step is not None and cell.step >= moment])

    def without(self, part: "Figures") -> "Figures":
        """What is left of them when a part is taken away, altogether and by biller: the part may be told in other steps."""
        return Figures([*self.cells, *(cell._replace(count=-cell.count, value=-cell.value) for cell in part.cells)])

    def _by(self, key: Callable[[Cell], Any]) -> dict[Any, "Figures"]:
        found: dict[Any, list[Cell]] = {}
        for cell in self.cells:
            found.setdefault(key(cell), []).append(cell)
        return {name: Figures(cells) for name, cells in found.items()}


def _by_status(cells: Iterable[Cell]) -> dict[Status, int]:
    found: dict[Status, int] = {}
    for cell in cells:
        found[cell.status] = found.get(cell.status, 0) + cell.count
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
    paused_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Counted:
    """How many rows; at least so many where it is not exact."""

    rows: int
    is_exact: bool


@dataclass(frozen=True, slots=True)
class Changes:
    """Changes that people made to configurations: saved, tested as they were saved, and passed."""

    saved: int
    tested: int
    passed: int


# Put together once: both are asked for at each look at the dashboard.
_NOW = select(func.clock_timestamp())
_LAST_COMPLETED = (
    select(Transaction.completed_at)
    .where(Transaction.biller_type == BillerConfig.biller_type, Transaction.status == Status.COMPLETED.value)
    .order_by(Transaction.created_at.desc(), Transaction.id.desc())
    .limit(1)
    .scalar_subquery()
)
_BILLERS = (
    select(BillerConfig.biller_type, BillerConfig.biller_name, BillerConfig.display_name, BillerConfig.is_active, BillerConfig.paused_reason)
    .add_columns(Breaker.reason, Breaker.opened_at, _LAST_COMPLETED, BillerConfig.paused_at)
    .outerjoin(Breaker, Breaker.biller_type == BillerConfig.biller_type)
    .ext(distinct_on(BillerConfig.biller_type))
    .order_by(BillerConfig.biller_type, BillerConfig.is_active.desc(), BillerConfig.updated_at.desc())
)


class Statistics:
    def __init__(self, session: Session) -> None:
        self._session = session

    def now(self) -> datetime:
        """The database's moment."""
        moment: datetime = self._session.connection().execute(_NOW).scalar_one()
        return moment

    def mark(self) -> tuple[object, ...]:
        """Changes with every change that a figure tells of, and costs next to nothing to ask: what is drawn under the same mark is still true."""
        return Rollups(self._session).changes()

    # ---- What a filter comes to

    def figures(self, wanted: TransactionFilter, grain: Grain | None = None, zone: ZoneInfo | None = None) -> Figures:
        """Everything that is counted and summed, by biller and, where a grain is given, by step of time in `zone`."""
        return self.figures_of([Question(wanted, grain, zone)])[0]

    def figures_of(self, questions: Sequence[Question]) -> Sequence[Figures]:
        """The same for several at once: those that sums can tell are one statement together, and of one moment."""
        told = [number for number, question in enumerate(questions) if can_add_up(question.wanted)]
        cells: list[list[Cell]] = [[] for _ in questions]
        asked = [questions[number] for number in told]
        steps = [Steps(question) for question in asked]
        for place, biller, step, status, *rest in Rollups(self._session).cells(asked) if told else ():
            cells[told[place]].append(Cell(biller, steps[place][step], STATUSES[status], *rest))
        counted = [number for number in range(len(questions)) if number not in told]
        return [self._counted(question) if number in counted else Figures(cells[number]) for number, question in enumerate(questions)]

    def _counted(self, question: Question) -> Figures:
        """From the rows: what is searched for is not added up by."""
        value = func.coalesce(func.sum(Transaction.amount).filter(IS_PAID), NOTHING)
        step = step_of(question.grain, Transaction.created_at, question.zone).label("step")
        groups = (Transaction.biller_type, step, Transaction.status, IS_PAYMENT.label("is_payment"), Transaction.currency)
        # By place: a bound zone in SELECT and GROUP BY would be two parameters, and two expressions to the server.
        query = select(*groups, func.count(), value).where(*question.wanted.conditions()).group_by(text("1, 2, 3, 4, 5"))
        return Figures([Cell(biller, moment, Status(status), *rest) for biller, moment, status, *rest in self._session.execute(query)])

    def count(self, wanted: TransactionFilter, at_most: int = COUNTED_AT_MOST) -> Counted:
        """How many rows there are: exactly where sums can tell, else as far as `at_most`, and as is counted quickly: then there are at least so many."""
        if can_add_up(wanted):
            return Counted(Rollups(self._session).count(wanted), is_exact=True)
        found = Walk.over(self._session, wanted).reckoned(at_most)
        return Counted(found.rows, found.is_exact)

    def heat(self, wanted: TransactionFilter, zone: ZoneInfo) -> Mapping[tuple[int, int], Figures]:
        """By day of the week (Monday is 0) and hour of the day in `zone`; an hour in which nothing happened is not there. Billers are added up."""
        found: dict[tuple[int, int], list[Cell]] = {}
        if can_tell(wanted):
            for weekday, hour, status, *rest in Rollups(self._session).heat(wanted, zone):
                found.setdefault((weekday, hour), []).append(Cell("", None, STATUSES[status], *rest))
        else:
            for cell in self._counted(Question(wanted, Grain.HOUR, zone)).cells:
                if cell.step is not None:
                    local = cell.step.astimezone(zone)
                    found.setdefault((local.weekday(), local.hour), []).append(cell._replace(biller="", step=None))
        return {place: Figures(cells) for place, cells in sorted(found.items())}

    def answer_times(self, wanted: TransactionFilter, grain: Grain | None = None, zone: ZoneInfo | None = None) -> AnswerTimesBy:
        """From sums the median and the 95th percentile are at most 2.5 % from what they are; counts and averages are exact."""
        if can_tell(wanted) and not (wanted.statuses or wanted.in_doubt or wanted.under_review is not None):
            question = Question(wanted, grain, zone)
            steps = Steps(question)
            return _as_times((level, biller, steps[step], _times_in(*rest)) for level, biller, step, *rest in Rollups(self._session).calls(question))
        took = Answer.duration_ms
        calls = (
            select(Transaction.biller_type.label("biller"), step_of(grain, Transaction.created_at, zone).label("step"), took.label("took"))
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
        rows = self._session.execute(query)
        return _as_times((*row[:3], AnswerTimes(row[3], float(row[4] or 0), float(row[5] or 0), float(row[6] or 0))) for row in rows)

    def failure_reasons(self, wanted: TransactionFilter) -> Sequence[FailureReason]:
        """Of payments that failed, the most frequent first."""
        if can_tell(wanted) and not (wanted.statuses or wanted.in_doubt or wanted.under_review is not None):
            return [FailureReason(*row) for row in Rollups(self._session).reasons(wanted)]
        groups = (Transaction.biller_type, Transaction.error_code)
        found = (
            select(*groups, func.min(Transaction.error_message), func.count())
            .where(*wanted.conditions(), IS_PAYMENT, Transaction.status == Status.FAILED.value)
            .group_by(*groups)
            .order_by(func.count().desc(), *groups)
        )
        return [FailureReason(*row) for row in self._session.execute(found)]

    # ---- How things stand just now

    def billers(self) -> Sequence[BillerState]:
        """Every biller with its present configuration: the active one, or the newest of those switched off."""
        states = [BillerState(*row) for row in self._session.connection().execute(_BILLERS)]
        return sorted(states, key=lambda state: state.title)

    def changes_of_configurations(self, since: datetime, billers: tuple[str, ...] = ()) -> Changes:
        """Versions that people saved since then, which of them a connection was tested with as they were saved, and whether the latest test of each passed."""
        version, test = BillerConfigVersion, ConnectionTest
        latest = (
            select(test.passed)
            .where(test.config_id == version.config_id, test.config_version == version.version, test.stages[0]["stage"].astext != TYPED_ONLY)
            .order_by(test.at.desc(), test.id.desc())
            .limit(1)
            .scalar_subquery()
        )
        saved = select(latest.label("passed")).where(version.created_at >= since, version.created_by.is_not(None))
        if billers:
            saved = saved.where(version.config_id.in_(select(BillerConfig.id).where(BillerConfig.biller_type.in_(list(billers)))))
        each = saved.subquery()
        counts = (func.count(), func.count(each.c.passed), func.count().filter(each.c.passed))
        return Changes(*self._session.execute(select(*counts).select_from(each)).one())

    def left_behind(self, age: timedelta, billers: tuple[str, ...] = ()) -> int:
        """Payments and look-ups whose call should have ended longer ago than `age`, and which nobody has seen to since: what would be lost."""
        on_the_wire = Transaction.stage.in_([stage.value for stage in WHEN_LEASE_EXPIRES])
        overdue = (Transaction.next_action_at.is_not(None), Transaction.lease_until < func.clock_timestamp() - age)
        theirs = TransactionFilter(billers=billers).conditions()
        return self._session.execute(select(func.count()).where(on_the_wire, *overdue, *theirs)).scalar_one()


def _as_times(rows: Iterable[Any]) -> AnswerTimesBy:
    altogether, by_biller, by_step = None, {}, {}
    for level, biller, moment, times in rows:
        if level == BY_BILLER:
            by_biller[biller] = times
        elif level == BY_STEP and moment is not None:
            by_step[moment] = times
        elif level == ALTOGETHER and times.calls:
            altogether = times
    return AnswerTimesBy(altogether, by_biller, dict(sorted(by_step.items())))


def _times_in(calls: int, total_ms: int, *buckets: int) -> AnswerTimes:
    """The two percentiles lie between the middles of two buckets each, as they do between two calls."""
    low, high, low_95, high_95 = (bucket_middle_ms(bucket) for bucket in buckets)
    median, p95 = (below + (above - below) * ((calls - 1) * share % 1) for below, above, share in ((low, high, 0.5), (low_95, high_95, 0.95)))
    return AnswerTimes(calls, total_ms / calls, median, p95)
