"""Figures as people read them: what a filter comes to. Every number on a page comes from here, so that tile, list, chart and file agree."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from core import clock, db
from core.access import Actor, needs
from core.errors import BadInput
from core.models.attention import Kind
from core.repositories import heaps
from core.repositories.alerts import Alerts, Standing
from core.repositories.attention import BrokenAct, Day, OutOfOrder, StandingStill
from core.repositories.filters import TransactionFilter
from core.repositories.heaps import Heap, Waiting
from core.repositories.rollup_questions import Question
from core.repositories.rollup_tables import State
from core.repositories.rollups import Rollups
from core.repositories.statistics import AnswerTimesBy, BillerState, Changes, Counted, FailureReason, Figures, Grain, Statistics
from core.services import core_banking, live, periods
from core.services.periods import Period
from core.services.scope import billers_of, narrowed, theirs
from core.services.transactions import WORKER_SILENCE
from core.settings import settings

# The plan's targets.
TARGET_SUCCESS_RATE = 0.95
TARGET_ANSWER_SECONDS = 3

TARGET_CHANGES_RATE = 1.0
TARGET_LOST = 0
TARGET_LIVE_SECONDS = 5

# Quarters of an hour are counted from the rows: of more days than this it would take too long, and nobody could tell them apart.
DAYS_IN_QUARTERS = 3

# That sums had to be made anew is told for so long.
TOLD_FOR = timedelta(days=1)

# Answer times of more days than this are told by week.
DAYS_BY_DAY = 60

# Ages at which a payment in doubt is somebody's business: a biller's own time limit, an hour, a day.
DOUBT_AGES = (timedelta(minutes=5), timedelta(hours=1), timedelta(days=1))

# A payment that waits longer than this for its turn is not just waiting for its turn.
LONG_QUEUED = timedelta(minutes=2)

# So many business days that are over are asked for their signature.
DAYS_LOOKED_AT = 14


@dataclass(frozen=True, slots=True)
class Attention:
    """What somebody should look at: what exists of it today."""

    in_doubt: Waiting
    under_review: Waiting
    queued: Waiting
    jobs_enabled: bool
    worker_seen: bool
    billers: Sequence[BillerState]
    as_of: datetime
    # Payments whose end later evidence contradicts.
    breaks: Waiting = field(default_factory=Waiting)
    # What one person proposed and another is to decide.
    approvals: Waiting = field(default_factory=Waiting)
    # Core banking is in trouble: why, and since when.
    bank_trouble: tuple[str, datetime] | None = None
    # Payments whose debit, or what is to be given back of it, is not settled for longer than it should take.
    bank_open: Waiting = field(default_factory=Waiting)
    # Work in the background of which something broke off; the latest first.
    broken_acts: Sequence[BrokenAct] = ()
    # Hours whose roll-ups are not what their transactions come to, and when that was found.
    rollups_differ: int = 0
    rollups_differed_at: datetime | None = None
    # Figures beyond their thresholds; the oldest first.
    alerts: Sequence[Standing] = ()
    # When a worker was heard of last; never, where none ever was.
    worker_seen_at: datetime | None = None
    # What is out of order beside the payments: days that nobody signed, channels, reports, the record, keys.
    out_of_order: Sequence[OutOfOrder] = ()
    # Whose billers all this is of; nothing named: all.
    scope: tuple[str, ...] = ()

    @property
    def queued_long(self) -> int:
        return self.queued.older_than.get(LONG_QUEUED, 0)


# What the plan's five are counted over.
KPI_DAYS = 30

# A call that should have ended so long ago, and that no sweep has seen to: each second one goes by.
LEFT_BEHIND = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Kpis:
    """The plan's five, each with what it rests on. Empty where there is nothing to tell it from."""

    as_of: datetime
    # Over 95 %: of payments that ended, those that were paid and stayed so.
    success_rate: float | None
    ended: int
    # Under 3 s: of calls that pay.
    average_answer_ms: float | None
    calls: int
    # 100 %: of configurations that people saved and tested as they were saved, those whose latest test passed.
    changes: Changes
    # 0: what nobody saw to when it should have ended, and sums that were not what the rows come to when they were compared within a day.
    left_behind: int
    sums_differ: int
    verified_at: datetime | None
    # Under 5 s: from a change to the screen, as the browsers of this process measured it.
    live_p99_ms: float | None
    live_measured: int

    @property
    def changes_rate(self) -> float | None:
        return self.changes.passed / self.changes.tested if self.changes.tested else None

    @property
    def lost(self) -> int:
        return self.left_behind + self.sums_differ


# What the small bars beside the day's figures go back to.
HOURS_BACK, DAYS_BACK = 24, 30


@dataclass(frozen=True)
class SoFar:
    """What a stretch of days has come to. It is compared with the one before by the last whole hour of both, which sums can tell: of the hour that is not over
    all rows of the same hour before would have to be read."""

    # Its `before` ends with that hour.
    period: Period
    figures: Figures
    compared: Figures
    before: Figures


