"""What is asked of sums: a filter's stretch of time cut into whole days and hours that are kept, and the statements that add them up.

Moments apart, the same is asked again and again: a statement is put together once for all who ask for such a thing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    ColumnElement,
    CompoundSelect,
    Date,
    DateTime,
    Double,
    Integer,
    Numeric,
    Select,
    SmallInteger,
    Text,
    and_,
    bindparam,
    case,
    cast,
    column,
    func,
    literal,
    literal_column,
    null,
    or_,
    select,
    text,
    true,
    tuple_,
    union_all,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by

from core.models import (
    Answer,
    Attempt,
    RollupCallDay,
    RollupCallHour,
    RollupCallLine,
    RollupCallTotal,
    RollupCallWeek,
    RollupDay,
    RollupHour,
    RollupReason,
    RollupWeekday,
    Transaction,
)
from core.repositories.filters import NO_REASON, TransactionFilter
from core.repositories.rollup_tables import ANSWERED, FAILED, MOVED, PAYING_VERBS, State, bucket_of
from core.repositories.steps import Grain, day_before, day_from, day_start, first_day_of, has_whole_hours, hour_before, hour_from, step_of
from core.repositories.values import Values
from core.states import MONEY_TYPES, Status
from core.wire.contract import Outcome

# Days of the week and times of day are read from the hours of so long a time at most.
MOST_BY_HOURS = timedelta(days=92)
UTC_ZONE = ZoneInfo("UTC")
MONEY = [kind.value for kind in MONEY_TYPES]

# So many statements of each kind are kept: those that a console's pages ask in a day are far fewer, moments apart.
STATEMENTS = 64

# What is told by week, or in one sum, is read by weeks as far as there are whole ones.
BY_WEEKS = (None, Grain.WEEK)

# Without a zone.
WALL = DateTime(timezone=False)

# Steps of which each is so many days.
OF_DAYS = (Grain.DAY, Grain.WEEK, Grain.MONTH)

# What GROUPING(biller, step) answers for each of the levels that answer times are told at.
ALTOGETHER, BY_BILLER, BY_STEP = 3, 1, 2

# What tells answer times apart, and what stands there where it does not.
APART: dict[str, ColumnElement[Any]] = {
    "level": literal(BY_STEP, Integer),
    "biller_type": cast(null(), Text),
    "step": cast(null(), WALL),
}


@dataclass(frozen=True, slots=True)
class Question:
    """What a filter comes to, by step of time in `zone` where a grain is given."""

    wanted: TransactionFilter
    grain: Grain | None = None
    zone: ZoneInfo | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open stretch of time, open on either side where there is no bound."""

    since: datetime | None
    until: datetime | None

    def holds(self, moment: Any) -> ColumnElement[bool]:
        return and_(true(), *([moment >= self.since] if self.since is not None else []), *([moment < self.until] if self.until is not None else []))


ALWAYS = Span(None, None)

# From the first on, before the last; open on either side where there is none.
Days = tuple[date | None, date | None]


@dataclass(frozen=True, slots=True)
class Cut:
    """A stretch of time in whole days (from the first on, before the last), whole hours, and what is left at its ends."""

    days: tuple[Days, ...] = ()
    hours: tuple[Span, ...] = ()
    rows: tuple[Span, ...] = ()
    # Where days or hours are read, and so what was written since they were added up.
    summed: tuple[Span, ...] = ()
    # Whole weeks, where days are read by them.
    weeks: Days | None = None


def cut(span: Span, zone: ZoneInfo | None, *, by_hours: bool) -> Cut:
    """Days only where a zone is given, hours only where they are wanted."""
    days: tuple[Days, ...] = ()
    left, summed = [span], []
    if zone is not None:
        first = day_from(span.since, zone) if span.since else None
        end = day_before(span.until, zone) if span.until else None
        if first is None or end is None or first < end:
            days = ((first, end),)
            inner = Span(day_start(first, zone) if first else None, day_start(end, zone) if end else None)
            summed.append(inner)
            left = _around(span, inner)
    hours, rows = [], []
    for rest in left:
        inner = Span(hour_from(rest.since) if rest.since else None, hour_before(rest.until) if rest.until else None)
        if by_hours and (inner.since is None or inner.until is None or inner.since < inner.until):
            hours.append(inner)
            rows += _around(rest, inner)
        else:
            rows.append(rest)
    return Cut(days, tuple(hours), tuple(rows), (*summed, *hours))


