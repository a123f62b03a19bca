"""How a proposal is made and ended, inside another service's unit of work: what is shown, its hash, and what the transaction's stage allows.

It never decides: `approvals` asks for the second person, and does what was approved.
"""

import uuid
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import func
from sqlalchemy.orm import Session

from core.access import SYSTEM, Actor
from core.adapters import adapter_for
from core.errors import BadInput, NotLegalNow
from core.ids import new_id
from core.models import Leg, Proposal, Transaction
from core.models.notifications import Happening
from core.models.proposals import Decision, ProposalKind
from core.repositories.proposals import Proposals
from core.repositories.transactions import Transactions
from core.repositories.work import Work
from core.security import audit
from core.services import core_banking, gate, outbox, tokens
from core.services.billers import verbs_of, version_of
from core.services.drafts import Earlier, hash_of
from core.services.moves import Move, Stand, move
from core.states import LegKind, Stage, Topology
from core.wire.contract import Verb

# How long a second person has. A customer waits for a payment; a statement is compared within days, weekends included.
LASTS: Mapping[ProposalKind, timedelta] = {
    ProposalKind.PAY: timedelta(hours=4),
    ProposalKind.RESOLVE: timedelta(days=4),
    ProposalKind.REVERSE: timedelta(days=4),
    ProposalKind.WAIVE: timedelta(days=1),
}

# What was proposed, for whoever is told that it waits.
PROPOSED: Mapping[ProposalKind, str] = {
    ProposalKind.PAY: "a payment that takes a second person",
    ProposalKind.RESOLVE: "how a payment under review is resolved",
    ProposalKind.REVERSE: "that a completed payment is given back",
    ProposalKind.WAIVE: "that an account may be paid although a payment to it is under review",
}

# A reason is read by whoever decides, and by whoever asks later; evidence may be a statement's line or several.
SHORTEST, LONGEST_REASON, LONGEST_EVIDENCE = 3, 200, 1_000

# The columns of a transaction that say what is paid, for whom, and on whose books.
PAID = (
    *("our_transaction_id", "transaction_type", "biller_type", "biller_name", "biller_config_id", "config_version", "topology", "initiated_by"),
    *("account_number", "account_type", "meter_number", "invoice_number", "bundle_id", "customer_account_name", "amount", "currency"),
    *("debit_account", "debit_account_type", "credit_account", "credit_account_type", "duplicate_reason", "external_transaction_id"),
)
LEG = ("reference", "sends", "tainted", "accepted", "external_id")


# ---- What is shown