@dataclass(frozen=True)
class Overview:
    """The day's figures and the ones beside them, counted in one snapshot, and what needs somebody in it."""

    as_of: datetime
    # The hour that is not over began then: nothing is compared beyond it.
    hour: datetime
    seen: Attention
    # Today, this week, this month.
    so_far: Sequence[SoFar]
    # The chosen days and as many before them.
    chosen: SoFar
    times: AnswerTimesBy
    times_before: AnswerTimesBy
    by_hour: Figures
    by_day: Figures


@needs("statistics:read")
def totals(actor: Actor, /, wanted: TransactionFilter) -> Figures:
    """What the filter's rows come to: `rows`, `by_status`, `payments`, `value` and the rates."""
    with db.snapshot() as session:
        return Statistics(session).figures(narrowed(actor, wanted))


@needs("statistics:read")
def counted(actor: Actor, /, wanted: TransactionFilter) -> Counted:
    """How many rows a list has: exactly where it is known without counting them, else as far as it is worth counting."""
    with db.snapshot() as session:
        return Statistics(session).count(narrowed(actor, wanted))


@needs("statistics:read")
def over_time(actor: Actor, /, wanted: TransactionFilter, grain: Grain) -> Figures:
    """The same as `totals`, told apart by step of business time.

    Raises `BadInput` for quarters of an hour of more than three days.
    """
    refuse_too_fine(wanted, grain)
    with db.snapshot() as session:
        return Statistics(session).figures(narrowed(actor, wanted), grain, business_zone())


@needs("statistics:read")
def heat(actor: Actor, /, wanted: TransactionFilter) -> Mapping[tuple[int, int], Figures]:
    """By day of the week (Monday is 0) and hour of the business day; an hour in which nothing happened is not there."""
    with db.snapshot() as session:
        return Statistics(session).heat(narrowed(actor, wanted), business_zone())


@needs("statistics:read")
def answer_times(actor: Actor, /, wanted: TransactionFilter, grain: Grain | None = None) -> AnswerTimesBy:
    """How long billers took to answer the calls that paid these."""
    with db.snapshot() as session:
        return Statistics(session).answer_times(narrowed(actor, wanted), grain, business_zone())


@needs("statistics:read")
def failure_reasons(actor: Actor, /, wanted: TransactionFilter) -> Sequence[FailureReason]:
    """Why payments failed, the most frequent reason first."""
    with db.snapshot() as session:
        return Statistics(session).failure_reasons(narrowed(actor, wanted))


@needs("statistics:read")
def kpis(actor: Actor, /) -> Kpis:
    """The plan's five figures over the last 30 days, today included."""
    with db.snapshot() as session:
        found = Statistics(session)
        now = found.now()
        period = periods.last_days(KPI_DAYS, now, business_zone())
        wanted = narrowed(actor, of_days(period.first_day, period.last_day))
        figures, times, state = found.figures(wanted), found.answer_times(wanted).altogether, Rollups(session).state()
        heard = live.latency()
        return Kpis(
            as_of=now,
            success_rate=figures.success_rate,
            ended=figures.ended,
            average_answer_ms=times.average_ms if times else None,
            calls=times.calls if times else 0,
            changes=found.changes_of_configurations(clock.day_bounds(period.first_day, business_zone())[0], billers_of(actor)),
            left_behind=found.left_behind(LEFT_BEHIND, billers_of(actor)),
            sums_differ=_differ_lately(state, now),
            verified_at=state.verified_at,
            live_p99_ms=heard.p99_ms if heard else None,
            live_measured=heard.measured if heard else 0,
        )


@needs("statistics:read")
def attention(actor: Actor, /) -> Attention:
    """What needs somebody just now, and how each biller stands."""
    with db.unit_of_work() as session:
        return attention_in(session, actor, Statistics(session).now())


def attention_in(session: Session, by: Actor, now: datetime) -> Attention:
    """The same within somebody's unit of work."""
    found, still, billers = Statistics(session), StandingStill(session), billers_of(by)
    sums = Rollups(session).state()
    waiting = heaps.standing(session, LONG_QUEUED, (*DOUBT_AGES, LONG_QUEUED), billers)
    out_of_order = still.out_of_order(_days_over(now), core_banking.CODE, WORKER_SILENCE, billers)
    worker = next((one for one in out_of_order if one.kind is Kind.NO_WORKER), None)
    bank = next((one for one in out_of_order if one.kind is Kind.BANK_TROUBLE), None)
    return Attention(
        in_doubt=waiting[Heap.IN_DOUBT],
        under_review=waiting[Heap.UNDER_REVIEW],
        queued=waiting[Heap.QUEUED],
        breaks=waiting[Heap.BREAKS],
        bank_open=waiting[Heap.BANK_LEGS],
        broken_acts=still.broken_acts(billers),
        approvals=waiting[Heap.PROPOSALS],
        bank_trouble=(bank.told or "", bank.since) if bank and bank.since else None,
        jobs_enabled=settings().enable_background_jobs,
        worker_seen=worker is not None and worker.count > 0,
        worker_seen_at=worker.since if worker else None,
        billers=theirs(by, found.billers(), "code"),
        as_of=now,
        rollups_differ=_differ_lately(sums, now),
        rollups_differed_at=sums.differed_at,
        alerts=Alerts(session).standing(billers),
        out_of_order=[one for one in out_of_order if one not in (worker, bank)],
        scope=billers,
    )


