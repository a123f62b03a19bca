"""The gate that closes when a database comes back with less than it had confirmed, and the name that such a database is known by."""

import uuid
from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Integer, func, text
from sqlalchemy.orm import Mapped, mapped_column

from core.models.base import Base


class Installation(Base):
    """One row: who this database is, whatever it is called and wherever it is restored."""

    __tablename__ = "installations"
    __table_args__ = (Index("uq_installations_one", text("(true)"), unique=True),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    made_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class Gate(Base):
    """One time that history was lost. While `reopened_at` is empty nothing that moves money is sent; at most one gate is closed."""

    __tablename__ = "gates"
    __table_args__ = (
        Index("uq_gates_closed", text("(true)"), unique=True, postgresql_where=text("reopened_at IS NULL")),
        CheckConstraint("(reopened_at IS NULL) = (reopened_because IS NULL) AND (reopened_at IS NULL) = (doubted IS NULL)", "reopened"),
    )

    # One more than any that is known of, here or outside: a sign-off that was lost is not taken for a later one.
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    closed_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    because: Mapped[str]
    # The machine whose notes said otherwise.
    noticed_by: Mapped[str]
    # What was written down outside: the number and moment of an event that is not there any more; and the last one that is.
    mirrored_seq: Mapped[int]
    mirrored_at: Mapped[datetime]
    found_seq: Mapped[int]
    found_at: Mapped[datetime | None]
    reopened_at: Mapped[datetime | None]
    # Nobody where it was done on the machine's command line.
    reopened_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))
    reopened_because: Mapped[str | None]
    # How many payments were put in doubt at the sign-off.
    doubted: Mapped[int | None] = mapped_column(Integer)
