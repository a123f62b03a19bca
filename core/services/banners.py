"""What everybody must know before they pay, and what waits for this very person: asked at each run of every page, and so of the database at once."""

from dataclasses import dataclass

from core import db
from core.access import Actor, needs
from core.repositories import banners
from core.services import gate, wider_approvals
from core.services.scope import billers_of
from core.services.transactions import WORKER_SILENCE


@dataclass(frozen=True, slots=True)
class Banners:
    # Why nothing is sent; None while all is well.
    why_nothing_is_sent: str | None
    # Has any worker said lately that it is alive?
    worker_seen: bool
    # How many proposals this person may decide, having neither made them nor entered their payment.
    waiting: int


@needs("people:sign_in")
def look(actor: Actor, /) -> Banners:
    """Raises `Unavailable` where the database cannot be reached."""
    decides = actor.id if actor.may("approvals:read") and actor.may("transactions:approve") else None
    with db.glance() as session:
        seen = banners.look(session, WORKER_SILENCE, decides, billers_of(actor))
    wider = wider_approvals.count_for(actor) if seen.wider_proposals and actor.may("approvals:read") else 0
    return Banners(gate.why_nothing_is_sent(seen.gate_is_closed, seen.promises), seen.worker_seen, seen.proposals + wider)
