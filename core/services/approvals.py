"""Two people: one proposes, another looks at exactly the same and decides. Never one's own, never twice, never something that has changed since."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from core import db
from core.access import Actor, needs
from core.errors import BillersError, Conflict, NotAllowed, NotFound, NotLegalNow
from core.models import Proposal, Transaction
from core.models.proposals import Decision, ProposalKind
from core.repositories.proposals import Proposals
from core.repositories.transactions import Transactions
from core.services import gate, resolutions, wake
from core.services.moves import Move, Stand, move
from core.services.payments import refuse_overtaken
from core.services.proposals import (
    LONGEST_EVIDENCE,
    cancel_what_waited,
    end,
    expire,
    has_changed,
    propose,
    why_no_resolution,
    why_no_reversal,
    why_no_waiver,
    words_of,
)
from core.services.resolutions import Way, give_time, pinned
from core.services.scope import billers_of, existing
from core.states import Stage

# A reference is read out and typed off a statement: as long as any of the field, and one line.
LONGEST_REFERENCE = 60


class ChangedSince(Conflict):
    """It has changed since it was proposed: look again. Reject this proposal, and have it proposed anew if it is still meant."""


class OneOfTheTwo(NotAllowed):
    """Another person than the one who proposed it decides."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A proposal with what it is about. `why_not` is why this person cannot decide about it; `changed`, why nobody can approve it any more."""

    proposal: Proposal
    transaction: Transaction
    by: str
    decided_by: str | None
    why_not: str | None
    changed: bool

    @property
    def why_no_approval(self) -> str | None:
        return self.why_not or (str(ChangedSince()) if self.changed else None)


@dataclass(frozen=True, slots=True)
class Approvals:
    """What the page shows: what waits, the one that ends first in front, what one proposed oneself, and what was decided lately."""

    waiting: list[Waiting]
    proposed: list[Waiting]
    decided: list[Waiting]
    as_of: datetime

    @property
    def to_decide(self) -> list[Waiting]:
        """What waits for this very person."""
        return [seen for seen in self.waiting if seen.why_not is None]


@dataclass(frozen=True, slots=True)
class Left:
    """One of several that was not approved with the others, and why."""

    reference: str
    why: str


# ---- Reading


@needs("approvals:read")
def overview(actor: Actor, /, reference: str = "") -> Approvals:
    """What waits for a second person, what this person proposed, and what was decided lately. With a reference, only what is about payments under it."""
    with db.unit_of_work() as session:
        found, billers, under = Proposals(session), billers_of(actor), reference.strip().upper()[:LONGEST_REFERENCE]
        own = found.proposed_by(actor.id, billers=billers, reference=under) if actor.id else []
        return Approvals(
            waiting=[_seen(session, actor, proposal) for proposal in found.waiting(billers=billers, reference=under)],
            proposed=[_seen(session, actor, proposal) for proposal in own],
            decided=[_seen(session, actor, proposal) for proposal in found.decided(billers=billers, reference=under)],
            as_of=Transactions(session).now(),
        )


@needs("transactions:read")
def about(actor: Actor, /, transaction_id: uuid.UUID) -> list[Waiting]:
    """Everything that was ever proposed about one transaction: part of its story."""
    with db.unit_of_work() as session:
        existing(actor, Transactions(session).by_id(transaction_id))
        return [_seen(session, actor, proposal) for proposal in Proposals(session).of(transaction_id)]


@needs("transactions:resolve")
def ways(actor: Actor, /, transaction_id: uuid.UUID) -> list[tuple[Way, bool]]:
    """How this payment may be resolved as it stands, each with whether the evidence must give a number."""
    with db.unit_of_work() as session:
        transaction = existing(actor, Transactions(session).by_id(transaction_id))
        return [(way, resolutions.needs_number(session, transaction, way)) for way in resolutions.ways_of(session, transaction)]


def _seen(session: Session, actor: Actor, proposal: Proposal) -> Waiting:
    transactions = Transactions(session)
    transaction = existing(actor, transactions.by_id(proposal.transaction_id))
    is_open = proposal.decision == Decision.OPEN.value
    return Waiting(
        proposal=proposal,
        transaction=transaction,
        by=transactions.name_of(proposal.proposed_by) or "somebody",
        decided_by=transactions.name_of(proposal.decided_by),
        why_not=_why_not(actor, proposal, transaction) if is_open else "It was decided.",
        changed=is_open and has_changed(session, proposal, transaction),
    )


