"""From where on a second person decides: amounts and numbers of rows, as data, for a role and a biller. Each change is a further version."""

import uuid
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Integer, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from core.models.base import Base

# Whichever role, or biller, has no rule of its own.
ANY = ""


class Duplicates(StrEnum):
    """What a second payment of the same bill takes."""

    REASON = "REASON"  # That whoever pays it says why.
    SECOND_PERSON = "SECOND_PERSON"  # A second person as well, above an amount.


class ApprovalRule(Base):
    """One version of what holds for a role at a biller, in one currency. What it says nothing about is left to the rule that is more general."""

    __tablename__ = "approval_rules"
    __table_args__ = (
        UniqueConstraint("role", "biller_type", "currency", "version"),
        # What two people said makes one version.
        UniqueConstraint("proposal_id"),
        CheckConstraint("duplicates IN ('REASON', 'SECOND_PERSON')", "duplicates"),
        CheckConstraint("(duplicates IS NOT DISTINCT FROM 'SECOND_PERSON') = (duplicates_above IS NOT NULL)", "duplicates_above"),
        CheckConstraint("pays_alone >= 0 AND duplicates_above >= 0 AND bulk_rows >= 0 AND bulk_sum >= 0", "limits"),
        CheckConstraint("version >= 1", "version"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    role: Mapped[str]
    biller_type: Mapped[str]
    currency: Mapped[str]
    version: Mapped[int] = mapped_column(Integer)
    # Up to this one person pays alone.
    pays_alone: Mapped[Decimal | None]
    duplicates: Mapped[str | None]
    # Above this a second payment of the same bill takes a second person.
    duplicates_above: Mapped[Decimal | None]
    # An act on more rows than this, or of more than this in all, takes a second person.
    bulk_rows: Mapped[int | None] = mapped_column(Integer)
    bulk_sum: Mapped[Decimal | None]
    proposal_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("wider_proposals.id"))
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
