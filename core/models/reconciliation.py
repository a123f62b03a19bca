"""A biller's statement against our day: its files and lines, which payment each is of, what people made of the differences, and the days signed off."""

import uuid
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, Integer, LargeBinary, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from core.models.base import Base


class LineKind(StrEnum):
    """Which way the money went, as the biller says it."""

    PAYMENT = "PAYMENT"
    REVERSAL = "REVERSAL"


class Rule(StrEnum):
    """By what it is known which payment a line is of: the first of these that says it."""

    OUR_REFERENCE = "OUR_REFERENCE"
    THEIR_REFERENCE = "THEIR_REFERENCE"
    ACCOUNT = "ACCOUNT"  # Account, amount and business day, where exactly one line and one payment have them.
    PERSON = "PERSON"


class Result(StrEnum):
    """How a line and a payment stand to each other now. Everything but the first two is a difference."""

    MATCHED = "MATCHED"
    OTHER_DAY = "OTHER_DAY"  # Ours of this day, in the biller's statement of another day.
    OURS_ONLY = "OURS_ONLY"
    THEIRS_ONLY = "THEIRS_ONLY"
    AMOUNT_DIFFERS = "AMOUNT_DIFFERS"
    DUPLICATE = "DUPLICATE"  # Twice in the statement, or two of ours to one line.
    UNDER_REVIEW = "UNDER_REVIEW"  # Two people decide about ours.
    IN_DOUBT = "IN_DOUBT"  # Ours is not settled: asked about, or not sent yet.
    LATE_SUCCESS = "LATE_SUCCESS"  # Ours ended as not paid, and the biller has it.
    GIVEN_BACK = "GIVEN_BACK"  # The biller gave back what we have as paid.


class Act(StrEnum):
    """What a person did about a difference that stays one."""

    EXPLAINED = "EXPLAINED"
    BREAK = "BREAK"  # Kept with the payment as a contradiction, to be seen to.
    HANDED_ON = "HANDED_ON"  # Somebody else sees to it, whom the words name.


class StatementColumns(Base):
    """Which column of a biller's files has what, by the columns' names."""

    __tablename__ = "statement_columns"

    biller_type: Mapped[str] = mapped_column(ForeignKey("biller_types.code"), primary_key=True)
    columns: Mapped[dict[str, Any]]
    changed_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    changed_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))


class Statement(Base):
    """One file that brought at least one line. Append-only."""

    __tablename__ = "statements"
    __table_args__ = (
        # The same file twice changes nothing.
        UniqueConstraint("biller_type", "sha256", name="uq_statements_biller_type_sha256"),
        Index("ix_statements_imported_at", text("imported_at DESC")),
        CheckConstraint("format IN ('csv', 'xlsx')", "format"),
        CheckConstraint("first_day <= last_day", "days"),
        CheckConstraint("new_lines BETWEEN 1 AND lines", "lines"),
        CheckConstraint("length(sha256) = 32", "hash"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    biller_type: Mapped[str] = mapped_column(ForeignKey("biller_types.code"))
    file_name: Mapped[str]
    format: Mapped[str]
    size_bytes: Mapped[int] = mapped_column(Integer)
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    # The map it was read with.
    columns: Mapped[dict[str, Any]]
    first_day: Mapped[date]
    last_day: Mapped[date]
    lines: Mapped[int] = mapped_column(Integer)
    # Of those, the ones that no earlier file had.
    new_lines: Mapped[int] = mapped_column(Integer)
    # Rows without a payment in them: titles, totals, what the map leaves out.
    passed_over: Mapped[int] = mapped_column(Integer)
    imported_by: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    imported_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class StatementLine(Base):
    """One movement as the biller tells it. Append-only."""

    __tablename__ = "statement_lines"
    __table_args__ = (
        # The same line in another file is the same line; the second of two equal ones in a file is the second in every file.
        UniqueConstraint("fingerprint", "occurrence", name="uq_statement_lines_fingerprint"),
        Index("ix_statement_lines_day", "biller_type", "day"),
        Index("ix_statement_lines_statement_id", "statement_id"),
        # Two of ours to one line.
        Index("ix_statement_lines_their_reference", "biller_type", "their_reference", postgresql_where=text("their_reference IS NOT NULL")),
        CheckConstraint("kind IN ('PAYMENT', 'REVERSAL')", "kind"),
        CheckConstraint("amount > 0", "amount"),
        CheckConstraint("our_reference IS NOT NULL OR their_reference IS NOT NULL OR account IS NOT NULL", "named"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    statement_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("statements.id"))
    # The row of the file, as a spreadsheet counts them.
    row: Mapped[int] = mapped_column(Integer)
    biller_type: Mapped[str]
    day: Mapped[date]
    # Where the file tells the time, too.
    at: Mapped[datetime | None]
    our_reference: Mapped[str | None]
    their_reference: Mapped[str | None]
    account: Mapped[str | None]
    amount: Mapped[Decimal]
    currency: Mapped[str]
    kind: Mapped[str]
    # Of everything above but the time, which one file of a biller tells and another does not.
    fingerprint: Mapped[uuid.UUID]
    occurrence: Mapped[int] = mapped_column(Integer)


class StatementMatch(Base):
    """Which payment a line is of. Append-only; how the two stand to each other is read anew each time."""

    __tablename__ = "statement_matches"
    __table_args__ = (
        # The first line of a payment is its own; those after it are duplicates.
        UniqueConstraint("transaction_id", "kind", "place", name="uq_statement_matches_place"),
        CheckConstraint("rule IN ('OUR_REFERENCE', 'THEIR_REFERENCE', 'ACCOUNT', 'PERSON')", "rule"),
        CheckConstraint("(rule = 'PERSON') = (matched_by IS NOT NULL)", "person"),
    )

    line_id: Mapped[int] = mapped_column(ForeignKey("statement_lines.id"), primary_key=True)
    transaction_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("transactions.id"))
    kind: Mapped[str]
    rule: Mapped[str]
    place: Mapped[int] = mapped_column(Integer)
    matched_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    matched_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))


