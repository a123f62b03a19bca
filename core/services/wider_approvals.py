"""Another person decides about an act on many, or about a rule: never one's own, never twice, never what reads otherwise than it was shown."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from core import db
from core.access import SYSTEM, Actor, needs, require
from core.errors import NotFound, NotLegalNow
from core.models import WiderProposal
from core.models.bulk import BulkKind
from core.models.proposals import Decision
from core.models.wider_proposals import WiderKind
from core.repositories.approval_rules import ApprovalRules
from core.repositories.transactions import Transactions
from core.repositories.wider_proposals import WiderProposals
from core.services import approval_rules, bulk_proposals, gate, wider_proposals
from core.services.approvals import ChangedSince, OneOfTheTwo
from core.services.proposals import words_of
from core.services.scope import existing

# Who decides about what.
RIGHTS: Mapping[WiderKind, str] = {WiderKind.BULK: "transactions:approve", WiderKind.RULE: "approvals:rules"}


@dataclass(frozen=True, slots=True)
class Wider:
    """A proposal as the page shows it. `why_not` is why this person cannot decide; `changed`, why nobody can approve it any more."""

    id: uuid.UUID
    kind: WiderKind
    proposal: WiderProposal
    by: str
    decided_by: str | None
    is_own: bool
    why_not: str | None
    changed: bool

    @property
    def shown(self) -> Mapping[str, Any]:
        return self.proposal.shown

    @property
    def why_no_approval(self) -> str | None:
        return self.why_not or (str(ChangedSince()) if self.changed else None)


@dataclass(frozen=True, slots=True)
class Part:
    """An act on many that took a second person, as the story of one of its payments tells it. `told` is what came of that payment's row, once it is known."""

    act: BulkKind
    proposal: WiderProposal
    by: str
    decided_by: str | None
    told: str | None


# ---- Reading


@needs("approvals:read")
def waiting(actor: Actor, /) -> list[Wider]:
    """What waits for a second person, the one that ends first in front."""
    with db.unit_of_work() as session:
        return [_seen(session, actor, one) for one in WiderProposals(session).waiting() if _concerns(actor, one)]


@needs("approvals:read")
def decided(actor: Actor, /) -> list[Wider]:
    """What was decided lately, the latest in front."""
    with db.unit_of_work() as session:
        return [_seen(session, actor, one) for one in WiderProposals(session).decided() if _concerns(actor, one)]


@needs("approvals:read")
def own(actor: Actor, /) -> list[Wider]:
    """What this person proposed lately, whatever came of it."""
    with db.unit_of_work() as session:
        found = WiderProposals(session).proposed_by(actor.id) if actor.id else []
        return [_seen(session, actor, one) for one in found if _concerns(actor, one)]


@needs("approvals:read")
def count_for(actor: Actor, /) -> int:
    """How many wait for this very person."""
    with db.glance() as session:
        return sum(_why_not(actor, one) is None for one in WiderProposals(session).waiting() if _concerns(actor, one))


@needs("transactions:read")
def about(actor: Actor, /, transaction_id: uuid.UUID) -> list[Part]:
    """The acts on many with this payment that a second person was asked about, the oldest first: part of its story, and nothing of the other payments."""
    with db.unit_of_work() as session:
        names = Transactions(session)
        existing(actor, names.by_id(transaction_id))
        return [
            Part(
                act=BulkKind(proposal.shown["act"]),
                proposal=proposal,
                by=names.name_of(proposal.proposed_by) or "somebody",
                decided_by=names.name_of(proposal.decided_by),
                told=row.told,
            )
            for proposal, row in WiderProposals(session).over_row(transaction_id)
        ]


def _seen(session: Session, actor: Actor, proposal: WiderProposal) -> Wider:
    is_open, names = proposal.decision == Decision.OPEN.value, Transactions(session)
    return Wider(
        id=proposal.id,
        kind=WiderKind(proposal.kind),
        proposal=proposal,
        by=names.name_of(proposal.proposed_by) or "somebody",
        decided_by=names.name_of(proposal.decided_by),
        is_own=proposal.proposed_by == actor.id,
        why_not=_why_not(actor, proposal) if is_open else "It was decided.",
        changed=is_open and _has_changed(session, proposal),
    )