class Moments(Values):
    """The moments of a question, taken out of it: what is left is asked again and again, and its statement takes longer to put together than to answer."""

    def __init__(self, state: State) -> None:
        super().__init__()
        self.taken |= state.written()

    def out_of(self, pieces: Cut) -> Cut:
        hours, rows, summed = (tuple(map(self.span, some)) for some in (pieces.hours, pieces.rows, pieces.summed))
        return Cut(tuple(map(self.days, pieces.days)), hours, rows, summed, self.days(pieces.weeks) if pieces.weeks else None)

    def span(self, span: Span) -> Span:
        return Span(self.place(span.since), self.place(span.until))

    def days(self, days: Days) -> Days:
        first, end = days
        return self.place(first), self.place(end)


def _around(outer: Span, inner: Span) -> list[Span]:
    found = []
    if outer.since and inner.since and outer.since < inner.since:
        found.append(Span(outer.since, inner.since))
    if outer.until and inner.until and inner.until < outer.until:
        found.append(Span(inner.until, outer.until))
    return found


def can_tell(wanted: TransactionFilter) -> bool:
    """Whether what a filter asks for is something that is added up by."""
    rest = replace(wanted, billers=(), statuses=(), types=(), since=None, until=None, in_doubt=False, under_review=None)
    return rest == TransactionFilter()


def can_add_up(wanted: TransactionFilter) -> bool:
    """Whether sums tell how many a filter has and what they come to: of days of the week and times of day too, where hours make them up and are not many."""
    by_the_wall = wanted.weekdays or wanted.time_of_day
    if not by_the_wall or not can_tell(replace(wanted, weekdays=(), time_of_day=None, zone=UTC_ZONE.key)):
        return can_tell(wanted)
    is_short = wanted.since is not None and wanted.until is not None and wanted.until - wanted.since <= MOST_BY_HOURS
    times = wanted.time_of_day or ()
    return is_short and all(one == time(one.hour) for one in times) and has_whole_hours(ZoneInfo(wanted.zone))


def summed_by_hour(wanted: TransactionFilter) -> Select[Any]:
    """Hour and count, the oldest first, of what sums know of a filter: not what was written since, and more than there is where it asks for anything else."""
    of: Any = RollupHour
    within = Span(hour_before(wanted.since) if wanted.since else None, wanted.until).holds(of.hour)
    return select(of.hour, cast(func.sum(of.count), BigInteger).label("count")).where(within, *_fits(wanted, of)).group_by(of.hour).order_by(of.hour)


# ---- Questions without their moments: what statements are told apart by


Asked = tuple[tuple[Question, Cut], ...]


def asked(questions: Sequence[Question], state: State, moments: Moments) -> Asked:
    """Each with the pieces its time is cut into."""
    return tuple((_timeless(question), moments.out_of(_cut(question, state))) for question in questions)


def week_asked(
    wanted: TransactionFilter, zone: ZoneInfo, state: State, moments: Moments
) -> tuple[TransactionFilter, ZoneInfo, Asked, tuple[Days, Span] | None]:
    """Whole months, which are kept by the hours of a week; the hours before and after them are asked for one by one."""
    span = Span(wanted.since, wanted.until)
    inner = _whole_months(span, zone) if state.may_be_read and zone.key == state.zone.key else None
    left = [span] if inner is None else _around(span, inner)
    hours = asked([Question(_within(wanted, rest), Grain.HOUR, zone) for rest in left], state, moments)
    return _within(wanted, ALWAYS), zone, hours, (moments.days(_days_of(inner, zone)), moments.span(inner)) if inner else None


def calls_asked(question: Question, state: State, moments: Moments, *, by_biller: bool = True) -> tuple[Question, Cut]:
    """The same of answer times, which are kept by the week, too."""
    pieces = _cut(question, state)
    if question.grain in BY_WEEKS and not _is_of_all(question, by_biller=by_biller):
        pieces = _by_weeks(pieces)
    return _timeless(question), moments.out_of(pieces)


