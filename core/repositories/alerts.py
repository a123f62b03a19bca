"""What stands from which somebody may have to be alarmed, what was raised, and from which thresholds on."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, func, select, text
from sqlalchemy.orm import Session

from core.models import Alert, AlertThreshold, KeptReport, NotificationDelivery, Transaction
from core.models.notifications import DeliveryState
from core.repositories.jobs import dead_jobs
from core.repositories.statistics import IS_PAYMENT
from core.states import Stage, Status

# A report that failed so often is not just late.
REPORT_TRIES = 3

# What is dead is somebody's concern for so long; then it is history.
DEAD_FOR = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Standing:
    """An alert that stands."""

    id: uuid.UUID
    measure: str
    biller: str
    owner: str
    raised_at: datetime
    told: str


_STANDING = (
    select(Alert.id, Alert.measure, Alert.biller_type, Alert.owner, Alert.raised_at, Alert.now_told).where(Alert.cleared_at.is_(None)).order_by(Alert.raised_at)
)


class Alerts:
    def __init__(self, session: Session) -> None:
        self._session = session

    def alone(self) -> bool:
        """Whether nobody else is looking at the moment, until the unit of work ends."""
        return bool(self._session.execute(text("SELECT pg_try_advisory_xact_lock(hashtext('billers.alerts'))")).scalar_one())

    def now(self) -> datetime:
        moment: datetime = self._session.execute(select(func.clock_timestamp())).scalar_one()
        return moment

    # ---- What stands

    def oldest_in_doubt(self) -> Mapping[str, datetime]:
        """By biller, when the oldest payment was submitted that is asked about."""
        return self._oldest(Transaction.status == Status.PROCESSING.value, IS_PAYMENT, Transaction.stage != Stage.REVIEW.value)

    def oldest_queued(self) -> Mapping[str, datetime]:
        """By biller, when the oldest payment was submitted that nothing was sent of."""
        return self._oldest(Transaction.stage == Stage.QUEUED.value, Transaction.next_action_at.is_not(None))

    def _oldest(self, *where: ColumnElement[bool]) -> Mapping[str, datetime]:
        found = select(Transaction.biller_type, func.min(Transaction.created_at)).where(*where).group_by(Transaction.biller_type)
        return dict(self._session.execute(found).all())

    def dead_jobs(self) -> int:
        """Work in the background that gave up lately, or comes to nothing: jobs and notifications that are dead, reports that cannot be made."""
        one = NotificationDelivery
        letters = select(func.count()).where(one.state == DeliveryState.DEAD.value, one.ended_at > func.now() - DEAD_FOR)
        reports = select(func.count()).where(KeptReport.made_at.is_(None), KeptReport.tries >= REPORT_TRIES)
        return int(self._session.execute(select(letters.scalar_subquery() + reports.scalar_subquery() + dead_jobs())).scalar_one())

    # ---- Thresholds

    def thresholds(self) -> Sequence[AlertThreshold]:
        return self._session.scalars(select(AlertThreshold).order_by(AlertThreshold.measure, AlertThreshold.biller_type)).all()

    def held_threshold(self, measure: str, biller: str) -> AlertThreshold | None:
        found = select(AlertThreshold).where(AlertThreshold.measure == measure, AlertThreshold.biller_type == biller).with_for_update()
        return self._session.scalar(found.execution_options(populate_existing=True))

    def add(self, row: AlertThreshold | Alert) -> None:
        self._session.add(row)
        self._session.flush()

    def take_away(self, row: AlertThreshold) -> None:
        self._session.delete(row)
        self._session.flush()

    # ---- What was raised

    def open(self) -> Sequence[Alert]:
        return self._session.scalars(select(Alert).where(Alert.cleared_at.is_(None)).order_by(Alert.raised_at)).all()

    def standing(self, billers: tuple[str, ...] = ()) -> Sequence[Standing]:
        """What needs somebody now, the oldest first; of somebody who sees some billers, theirs."""
        return [Standing(*row) for row in self._session.connection().execute(_theirs(_STANDING, billers))]

    def history(self, most: int, billers: tuple[str, ...] = ()) -> Sequence[Alert]:
        """The newest first."""
        return self._session.scalars(_theirs(select(Alert), billers).order_by(Alert.raised_at.desc()).limit(most)).all()


def _theirs(found, billers: tuple[str, ...]):  # type: ignore[no-untyped-def]
    return found.where(Alert.biller_type.in_(list(billers))) if billers else found
