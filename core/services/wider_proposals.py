"""How a proposal about more than one payment is made and ended, inside another service's unit of work: frozen under its hash, and told of.

It never decides: `wider_approvals` asks for the second person, and has done what was approved.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import func
from sqlalchemy.orm import Session

from core.access import Actor
from core.errors import NotAllowed, NotLegalNow
from core.ids import new_id
from core.models import WiderProposal
from core.models.notifications import Happening
from core.models.proposals import Decision
from core.models.wider_proposals import WiderKind
from core.repositories.wider_proposals import WiderProposals
from core.security import audit
from core.services import outbox
from core.services.drafts import hash_of
from core.services.proposals import tell_maker, words_of

# What the record calls the thing that a proposal is about.
SUBJECTS: Mapping[WiderKind, str] = {WiderKind.BULK: "bulk", WiderKind.RULE: "approval_rule"}

# What was proposed, for whoever is told that it waits.
PROPOSED: Mapping[WiderKind, str] = {
    WiderKind.BULK: "an act on many payments, above what one person may do at once",
    WiderKind.RULE: "a change of the rules of who decides alone",
}

WAITS_ALREADY = "A change of this rule waits for a second person already. Have it decided or withdrawn first."


def propose(session: Session, by: Actor, kind: WiderKind, subject: str, shown: Mapping[str, Any], reason: str | None, lasts: timedelta) -> WiderProposal:
    """Freezes what is shown under its hash. Its `title` and `amount` are what people are told of it. Raises `NotLegalNow` where one waits already."""
    if by.id is None:
        raise NotAllowed("A person proposes this, under their own name, and another decides.")
    said = words_of(reason, "A reason")
    found = WiderProposals(session)
    if found.open_of(kind, subject):
        raise NotLegalNow(WAITS_ALREADY)
    kept = {**shown, "kind": kind.value, "reason": said}
    made = WiderProposal(
        id=new_id(),
        kind=kind.value,
        subject=subject,
        shown=kept,
        shown_hash=hash_of(kept),
        reason=said,
        proposed_by=by.id,
        expires_at=func.clock_timestamp() + lasts,
    )
    found.add(made)
    audit.record(session, by, "proposal.made", SUBJECTS[kind], subject, proposal=made.id, kind=kind, reason=said, shown=made.shown_hash.hex())
    outbox.note(session, Happening.APPROVAL_WAITING, SUBJECTS[kind], subject, {**_told(made), "by": by.display_name, "reason": said})
    return made


def is_as_shown(proposal: WiderProposal, now: Mapping[str, Any]) -> bool:
    """Whether everything that the proposer saw reads the same today, the proposal's own record included."""
    again = hash_of({**now, "kind": proposal.kind, "reason": proposal.reason})
    return hash_of(proposal.shown) == proposal.shown_hash == again


def end(session: Session, by: Actor, proposal: WiderProposal, decision: Decision, because: str | None = None) -> None:
    """Writes the decision down; the caller holds the row. Whoever proposed it is told, unless it was themselves."""
    proposal.decision = decision.value
    proposal.decided_by = by.id
    proposal.decided_at = func.clock_timestamp()
    proposal.decided_because = because
    session.flush()
    kind = WiderKind(proposal.kind)
    action = f"proposal.{decision.value}"
    audit.record(session, by, action, SUBJECTS[kind], proposal.subject, proposal=proposal.id, kind=kind, reason=because)
    tell_maker(session, by, decision, proposal.proposed_by, (SUBJECTS[kind], proposal.subject), _told(proposal), because)


def _told(proposal: WiderProposal) -> dict[str, Any]:
    shown, kind = proposal.shown, WiderKind(proposal.kind)
    return {"reference": shown["title"], "amount": shown.get("amount"), "currency": shown.get("currency"), "what": PROPOSED[kind]}
