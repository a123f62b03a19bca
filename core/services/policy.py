"""What an answer means for the money. Pure: facts in, verdict out; no clock, no database, no socket.

Rules by number are those of the design: 3 uncertainty is sticky, 4 the quiet window, 5 only NOT_SENT is sent again, 7 asking can fail.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum

from core.states import LegKind, Stage
from core.wire.contract import Outcome

# When to ask, counted from the last send; after the last of them a person decides.
INQUIRY_SCHEDULE = tuple(timedelta(seconds=seconds) for seconds in (10, 30, 60, 120, 300, 900, 3_600, 21_600, 86_400))

# How long a certified biller that states no maximum may take before its "never seen it" is believed.
UNSTATED_WINDOW = timedelta(minutes=15)
WINDOW_MARGIN = timedelta(seconds=60)

# One wrong answer is an accident, three in a row are a statement. Only answers to questions that left after the quiet window count: what a biller
# did not know before may still have been on its way. After the first of them it is asked again soon.
NOT_FOUND_NEEDED = 3
SURE_AFTER = timedelta(seconds=10)

# What gives money back is repeated under the same reference, so often; what was accepted and not posted is asked for by repeating, as long as we would ask.
MOST_REPEATS = 6

# Beyond the quick resends, a biller that refuses connections is tried once a minute until the payment expires.
SLOW_RESEND = timedelta(seconds=60)

# An answer under our reference that is about other money: nothing a machine may settle.
OTHER_MONEY = ("amount", "currency")

# A payment that ended because the biller never saw it is asked about twice more: a late yes is a break, never a silent change.
AFTERCARE = (timedelta(hours=1), timedelta(hours=24))

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
    HISTORY_LOST = "The database was restored, and this may have been sent before. It is not sent again: we ask."
    LEASE_LOST = "The call was interrupted. {biller} may or may not have the payment: we ask."
    NEVER_SEEN = "{biller} says for certain that it never saw the payment. It will be sent again under the same reference."
    NO_INQUIRY = "{biller} cannot be asked about a payment. Two people decide with its statement."
    SCHEDULE_ENDED = "{biller} gave no clear answer within 24 hours. Two people decide with its statement."
    CONTRADICTED = "{biller} first had the payment and now does not know it. Two people decide with its statement."
    OTHER_AMOUNT = "{biller} has a payment under our reference with another amount. Two people decide with its statement."
    DEBIT_SENDING = "The customer's account is being debited."
    DEBITED = "The customer's account was debited. {biller} is paid next."
    DEBITED_BY_INQUIRY = "Asked again: the customer's account was debited. {biller} is paid next."
    DEBIT_ACCEPTED = "Core banking has taken the debit and not posted it yet: it is asked until it has."
    DEBIT_REJECTED = "Core banking refused the debit. No money moved."
    DEBIT_REJECTED_BY_INQUIRY = "Asked again: core banking refused the debit. No money moved."
    DEBIT_NOT_SENT = "Core banking could not be reached: nothing was debited. It will be tried again by itself."
    DEBIT_UNKNOWN = "The customer's account may or may not have been debited. Do not pay again: we keep asking core banking."
    DEBIT_LATE_YES = "An earlier answer of core banking came late: the debit may have been made after all. It is not sent again; we ask."
    DEBIT_NEVER_SEEN = "Core banking says for certain that it never saw the debit. It will be sent again under the same reference."
    DEBIT_SCHEDULE_ENDED = "Core banking gave no clear answer about the debit within 24 hours. Two people decide with the account's statement."
    DEBIT_CONTRADICTED = "Core banking first had the debit and now does not know it. Two people decide with the account's statement."
    DEBIT_OTHER_AMOUNT = "Core banking has a debit under our reference with another amount. Two people decide with the account's statement."
    REVERSAL_NEEDED = "{biller} was not paid, and the customer's account was debited: the debit is given back."
    REVERSAL_EXPIRED = "{biller} could not be paid in time: the debit is given back."
    REVERSAL_DEACTIVATED = "{biller} was switched off before it was paid: the debit is given back."
    REVERSAL_SENDING = "The debit is being given back."
    REVERSED = "The debit was given back to the customer's account."
    REVERSAL_ACCEPTED = "Core banking has taken the reversal and not posted it yet: it is asked until it has."
    REVERSAL_NOT_SENT = "Core banking could not be reached: the debit is not given back yet. It will be tried again by itself."
    REVERSAL_UNKNOWN = "The debit may or may not have been given back: it is asked for again, under the same reference."
    REVERSAL_REFUSED = "Core banking refused to give the debit back. It is asked again, and then two people decide."
    REVERSAL_ENDED = "The debit could not be given back after several tries. Two people decide with the account's statement."
    NO_DEBIT_ID = "Core banking never told its number of the debit, so it cannot be given back by itself. Two people decide with the account's statement."
    LATE_YES_REVERSING = "{biller} says that it has the payment after all, while the debit was being given back. Two people decide with its statement."
    PAY_REVERSAL_SENDING = "{biller} is being asked to give the payment back."
    PAY_REVERSED = "{biller} gave the payment back."
    PAY_REVERSAL_REFUSED = "{biller} refused to give the payment back. It stays paid."
    PAY_REVERSAL_ACCEPTED = "{biller} will decide whether it gives the payment back."
    PAY_REVERSAL_NOT_SENT = "{biller} could not be reached to give the payment back. It will be tried again by itself."
    PAY_REVERSAL_UNKNOWN = "{biller} may or may not have given the payment back: it is asked for again, under the same reference."
    PAY_REVERSAL_ENDED = "{biller} did not say clearly whether it gave the payment back. Two people decide with its statement."
    REFUND_NEEDED = "{biller} gave the payment back: the customer's account is credited next."
    REFUND_SENDING = "The customer's account is being credited."
    REFUNDED = "The money was credited to the customer's account."
    REFUND_ACCEPTED = "Core banking has taken the refund and not posted it yet: it is asked until it has."
    REFUND_REFUSED = "Core banking refused the refund. Two people decide how the customer gets the money."
    REFUND_NOT_SENT = "Core banking could not be reached: the customer is not credited yet. It will be tried again by itself."
    REFUND_UNKNOWN = "The customer's account may or may not have been credited: core banking is asked."
    REFUND_NEVER_SEEN = "Core banking says for certain that it never saw the refund. It will be sent again under the same reference."
    REFUND_ENDED = "Core banking gave no clear answer about the refund. Two people decide with the account's statement."
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


Path = tuple[tuple[Stage, Reason], ...]

# Where nothing is claimed from by itself any more.
_WAITS_FOR_NOBODY = frozenset({Stage.COMPLETED, Stage.FAILED, Stage.REVERSED, Stage.REVIEW, Stage.REVIEW_REVERSAL})


@dataclass(frozen=True, slots=True)
class Verdict:
    """Where the transaction goes (`path`, empty: it stays), when it is looked at again (None: a person or nobody), and the leg after it."""

    path: Path
    wait: timedelta | None
    leg: LegFacts


@dataclass(frozen=True, slots=True)
class Road:
    """The stages that one leg of a payment passes, and the words for each: the same rules hold on every road.

    `done` and `refused` are paths, since a payment may go on at once. A leg that is `repeated` gives money back by a request that may be made any number of
    times (a reversal by id): it is never asked about, only asked for again.
    """

    sending: Stage
    unknown: Stage
    accepted: Stage
    retry: Stage
    review: Stage
    done: Path
    done_by_inquiry: Path
    refused: Path
    refused_by_inquiry: Path
    told_accepted: Reason
    told_not_sent: Reason
    told_unknown: Reason
    told_late_yes: Reason
    told_never_seen: Reason
    told_contradicted: Reason
    told_other_amount: Reason
    told_ended: Reason
    repeated: bool = False

    @property
    def goes_on(self) -> bool:
        """Done is not the payment's end: the next leg is claimed at once."""
        return self.done[-1][0] not in (Stage.COMPLETED, Stage.REVERSED)