def _days_over(now: datetime) -> list[Day]:
    """The business days before this one."""
    zone = business_zone()
    today = clock.business_day(now, zone)
    days = [today - timedelta(days=back) for back in range(1, DAYS_LOOKED_AT + 1)]
    return [Day(day, *clock.day_bounds(day, zone)) for day in days]


def _differ_lately(state: State, now: datetime) -> int:
    """Sums that were wrong are made anew at once; that they were is somebody's business for a day."""
    return state.differences if state.differed_at and now - state.differed_at < TOLD_FOR else 0


@needs("statistics:read")
def overview(actor: Actor, /, days: int) -> Overview:
    """How things go: so far today, this week and this month, and over the last `days` days, today included.

    What came before is told by the last whole hour, answer times too: of a part of an hour the rows would have to be read.
    """
    zone = business_zone()
    with db.snapshot() as session:
        found = Statistics(session)
        now = found.now()
        hour = periods.hour_of(now, zone)
        days_so_far = (periods.today(hour, zone), periods.this_week(hour, zone), periods.this_month(hour, zone))
        period = periods.last_days(days, hour, zone)
        back = periods.last_days(DAYS_BACK, now, zone)
        grain = Grain.HOUR if days == 1 else Grain.DAY
        hours_back = TransactionFilter(since=now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=HOURS_BACK - 1))
        first, last = min(one.first_day for one in (*days_so_far, period, back)), period.last_day
        befores = [Question(between(*one.before)) for one in (*days_so_far, period)]
        hours = [Question(hours_back, Grain.HOUR, zone), *([Question(of_days(last, last), Grain.HOUR, zone)] if grain is Grain.HOUR else [])]
        # Whatever goes by days is cut from the same days.
        asked = [Question(of_days(first, last), Grain.DAY, zone), *befores, *hours]
        by_days, *rest = found.figures_of([replace(one, wanted=narrowed(actor, one.wanted)) for one in asked])
        before, by_hour = rest[: len(befores)], rest[len(befores)]
        unfinished = by_hour.since(hour)

        def of(one: Period) -> Figures:
            return by_days.between(clock.day_bounds(one.first_day, zone)[0], clock.day_bounds(one.last_day, zone)[1])

        def so_far(one: Period, earlier: Figures, figures: Figures) -> SoFar:
            return SoFar(one, figures, figures.without(unfinished), earlier)

        return Overview(
            as_of=now,
            hour=hour,
            seen=attention_in(session, actor, now),
            so_far=[so_far(one, earlier, of(one)) for one, earlier in zip(days_so_far, before, strict=False)],
            chosen=so_far(period, before[-1], rest[-1] if grain is Grain.HOUR else of(period)),
            times=found.answer_times(narrowed(actor, of_days(period.first_day, period.last_day)), Grain.WEEK if days > DAYS_BY_DAY else grain, zone),
            times_before=found.answer_times(narrowed(actor, between(*period.before))),
            by_hour=by_hour,
            by_day=of(back),
        )


@needs("statistics:read")
def mark(actor: Actor, /) -> tuple[object, ...]:
    """Changes whenever a figure may have changed."""
    with db.glance() as session:
        return Statistics(session).mark()


@needs("statistics:read")
def biller_titles(actor: Actor, /) -> Mapping[str, str]:
    """Every biller by its code, in the order of their titles."""
    with db.unit_of_work() as session:
        return {state.code: state.title for state in theirs(actor, Statistics(session).billers(), "code")}


def business_zone() -> ZoneInfo:
    """Where a day begins and ends."""
    return ZoneInfo(settings().billers_timezone)


def refuse_too_fine(wanted: TransactionFilter, grain: Grain | None) -> None:
    """Raises `BadInput` for quarters of an hour of more days than can be told apart."""
    if grain is not Grain.QUARTER:
        return
    if not wanted.since or not wanted.until or wanted.until - wanted.since > timedelta(days=DAYS_IN_QUARTERS, hours=1):
        raise BadInput(f"Quarters of an hour are shown of {DAYS_IN_QUARTERS} days at most. Choose fewer days, or hours.")


def of_days(first: date, last: date) -> TransactionFilter:
    """Every transaction of these business days: what a list with the same two days shows."""
    zone = business_zone()
    return between(clock.day_bounds(first, zone)[0], clock.day_bounds(last, zone)[1])


def between(since: datetime, until: datetime) -> TransactionFilter:
    return TransactionFilter(since=since, until=until)
