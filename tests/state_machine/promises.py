"""What each status promises, at every step and not only at the end. Written out once more here: it shares no line with what it holds."""

from collections.abc import Iterator
from dataclasses import dataclass

PENDING, PROCESSING, COMPLETED, FAILED, CANCELLED, REVERSED = "PENDING", "PROCESSING", "COMPLETED", "FAILED", "CANCELLED", "REVERSED"

STATUS_OF = {
    **dict.fromkeys(("CREATED", "AWAITING_APPROVAL", "QUEUED"), PENDING),
    **dict.fromkeys(("DEBIT_SENDING", "DEBIT_ACCEPTED", "DEBIT_RETRY", "DEBIT_UNKNOWN", "DEBITED"), PROCESSING),
    **dict.fromkeys(("PAY_SENDING", "PAY_ACCEPTED", "PAY_UNKNOWN", "PAY_RETRY", "PAY_REJECTED"), PROCESSING),
    **dict.fromkeys(("REVERSAL_SENDING", "REVERSAL_UNKNOWN", "REVIEW"), PROCESSING),
    **dict.fromkeys(("COMPLETED", "REVERSAL_REQUESTED", "PAY_REVERSAL_SENDING", "PAY_REVERSAL_UNKNOWN"), COMPLETED),
    **dict.fromkeys(("REFUND_SENDING", "REFUND_UNKNOWN", "REVIEW_REVERSAL"), COMPLETED),
    **{settled: settled for settled in (FAILED, CANCELLED, REVERSED)},
}

# Nobody acts on these by the clock: they have ended, or people decide.
RESTS = frozenset({COMPLETED, FAILED, CANCELLED, REVERSED, "REVIEW", "REVIEW_REVERSAL", "AWAITING_APPROVAL"})

# Two people say what became of it.
REVIEWED = ("REVIEW", "REVIEW_REVERSAL")

ENDED = frozenset({FAILED, CANCELLED, REVERSED})

# What may follow what: the public story of a payment only ever goes on.
FOLLOWS = {
    None: {PENDING},
    PENDING: {PENDING, PROCESSING, CANCELLED, FAILED, COMPLETED, REVERSED},
    PROCESSING: {PROCESSING, COMPLETED, FAILED, REVERSED},
    COMPLETED: {COMPLETED, REVERSED},
    **{ended: {ended} for ended in ENDED},
}


@dataclass(frozen=True)
class Seen:
    """One payment as the database has it, and what the books of the biller and of core banking have under its references."""

    reference: str
    topology: str
    stage: str
    status: str
    version: int
    has_next_action: bool
    has_lease: bool
    # Intents to send, inquiries not counted: of all legs, and of the biller's.
    intents: int
    pay_intents: int
    # Lines of the books. `debited` and `refunded` are core banking's.
    paid: int = 0
    paid_back: int = 0
    debited: int = 0
    debited_back: int = 0
    refunded: int = 0
    # What the movement is called in their books.
    number_at_the_biller: str | None = None
    number_at_the_bank: str | None = None

    @property
    def is_taken(self) -> int:
        """How much of the customer's money is gone, in payments: what core banking took less what it gave back."""
        return self.debited - self.debited_back - self.refunded

    @property
    def is_paid(self) -> int:
        return self.paid - self.paid_back


def broken(before: Seen | None, now: Seen) -> Iterator[str]:
    """Each promise that does not hold, as a sentence."""
    for what, times in (("paid", now.paid), ("debited", now.debited), ("refunded", now.refunded)):
        if times > 1:
            yield f"It was {what} {times} times."
    if STATUS_OF[now.stage] != now.status:
        yield f"Its stage says {STATUS_OF[now.stage]}, and its status {now.status}."
    if now.status not in FOLLOWS[before.status if before else None]:
        yield f"It was told as {before and before.status}, and is told as {now.status} now."
    if before is not None and before.status in ENDED and before.version != now.version:
        yield f"It had ended as {before.status}, and was moved again."
    if now.stage not in RESTS and not now.has_next_action:
        yield "It waits for nobody."
    if now.paid and not now.pay_intents:
        yield "The biller has it, and no intent was written before."
    yield from _untrue(now)
    if now.topology == "SEPARATE":
        yield from _out_of_order(now)


def _untrue(now: Seen) -> Iterator[str]:
    if now.status in (PENDING, CANCELLED) and (now.intents or now.is_paid or now.is_taken or now.has_lease):
        yield f"{now.status} promises that nothing was sent."
    if now.stage == COMPLETED and (now.is_paid != 1 or (now.topology == "SEPARATE" and now.is_taken != 1)):
        yield "COMPLETED promises that the biller has it, and that the customer was debited once."
    if now.status in ENDED and (now.is_paid or now.is_taken):
        yield f"{now.status} promises that no money is anywhere else than before."


def _out_of_order(now: Seen) -> Iterator[str]:
    if now.paid > now.debited:
        yield "The biller was paid before the customer was debited."
    if now.debited_back and now.paid:
        yield "The debit was given back, and the biller has the payment."
    if now.refunded and now.is_paid:
        yield "It was refunded while the biller still has it."


def shows(now: Seen, choice: str, *, is_final: bool) -> bool:
    """Whether an honest statement shows this. That something did not happen it shows only where nothing of it is still to come."""
    taken_once = now.topology != "SEPARATE" or now.is_taken == 1
    return {
        "BILLER_HAS_IT": now.is_paid == 1 and taken_once,
        "BILLER_HAS_IT_NOT": is_final and now.paid == 0,
        "DEBITED_GO_ON": is_final and now.is_taken == 1 and now.paid == 0,
        "GIVEN_BACK": now.debited_back == 1,
        "NO_MONEY_MOVED": is_final and now.debited == 0,
        "BILLER_GAVE_BACK": now.paid_back == 1,
        "BILLER_KEEPS_IT": is_final and now.is_paid == 1,
        "CREDITED": now.refunded == 1,
        "NOT_CREDITED": is_final and now.refunded == 0,
    }.get(choice, False)