PAY_ROAD = Road(
    sending=Stage.PAY_SENDING,
    unknown=Stage.PAY_UNKNOWN,
    accepted=Stage.PAY_ACCEPTED,
    retry=Stage.PAY_RETRY,
    review=Stage.REVIEW,
    done=((Stage.COMPLETED, Reason.CONFIRMED),),
    done_by_inquiry=((Stage.COMPLETED, Reason.CONFIRMED_BY_INQUIRY),),
    refused=((Stage.PAY_REJECTED, Reason.REJECTED), (Stage.FAILED, Reason.UNPAID)),
    refused_by_inquiry=((Stage.PAY_REJECTED, Reason.REJECTED_BY_INQUIRY), (Stage.FAILED, Reason.UNPAID)),
    told_accepted=Reason.ACCEPTED,
    told_not_sent=Reason.NOT_SENT,
    told_unknown=Reason.UNKNOWN,
    told_late_yes=Reason.LATE_YES,
    told_never_seen=Reason.NEVER_SEEN,
    told_contradicted=Reason.CONTRADICTED,
    told_other_amount=Reason.OTHER_AMOUNT,
    told_ended=Reason.SCHEDULE_ENDED,
)

# The customer was debited first: a refusal is not the end, the debit is to be given back.
PAY_AFTER_DEBIT_ROAD = replace(
    PAY_ROAD,
    refused=((Stage.PAY_REJECTED, Reason.REVERSAL_NEEDED),),
    refused_by_inquiry=((Stage.PAY_REJECTED, Reason.REVERSAL_NEEDED),),
)

