"""Reports: which are made by themselves, which were made, and their files as they were handed out."""

import uuid
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, LargeBinary, func, text
from sqlalchemy.orm import Mapped, mapped_column

from core.models.base import Base


class ReportKind(StrEnum):
    """Which stretch of business time: a day, a week from Monday, a month."""

    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


class ReportFormat(StrEnum):
    """For whom a file is: to be read and handed on, to calculate with, for programs."""

    PDF = "pdf"
    XLSX = "xlsx"
    CSV = "csv"


class ReportSchedule(Base):
    """When a kind is made by itself: at this hour of business time after the period's last day."""

    __tablename__ = "report_schedules"
    __table_args__ = (
        CheckConstraint("kind IN ('daily', 'weekly', 'monthly')", "kind"),
        CheckConstraint("hour BETWEEN 0 AND 23", "hour"),
        CheckConstraint("jsonb_array_length(formats) >= 1", "formats"),
    )

    kind: Mapped[str] = mapped_column(primary_key=True)
    is_on: Mapped[bool]
    hour: Mapped[int] = mapped_column(Integer)
    formats: Mapped[list[str]]
    # What was due before it was switched on is not owed.
    since: Mapped[datetime | None]
    changed_at: Mapped[datetime | None]
    changed_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))


class KeptReport(Base):
    """One report of one period. Once it is made it says for ever what was known then; until then it is owed by its schedule, and tried again."""

    __tablename__ = "reports"
    __table_args__ = (
        # However many workers look at the clock: a schedule owes one report for a period.
        Index("uq_reports_scheduled", "kind", "first_day", unique=True, postgresql_where=text("made_by IS NULL")),
        # The list.
        Index("ix_reports_created_at", text("created_at DESC"), text("id DESC")),
        # The last one of a period.
        Index("ix_reports_period", "kind", "first_day", text("as_of DESC")),
        # What is owed: looked at in each round.
        Index("ix_reports_waiting", "next_try_at", postgresql_where=text("made_at IS NULL")),
        CheckConstraint("kind IN ('daily', 'weekly', 'monthly')", "kind"),
        CheckConstraint("first_day <= last_day", "days"),
        CheckConstraint("(made_at IS NULL) = (figures IS NULL) AND (made_at IS NULL) = (as_of IS NULL) AND (made_at IS NULL) = (rows IS NULL)", "made"),
        CheckConstraint("(made_at IS NULL) = (next_try_at IS NOT NULL)", "waits"),
        CheckConstraint("made_by IS NULL OR made_at IS NOT NULL", "by_a_person"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    first_day: Mapped[date]
    # Of a period that was not over: the day it was made on.
    last_day: Mapped[date]
    # What its schedule wants; other formats are drawn of the same figures when somebody asks.
    formats: Mapped[list[str]]
    # Nobody: a schedule.
    made_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    as_of: Mapped[datetime | None]
    # Transactions counted, look-ups included.
    rows: Mapped[int | None]
    # The whole report, as core/documents/report.py writes it.
    figures: Mapped[dict[str, Any] | None]
    made_at: Mapped[datetime | None]
    tries: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    next_try_at: Mapped[datetime | None]
    # Why the last try failed, as a sentence.
    told: Mapped[str | None]


class ReportFile(Base):
    """A report in one format, byte for byte."""

    __tablename__ = "report_files"
    __table_args__ = (
        CheckConstraint("format IN ('csv', 'xlsx', 'pdf')", "format"),
        CheckConstraint("size_bytes = length(content) AND sha256 = sha256(content)", "content"),
    )

    report_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("reports.id"), primary_key=True)
    format: Mapped[str] = mapped_column(primary_key=True)
    content: Mapped[bytes] = mapped_column(LargeBinary)
    size_bytes: Mapped[int] = mapped_column(Integer)
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    made_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