def reasons_asked(wanted: TransactionFilter, state: State, moments: Moments) -> tuple[TransactionFilter, Cut]:
    """The same of what failed, which is kept by the day alone."""
    span = Span(wanted.since, wanted.until)
    pieces = cut(span, state.zone, by_hours=False) if state.may_be_read else Cut(rows=(span,))
    return _within(wanted, ALWAYS), moments.out_of(pieces)


def _timeless(question: Question) -> Question:
    return replace(question, wanted=_within(question.wanted, ALWAYS))


# ---- Statements: each put together once for all who ask for such a thing, at whatever time


def _written(sql: str, *columns: Any) -> Any:
    """What was written since the sums were added up, read once for all that ask."""
    known = [bindparam(name, type_=kind) for name, kind in _WRITTEN.items() if f":{name}" in sql]
    return text(sql).bindparams(*known).columns(*columns).cte("written")


_WRITTEN: dict[str, Any] = {"floor": BigInteger(), "ceiling": BigInteger(), "settled_seq": BigInteger(), "settled_at": Text()}
_OF_ROW = (column("created_at", DateTime(timezone=True)), column("biller_type", Text), column("transaction_type", Text))

# Every move, call and failure that is not in the sums.
_LATE_MOVES = _written(
    MOVED,
    *(*_OF_ROW, column("status", Text), column("under_review", Boolean), column("currency", Text)),
    *(column("count", BigInteger), column("amount", Numeric)),
)
_LATE_CALLS = _written(ANSWERED, *_OF_ROW, column("bucket", SmallInteger), column("count", BigInteger), column("total_ms", BigInteger))
_LATE_FAILURES = _written(FAILED, *_OF_ROW, column("code", Text), column("count", BigInteger), column("message", Text))


def _all_of(asked: Asked, *, is_late: bool) -> Any:
    """Rows of sums, and of what they do not hold, of everything that each question asks for."""
    return union_all(*(part for number, one in enumerate(asked) for part in _parts(number, *one, is_late=is_late))).subquery().c


@lru_cache(STATEMENTS)
def cells_of(asked: Asked, *, is_late: bool) -> Select[Any]:
    one = _all_of(asked, is_late=is_late)
    groups = (one.number, one.biller_type, one.step, one.status, *_paid(one))
    count = cast(func.sum(one.count_), BigInteger)
    return select(*groups, count, func.coalesce(_value(one), Decimal("0.00"))).group_by(text("1, 2, 3, 4, 5, 6")).having(func.sum(one.count_) != 0)


@lru_cache(STATEMENTS)
def count_of(asked: Asked, *, is_late: bool) -> Select[Any]:
    return select(func.coalesce(func.sum(_all_of(asked, is_late=is_late).count_), 0))


@lru_cache(STATEMENTS)
def steps_of(asked: Asked, *, is_late: bool) -> Select[Any]:
    one = _all_of(asked, is_late=is_late)
    return select(one.step, cast(func.sum(one.count_), BigInteger)).group_by(one.step).order_by(one.step.desc())


@lru_cache(STATEMENTS)
def week_of(wanted: TransactionFilter, zone: ZoneInfo, hours: Asked, months: tuple[Days, Span] | None, *, is_late: bool) -> Select[Any]:
    parts = [part for one in hours for part in _parts(0, *one, is_late=is_late)]
    if months is not None and is_late:
        parts.append(_late(0, Question(wanted, Grain.HOUR, zone), [months[1]]))
    found = [_week_of_hours(union_all(*parts).subquery(), zone)] if parts else []
    if months is not None:
        found.append(_week_of_months(wanted, months[0]))
    one = union_all(*found).subquery().c
    sums = (cast(func.sum(one.count_), BigInteger), func.coalesce(func.sum(one.value), Decimal("0.00")))
    groups = (one.weekday, one.hour_of_day, one.status, one.is_payment, one.currency)
    return select(*groups, *sums).group_by(*groups).having(func.sum(one.count_) != 0)


@lru_cache(STATEMENTS)
def buckets_of(question: Question, pieces: Cut, *, is_late: bool) -> Select[Any]:
    one = union_all(*_call_parts(question, pieces, is_late=is_late)).subquery()
    sums = (cast(func.sum(one.c.count), BigInteger), cast(func.sum(one.c.total_ms), BigInteger))
    return select(one.c.biller_type, one.c.bucket, *sums).group_by(one.c.biller_type, one.c.bucket).having(func.sum(one.c.count) != 0)


