"""Whether a biller that is on does well just now: one definition for the grid, the queue of concerns, and whoever asks."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from core import clock
from core.repositories.statistics import Figures
from core.services.statistics import TARGET_SUCCESS_RATE
from core.states import Status

# So many failures are more than a customer's slip.
LEAST_FAILED = 3

# This business hour and the one before it.
RECENT = timedelta(hours=1)


def recent_since(now: datetime, zone: ZoneInfo) -> datetime:
    """From when on payments are recent. Never before today: a list of one day has them all."""
    hour = now.replace(minute=0, second=0, microsecond=0) - RECENT
    return max(hour, clock.day_bounds(clock.business_day(now, zone), zone)[0])


def failing(by_hour: Figures, now: datetime, zone: ZoneInfo) -> Mapping[str, Figures]:
    """The billers that do badly, by code, and what their recent payments came to. `by_hour` are figures by business hour."""
    since = recent_since(now, zone)
    recent = Figures([cell for cell in by_hour.cells if cell.step is not None and cell.step >= since])
    return {code: one for code, one in recent.by_biller().items() if is_bad(one)}


def is_bad(recent: Figures) -> bool:
    """At least three failed, and of those that ended fewer were paid than the target asks for."""
    rate = recent.success_rate
    return recent.payments_by_status.get(Status.FAILED, 0) >= LEAST_FAILED and rate is not None and rate < TARGET_SUCCESS_RATE
