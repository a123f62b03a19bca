"""Reports of business days, weeks and months: made when somebody asks and by the clock, kept as they were made, and never made anew.

A report is counted in one snapshot by the same questions that the pages ask. What is kept of it is the report as one value; every file is drawn from that.
"""

import hashlib
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import func
from sqlalchemy.orm import Session

from core import clock, db
from core.access import SYSTEM, Actor, needs
from core.documents import report_words
from core.documents.report import BillerPart, DoubtPart, FailurePart, Report, StepPart, Tally, from_json, tally_from_json, to_json
from core.errors import BadInput, BillersError, NotAllowed, NotFound, NotLegalNow
from core.ids import incident_id, new_id
from core.models import KeptReport, ReportSchedule
from core.models.notifications import Happening
from core.models.reports import ReportFormat, ReportKind
from core.repositories.reports import Listed, Reports
from core.repositories.rollup_questions import Question
from core.repositories.statistics import AnswerTimes, Figures, Grain, Statistics
from core.security import audit
from core.services import outbox, periods
from core.services.periods import Period
from core.services.scope import narrowed, theirs
from core.services.statistics import TARGET_ANSWER_SECONDS, TARGET_SUCCESS_RATE, between, business_zone, of_days
from core.settings import settings
from core.states import Status

log = structlog.get_logger(__name__)

GRAINS: Mapping[ReportKind, Grain] = {ReportKind.DAILY: Grain.DAY, ReportKind.WEEKLY: Grain.WEEK, ReportKind.MONTHLY: Grain.MONTH}

# How a period's course is told.
STEPS: Mapping[ReportKind, Grain] = {ReportKind.DAILY: Grain.HOUR, ReportKind.WEEKLY: Grain.DAY, ReportKind.MONTHLY: Grain.DAY}

# How an address calls a period.
_WRITTEN: Mapping[ReportKind, tuple[re.Pattern[str], str]] = {
    ReportKind.DAILY: (re.compile(r"(\d{4})-(\d\d)-(\d\d)", re.ASCII), "2026-11-24"),
    ReportKind.WEEKLY: (re.compile(r"(\d{4})-W(\d\d)", re.ASCII), "2026-W47"),
    ReportKind.MONTHLY: (re.compile(r"(\d{4})-(\d\d)", re.ASCII), "2026-11"),
}

# Outside these, the bounds of a business day cannot be told in UTC.
FIRST_YEAR, LAST_YEAR = 2000, 2200

# Payments in doubt that a report names; their number is told however many there are.
MOST_OPEN = 100

# A period that is not over changes by the minute: whoever takes it in three formats within one gets one report.
FRESH = timedelta(minutes=1)

# When nobody was at work at the hour, this many of the latest periods are made afterwards; what is older can be asked for.
LATE_AT_MOST: Mapping[ReportKind, int] = {ReportKind.DAILY: 7, ReportKind.WEEKLY: 4, ReportKind.MONTHLY: 3}

# How long a report that could not be made waits for its next try; the last one again and again.
WAITS = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15), timedelta(hours=1), timedelta(hours=6))

# Reports of one round: each takes a second or so.
HANDFUL = 2

# Rows of the list that are shown at once.
MOST_LISTED = 200


@dataclass(frozen=True, slots=True)
class Made:
    """A file as it is handed out."""

    content: bytes
    name: str
    format: ReportFormat
    as_of: datetime