def _concerns(actor: Actor, proposal: WiderProposal) -> bool:
    """An act shows itself to whoever serves all of its billers; a rule, to whoever serves its own."""
    rule = proposal.shown.get("rule") or {}
    billers = [*proposal.shown.get("billers", ()), *([rule["biller_type"]] if rule.get("biller_type") else ())]
    return all(map(actor.serves, billers))


def _why_not(actor: Actor, proposal: WiderProposal) -> str | None:
    if not actor.may(RIGHTS[WiderKind(proposal.kind)]):
        return "Your role does not include deciding about this."
    if actor.id is None:
        return "A person decides, not a machine."
    return "You proposed it: another person decides." if proposal.proposed_by == actor.id else None


def _has_changed(session: Session, proposal: WiderProposal) -> bool:
    if proposal.kind == WiderKind.BULK.value:
        return bulk_proposals.has_changed(session, proposal)
    return approval_rules.has_changed(session, proposal)


# ---- Deciding


@needs("approvals:read", fresh=True)
def approve(actor: Actor, /, proposal_id: uuid.UUID) -> None:
    """Has done what was proposed, if everything reads as it was shown. Raises `OneOfTheTwo` for one's own, `ChangedSince`, `NotLegalNow`."""
    with db.unit_of_work() as session:
        proposal = _to_decide(session, actor, proposal_id)
        if WiderProposals(session).is_over(proposal):
            raise NotLegalNow("Its time is over. Have it proposed anew if it is still meant.")
        if _has_changed(session, proposal):
            raise ChangedSince
        wider_proposals.end(session, actor, proposal, Decision.APPROVED)
        if proposal.kind == WiderKind.BULK.value:
            bulk_proposals.release(session, proposal)
        else:
            approval_rules.adopt(session, actor, proposal)


@needs("approvals:read", fresh=True)
def reject(actor: Actor, /, proposal_id: uuid.UUID, reason: str | None) -> None:
    """Turns a proposal down. An act on many is over with nothing done; a rule stays as it is."""
    because = words_of(reason, "A reason")
    with db.unit_of_work() as session:
        proposal = _to_decide(session, actor, proposal_id)
        wider_proposals.end(session, actor, proposal, Decision.REJECTED, because)
        _leave(session, actor, proposal, f"Not approved: {because.rstrip('.')}. Nothing was done.")


@needs("approvals:read")
def withdraw(actor: Actor, /, proposal_id: uuid.UUID) -> None:
    """Takes one's own proposal back."""
    with db.unit_of_work() as session:
        proposal = _held(session, actor, proposal_id)
        if proposal.proposed_by != actor.id:
            raise OneOfTheTwo("Only whoever proposed it takes it back. Another person can reject it.")
        wider_proposals.end(session, actor, proposal, Decision.WITHDRAWN)
        _leave(session, actor, proposal, "Taken back before it was approved. Nothing was done.")


def expire_old() -> int:
    """Ends what nobody decided in time, on the database's clock. Called by the worker at each sweep; answers how many there were."""
    with db.unit_of_work() as session:
        overdue = [] if gate.is_closed(session) else WiderProposals(session).overdue()
        for proposal in overdue:
            wider_proposals.end(session, SYSTEM, proposal, Decision.EXPIRED)
            _leave(session, SYSTEM, proposal, "Nobody approved it in time. Nothing was done.")
        return len(overdue)


def _leave(session: Session, by: Actor, proposal: WiderProposal, told: str) -> None:
    if proposal.kind == WiderKind.BULK.value:
        bulk_proposals.leave(session, by, proposal, told)


def _held(session: Session, actor: Actor, proposal_id: uuid.UUID) -> WiderProposal:
    """The proposal, held; of a rule the rules first. Raises `NotLegalNow` where it was decided already."""
    found = WiderProposals(session).by_id(proposal_id)
    if found is None or not _concerns(actor, found):
        raise NotFound("There is no such proposal. Open the Approvals page again.")
    if found.kind == WiderKind.RULE.value:
        ApprovalRules(session).hold()
    proposal = WiderProposals(session).locked(proposal_id)
    if proposal is None or proposal.decision != Decision.OPEN.value:
        raise NotLegalNow("It was decided meanwhile. Open the Approvals page again to see how.")
    return proposal


def _to_decide(session: Session, actor: Actor, proposal_id: uuid.UUID) -> WiderProposal:
    proposal = _held(session, actor, proposal_id)
    require(actor, RIGHTS[WiderKind(proposal.kind)])
    if why := _why_not(actor, proposal):
        raise OneOfTheTwo(why)
    return proposal
