"""Claim: takes what is due and commits the intent before the first byte leaves (rule 2). One way in for every leg, another for questions."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import structlog
from sqlalchemy.orm import Session

from core import db
from core.banking.contract import BankVerb
from core.errors import BillersError, Unavailable
from core.ids import new_id
from core.models import Leg, Transaction
from core.models.snapshot import Snapshot
from core.repositories.work import Due, Waiting, Work
from core.services import gate
from core.services.errands import VERBS, Ask, Errand, Party, TheBank, TheBiller, ask_of, query_of, verb_of
from core.services.moves import Move, Stand, move_many
from core.services.pinned import pinned_versions
from core.services.policy import Reason, road_of
from core.states import ASKS_ABOUT, BANK_LEGS, LegKind, Stage, Topology, TransactionType, leg_sent_from
from core.wire.contract import Verb

# A lane that is bounded by billers only.
UNBOUNDED = 10_000

# How long a row rests that cannot be said. What is wrong with it is told in the log, and its time runs out as any other's.
UNSAYABLE_RESTS = timedelta(seconds=60)

log = structlog.get_logger(__name__)

# What is said of a row while its leg is out.
SENDING: Mapping[LegKind, Reason] = {
    LegKind.DEBIT: Reason.DEBIT_SENDING,
    LegKind.PAY: Reason.SENDING,
    LegKind.REVERSAL: Reason.REVERSAL_SENDING,
    LegKind.PAY_REVERSAL: Reason.PAY_REVERSAL_SENDING,
    LegKind.REFUND: Reason.REFUND_SENDING,
}

# What the gate holds back. Asking, and looking up, goes on.
MOVES_MONEY = frozenset({Due.PAY, Due.DEBIT, Due.RETURN, Due.PAY_REVERSAL})

Take = Callable[[Session, Sequence[Transaction], str], list[Errand]]


def claim_sends(worker: str, slots: Mapping[str, int], most: int = UNBOUNDED) -> list[Errand]:
    """Takes due payments to their billers: PAY_SENDING, an attempt, a lease. Never one on a leg in doubt (rule 5)."""
    return _claim(worker, Due.PAY, slots, most, _take_sends)


def claim_debits(worker: str, slots: Mapping[str, int], most: int) -> list[Errand]:
    """Takes due payments whose customer is debited first, `most` over all billers: core banking is one."""
    return _claim(worker, Due.DEBIT, slots, most, _take_sends)


def claim_returns(worker: str, slots: Mapping[str, int], most: int) -> list[Errand]:
    """Takes what core banking owes the customer: reversals and refunds. They are bound to no expiry."""
    return _claim(worker, Due.RETURN, slots, most, _take_sends)


def claim_pay_reversals(worker: str, slots: Mapping[str, int], most: int = UNBOUNDED) -> list[Errand]:
    """Takes completed payments that two people want back from their billers."""
    return _claim(worker, Due.PAY_REVERSAL, slots, most, _take_sends)


def claim_inquiries(worker: str, slots: Mapping[str, int], most: int = UNBOUNDED) -> list[Errand]:
    """Takes payments the biller is to be asked about. Their stage stays; the lease keeps a second worker from asking at the same time."""
    return _claim(worker, Due.ASK_BILLER, slots, most, _take_inquiries)


def claim_bank_inquiries(worker: str, slots: Mapping[str, int], most: int) -> list[Errand]:
    """The same of what core banking is to be asked about."""
    return _claim(worker, Due.ASK_BANK, slots, most, _take_inquiries)


def claim_lookups(worker: str, slots: Mapping[str, int], most: int = UNBOUNDED) -> list[Errand]:
    """Takes questions that move no money: a lane of their own, so that payments never wait behind them."""
    return _claim(worker, Due.LOOKUP, slots, most, _take_lookups)


def _claim(worker: str, due: Due, slots: Mapping[str, int], most: int, take: Take) -> list[Errand]:
    errands: list[Errand] = []
    witness = None
    try:
        with db.unit_of_work() as session:
            rows = Work(session).due(due, slots, most)
            passage = gate.passage(session) if rows and due in MOVES_MONEY else None
            if rows and (passage or due not in MOVES_MONEY):
                errands = take(session, rows, worker)
            if errands:
                acts = Work(session).acts_of(rows)
                errands = [replace(errand, act=acts.get(errand.stand.id)) for errand in errands]
            if errands and passage:
                witness = gate.witness(session, passage, errands[0].stand.id)
    except Unavailable:
        errands = _still_ours(errands)
    if errands and witness:
        # Before the first byte leaves: a database that comes back without this intent is to be found out.
        witness.write_down()
    return errands


def _still_ours(errands: list[Errand]) -> list[Errand]:
    """A commit error is not a rollback (rule 10): what was kept after all is ours to send; what cannot be read stays for the lease to settle."""
    if not errands:
        raise Unavailable
    with db.unit_of_work() as session:
        kept = Work(session).kept_attempts([errand.attempt_id for errand in errands])
    return [errand for errand in errands if errand.attempt_id in kept]


# ---- Sends


def _take_sends(session: Session, rows: Sequence[Transaction], worker: str) -> list[Errand]:
    legs = Work(session).legs_of([row.id for row in rows])
    kinds = {row.id: _leg_sent(row) for row in rows}
    _give_up_without_id(session, [row for row in rows if _cannot_be_named(kinds[row.id], legs[row.id])])
    ready = [row for row in rows if _may_be_sent(kinds[row.id], legs[row.id])]
    pinned = pinned_versions(session, ready)
    prepared = _prepared(session, ready, lambda row: _errand_to_send(row, legs[row.id], kinds[row.id], pinned[row.id]))
    stands = move_many(session, [_move_to_send(row, prepared[row.id], legs[row.id][kinds[row.id]], worker) for row in ready if row.id in prepared])
    errands = [_held(prepared[row.id], stands[row.id]) for row in ready if row.id in stands]
    Work(session).note_sent([(errand.stand.id, kinds[errand.stand.id], errand.party.deadline) for errand in errands])
    _write_intents(session, errands, worker)
    return errands


def _leg_sent(row: Transaction) -> LegKind:
    return leg_sent_from(Stage(row.stage), Topology(row.topology or Topology.NONE))


def _may_be_sent(kind: LegKind, legs: Mapping[LegKind, Leg]) -> bool:
    """Never on a leg in doubt, unless what is sent may be sent any number of times (a reversal by id)."""
    if _cannot_be_named(kind, legs):
        return False
    return road_of(kind, debited=False).repeated or not legs[kind].tainted


def _cannot_be_named(kind: LegKind, legs: Mapping[LegKind, Leg]) -> bool:
    return kind is LegKind.REVERSAL and not legs[LegKind.DEBIT].external_id


def _give_up_without_id(session: Session, rows: Sequence[Transaction]) -> None:
    """A debit that is to be given back by an id nobody ever told: for people."""
    stands = {row.id: Stand.of(row) for row in rows}
    if early := [stand for stand in stands.values() if stand.stage is not Stage.REVERSAL_SENDING]:
        stands |= move_many(session, [Move(stand, Stage.REVERSAL_SENDING, Reason.NO_DEBIT_ID, wait=timedelta(0)) for stand in early])
    move_many(session, [Move(stand, Stage.REVIEW, Reason.NO_DEBIT_ID) for stand in stands.values()])


def _errand_to_send(row: Transaction, legs: Mapping[LegKind, Leg], kind: LegKind, pinned: tuple[Snapshot, str | None]) -> Errand:
    return _errand(row, pinned, verb_of(row, kind), ask_of(row, legs, kind), kind)


def _move_to_send(row: Transaction, errand: Errand, leg: Leg, worker: str) -> Move:
    kind = LegKind(leg.kind)
    return Move(
        errand.stand,
        road_of(kind, debited=errand.debited).sending,
        SENDING[kind].format(biller=row.biller_name),
        lease=errand.lease,
        owner=worker,
        endpoint=None if kind in BANK_LEGS else errand.snapshot.base_url,
        facts={"leg": kind, "attempt": leg.sends + 1},
    )


# ---- Questions


def _take_inquiries(session: Session, rows: Sequence[Transaction], worker: str) -> list[Errand]:
    legs = Work(session).legs_of([row.id for row in rows])
    pinned = pinned_versions(session, rows)
    errands = list(_prepared(session, rows, lambda row: _errand_to_ask(row, legs[row.id], pinned[row.id])).values())
    epochs = Work(session).hold([(errand.stand.id, errand.lease) for errand in errands], worker)
    held = [_held(errand, _with_epoch(errand.stand, epochs[errand.stand.id])) for errand in errands if errand.stand.id in epochs]
    Work(session).note_asked([(errand.stand.id, errand.leg) for errand in held if errand.leg])
    _write_intents(session, held, worker)
    return held


def _errand_to_ask(row: Transaction, legs: Mapping[LegKind, Leg], pinned: tuple[Snapshot, str | None]) -> Errand:
    kind = ASKS_ABOUT[Stage(row.stage)]
    return _errand(row, pinned, BankVerb.INQUIRE if kind in BANK_LEGS else Verb.STATUS, ask_of(row, legs, kind), kind)


def _take_lookups(session: Session, rows: Sequence[Transaction], worker: str) -> list[Errand]:
    pinned = pinned_versions(session, rows)
    prepared = {row.id: _errand(row, pinned[row.id], VERBS[TransactionType(row.transaction_type)], query_of(row)) for row in rows}
    stands = move_many(
        session,
        [
            Move(
                errand.stand,
                Stage.ASKING,
                Reason.LOOKUP_ASKING.format(biller=errand.party.name),
                lease=errand.lease,
                owner=worker,
                endpoint=errand.snapshot.base_url,
            )
            for errand in prepared.values()
        ],
    )
    errands = [_held(errand, stands[row_id]) for row_id, errand in prepared.items() if row_id in stands]
    _write_intents(session, errands, worker)
    return errands


# ---- What both make


def _prepared(session: Session, rows: Sequence[Transaction], make: Callable[[Transaction], Errand]) -> dict[uuid.UUID, Errand]:
    """The errand of each row. One that cannot be said is let go for a minute: it must not stand before the others."""
    made = {}
    for row in rows:
        try:
            made[row.id] = make(row)
        except BillersError as error:
            log.error("claims.not_prepared", transaction=str(row.id), stage=row.stage, why=error.sentence)
    Work(session).let_go([Waiting.until(Stand.of(row), UNSAYABLE_RESTS) for row in rows if row.id not in made])
    return made


def _errand(row: Transaction, pinned: tuple[Snapshot, str | None], verb: Verb | BankVerb, ask: Ask, leg: LegKind | None = None) -> Errand:
    """The call to make for this row, before the row is held."""
    snapshot, authentication = pinned
    if row.biller_config_id is None or row.config_version is None:
        raise LookupError(f"Transaction {row.our_transaction_id} has no configuration to go by.")
    party: Party = TheBank() if leg in BANK_LEGS else TheBiller(row.biller_type, row.biller_config_id, snapshot, authentication)
    return Errand(
        attempt_id=new_id(),
        stand=Stand.of(row),
        verb=verb,
        party=party,
        biller_type=row.biller_type,
        config_version=row.config_version,
        snapshot=snapshot,
        ask=ask,
        leg=leg,
        debited=row.topology == Topology.SEPARATE.value,
    )


def _held(errand: Errand, stand: Stand) -> Errand:
    return replace(errand, stand=stand)


def _with_epoch(stand: Stand, epoch: int) -> Stand:
    return replace(stand, lease_epoch=epoch)


def _write_intents(session: Session, errands: Sequence[Errand], worker: str) -> None:
    Work(session).write_intents(
        [
            {
                "id": errand.attempt_id,
                "transaction_id": errand.stand.id,
                "leg": errand.leg,
                "verb": errand.verb,
                "reference": errand.reference,
                "config_version": errand.config_version,
                "lease_epoch": errand.stand.lease_epoch,
                "worker": worker,
            }
            for errand in errands
        ]
    )