class DifferenceNote(Base):
    """What a person made of one difference. Append-only; the latest counts, and only while the difference is still the same."""

    __tablename__ = "difference_notes"
    __table_args__ = (
        Index("ix_difference_notes_day", "biller_type", "day"),
        CheckConstraint("act IN ('EXPLAINED', 'BREAK', 'HANDED_ON')", "act"),
        CheckConstraint("line_id IS NOT NULL OR transaction_id IS NOT NULL", "about"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    biller_type: Mapped[str] = mapped_column(ForeignKey("biller_types.code"))
    day: Mapped[date]
    line_id: Mapped[int | None] = mapped_column(ForeignKey("statement_lines.id"))
    transaction_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("transactions.id"))
    result: Mapped[str]
    act: Mapped[str]
    told: Mapped[str]
    noted_by: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    noted_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class ReconciliationDay(Base):
    """A biller's day as it was last counted."""

    __tablename__ = "reconciliation_days"

    biller_type: Mapped[str] = mapped_column(ForeignKey("biller_types.code"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    figures: Mapped[dict[str, Any]]
    # Differences that nobody has settled or explained.
    open: Mapped[int] = mapped_column(Integer)
    as_of: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class DayClose(Base):
    """A signed-off day, frozen by a trigger. Reopened once, by somebody, because of something; then it may be signed off anew, in a row of its own."""

    __tablename__ = "day_closes"
    __table_args__ = (
        Index("uq_day_closes_standing", "biller_type", "day", unique=True, postgresql_where=text("reopened_at IS NULL")),
        Index("ix_day_closes_day", "biller_type", "day"),
        CheckConstraint("sheet_sha256 = sha256(sheet)", "sheet"),
        CheckConstraint("(reopened_at IS NULL) = (reopened_by IS NULL) AND (reopened_at IS NULL) = (reopened_because IS NULL)", "reopened"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    biller_type: Mapped[str] = mapped_column(ForeignKey("biller_types.code"))
    day: Mapped[date]
    figures: Mapped[dict[str, Any]]
    # The PDF, byte for byte.
    sheet: Mapped[bytes] = mapped_column(LargeBinary)
    sheet_sha256: Mapped[bytes] = mapped_column(LargeBinary)
    note: Mapped[str | None]
    closed_by: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))
    closed_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    reopened_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id"))
    reopened_at: Mapped[datetime | None]
    reopened_because: Mapped[str | None]
