"""What an exit code of `billers` means. A script decides by it, so none ever changes; `core/launch/running.md` has the same table."""

from collections.abc import Mapping
from enum import IntEnum

from core.errors import Busy, Unavailable
from core.models import Transaction
from core.services.idempotency import StillRunning, TakenOver
from core.states import Stage, Status


class Ending(IntEnum):
    DONE = 0
    NOT_DONE = 1
    WRONG_WORDS = 2
    IN_DOUBT = 3
    UNPAID = 4
    WAITS = 5
    DIFFERS = 6


MEANINGS: Mapping[Ending, str] = {
    Ending.DONE: "It is done: paid, answered, written; nothing is wrong.",
    Ending.NOT_DONE: "It was not done, or something is wrong; standard error says what to do.",
    Ending.WRONG_WORDS: "The command is not called so, or a port is taken; nothing was begun.",
    Ending.IN_DOUBT: "A payment is not settled yet: it may have been paid. Do not pay again; ask again with the same key.",
    Ending.UNPAID: "A payment ended unpaid: failed, cancelled or given back. No money is gone.",
    Ending.WAITS: "A payment waits for a second person; nothing was sent.",
    Ending.DIFFERS: "A statement was imported, and differences are open: a person works them through under Reconciliation.",
}

# After these nobody knows whether the payment was made; every other refusal says that it was not.
PROVES_NOTHING = (Unavailable, Busy, StillRunning, TakenOver)


def of(found: Transaction) -> Ending:
    """How a payment, or a question, ended so far."""
    if Stage(found.stage) is Stage.AWAITING_APPROVAL:
        return Ending.WAITS
    return {Status.COMPLETED: Ending.DONE, Status.PENDING: Ending.IN_DOUBT, Status.PROCESSING: Ending.IN_DOUBT}.get(Status(found.status), Ending.UNPAID)
