"""What two people may say became of a payment that asking did not settle. One table by what is in doubt: code reads it, the page offers it, tests walk it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from sqlalchemy import func, update
from sqlalchemy.orm import Session

from core.access import Actor
from core.errors import BadInput, NotLegalNow
from core.models import Leg, Proposal, Transaction
from core.models.snapshot import Snapshot
from core.repositories.proposals import Proposals
from core.services.billers import version_of
from core.services.moves import Move, Stand, move
from core.services.policy import next_aftercare
from core.services.proposals import can_ask, leg_of
from core.services.settlement import promise_of
from core.settings import settings
from core.states import LegKind, Stage, Topology, TransactionType, is_legal


class Choice(StrEnum):
    """What the statement says, or that it is to be asked again."""

    BILLER_HAS_IT = "BILLER_HAS_IT"
    BILLER_HAS_IT_NOT = "BILLER_HAS_IT_NOT"
    DEBITED_GO_ON = "DEBITED_GO_ON"
    GIVEN_BACK = "GIVEN_BACK"
    NO_MONEY_MOVED = "NO_MONEY_MOVED"
    ASK_AGAIN = "ASK_AGAIN"
    BILLER_GAVE_BACK = "BILLER_GAVE_BACK"
    BILLER_KEEPS_IT = "BILLER_KEEPS_IT"
    CREDITED = "CREDITED"
    NOT_CREDITED = "NOT_CREDITED"


@dataclass(frozen=True, slots=True)
class Way:
    """One choice for one leg in doubt: where the payment goes, and what is then known of the leg.

    `number_of`: the leg whose number in somebody else's books the evidence must give; `unless_known`: only where we do not have it yet.
    """

    choice: Choice
    label: str
    means: str
    path: tuple[Stage, ...]
    topologies: frozenset[Topology] = frozenset(Topology)
    number_of: LegKind | None = None
    unless_known: bool = False
    # Only where it once stood there, and only where it never did: what is proven is not said anew.
    only_after: Stage | None = None
    only_before: Stage | None = None
    # Whether the leg stays in doubt.
    tainted: bool = False
    asks: bool = False
    # Sent on under the same references, within a time that counts from the approval.
    sends_on: bool = False
    # What is kept with a payment that ended, where a biller's code would stand.
    code: str | None = None


S, C = Stage, Choice
NO_DEBIT = frozenset({Topology.NONE, Topology.COMPOSITE})
DEBIT_FIRST = frozenset({Topology.SEPARATE})

# By the leg in doubt. `{biller}` is the biller's name.
WAYS: Mapping[LegKind, tuple[Way, ...]] = {
    LegKind.PAY: (
        Way(C.BILLER_HAS_IT, "{biller} has the payment", "It is completed.", (S.COMPLETED,), number_of=LegKind.PAY),
        Way(
            C.BILLER_HAS_IT_NOT,
            "{biller} does not have the payment",
            "It is closed as failed: no money moved.",
            (S.PAY_REJECTED, S.FAILED),
            topologies=NO_DEBIT,
            code="not_with_biller",
        ),
        Way(
            C.BILLER_HAS_IT_NOT,
            "{biller} does not have the payment",
            "The debit is given back to the customer.",
            (S.PAY_REJECTED,),
            topologies=DEBIT_FIRST,
            number_of=LegKind.DEBIT,
            unless_known=True,
        ),
        Way(
            C.GIVEN_BACK,
            "The debit was given back by hand",
            "It is closed as reversed: {biller} was not paid.",
            (S.REVERSED,),
            topologies=DEBIT_FIRST,
            only_after=S.PAY_REJECTED,
        ),
        Way(C.ASK_AGAIN, "Ask {biller} again", "{biller} is asked at once what became of it.", (S.PAY_UNKNOWN,), tainted=True, asks=True),
    ),
    LegKind.DEBIT: (
        Way(
            C.DEBITED_GO_ON,
            "The customer was debited: go on",
            "{biller}, which was sent nothing, is paid next.",
            (S.DEBITED,),
            topologies=DEBIT_FIRST,
            number_of=LegKind.DEBIT,
            sends_on=True,
        ),
        Way(
            C.GIVEN_BACK,
            "The customer was debited and has it back",
            "It is closed as reversed: {biller} was sent nothing.",
            (S.REVERSED,),
            topologies=DEBIT_FIRST,
        ),
        Way(
            C.NO_MONEY_MOVED,
            "The customer was not debited",
            "It is closed as failed: no money moved.",
            (S.FAILED,),
            topologies=DEBIT_FIRST,
            only_before=S.DEBITED,
            code="not_debited",
        ),
        Way(
            C.ASK_AGAIN,
            "Ask core banking again",
            "Core banking is asked at once about the debit.",
            (S.DEBIT_UNKNOWN,),
            topologies=DEBIT_FIRST,
            tainted=True,
            asks=True,
        ),
    ),
    LegKind.REVERSAL: (
        Way(
            C.GIVEN_BACK,
            "The debit was given back",
            "It is closed as reversed: {biller} was not paid.",
            (S.REVERSED,),
            topologies=DEBIT_FIRST,
        ),
        Way(
            C.BILLER_HAS_IT,
            "{biller} has the payment after all, and the debit stands",
            "It is completed.",
            (S.COMPLETED,),
            topologies=DEBIT_FIRST,
            number_of=LegKind.PAY,
        ),
        Way(
            C.ASK_AGAIN,
            "Ask core banking again to give it back",
            "The reversal is asked for again, under the same reference.",
            (S.REVERSAL_UNKNOWN,),
            topologies=DEBIT_FIRST,
            tainted=True,
            asks=True,
        ),
    ),
    LegKind.PAY_REVERSAL: (
        Way(C.BILLER_GAVE_BACK, "{biller} gave the payment back", "It is closed as reversed.", (S.REVERSED,), topologies=NO_DEBIT),
        Way(C.BILLER_GAVE_BACK, "{biller} gave the payment back", "The customer's account is credited next.", (S.REFUND_SENDING,), topologies=DEBIT_FIRST),
        Way(C.BILLER_KEEPS_IT, "{biller} keeps the payment", "It stays paid.", (S.COMPLETED,)),
        Way(
            C.ASK_AGAIN,
            "Ask {biller} again to give it back",
            "It is asked for again, under the same reference.",
            (S.PAY_REVERSAL_UNKNOWN,),
            tainted=True,
            asks=True,
        ),
    ),
    LegKind.REFUND: (
        Way(C.CREDITED, "The customer was credited", "It is closed as reversed.", (S.REVERSED,), topologies=DEBIT_FIRST),
        Way(
            C.NOT_CREDITED,
            "The customer was not credited",
            "The refund is sent again, under the same reference.",
            (S.REFUND_SENDING,),
            topologies=DEBIT_FIRST,
        ),
        Way(
            C.ASK_AGAIN,
            "Ask core banking again",
            "Core banking is asked at once about the refund.",
            (S.REFUND_UNKNOWN,),
            topologies=DEBIT_FIRST,
            tainted=True,
            asks=True,
        ),
    ),
}


def leg_in_doubt(transaction: Transaction, legs: Mapping[LegKind, Leg]) -> LegKind:
    """What is under review: the last leg that anything was sent of."""
    order = (LegKind.REFUND, LegKind.PAY_REVERSAL) if transaction.stage == Stage.REVIEW_REVERSAL.value else (LegKind.REVERSAL, LegKind.PAY, LegKind.DEBIT)
    sent = (kind for kind in order if kind in legs and legs[kind].sends)
    # A payment that stands here was sent; a reversal that could not even be asked for is in doubt all the same.
    return next(sent, LegKind.PAY_REVERSAL if transaction.stage == Stage.REVIEW_REVERSAL.value else LegKind.PAY)


def ways_of(session: Session, transaction: Transaction) -> Sequence[Way]:
    """What may be chosen for this payment as it stands; nothing where it is not under review."""
    if transaction.topology is None or transaction.stage not in (Stage.REVIEW.value, Stage.REVIEW_REVERSAL.value):
        return []
    legs = leg_of(session, transaction.id)
    leg = leg_in_doubt(transaction, legs)
    return [way for way in WAYS[leg] if _fits(session, transaction, way, legs, leg)]


def _fits(session: Session, transaction: Transaction, way: Way, legs: Mapping[LegKind, Leg], leg: LegKind) -> bool:
    if transaction.topology not in {topology.value for topology in way.topologies}:
        return False
    if not is_legal(TransactionType(transaction.transaction_type), Stage(transaction.stage), way.path[0]):
        return False
    stood = Proposals(session).stages_passed(transaction.id)
    if (way.only_after and (way.only_after.value not in stood or legs[leg].tainted)) or (way.only_before and way.only_before.value in stood):
        return False
    return not way.asks or can_ask(session, transaction, leg)


def needs_number(session: Session, transaction: Transaction, way: Way) -> bool:
    """Whether the evidence must give the movement's number in the other's books."""
    if way.number_of is None:
        return False
    return not (way.unless_known and leg_of(session, transaction.id)[way.number_of].external_id)


def checked(session: Session, transaction: Transaction, choice: str, reference: str | None) -> Way:
    """The way that was chosen. Raises `NotLegalNow` where it is none for this payment, `BadInput` where its number is missing."""
    way = next((one for one in ways_of(session, transaction) if one.choice.value == choice), None)
    if way is None:
        raise NotLegalNow("This cannot be said of the payment as it stands. Look at it again, and choose one of what is offered.")
    if needs_number(session, transaction, way) and not reference:
        whose = "core banking's number of the debit" if way.number_of is LegKind.DEBIT else f"{transaction.biller_name}'s own reference of the payment"
        raise BadInput(f"Enter {whose}, as the statement gives it: without it nobody can find the movement again.")
    return way


def carry_out(session: Session, approver: Actor, transaction: Transaction, proposal: Proposal) -> None:
    """Moves the payment as two people decided, and writes what is now known of its leg. The caller holds both rows."""
    way = checked(session, transaction, proposal.choice or "", proposal.reference)
    legs = leg_of(session, transaction.id)
    leg = leg_in_doubt(transaction, legs)
    _know(session, transaction, way, leg, proposal.reference)
    stand = Stand.of(transaction)
    said = way.label.format(biller=transaction.biller_name)
    reason = f"Resolved by two people: {said[0].lower() if said.startswith('The ') else said[0]}{said[1:]}."
    for number, stage in enumerate(way.path):
        is_last = number == len(way.path) - 1
        stand = move(
            session,
            Move(
                stand,
                stage,
                reason,
                # Whoever takes it from here looks at once.
                wait=_wait_at_the_end(session, transaction, stage, legs) if is_last and stage in ENDS else timedelta(0),
                actor=approver,
                external_id=proposal.reference if way.number_of is LegKind.PAY else None,
                error_code=way.code,
                facts={"proposal": str(proposal.id), "choice": way.choice.value, "leg": leg.value},
            ),
        )
    if way.sends_on:
        give_time(session, transaction)


ENDS = (Stage.COMPLETED, Stage.FAILED, Stage.REVERSED)


def _wait_at_the_end(session: Session, transaction: Transaction, end: Stage, legs: Mapping[LegKind, Leg]) -> timedelta | None:
    """People may be wrong: where they say that the biller was not paid, it is asked twice more, and a late yes is told to them as a break."""
    if end is Stage.COMPLETED or transaction.stage != Stage.REVIEW.value or not legs[LegKind.PAY].sends:
        return None
    return next_aftercare(promise_of(transaction.biller_type, pinned(session, transaction)), timedelta(0))


def _know(session: Session, transaction: Transaction, way: Way, leg: LegKind, reference: str | None) -> None:
    """Evidence ends doubt (rule 3); asking again leaves it as it is."""
    known: dict[LegKind, dict[str, object]] = {leg: {"tainted": way.tainted}}
    if way.choice is Choice.BILLER_HAS_IT:
        # On a debit that was being given back the doubt is about both: it stands, and the biller has it.
        known[LegKind.PAY] = {"tainted": False, "accepted": True}
    if way.choice is Choice.BILLER_HAS_IT_NOT:
        known[LegKind.PAY] = {"tainted": False, "accepted": False}
    if way.number_of is not None and reference:
        known[way.number_of] = {**known.get(way.number_of, {}), "external_id": reference}
    for kind, values in known.items():
        session.execute(update(Leg).where(Leg.transaction_id == transaction.id, Leg.kind == kind.value).values(**values))


def give_time(session: Session, transaction: Transaction) -> None:
    """What was approved may be sent for as long as any payment of this biller: its time counts from the approval."""
    minutes = pinned(session, transaction).expires_after_minutes
    session.execute(
        update(Transaction)
        .where(Transaction.id == transaction.id)
        .values(expires_at=func.clock_timestamp() + timedelta(minutes=minutes) * float(settings().billers_time_factor))
    )


def pinned(session: Session, transaction: Transaction) -> Snapshot:
    """The configuration that this payment keeps."""
    version = None
    if transaction.biller_config_id is not None and transaction.config_version is not None:
        version = version_of(session, transaction.biller_config_id, transaction.config_version)
    if version is None:
        raise NotLegalNow("The configuration this payment was made under is gone. Tell an administrator.")
    return version
