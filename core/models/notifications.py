"""Who is told of what: the outbox that events are written into, by which ways they are told, and what became of each telling."""

import uuid
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, Integer, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from core.models.base import Base


class Happening(StrEnum):
    """What somebody can be told of."""

    PAYMENT_COMPLETED = "payment.completed"
    PAYMENT_FAILED = "payment.failed"
    PAYMENT_UNDER_REVIEW = "payment.under_review"
    BREAK_FOUND = "break.found"
    APPROVAL_WAITING = "approval.waiting"
    APPROVAL_DECIDED = "approval.decided"
    ALERT_RAISED = "alert.raised"
    ALERT_CLEARED = "alert.cleared"
    REPORT_MADE = "report.made"
    REPORT_FAILED = "report.failed"
    CLOSE_SIGNED = "close.signed"
    CLOSE_REOPENED = "close.reopened"


class Medium(StrEnum):
    """By which way somebody is told."""

    EMAIL = "email"
    SMS = "sms"
    WEBHOOK = "webhook"


class DeliveryState(StrEnum):
    """Where a telling stands. A dead one is not tried again unless a person asks for it."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    DEAD = "dead"


class NotificationChannel(Base):
    """A mail server, an SMS gateway or a webhook. Where exactly it is, and what opens it, is sealed; `shown` is what people may read of it.

    While it cannot be reached, its deliveries wait for it as it is tried again; they are not counted as tried.
    """

    __tablename__ = "notification_channels"
    __table_args__ = (
        CheckConstraint("medium IN ('email', 'sms', 'webhook')", "medium"),
        CheckConstraint("(failures = 0) = (down_since IS NULL)", "down"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    medium: Mapped[str]
    destination: Mapped[str]
    shown: Mapped[str]
    is_on: Mapped[bool] = mapped_column(server_default=text("true"))
    # In a row, and since when: it is tried again after a wait, by one delivery, and all others follow the first that gets through.
    failures: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    down_since: Mapped[datetime | None]
    next_try_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    changed_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    changed_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))


# Two of one name could not be told apart, whatever their case.
Index("uq_notification_channels_name", func.lower(NotificationChannel.name), unique=True)


class NotificationSubscription(Base):
    """Of what event, of which biller, by which way, who is told: by a webhook nobody in particular, else an address, or those of a role who serve it."""

    __tablename__ = "notification_subscriptions"
    __table_args__ = (
        Index("ix_notification_subscriptions_event", "event", postgresql_where=text("is_on")),
        CheckConstraint("num_nonnulls(role, address) <= 1", "whom"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    event: Mapped[str]
    # Null: whatever biller, and what is of none.
    biller_type: Mapped[str | None] = mapped_column(ForeignKey("biller_types.code"))
    channel_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("notification_channels.id"))
    role: Mapped[str | None] = mapped_column(ForeignKey("roles.code"))
    address: Mapped[str | None]
    is_on: Mapped[bool] = mapped_column(server_default=text("true"))
    changed_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    changed_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))


class NotificationAddress(Base):
    """Where a person who uses the console is told: what a subscription by role goes to."""

    __tablename__ = "notification_addresses"

    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    email: Mapped[str | None]
    phone: Mapped[str | None]


class NotificationTemplate(Base):
    """The bank's own words for an event in a medium, instead of those that the console brings along."""

    __tablename__ = "notification_templates"
    __table_args__ = (CheckConstraint("medium IN ('email', 'sms')", "medium"),)

    event: Mapped[str] = mapped_column(primary_key=True)
    medium: Mapped[str] = mapped_column(primary_key=True)
    subject: Mapped[str]
    body: Mapped[str]
    changed_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    changed_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))


class NotificationEvent(Base):
    """The outbox: something happened that somebody wants to be told of. Written in the transaction in which it happened, so that both are kept or none.

    It names no channel and no subscription by a foreign key: whoever changes those must never hold up a payment.
    """

    __tablename__ = "notification_events"
    __table_args__ = (
        # What nobody was told of yet: looked for in each round.
        Index("ix_notification_events_unspread", "at", postgresql_where=text("spread_at IS NULL")),
        Index("ix_notification_events_at", text("at DESC")),
        Index("ix_notification_events_subject", "subject_type", "subject_id"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    event: Mapped[str]
    biller_type: Mapped[str | None]
    subject_type: Mapped[str]
    subject_id: Mapped[str]
    facts: Mapped[dict[str, Any]]
    # When its deliveries were written.
    spread_at: Mapped[datetime | None]


class NotificationDelivery(Base):
    """One event told by one way to one address. Its id goes out with it each time, so that a receiver can tell that it is the same again."""

    __tablename__ = "notification_deliveries"
    __table_args__ = (
        # However many subscriptions say so: one event is told to one address once.
        UniqueConstraint("event_id", "channel_id", "address"),
        Index("ix_notification_deliveries_waiting", "channel_id", "next_try_at", postgresql_where=text("state = 'waiting'")),
        Index("ix_notification_deliveries_created_at", text("created_at DESC"), text("id DESC")),
        Index("ix_notification_deliveries_dead", "ended_at", postgresql_where=text("state = 'dead'")),
        CheckConstraint("state IN ('waiting', 'delivered', 'dead')", "state"),
        CheckConstraint("(state = 'waiting') = (ended_at IS NULL)", "ended"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    event_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("notification_events.id", ondelete="CASCADE"))
    channel_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("notification_channels.id"))
    # Empty for a webhook: the channel is the address.
    address: Mapped[str] = mapped_column(server_default=text("''"))
    subject: Mapped[str]
    body: Mapped[str]
    state: Mapped[str] = mapped_column(server_default=text("'waiting'"))
    # Answered with a no. A channel that could not be reached was no try.
    tries: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    # Grows with each claim: whoever claimed it before has nothing more to say about it.
    claim: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    next_try_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    ended_at: Mapped[datetime | None]
    # What the last try was answered with, or what is odd about it.
    told: Mapped[str | None]


class NotificationAttempt(Base):
    """One try: when, by which channel, what was answered, how long it took. Never what opens the channel."""

    __tablename__ = "notification_attempts"
    __table_args__ = (Index("ix_notification_attempts_delivery_id", "delivery_id"),)

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    delivery_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("notification_deliveries.id", ondelete="CASCADE"))
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    channel: Mapped[str]
    delivered: Mapped[bool]
    answer: Mapped[str]
    duration_ms: Mapped[int] = mapped_column(Integer)
