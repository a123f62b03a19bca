"""What speaks against a payment that had ended. Its row stays as it is: money is corrected by a new, linked transaction."""

import uuid
from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from core.models.base import Base


class Break(Base):
    """One contradiction between a settled payment and later evidence, open until a person has dealt with it."""

    __tablename__ = "breaks"
    __table_args__ = (
        # The same evidence twice is one break.
        UniqueConstraint("transaction_id", "leg", "kind"),
        Index("ix_breaks_open", "found_at", postgresql_where=text("closed_at IS NULL")),
        CheckConstraint("kind IN ('LATE_SUCCESS', 'OTHER_AMOUNT', 'PAID_TWICE', 'NOT_PAID')", "kind"),
        CheckConstraint("(closed_at IS NULL) = (closed_because IS NULL)", "closed"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    transaction_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("transactions.id"))
    leg: Mapped[str]
    kind: Mapped[str]
    found_at: Mapped[datetime] = mapped_column(server_default=func.now())
    # The attempt whose answer says so.
    attempt_id: Mapped[uuid.UUID | None]
    told: Mapped[str]
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))
    closed_because: Mapped[str | None]
