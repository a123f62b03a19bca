"""The only module that reads the clock. Moments are UTC and aware; a business day is a day in the bank's own zone."""

import time
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

BUSINESS_ZONE = ZoneInfo("Africa/Blantyre")


def now() -> datetime:
    """This machine's moment. Anything that decides about money asks the database's clock instead."""
    return datetime.now(UTC)


def monotonic_seconds() -> float:
    return time.monotonic()


def boot_seconds() -> float:
    """A clock that goes on while the process, or the whole machine, is asleep."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def business_day(moment: datetime, zone: ZoneInfo = BUSINESS_ZONE) -> date:
    return moment.astimezone(zone).date()


@lru_cache(2048)
def day_bounds(day: date, zone: ZoneInfo = BUSINESS_ZONE) -> tuple[datetime, datetime]:
    """First moment of the business day and of the next one, in UTC: a half-open interval, so that no row is in two days."""
    start = datetime(day.year, day.month, day.day, tzinfo=zone)
    following = day + timedelta(days=1)
    end = datetime(following.year, following.month, following.day, tzinfo=zone)
    return start.astimezone(UTC), end.astimezone(UTC)
