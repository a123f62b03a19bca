"""What was taken away as a file: who asked for which rows in which form, how far it came, and the hash of what left."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from core.models.base import Base


class Export(Base):
    """One file, from before its first byte to its end. An end is written once; without one and long unseen, its process is dead."""

    __tablename__ = "exports"
    __table_args__ = (
        # One's own, and everybody's, newest first.
        Index("ix_exports_asked_by_begun_at", "asked_by", text("begun_at DESC")),
        Index("ix_exports_begun_at", text("begun_at DESC")),
        CheckConstraint("profile IN ('spreadsheet', 'data', 'workbook')", "profile"),
        CheckConstraint("(ended_at IS NULL) = (complete IS NULL) AND (ended_at IS NULL) = (sha256 IS NULL)", "ended"),
        CheckConstraint("ended_at IS NULL AND because IS NULL OR complete = (because IS NULL)", "because"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    # None: the machine itself.
    asked_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))
    begun_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    file_name: Mapped[str]
    # Which rows: in words, and as the query of the list's address.
    filter: Mapped[str]
    address: Mapped[str]
    profile: Mapped[str]
    columns: Mapped[list[str]]
    # What its times are written in.
    zone: Mapped[str]
    sort: Mapped[str]
    # What its snapshot holds: so many rows, and per currency the value paid, as text.
    expected_rows: Mapped[int]
    value: Mapped[dict[str, Any]]
    # So many have left, as of `seen_at`.
    rows: Mapped[int] = mapped_column(server_default=text("0"))
    size_bytes: Mapped[int] = mapped_column(server_default=text("0"))
    seen_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    # Its owner asked it to end, in whatever window; it looks every second.
    cancelled_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    sha256: Mapped[str | None]
    complete: Mapped[bool | None]
    # Why it is not whole.
    because: Mapped[str | None]
