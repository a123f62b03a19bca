"""The months of what fills a disk: attempts, answers, events. It knows one thing: a month that was put away is as whole as it was, beside the others."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import exists, func, or_, select, text
from sqlalchemy.orm import Session

from core.models import Break, Transaction
from core.repositories.audit import EVENTS
from core.states import Stage

# What a month is kept in, the story's lines first.
KINDS = ("events", "answers", "attempts")
NAME = re.compile(r"(events|answers|attempts)_(\d{4})_(\d{2})")

# Where a payment waits for people, and for nothing else.
WAITS_FOR_PEOPLE = (Stage.REVIEW, Stage.REVIEW_REVERSAL, Stage.AWAITING_APPROVAL, Stage.REVERSAL_REQUESTED)

TABLES = text(
    "SELECT c.relname, c.relispartition, pg_total_relation_size(c.oid) FROM pg_class c"
    " WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace AND c.relname ~ '^(events|answers|attempts)_[0-9]{4}_[0-9]{2}$'"
    " ORDER BY c.relname"
)


@dataclass(frozen=True, slots=True)
class Month:
    """A month's tables. `is_attached`: they are part of the others still."""

    first: datetime
    tables: Sequence[str]
    is_attached: bool
    bytes: int

    @property
    def end(self) -> datetime:
        return datetime(self.first.year + self.first.month // 12, self.first.month % 12 + 1, 1, tzinfo=UTC)

    @property
    def name(self) -> str:
        return f"{self.first:%Y-%m}"


class Months:
    def __init__(self, session: Session) -> None:
        self._session = session

    def all(self) -> Sequence[Month]:
        """The oldest first. A month of which one table was put away and another not is told as two."""
        found: dict[tuple[datetime, bool], list[tuple[str, int]]] = {}
        for table, is_attached, size in self._session.execute(TABLES):
            name = NAME.fullmatch(table)
            if name is not None:
                found.setdefault((datetime(int(name[2]), int(name[3]), 1, tzinfo=UTC), is_attached), []).append((table, size))
        return [Month(first, [table for table, _ in parts], here, sum(size for _, size in parts)) for (first, here), parts in sorted(found.items())]

    def may_take_long(self) -> None:
        """Looking through a month is no defect; the time-out for defects does not apply to it."""
        self._session.execute(text("SET LOCAL statement_timeout = '10min'"))

    def has_unsettled(self, month: Month) -> bool:
        """Does a payment that was submitted before the month's end wait for anything: a worker, a biller's second answer, a person?"""
        waits = or_(
            Transaction.next_action_at.is_not(None),
            Transaction.stage.in_([stage.value for stage in WAITS_FOR_PEOPLE]),
            exists().where(Break.transaction_id == Transaction.id, Break.closed_at.is_(None)),
        )
        return bool(self._session.scalar(select(exists().where(Transaction.created_at < month.end, waits))))

    def has_unsealed(self, month: Month) -> bool:
        """Is there a line of a story that the audit chain does not cover yet? Nobody would come back for it."""
        return any(
            self._session.execute(
                text(
                    f"SELECT EXISTS (SELECT 1 FROM {table} r WHERE NOT EXISTS (SELECT 1 FROM seals s WHERE s.source = {EVENTS} AND s.source_seq = r.seq))"  # noqa: S608 - names that NAME has matched
                )
            ).scalar_one()
            for table in month.tables
            if table.startswith("events")
        )

    def put_away(self, month: Month) -> dict[str, int]:
        """Takes the month's tables out of the others. They stay, may not be changed any more than before, and go on being part of the audit chain."""
        # By a function of the tables' owner: the worker is not, and could change none of them.
        return {table: int(self._session.execute(text("SELECT put_month_away(:table)"), {"table": table}).scalar_one()) for table in month.tables}

    def now(self) -> datetime:
        moment: datetime = self._session.execute(select(func.clock_timestamp())).scalar_one()
        return moment
