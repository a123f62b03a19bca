"""Which stretch of business time, and the one before it that is as long and ends at the same hour. Days are days in the bank's zone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from core import clock
from core.repositories.statistics import Grain
from core.repositories.steps import first_day_of

DAY = timedelta(days=1)

# Steps that are shorter than a day, and how long they are.
WITHIN_A_DAY = {Grain.QUARTER: timedelta(minutes=15), Grain.HOUR: timedelta(hours=1)}


@dataclass(frozen=True, slots=True)
class Period:
    """Business days, both included. `before` is what it is compared with: the same length, and where this one is not over yet, up to the same hour."""

    first_day: date
    last_day: date
    # A half-open interval in UTC.
    before: tuple[datetime, datetime]

    @property
    def days(self) -> int:
        return (self.last_day - self.first_day).days + 1


def between(first: date, last: date, now: datetime, zone: ZoneInfo) -> Period:
    """These days, against as many before them."""
    days = (last - first).days + 1
    return Period(first, last, (_start(first - days * DAY, zone), _earlier(_end(last, now, zone), days, zone)))


def last_days(days: int, now: datetime, zone: ZoneInfo) -> Period:
    """So many days, today being the last."""
    today = clock.business_day(now, zone)
    return between(today - (days - 1) * DAY, today, now, zone)


def today(now: datetime, zone: ZoneInfo) -> Period:
    return last_days(1, now, zone)


def this_week(now: datetime, zone: ZoneInfo) -> Period:
    """From Monday, against last week up to the same day and hour."""
    today = clock.business_day(now, zone)
    monday = first_day_of(Grain.WEEK, today)
    return Period(monday, today, (_start(monday - 7 * DAY, zone), _earlier(now, 7, zone)))


def this_month(now: datetime, zone: ZoneInfo) -> Period:
    """From the first, against last month up to the same day and hour: the whole of it where it was shorter."""
    today = clock.business_day(now, zone)
    first = today.replace(day=1)
    first_before = (first - DAY).replace(day=1)
    until = _earlier(now, (first - first_before).days, zone)
    return Period(first, today, (_start(first_before, zone), min(until, _start(first, zone))))


def hour_of(moment: datetime, zone: ZoneInfo) -> datetime:
    """When the hour on the clock on the wall began that this moment lies in."""
    return moment.astimezone(zone).replace(minute=0, second=0, microsecond=0).astimezone(UTC)


def whole(grain: Grain, day: date, now: datetime, zone: ZoneInfo) -> Period:
    """The day, week or month this day lies in, as far as it has come, against the one before."""
    first = first_day_of(grain, day)
    following = _following(first, grain)
    last = min(following - DAY, max(clock.business_day(now, zone), first))
    before = first_day_of(grain, first - DAY)
    if last == following - DAY and _start(following, zone) <= now:
        return Period(first, last, (_start(before, zone), _start(first, zone)))
    return Period(first, last, (_start(before, zone), min(_earlier(now, (first - before).days, zone), _start(first, zone))))


def steps(first: date, last: date, grain: Grain, zone: ZoneInfo) -> Sequence[datetime]:
    """The first moment of each step that touches these days: the same as the database makes of the rows in them, those without rows included."""
    if length := WITHIN_A_DAY.get(grain):
        start, end = _start(first, zone), _start(last + DAY, zone)
        return [start + place * length for place in range(int((end - start) / length))]
    found, day = [], first_day_of(grain, first)
    while day <= last:
        found.append(_start(day, zone))
        day = _following(day, grain)
    return found


def days_of(step: datetime, grain: Grain, period: tuple[date, date], zone: ZoneInfo) -> tuple[date, date]:
    """First and last business day of a step, within the period: what the list behind a bar is asked for."""
    first = clock.business_day(step, zone)
    last = first if grain in WITHIN_A_DAY else _following(first, grain) - DAY
    return max(first, period[0]), min(last, period[1])


def times_of(step: datetime, grain: Grain, zone: ZoneInfo) -> tuple[time, time] | None:
    """From when to when on the clock on the wall a step lies that is shorter than a day; the second is midnight where the day ends with it."""
    if grain not in WITHIN_A_DAY:
        return None
    return step.astimezone(zone).time(), (step + WITHIN_A_DAY[grain]).astimezone(zone).time()


def _following(first: date, grain: Grain) -> date:
    if grain is Grain.MONTH:
        return (first + 31 * DAY).replace(day=1)
    return first + (7 if grain is Grain.WEEK else 1) * DAY


def _start(day: date, zone: ZoneInfo) -> datetime:
    return clock.day_bounds(day, zone)[0]


def _end(day: date, now: datetime, zone: ZoneInfo) -> datetime:
    """Of a day that is not over: now."""
    start, end = clock.day_bounds(day, zone)
    return min(end, max(now, start))


def _earlier(moment: datetime, days: int, zone: ZoneInfo) -> datetime:
    """The same hour on the clock on the wall, so many days before."""
    local = moment.astimezone(zone)
    return datetime.combine(local.date() - days * DAY, time(local.hour, local.minute, local.second, local.microsecond), zone).astimezone(UTC)
