"""What happened that somebody is to be told of, and what is to be delivered now. Whoever claims holds a delivery for a while, and no database transaction."""

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import delete, func, insert, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from core.ids import new_id
from core.models import (
    NotificationAddress,
    NotificationAttempt,
    NotificationChannel,
    NotificationDelivery,
    NotificationEvent,
    NotificationSubscription,
    NotificationTemplate,
    User,
    UserBiller,
)
from core.models.notifications import DeliveryState, Happening, Medium

# One statement, and nothing is written where nobody wants to be told.
_NOTE = text(
    """
    INSERT INTO notification_events (event, biller_type, subject_type, subject_id, facts)
    SELECT :event, CAST(:biller AS text), :subject_type, :subject_id, CAST(:facts AS jsonb)
    WHERE EXISTS (
        SELECT FROM notification_subscriptions s WHERE s.is_on AND s.event = :event AND (s.biller_type IS NULL OR s.biller_type = CAST(:biller AS text))
    )
    """
)

# So many of each channel; of one that could not be reached only one, to see whether it can be by now. A claim is a lease: it ends by itself.
_CLAIM = text(
    """
    UPDATE notification_deliveries AS d SET claim = d.claim + 1, next_try_at = clock_timestamp() + :lease_ms * interval '1 millisecond'
    FROM (
        SELECT id FROM notification_deliveries
        WHERE channel_id = :channel AND state = 'waiting' AND next_try_at <= now()
        ORDER BY next_try_at LIMIT :most FOR UPDATE SKIP LOCKED
    ) AS due
    WHERE d.id = due.id
    RETURNING d.id, d.claim, d.event_id, d.address, d.subject, d.body, d.tries, d.created_at
    """
)


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that is this process' to make, until its lease is over."""

    id: uuid.UUID
    claim: int
    event_id: uuid.UUID
    address: str
    subject: str
    body: str = field(repr=False)
    tries: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Recipient:
    """One address by one channel."""

    channel_id: uuid.UUID
    medium: Medium
    address: str


