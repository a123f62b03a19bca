"""Where a transaction may stand and where it may go from there. One table; code reads it, the database repeats it, tests walk it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class TransactionType(StrEnum):
    """One operator intent against one biller."""

    ACCOUNT_DETAILS = "ACCOUNT_DETAILS"
    POST_TRANSACTION = "POST_TRANSACTION"
    GET_INVOICE = "GET_INVOICE"
    CONFIRM_INVOICE = "CONFIRM_INVOICE"
    BUNDLE_DETAILS = "BUNDLE_DETAILS"
    CONFIRM_BUNDLE = "CONFIRM_BUNDLE"

    @property
    def moves_money(self) -> bool:
        return self in MONEY_TYPES


MONEY_TYPES = frozenset({TransactionType.POST_TRANSACTION, TransactionType.CONFIRM_INVOICE, TransactionType.CONFIRM_BUNDLE})


class Topology(StrEnum):
    """Which movements of money make one payment. Frozen in the draft."""

    NONE = "NONE"  # The biller alone.
    SEPARATE = "SEPARATE"  # Core-banking debit, then the biller, and a reversal if the biller refuses.
    COMPOSITE = "COMPOSITE"  # One call to the bank's ESB does both.


class LegKind(StrEnum):
    """One movement of money in a payment."""

    DEBIT = "DEBIT"
    PAY = "PAY"
    REVERSAL = "REVERSAL"
    PAY_REVERSAL = "PAY_REVERSAL"
    REFUND = "REFUND"


# Every reference a payment may ever need is minted when it is created, so that no resend can carry a new one.
LEGS: Mapping[Topology, tuple[LegKind, ...]] = {
    Topology.NONE: (LegKind.PAY, LegKind.PAY_REVERSAL),
    Topology.SEPARATE: (LegKind.DEBIT, LegKind.PAY, LegKind.REVERSAL, LegKind.PAY_REVERSAL, LegKind.REFUND),
    Topology.COMPOSITE: (LegKind.PAY, LegKind.PAY_REVERSAL),
}


# Movements between accounts of the bank itself: spoken to core banking, not to a biller.
BANK_LEGS = frozenset({LegKind.DEBIT, LegKind.REVERSAL, LegKind.REFUND})


class Status(StrEnum):
    """What a transaction's state promises to a person."""

    PENDING = "PENDING"  # Nothing was sent; may be cancelled.
    PROCESSING = "PROCESSING"  # Something was or may have been sent; can only be asked about.
    COMPLETED = "COMPLETED"  # The biller confirmed.
    FAILED = "FAILED"  # Proven that no money moved.
    CANCELLED = "CANCELLED"  # Stopped before the first intent.
    REVERSED = "REVERSED"  # What was taken was given back, confirmed.


class Stage(StrEnum):
    """The internal detail behind a status."""

    CREATED = "CREATED"
    ASKING = "ASKING"
    AWAITING_APPROVAL = "AWAITING_APPROVAL"
    QUEUED = "QUEUED"
    DEBIT_SENDING = "DEBIT_SENDING"
    DEBIT_ACCEPTED = "DEBIT_ACCEPTED"
    DEBIT_RETRY = "DEBIT_RETRY"
    DEBIT_UNKNOWN = "DEBIT_UNKNOWN"
    DEBITED = "DEBITED"
    PAY_SENDING = "PAY_SENDING"
    PAY_ACCEPTED = "PAY_ACCEPTED"
    PAY_UNKNOWN = "PAY_UNKNOWN"
    PAY_RETRY = "PAY_RETRY"
    PAY_REJECTED = "PAY_REJECTED"
    REVERSAL_SENDING = "REVERSAL_SENDING"
    REVERSAL_UNKNOWN = "REVERSAL_UNKNOWN"
    REVIEW = "REVIEW"
    COMPLETED = "COMPLETED"
    REVERSAL_REQUESTED = "REVERSAL_REQUESTED"
    PAY_REVERSAL_SENDING = "PAY_REVERSAL_SENDING"
    PAY_REVERSAL_UNKNOWN = "PAY_REVERSAL_UNKNOWN"
    REFUND_SENDING = "REFUND_SENDING"
    REFUND_UNKNOWN = "REFUND_UNKNOWN"
    REVIEW_REVERSAL = "REVIEW_REVERSAL"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    REVERSED = "REVERSED"


@dataclass(frozen=True, slots=True)
class Place:
    """A stage's public status, the stages it leaves to, and who acts on it next."""

    status: Status
    leaves_to: frozenset[Stage] = frozenset()
    # True: the console marks it, because the status alone does not tell the story.
    flagged: bool = False
    # True: the worker holds a lease on it while a call is out; an expired lease means nobody knows what was sent.
    on_the_wire: bool = False