@dataclass(frozen=True, slots=True)
class Change:
    """How many more there are now of each than the report says, and how much more was paid; less is negative."""

    payments: int
    completed: int
    failed: int
    reversed: int
    in_doubt: int
    value: Decimal


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a kind is made by itself. `next_at` is None while it is off."""

    kind: ReportKind
    is_on: bool
    hour: int
    formats: tuple[ReportFormat, ...]
    next_at: datetime | None
    changed_at: datetime | None
    changed_by: str | None


# ---- Making


def _count(actor: Actor, kind: ReportKind, first_day: date) -> Report:
    """The report as the database is at one moment, of this person's billers. Raises `NotLegalNow` for a period that has not begun."""
    zone = business_zone()
    with db.unit_of_work() as session:
        reports, statistics = Reports(session), Statistics(session)
        reports.hold_still()
        now = statistics.now()
        period = periods.whole(GRAINS[kind], first_day, now, zone)
        if period.first_day > clock.business_day(now, zone):
            raise NotLegalNow("This period has not begun, so there is nothing to report. Choose an earlier one.")
        wanted, earlier = narrowed(actor, of_days(period.first_day, period.last_day)), narrowed(actor, between(*period.before))
        titles = {state.code: state.title for state in theirs(actor, statistics.billers(), "code")}
        figures, before = statistics.figures_of([Question(wanted, STEPS[kind], zone), Question(earlier)])
        times, times_before = statistics.answer_times(wanted, STEPS[kind], zone), statistics.answer_times(earlier)
        by_step, apart, apart_before = figures.by_step(), figures.by_biller(), before.by_biller()
        codes = sorted({*apart, *apart_before}, key=lambda code: (-apart.get(code, _NOTHING).payments, titles.get(code, code)))
        starts = [start for start in periods.steps(period.first_day, period.last_day, STEPS[kind], zone) if start <= now]
        return Report(
            kind=kind,
            first_day=period.first_day,
            last_day=period.last_day,
            is_over=_is_over(kind, period, now, zone),
            before=period.before,
            as_of=now,
            zone=zone.key,
            bank=settings().billers_bank_name,
            target_rate=TARGET_SUCCESS_RATE,
            target_seconds=TARGET_ANSWER_SECONDS,
            altogether=_tally(figures, times.altogether),
            altogether_before=_tally(before, times_before.altogether),
            billers=tuple(
                BillerPart(
                    code,
                    titles.get(code, code),
                    _tally(apart.get(code, _NOTHING), times.by_biller.get(code)),
                    _tally(apart_before.get(code, _NOTHING), times_before.by_biller.get(code)),
                )
                for code in codes
            ),
            course=tuple(StepPart(start, _tally(by_step.get(start, _NOTHING), times.by_step.get(start))) for start in starts),
            failures=tuple(
                FailurePart(one.biller, titles.get(one.biller, one.biller), one.code or "", one.message or "", one.count)
                for one in statistics.failure_reasons(wanted)
            ),
            in_doubt=tuple(
                DoubtPart(one.reference, one.biller, titles.get(one.biller, one.biller), one.submitted_at, one.amount, one.currency, one.under_review)
                for one in reports.still_open(replace(wanted, in_doubt=True), MOST_OPEN)
            ),
            only=() if actor.billers is None else tuple(titles.values()),
        )


_NOTHING = Figures([])


def _tally(figures: Figures, times: AnswerTimes | None) -> Tally:
    by_status = figures.payments_by_status
    return Tally(
        payments=figures.payments,
        completed=figures.completed,
        failed=by_status.get(Status.FAILED, 0),
        reversed=by_status.get(Status.REVERSED, 0),
        cancelled=by_status.get(Status.CANCELLED, 0),
        in_doubt=figures.in_doubt,
        not_sent=by_status.get(Status.PENDING, 0),
        ended=figures.ended,
        success_rate=figures.success_rate,
        values=dict(sorted(figures.values.items())),
        lookups=figures.lookups,
        calls=times.calls if times else 0,
        average_ms=times.average_ms if times else None,
        median_ms=times.median_ms if times else None,
        p95_ms=times.p95_ms if times else None,
    )


def _is_over(kind: ReportKind, period: Period, now: datetime, zone: ZoneInfo) -> bool:
    return _end(kind, period.first_day, zone) <= now


def _end(kind: ReportKind, first_day: date, zone: ZoneInfo) -> datetime:
    """The first moment after the period."""
    return clock.day_bounds(_days(kind, first_day, zone)[1], zone)[1]


def _days(kind: ReportKind, day: date, zone: ZoneInfo) -> tuple[date, date]:
    """First and last day of the whole period that this day lies in."""
    long_after = clock.day_bounds(day + timedelta(days=40), zone)[1]
    whole = periods.whole(GRAINS[kind], day, long_after, zone)
    return whole.first_day, whole.last_day


def _draw(report: Report, form: ReportFormat) -> bytes:
    # Here and not above: a worker starts in a moment, and seldom draws anything.
    from core.documents.report_csv import write_csv
    from core.documents.report_pdf import draw_pdf
    from core.documents.report_xlsx import write_xlsx

    writers: Mapping[ReportFormat, Callable[[Report], bytes]] = {ReportFormat.PDF: draw_pdf, ReportFormat.XLSX: write_xlsx, ReportFormat.CSV: write_csv}
    return writers[form](report)


# ---- On demand


