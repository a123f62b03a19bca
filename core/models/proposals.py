"""What one person proposed and another decides: bound for ever to what was shown, so that what is approved is what was looked at."""

import uuid
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, LargeBinary, func, text
from sqlalchemy.orm import Mapped, mapped_column

from core.models.base import Base


class ProposalKind(StrEnum):
    """What is proposed."""

    PAY = "PAY"  # A payment above the biller's limit for one person.
    RESOLVE = "RESOLVE"  # What became of a payment that asking did not settle.
    REVERSE = "REVERSE"  # Giving a completed payment back.
    WAIVE = "WAIVE"  # Another payment to the same account, although this one is under review.


class Decision(StrEnum):
    """What came of a proposal."""

    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


class Proposal(Base):
    """One proposal and its decision. Everything but the decision is frozen by a trigger, and a decision is made once."""

    __tablename__ = "proposals"
    __table_args__ = (
        # Nobody can propose the same thing twice while it waits.
        Index("uq_proposals_open", "transaction_id", "kind", unique=True, postgresql_where=text("decision = 'open'")),
        # What waits, the one that ends first in front: the page, and the worker's clock.
        Index("ix_proposals_waiting", "expires_at", postgresql_where=text("decision = 'open'")),
        # What was decided lately.
        Index("ix_proposals_decided_at", text("decided_at DESC"), postgresql_where=text("decided_at IS NOT NULL")),
        # A transaction's story.
        Index("ix_proposals_transaction_id", "transaction_id"),
        # What somebody proposed, and what came of it.
        Index("ix_proposals_proposed_by", "proposed_by", text("created_at DESC")),
        CheckConstraint("kind IN ('PAY', 'RESOLVE', 'REVERSE', 'WAIVE')", "kind"),
        CheckConstraint("decision IN ('open', 'approved', 'rejected', 'withdrawn', 'expired')", "decision"),
        CheckConstraint("(decision = 'open') = (decided_at IS NULL)", "decided"),
        CheckConstraint("decision NOT IN ('approved', 'rejected') OR (decided_by IS NOT NULL AND decided_by <> proposed_by)", "two_people"),
        CheckConstraint("decision <> 'rejected' OR decided_because IS NOT NULL", "rejected_because"),
        CheckConstraint("kind <> 'RESOLVE' OR (choice IS NOT NULL AND evidence IS NOT NULL)", "evidence"),
        CheckConstraint("length(shown_hash) = 32", "hash"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    transaction_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("transactions.id"))
    # What the proposer saw, and its SHA-256; approved only while the same still holds.
    shown: Mapped[dict[str, Any]]
    shown_hash: Mapped[bytes] = mapped_column(LargeBinary)
    # Where the transaction stood.
    version: Mapped[int] = mapped_column(Integer)
    stage: Mapped[str]
    # How a payment under review is to be resolved.
    choice: Mapped[str | None]
    # The biller's or the bank's own number for the movement, where the evidence gives one.
    reference: Mapped[str | None]
    reason: Mapped[str]
    # What the proposer goes by: the statement's line, for example.
    evidence: Mapped[str | None]
    proposed_by: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    expires_at: Mapped[datetime]
    decision: Mapped[str] = mapped_column(server_default=text("'open'"))
    # Nobody where its time ran out.
    decided_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))
    decided_at: Mapped[datetime | None]
    decided_because: Mapped[str | None]
