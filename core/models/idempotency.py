"""What a program said it does once: its key, what was asked under it, and what came of that."""

import uuid
from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, SmallInteger, func
from sqlalchemy.orm import Mapped, mapped_column

from core.models.base import Base


class IdempotencyKey(Base):
    """One key of one owner on one route.

    The draft is written here before it is submitted, and the transaction as soon as it is known: whoever comes with the same key goes on with those, and
    makes none of their own.
    """

    __tablename__ = "idempotency_keys"
    __table_args__ = (
        CheckConstraint("length(payload_hash) = 32", "payload_hash"),
        CheckConstraint("(status IS NULL) = (body IS NULL)", "answer"),
        # What is old enough to be forgotten.
        Index("ix_idempotency_keys_created_at", "created_at"),
    )

    owner_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    route: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    payload_hash: Mapped[bytes] = mapped_column(LargeBinary)
    # Whose turn it is, and until when; None while nobody is at it. A process that died is not waited for any longer than this.
    claim_id: Mapped[uuid.UUID]
    claimed_until: Mapped[datetime | None]
    draft_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("drafts.id"))
    transaction_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("transactions.id"))
    # The definitive answer, as it was given; None while there is none.
    status: Mapped[int | None] = mapped_column(SmallInteger)
    body: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
