"""What a program asks for under a key of its own is done once, however often it asks and whatever dies in between.

It knows one thing: which draft, and which transaction, belongs to a key. A draft is written beside the key before it is submitted, and the first one written
stays: whoever takes the key up after a crash goes on with it, and whoever was thought dead finds that it is no longer their turn. So it is the payment's own
keys that keep it from being made twice (drafts are submitted once, a payment is retried once), and this table only finds the way back to them.

Kept and given again is what will never be another: a payment's end. What is still under way is told anew each time, and a refusal that made nothing leaves
nothing behind.
"""

import uuid
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy.orm import Session

from core import db
from core.errors import BadInput, Conflict
from core.ids import new_id
from core.models import IdempotencyKey
from core.repositories.idempotency import IdempotencyKeys

# Longer than any request lasts: a statement ends after 15 s, and nobody waits for a biller longer than some seconds.
CLAIM_LASTS = timedelta(seconds=60)

# A program that asks again after longer than that asks for something new.
KEPT = timedelta(days=30)


class StillRunning(Conflict):
    """The first request under this key is still being carried out. Ask again in a moment, with the same key."""


class AnotherPayload(BadInput):
    """This key was used for something else before. Use a new key for each payment, and the same one only to ask for the same payment again."""


class TakenOver(Conflict):
    """This request took so long that another one with its key went on in its place. Ask again with the same key: it tells what came of it."""


@dataclass(frozen=True, slots=True)
class Claim:
    """It is this request's turn. What an earlier one left: a draft that may have been submitted, a transaction that is there."""

    id: uuid.UUID
    owner_id: uuid.UUID
    route: str
    key: str
    draft_id: uuid.UUID | None = None
    transaction_id: uuid.UUID | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """What was answered before, for good."""

    status: int
    body: str = field(repr=False)
    transaction_id: uuid.UUID | None


def claim(owner_id: uuid.UUID, route: str, key: str, payload_hash: bytes) -> Claim | Kept:
    """A turn under this key, or what came of it. Raises `StillRunning`, `AnotherPayload`."""
    claim_id = new_id()
    with db.unit_of_work() as session:
        keys = IdempotencyKeys(session)
        if keys.add(owner_id, route, key, payload_hash, claim_id, CLAIM_LASTS):
            return Claim(claim_id, owner_id, route, key)
        row = keys.held(owner_id, route, key)
        if row is None:
            # It was given up between the two questions: the next request finds it free.
            raise StillRunning
        if row.payload_hash != payload_hash:
            raise AnotherPayload
        if row.status is not None and row.body is not None:
            return Kept(row.status, row.body, row.transaction_id)
        if keys.is_claimed(row):
            raise StillRunning
        keys.take(row, claim_id, CLAIM_LASTS)
        return Claim(claim_id, owner_id, route, key, row.draft_id, row.transaction_id)


def note_draft(turn: Claim, draft_id: uuid.UUID) -> None:
    """This draft is what the key stands for, from before it is submitted. Raises `TakenOver`."""
    with db.unit_of_work() as session:
        row = _still_its_turn(session, turn)
        if row.draft_id is not None and row.draft_id != draft_id:
            raise TakenOver
        row.draft_id = draft_id


def note_transaction(turn: Claim, transaction_id: uuid.UUID) -> None:
    """This is what was made. Raises `TakenOver`."""
    with db.unit_of_work() as session:
        _still_its_turn(session, turn).transaction_id = transaction_id


def conclude(turn: Claim, status: int, body: str) -> None:
    """The answer for good: from now on it is given again as it is. Raises `TakenOver`."""
    with db.unit_of_work() as session:
        row = _still_its_turn(session, turn)
        row.status, row.body, row.claimed_until = status, body, None


def rest(turn: Claim) -> None:
    """The turn is over, without an answer for good. Where nothing was made and nothing could be submitted, the key is as good as new."""
    with db.unit_of_work() as session:
        keys = IdempotencyKeys(session)
        row = keys.claimed_as(turn.owner_id, turn.route, turn.key, turn.id)
        if row is None:
            return
        if row.draft_id is None and row.transaction_id is None:
            keys.forget(row)
        else:
            row.claimed_until = None


def forget_old() -> int:
    """Drops keys past their use. A job does it each hour."""
    with db.unit_of_work() as session:
        return IdempotencyKeys(session).forget_older_than(KEPT)


def _still_its_turn(session: Session, turn: Claim) -> IdempotencyKey:
    row = IdempotencyKeys(session).claimed_as(turn.owner_id, turn.route, turn.key, turn.id)
    if row is None:
        raise TakenOver
    return row
