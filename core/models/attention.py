"""What can need somebody, by its kind, and what of it was put off: until when, by whom and why."""

import uuid
from datetime import datetime
from enum import IntEnum, StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, func, text
from sqlalchemy.orm import Mapped, mapped_column

from core.models.base import Base


class Kind(StrEnum):
    """What it is about. Together with which biller, alert or channel it is the concern's name, and stays so for as long as it lasts."""

    NO_WORKER = "no_worker"
    GATE_CLOSED = "gate_closed"
    AUDIT_BROKEN = "audit_broken"
    ALERT = "alert"
    CONTRADICTED = "contradicted"
    UNDER_REVIEW = "under_review"
    APPROVALS = "approvals"
    BANK_LEGS = "bank_legs"
    IN_DOUBT = "in_doubt"
    BANK_TROUBLE = "bank_trouble"
    PAUSED = "paused"
    NOT_ANSWERING = "not_answering"
    FAILING = "failing"
    NOT_SENT = "not_sent"
    BROKEN_ACTS = "broken_acts"
    SUMS_DIFFERED = "sums_differed"
    DIFFERENCES = "differences"
    NO_STATEMENT = "no_statement"
    NOT_SIGNED_OFF = "not_signed_off"
    PROPOSED_ACTS = "proposed_acts"
    PROPOSED_RULES = "proposed_rules"
    PROPOSED_CHANGES = "proposed_changes"
    NO_CREDENTIALS = "no_credentials"
    CHANNEL_DOWN = "channel_down"
    GIVEN_UP = "given_up"
    REPORTS_FAILED = "reports_failed"
    DEAD_JOBS = "dead_jobs"
    NOT_VERIFIED = "not_verified"
    RETIRED_KEY = "retired_key"


class Grade(IntEnum):
    """How serious it is; greater is graver."""

    NOTE = 1
    CARE = 2
    GRAVE = 3


class PutOff(Base):
    """One time that a concern was put off. `weight` and `grade` are how many and how serious it was then: what has become worse since comes back."""

    __tablename__ = "put_offs"
    __table_args__ = (
        # A concern is put off once at a time.
        Index("uq_put_offs_standing", "concern", unique=True, postgresql_where=text("ended_at IS NULL")),
        CheckConstraint("until > put_off_at AND until <= put_off_at + interval '3 days'", "until"),
        CheckConstraint("ended_by IS NULL OR ended_at IS NOT NULL", "ended"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    concern: Mapped[str]
    weight: Mapped[int] = mapped_column(Integer)
    grade: Mapped[int] = mapped_column(Integer)
    reason: Mapped[str]
    put_off_by: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    put_off_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    until: Mapped[datetime]
    # Nobody where it was put off anew after its time was over, or after it had come back.
    ended_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))
    ended_at: Mapped[datetime | None]
