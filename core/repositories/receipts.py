"""What is known of receipts: how often one was printed. The audit entries are the count; there is no second one that could disagree."""

import uuid
from dataclasses import dataclass

from sqlalchemy import Integer, func, select
from sqlalchemy.orm import Session

from core.models import AuditEntry

PRINTED = "receipt.printed"


@dataclass(frozen=True, slots=True)
class Prints:
    """How often it was printed, and how many of those were copies."""

    count: int
    copies: int


class Receipts:
    def __init__(self, session: Session) -> None:
        self._session = session

    def prints_of(self, transaction_id: uuid.UUID) -> Prints:
        found = select(func.count(), func.coalesce(func.max(AuditEntry.details["copy"].astext.cast(Integer)), 0)).where(
            AuditEntry.subject_type == "transaction", AuditEntry.subject_id == str(transaction_id), AuditEntry.action == PRINTED
        )
        count, copies = self._session.execute(found).one()
        return Prints(count, copies)