@lru_cache(STATEMENTS)
def times_of(by_biller: tuple[Question, Cut], by_step: tuple[Question, Cut] | None, *, is_late: bool) -> CompoundSelect[Any]:
    levels = [_ranked(_calls_by_biller(*by_biller, is_late=is_late).cte("by_biller").c)]
    if by_step:
        lines = _lines(*by_step, is_late=is_late)
        levels.append(_ranked(_calls_by_step(*by_step, is_late=is_late).cte("by_step").c) if lines is None else lines)
    return union_all(*map(_of_ranks, levels))


@lru_cache(STATEMENTS)
def reasons_of(wanted: TransactionFilter, pieces: Cut, *, is_late: bool) -> Select[Any]:
    one = union_all(*_reason_parts(wanted, pieces, is_late=is_late)).subquery()
    code = case((one.c.code != NO_REASON, one.c.code)).label("reason")
    count = cast(func.sum(one.c.count), BigInteger)
    query = select(one.c.biller_type, code, func.min(one.c.message), count).group_by(text("1, 2")).having(func.sum(one.c.count) != 0)
    return query.order_by(count.desc(), one.c.biller_type, text("2"))


def _paid(of: Any) -> tuple[ColumnElement[bool], Any]:
    """What is counted apart from look-ups, and never added up across currencies."""
    return of.transaction_type.in_(MONEY).label("is_payment"), of.currency


def _value(of: Any) -> ColumnElement[Any]:
    return func.sum(of.amount).filter(of.transaction_type.in_(MONEY), of.status == Status.COMPLETED.value)


def _week_of_hours(one: Any, zone: ZoneInfo) -> Any:
    # First by hour: there are fewer of them to say the day of the week of.
    sums = (func.sum(one.c.count_).label("count_"), _value(one.c).label("value"))
    hours = select(one.c.step, one.c.status, *_paid(one.c), *sums).group_by(text("1, 2, 3, 4")).subquery().c
    local = func.timezone(zone.key, func.timezone(UTC_ZONE.key, hours.step))
    weekday, hour = (cast(func.date_part(part, local), SmallInteger) for part in ("isodow", "hour"))
    return select((weekday - 1).label("weekday"), hour.label("hour_of_day"), hours.status, hours.is_payment, hours.currency, hours.count_, hours.value)


def _week_of_months(wanted: TransactionFilter, months: Days) -> Any:
    of: Any = RollupWeekday
    sums = (func.sum(of.count).label("count_"), _value(of).label("value"))
    where = (*_days_within(of.month, months), *_fits(wanted, of))
    return select(of.weekday, of.hour_of_day, of.status, *_paid(of), *sums).where(*where).group_by(text("1, 2, 3, 4, 5"))


def _within(wanted: TransactionFilter, span: Span) -> TransactionFilter:
    return replace(wanted, since=span.since, until=span.until)


def _whole_months(span: Span, zone: ZoneInfo) -> Span | None:
    """Those between the first month that does not begin before it and the month its end lies in; none where there is none."""
    first, end = None, None
    if span.since:
        day = day_from(span.since, zone)
        first = day if day.day == 1 else (day.replace(day=1) + timedelta(days=31)).replace(day=1)
    if span.until:
        end = day_before(span.until, zone).replace(day=1)
    if first and end and first >= end:
        return None
    return Span(day_start(first, zone) if first else None, day_start(end, zone) if end else None)


def _days_of(span: Span, zone: ZoneInfo) -> Days:
    return day_before(span.since, zone) if span.since else None, day_before(span.until, zone) if span.until else None


def _fits(wanted: TransactionFilter, of: Any, *, status: bool = True) -> list[ColumnElement[bool]]:
    """What a filter says of everything that is added up by, time apart."""
    found: list[ColumnElement[bool]] = []
    if wanted.billers:
        found.append(of.biller_type.in_(list(wanted.billers)))
    if wanted.types:
        found.append(of.transaction_type.in_(list(wanted.types)))
    if status and wanted.statuses:
        found.append(of.status.in_(list(wanted.statuses)))
    if status and wanted.in_doubt:
        found += [of.status == Status.PROCESSING.value, of.transaction_type.in_(MONEY)]
    if status and wanted.under_review is not None:
        found.append(of.under_review.is_(wanted.under_review))
    return found