def _place(status: Status, *leaves_to: Stage, flagged: bool = False, on_the_wire: bool = False) -> Place:
    return Place(status, frozenset(leaves_to), flagged, on_the_wire)


S = Stage

# A look-up, an invoice fetch, a bundle list: no money, no legs, nothing to ask about afterwards.
ASKING_PLACES: Mapping[Stage, Place] = {
    S.CREATED: _place(Status.PENDING, S.ASKING),
    S.ASKING: _place(Status.PROCESSING, S.COMPLETED, S.FAILED, on_the_wire=True),
    S.COMPLETED: _place(Status.COMPLETED),
    S.FAILED: _place(Status.FAILED),
}

PAYMENT_PLACES: Mapping[Stage, Place] = {
    S.CREATED: _place(Status.PENDING, S.AWAITING_APPROVAL, S.QUEUED, S.CANCELLED),
    S.AWAITING_APPROVAL: _place(Status.PENDING, S.QUEUED, S.CANCELLED),
    S.QUEUED: _place(Status.PENDING, S.DEBIT_SENDING, S.PAY_SENDING, S.CANCELLED, S.FAILED),
    S.DEBIT_SENDING: _place(Status.PROCESSING, S.DEBITED, S.DEBIT_ACCEPTED, S.DEBIT_RETRY, S.DEBIT_UNKNOWN, S.FAILED, on_the_wire=True),
    S.DEBIT_ACCEPTED: _place(Status.PROCESSING, S.DEBITED, S.FAILED, S.REVIEW),
    S.DEBIT_RETRY: _place(Status.PROCESSING, S.DEBIT_SENDING, S.FAILED),
    S.DEBIT_UNKNOWN: _place(Status.PROCESSING, S.DEBITED, S.DEBIT_ACCEPTED, S.DEBIT_RETRY, S.FAILED, S.REVIEW),
    S.DEBITED: _place(Status.PROCESSING, S.PAY_SENDING, S.REVERSAL_SENDING),
    S.PAY_SENDING: _place(Status.PROCESSING, S.COMPLETED, S.PAY_ACCEPTED, S.PAY_REJECTED, S.PAY_RETRY, S.PAY_UNKNOWN, on_the_wire=True),
    # Never PAY_RETRY: a biller that said "I have it" and then "never seen it" contradicts itself, and a person decides.
    S.PAY_ACCEPTED: _place(Status.PROCESSING, S.COMPLETED, S.PAY_REJECTED, S.REVIEW),
    S.PAY_UNKNOWN: _place(Status.PROCESSING, S.COMPLETED, S.PAY_ACCEPTED, S.PAY_REJECTED, S.PAY_RETRY, S.REVIEW),
    S.PAY_RETRY: _place(Status.PROCESSING, S.PAY_SENDING, S.REVERSAL_SENDING, S.FAILED),
    S.PAY_REJECTED: _place(Status.PROCESSING, S.REVERSAL_SENDING, S.FAILED),
    S.REVERSAL_SENDING: _place(Status.PROCESSING, S.REVERSED, S.REVERSAL_UNKNOWN, S.REVERSAL_SENDING, S.REVIEW, on_the_wire=True),
    S.REVERSAL_UNKNOWN: _place(Status.PROCESSING, S.REVERSED, S.REVERSAL_SENDING, S.REVIEW),
    S.REVIEW: _place(
        Status.PROCESSING,
        *(S.DEBITED, S.PAY_REJECTED, S.COMPLETED, S.REVERSED, S.FAILED),
        *(S.DEBIT_UNKNOWN, S.PAY_UNKNOWN, S.REVERSAL_UNKNOWN),
        flagged=True,
    ),
    S.COMPLETED: _place(Status.COMPLETED, S.REVERSAL_REQUESTED),
    S.REVERSAL_REQUESTED: _place(Status.COMPLETED, S.PAY_REVERSAL_SENDING, S.COMPLETED, flagged=True),
    S.PAY_REVERSAL_SENDING: _place(
        Status.COMPLETED,
        *(S.REFUND_SENDING, S.REVERSED, S.COMPLETED, S.PAY_REVERSAL_SENDING, S.PAY_REVERSAL_UNKNOWN, S.REVIEW_REVERSAL),
        flagged=True,
        on_the_wire=True,
    ),
    S.PAY_REVERSAL_UNKNOWN: _place(
        Status.COMPLETED,
        *(S.REFUND_SENDING, S.REVERSED, S.COMPLETED, S.PAY_REVERSAL_SENDING, S.REVIEW_REVERSAL),
        flagged=True,
    ),
    S.REFUND_SENDING: _place(Status.COMPLETED, S.REVERSED, S.REFUND_SENDING, S.REFUND_UNKNOWN, S.REVIEW_REVERSAL, flagged=True, on_the_wire=True),
    S.REFUND_UNKNOWN: _place(Status.COMPLETED, S.REVERSED, S.REFUND_SENDING, S.REVIEW_REVERSAL, flagged=True),
    S.REVIEW_REVERSAL: _place(
        Status.COMPLETED,
        *(S.COMPLETED, S.REVERSED, S.REFUND_SENDING, S.PAY_REVERSAL_UNKNOWN, S.REFUND_UNKNOWN),
        flagged=True,
    ),
    S.FAILED: _place(Status.FAILED),
    S.CANCELLED: _place(Status.CANCELLED),
    S.REVERSED: _place(Status.REVERSED),
}

