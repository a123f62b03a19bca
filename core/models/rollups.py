"""Sums kept beside the rows, so that a figure of ten million costs what one of ten thousand does. Made anew from the rows at any time."""

from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import ARRAY, BigInteger, Boolean, CheckConstraint, Date, Integer, Numeric, SmallInteger, text
from sqlalchemy.orm import Mapped, mapped_column

from core.models.base import Base


class RollupState(Base):
    """One row: up to where the sums below have come. What was written since is read beside them, so that no figure waits for the next fold."""

    __tablename__ = "rollup_state"
    __table_args__ = (CheckConstraint("one", "one"), CheckConstraint("differences >= 0", "differences"))

    one: Mapped[bool] = mapped_column(Boolean, primary_key=True, server_default=text("true"))
    # Database transactions below this are in the sums, whole; those from it on are not in them at all.
    watermark: Mapped[int] = mapped_column(BigInteger)
    # A restored dump brings numbers of database transactions that its new server has not come to yet: what was written up to here is in the sums.
    settled_seq: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    settled_at: Mapped[datetime | None]
    # Whose days `rollup_days` and its like are kept by.
    zone: Mapped[str]
    # How much was taken in: with what was not yet, it grows with every change and only then.
    events: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    answers: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    # Empty: not made yet, so that nobody reads them.
    rebuilt_at: Mapped[datetime | None]
    # When they were compared with the rows; how many sums differed when some did last, and when that was.
    verified_at: Mapped[datetime | None]
    differences: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    differed_at: Mapped[datetime | None]


class _Cell:
    """Transactions that are alike in everything that is counted by."""

    biller_type: Mapped[str] = mapped_column(primary_key=True)
    transaction_type: Mapped[str] = mapped_column(primary_key=True)
    status: Mapped[str] = mapped_column(primary_key=True)
    under_review: Mapped[bool] = mapped_column(Boolean, primary_key=True)
    currency: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)
    # Of whatever came of them: only what completed is value.
    amount: Mapped[Decimal] = mapped_column(Numeric)


class RollupHour(_Cell, Base):
    """Transactions by the hour of UTC in which they were submitted."""

    __tablename__ = "rollup_hours"

    hour: Mapped[datetime] = mapped_column(primary_key=True, sort_order=-1)


class RollupDay(_Cell, Base):
    """Transactions by the business day on which they were submitted."""

    __tablename__ = "rollup_days"

    day: Mapped[date] = mapped_column(Date, primary_key=True, sort_order=-1)


class RollupWeekday(_Cell, Base):
    """Transactions of a business month by the day of the week (Monday is 0) and the hour of the business day."""

    __tablename__ = "rollup_weekdays"

    month: Mapped[date] = mapped_column(Date, primary_key=True, sort_order=-3)
    weekday: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False, sort_order=-2)
    hour_of_day: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False, sort_order=-1)


class _AllCalls:
    """Calls that paid, by how long they took: each bucket is 5 % wider than the one before, so that its middle is at most 2.5 % from anything in it."""

    bucket: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    count: Mapped[int] = mapped_column(BigInteger)
    total_ms: Mapped[int] = mapped_column(BigInteger)


class _Calls(_AllCalls):
    biller_type: Mapped[str] = mapped_column(primary_key=True)
    transaction_type: Mapped[str] = mapped_column(primary_key=True)


class RollupCallHour(_Calls, Base):
    """Calls by the hour of UTC in which the transaction they paid was submitted."""

    __tablename__ = "rollup_call_hours"

    hour: Mapped[datetime] = mapped_column(primary_key=True, sort_order=-1)


class RollupCallDay(_Calls, Base):
    """Calls by the business day on which the transaction they paid was submitted."""

    __tablename__ = "rollup_call_days"

    day: Mapped[date] = mapped_column(Date, primary_key=True, sort_order=-1)


class RollupCallWeek(_Calls, Base):
    """Calls by the business week, by its Monday: what a quarter or a year comes to is read from a seventh of its days."""

    __tablename__ = "rollup_call_weeks"

    week: Mapped[date] = mapped_column(Date, primary_key=True, sort_order=-1)


class RollupCallTotal(_AllCalls, Base):
    """Calls of all billers by the business day: weeks and months of all, and days that no line answers, are read from a fifth of what the billers' are."""

    __tablename__ = "rollup_call_totals"

    day: Mapped[date] = mapped_column(Date, primary_key=True, sort_order=-1)


class RollupCallLine(Base):
    """Calls of a business day in one line, as they are ranked by: of all, of each biller, of each type; what it is not told apart by is empty.

    The database draws it anew whenever `rollup_call_days` changes.
    """

    __tablename__ = "rollup_call_lines"

    biller_type: Mapped[str] = mapped_column(primary_key=True)
    transaction_type: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    # Those that have calls, in order, and how many calls there are up to the end of each.
    buckets: Mapped[list[int]] = mapped_column(ARRAY(SmallInteger))
    up_tos: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    total_ms: Mapped[int] = mapped_column(BigInteger)


class RollupReason(Base):
    """Why payments of a business day failed, with one of the sentences that came with the code."""

    __tablename__ = "rollup_reasons"

    day: Mapped[date] = mapped_column(Date, primary_key=True)
    biller_type: Mapped[str] = mapped_column(primary_key=True)
    transaction_type: Mapped[str] = mapped_column(primary_key=True)
    # "(none)" where nothing was said; no biller's code is in brackets.
    code: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)
    message: Mapped[str | None]
