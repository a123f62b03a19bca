"""What stands still and should not: legs of core banking that are open, work in the background that broke off. Each question is answered from a small index."""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.models import Transaction
from core.models.bulk import BulkAct, BulkItem, ItemState
from core.repositories.filters import TransactionFilter
from core.repositories.statistics import NAMED, Waiting

# What broke off is somebody's concern for so long; afterwards it is history, and stands in the act's own account.
BROKEN_FOR = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class BrokenAct:
    """An act on many payments of which some rows failed for a reason that nobody foresaw."""

    id: uuid.UUID
    act: str
    rows: int
    oldest_at: datetime


class StandingStill:
    def __init__(self, session: Session) -> None:
        self._session = session

    def bank_legs_open(self, age: timedelta, billers: tuple[str, ...] = ()) -> Waiting:
        """Payments submitted longer ago than `age` whose debit, or what is to be given back of it, is not settled."""
        where = (*TransactionFilter(bank_open=True, billers=billers).conditions(), Transaction.created_at <= func.now() - age)
        count, oldest_at = self._session.execute(select(func.count(), func.min(Transaction.created_at)).where(*where)).one()
        if not count:
            return Waiting()
        references = select(Transaction.our_transaction_id).where(*where).order_by(Transaction.created_at, Transaction.id).limit(NAMED)
        return Waiting(count, oldest_at, references=tuple(self._session.scalars(references)))

    def broken_acts(self, billers: tuple[str, ...] = ()) -> list[BrokenAct]:
        """The latest first; of some billers, those with such a row of theirs."""
        found = (
            select(BulkAct.id, BulkAct.act, func.count(), func.min(func.coalesce(BulkItem.at, BulkAct.created_at)))
            .join(BulkItem, BulkItem.act_id == BulkAct.id)
            .join(Transaction, Transaction.id == BulkItem.transaction_id)
            .where(BulkAct.created_at > func.now() - BROKEN_FOR, BulkItem.state == ItemState.FAILED.value, *TransactionFilter(billers=billers).conditions())
            .group_by(BulkAct.id)
            .order_by(BulkAct.created_at.desc())
        )
        return [BrokenAct(act_id, act, rows, oldest_at) for act_id, act, rows, oldest_at in self._session.execute(found)]
