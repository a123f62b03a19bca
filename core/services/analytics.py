"""What the analytics page shows of a range, counted in one snapshot: its figures are of one moment, and so they add up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from core import db
from core.access import Actor, needs
from core.repositories.filters import TransactionFilter
from core.repositories.rollup_questions import Question
from core.repositories.statistics import AnswerTimesBy, FailureReason, Figures, Grain, Statistics
from core.services import periods
from core.services.scope import narrowed
from core.services.statistics import business_zone


@dataclass(frozen=True, slots=True)
class Analysis:
    """A range, by step of time where that is asked of it, and the one before it where they are compared."""

    now: Figures
    times: AnswerTimesBy
    reasons: Sequence[FailureReason]
    # By weekday (Monday is 0) and hour of the day; an hour of the week in which nothing happened is not there.
    heat: Mapping[tuple[int, int], Figures]
    before: Figures | None = None
    times_before: AnswerTimesBy | None = None


@dataclass(frozen=True, slots=True)
class Compared:
    """What a stretch of time came to, and what the one before it did."""

    now: Figures
    times: AnswerTimesBy
    before: Figures


@needs("statistics:read")
def compared(actor: Actor, /, wanted: TransactionFilter, before: TransactionFilter) -> Compared:
    """Both, without steps of time."""
    wanted, before = narrowed(actor, wanted), narrowed(actor, before)
    with db.snapshot() as session:
        found = Statistics(session)
        now, earlier = found.figures_of([Question(wanted), Question(before)])
        return Compared(now, found.answer_times(wanted), earlier)


@needs("statistics:read")
def analysis(actor: Actor, /, wanted: TransactionFilter, grain: Grain, before: TransactionFilter | None = None) -> Analysis:
    """What the filter's rows come to, in every way the page has; what `before` came to beside it, its answer times by its last whole hour."""
    zone, wanted, before = business_zone(), narrowed(actor, wanted), narrowed(actor, before) if before else None
    with db.snapshot() as session:
        found = Statistics(session)
        now, *earlier = found.figures_of([Question(one, grain, zone) for one in (wanted, before) if one])
        return Analysis(
            now=now,
            times=found.answer_times(wanted, grain, zone),
            reasons=found.failure_reasons(wanted),
            heat=found.heat(wanted, zone),
            before=earlier[0] if earlier else None,
            # Of a part of an hour the rows would have to be read, for percentiles of all the days before it.
            times_before=found.answer_times(replace(before, until=before.until and periods.hour_of(before.until, zone))) if before else None,
        )