DEBIT_ROAD = Road(
    sending=Stage.DEBIT_SENDING,
    unknown=Stage.DEBIT_UNKNOWN,
    accepted=Stage.DEBIT_ACCEPTED,
    retry=Stage.DEBIT_RETRY,
    review=Stage.REVIEW,
    done=((Stage.DEBITED, Reason.DEBITED),),
    done_by_inquiry=((Stage.DEBITED, Reason.DEBITED_BY_INQUIRY),),
    refused=((Stage.FAILED, Reason.DEBIT_REJECTED),),
    refused_by_inquiry=((Stage.FAILED, Reason.DEBIT_REJECTED_BY_INQUIRY),),
    told_accepted=Reason.DEBIT_ACCEPTED,
    told_not_sent=Reason.DEBIT_NOT_SENT,
    told_unknown=Reason.DEBIT_UNKNOWN,
    told_late_yes=Reason.DEBIT_LATE_YES,
    told_never_seen=Reason.DEBIT_NEVER_SEEN,
    told_contradicted=Reason.DEBIT_CONTRADICTED,
    told_other_amount=Reason.DEBIT_OTHER_AMOUNT,
    told_ended=Reason.DEBIT_SCHEDULE_ENDED,
)

REVERSAL_ROAD = Road(
    sending=Stage.REVERSAL_SENDING,
    unknown=Stage.REVERSAL_UNKNOWN,
    accepted=Stage.REVERSAL_UNKNOWN,
    retry=Stage.REVERSAL_UNKNOWN,
    review=Stage.REVIEW,
    done=((Stage.REVERSED, Reason.REVERSED),),
    done_by_inquiry=((Stage.REVERSED, Reason.REVERSED),),
    refused=((Stage.REVERSAL_UNKNOWN, Reason.REVERSAL_REFUSED),),
    refused_by_inquiry=(),
    told_accepted=Reason.REVERSAL_ACCEPTED,
    told_not_sent=Reason.REVERSAL_NOT_SENT,
    told_unknown=Reason.REVERSAL_UNKNOWN,
    told_late_yes=Reason.REVERSAL_UNKNOWN,
    told_never_seen=Reason.REVERSAL_UNKNOWN,
    told_contradicted=Reason.REVERSAL_ENDED,
    told_other_amount=Reason.REVERSAL_ENDED,
    told_ended=Reason.REVERSAL_ENDED,
    repeated=True,
)

PAY_REVERSAL_ROAD = Road(
    sending=Stage.PAY_REVERSAL_SENDING,
    unknown=Stage.PAY_REVERSAL_UNKNOWN,
    accepted=Stage.PAY_REVERSAL_UNKNOWN,
    retry=Stage.PAY_REVERSAL_UNKNOWN,
    review=Stage.REVIEW_REVERSAL,
    done=((Stage.REVERSED, Reason.PAY_REVERSED),),
    done_by_inquiry=((Stage.REVERSED, Reason.PAY_REVERSED),),
    refused=((Stage.COMPLETED, Reason.PAY_REVERSAL_REFUSED),),
    refused_by_inquiry=(),
    told_accepted=Reason.PAY_REVERSAL_ACCEPTED,
    told_not_sent=Reason.PAY_REVERSAL_NOT_SENT,
    told_unknown=Reason.PAY_REVERSAL_UNKNOWN,
    told_late_yes=Reason.PAY_REVERSAL_UNKNOWN,
    told_never_seen=Reason.PAY_REVERSAL_UNKNOWN,
    told_contradicted=Reason.PAY_REVERSAL_ENDED,
    told_other_amount=Reason.PAY_REVERSAL_ENDED,
    told_ended=Reason.PAY_REVERSAL_ENDED,
    repeated=True,
)