TERMINAL = frozenset({S.FAILED, S.CANCELLED, S.REVERSED})

# Nothing moves by itself any more: settled, or left to people. What an open page need not look at again and again.
AT_REST = TERMINAL | {S.COMPLETED, S.REVIEW}

# Where a payment holds its biller's account: at most one at a time, from the queue until it is settled or under review.
IN_FLIGHT = tuple(
    stage
    for stage in Stage
    if stage in PAYMENT_PLACES and PAYMENT_PLACES[stage].status in (Status.PENDING, Status.PROCESSING) and stage not in (S.CREATED, S.AWAITING_APPROVAL)
)

# What becomes of a call whose worker is gone: nobody knows what was sent, so it is asked about, never sent again.
WHEN_LEASE_EXPIRES: Mapping[Stage, Stage] = {
    S.ASKING: S.FAILED,
    S.DEBIT_SENDING: S.DEBIT_UNKNOWN,
    S.PAY_SENDING: S.PAY_UNKNOWN,
    S.REVERSAL_SENDING: S.REVERSAL_UNKNOWN,
    S.PAY_REVERSAL_SENDING: S.PAY_REVERSAL_UNKNOWN,
    S.REFUND_SENDING: S.REFUND_UNKNOWN,
}

# Which leg a row that waits is sent for. What is QUEUED begins with the leg its topology begins with.
SENDS_FROM: Mapping[Stage, LegKind] = {
    S.DEBIT_RETRY: LegKind.DEBIT,
    S.DEBITED: LegKind.PAY,
    S.PAY_RETRY: LegKind.PAY,
    S.PAY_REJECTED: LegKind.REVERSAL,
    S.REVERSAL_SENDING: LegKind.REVERSAL,
    S.REVERSAL_UNKNOWN: LegKind.REVERSAL,
    S.REVERSAL_REQUESTED: LegKind.PAY_REVERSAL,
    S.PAY_REVERSAL_SENDING: LegKind.PAY_REVERSAL,
    S.PAY_REVERSAL_UNKNOWN: LegKind.PAY_REVERSAL,
    S.REFUND_SENDING: LegKind.REFUND,
}

# Which leg is asked about where it stands. Of what ended unseen the biller is asked twice more: a late yes is a break.
ASKS_ABOUT: Mapping[Stage, LegKind] = {
    S.DEBIT_UNKNOWN: LegKind.DEBIT,
    S.DEBIT_ACCEPTED: LegKind.DEBIT,
    S.PAY_UNKNOWN: LegKind.PAY,
    S.PAY_ACCEPTED: LegKind.PAY,
    S.REFUND_UNKNOWN: LegKind.REFUND,
    S.FAILED: LegKind.PAY,
    S.REVERSED: LegKind.PAY,
}

# Something may have happened and nobody knows: what a person can have asked about, or asked for again, at once.
IN_DOUBT = frozenset({stage for stage in ASKS_ABOUT if stage not in TERMINAL} | {S.REVERSAL_UNKNOWN, S.PAY_REVERSAL_UNKNOWN})


def places(transaction_type: TransactionType) -> Mapping[Stage, Place]:
    return PAYMENT_PLACES if transaction_type.moves_money else ASKING_PLACES


def is_legal(transaction_type: TransactionType, old: Stage, new: Stage) -> bool:
    table = places(transaction_type)
    return old in table and new in table[old].leaves_to


def leg_sent_from(stage: Stage, topology: Topology) -> LegKind:
    """The leg that is sent next by a row that stands here."""
    if stage is S.QUEUED:
        return LEGS[topology][0]
    return SENDS_FROM[stage]


def status_of(stage: Stage) -> Status:
    place = PAYMENT_PLACES.get(stage) or ASKING_PLACES[stage]
    return place.status
