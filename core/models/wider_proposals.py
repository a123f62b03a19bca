"""What one person proposed of more than one payment and another decides: bound for ever to what was shown, as a proposal about one payment is."""

import uuid
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, func, text
from sqlalchemy.orm import Mapped, mapped_column

from core.models.base import Base


class WiderKind(StrEnum):
    """What is proposed."""

    BULK = "BULK"  # An act on many payments, all of its rows at once.
    RULE = "RULE"  # From where on a second person decides.


class WiderProposal(Base):
    """One proposal and its decision. Everything but the decision is frozen by a trigger, and a decision is made once."""

    __tablename__ = "wider_proposals"
    __table_args__ = (
        # Nobody can propose about the same thing twice while one waits.
        Index("uq_wider_proposals_open", "kind", "subject", unique=True, postgresql_where=text("decision = 'open'")),
        Index("ix_wider_proposals_waiting", "expires_at", postgresql_where=text("decision = 'open'")),
        Index("ix_wider_proposals_decided_at", text("decided_at DESC"), postgresql_where=text("decided_at IS NOT NULL")),
        # What was decided about an act: asked for each of its rows.
        Index("ix_wider_proposals_subject", "subject", "kind"),
        Index("ix_wider_proposals_proposed_by", "proposed_by", text("created_at DESC")),
        CheckConstraint("kind IN ('BULK', 'RULE')", "kind"),
        CheckConstraint("decision IN ('open', 'approved', 'rejected', 'withdrawn', 'expired')", "decision"),
        CheckConstraint("(decision = 'open') = (decided_at IS NULL)", "decided"),
        CheckConstraint("decision NOT IN ('approved', 'rejected') OR (decided_by IS NOT NULL AND decided_by <> proposed_by)", "two_people"),
        CheckConstraint("decision <> 'rejected' OR decided_because IS NOT NULL", "rejected_because"),
        CheckConstraint("length(shown_hash) = 32", "hash"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    # The act's id; of a rule, for whom it is.
    subject: Mapped[str]
    # What the proposer saw, and its SHA-256; approved only while the same still holds.
    shown: Mapped[dict[str, Any]]
    shown_hash: Mapped[bytes] = mapped_column(LargeBinary)
    reason: Mapped[str]
    proposed_by: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    expires_at: Mapped[datetime]
    decision: Mapped[str] = mapped_column(server_default=text("'open'"))
    # Nobody where its time ran out.
    decided_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))
    decided_at: Mapped[datetime | None]
    decided_because: Mapped[str | None]