# The customer was debited, so what the biller gave back goes on to the customer.
PAY_REVERSAL_AFTER_DEBIT_ROAD = replace(
    PAY_REVERSAL_ROAD,
    done=((Stage.REFUND_SENDING, Reason.REFUND_NEEDED),),
    done_by_inquiry=((Stage.REFUND_SENDING, Reason.REFUND_NEEDED),),
)

REFUND_ROAD = Road(
    sending=Stage.REFUND_SENDING,
    unknown=Stage.REFUND_UNKNOWN,
    accepted=Stage.REFUND_UNKNOWN,
    retry=Stage.REFUND_SENDING,
    review=Stage.REVIEW_REVERSAL,
    done=((Stage.REVERSED, Reason.REFUNDED),),
    done_by_inquiry=((Stage.REVERSED, Reason.REFUNDED),),
    refused=((Stage.REVIEW_REVERSAL, Reason.REFUND_REFUSED),),
    refused_by_inquiry=((Stage.REVIEW_REVERSAL, Reason.REFUND_REFUSED),),
    told_accepted=Reason.REFUND_ACCEPTED,
    told_not_sent=Reason.REFUND_NOT_SENT,
    told_unknown=Reason.REFUND_UNKNOWN,
    told_late_yes=Reason.REFUND_UNKNOWN,
    told_never_seen=Reason.REFUND_NEVER_SEEN,
    told_contradicted=Reason.REFUND_ENDED,
    told_other_amount=Reason.REFUND_ENDED,
    told_ended=Reason.REFUND_ENDED,
)


def road_of(kind: LegKind, *, debited: bool) -> Road:
    """The road of this leg; `debited` where core banking took the money first (SEPARATE topology)."""
    if kind is LegKind.PAY:
        return PAY_AFTER_DEBIT_ROAD if debited else PAY_ROAD
    if kind is LegKind.PAY_REVERSAL:
        return PAY_REVERSAL_AFTER_DEBIT_ROAD if debited else PAY_REVERSAL_ROAD
    return {LegKind.DEBIT: DEBIT_ROAD, LegKind.REVERSAL: REVERSAL_ROAD, LegKind.REFUND: REFUND_ROAD}[kind]


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


def _ask(promise: Promise, leg: LegFacts, path: Path, road: Road) -> Verdict:
    """Towards an inquiry: when the next one is due, or REVIEW where there is none left to make."""
    if not promise.can_ask:
        return Verdict((*path, (road.review, Reason.NO_INQUIRY)), None, leg)
    wait = next_inquiry(promise, leg)
    if wait is None:
        return Verdict((*path, (road.review, road.told_ended)), None, leg)
    return Verdict(path, wait, leg)


def _settled(path: Path, leg: LegFacts) -> Verdict:
    """Done or refused. Where the payment goes on with another leg, that one is claimed at once."""
    return Verdict(path, None if path[-1][0] in _WAITS_FOR_NOBODY else timedelta(0), leg)


def after_send(promise: Promise, leg: LegFacts, outcome: Outcome, road: Road = PAY_ROAD) -> Verdict:
    """The leg that was being sent has an answer."""
    if outcome is Outcome.CONFIRMED:
        return _settled(road.done, replace(leg, tainted=False))
    if road.repeated:
        return _again(promise, leg, outcome, road)
    if outcome is Outcome.ACCEPTED:
        return _ask(promise, replace(leg, accepted=True, asked_ago=None), ((road.accepted, road.told_accepted),), road)
    if outcome is Outcome.REJECTED and not leg.tainted:
        return _settled(road.refused, leg)
    if outcome is Outcome.NOT_SENT and not leg.tainted:
        return Verdict(((road.retry, road.told_not_sent),), next_send(promise, leg.sends), leg)
    # Anything else, and everything on a leg that is in doubt already: one clear answer does not tell what became of the other request.
    return after_doubt(promise, leg, road.told_unknown, road)


def after_doubt(promise: Promise, leg: LegFacts, reason: Reason, road: Road = PAY_ROAD) -> Verdict:
    """Nobody knows what was seen: ask, never resend. What gives money back may be asked for again."""
    if road.repeated:
        return _again(promise, leg, Outcome.UNKNOWN, road)
    doubtful = replace(leg, tainted=True, not_found_in_a_row=0, asked_ago=None)
    return _ask(promise, doubtful, ((road.unknown, reason),), road)


