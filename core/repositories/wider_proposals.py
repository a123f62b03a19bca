"""What is known of proposals about more than one payment: what waits for a second person, what was decided, what ran out of time."""

import uuid

from sqlalchemy import ColumnElement, Text, cast, func, select
from sqlalchemy.orm import Session

from core.models import BulkItem, WiderProposal
from core.models.proposals import Decision
from core.models.wider_proposals import WiderKind

STILL_OPEN = WiderProposal.decision == Decision.OPEN.value


class WiderProposals:
    def __init__(self, session: Session) -> None:
        self._session = session

    def by_id(self, proposal_id: uuid.UUID) -> WiderProposal | None:
        return self._session.get(WiderProposal, proposal_id, populate_existing=True)

    def locked(self, proposal_id: uuid.UUID) -> WiderProposal | None:
        """The row, held until the unit of work ends. Of a rule the rules are held first: everybody takes the two in this order."""
        return self._session.get(WiderProposal, proposal_id, populate_existing=True, with_for_update=True)

    def open_of(self, kind: WiderKind, subject: str) -> WiderProposal | None:
        """What waits about it: at most one."""
        return self._session.scalar(select(WiderProposal).where(STILL_OPEN, *_about(kind, subject)))

    def last_of(self, kind: WiderKind, subject: str) -> WiderProposal | None:
        """What was proposed about it last, whatever came of it."""
        return self._session.scalar(select(WiderProposal).where(*_about(kind, subject)).order_by(WiderProposal.created_at.desc()).limit(1))

    def approver_of(self, kind: WiderKind, subject: str) -> uuid.UUID | None:
        return self._session.scalar(select(WiderProposal.decided_by).where(*_about(kind, subject), WiderProposal.decision == Decision.APPROVED.value))

    def waiting(self, most: int = 100) -> list[WiderProposal]:
        """What waits, the one that ends first in front."""
        return list(self._session.scalars(select(WiderProposal).where(STILL_OPEN).order_by(WiderProposal.expires_at).limit(most)))

    def decided(self, most: int = 50) -> list[WiderProposal]:
        """What was decided, the latest in front."""
        found = select(WiderProposal).where(WiderProposal.decided_at.is_not(None))
        return list(self._session.scalars(found.order_by(WiderProposal.decided_at.desc()).limit(most)))

    def proposed_by(self, user_id: uuid.UUID, most: int = 50) -> list[WiderProposal]:
        """What somebody proposed, the newest in front."""
        found = select(WiderProposal).where(WiderProposal.proposed_by == user_id)
        return list(self._session.scalars(found.order_by(WiderProposal.created_at.desc()).limit(most)))

    def over_row(self, transaction_id: uuid.UUID) -> list[tuple[WiderProposal, BulkItem]]:
        """Of the acts on many that this payment is a row of, those that took a second person, the oldest first; each with that row."""
        is_its_act = (WiderProposal.subject == cast(BulkItem.act_id, Text)) & (WiderProposal.kind == WiderKind.BULK.value)
        found = select(WiderProposal, BulkItem).join(BulkItem, is_its_act).where(BulkItem.transaction_id == transaction_id)
        return [(proposal, row) for proposal, row in self._session.execute(found.order_by(WiderProposal.created_at))]

    def overdue(self, most: int = 100) -> list[WiderProposal]:
        """What nobody decided in time, held. What somebody holds just now is left for the next look."""
        found = select(WiderProposal).where(STILL_OPEN, WiderProposal.expires_at <= func.now()).order_by(WiderProposal.expires_at).limit(most)
        return list(self._session.scalars(found.with_for_update(skip_locked=True).execution_options(populate_existing=True)))

    def is_over(self, proposal: WiderProposal) -> bool:
        """By the database's clock, which set its end."""
        return bool(self._session.scalar(select(func.clock_timestamp() >= proposal.expires_at)))

    def add(self, proposal: WiderProposal) -> None:
        self._session.add(proposal)
        self._session.flush()


def _about(kind: WiderKind, subject: str) -> tuple[ColumnElement[bool], ...]:
    return (WiderProposal.subject == subject, WiderProposal.kind == kind.value)
