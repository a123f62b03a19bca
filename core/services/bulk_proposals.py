"""An act on many that takes a second person: what is shown of it, frozen with the list of its rows, and what becomes of the rows once it is decided.

It is proposed once and decided once. What an approval then does is done row by row, and each row is checked again when its turn comes.
"""

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, timedelta
from typing import Any

from sqlalchemy import func
from sqlalchemy.orm import Session

from core.access import Actor
from core.errors import NotLegalNow
from core.models import BulkAct, WiderProposal
from core.models.bulk import BulkKind
from core.models.proposals import Decision
from core.models.wider_proposals import WiderKind
from core.money import Money
from core.repositories.bulk import Bulk, Frozen
from core.repositories.wider_proposals import WiderProposals
from core.services import wider_proposals
from core.services.wider_proposals import is_as_shown

# Payments that are paid again are waited for; what is given back is compared with statements, weekends included.
LASTS: Mapping[BulkKind, timedelta] = {BulkKind.RETRY: timedelta(days=1), BulkKind.REVERSE: timedelta(days=4)}

VERBS: Mapping[BulkKind, str] = {BulkKind.RETRY: "Retry", BulkKind.REVERSE: "Give back"}


def what_is_shown(session: Session, act: BulkAct, why: Sequence[str]) -> dict[str, Any]:
    """The act as JSON: how many rows, their sum, the oldest, and every row with its amount under one hash."""
    rows = Bulk(session).frozen(act.id)
    oldest = min(rows, key=lambda row: (row.created_at, row.ordinal))
    sums = sorted(act.totals.items())
    return {
        "title": f"{VERBS[BulkKind(act.act)]} {act.eligible:,} payment{'' if act.eligible == 1 else 's'}",
        "act": act.act,
        "selection": act.selection,
        "rows": act.eligible,
        "sum": " + ".join(str(Money.from_text(text, currency)) for currency, text in sums),
        # One amount, where there is one: of two currencies there is no sum.
        "amount": sums[0][1] if len(sums) == 1 else None,
        "currency": sums[0][0] if len(sums) == 1 else None,
        "oldest": {"reference": oldest.reference, "at": oldest.created_at.astimezone(UTC).isoformat()},
        "billers": sorted({row.biller_type for row in rows}),
        "list": _digest(rows),
        "why": list(why),
    }


def _digest(rows: Sequence[Frozen]) -> str:
    told = "".join(f"{row.ordinal} {row.transaction_id} {row.reference} {row.amount} {row.currency}\n" for row in rows)
    return hashlib.sha256(told.encode()).hexdigest()


def propose(session: Session, by: Actor, act: BulkAct, why: Sequence[str]) -> WiderProposal:
    """The caller has just written the act and its rows, held."""
    shown = what_is_shown(session, act, why)
    return wider_proposals.propose(session, by, WiderKind.BULK, str(act.id), shown, act.reason, LASTS[BulkKind(act.act)])


def has_changed(session: Session, proposal: WiderProposal) -> bool:
    """Whether the act or any of its rows reads otherwise than it was shown. Where each payment stands by now is looked at row by row."""
    act = Bulk(session).act(uuid.UUID(proposal.subject))
    return act is None or not is_as_shown(proposal, what_is_shown(session, act, proposal.shown["why"]))


def release(session: Session, proposal: WiderProposal) -> None:
    """Approved: the worker takes it up."""
    if not Bulk(session).release(uuid.UUID(proposal.subject)):
        raise NotLegalNow("Nothing of it waits any more: it was stopped.")


def leave(session: Session, by: Actor, proposal: WiderProposal, told: str) -> None:
    """Not approved: each row says so, and the act is over."""
    act = Bulk(session).act(uuid.UUID(proposal.subject))
    Bulk(session).stop_waiting(uuid.UUID(proposal.subject), told)
    if act is not None and by.id is not None:
        act.stopped_at, act.stopped_by = func.clock_timestamp(), by.id
        session.flush()


def take_back(session: Session, by: Actor, act_id: uuid.UUID) -> None:
    """Whoever stops an act that waits for a second person takes its proposal back with it."""
    found = WiderProposals(session).open_of(WiderKind.BULK, str(act_id))
    held = WiderProposals(session).locked(found.id) if found else None
    if held is not None and held.decision == Decision.OPEN.value:
        wider_proposals.end(session, by, held, Decision.WITHDRAWN)


def approver_of(session: Session, act_id: uuid.UUID) -> uuid.UUID | None:
    """Who approved the whole of it; None where one person was enough."""
    return WiderProposals(session).approver_of(WiderKind.BULK, str(act_id))