def what_is_shown(session: Session, transaction: Transaction, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Everything a proposal is about, as JSON: the payment, where it stands, its legs, what is asked for. Read again at the approval, it must be the same."""
    found = Proposals(session)
    return {
        "paid": {name: _text(getattr(transaction, name)) for name in PAID},
        "payload_hash": _payload_hash(session, transaction),
        "stands": {"stage": transaction.stage, "version": transaction.version, "answers": found.answers_kept(transaction.id)},
        "legs": {leg.kind: {name: getattr(leg, name) for name in LEG} for leg in leg_of(session, transaction.id).values()},
        "asked": dict(asked),
    }


def shown_again(session: Session, proposal: Proposal, transaction: Transaction) -> dict[str, Any]:
    """The same as it reads now."""
    return what_is_shown(session, transaction, _asked(proposal.kind, proposal.reason, proposal.evidence, proposal.choice, proposal.reference))


def has_changed(session: Session, proposal: Proposal, transaction: Transaction) -> bool:
    """Whether anything of what the proposer saw is another today, the proposal's own record included."""
    return not hash_of(proposal.shown) == proposal.shown_hash == hash_of(shown_again(session, proposal, transaction))


def _asked(kind: str, reason: str, evidence: str | None, choice: str | None, reference: str | None) -> dict[str, Any]:
    return {"kind": kind, "reason": reason, "evidence": evidence, "choice": choice, "reference": reference}


def _payload_hash(session: Session, transaction: Transaction) -> str | None:
    """The frozen payload's hash: of the draft as it lies there, which its trigger holds; of a retry, which has none, as its first event tells it."""
    told = Proposals(session).hash_at_creation(transaction.id)
    if transaction.draft_id is None:
        return told
    draft = Transactions(session).draft(transaction.draft_id)
    return hash_of(draft.payload).hex() if draft and draft.payload and hash_of(draft.payload).hex() == told else None


def _text(value: object) -> str | None:
    return None if value is None else str(value)


# ---- Making one


def propose(
    session: Session,
    by: Actor,
    kind: ProposalKind,
    transaction: Transaction,
    reason: str,
    *,
    evidence: str | None = None,
    choice: str | None = None,
    reference: str | None = None,
) -> Proposal:
    """Freezes what is shown now under its hash. The caller holds the transaction's row. Raises `NotLegalNow` where the same waits already."""
    if Proposals(session).open_of(transaction.id, kind):
        raise NotLegalNow(WAITS_ALREADY)
    shown = what_is_shown(session, transaction, _asked(kind.value, reason, evidence, choice, reference))
    made = Proposal(
        id=new_id(),
        kind=kind.value,
        transaction_id=transaction.id,
        shown=shown,
        shown_hash=hash_of(shown),
        version=transaction.version,
        stage=transaction.stage,
        choice=choice,
        reference=reference,
        reason=reason,
        evidence=evidence,
        proposed_by=by.id,
        expires_at=func.clock_timestamp() + LASTS[kind],
    )
    session.add(made)
    session.flush()
    audit.record(
        session, by, "proposal.made", "transaction", transaction.id, proposal=made.id, kind=kind, choice=choice, reason=reason, shown=made.shown_hash.hex()
    )
    said = {**_told(transaction, kind), "by": by.display_name, "reason": reason}
    outbox.note(session, Happening.APPROVAL_WAITING, "transaction", transaction.id, said, biller=transaction.biller_type)
    return made


def _told(transaction: Transaction, kind: ProposalKind) -> dict[str, Any]:
    """What it is about, for whoever is told of it."""
    what = {"reference": transaction.our_transaction_id, "biller": transaction.biller_name, "amount": transaction.amount, "currency": transaction.currency}
    return {**what, "what": PROPOSED[kind]}


def propose_payment(session: Session, by: Actor, transaction: Transaction, duplicate: Earlier | None, why: Sequence[str]) -> Proposal:
    """A payment that was just made and takes a second person; `why` says by which rule."""
    reason = " ".join(why)
    if duplicate is not None:
        reason += f" {duplicate.amount} was paid to this account a short while ago by {duplicate.by or 'the system'}: {transaction.duplicate_reason}"
    return propose(session, by, ProposalKind.PAY, transaction, reason)


def words_of(text: str | None, what: str, longest: int = LONGEST_REASON) -> str:
    """What was typed, in one line. Raises `BadInput` where it tells nobody anything."""
    words = " ".join((text or "").split())
    if not SHORTEST <= len(words) <= longest:
        raise BadInput(f"{what} is needed, {SHORTEST} to {longest} characters: whoever decides goes by it.")
    return words


# ---- Ending one


# What whoever proposed something is told of the decision.
OUTCOMES: Mapping[Decision, str] = {
    Decision.APPROVED: "Approved by {by}.",
    Decision.REJECTED: "Rejected by {by}: {because}.",
    Decision.WITHDRAWN: "Taken back by {by}.",
    Decision.EXPIRED: "Nobody decided in time, and it is not done.",
}


def end(session: Session, by: Actor, proposal: Proposal, transaction: Transaction, decision: Decision, because: str | None = None) -> None:
    """Writes the decision down; the caller holds both rows, and cancels the payment that waited for it where it was not approved."""
    proposal.decision = decision.value
    proposal.decided_by = by.id
    proposal.decided_at = func.clock_timestamp()
    proposal.decided_because = because
    session.flush()
    action = f"proposal.{decision.value}"
    audit.record(session, by, action, "transaction", proposal.transaction_id, proposal=proposal.id, kind=proposal.kind, reason=because)
    told = _told(transaction, ProposalKind(proposal.kind))
    tell_maker(session, by, decision, proposal.proposed_by, ("transaction", transaction.id), told, because, biller=transaction.biller_type)


def tell_maker(
    session: Session,
    by: Actor,
    decision: Decision,
    maker: uuid.UUID,
    subject: tuple[str, object],
    told: Mapping[str, Any],
    because: str | None,
    *,
    biller: str | None = None,
) -> None:
    """Whoever proposed it is told what came of it; what they took back themselves they know."""
    if by.id == maker:
        return
    outcome = OUTCOMES[decision].format(by=by.display_name, because=(because or "").rstrip("."))
    outbox.note(session, Happening.APPROVAL_DECIDED, *subject, {**told, "outcome": outcome, "maker": str(maker)}, biller=biller)


def cancel_what_waited(session: Session, by: Actor, proposal: Proposal, transaction: Transaction, why: str) -> None:
    """A payment that nobody approved is stopped: nothing was sent of it."""
    if proposal.kind == ProposalKind.PAY.value and transaction.stage == Stage.AWAITING_APPROVAL.value:
        gate.refuse_ending(session, transaction.id)
        move(session, Move(Stand.of(transaction), Stage.CANCELLED, why, actor=by, facts={"proposal": str(proposal.id)}))


def withdraw_payment(session: Session, by: Actor, transaction: Transaction) -> None:
    """Whoever may cancel a payment takes its proposal back with it. The caller cancels the payment itself."""
    for proposal in Proposals(session).open_of(transaction.id, ProposalKind.PAY):
        if (held := Proposals(session).locked(proposal.id)) is not None and held.decision == Decision.OPEN.value:
            end(session, by, held, transaction, Decision.WITHDRAWN)


def expire(session: Session, proposal: Proposal, transaction: Transaction) -> None:
    end(session, SYSTEM, proposal, transaction, Decision.EXPIRED)
    cancel_what_waited(session, SYSTEM, proposal, transaction, "Nobody approved it in time. Nothing was sent.")


# ---- What the stage allows

NO_MONEY = "A look-up moves no money."
DEMONSTRATION = "This is demonstration data."
WAITS_ALREADY = "It was proposed already: another person decides about it on the Approvals page."
NOT_UNDER_REVIEW = "It is not under review: two people decide only where asking has ended."

UNDER_REVIEW = (Stage.REVIEW.value, Stage.REVIEW_REVERSAL.value)
BEING_GIVEN_BACK = tuple(
    stage.value
    for stage in (
        *(Stage.REVERSAL_REQUESTED, Stage.PAY_REVERSAL_SENDING, Stage.PAY_REVERSAL_UNKNOWN),
        *(Stage.REFUND_SENDING, Stage.REFUND_UNKNOWN, Stage.REVIEW_REVERSAL),
    )
)


def why_no_resolution(session: Session, transaction: Transaction) -> str | None:
    """Why no two people can say what became of it; None where they can."""
    if transaction.stage not in UNDER_REVIEW:
        return _no_payment(transaction) or NOT_UNDER_REVIEW
    return _waits(session, transaction, ProposalKind.RESOLVE)


def why_no_waiver(session: Session, transaction: Transaction) -> str | None:
    """Why no other payment to its account can be let go beside it; None where one can."""
    if transaction.stage != Stage.REVIEW.value:
        return _no_payment(transaction) or "Only a payment under review can be waived: any other settles by itself."
    if transaction.in_flight_waived:
        return "It is waived: other payments to this account are let go already."
    return _waits(session, transaction, ProposalKind.WAIVE)


def why_no_reversal(session: Session, transaction: Transaction) -> str | None:
    """Why it cannot be given back; None where two people can have it given back."""
    if why := _no_payment(transaction):
        return why
    if transaction.stage in BEING_GIVEN_BACK:
        return "Giving it back was asked for already."
    if transaction.stage != Stage.COMPLETED.value:
        return "Only a completed payment can be given back."
    if adapter_for(transaction.biller_type).vends_tokens or tokens.is_there(session, transaction):
        return "A prepaid token was sold with it: whoever has that has the money's worth, so it cannot be taken back."
    if Verb.REVERSE not in _verbs(session, transaction):
        return f"{transaction.biller_name} has no way to give a payment back through this console. Agree on it with the biller."
    if transaction.topology == Topology.SEPARATE.value and not core_banking.is_on():
        return "Core banking is off on this machine, so the customer could not be credited. Ask an administrator."
    return _waits(session, transaction, ProposalKind.REVERSE)


def can_ask(session: Session, transaction: Transaction, leg: LegKind) -> bool:
    """Whether anybody can be asked about this leg, or asked for it again."""
    if leg in (LegKind.DEBIT, LegKind.REVERSAL, LegKind.REFUND):
        return core_banking.is_on()
    return {LegKind.PAY: Verb.STATUS, LegKind.PAY_REVERSAL: Verb.REVERSE}[leg] in _verbs(session, transaction)


def leg_of(session: Session, transaction_id: uuid.UUID) -> Mapping[LegKind, Leg]:
    return Work(session).legs_of([transaction_id])[transaction_id]


def _no_payment(transaction: Transaction) -> str | None:
    if transaction.amount is None:
        return NO_MONEY
    return DEMONSTRATION if transaction.demo else None


def _waits(session: Session, transaction: Transaction, kind: ProposalKind) -> str | None:
    return WAITS_ALREADY if Proposals(session).open_of(transaction.id, kind) else None


def _verbs(session: Session, transaction: Transaction) -> frozenset[Verb]:
    """What its biller can be asked, by the version that this payment keeps."""
    if transaction.biller_config_id is None or transaction.config_version is None:
        return frozenset()
    version = version_of(session, transaction.biller_config_id, transaction.config_version)
    return frozenset() if version is None else verbs_of(transaction.biller_type, version)
