"""One key, one payment. It says when a key is asked for, what it stands for, and which answers are given again as they were.

What a key stands for is found again by `core.services.idempotency`; that no payment is made twice is the payment's own doing.
"""

import hashlib
import uuid
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import anyio
import orjson
from fastapi import Header
from pydantic import BaseModel, StringConstraints
from starlette.responses import Response

from core.access import Actor
from core.api.programs import shapes, waiting
from core.api.programs.way_in import JSON_TYPE, in_thread, said
from core.errors import NotAllowed
from core.models import Transaction
from core.services import idempotency, transactions
from core.services.idempotency import Claim, Kept
from core.states import Status

Key = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9A-Za-z._:-]{8,64}$"),
    Header(
        alias="Idempotency-Key",
        description="A name of your own for this one payment, a UUID for example. The same key and the same body ask for the same payment, for thirty days.",
        examples=["5e0c8f3a-6a51-4d0e-9a55-1f6a3b1f5e07"],
    ),
]

# Why it is meant is told when somebody asks: it is not what is paid.
NOT_OF_THE_KEY = {"reason"}

REPLAYED = "Idempotent-Replayed"

Make = Callable[[Claim], Awaitable[uuid.UUID]]


def hash_of(said_of: BaseModel, **more: Any) -> bytes:
    told = {**said_of.model_dump(mode="json", exclude=NOT_OF_THE_KEY), **{name: str(value) for name, value in more.items()}}
    return hashlib.sha256(orjson.dumps(told, option=orjson.OPT_SORT_KEYS)).digest()


async def once(actor: Actor, route: str, key: str, payload_hash: bytes, make: Make) -> Response:
    """Makes the transaction under this key, or finds the one that was made, and tells how it stands: for good, once nothing changes it any more."""
    if actor.id is None:
        raise NotAllowed("A key belongs to somebody's program.")
    turn = await in_thread(idempotency.claim, actor.id, route, key, payload_hash)
    if isinstance(turn, Kept):
        if turn.transaction_id is not None:
            # What its owner does not serve by now is not there, whatever was answered before.
            await in_thread(transactions.find, actor, turn.transaction_id)
        return Response(turn.body, turn.status, _headers(turn.transaction_id, replayed=True), JSON_TYPE)
    try:
        made = turn.transaction_id or await make(turn)
        if turn.transaction_id is None:
            await in_thread(idempotency.note_transaction, turn, made)
        found = await waiting.settled(actor, made)
        answer = told(found)
        if is_for_good(found):
            await in_thread(idempotency.conclude, turn, answer.status_code, bytes(answer.body).decode())
            return answer
    except BaseException:
        await _rest(turn)
        raise
    await _rest(turn)
    return answer


async def _rest(turn: Claim) -> None:
    """Also when whoever asked went away."""
    with anyio.CancelScope(shield=True):
        await in_thread(idempotency.rest, turn)


def is_for_good(found: Transaction) -> bool:
    """A payment that ended. What was completed can still be given back, which is another act: under this key it was completed."""
    return Status(found.status) not in (Status.PENDING, Status.PROCESSING)


def told(found: Transaction) -> Response:
    """201: made, and `status` says what came of it. 202: made, and not settled yet, or waiting for a second person."""
    return said(shapes.Transaction.of(found), 201 if is_for_good(found) else 202, _headers(found.id))


def _headers(transaction_id: uuid.UUID | None, *, replayed: bool = False) -> dict[str, str]:
    location = {"Location": shapes.address_of(transaction_id)} if transaction_id else {}
    return {"Cache-Control": "no-store", **location, **({REPLAYED: "true"} if replayed else {})}
