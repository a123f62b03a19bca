"""How the gate is opened again: by one person's word, and with a question about each payment that may have been sent in the history that is lost.

What waited when the database came back is never simply sent: it is treated as if its intent had been committed and its answer lost. Nobody knows better.
Its time is over, too, so that what is proven unseen ends as failed, or is given back, and is not paid by itself: somebody may have stopped it, or paid it
again, in the hour that nobody remembers.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import func, update
from sqlalchemy.orm import Session

from core import db
from core.access import Actor, needs
from core.errors import BadInput, NotLegalNow
from core.ids import new_id
from core.models import Gate, Transaction
from core.repositories.gate import Gates
from core.repositories.work import Work
from core.security import audit
from core.services import core_banking, gate, wake
from core.services.errands import verb_of
from core.services.moves import Move, Stand, move_many
from core.services.pinned import pinned_versions
from core.services.policy import Reason, Verdict, after_late_yes, road_of
from core.services.proposals import withdraw_payment
from core.services.settlement import Decided, carry_out, facts_of, promise_of
from core.states import BANK_LEGS, LegKind, Stage, Status, Topology, leg_sent_from
from core.wire.contract import Outcome

SHORTEST_REASON = 15
LONGEST_REASON = 500

# Where the debit is not settled, so that nobody knows of the payment after it either.
BEFORE_THE_DEBIT = (Stage.AWAITING_APPROVAL, Stage.QUEUED, Stage.DEBIT_RETRY, Stage.DEBIT_SENDING, Stage.DEBIT_UNKNOWN, Stage.DEBIT_ACCEPTED)


@dataclass(frozen=True, slots=True)
class Closing:
    """One time that the gate was closed, as people read it."""

    number: int
    closed_at: datetime
    because: str
    # What was written down outside, and the last that the database has.
    mirrored_seq: int
    mirrored_at: datetime
    found_seq: int
    found_at: datetime | None
    reopened_at: datetime | None
    reopened_by: str | None
    reopened_because: str | None
    # Payments that the sign-off put in doubt; before it, those that it would.
    doubted: int


@needs("gate:sign_off")
def closings(actor: Actor, /) -> list[Closing]:
    """Every time the gate was closed, newest first; the first one may be closed still."""
    with db.unit_of_work() as session:
        return [_closing(session, found, name) for found, name in Gates(session).all()]


@needs("gate:sign_off", fresh=True)
def sign_off(actor: Actor, /, reason: str) -> int:
    """Opens the gate. Answers how many payments were put in doubt by it; their billers are asked. Raises `NotLegalNow` where it is open."""
    words = " ".join(reason.split())
    if not SHORTEST_REASON <= len(words) <= LONGEST_REASON:
        raise BadInput(f"Say in {SHORTEST_REASON} to {LONGEST_REASON} characters what was compared, and what came of it: the record keeps it.")
    with db.unit_of_work() as session:
        closed = Gates(session).held()
        if closed is None:
            raise NotLegalNow("The gate is open: somebody has signed it off, or it never closed.")
        waiting = Gates(session).waiting_since_before(closed.closed_at)
        _taint_what_follows_a_debit(session, closed.closed_at)
        _let_time_run_out(session, closed.closed_at)
        _doubt(session, _queued(session, actor, waiting))
        closed.reopened_at = func.clock_timestamp()
        closed.reopened_by = actor.id
        closed.reopened_because = words
        closed.doubted = len(waiting)
        session.flush()
        audit.record(session, actor, "gate.signed_off", "gate", closed.id, reason=words, doubted=len(waiting))
        wake.the_worker(session)
        installation, number, event = Gates(session).installation(), closed.id, Gates(session).last_event()
    gate.note_sign_off(installation, number, event)
    return len(waiting)


def go_on() -> int:
    """Where a debit that was in doubt is settled by now: the payment after it is asked about, or, where nobody was debited, was never sent.

    Called by the worker, every few seconds. Answers how many went on.
    """
    with db.unit_of_work() as session:
        settled = Gates(session).debits_settled_in_doubt()
        legs = Work(session).legs_of([row.id for row in settled])
        for row in settled:
            if row.stage == Stage.DEBIT_RETRY.value and not legs[row.id][LegKind.DEBIT].tainted:
                legs[row.id][LegKind.PAY].tainted = False
        session.flush()
        _doubt(session, [(row, Stand.of(row)) for row in settled if row.stage == Stage.DEBITED.value])
        return len(settled)


# ---- Doubting


def _queued(session: Session, actor: Actor, rows: Sequence[Transaction]) -> list[tuple[Transaction, Stand]]:
    """All of them where a leg of theirs would be sent from: what waits for a second person may have been approved, and paid."""
    stands = {row.id: Stand.of(row) for row in rows}
    waiting = [row for row in rows if row.stage == Stage.AWAITING_APPROVAL.value]
    for row in waiting:
        withdraw_payment(session, actor, row)
    told = Reason.HISTORY_LOST.value
    stands |= move_many(session, [Move(stands[row.id], Stage.QUEUED, told.format(biller=row.biller_name), wait=timedelta(0), actor=actor) for row in waiting])
    return [(row, stands[row.id]) for row in rows]


def _doubt(session: Session, rows: Sequence[tuple[Transaction, Stand]]) -> None:
    """As if each had been sent just now and its worker had died: the intent is written, the leg is in doubt, and its biller or the bank is asked."""
    if not rows:
        return
    pinned = pinned_versions(session, [row for row, _ in rows])
    kinds = {row.id: leg_sent_from(stand.stage, Topology(row.topology or Topology.NONE)) for row, stand in rows}
    deadlines = {row.id: core_banking.deadline() if kinds[row.id] in BANK_LEGS else pinned[row.id][0].deadline for row, _ in rows}
    Work(session).note_sent([(row.id, kinds[row.id], deadlines[row.id]) for row, _ in rows])
    legs, now = Work(session).legs_of([row.id for row, _ in rows]), Work(session).now()
    Work(session).write_intents([_lost_intent(row, kinds[row.id], legs[row.id][kinds[row.id]].reference) for row, _ in rows])
    decided = []
    for row, stand in rows:
        kind = kinds[row.id]
        road = road_of(kind, debited=row.topology == Topology.SEPARATE.value)
        verdict = after_late_yes(promise_of(row.biller_type, pinned[row.id][0], kind), facts_of(legs[row.id][kind], now), Outcome.UNKNOWN, road)
        decided.append(Decided(stand, row.biller_name, kind, _in_our_words(verdict, stand.stage)))
    carry_out(session, decided)


def _in_our_words(verdict: Verdict, stage: Stage) -> Verdict:
    # A refund waits where it is sent from.
    path = tuple((to, why if why is Reason.NO_INQUIRY else Reason.HISTORY_LOST) for to, why in verdict.path)
    return replace(verdict, path=path[1:] if path[0][0] is stage else path)


def _lost_intent(row: Transaction, kind: LegKind, reference: str) -> dict[str, object]:
    return {
        "id": new_id(),
        "transaction_id": row.id,
        "leg": kind,
        "verb": verb_of(row, kind),
        "reference": reference,
        "config_version": row.config_version,
        "lease_epoch": row.lease_epoch,
        "worker": "a history that is lost",
    }


def _taint_what_follows_a_debit(session: Session, closed_at: datetime) -> None:
    Work(session).taint([(one, LegKind.PAY) for one in Gates(session).before_their_debit(closed_at, BEFORE_THE_DEBIT)])


def _let_time_run_out(session: Session, closed_at: datetime) -> None:
    open_ones = (Transaction.status.in_([Status.PENDING.value, Status.PROCESSING.value]), Transaction.amount.is_not(None), ~Transaction.demo)
    over = update(Transaction).where(*open_ones, Transaction.created_at < closed_at).values(expires_at=func.clock_timestamp())
    session.execute(over, execution_options={"synchronize_session": False})


def _closing(session: Session, found: Gate, name: str | None) -> Closing:
    return Closing(
        number=found.id,
        closed_at=found.closed_at,
        because=found.because,
        mirrored_seq=found.mirrored_seq,
        mirrored_at=found.mirrored_at,
        found_seq=found.found_seq,
        found_at=found.found_at,
        reopened_at=found.reopened_at,
        reopened_by=None if found.reopened_at is None else name or "the command line",
        reopened_because=found.reopened_because,
        doubted=found.doubted if found.doubted is not None else Gates(session).count_waiting_since_before(found.closed_at),
    )