def _again(promise: Promise, leg: LegFacts, outcome: Outcome, road: Road) -> Verdict:
    """What gives money back was not confirmed: it is asked for again under the same reference, so often, and then people decide."""
    if outcome is Outcome.NOT_SENT:
        # Nobody was asked, so it is no try: however long they cannot be reached, the money is owed.
        return Verdict(((road.unknown, road.told_not_sent),), next_send(promise, leg.sends), replace(leg, sends=leg.sends - 1))
    if outcome is Outcome.REJECTED and not leg.tainted and road.refused[-1][0] is not road.unknown:
        return _settled(road.refused, leg)
    known = replace(leg, tainted=leg.tainted or outcome is not Outcome.REJECTED, accepted=leg.accepted or outcome is Outcome.ACCEPTED)
    told = {Outcome.ACCEPTED: road.told_accepted, Outcome.REJECTED: road.refused[-1][1]}.get(outcome, road.told_unknown)
    most = len(INQUIRY_SCHEDULE) if known.accepted else MOST_REPEATS - 1
    if leg.sends > most:
        return Verdict(((road.unknown, told), (road.review, road.told_ended)), None, known)
    # The points of the schedule count from the first try: each wait is the distance to the next.
    point = INQUIRY_SCHEDULE[leg.sends - 1]
    wait = point - (INQUIRY_SCHEDULE[leg.sends - 2] if leg.sends > 1 else timedelta(0))
    return Verdict(((road.unknown, told),), wait * promise.factor, known)


def after_late_yes(promise: Promise, leg: LegFacts, outcome: Outcome, road: Road = PAY_ROAD) -> Verdict:
    """To be sent again, and the answer of a send that was given up on says that it arrived, or will be decided on: ask at once, never send."""
    known = replace(leg, tainted=True, accepted=leg.accepted or outcome is Outcome.ACCEPTED, not_found_in_a_row=0, asked_ago=None)
    verdict = _ask(promise, known, ((road.sending, road.told_late_yes), (road.unknown, road.told_late_yes)), road)
    return verdict if verdict.wait is None else replace(verdict, wait=timedelta(0))


def after_inquiry(promise: Promise, stage: Stage, leg: LegFacts, outcome: Outcome, mismatch: str | None = None, road: Road = PAY_ROAD) -> Verdict:
    """The leg was asked about, just now: `leg.asked_ago` is zero."""
    leg = replace(leg, asked_ago=timedelta(0))
    is_accepted = leg.accepted or (stage is road.accepted and road.accepted is not road.unknown)
    if outcome is Outcome.CONFIRMED:
        return _settled(road.done_by_inquiry, replace(leg, tainted=False))
    if mismatch in OTHER_MONEY:
        return Verdict(((road.review, road.told_other_amount),), None, leg)
    if outcome is Outcome.ACCEPTED:
        known = replace(leg, accepted=True, not_found_in_a_row=0)
        return _ask(promise, known, () if stage is road.accepted else ((road.accepted, road.told_accepted),), road)
    if outcome is Outcome.REJECTED and ((is_accepted and stage is road.accepted) or is_quiet(promise, leg)):
        return _settled(road.refused_by_inquiry, replace(leg, tainted=False))
    if outcome is Outcome.NOT_FOUND:
        return _after_not_found(promise, is_accepted, leg, road)
    if outcome is Outcome.REJECTED:
        # It proves nothing yet, but "never seen it" it is not: the row of those is broken.
        return _ask(promise, replace(leg, not_found_in_a_row=0), (), road)
    # A failed, garbled or contradictory answer changes nothing (rule 7).
    return _ask(promise, leg, (), road)


def _after_not_found(promise: Promise, is_accepted: bool, leg: LegFacts, road: Road) -> Verdict:
    if is_accepted:
        return Verdict(((road.review, road.told_contradicted),), None, leg)
    if not is_quiet(promise, leg):
        # It may still be on its way: no statement about the whole of it.
        return _ask(promise, leg, (), road)
    leg = replace(leg, not_found_in_a_row=leg.not_found_in_a_row + 1)
    if not promise.certified:
        return _ask(promise, leg, (), road)
    if leg.not_found_in_a_row < NOT_FOUND_NEEDED:
        return Verdict((), SURE_AFTER * promise.factor, leg)
    clear = replace(leg, tainted=False, not_found_in_a_row=0)
    return Verdict(((road.retry, road.told_never_seen),), timedelta(0), clear)


def next_aftercare(promise: Promise, ended_ago: timedelta) -> timedelta | None:
    """How long until a payment that ended unseen is asked about once more; None: no more."""
    points = (point * promise.factor for point in AFTERCARE)
    return next((point - ended_ago for point in points if promise.can_ask and point > ended_ago), None)