def _why_not(actor: Actor, proposal: Proposal, transaction: Transaction) -> str | None:
    if not actor.may("transactions:approve"):
        return "Your role does not include deciding about proposals."
    if actor.id is None:
        return "A person decides, not a machine."
    if proposal.proposed_by == actor.id:
        return "You proposed it: another person decides."
    if transaction.initiated_by == actor.id:
        return "It is your own payment: another person decides."
    return None


# ---- Proposing


@needs("transactions:resolve", fresh=True)
def propose_resolution(
    actor: Actor, /, transaction_id: uuid.UUID, choice: str, evidence: str | None, reference: str | None = None, reason: str | None = None
) -> uuid.UUID:
    """Says what became of a payment under review, with what shows it. Raises `BadInput` where evidence or its number is missing, `NotLegalNow`."""
    with db.unit_of_work() as session:
        transaction = _held(actor, session, transaction_id, why_no_resolution)
        number = " ".join((reference or "").split())[:LONGEST_REFERENCE] or None
        way = resolutions.checked(session, transaction, choice, number)
        shown = words_of(evidence, "The evidence (the statement's line, for example)", LONGEST_EVIDENCE)
        said = words_of(reason, "A reason") if (reason or "").strip() else way.label.format(biller=transaction.biller_name)
        return propose(session, actor, ProposalKind.RESOLVE, transaction, said, evidence=shown, choice=way.choice.value, reference=number).id


@needs("transactions:reverse", fresh=True)
def propose_reversal(actor: Actor, /, transaction_id: uuid.UUID, reason: str | None, evidence: str | None = None) -> uuid.UUID:
    """Asks that a completed payment is given back. It stays completed until another person approves it."""
    with db.unit_of_work() as session:
        transaction = _held(actor, session, transaction_id, why_no_reversal)
        shown = words_of(evidence, "The evidence", LONGEST_EVIDENCE) if (evidence or "").strip() else None
        return propose(session, actor, ProposalKind.REVERSE, transaction, words_of(reason, "A reason"), evidence=shown).id


@needs("transactions:waive", fresh=True)
def propose_waiver(actor: Actor, /, transaction_id: uuid.UUID, reason: str | None) -> uuid.UUID:
    """Asks that other payments to this account are let go although this one is under review."""
    with db.unit_of_work() as session:
        transaction = _held(actor, session, transaction_id, why_no_waiver)
        return propose(session, actor, ProposalKind.WAIVE, transaction, words_of(reason, "A reason")).id


def _held(actor: Actor, session: Session, transaction_id: uuid.UUID, why_not: Callable[[Session, Transaction], str | None]) -> Transaction:
    transaction = existing(actor, Transactions(session).locked(transaction_id))
    if why := why_not(session, transaction):
        raise NotLegalNow(why)
    return transaction


# ---- Deciding


@needs("transactions:approve", fresh=True)
def approve(actor: Actor, /, proposal_id: uuid.UUID) -> None:
    """Does what was proposed, if everything is still as it was shown. Of two who approve at once the second is told that it was decided.

    Raises `OneOfTheTwo` for one's own, `ChangedSince`, and what stands in a payment's way by now (`AlreadyInFlight`, `DuplicateSuspected`).
    """
    with db.unit_of_work() as session:
        proposal, transaction = _to_decide(session, actor, proposal_id)
        if proposal.expires_at <= Transactions(session).now():
            raise NotLegalNow("Its time is over. Have it proposed anew if it is still meant.")
        if has_changed(session, proposal, transaction):
            raise ChangedSince
        end(session, actor, proposal, transaction, Decision.APPROVED)
        DONE_BY[ProposalKind(proposal.kind)](session, actor, proposal, transaction)


@needs("transactions:approve", fresh=True)
def approve_all(actor: Actor, /, proposal_ids: Sequence[uuid.UUID]) -> list[Left]:
    """Approves several, each by itself and by all its rules, and answers which were left: what has changed since, is one's own, or was decided."""
    left = []
    for proposal_id in dict.fromkeys(proposal_ids):
        try:
            approve(actor, proposal_id)
        except BillersError as error:
            left.append(Left(_reference_of(actor, proposal_id), error.sentence))
    return left


def _reference_of(actor: Actor, proposal_id: uuid.UUID) -> str:
    """Our reference of what it is about, where this person may know it."""
    with db.unit_of_work() as session:
        proposal = Proposals(session).by_id(proposal_id)
        about = Transactions(session).by_id(proposal.transaction_id) if proposal else None
        return about.our_transaction_id if about and actor.serves(about.biller_type) else "One of them"


