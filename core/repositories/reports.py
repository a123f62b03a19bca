"""What is known of reports: what the schedules say, what is owed, what was made, and its files. Their figures are `Statistics`' own."""

import hashlib
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core.ids import new_id
from core.models import KeptReport, ReportFile, ReportSchedule, Transaction, User
from core.models.reports import ReportFormat, ReportKind
from core.repositories.filters import TransactionFilter
from core.states import Stage


@dataclass(frozen=True, slots=True)
class Open:
    """A payment that is not settled."""

    reference: str
    biller: str
    submitted_at: datetime
    amount: Decimal
    currency: str
    under_review: bool


@dataclass(frozen=True, slots=True)
class Listed:
    """A report as the list has it, without its figures but those of all billers together. `made_by` is nobody for a schedule."""

    id: uuid.UUID
    kind: ReportKind
    first_day: date
    last_day: date
    made_by: str | None
    created_at: datetime
    as_of: datetime | None
    rows: int | None
    altogether: Mapping[str, Any] | None
    is_over: bool | None
    formats: tuple[ReportFormat, ...]
    tries: int
    next_try_at: datetime | None
    told: str | None


class Reports:
    def __init__(self, session: Session) -> None:
        self._session = session

    # ---- What is counted

    def hold_still(self) -> None:
        """Everything this session reads from now on is of one moment. To be asked before anything else."""
        self._session.connection(execution_options={"isolation_level": "REPEATABLE READ"})

    def still_open(self, wanted: TransactionFilter, most: int) -> Sequence[Open]:
        """Of a filter by `in_doubt`: the oldest first."""
        one = Transaction
        found = (
            select(one.our_transaction_id, one.biller_type, one.created_at, one.amount, one.currency, one.stage == Stage.REVIEW.value)
            .where(*wanted.conditions())
            .order_by(one.created_at, one.id)
            .limit(most)
        )
        rows = self._session.execute(found)
        return [Open(reference, biller, at, amount, currency, review) for reference, biller, at, amount, currency, review in rows if amount is not None]

    def first_transaction_at(self) -> datetime | None:
        """Before it there is nothing to report."""
        return self._session.scalar(select(Transaction.created_at).order_by(Transaction.created_at, Transaction.id).limit(1))

    # ---- Schedules

    def schedules(self) -> Sequence[ReportSchedule]:
        found = {schedule.kind: schedule for schedule in self._session.scalars(select(ReportSchedule))}
        return [found[kind.value] for kind in ReportKind]

    def held_schedule(self, kind: ReportKind) -> ReportSchedule:
        """For whoever changes it: a second one waits, and then sees what the first one made of it."""
        found = select(ReportSchedule).where(ReportSchedule.kind == kind.value).with_for_update().execution_options(populate_existing=True)
        return self._session.scalars(found).one()

    def names(self, ids: Collection[uuid.UUID | None]) -> Mapping[uuid.UUID, str]:
        """People by their ids."""
        return dict(self._session.execute(select(User.id, User.display_name).where(User.id.in_([one for one in ids if one]))).all())

    # ---- What is owed

    def scheduled(self, kind: ReportKind, first_days: Collection[date]) -> frozenset[date]:
        """Of which of these periods a schedule's report is known already, made or owed."""
        is_scheduled = KeptReport.made_by.is_(None)
        found = select(KeptReport.first_day).where(KeptReport.kind == kind.value, is_scheduled, KeptReport.first_day.in_(list(first_days)))
        return frozenset(self._session.scalars(found))

    def owe(self, kind: ReportKind, first_day: date, last_day: date, formats: Sequence[str]) -> None:
        """Whoever comes second writes nothing: the schedule owes it once."""
        what = {"kind": kind.value, "first_day": first_day, "last_day": last_day, "formats": list(formats)}
        wanted = insert(KeptReport).values(id=new_id(), **what, next_try_at=func.clock_timestamp())
        self._session.execute(wanted.on_conflict_do_nothing())

    def next_owed(self) -> KeptReport | None:
        """One that may be tried now, held until the unit of work ends. What another worker holds is passed by."""
        found = (
            select(KeptReport)
            .where(KeptReport.made_at.is_(None), KeptReport.next_try_at <= func.clock_timestamp())
            .order_by(KeptReport.next_try_at, KeptReport.id)
            .limit(1)
            .with_for_update(skip_locked=True)
            .execution_options(populate_existing=True)
        )
        return self._session.scalar(found)

    # ---- What was made

    def add(self, report: KeptReport) -> None:
        self._session.add(report)
        self._session.flush()

    def with_id(self, report_id: uuid.UUID) -> KeptReport | None:
        return self._session.get(KeptReport, report_id)

    def last_of(self, kind: ReportKind, first_day: date) -> KeptReport | None:
        """The newest that was made of this period."""
        of_period = select(KeptReport).where(KeptReport.kind == kind.value, KeptReport.first_day == first_day, KeptReport.made_at.is_not(None))
        return self._session.scalar(of_period.order_by(KeptReport.as_of.desc()).limit(1))

    def latest(self, most: int, kind: ReportKind | None = None) -> Sequence[Listed]:
        """Newest first, those that are owed among them; one more than `most` where there are more."""
        one = KeptReport
        figures = (one.figures["altogether"], one.figures["is_over"])
        found = (
            select(one.id, one.kind, one.first_day, one.last_day, User.display_name, one.created_at, one.as_of, one.rows, *figures)
            .add_columns(one.formats, one.tries, one.next_try_at, one.told)
            .outerjoin(User, User.id == one.made_by)
            .order_by(one.created_at.desc(), one.id.desc())
            .limit(most + 1)
        )
        rows = self._session.execute(found.where(one.kind == kind.value) if kind else found)
        return [
            Listed(made, ReportKind(sort), first, last, by, at, as_of, count, altogether, is_over, tuple(map(ReportFormat, formats)), tries, next_try, told)
            for made, sort, first, last, by, at, as_of, count, altogether, is_over, formats, tries, next_try, told in rows
        ]

    # ---- Files

    def file(self, report_id: uuid.UUID, form: ReportFormat) -> bytes | None:
        return self._session.scalar(select(ReportFile.content).where(ReportFile.report_id == report_id, ReportFile.format == form.value))

    def keep_file(self, report_id: uuid.UUID, form: ReportFormat, content: bytes) -> None:
        """Two that draw the same at once keep it once."""
        facts = {"content": content, "size_bytes": len(content), "sha256": hashlib.sha256(content).digest()}
        self._session.execute(insert(ReportFile).values(report_id=report_id, format=form.value, **facts).on_conflict_do_nothing())
