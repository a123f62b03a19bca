"""What a biller sold that is worth money to whoever reads it."""

import uuid
from datetime import datetime

from sqlalchemy import ForeignKey, func
from sqlalchemy.orm import Mapped, mapped_column

from core.models.base import Base


class VendedToken(Base):
    """A prepaid token: cash. Only the vault's envelope is kept, bound to this row; each opening of it is audited."""

    __tablename__ = "vended_tokens"

    transaction_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("transactions.id"), primary_key=True)
    envelope: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
