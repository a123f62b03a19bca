"""By which ways is who told of what, and what became of it? The log is asked page by page, from an index; what a person may not see of it is not there."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from core.models import (
    BillerType,
    NotificationAddress,
    NotificationAttempt,
    NotificationChannel,
    NotificationDelivery,
    NotificationEvent,
    NotificationSubscription,
    NotificationTemplate,
    Role,
    User,
)
from core.models.notifications import DeliveryState


@dataclass(frozen=True, slots=True)
class Logged:
    """One line of the log."""

    id: uuid.UUID
    event: str
    happened_at: datetime
    biller: str | None
    reference: str
    channel: str
    medium: str
    address: str
    subject: str
    body: str = field(repr=False)
    state: DeliveryState
    tries: int
    created_at: datetime
    ended_at: datetime | None
    next_try_at: datetime
    told: str | None


@dataclass(frozen=True, slots=True)
class Addressee:
    """Somebody who uses the console, and where they are told."""

    user_id: uuid.UUID
    username: str
    display_name: str
    role: str
    email: str | None
    phone: str | None


class Notifications:
    def __init__(self, session: Session) -> None:
        self._session = session

    # ---- Channels

    def channels(self) -> Sequence[NotificationChannel]:
        return self._session.scalars(select(NotificationChannel).order_by(func.lower(NotificationChannel.name))).all()

    def channel(self, channel_id: uuid.UUID, *, held: bool = False) -> NotificationChannel | None:
        found = select(NotificationChannel).where(NotificationChannel.id == channel_id)
        return self._session.scalar(found.with_for_update() if held else found)

    def channel_named(self, name: str) -> NotificationChannel | None:
        return self._session.scalar(select(NotificationChannel).where(func.lower(NotificationChannel.name) == name.lower()))

    def waiting_by_channel(self) -> Mapping[uuid.UUID, int]:
        waiting = select(NotificationDelivery.channel_id, func.count()).where(NotificationDelivery.state == DeliveryState.WAITING.value)
        return dict(self._session.execute(waiting.group_by(NotificationDelivery.channel_id)).all())

    # ---- Subscriptions

    def subscriptions(self) -> Sequence[NotificationSubscription]:
        one = NotificationSubscription
        return self._session.scalars(select(one).order_by(one.event, one.biller_type.nulls_first(), one.changed_at, one.id)).all()

    def subscription(self, subscription_id: uuid.UUID) -> NotificationSubscription | None:
        return self._session.get(NotificationSubscription, subscription_id)

    def is_subscribed(self, event: str, channel_id: uuid.UUID, biller: str | None, role: str | None, address: str | None) -> bool:
        one = NotificationSubscription
        same = (one.event == event, one.channel_id == channel_id, _same(one.biller_type, biller), _same(one.role, role), _same(one.address, address))
        return self._session.scalar(select(one.id).where(*same).limit(1)) is not None

    def roles(self) -> Mapping[str, str]:
        return dict(self._session.execute(select(Role.code, Role.title).order_by(Role.title)).all())

    def billers(self) -> Mapping[str, str]:
        return dict(self._session.execute(select(BillerType.code, BillerType.name).order_by(BillerType.name)).all())

    # ---- People

    def addressees(self) -> Sequence[Addressee]:
        found = (
            select(User.id, User.username, User.display_name, User.role, NotificationAddress.email, NotificationAddress.phone)
            .outerjoin(NotificationAddress, NotificationAddress.user_id == User.id)
            .where(User.disabled_at.is_(None))
            .order_by(func.lower(User.display_name), User.id)
        )
        return [Addressee(*row) for row in self._session.execute(found)]

    def address_of(self, user_id: uuid.UUID) -> NotificationAddress | None:
        return self._session.get(NotificationAddress, user_id)

    # ---- Words

    def template(self, event: str, medium: str) -> NotificationTemplate | None:
        return self._session.get(NotificationTemplate, (event, medium))

    def add(self, row: Any) -> None:
        self._session.add(row)
        self._session.flush()

    def take_away(self, row: Any) -> None:
        self._session.delete(row)
        self._session.flush()

    # ---- The log

    def log(
        self,
        billers: tuple[str, ...],
        most: int,
        *,
        state: DeliveryState | None = None,
        event: str | None = None,
        channel_id: uuid.UUID | None = None,
        before: tuple[datetime, uuid.UUID] | None = None,
    ) -> Sequence[Logged]:
        """The newest first; of somebody who sees some billers, theirs. One more than `most` where there are more."""
        one = NotificationDelivery
        found = self._lines(billers).order_by(one.created_at.desc(), one.id.desc()).limit(most + 1)
        if state is not None:
            found = found.where(one.state == state.value)
        if event is not None:
            found = found.where(NotificationEvent.event == event)
        if channel_id is not None:
            found = found.where(one.channel_id == channel_id)
        if before is not None:
            at, last = before
            found = found.where((one.created_at < at) | ((one.created_at == at) & (one.id < last)))
        return [_logged(row) for row in self._session.execute(found)]

    def line(self, billers: tuple[str, ...], delivery_id: uuid.UUID) -> Logged | None:
        row = self._session.execute(self._lines(billers).where(NotificationDelivery.id == delivery_id)).one_or_none()
        return None if row is None else _logged(row)

    def _lines(self, billers: tuple[str, ...]) -> Any:
        one, what = NotificationDelivery, NotificationEvent
        found = (
            select(one.id, what.event, what.at, what.biller_type, what.facts, NotificationChannel.name, NotificationChannel.medium, one.address)
            .add_columns(one.subject, one.body, one.state, one.tries, one.created_at, one.ended_at, one.next_try_at, one.told)
            .join(what, what.id == one.event_id)
            .join(NotificationChannel, NotificationChannel.id == one.channel_id)
        )
        return found.where(what.biller_type.in_(list(billers))) if billers else found

    def attempts(self, delivery_id: uuid.UUID) -> Sequence[NotificationAttempt]:
        return self._session.scalars(select(NotificationAttempt).where(NotificationAttempt.delivery_id == delivery_id).order_by(NotificationAttempt.id)).all()

    def counts(self, billers: tuple[str, ...]) -> Mapping[DeliveryState, int]:
        """How many stand where, of all that is kept."""
        found = select(NotificationDelivery.state, func.count()).group_by(NotificationDelivery.state)
        if billers:
            found = found.join(NotificationEvent, NotificationEvent.id == NotificationDelivery.event_id).where(NotificationEvent.biller_type.in_(list(billers)))
        return {DeliveryState(state): count for state, count in self._session.execute(found)}

    def held_delivery(self, delivery_id: uuid.UUID) -> NotificationDelivery | None:
        found = select(NotificationDelivery).where(NotificationDelivery.id == delivery_id).with_for_update()
        return self._session.scalar(found.execution_options(populate_existing=True))


def _same(column: Any, value: object) -> ColumnElement[bool]:
    return column.is_(None) if value is None else column == value  # type: ignore[no-any-return]


def _logged(row: Any) -> Logged:
    delivery, event, at, biller, facts, channel, medium, address, subject, body, state, tries, created_at, ended_at, next_try_at, told = row
    reference = str(facts.get("reference") or facts.get("alert") or facts.get("report") or facts.get("day") or "")
    return Logged(
        id=delivery,
        event=event,
        happened_at=at,
        biller=biller,
        reference=reference,
        channel=channel,
        medium=medium,
        address=address,
        subject=subject,
        body=body,
        state=DeliveryState(state),
        tries=tries,
        created_at=created_at,
        ended_at=ended_at,
        next_try_at=next_try_at,
        told=told,
    )
