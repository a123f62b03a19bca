"""What one person paid within some hours: added up by the database, and the rows behind it."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.models import Transaction
from core.repositories.filters import TransactionFilter
from core.states import MONEY_TYPES, Status


@dataclass(frozen=True, slots=True)
class Tally:
    """So many payments of this biller with this status, and what they come to. `is_cash`: the customer paid over the counter, no account was debited."""

    biller_type: str
    biller_name: str
    status: Status
    currency: str
    is_cash: bool
    count: int
    value: Decimal


@dataclass(frozen=True, slots=True)
class Line:
    """What is shown of one payment of the day. There are many of them, and whole transactions would be ten times as much to read and to keep."""

    id: uuid.UUID
    our_transaction_id: str
    created_at: datetime
    biller_type: str
    biller_name: str
    account_number: str
    customer_account_name: str | None
    transaction_type: str
    amount: Decimal | None
    currency: str
    status: str
    demo: bool


class MyDay:
    """Everything it tells within one unit of work is of one moment: a payment that settles meanwhile is not counted twice."""

    def __init__(self, session: Session, person_id: uuid.UUID, since: datetime, until: datetime) -> None:
        session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        self._session = session
        self._wanted = TransactionFilter(types=tuple(kind.value for kind in MONEY_TYPES), initiated_by=person_id, since=since, until=until).conditions()

    def now(self) -> datetime:
        return self._session.execute(select(func.now())).scalar_one()

    def tallies(self) -> list[Tally]:
        parts = (Transaction.biller_type, Transaction.status, Transaction.currency, Transaction.debit_account.is_(None))
        # Added up from an index that has no names: a biller's is the newest payment's.
        sums = select(*parts, func.count(), func.sum(Transaction.amount)).where(*self._wanted).group_by(*parts).subquery()
        name = (
            select(Transaction.biller_name)
            .where(*self._wanted, Transaction.biller_type == sums.c.biller_type)
            .order_by(Transaction.created_at.desc(), Transaction.id.desc())
            .limit(1)
            .scalar_subquery()
        )
        return [
            Tally(biller, name, Status(status), currency, is_cash, count, value or Decimal(0))
            for biller, status, currency, is_cash, count, value, name in self._session.execute(select(sums, name))
        ]

    def unsettled(self) -> Sequence[Transaction]:
        """What may still become paid or not, the oldest first."""
        open_still = [Status.PENDING.value, Status.PROCESSING.value]
        found = select(Transaction).where(*self._wanted, Transaction.status.in_(open_still)).order_by(Transaction.created_at, Transaction.id)
        return list(self._session.scalars(found))

    def rows(self, most: int) -> Sequence[Line]:
        """The newest first."""
        shown = (getattr(Transaction, one.name) for one in fields(Line))
        found = select(*shown).where(*self._wanted).order_by(Transaction.created_at.desc(), Transaction.id.desc()).limit(most)
        return [Line(*row) for row in self._session.execute(found)]