class Outbox:
    def __init__(self, session: Session) -> None:
        self._session = session

    # ---- What happened

    def note(self, event: Happening, biller: str | None, subject_type: str, subject_id: object, facts: Mapping[str, Any]) -> None:
        said = orjson.dumps(dict(facts), default=str).decode()
        what = {"event": event.value, "biller": biller, "subject_type": subject_type, "subject_id": str(subject_id), "facts": said}
        self._session.execute(_NOTE, what)

    def unspread(self, most: int) -> Sequence[NotificationEvent]:
        """Events of which nobody was told yet, held: another worker passes them by."""
        found = select(NotificationEvent).where(NotificationEvent.spread_at.is_(None)).order_by(NotificationEvent.at).limit(most)
        return self._session.scalars(found.with_for_update(skip_locked=True)).all()

    def subscribed(self, events: Collection[str]) -> Sequence[tuple[NotificationSubscription, Medium]]:
        """Who wants to be told of these. By a channel that is off nobody is."""
        found = (
            select(NotificationSubscription, NotificationChannel.medium)
            .join(NotificationChannel, NotificationChannel.id == NotificationSubscription.channel_id)
            .where(NotificationSubscription.is_on, NotificationChannel.is_on, NotificationSubscription.event.in_(list(events)))
        )
        return [(one, Medium(medium)) for one, medium in self._session.execute(found)]

    def addresses_of(self, role: str, medium: Medium, biller: str | None, only: uuid.UUID | None = None) -> Sequence[str]:
        """Of the people of a role who may be told of this biller, and have said where. What is of no biller is for those who see all of them.

        With `only`, that one of them.
        """
        column = NotificationAddress.phone if medium is Medium.SMS else NotificationAddress.email
        limits = select(UserBiller.biller_type).where(UserBiller.user_id == User.id)
        sees_it = or_(~limits.exists(), limits.where(UserBiller.biller_type == biller).exists())
        found = (
            select(column)
            .join(User, User.id == NotificationAddress.user_id)
            .where(User.role == role, User.disabled_at.is_(None), column.is_not(None), sees_it)
            .order_by(column)
        )
        if only is not None:
            found = found.where(User.id == only)
        return [address for address in self._session.scalars(found) if address]

    def templates(self) -> Mapping[tuple[str, str], NotificationTemplate]:
        """The bank's own words, by event and medium."""
        return {(one.event, one.medium): one for one in self._session.scalars(select(NotificationTemplate))}

    def add_deliveries(self, rows: Sequence[Mapping[str, Any]]) -> None:
        if rows:
            self._session.execute(upsert(NotificationDelivery).on_conflict_do_nothing(), [{"id": new_id(), **row} for row in rows])

    def mark_spread(self, events: Collection[uuid.UUID]) -> None:
        self._session.execute(update(NotificationEvent).where(NotificationEvent.id.in_(list(events))).values(spread_at=func.clock_timestamp()))

    # ---- What is to be delivered

    def channels_due(self) -> Sequence[NotificationChannel]:
        """Channels by which something waits to be told now, and that may be tried."""
        one = NotificationDelivery
        waits = select(one.id).where(one.channel_id == NotificationChannel.id, one.state == DeliveryState.WAITING.value, one.next_try_at <= func.now())
        found = select(NotificationChannel).where(NotificationChannel.is_on, NotificationChannel.next_try_at <= func.now(), waits.exists())
        return self._session.scalars(found).all()

    def claim(self, channel_id: uuid.UUID, most: int, lease: timedelta) -> list[Claimed]:
        rows = self._session.execute(_CLAIM, {"channel": channel_id, "most": most, "lease_ms": lease / timedelta(milliseconds=1)})
        return [Claimed(*row) for row in rows]

    def events_of(self, ids: Collection[uuid.UUID]) -> Mapping[uuid.UUID, NotificationEvent]:
        return {one.id: one for one in self._session.scalars(select(NotificationEvent).where(NotificationEvent.id.in_(list(ids))))}

    def conclude(self, claimed: Claimed, state: DeliveryState, told: str, *, tries: int, wait: timedelta = timedelta(0)) -> bool:
        """What came of it; False where somebody else claimed it meanwhile."""
        one = NotificationDelivery
        done = (
            update(one)
            .where(one.id == claimed.id, one.claim == claimed.claim, one.state == DeliveryState.WAITING.value)
            .values(
                state=state.value,
                told=told,
                tries=tries,
                next_try_at=func.clock_timestamp() + wait,
                ended_at=None if state is DeliveryState.WAITING else func.clock_timestamp(),
            )
        )
        return bool(self._session.execute(done).rowcount)  # type: ignore[attr-defined]

    def let_go(self, claimed: Collection[Claimed]) -> None:
        """Nothing was tried of these: they are due as they were."""
        for one in claimed:
            mine = (NotificationDelivery.id == one.id, NotificationDelivery.claim == one.claim, NotificationDelivery.state == DeliveryState.WAITING.value)
            self._session.execute(update(NotificationDelivery).where(*mine).values(next_try_at=func.clock_timestamp()))

    def keep_attempt(self, delivery: uuid.UUID, channel: str, *, delivered: bool, answer: str, duration_ms: int) -> None:
        self._session.execute(
            insert(NotificationAttempt).values(delivery_id=delivery, channel=channel, delivered=delivered, answer=answer, duration_ms=duration_ms)
        )

    def note_out_of_reach(self, channel_id: uuid.UUID, wait: timedelta) -> None:
        one = NotificationChannel
        self._session.execute(
            update(one)
            .where(one.id == channel_id)
            .values(
                failures=one.failures + 1,
                down_since=func.coalesce(one.down_since, func.clock_timestamp()),
                next_try_at=func.clock_timestamp() + wait,
            )
        )

    def note_reached(self, channel_id: uuid.UUID) -> None:
        """It is there again: whatever waited for it follows at once."""
        one = NotificationChannel
        back = update(one).where(one.id == channel_id, one.failures > 0).values(failures=0, down_since=None, next_try_at=func.clock_timestamp())
        self._session.execute(back)

    # ---- What is over

    def forget(self, age: timedelta, most: int) -> int:
        """Takes events away that are older than this, with their deliveries and attempts; not one that is still to be told."""
        waiting = select(NotificationDelivery.id).where(
            NotificationDelivery.event_id == NotificationEvent.id, NotificationDelivery.state == DeliveryState.WAITING.value
        )
        old = (
            select(NotificationEvent.id)
            .where(NotificationEvent.at < func.now() - age, NotificationEvent.spread_at.is_not(None), ~waiting.exists())
            .order_by(NotificationEvent.at)
            .limit(most)
        )
        return self._session.execute(delete(NotificationEvent).where(NotificationEvent.id.in_(old))).rowcount  # type: ignore[attr-defined, no-any-return]
