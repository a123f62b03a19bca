"""From which thresholds on somebody is alarmed, and the alerts that were raised: each once, until it is cleared."""

import uuid
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, func, text
from sqlalchemy.orm import Mapped, mapped_column

from core.models.base import Base

# Whichever biller has no threshold of its own; and what is of no biller.
ANY = ""


class Measure(StrEnum):
    """What is watched."""

    SUCCESS_RATE = "success_rate"
    ANSWER_P95 = "answer_p95"
    DOUBT_AGE = "doubt_age"
    QUEUE_AGE = "queue_age"
    BREAKER_OPEN = "breaker_open"
    DEAD_JOBS = "dead_jobs"


class AlertThreshold(Base):
    """From where on an alert is raised, and where it is cleared again: apart, so that a figure that trembles does not ring all day."""

    __tablename__ = "alert_thresholds"
    __table_args__ = (
        CheckConstraint("window_hours BETWEEN 1 AND 168", "window"),
        CheckConstraint("least >= 1", "least"),
        CheckConstraint("owner IN ('Administrator', 'Manager', 'Operator')", "owner"),
        CheckConstraint("CASE WHEN measure = 'success_rate' THEN raise_at < clear_at ELSE raise_at > clear_at END", "apart"),
    )

    measure: Mapped[str] = mapped_column(primary_key=True)
    biller_type: Mapped[str] = mapped_column(primary_key=True, server_default=text("''"))
    raise_at: Mapped[Decimal]
    clear_at: Mapped[Decimal]
    # Of rates and times: over this hour and so many before it, and of no fewer than this.
    window_hours: Mapped[int] = mapped_column(Integer)
    least: Mapped[int] = mapped_column(Integer)
    owner: Mapped[str]
    is_on: Mapped[bool]
    changed_at: Mapped[datetime | None]
    changed_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))


class Alert(Base):
    """One alarm, from when it was raised until it was cleared."""

    __tablename__ = "alerts"
    __table_args__ = (
        # However many workers look: what is raised is raised once.
        Index("uq_alerts_open", "measure", "biller_type", unique=True, postgresql_where=text("cleared_at IS NULL")),
        Index("ix_alerts_raised_at", text("raised_at DESC")),
        CheckConstraint("(cleared_at IS NULL) = (cleared_told IS NULL)", "cleared"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    measure: Mapped[str]
    biller_type: Mapped[str] = mapped_column(server_default=text("''"))
    owner: Mapped[str]
    raised_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    told: Mapped[str]
    # What is seen now, as long as it stands.
    now_told: Mapped[str]
    cleared_at: Mapped[datetime | None]
    cleared_told: Mapped[str | None]
