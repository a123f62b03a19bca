"""Steps on the time axis. It knows one thing: the moment at which the step that a row lies in began, in whatever zone."""

from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, DateTime, cast, func, literal

HOUR, QUARTER = timedelta(hours=1), timedelta(minutes=15)

# Years whose changes of the clock are looked at.
FIRST_YEAR, LAST_YEAR = 2000, 2100


class Grain(StrEnum):
    """How long a step is: quarters of an hour, or whole business hours, days, weeks (from Monday) or months."""

    QUARTER = "quarter_hour"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


def step_of(grain: Grain | None, moment: Any, zone: ZoneInfo | None) -> ColumnElement[Any]:
    """SQL for the first moment of the step in which `moment` lies; nothing where time is not asked for."""
    if grain is None:
        return cast(literal(None), DateTime(timezone=True))
    if zone is None:
        raise TypeError("A step of time lies in a zone.")
    if grain is Grain.QUARTER:
        # No zone is apart from UTC by less than a quarter of an hour.
        return func.date_bin(QUARTER, moment, datetime(2000, 1, 1, tzinfo=UTC))
    return func.date_trunc(grain.value, moment, zone.key)


@lru_cache(maxsize=64)
def has_whole_hours(zone: ZoneInfo) -> bool:
    """Whether this zone's hours begin when UTC's do, so that hours of UTC add up to its days."""
    months = (datetime(year, month, 1, tzinfo=zone) for year in range(FIRST_YEAR, LAST_YEAR) for month in range(1, 13))
    return not any((moment.utcoffset() or timedelta()) % HOUR for moment in months)


def hour_from(moment: datetime) -> datetime:
    """The first whole hour that does not begin before this moment."""
    floor = hour_before(moment)
    return floor if floor == moment else floor + HOUR


def hour_before(moment: datetime) -> datetime:
    """The beginning of the hour this moment lies in."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def day_start(day: date, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def day_from(moment: datetime, zone: ZoneInfo) -> date:
    """The first day that does not begin before this moment."""
    day = moment.astimezone(zone).date()
    return day if day_start(day, zone) >= moment else day + timedelta(days=1)


def first_day_of(grain: Grain, day: date) -> date:
    """The first day of the business week (a Monday) or month that this day lies in; of what is no longer than a day, the day itself."""
    if grain is Grain.MONTH:
        return day.replace(day=1)
    return day - timedelta(days=day.weekday()) if grain is Grain.WEEK else day


def day_before(moment: datetime, zone: ZoneInfo) -> date:
    """The day this moment lies in."""
    return moment.astimezone(zone).date()
