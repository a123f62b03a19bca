"""Alarms by thresholds. A figure beyond its threshold raises an alert, once; it is cleared when the figure is well again, which is said by a line of its own.

Between the two lines nothing changes: a figure that trembles at one of them does not ring all day. What there is too little of says nothing, either way.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import func
from sqlalchemy.orm import Session

from core import db
from core.access import Actor, needs
from core.errors import BadInput, NotFound
from core.ids import new_id
from core.models import Alert, AlertThreshold
from core.models.alerts import ANY, Measure
from core.models.notifications import Happening
from core.repositories.alerts import Alerts
from core.repositories.billers import Billers
from core.repositories.filters import TransactionFilter
from core.repositories.statistics import Statistics
from core.security import audit
from core.services import outbox
from core.services.scope import billers_of

OWNERS = ("Administrator", "Manager", "Operator")

HISTORY = 50


@dataclass(frozen=True, slots=True)
class Watched:
    """A measure in words: what it is called, in which unit its thresholds are, and how what is seen is told."""

    title: str
    unit: str
    told: str
    # Smaller is worse.
    falls: bool = False
    # Over a window, and of no fewer than so many; else of what stands just now.
    counted: bool = False
    by_biller: bool = True


WATCHED: Mapping[Measure, Watched] = {
    Measure.SUCCESS_RATE: Watched("Success rate", "%", "{value} % of {count:,} payments that ended succeeded", falls=True, counted=True),
    Measure.ANSWER_P95: Watched("Answer time (p95)", "s", "one call in twenty, of {count:,}, took longer than {value} s", counted=True),
    Measure.DOUBT_AGE: Watched("Age in doubt", "min", "the oldest payment in doubt was submitted {value} minutes ago"),
    Measure.QUEUE_AGE: Watched("Age in the queue", "min", "the oldest payment that was not sent was submitted {value} minutes ago"),
    Measure.BREAKER_OPEN: Watched("Breaker open", "min", "nothing is sent for {value} minutes, because the biller does not answer as it should"),
    Measure.DEAD_JOBS: Watched("Jobs given up", "", "dead jobs, and notifications and reports given up within a day: {value}", by_biller=False),
}
WELL: Mapping[Measure, str] = {
    Measure.SUCCESS_RATE: "No payment ended lately.",
    Measure.ANSWER_P95: "No call was made lately.",
    Measure.DOUBT_AGE: "No payment is in doubt.",
    Measure.QUEUE_AGE: "No payment waits to be sent.",
    Measure.BREAKER_OPEN: "It is sent again.",
    Measure.DEAD_JOBS: "No job is dead, and nothing that was given up is less than a day old.",
}
NOT_WATCHED = "It is not watched any more."


@dataclass(frozen=True, slots=True)
class Seen:
    """What a measure comes to for a biller just now, and of how many; no value where there is nothing."""

    value: Decimal | None
    count: int = 1


@dataclass(frozen=True, slots=True)
class Change:
    """What an administrator says of a threshold."""

    raise_at: Decimal
    clear_at: Decimal
    window_hours: int
    least: int
    owner: str
    is_on: bool


# ---- Looking


def look() -> tuple[int, int]:
    """Raises and clears what is to be, and answers how many of each. Called by the worker in a round; of several workers one looks."""
    with db.unit_of_work() as session:
        found = Alerts(session)
        if not found.alone():
            return 0, 0
        thresholds = {(Measure(one.measure), one.biller_type): one for one in found.thresholds()}
        names = {state.code: state.title for state in Statistics(session).billers() if state.is_active}
        seen = _seen(session, thresholds, found.now())
        standing = {(Measure(one.measure), one.biller_type): one for one in found.open()}
        raised = cleared = 0
        for measure, watched in WATCHED.items():
            for biller in (*names, ANY) if watched.by_biller else (ANY,):
                if watched.by_biller and biller == ANY:
                    continue
                by, alert = thresholds.get((measure, biller)) or thresholds.get((measure, ANY)), standing.pop((measure, biller), None)
                if by is None or not by.is_on:
                    cleared += _clear(session, alert, names, NOT_WATCHED)
                    continue
                now = seen.get((measure, biller), Seen(None, 0))
                if alert is None and _is_beyond(watched, by, now):
                    _raise(session, measure, biller, by, now, names)
                    raised += 1
                elif alert is not None and _is_well(watched, by, now):
                    cleared += _clear(session, alert, names, _told(measure, now))
                elif alert is not None:
                    alert.now_told = _told(measure, now)
        # Of billers that were switched off.
        cleared += sum(_clear(session, alert, names, NOT_WATCHED) for alert in standing.values())
        return raised, cleared


def _seen(session: Session, thresholds: Mapping[tuple[Measure, str], AlertThreshold], now: datetime) -> dict[tuple[Measure, str], Seen]:
    """Everything there is to see. What is counted over a window comes from the sums, once for each window that somebody chose."""
    found, statistics = Alerts(session), Statistics(session)
    seen: dict[tuple[Measure, str], Seen] = {(Measure.DEAD_JOBS, ANY): Seen(Decimal(found.dead_jobs()))}
    for measure, oldest in ((Measure.DOUBT_AGE, found.oldest_in_doubt()), (Measure.QUEUE_AGE, found.oldest_queued())):
        seen |= {(measure, biller): Seen(_minutes(now - since)) for biller, since in oldest.items()}
    for biller, breaker in Billers(session).open_breakers().items():
        seen[Measure.BREAKER_OPEN, biller] = Seen(_minutes(now - breaker.opened_at))
    windows: dict[int, set[tuple[Measure, str]]] = {}
    for (measure, biller), by in thresholds.items():
        if WATCHED[measure].counted:
            windows.setdefault(by.window_hours, set()).add((measure, biller))
    for hours, wanted in windows.items():
        # Whole hours: those are added up already.
        lately = TransactionFilter(since=now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=hours))
        rates = {code: Seen(_rate(one.success_rate), one.ended) for code, one in statistics.figures(lately).by_biller().items() if one.ended}
        times = {code: Seen(_seconds(one.p95_ms), one.calls) for code, one in statistics.answer_times(lately).by_biller.items()}
        for measure, values in ((Measure.SUCCESS_RATE, rates), (Measure.ANSWER_P95, times)):
            for code, value in values.items():
                own = (measure, code)
                if own in wanted or (own not in thresholds and (measure, ANY) in wanted):
                    seen[own] = value
    return seen


def _is_beyond(watched: Watched, by: AlertThreshold, now: Seen) -> bool:
    if now.value is None or now.count < by.least:
        return False
    return now.value < by.raise_at if watched.falls else now.value >= by.raise_at


def _is_well(watched: Watched, by: AlertThreshold, now: Seen) -> bool:
    if now.value is None:
        return True
    if now.count < by.least:
        return False
    return now.value >= by.clear_at if watched.falls else now.value <= by.clear_at


def _raise(session: Session, measure: Measure, biller: str, by: AlertThreshold, now: Seen, names: Mapping[str, str]) -> None:
    line = f"{'below' if WATCHED[measure].falls else 'from'} {_plain(by.raise_at)} {WATCHED[measure].unit}".strip()
    told = _told(measure, now)
    made = Alert(id=new_id(), measure=measure.value, biller_type=biller, owner=by.owner, told=told, now_told=told)
    Alerts(session).add(made)
    said = f"{told} It is raised {line} on."
    _tell(session, Happening.ALERT_RAISED, made, said, names)


def _clear(session: Session, alert: Alert | None, names: Mapping[str, str], told: str) -> int:
    if alert is None:
        return 0
    alert.cleared_at, alert.cleared_told = func.clock_timestamp(), told
    session.flush()
    _tell(session, Happening.ALERT_CLEARED, alert, told, names)
    return 1


def _tell(session: Session, event: Happening, alert: Alert, said: str, names: Mapping[str, str]) -> None:
    biller = alert.biller_type or None
    facts = {"alert": WATCHED[Measure(alert.measure)].title, "reason": said, "owner": alert.owner, "biller": names.get(alert.biller_type) or biller}
    outbox.note(session, event, "alert", alert.id, facts, biller=biller)


def _told(measure: Measure, now: Seen) -> str:
    if now.value is None or (measure is Measure.DEAD_JOBS and not now.value):
        return WELL[measure]
    said = WATCHED[measure].told.format(value=_plain(now.value), count=now.count)
    return f"{said[0].upper()}{said[1:]}."


def _plain(value: Decimal) -> str:
    """Without the zeros behind the point."""
    text = f"{value:,.1f}"
    return text.removesuffix(".0")


def _minutes(age: timedelta) -> Decimal:
    return Decimal(max(0, int(age.total_seconds() // 60)))


def _rate(rate: float | None) -> Decimal | None:
    return None if rate is None else Decimal(str(round(rate * 100, 2)))


def _seconds(milliseconds: float) -> Decimal:
    return Decimal(str(round(milliseconds / 1000, 2)))


# ---- Asking


@needs("notifications:read")
def history(actor: Actor, /) -> Sequence[Alert]:
    """What was raised lately, and when it was cleared; the newest first."""
    with db.unit_of_work() as session:
        return Alerts(session).history(HISTORY, billers_of(actor))


@needs("notifications:read")
def thresholds(actor: Actor, /) -> Sequence[AlertThreshold]:
    """From where on what is raised."""
    with db.unit_of_work() as session:
        return [one for one in Alerts(session).thresholds() if not one.biller_type or actor.serves(one.biller_type)]


# ---- Changing


@needs("notifications:manage")
def change_threshold(actor: Actor, /, measure: Measure, biller: str, change: Change) -> None:
    """From now on it is raised and cleared by these; a biller may have its own. Raises `BadInput`."""
    watched = WATCHED[measure]
    _check(watched, change)
    with db.unit_of_work() as session:
        found = Alerts(session)
        if biller != ANY and (not watched.by_biller or biller not in Billers(session).names()):
            raise BadInput("There is no such biller. Choose one of the list.")
        held = found.held_threshold(measure.value, biller)
        before = _said(held) if held else None
        if held is None:
            held = AlertThreshold(measure=measure.value, biller_type=biller)
        held.raise_at, held.clear_at, held.window_hours, held.least = change.raise_at, change.clear_at, change.window_hours, change.least
        held.owner, held.is_on = change.owner, change.is_on
        after = _said(held)
        if after == before:
            return
        held.changed_at, held.changed_by = func.clock_timestamp(), actor.id
        found.add(held)
        audit.record(session, actor, "alert_threshold.changed", "alert_threshold", f"{measure}/{biller or 'all'}", before=before, after=after)


@needs("notifications:manage")
def remove_threshold(actor: Actor, /, measure: Measure, biller: str) -> None:
    """The biller goes by the threshold of all the others again. Raises `BadInput` for that one itself: it can be switched off."""
    if biller == ANY:
        raise BadInput("This one is for whichever biller has none of its own. Switch it off instead.")
    with db.unit_of_work() as session:
        found = Alerts(session)
        held = found.held_threshold(measure.value, biller)
        if held is None:
            raise NotFound("It was taken away meanwhile. Open Notifications again.")
        before = _said(held)
        found.take_away(held)
        audit.record(session, actor, "alert_threshold.removed", "alert_threshold", f"{measure}/{biller}", before=before)


def _check(watched: Watched, change: Change) -> None:
    if change.raise_at < 0 or change.clear_at < 0 or (watched.unit == "%" and max(change.raise_at, change.clear_at) > 100):
        raise BadInput("A threshold is zero or more, and a rate is 100 % at most.")
    if watched.falls and not change.raise_at < change.clear_at:
        raise BadInput("It is cleared above where it is raised: raise it below 90 %, for example, and clear it from 95 % on.")
    if not watched.falls and not change.raise_at > change.clear_at:
        raise BadInput("It is cleared below where it is raised: raise it from 10 on, for example, and clear it at 5.")
    if not 1 <= change.window_hours <= 168:
        raise BadInput("A window is 1 to 168 hours.")
    if change.least < 1:
        raise BadInput("Of at least one payment.")
    if change.owner not in OWNERS:
        raise BadInput("Choose whose it is: an administrator's, a manager's, or an operator's.")


def _said(one: AlertThreshold) -> dict[str, object]:
    return {
        "raise_at": f"{one.raise_at:.2f}",
        "clear_at": f"{one.clear_at:.2f}",
        "window_hours": one.window_hours,
        "least": one.least,
        "owner": one.owner,
        "is_on": one.is_on,
    }
