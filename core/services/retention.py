"""How long stories are kept at hand. It puts months away and deletes nothing: payments, sums and the audit chain go on knowing all of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from core import db
from core.access import SYSTEM
from core.repositories.months import Month, Months
from core.security import audit
from core.settings import settings

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Standing:
    """A month, and what becomes of it. `because` says why it stays, where it is old enough to go."""

    month: Month
    is_due: bool
    because: str | None = None


def standings() -> Sequence[Standing]:
    """Every month there is, the oldest first: put away, to be put away, or kept."""
    with db.unit_of_work() as session:
        months = Months(session)
        months.may_take_long()
        until = _kept_from(months.now())
        return [_standing(months, month, until) for month in months.all()]


def put_old_away() -> Sequence[str]:
    """Puts away each month that is older than what is kept and that nothing speaks against; answers their names. Unset, everything is kept."""
    if settings().billers_keep_months is None:
        return []
    gone = []
    for standing in standings():
        if standing.is_due and standing.because is None:
            _put_away(standing.month)
            gone.append(standing.month.name)
    return gone


def _put_away(month: Month) -> None:
    with db.unit_of_work() as session:
        months = Months(session)
        months.may_take_long()
        rows = months.put_away(month)
        audit.record(session, SYSTEM, "month.put_away", "month", month.name, rows=rows)
    log.info("retention.put_away", month=month.name, rows=rows)


def _standing(months: Months, month: Month, until: datetime | None) -> Standing:
    is_due = month.is_attached and until is not None and month.end <= until
    return Standing(month, is_due, _objection(months, month) if is_due else None)


def _objection(months: Months, month: Month) -> str | None:
    if months.has_unsettled(month):
        return "a payment from before its end is not settled, and its story stays at hand until it is"
    if months.has_unsealed(month):
        return "the audit chain does not cover all of it yet"
    return None


def _kept_from(now: datetime) -> datetime | None:
    """The first moment that is kept: so many whole months before the present one."""
    keep = settings().billers_keep_months
    if keep is None:
        return None
    years, month = divmod(now.year * 12 + now.month - 1 - keep, 12)
    return datetime(years, month + 1, 1, tzinfo=UTC)