@needs("reports:read")
def read(actor: Actor, /, kind: ReportKind, name: str) -> Report:
    """The report of a period as it would be made now; nothing is kept. `name` as in an address: `2026-11-24`, `2026-W47`, `2026-11`.

    Raises `BadInput` for what is no period, `NotLegalNow` for one that has not begun.
    """
    return _count(actor, kind, first_day_of(kind, name))


@needs("reports:read")
def take(actor: Actor, /, kind: ReportKind, name: str, form: ReportFormat) -> Made:
    """The report of a period as a file: the last one made, as long as it still says what is known, else a new one, which is kept beside the others.

    What is kept is of all billers: somebody who sees some gets theirs drawn each time, and nothing of it is kept but that it was taken.
    Raises `BadInput` for what is no period, `NotLegalNow` for one that has not begun.
    """
    if actor.id is None:
        raise NotAllowed("A report is asked for by a person; those made by themselves have their schedule.")
    report = _count(actor, kind, first_day_of(kind, name))
    with db.unit_of_work() as session:
        if actor.billers is not None:
            return _part_of(session, actor, report, form)
        last = Reports(session).last_of(kind, report.first_day)
        kept = last if last is not None and _still_holds(last, report) else _keep_new(session, actor, report)
        return _hand_out(session, actor, kept, form)


@needs("reports:read")
def take_kept(actor: Actor, /, report_id: uuid.UUID, form: ReportFormat) -> Made:
    """A report as it was made, whatever has come of its payments since. Raises `NotFound`, and for somebody who sees some billers only there is none."""
    with db.unit_of_work() as session:
        kept = Reports(session).with_id(report_id) if actor.billers is None else None
        if kept is None or kept.made_at is None:
            raise NotFound("There is no such report. Open Reports, and take it from the list.")
        return _hand_out(session, actor, kept, form)


def first_day_of(kind: ReportKind, name: str) -> date:
    """Raises `BadInput` with how such a period is written."""
    pattern, example = _WRITTEN[kind]
    found = pattern.fullmatch(name)
    try:
        if found is None:
            raise ValueError(name)
        year, *rest = (int(part) for part in found.groups())
        match kind:
            case ReportKind.DAILY:
                day = date(year, rest[0], rest[1])
            case ReportKind.WEEKLY:
                day = date.fromisocalendar(year, rest[0], 1)
            case ReportKind.MONTHLY:
                day = date(year, rest[0], 1)
    except ValueError:
        raise BadInput(f"The period of a {kind} report is written like {example}.") from None
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise BadInput(f"Choose a period between {FIRST_YEAR} and {LAST_YEAR}.")
    return day


def _still_holds(kept: KeptReport, now: Report) -> bool:
    """Whether the kept one says what a new one would say."""
    then = from_json(kept.figures or {})
    if not now.is_over:
        return now.as_of - then.as_of < FRESH
    return replace(then, as_of=now.as_of) == now


def _keep_new(session: Session, actor: Actor, report: Report) -> KeptReport:
    kept = KeptReport(
        id=new_id(),
        kind=report.kind.value,
        first_day=report.first_day,
        last_day=report.last_day,
        formats=[form.value for form in ReportFormat],
        made_by=actor.id,
        made_at=func.clock_timestamp(),
        next_try_at=None,
        **_said(report),
    )
    Reports(session).add(kept)
    _record_making(session, actor, kept.id, report)
    return kept


def _said(report: Report) -> dict[str, object]:
    return {"as_of": report.as_of, "rows": report.rows, "figures": to_json(report)}


def _record_making(session: Session, actor: Actor, report_id: uuid.UUID, report: Report) -> None:
    period = report_words.period_name(report.kind, report.first_day)
    facts = {"rows": report.rows, "value": report.altogether.values, "as_of": report.as_of}
    audit.record(session, actor, "report.made", "report", report_id, kind=report.kind.value, period=period, **facts)
    said = {"report": f"{report.kind.value.title()} report {period}", "reason": f"{report.rows:,} transactions were counted."}
    outbox.note(session, Happening.REPORT_MADE, "report", report_id, said)


def _hand_out(session: Session, actor: Actor, kept: KeptReport, form: ReportFormat) -> Made:
    """The bytes that were kept, or those that are drawn now of the kept figures. Each is written down."""
    reports, report = Reports(session), from_json(kept.figures or {})
    content = reports.file(kept.id, form)
    if content is None:
        content = _draw(report, form)
        reports.keep_file(kept.id, form, content)
    return _taken(session, actor, kept.id, report, form, content)


