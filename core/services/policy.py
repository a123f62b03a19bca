"""What an answer means for the money. Pure: facts in, verdict out; no clock, no database, no socket.

Rules by number are those of the design: 3 uncertainty is sticky, 4 the quiet window, 5 only NOT_SENT is sent again, 7 asking can fail.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum

from core.states import Stage
from core.wire.contract import Outcome

# When to ask, counted from the last send; after the last of them a person decides.
INQUIRY_SCHEDULE = tuple(timedelta(seconds=seconds) for seconds in (10, 30, 60, 120, 300, 900, 3_600, 21_600, 86_400))

# How long a certified biller that states no maximum may take before its "never seen it" is believed.
UNSTATED_WINDOW = timedelta(minutes=15)
WINDOW_MARGIN = timedelta(seconds=60)

# One wrong answer is an accident, three in a row are a statement.
NOT_FOUND_NEEDED = 3

# Beyond the quick resends, a biller that refuses connections is tried once a minute until the payment expires.
SLOW_RESEND = timedelta(seconds=60)

# An answer under our reference that is about other money: nothing a machine may settle.
OTHER_MONEY = ("amount", "currency")

# How often a person may ask the biller about one payment.
ASK_AGAIN_AFTER = timedelta(seconds=10)


class Reason(StrEnum):
    """Why a transaction moved, in words for the operator. `{biller}` is the biller's name."""

    CREATED = "Submitted."
    QUEUED = "Waiting to be sent to {biller}."
    SENDING = "Being sent to {biller}."
    CONFIRMED = "{biller} confirmed the payment."
    CONFIRMED_BY_INQUIRY = "Asked again: {biller} has the payment."
    ACCEPTED = "{biller} has accepted the payment and will decide later."
    REJECTED = "{biller} refused the payment. No money moved."
    REJECTED_BY_INQUIRY = "Asked again: {biller} refused the payment."
    UNPAID = "No money moved."
    NOT_SENT = "{biller} could not be reached: nothing was sent. It will be tried again by itself."
    UNKNOWN = "{biller} may or may not have the payment. Do not pay again: we keep asking."
    LATE_YES = "An earlier answer of {biller} came late: it may have the payment after all. It is not sent again; we ask."
    LEASE_LOST = "The call was interrupted. {biller} may or may not have the payment: we ask."
    NEVER_SEEN = "{biller} says for certain that it never saw the payment. It will be sent again under the same reference."
    NO_INQUIRY = "{biller} cannot be asked about a payment. Two people decide with its statement."
    SCHEDULE_ENDED = "{biller} gave no clear answer within 24 hours. Two people decide with its statement."
    CONTRADICTED = "{biller} first had the payment and now does not know it. Two people decide with its statement."
    OTHER_AMOUNT = "{biller} has a payment under our reference with another amount. Two people decide with its statement."
    EXPIRED = "It could not be sent in time. No money moved."
    DEACTIVATED = "{biller} was switched off before anything was sent. No money moved."
    CANCELLED = "Cancelled before anything was sent."
    LOOKUP_ASKING = "Asking {biller}."
    LOOKUP_ANSWERED = "{biller} answered."
    LOOKUP_REFUSED = "{biller} refused the question."
    LOOKUP_NO_ANSWER = "{biller} gave no answer that can be used. Nothing was paid: ask again."


@dataclass(frozen=True, slots=True)
class Promise:
    """What one version of a biller's configuration promises about asking and sending."""

    can_ask: bool
    certified: bool
    max_processing: timedelta | None
    retry_attempts: int
    # Shrinks every wait, in sandbox mode only.
    factor: float = 1.0