@needs("transactions:approve", fresh=True)
def reject(actor: Actor, /, proposal_id: uuid.UUID, reason: str | None) -> None:
    """Turns a proposal down. A payment that waited for it is cancelled; anything else stays as it is."""
    because = words_of(reason, "A reason")
    with db.unit_of_work() as session:
        proposal, transaction = _to_decide(session, actor, proposal_id)
        end(session, actor, proposal, transaction, Decision.REJECTED, because)
        cancel_what_waited(session, actor, proposal, transaction, f"Not approved: {because.rstrip('.')}. Nothing was sent.")


@needs("transactions:cancel_own")
def withdraw(actor: Actor, /, proposal_id: uuid.UUID) -> None:
    """Takes one's own proposal back. A payment that waited for it is cancelled."""
    with db.unit_of_work() as session:
        proposal, transaction = _both(actor, session, proposal_id)
        if proposal.proposed_by != actor.id:
            raise OneOfTheTwo("Only whoever proposed it takes it back. A manager can reject it.")
        end(session, actor, proposal, transaction, Decision.WITHDRAWN)
        cancel_what_waited(session, actor, proposal, transaction, "Withdrawn before it was approved. Nothing was sent.")


def expire_old() -> int:
    """Ends what nobody decided in time, on the database's clock. Called by the worker at each sweep; answers how many there were."""
    with db.unit_of_work() as session:
        overdue = [] if gate.is_closed(session) else Proposals(session).overdue()
        for proposal, transaction in overdue:
            expire(session, proposal, transaction)
        return len(overdue)


def _both(actor: Actor, session: Session, proposal_id: uuid.UUID) -> tuple[Proposal, Transaction]:
    """The proposal and its transaction, both held, the transaction first. Raises `NotLegalNow` where it was decided already."""
    found = Proposals(session).by_id(proposal_id)
    if found is None:
        raise NotFound("There is no such proposal. Open the Approvals page again.")
    transaction = existing(actor, Transactions(session).locked(found.transaction_id))
    proposal = Proposals(session).locked(proposal_id)
    if proposal is None or proposal.decision != Decision.OPEN.value:
        raise NotLegalNow("It was decided meanwhile. Open the Approvals page again to see how.")
    return proposal, transaction


def _to_decide(session: Session, actor: Actor, proposal_id: uuid.UUID) -> tuple[Proposal, Transaction]:
    proposal, transaction = _both(actor, session, proposal_id)
    if why := _why_not(actor, proposal, transaction):
        raise OneOfTheTwo(why)
    return proposal, transaction


# ---- What an approval does


def _pay(session: Session, approver: Actor, proposal: Proposal, transaction: Transaction) -> None:
    snapshot = pinned(session, transaction)
    refuse_overtaken(session, transaction, timedelta(minutes=snapshot.duplicate_window_minutes))
    give_time(session, transaction)
    reason = f"Approved by a second person. Waiting to be sent to {transaction.biller_name}."
    move(session, Move(Stand.of(transaction), Stage.QUEUED, reason, wait=timedelta(0), actor=approver, facts={"proposal": str(proposal.id)}))
    wake.the_worker(session)


def _resolve(session: Session, approver: Actor, proposal: Proposal, transaction: Transaction) -> None:
    resolutions.carry_out(session, approver, transaction, proposal)
    wake.the_worker(session)


def _reverse(session: Session, approver: Actor, proposal: Proposal, transaction: Transaction) -> None:
    reason = f"Two people asked {transaction.biller_name} to give it back: {proposal.reason.rstrip('.')}."
    facts = {"proposal": str(proposal.id)}
    if why := why_no_reversal(session, transaction):
        raise NotLegalNow(why)
    move(session, Move(Stand.of(transaction), Stage.REVERSAL_REQUESTED, reason, wait=timedelta(0), actor=approver, facts=facts))
    wake.the_worker(session)


def _waive(session: Session, approver: Actor, proposal: Proposal, transaction: Transaction) -> None:
    """It stays where it is; only the rule of one payment in flight passes it by."""
    transaction.in_flight_waived = True
    session.flush()


DONE_BY: Mapping[ProposalKind, Callable[[Session, Actor, Proposal, Transaction], None]] = {
    ProposalKind.PAY: _pay,
    ProposalKind.RESOLVE: _resolve,
    ProposalKind.REVERSE: _reverse,
    ProposalKind.WAIVE: _waive,
}