def _part_of(session: Session, actor: Actor, report: Report, form: ReportFormat) -> Made:
    """The report of somebody's billers, which is nobody else's."""
    return _taken(session, actor, new_id(), report, form, _draw(report, form), billers=sorted(actor.billers or ()))


def _taken(session: Session, actor: Actor, report_id: uuid.UUID, report: Report, form: ReportFormat, content: bytes, **more: object) -> Made:
    period = report_words.period_name(report.kind, report.first_day)
    facts = {"kind": report.kind.value, "period": period, "as_of": report.as_of, "format": form.value, **more}
    audit.record(session, actor, "report.taken", "report", report_id, **facts, size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
    return Made(content, f"report-{report.kind}-{period}.{form}", form, report.as_of)


# ---- Looking on


@needs("reports:read")
def latest(actor: Actor, /, most: int, kind: ReportKind | None = None) -> Sequence[Listed]:
    """What was made and what is owed, newest first; one more than `most` where there are more. All of it is of all billers together."""
    if actor.billers is not None:
        return []
    with db.unit_of_work() as session:
        return Reports(session).latest(min(most, MOST_LISTED), kind)


@needs("reports:read")
def changes_since(actor: Actor, /, listed: Sequence[Listed]) -> Mapping[uuid.UUID, Change]:
    """For those of these reports whose figures would be others by now: what differs. Asked for all of them in one statement."""
    made = [(one, one.altogether) for one in listed if one.altogether is not None]
    with db.unit_of_work() as session:
        found = Statistics(session).figures_of([Question(narrowed(actor, of_days(one.first_day, one.last_day))) for one, _ in made])
    tallies = [(one.id, tally_from_json(then), _tally(figures, None)) for (one, then), figures in zip(made, found, strict=True)]
    return {report: _change(then, now) for report, then, now in tallies if _counted(then) != _counted(now)}


def _counted(tally: Tally) -> Tally:
    """Without the times: a payment that settles by being asked about adds none."""
    return replace(tally, calls=0, average_ms=None, median_ms=None, p95_ms=None)


def _change(then: Tally, now: Tally) -> Change:
    return Change(
        payments=now.payments - then.payments,
        completed=now.completed - then.completed,
        failed=now.failed - then.failed,
        reversed=now.reversed - then.reversed,
        in_doubt=now.in_doubt - then.in_doubt,
        value=report_words.value(now) - report_words.value(then),
    )


# ---- By schedule


@needs("reports:read")
def schedules(actor: Actor, /) -> Sequence[Schedule]:
    """When each kind is made by itself."""
    zone = business_zone()
    with db.unit_of_work() as session:
        reports, now = Reports(session), Statistics(session).now()
        found = reports.schedules()
        names = reports.names([one.changed_by for one in found])
        return [_shown(one, names, now, zone) for one in found]


def _shown(one: ReportSchedule, names: Mapping[uuid.UUID, str], now: datetime, zone: ZoneInfo) -> Schedule:
    kind = ReportKind(one.kind)
    return Schedule(
        kind=kind,
        is_on=one.is_on,
        hour=one.hour,
        formats=tuple(map(ReportFormat, one.formats)),
        next_at=_next_due(kind, one.hour, now, zone) if one.is_on else None,
        changed_at=one.changed_at,
        changed_by=names.get(one.changed_by) if one.changed_by else None,
    )


@needs("reports:schedule")
def change_schedule(actor: Actor, /, kind: ReportKind, *, is_on: bool, hour: int, formats: Sequence[ReportFormat]) -> None:
    """From now on. What was due while it was off is not made afterwards. Raises `BadInput`."""
    if not 0 <= hour <= 23:
        raise BadInput("Choose an hour of the day, from 0 to 23.")
    if not formats:
        raise BadInput("Choose at least one format, or switch the report off.")
    chosen = [form.value for form in ReportFormat if form in formats]
    with db.unit_of_work() as session:
        schedule = Reports(session).held_schedule(kind)
        before, after = (schedule.is_on, schedule.hour, schedule.formats), (is_on, hour, chosen)
        if before == after:
            return
        if is_on and not schedule.is_on:
            schedule.since = Statistics(session).now()
        schedule.is_on, schedule.hour, schedule.formats = after
        schedule.changed_at, schedule.changed_by = func.clock_timestamp(), actor.id
        told = [{"is_on": one[0], "hour": one[1], "formats": one[2]} for one in (before, after)]
        audit.record(session, actor, "report_schedule.changed", "report_schedule", kind.value, before=told[0], after=told[1])


def is_due(at: datetime | None = None) -> bool:
    """Notes what the schedules owe at this moment, the database's unless told, and answers whether something is owed that nobody else is making."""
    with db.unit_of_work() as session:
        _note_due(session, at or Statistics(session).now())
        return Reports(session).next_owed() is not None


def make_due(at: datetime | None = None) -> int:
    """Makes what is due, a handful at most, and answers how many it took up.

    Any number of programs may do so at once: each period is owed once, and held while it is made. One that is killed lets go of it.
    """
    taken = 0
    if is_due(at):
        while taken < HANDFUL and _make_next():
            taken += 1
    return taken


def _note_due(session: Session, now: datetime) -> None:
    reports, zone = Reports(session), business_zone()
    on = [schedule for schedule in reports.schedules() if schedule.is_on]
    first = reports.first_transaction_at() if on else None
    if first is None:
        return
    for schedule in on:
        kind = ReportKind(schedule.kind)
        owed = [days for days in _due(kind, schedule.hour, now, zone) if _is_owed(kind, schedule, days, first, zone)]
        known = reports.scheduled(kind, [days[0] for days in owed])
        for first_day, last_day in owed:
            if first_day not in known:
                reports.owe(kind, first_day, last_day, schedule.formats)


def _due(kind: ReportKind, hour: int, now: datetime, zone: ZoneInfo) -> list[tuple[date, date]]:
    """The latest periods whose hour has come, the oldest first."""
    found: list[tuple[date, date]] = []
    first, _ = _days(kind, clock.business_day(now, zone), zone)
    while len(found) < LATE_AT_MOST[kind]:
        first, last = _days(kind, first - timedelta(days=1), zone)
        if _due_at(last, hour, zone) <= now:
            found.append((first, last))
    return found[::-1]


def _is_owed(kind: ReportKind, schedule: ReportSchedule, days: tuple[date, date], first: datetime, zone: ZoneInfo) -> bool:
    """Not what was due before it was switched on, and not of a time before there was anything."""
    first_day, last_day = days
    return first < _end(kind, first_day, zone) and (schedule.since is None or _due_at(last_day, schedule.hour, zone) > schedule.since)


def _due_at(last_day: date, hour: int, zone: ZoneInfo) -> datetime:
    """The hour on the clock on the wall, of the day after the period."""
    return datetime.combine(last_day + timedelta(days=1), time(hour), zone).astimezone(UTC)


def _next_due(kind: ReportKind, hour: int, now: datetime, zone: ZoneInfo) -> datetime:
    """Today's hour may still come, for the period before this one."""
    first, last = _days(kind, clock.business_day(now, zone), zone)
    earlier = _due_at(first - timedelta(days=1), hour, zone)
    return earlier if earlier > now else _due_at(last, hour, zone)


def _make_next() -> bool:
    """One that is owed: its lock lies in this unit of work, its figures are counted in one of their own."""
    with db.unit_of_work() as session:
        owed = Reports(session).next_owed()
        if owed is None:
            return False
        try:
            report = _count(SYSTEM, ReportKind(owed.kind), owed.first_day)
            files = {form: _draw(report, form) for form in map(ReportFormat, owed.formats)}
        except Exception as error:  # noqa: BLE001 - whatever it is, the next one can be made, and this one is tried again
            _put_off(session, owed, error)
            return True
        owed.as_of, owed.rows, owed.figures = report.as_of, report.rows, to_json(report)
        owed.made_at, owed.next_try_at, owed.told = func.clock_timestamp(), None, None
        owed.tries += 1
        for form, content in files.items():
            Reports(session).keep_file(owed.id, form, content)
        _record_making(session, SYSTEM, owed.id, report)
    return True


def _put_off(session: Session, owed: KeptReport, error: Exception) -> None:
    wait = WAITS[min(owed.tries, len(WAITS) - 1)]
    owed.tries += 1
    owed.next_try_at = func.clock_timestamp() + wait
    if isinstance(error, BillersError):
        owed.told = error.sentence
    else:
        incident = incident_id()
        owed.told = f"It could not be made. It is tried again by itself; if it stays so, tell an administrator: incident {incident}."
        log.error("report.failed", incident=incident, report=str(owed.id), error=type(error).__name__, detail=str(error)[:200])
    if owed.tries == 1:
        kind = ReportKind(owed.kind)
        said = {"report": f"{kind.value.title()} report {report_words.period_name(kind, owed.first_day)}", "reason": owed.told}
        outbox.note(session, Happening.REPORT_FAILED, "report", owed.id, said)