@dataclass(frozen=True, slots=True)
class LegFacts:
    """What is known of a leg, on the database's clock. `sent_ago` is the age of its last send."""

    sends: int
    sent_ago: timedelta
    deadline: timedelta
    tainted: bool = False
    accepted: bool = False
    not_found_in_a_row: int = 0
    # Age of the last inquiry before this one; None: never asked since the last send.
    asked_ago: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Where the transaction goes (`path`, empty: it stays), when it is looked at again (None: a person or nobody), and the leg after it."""

    path: tuple[tuple[Stage, Reason], ...]
    wait: timedelta | None
    leg: LegFacts


def quiet_window(promise: Promise, deadline: timedelta) -> timedelta:
    """How old the last send must be before NOT_FOUND can be the truth (rule 4)."""
    longest = promise.max_processing
    return (UNSTATED_WINDOW if longest is None else longest + WINDOW_MARGIN) * promise.factor + deadline


def is_quiet(promise: Promise, leg: LegFacts) -> bool:
    return leg.sent_ago > quiet_window(promise, leg.deadline)


def next_inquiry(promise: Promise, leg: LegFacts) -> timedelta | None:
    """How long until the biller is asked next; None when the schedule has ended."""
    points = sorted({*(point * promise.factor for point in INQUIRY_SCHEDULE), quiet_window(promise, leg.deadline) + timedelta(milliseconds=1)})
    asked_at = None if leg.asked_ago is None else leg.sent_ago - leg.asked_ago
    for point in points:
        if asked_at is None or point > asked_at:
            return max(point - leg.sent_ago, timedelta(0))
    return None


def next_send(promise: Promise, sends: int) -> timedelta:
    """1, 2, 4, 8 s up to the configured attempts, then once a minute (rule 5)."""
    wait = timedelta(seconds=2 ** max(sends - 1, 0)) if sends <= promise.retry_attempts else SLOW_RESEND
    return wait * promise.factor


def _ask(promise: Promise, leg: LegFacts, path: tuple[tuple[Stage, Reason], ...], schedule_ended: Reason = Reason.SCHEDULE_ENDED) -> Verdict:
    """Towards an inquiry: when the next one is due, or REVIEW where there is none left to make."""
    if not promise.can_ask:
        return Verdict((*path, (Stage.REVIEW, Reason.NO_INQUIRY)), None, leg)
    wait = next_inquiry(promise, leg)
    if wait is None:
        return Verdict((*path, (Stage.REVIEW, schedule_ended)), None, leg)
    return Verdict(path, wait, leg)


def after_send(promise: Promise, leg: LegFacts, outcome: Outcome) -> Verdict:
    """PAY_SENDING has an answer. Nothing was debited (topology NONE or COMPOSITE)."""
    if outcome is Outcome.CONFIRMED:
        return Verdict(((Stage.COMPLETED, Reason.CONFIRMED),), None, replace(leg, tainted=False))
    if outcome is Outcome.ACCEPTED:
        return _ask(promise, replace(leg, accepted=True, asked_ago=None), ((Stage.PAY_ACCEPTED, Reason.ACCEPTED),))
    if outcome is Outcome.REJECTED and not leg.tainted:
        return Verdict(((Stage.PAY_REJECTED, Reason.REJECTED), (Stage.FAILED, Reason.UNPAID)), None, leg)
    if outcome is Outcome.NOT_SENT and not leg.tainted:
        return Verdict(((Stage.PAY_RETRY, Reason.NOT_SENT),), next_send(promise, leg.sends), leg)
    # Anything else, and everything on a leg that is in doubt already: one clear answer does not tell what became of the other request.
    return after_doubt(promise, leg, Reason.UNKNOWN)


def after_doubt(promise: Promise, leg: LegFacts, reason: Reason) -> Verdict:
    """Nobody knows what the biller saw: ask, never resend."""
    doubtful = replace(leg, tainted=True, not_found_in_a_row=0, asked_ago=None)
    return _ask(promise, doubtful, ((Stage.PAY_UNKNOWN, reason),))


def after_late_yes(promise: Promise, leg: LegFacts, outcome: Outcome) -> Verdict:
    """PAY_RETRY, and the answer of a send that was given up on says that the biller has it, or will decide: ask at once, never send."""
    known = replace(leg, tainted=True, accepted=leg.accepted or outcome is Outcome.ACCEPTED, not_found_in_a_row=0, asked_ago=None)
    verdict = _ask(promise, known, ((Stage.PAY_SENDING, Reason.LATE_YES), (Stage.PAY_UNKNOWN, Reason.LATE_YES)))
    return verdict if verdict.wait is None else replace(verdict, wait=timedelta(0))


def after_inquiry(promise: Promise, stage: Stage, leg: LegFacts, outcome: Outcome, mismatch: str | None = None) -> Verdict:
    """PAY_UNKNOWN or PAY_ACCEPTED was asked about, just now: `leg.asked_ago` is zero."""
    leg = replace(leg, asked_ago=timedelta(0))
    if outcome is Outcome.CONFIRMED:
        return Verdict(((Stage.COMPLETED, Reason.CONFIRMED_BY_INQUIRY),), None, replace(leg, tainted=False))
    if mismatch in OTHER_MONEY:
        return Verdict(((Stage.REVIEW, Reason.OTHER_AMOUNT),), None, leg)
    if outcome is Outcome.ACCEPTED:
        known = replace(leg, accepted=True, not_found_in_a_row=0)
        return _ask(promise, known, () if stage is Stage.PAY_ACCEPTED else ((Stage.PAY_ACCEPTED, Reason.ACCEPTED),))
    if outcome is Outcome.REJECTED and (stage is Stage.PAY_ACCEPTED or is_quiet(promise, leg)):
        refused = ((Stage.PAY_REJECTED, Reason.REJECTED_BY_INQUIRY), (Stage.FAILED, Reason.UNPAID))
        return Verdict(refused, None, replace(leg, tainted=False))
    if outcome is Outcome.NOT_FOUND:
        return _after_not_found(promise, stage, replace(leg, not_found_in_a_row=leg.not_found_in_a_row + 1))
    if outcome is Outcome.REJECTED:
        # It proves nothing yet, but "never seen it" it is not: the row of those is broken.
        return _ask(promise, replace(leg, not_found_in_a_row=0), ())
    # A failed, garbled or contradictory answer changes nothing (rule 7).
    return _ask(promise, leg, ())


def _after_not_found(promise: Promise, stage: Stage, leg: LegFacts) -> Verdict:
    if stage is Stage.PAY_ACCEPTED or leg.accepted:
        return Verdict(((Stage.REVIEW, Reason.CONTRADICTED),), None, leg)
    if promise.certified and leg.not_found_in_a_row >= NOT_FOUND_NEEDED and is_quiet(promise, leg):
        clear = replace(leg, tainted=False, not_found_in_a_row=0)
        return Verdict(((Stage.PAY_RETRY, Reason.NEVER_SEEN),), timedelta(0), clear)
    return _ask(promise, leg, ())
