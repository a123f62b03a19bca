"""Figures as people read them: what a filter comes to. Every number on a page comes from here, so that tile, list, chart and file agree."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from core import db
from core.access import Actor, needs
from core.repositories.filters import TransactionFilter
from core.repositories.statistics import AnswerTimesBy, BillerState, FailureReason, Figures, Grain, Statistics, Waiting
from core.repositories.transactions import Transactions
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

    @property
    def queued_long(self) -> int:
        return self.queued.older_than.get(LONG_QUEUED, 0)


@needs("statistics:read")
def totals(actor: Actor, /, wanted: TransactionFilter) -> Figures:
    """What the filter's rows come to: `rows`, `by_status`, `payments`, `value` and the rates."""
    with db.unit_of_work() as session:
        return Statistics(session).figures(wanted)


@needs("statistics:read")
def over_time(actor: Actor, /, wanted: TransactionFilter, grain: Grain) -> Figures:
    """The same, told apart by step of business time."""
    with db.unit_of_work() as session:
        return Statistics(session).figures(wanted, grain, _zone())


@needs("statistics:read")
def answer_times(actor: Actor, /, wanted: TransactionFilter, grain: Grain | None = None) -> AnswerTimesBy:
    """How long billers took to answer the calls that paid these."""
    with db.unit_of_work() as session:
        return Statistics(session).answer_times(wanted, grain, _zone())


@needs("statistics:read")
def failure_reasons(actor: Actor, /, wanted: TransactionFilter) -> Sequence[FailureReason]:
    """Why payments failed, the most frequent reason first."""
    with db.unit_of_work() as session:
        return Statistics(session).failure_reasons(wanted)


@needs("statistics:read")
def attention(actor: Actor, /) -> Attention:
    """What needs somebody just now, and how each biller stands."""
    with db.unit_of_work() as session:
        found = Statistics(session)
        return Attention(
            in_doubt=found.in_doubt(under_review=False, ages=DOUBT_AGES),
            under_review=found.in_doubt(under_review=True, ages=DOUBT_AGES),
            queued=found.queued((LONG_QUEUED,)),
            jobs_enabled=settings().enable_background_jobs,
            worker_seen=Transactions(session).worker_seen_within(WORKER_SILENCE),
            billers=found.billers(),
            as_of=found.now(),
        )


@needs("statistics:read")
def mark(actor: Actor, /) -> tuple[object, ...]:
    """Changes whenever a figure may have changed."""
    with db.unit_of_work() as session:
        return Statistics(session).mark()


@needs("statistics:read")
def biller_labels(actor: Actor, /) -> Mapping[str, str]:
    """Every biller by its code, in the order of their names; of a company with two kinds of bills the name says which."""
    with db.unit_of_work() as session:
        return {state.code: state.label for state in Statistics(session).billers()}


def _zone() -> ZoneInfo:
    return ZoneInfo(settings().billers_timezone)
