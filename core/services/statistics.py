"""Figures as people read them: what a filter comes to. Every number on a page comes from here, so that tile, list, chart and file agree."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from core import clock, db
from core.access import Actor, needs
from core.repositories.attention import BrokenAct, StandingStill
from core.repositories.billers import Billers
from core.repositories.filters import TransactionFilter
from core.repositories.proposals import Proposals
from core.repositories.statistics import AnswerTimesBy, BillerState, FailureReason, Figures, Grain, Statistics, Waiting
from core.repositories.transactions import Transactions
from core.services import core_banking, periods
from core.services.periods import Period
from core.services.transactions import WORKER_SILENCE
from core.settings import settings

# The plan's targets.
TARGET_SUCCESS_RATE = 0.95
TARGET_ANSWER_SECONDS = 3

# Ages at which a payment in doubt is somebody's business: a biller's own time limit, an hour, a day.
DOUBT_AGES = (timedelta(minutes=5), timedelta(hours=1), timedelta(days=1))

# A payment that waits longer than this for its turn is not just waiting for its turn.
LONG_QUEUED = timedelta(minutes=2)


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
    # Hours whose roll-ups are not what their transactions come to.
    rollups_differ: int = 0

    @property
    def queued_long(self) -> int:
        return self.queued.older_than.get(LONG_QUEUED, 0)


# What the small bars beside the day's figures go back to.
HOURS_BACK, DAYS_BACK = 24, 30


@dataclass(frozen=True)
class Overview:
    """The day's figures and the ones beside them, counted in one snapshot, and what needs somebody in it."""

    as_of: datetime
    seen: Attention
    # Today, this week, this month: each with what the one before came to by the same hour.
    so_far: Sequence[tuple[Period, Figures, Figures]]
    # The chosen days and as many before them.
    period: Period
    chosen: Figures
    before: Figures
    times: AnswerTimesBy
    times_before: AnswerTimesBy
    by_hour: Figures
    by_day: Figures


@needs("statistics:read")
def totals(actor: Actor, /, wanted: TransactionFilter) -> Figures:
    """What the filter's rows come to: `rows`, `by_status`, `payments`, `value` and the rates."""
    with db.unit_of_work() as session:
        return Statistics(session).figures(wanted)


@needs("statistics:read")
def over_time(actor: Actor, /, wanted: TransactionFilter, grain: Grain) -> Figures:
    """The same, told apart by step of business time."""
    with db.unit_of_work() as session:
        return Statistics(session).figures(wanted, grain, business_zone())


@needs("statistics:read")
def answer_times(actor: Actor, /, wanted: TransactionFilter, grain: Grain | None = None) -> AnswerTimesBy:
    """How long billers took to answer the calls that paid these."""
    with db.unit_of_work() as session:
        return Statistics(session).answer_times(wanted, grain, business_zone())


@needs("statistics:read")
def failure_reasons(actor: Actor, /, wanted: TransactionFilter) -> Sequence[FailureReason]:
    """Why payments failed, the most frequent reason first."""
    with db.unit_of_work() as session:
        return Statistics(session).failure_reasons(wanted)


@needs("statistics:read")
def attention(actor: Actor, /) -> Attention:
    """What needs somebody just now, and how each biller stands."""
    with db.unit_of_work() as session:
        return _attention(session)


def _attention(session: Session) -> Attention:
    found, still = Statistics(session), StandingStill(session)
    return Attention(
        in_doubt=found.in_doubt(under_review=False, ages=DOUBT_AGES),
        under_review=found.in_doubt(under_review=True, ages=DOUBT_AGES),
        queued=found.queued((LONG_QUEUED,)),
        breaks=found.breaks(),
        bank_open=still.bank_legs_open(LONG_QUEUED),
        broken_acts=still.broken_acts(),
        approvals=Proposals(session).backlog(),
        bank_trouble=(bank.reason, bank.opened_at) if (bank := Billers(session).open_breakers().get(core_banking.CODE)) else None,
        jobs_enabled=settings().enable_background_jobs,
        worker_seen=Transactions(session).worker_seen_within(WORKER_SILENCE),
        billers=found.billers(),
        as_of=found.now(),
    )


@needs("statistics:read")
def overview(actor: Actor, /, days: int) -> Overview:
    """How things go: so far today, this week and this month, and over the last `days` days, today included."""
    zone = business_zone()
    with db.unit_of_work() as session:
        # A payment that settles between two of these questions would be counted in both of its states.
        session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        found = Statistics(session)
        now = found.now()
        so_far = (periods.today(now, zone), periods.this_week(now, zone), periods.this_month(now, zone))
        period = periods.last_days(days, now, zone)
        back = periods.last_days(DAYS_BACK, now, zone)
        grain = Grain.HOUR if days == 1 else Grain.DAY
        return Overview(
            as_of=now,
            seen=_attention(session),
            so_far=[(one, found.figures(of_days(one.first_day, one.last_day)), found.figures(between(*one.before))) for one in so_far],
            period=period,
            chosen=found.figures(of_days(period.first_day, period.last_day), grain, zone),
            before=found.figures(between(*period.before)),
            times=found.answer_times(of_days(period.first_day, period.last_day), grain, zone),
            times_before=found.answer_times(between(*period.before)),
            by_hour=found.figures(TransactionFilter(since=now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=HOURS_BACK - 1)), Grain.HOUR, zone),
            by_day=found.figures(of_days(back.first_day, back.last_day), Grain.DAY, zone),
        )


@needs("statistics:read")
def mark(actor: Actor, /) -> tuple[object, ...]:
    """Changes whenever a figure may have changed."""
    with db.unit_of_work() as session:
        return Statistics(session).mark()


@needs("statistics:read")
def biller_titles(actor: Actor, /) -> Mapping[str, str]:
    """Every biller by its code, in the order of their titles."""
    with db.unit_of_work() as session:
        return {state.code: state.title for state in Statistics(session).billers()}


def business_zone() -> ZoneInfo:
    """Where a day begins and ends."""
    return ZoneInfo(settings().billers_timezone)


def of_days(first: date, last: date) -> TransactionFilter:
    """Every transaction of these business days: what a list with the same two days shows."""
    zone = business_zone()
    return between(clock.day_bounds(first, zone)[0], clock.day_bounds(last, zone)[1])


def between(since: datetime, until: datetime) -> TransactionFilter:
    return TransactionFilter(since=since, until=until)
