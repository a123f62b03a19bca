"""Who did what, and the chain that shows when somebody rewrote it."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Identity, Index, LargeBinary, SmallInteger, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from core.models.base import Base


class AuditEntry(Base):
    """One act, written in the act's own database transaction. Append-only."""

    __tablename__ = "audit_entries"
    __table_args__ = (
        # The history of one object.
        Index("ix_audit_entries_subject", "subject_type", "subject_id", "seq"),
        # What one person did, by the name on the record: those who are nobody here have one, too.
        Index("ix_audit_entries_actor_name", "actor_name", "seq"),
        # What was done, from where, and when.
        Index("ix_audit_entries_action", "action", "seq"),
        Index("ix_audit_entries_address", "address", "seq", postgresql_where=text("address IS NOT NULL")),
        Index("ix_audit_entries_at", "at"),
        # The sealer reads by database transaction.
        Index("ix_audit_entries_xid", "xid"),
    )

    seq: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    actor_id: Mapped[uuid.UUID | None]
    actor_name: Mapped[str]
    address: Mapped[str | None]
    action: Mapped[str]
    subject_type: Mapped[str]
    subject_id: Mapped[str]
    details: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    xid: Mapped[int] = mapped_column(BigInteger, server_default=text("pg_current_xact_id()::text::bigint"))


class Seal(Base):
    """One link of the chain: a row's place, and SHA-256 over the link before and the row's content. Append-only."""

    __tablename__ = "seals"
    __table_args__ = (
        # A row is sealed once.
        UniqueConstraint("source", "source_seq"),
    )

    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    source: Mapped[int] = mapped_column(SmallInteger)
    source_seq: Mapped[int] = mapped_column(BigInteger)
    # The database transaction that wrote the row; the sealer goes on from the highest.
    xid: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[bytes] = mapped_column(LargeBinary)
