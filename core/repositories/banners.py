"""What every page asks before anything else, at each of its runs: in one statement."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from core.durability import PROMISES, promises_of

_LOOK = text(
    f"""
    SELECT EXISTS (SELECT FROM gates WHERE reopened_at IS NULL) AS gate_is_closed,
        {PROMISES},
        EXISTS (SELECT FROM workers WHERE stopped_at IS NULL AND seen_at > clock_timestamp() - CAST(:silence AS interval)) AS worker_seen,
        (SELECT count(*) FROM proposals p
            WHERE p.decision = 'open' AND p.proposed_by <> CAST(:person AS uuid)
            AND EXISTS (SELECT FROM transactions t WHERE t.id = p.transaction_id AND t.initiated_by IS DISTINCT FROM CAST(:person AS uuid)
                AND (CAST(:billers AS text[]) IS NULL OR t.biller_type = ANY (CAST(:billers AS text[]))))) AS proposals,
        EXISTS (SELECT FROM wider_proposals WHERE decision = 'open') AS wider_proposals
    """  # noqa: S608 - constants
)


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at the database showed."""

    gate_is_closed: bool
    # The settings without which a confirmed payment may be lost, as this connection has them.
    promises: Mapping[str, str]
    worker_seen: bool
    # Payments that wait for this person: open proposals that they neither made nor whose payment they entered.
    proposals: int
    # Whether anything about more than one payment waits, for whomever.
    wider_proposals: bool


def look(session: Session, silence: timedelta, person: uuid.UUID | None, billers: tuple[str, ...] = ()) -> Look:
    """`silence`: no longer than that a worker may be unheard. `person`: who is to decide; for nobody no payment waits. `billers`: of no other; of none named,
    of all.
    """
    row = session.execute(_LOOK, {"silence": silence, "person": person, "billers": list(billers) or None}).one()
    return Look(row.gate_is_closed, promises_of(row), row.worker_seen, row.proposals, row.wider_proposals)