def _cut(question: Question, state: State) -> Cut:
    wanted = question.wanted
    span = Span(wanted.since, wanted.until)
    if not state.may_be_read or question.grain is Grain.QUARTER:
        return Cut(rows=(span,))
    has_whole_days = not wanted.time_of_day and (not wanted.weekdays or wanted.zone == state.zone.key)
    if question.grain is None:
        return cut(span, state.zone if has_whole_days else None, by_hours=True)
    zone = question.zone or UTC_ZONE
    by_days = has_whole_days and question.grain is not Grain.HOUR and zone.key == state.zone.key
    return cut(span, zone if by_days else None, by_hours=has_whole_hours(zone))


def _days_within(day: Any, days: Days) -> list[ColumnElement[bool]]:
    first, end = days
    return [*([day >= first] if first is not None else []), *([day < end] if end is not None else [])]


def _by_weeks(pieces: Cut) -> Cut:
    """Its days as whole weeks, and the days before and after them."""
    for first, end in pieces.days:
        begin = first_day_of(Grain.WEEK, first + timedelta(days=6)) if first else None
        close = first_day_of(Grain.WEEK, end) if end else None
        if begin is None or close is None or begin < close:
            around = (*([(first, begin)] if first != begin else []), *([(close, end)] if close != end else []))
            return replace(pieces, weeks=(begin, close), days=around)
    return pieces


class Steps(dict[Any, Any]):
    """The first moments of the steps of one question, by what sums tell of them: of days, what the clock on the wall shows; of shorter ones, that of UTC.

    The server takes longer to say in a zone what began when than to add it up, and would say it of each row.
    """

    def __init__(self, question: Question) -> None:
        super().__init__({None: None})
        self._zone = question.zone if question.grain in OF_DAYS else None

    def __missing__(self, told: datetime) -> datetime:
        moment = self[told] = day_start(told.date(), self._zone) if self._zone else told.replace(tzinfo=UTC)
        return moment


def _step_of_day(question: Question, day: Any) -> ColumnElement[Any]:
    """The first day of the step that a day lies in."""
    return step_of(None, None, None) if question.grain is None else _first_day(question.grain, day)


def _step(question: Question, moment: Any) -> ColumnElement[Any]:
    """The same of a moment; of shorter steps, the first moment."""
    if question.zone is None or question.grain not in OF_DAYS:
        return step_of(question.grain, moment, question.zone)
    return _step_of_day(question, cast(func.timezone(question.zone.key, moment), Date))


def _first_day(grain: Grain, day: Any) -> ColumnElement[Any]:
    """The first day of the step that a day lies in; of days the day as it is kept, so that those which lie in order need not be put into it."""
    return day if grain is Grain.DAY else func.date_trunc(grain.value, cast(day, WALL))


def _as_told(step: Any) -> ColumnElement[Any]:
    """As `Steps` knows it: without a zone, in that of connections, which speak UTC."""
    return cast(step, WALL).label("step")


def _part(number: int, of: Any, step: Any, count: Any, amount: Any) -> Select[Any]:
    columns = (of.biller_type, of.transaction_type, of.status, of.currency, _as_told(step), count.label("count_"), amount.label("amount"))
    return select(literal(number, Integer).label("number"), *columns)


def _late(number: int, question: Question, summed: Sequence[Span]) -> Select[Any]:
    """What the sums of these stretches do not hold yet."""
    of = _LATE_MOVES.c
    late = or_(*(span.holds(of.created_at) for span in summed))
    part = _part(number, of, _step(question, of.created_at), of.count, of.amount)
    return part.where(late, *_fits(question.wanted, of), *question.wanted.on_the_wall(of.created_at))


