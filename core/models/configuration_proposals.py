"""What one administrator proposed about a biller's configuration and another decides: bound to what was shown, its credentials sealed at their own place."""

import uuid
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, Integer, LargeBinary, func, text
from sqlalchemy.orm import Mapped, mapped_column

from core.models.base import Base


class ConfigurationStep(StrEnum):
    """What is proposed of a configuration."""

    CHANGE = "CHANGE"  # That it says something else.
    ACTIVATE = "ACTIVATE"  # That it is offered to operators, for the first time.


class Fate(StrEnum):
    """What becomes of the stored credentials."""

    KEPT = "kept"
    CHANGED = "changed"  # Those that were entered go over them; on another host they alone count.
    REMOVED = "removed"
    VOIDED = "voided"  # The host changes, and none were entered for the new one.
    RESTORED = "restored"  # An older version's come back, with the host they were entered for.


class ConfigurationProposal(Base):
    """One proposal and its decision. Everything but the decision is frozen by a trigger, and a decision is made once."""

    __tablename__ = "configuration_proposals"
    __table_args__ = (
        Index("uq_configuration_proposals_number", "number", unique=True),
        # One at a time: with the first that is approved there is another version, and whoever proposed the second saw the one before.
        Index("uq_configuration_proposals_open", "config_id", unique=True, postgresql_where=text("decision = 'open'")),
        Index("ix_configuration_proposals_config_id", "config_id", text("number DESC")),
        CheckConstraint("kind IN ('CHANGE', 'ACTIVATE')", "kind"),
        CheckConstraint("fate IN ('kept', 'changed', 'removed', 'voided', 'restored')", "fate"),
        CheckConstraint("decision IN ('open', 'approved', 'rejected', 'withdrawn', 'expired')", "decision"),
        CheckConstraint("(decision = 'open') = (decided_at IS NULL)", "decided"),
        CheckConstraint("decision NOT IN ('approved', 'rejected') OR decided_by IS DISTINCT FROM proposed_by", "two_people"),
        CheckConstraint("decision <> 'rejected' OR decided_because IS NOT NULL", "rejected_because"),
        # Nothing secret is kept of what was decided: approved, it is with the configuration; otherwise nobody wants it.
        CheckConstraint("authentication IS NULL OR (decision = 'open' AND fate IN ('changed', 'restored'))", "sealed"),
        CheckConstraint("length(shown_hash) = 32", "hash"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    # What people and the command line call it.
    number: Mapped[int] = mapped_column(BigInteger, Identity(always=True))
    kind: Mapped[str]
    config_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("biller_configs.id"))
    # The version that was in front of whoever proposed it: approved only while it is still the last.
    version: Mapped[int] = mapped_column(Integer)
    # The whole configuration as it would be, without its credentials.
    content: Mapped[dict[str, Any]]
    # A vault envelope of what was entered, bound to this row.
    authentication: Mapped[str | None]
    fate: Mapped[str]
    # The version that is restored, where one is.
    restores: Mapped[int | None] = mapped_column(Integer)
    # What the proposer saw, and its SHA-256.
    shown: Mapped[dict[str, Any]]
    shown_hash: Mapped[bytes] = mapped_column(LargeBinary)
    reason: Mapped[str]
    proposed_by: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    expires_at: Mapped[datetime]
    decision: Mapped[str] = mapped_column(server_default=text("'open'"))
    # Nobody where whoever runs the machine decided on its command line, or time ran out.
    decided_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))
    decided_at: Mapped[datetime | None]
    decided_because: Mapped[str | None]
