"""One act on many payments, as it was asked for: its dry run frozen, and for each row what came of it."""

import uuid
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from core.models.base import Base


class BulkKind(StrEnum):
    """What is done to each row."""

    RETRY = "RETRY"
    CANCEL = "CANCEL"
    REVERSE = "REVERSE"  # Proposed only: another person decides about each.


class ItemState(StrEnum):
    """What came of one row. All but the first two stay."""

    HELD = "HELD"  # The whole act waits for a second person.
    WAITING = "WAITING"
    DONE = "DONE"
    BLOCKED = "BLOCKED"  # A rule spoke against it: in the dry run, or when its turn came.
    FAILED = "FAILED"  # Something unforeseen; the log knows it under the incident that is told.


class BulkAct(Base):
    """What one person asked for, in words, with the figures of the dry run they agreed to."""

    __tablename__ = "bulk_acts"
    __table_args__ = (
        # What a person started lately, and what all of them did.
        Index("ix_bulk_acts_asked_by_created_at", "asked_by", text("created_at DESC")),
        Index("ix_bulk_acts_created_at", text("created_at DESC")),
        # What is not over: looked at each second.
        Index("ix_bulk_acts_running", "id", postgresql_where=text("finished_at IS NULL")),
        CheckConstraint("act IN ('RETRY', 'CANCEL', 'REVERSE')", "act"),
        CheckConstraint("eligible >= 1 AND blocked >= 0", "counts"),
        CheckConstraint("(stopped_at IS NULL) = (stopped_by IS NULL)", "stopped"),
        CheckConstraint("act <> 'REVERSE' OR reason IS NOT NULL", "reason"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    act: Mapped[str]
    asked_by: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    reason: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    # Which rows, in words: the filter, or how many were chosen.
    selection: Mapped[str]
    eligible: Mapped[int] = mapped_column(Integer)
    blocked: Mapped[int] = mapped_column(Integer)
    # What the eligible ones come to: an amount in text by currency.
    totals: Mapped[dict[str, Any]]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    stopped_at: Mapped[datetime | None]
    stopped_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))


class BulkItem(Base):
    """One row of an act. It leaves WAITING once, and only ever under its own lock."""

    __tablename__ = "bulk_items"
    __table_args__ = (
        # A payment is one row of an act, and a new payment the work of one row.
        UniqueConstraint("act_id", "transaction_id"),
        UniqueConstraint("made_transaction_id"),
        # What is taken next: what was never tried first, the acts in turn, so that a small one never waits behind a large one.
        Index("ix_bulk_items_waiting", text("at NULLS FIRST"), "ordinal", "act_id", postgresql_where=text("state = 'WAITING'")),
        # A transaction's story.
        Index("ix_bulk_items_transaction_id", "transaction_id"),
        CheckConstraint("state IN ('HELD', 'WAITING', 'DONE', 'BLOCKED', 'FAILED')", "state"),
        CheckConstraint("(state IN ('HELD', 'WAITING')) = (told IS NULL)", "told"),
        CheckConstraint("made_transaction_id IS NULL OR state = 'DONE'", "made"),
    )

    act_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("bulk_acts.id"), primary_key=True)
    ordinal: Mapped[int] = mapped_column(Integer, primary_key=True)
    transaction_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("transactions.id"))
    state: Mapped[str]
    # What came of it, as a sentence.
    told: Mapped[str | None]
    # The new payment, where one was made.
    made_transaction_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("transactions.id"))
    # When it was last tried.
    at: Mapped[datetime | None]
