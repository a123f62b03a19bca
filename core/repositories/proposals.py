"""What is known of proposals: what waits for a second person, what was decided, what ran out of time."""

import uuid

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from core.models import Answer, Event, Proposal, Transaction
from core.models.proposals import Decision, ProposalKind
from core.repositories.filters import TransactionFilter
from core.states import Stage


class Proposals:
    def __init__(self, session: Session) -> None:
        self._session = session

    def by_id(self, proposal_id: uuid.UUID) -> Proposal | None:
        return self._session.get(Proposal, proposal_id, populate_existing=True)

    def locked(self, proposal_id: uuid.UUID) -> Proposal | None:
        """The row, held until the unit of work ends. Its transaction is always held first: everybody takes the two in this order."""
        return self._session.get(Proposal, proposal_id, populate_existing=True, with_for_update=True)

    def open_of(self, transaction_id: uuid.UUID, kind: ProposalKind | None = None) -> list[Proposal]:
        """What waits about this transaction: at most one of each kind."""
        found = select(Proposal).where(Proposal.transaction_id == transaction_id, Proposal.decision == Decision.OPEN.value)
        return list(self._session.scalars(found.where(Proposal.kind == kind.value) if kind else found))

    def of(self, transaction_id: uuid.UUID) -> list[Proposal]:
        """All that was ever proposed about this transaction, in its order."""
        return list(self._session.scalars(select(Proposal).where(Proposal.transaction_id == transaction_id).order_by(Proposal.created_at)))

    def waiting(self, most: int = 100, billers: tuple[str, ...] = (), reference: str = "") -> list[Proposal]:
        """What waits, the one that ends first in front."""
        found = select(Proposal).where(Proposal.decision == Decision.OPEN.value, *_of(billers), *_under(reference))
        return list(self._session.scalars(found.order_by(Proposal.expires_at).limit(most)))

    def proposed_by(self, user_id: uuid.UUID, most: int = 50, billers: tuple[str, ...] = (), reference: str = "") -> list[Proposal]:
        """What somebody proposed, the newest in front."""
        found = select(Proposal).where(Proposal.proposed_by == user_id, *_of(billers), *_under(reference))
        return list(self._session.scalars(found.order_by(Proposal.created_at.desc()).limit(most)))

    def decided(self, most: int = 50, billers: tuple[str, ...] = (), reference: str = "") -> list[Proposal]:
        """What was decided, the latest in front."""
        found = select(Proposal).where(Proposal.decided_at.is_not(None), *_of(billers), *_under(reference))
        return list(self._session.scalars(found.order_by(Proposal.decided_at.desc()).limit(most)))

    def overdue(self, most: int = 100) -> list[tuple[Proposal, Transaction]]:
        """What nobody decided in time, with its transaction, both held. Whatever somebody holds just now is left for the next look."""
        rows = self._session.execute(
            select(Proposal, Transaction)
            .join(Transaction, Transaction.id == Proposal.transaction_id)
            .where(Proposal.decision == Decision.OPEN.value, Proposal.expires_at <= func.now())
            .order_by(Proposal.expires_at)
            .limit(most)
            .with_for_update(skip_locked=True)
            .execution_options(populate_existing=True)
        )
        return [(proposal, transaction) for proposal, transaction in rows]

    # ---- What a proposal is compared with

    def answers_kept(self, transaction_id: uuid.UUID) -> int:
        """How many answers its requests have had: one more is new evidence."""
        return self._session.scalar(select(func.count()).where(Answer.transaction_id == transaction_id)) or 0

    def stages_passed(self, transaction_id: uuid.UUID) -> set[str]:
        """Where it ever stood, as its events tell it."""
        return set(self._session.scalars(select(Event.to_stage).where(Event.transaction_id == transaction_id)))

    def hash_at_creation(self, transaction_id: uuid.UUID) -> str | None:
        """The hash of the payload it was made from, as its first event tells it: that can be changed by nobody."""
        told = select(Event.facts["payload_hash"].astext).where(Event.transaction_id == transaction_id, Event.to_stage == Stage.CREATED.value)
        return self._session.scalar(told)


def _of(billers: tuple[str, ...]) -> list[ColumnElement[bool]]:
    """About payments of some billers; of none named, of all."""
    return [Proposal.transaction_id.in_(select(Transaction.id).where(*TransactionFilter(billers=billers).conditions()))] if billers else []


def _under(reference: str) -> list[ColumnElement[bool]]:
    """About payments whose reference of ours begins so."""
    if not reference:
        return []
    return [Proposal.transaction_id.in_(select(Transaction.id).where(Transaction.our_transaction_id.startswith(reference, autoescape=True)))]