def _parts(number: int, question: Question, pieces: Cut, *, is_late: bool) -> list[Select[Any]]:
    wanted, parts = question.wanted, []
    for days in pieces.days:
        of: Any = RollupDay
        part = _part(number, of, _step_of_day(question, of.day), of.count, of.amount)
        parts.append(part.where(*_days_within(of.day, days), *_fits(wanted, of), *wanted.on_days(of.day)))
    for span in pieces.hours:
        of = RollupHour
        # Where hours are read at all, they are this zone's too.
        step = of.hour if question.grain is Grain.HOUR else _step(question, of.hour)
        parts.append(_part(number, of, step, of.count, of.amount).where(span.holds(of.hour), *_fits(wanted, of), *wanted.on_the_wall(of.hour)))
    if pieces.summed and is_late:
        parts.append(_late(number, question, pieces.summed))
    for span in pieces.rows:
        row, count = Transaction, literal_column("1::bigint", BigInteger)
        part = _part(number, row, _step(question, row.created_at), count, func.coalesce(row.amount, 0))
        parts.append(part.where(*_within(wanted, span).conditions()))
    return parts


def _is_of_all(question: Question, *, by_biller: bool) -> bool:
    """Whether calls of all billers are kept in one sum."""
    return not (by_biller or question.wanted.billers or question.wanted.types)


def _calls_by_biller(question: Question, pieces: Cut, *, is_late: bool) -> Select[Any]:
    """By bucket, of all billers and of each."""
    one = union_all(*_call_parts(question, pieces, is_late=is_late)).subquery()
    level = (BY_STEP * func.grouping(one.c.biller_type) + BY_BILLER).label("level")
    by_biller = func.grouping_sets(tuple_(one.c.bucket), tuple_(one.c.biller_type, one.c.bucket))
    return select(level, one.c.biller_type, one.c.bucket, *_sums_of_calls(one)).group_by(by_biller)


def _calls_by_step(question: Question, pieces: Cut, *, is_late: bool) -> Select[Any]:
    """By bucket, of all billers at each step of time."""
    one = union_all(*_call_parts(question, pieces, is_late=is_late, by_biller=False)).subquery()
    return select(one.c.step, one.c.bucket, *_sums_of_calls(one)).group_by(one.c.step, one.c.bucket)


def _lines(question: Question, pieces: Cut, *, is_late: bool) -> Any:
    """Whole days, of all calls or of one biller's or one kind's: each is kept in one line, as it is ranked by. None of anything else."""
    wanted, one = question.wanted, RollupCallLine
    if question.grain is not Grain.DAY or is_late or len(wanted.billers + wanted.types) > 1:
        return None
    if not pieces.days or pieces.hours or pieces.rows:
        return None
    (days,) = pieces.days
    of = (one.biller_type == "".join(wanted.billers), one.transaction_type == "".join(wanted.types), *_days_within(one.day, days))
    calls = cast(one.up_tos[func.cardinality(one.up_tos)], Double).label("calls")
    columns = (one.day.label("step"), calls, one.total_ms, one.buckets, cast(one.up_tos, ARRAY(Double)).label("up_tos"))
    return select(*columns).where(*of).subquery().c


def _ranked(one: Any) -> Any:
    """Of each level of a heap of calls by bucket: how many calls and how long together, and its buckets. Each heap by itself, by few and short keys."""
    apart = tuple(one[name] for name in APART if name in one)
    # Row by row: of no level a bucket stands twice.
    up_to = func.sum(one.count).over(partition_by=apart, order_by=one.bucket, rows=(None, 0))
    counted = select(*apart, one.bucket, one.total_ms, up_to.label("up_to")).subquery()
    # One line for each level, in which a rank is looked up by halves: to compare each bucket with each rank takes as long as all the rest.
    buckets, up_tos = (func.array_agg(aggregate_order_by(value, counted.c.bucket)) for value in (counted.c.bucket, counted.c.up_to))
    levels = tuple(counted.c[name] for name in APART if name in counted.c)
    sums = (func.max(counted.c.up_to).label("calls"), func.sum(counted.c.total_ms).label("total_ms"))
    return select(*levels, *sums, buckets.label("buckets"), up_tos.label("up_tos")).group_by(*levels).subquery().c


def _of_ranks(level: Any) -> Select[Any]:
    """Of lines with the buckets that have calls, and how many there are up to each: the buckets of the ranks."""
    ranks = [rounded((level.calls - 1) * share) for share in (0.5, 0.95) for rounded in (func.floor, func.ceil)]
    of_ranks = [level.buckets[1 + func.width_bucket(rank, level.up_tos)] for rank in ranks]
    told = [value.label(name) if name not in level else _as_told(level.step) if name == "step" else level[name] for name, value in APART.items()]
    return select(*told, *(cast(value, BigInteger) for value in (level.calls, level.total_ms)), *of_ranks).where(level.calls > 0)


def _sums_of_calls(one: Any) -> tuple[Any, ...]:
    # Whole numbers far below 2^53: exact, and added up sooner than numerics, which sums of bigint would be.
    return tuple(func.sum(cast(value, Double)).label(value.name) for value in (one.c.count, one.c.total_ms))


def _call_parts(question: Question, pieces: Cut, *, is_late: bool, by_biller: bool = True) -> list[Select[Any]]:
    wanted, parts = question.wanted, []

    def part(of: Any, step: Any, sums: Sequence[Any], source: Any, *where: ColumnElement[bool]) -> None:
        bucket, count, total = sums
        columns = (step.label("step"), bucket.label("bucket"), count.label("count"), total.label("total_ms"))
        parts.append(select(*([of.biller_type] if by_biller else []), *columns).select_from(source).where(*where))

    def of_sums(of: Any, step: Any, source: Any, when: Iterable[ColumnElement[bool]]) -> None:
        part(of, step, (of.bucket, of.count, of.total_ms), source, *when, *_fits(wanted, of, status=False))

    daily: Any = RollupCallTotal if _is_of_all(question, by_biller=by_biller) else RollupCallDay
    week, hour = RollupCallWeek.week, RollupCallHour.hour
    if pieces.weeks:
        of_sums(RollupCallWeek, _step_of_day(question, week), RollupCallWeek, _days_within(week, pieces.weeks))
    for days in pieces.days:
        of_sums(daily, _step_of_day(question, daily.day), daily, _days_within(daily.day, days))
    for span in pieces.hours:
        of_sums(RollupCallHour, _step(question, hour), RollupCallHour, [span.holds(hour)])
    if pieces.summed and is_late:
        moment = _LATE_CALLS.c.created_at
        of_sums(_LATE_CALLS.c, _step(question, moment), _LATE_CALLS, [or_(*(span.holds(moment) for span in pieces.summed))])
    for span in pieces.rows:
        one = Transaction
        joined = one.__table__.join(Answer.__table__, Answer.transaction_id == one.id).join(Attempt.__table__, Attempt.id == Answer.attempt_id)
        where = [Attempt.verb.in_([verb.value for verb in PAYING_VERBS]), Answer.outcome != Outcome.NOT_SENT.value, Answer.duration_ms.is_not(None)]
        if span.since is not None:
            # Neither is older than its transaction: months before it need not be read.
            where += [Answer.at >= span.since, Attempt.at >= span.since]
        where += _within(wanted, span).conditions()
        bucket = literal_column(bucket_of("answers.duration_ms"), SmallInteger)
        sums = (bucket, literal_column("1::bigint", BigInteger), cast(Answer.duration_ms, BigInteger))
        part(one, _step(question, one.created_at), sums, joined, *where)
    return parts


def _reason_parts(wanted: TransactionFilter, pieces: Cut, *, is_late: bool) -> list[Any]:
    parts: list[Any] = []
    for days in pieces.days:
        of: Any = RollupReason
        where = [*_days_within(of.day, days), *_fits(wanted, of, status=False)]
        parts.append(select(of.biller_type, of.code, of.count, of.message).where(*where))
        if is_late:
            of = _LATE_FAILURES.c
            late = or_(*(inner.holds(of.created_at) for inner in pieces.summed))
            parts.append(select(of.biller_type, of.code, of.count, of.message).where(late, *_fits(wanted, of, status=False)))
    for rest in pieces.rows:
        one = Transaction
        where = _within(wanted, rest).conditions()
        code, count = func.coalesce(one.error_code, NO_REASON).label("code"), literal_column("1::bigint", BigInteger).label("count")
        failed = (one.status == Status.FAILED.value, one.transaction_type.in_(MONEY))
        parts.append(select(one.biller_type, code, count, one.error_message.label("message")).where(*where, *failed))
    return parts
