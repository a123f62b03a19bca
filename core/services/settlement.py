"""Conclude: keeps what came of each errand and moves its row. Repeatable: an answer already kept is left alone, a row already moved is not moved again."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy.orm import Session

from core import db
from core.access import SYSTEM
from core.errors import Misconfigured
from core.models import Leg, Transaction
from core.models.snapshot import Snapshot
from core.repositories.work import Learnt, Waiting, Work
from core.security import audit
from core.services import breaks, core_banking, tokens
from core.services.billers import verbs_of
from core.services.errands import Errand, Result
from core.services.kept import sold_with, told_in
from core.services.moves import Move, Stand, move_many
from core.services.policy import (
    OTHER_MONEY,
    LegFacts,
    Promise,
    Reason,
    Verdict,
    after_inquiry,
    after_late_yes,
    after_send,
    next_aftercare,
    road_of,
)
from core.settings import settings
from core.states import BANK_LEGS, IN_DOUBT, TERMINAL, LegKind, Stage
from core.wire.contract import LONGEST_WORD, Account, Bundles, Outcome, Verb

log = structlog.get_logger(__name__)

# Where nothing is told as an error of what brought it there.
WENT_WELL = frozenset({Stage.DEBITED, Stage.COMPLETED, Stage.REFUND_SENDING, Stage.REVERSED})

Legs = Mapping[uuid.UUID, Mapping[LegKind, Leg]]


@dataclass(frozen=True, slots=True)
class Decided:
    """What is to become of a row: by a verdict about one of its legs, and the answer that it rests on, where there was one."""

    stand: Stand
    biller: str
    kind: LegKind
    verdict: Verdict
    result: Result | None = None


def promise_of(biller_type: str, snapshot: Snapshot, kind: LegKind = LegKind.PAY) -> Promise:
    """What is promised about this leg: by the biller's configuration, or by this deployment's core banking."""
    if kind in BANK_LEGS:
        return core_banking.promise()
    return Promise(
        can_ask=Verb.STATUS in verbs_of(biller_type, snapshot),
        certified=snapshot.inquiry_certified,
        max_processing=snapshot.max_processing,
        retry_attempts=snapshot.retry_attempts,
        factor=float(settings().billers_time_factor),
    )


def conclude(results: Sequence[Result]) -> None:
    """Keeps what came of each errand and moves its row. Repeatable: an answer already kept is left alone, a row already moved is not moved again."""
    for batch in _each_row_once(results):
        _conclude(batch)


def _each_row_once(results: Sequence[Result]) -> list[list[Result]]:
    """A row's answers one after the other: beside a fresh one, a late one would pass for its equal."""
    batches: list[dict[uuid.UUID, Result]] = []
    for result in results:
        row = result.errand.stand.id
        free = sum(row in batch for batch in batches)
        if free == len(batches):
            batches.append({})
        batches[free][row] = result
    return [list(batch.values()) for batch in batches]


def _conclude(results: Sequence[Result]) -> None:
    with db.unit_of_work() as session:
        done = Work(session).kept_answers([result.answer_id for result in results])
        fresh = [result for result in results if result.answer_id not in done]
        in_time = _conclude_lookups(session, [result for result in fresh if result.errand.leg is None])
        in_time |= _conclude_payments(session, [result for result in fresh if result.errand.leg is not None])
        _keep_tokens(session, fresh)
        Work(session).keep_answers([_as_answer(result, result.errand.stand.id in in_time) for result in fresh])
        _keep_late_evidence(session, [result for result in fresh if result.errand.leg is not None and result.errand.stand.id not in in_time])


def _conclude_lookups(session: Session, results: Sequence[Result]) -> set[uuid.UUID]:
    moves = [_lookup_move(result.errand.stand, result.errand.snapshot.biller_name, result) for result in results]
    return set(move_many(session, moves))


def _lookup_move(stand: Stand, biller: str, result: Result) -> Move:
    told = result.told
    if isinstance(told, Account) and result.errand.snapshot.features.get("balance_check") is False:
        # This bank does not show what is owed at this biller: then it is not kept either. The masked answer stays in the story.
        told = replace(told, balance=None)
    if result.outcome is Outcome.CONFIRMED and told is not None:
        name = None if isinstance(told, Bundles) else told.name
        return Move(stand, Stage.COMPLETED, Reason.LOOKUP_ANSWERED.format(biller=biller), customer_name=name, extra=told_in(told), error_code=None)
    refused = result.outcome is Outcome.REJECTED
    reason = (Reason.LOOKUP_REFUSED if refused else Reason.LOOKUP_NO_ANSWER).format(biller=biller)
    return Move(
        stand,
        Stage.FAILED,
        reason,
        error_code=result.code or result.failure,
        error_message=result.message or reason,
        extra=told_in(told) if told else None,
    )


def _conclude_payments(session: Session, results: Sequence[Result]) -> set[uuid.UUID]:
    legs = Work(session).legs_of([result.errand.stand.id for result in results])
    now = Work(session).now()
    cared_for = [result for result in results if result.errand.stand.stage in TERMINAL]
    decided = [_decided(result, legs, now) for result in results if result.errand.stand.stage not in TERMINAL]
    return carry_out(session, decided) | _conclude_aftercare(session, cared_for, now)


def _decided(result: Result, legs: Legs, now: datetime) -> Decided:
    errand, kind = result.errand, _leg_of(result.errand)
    facts = facts_of(legs[errand.stand.id][kind], now, is_inquiry=errand.is_inquiry)
    promise, road = promise_of(errand.biller_type, errand.snapshot, kind), road_of(kind, debited=errand.debited)
    if errand.is_inquiry:
        verdict = after_inquiry(promise, errand.stand.stage, facts, result.outcome, _contradicting(result), road)
    else:
        verdict = after_send(promise, facts, result.outcome, road)
    if kind is LegKind.REVERSAL and verdict.path[-1][0] is Stage.REVERSED and was_out(legs[errand.stand.id]):
        verdict = replace(verdict, wait=next_aftercare(promise_of(errand.biller_type, errand.snapshot), timedelta(0)))
    return Decided(errand.stand, errand.snapshot.biller_name, kind, verdict, result)


def was_out(legs: Mapping[LegKind, Leg]) -> bool:
    """The biller was sent the payment, and asked about it: one that ends as never seen is asked about again later."""
    pay = legs[LegKind.PAY]
    return pay.sends > 0 and pay.inquiries > 0


def _leg_of(errand: Errand) -> LegKind:
    if errand.leg is None:
        raise TypeError("A question has no leg.")
    return errand.leg


def _contradicting(result: Result) -> str | None:
    """The field a *paid* answer got wrong; a garbled answer that claims nothing contradicts nothing."""
    receipt = result.receipt
    if receipt is None or receipt.mismatch is None:
        return None
    return receipt.mismatch if result.errand.party.meaning_of(receipt.code) is Outcome.CONFIRMED else None


def facts_of(leg: Leg, now: datetime, *, is_inquiry: bool = False) -> LegFacts:
    """The leg as it is; of an inquiry as it was when the question left: "never seen it" is a statement about that moment, not about its reading."""
    seen_at = leg.last_asked_at if is_inquiry and leg.last_asked_at else now
    return LegFacts(
        sends=leg.sends,
        sent_ago=seen_at - leg.last_sent_at if leg.last_sent_at else timedelta(0),
        deadline=timedelta(milliseconds=leg.last_deadline_ms or 0),
        tainted=leg.tainted,
        accepted=leg.accepted,
        not_found_in_a_row=leg.not_found_in_a_row,
        asked_ago=None,
    )


def carry_out(session: Session, decided: Sequence[Decided]) -> set[uuid.UUID]:
    """Moves each row along its verdict's path, and keeps what is now known of its leg. Answers the rows that were still ours."""
    standing = {one.stand.id: one.stand for one in decided if one.verdict.path}
    ours: set[uuid.UUID] = set()
    for step in range(max((len(one.verdict.path) for one in decided), default=0)):
        moves = [_move_of(one, standing[one.stand.id], step) for one in decided if step < len(one.verdict.path) and one.stand.id in standing]
        moved, asked = move_many(session, moves), {move.stand.id for move in moves}
        standing = {**{key: stand for key, stand in standing.items() if key not in asked}, **moved}
        ours |= set(moved)
    ours |= Work(session).let_go([Waiting.until(one.stand, one.verdict.wait or timedelta(0)) for one in decided if not one.verdict.path])
    Work(session).note_learnt([_learnt(one) for one in decided if one.stand.id in ours])
    return ours


def _learnt(one: Decided) -> Learnt:
    after = one.verdict.leg
    return Learnt(
        id=one.stand.id,
        kind=one.kind,
        tainted=after.tainted,
        accepted=after.accepted,
        sends=after.sends,
        not_found_in_a_row=after.not_found_in_a_row,
        external_id=_external_id(one.result),
    )


def _move_of(one: Decided, stand: Stand, step: int) -> Move:
    (to, reason), result = one.verdict.path[step], one.result
    went_well = to in WENT_WELL
    return Move(
        stand,
        to,
        reason.format(biller=one.biller),
        wait=one.verdict.wait if step == len(one.verdict.path) - 1 else timedelta(0),
        # Core banking's number of a debit is its leg's; the transaction is known by the biller's.
        external_id=_external_id(result) if one.kind is LegKind.PAY else None,
        error_code=None if went_well or result is None else result.code or result.failure,
        error_message=None if went_well or result is None else result.message,
        extra=sold_with(result.receipt) if to is Stage.COMPLETED and result and result.receipt and one.kind is LegKind.PAY else None,
        facts={"leg": one.kind} if result is None else {"leg": one.kind, "outcome": result.outcome, "attempt": str(result.errand.attempt_id)},
    )


def _keep_tokens(session: Session, results: Sequence[Result]) -> None:
    """A vended token is the customer's, whether its answer came in time or late. That it cannot be kept must not hold back what became of the money."""
    for result in results:
        receipt = result.receipt
        if receipt is None or receipt.token is None or receipt.outcome is not Outcome.CONFIRMED:
            continue
        try:
            tokens.keep(session, result.errand.stand.id, receipt.token)
        except Misconfigured as error:
            log.error("settlement.token_not_kept", transaction=str(result.errand.stand.id), why=error.sentence)
            audit.record(session, SYSTEM, "transaction.vended_unkept", "transaction", result.errand.stand.id, why=error.sentence)


def _external_id(result: Result | None) -> str | None:
    """The biller's own reference; of an answer about somebody else's payment it would be somebody else's. One without end is none, and is not cut into one."""
    receipt = result.receipt if result else None
    said = receipt.external_id if receipt and not receipt.mismatch else None
    return said if said is not None and len(said) <= LONGEST_WORD else None


def _as_answer(result: Result, in_time: bool) -> dict[str, object]:
    return {
        "id": result.answer_id,
        "attempt_id": result.errand.attempt_id,
        "transaction_id": result.errand.stand.id,
        "outcome": result.outcome,
        "failure": result.failure,
        "in_time": in_time,
        "http_status": result.http_status,
        "code": result.code,
        "message": result.message,
        "external_id": result.receipt.external_id if result.receipt else None,
        "duration_ms": result.duration_ms,
        "request": result.request,
        "response": result.response,
    }


# ---- Answers that come late


def _keep_late_evidence(session: Session, results: Sequence[Result]) -> None:
    """A worker that lost its lease may only add evidence (rule 9). What it says is kept; a yes makes the leg doubtful again, and is asked about."""
    if not results:
        return
    late = {result.errand.stand.id: result for result in results}
    rows = Work(session).held(list(late))
    legs, now = Work(session).legs_of(list(late)), Work(session).now()
    hurried = [row for row in rows if Stage(row.stage) in IN_DOUBT and row.lease_until is None]
    Work(session).let_go([Waiting.until(Stand.of(row), timedelta(0)) for row in hurried])
    yes = [(row, late[row.id]) for row in rows if late[row.id].outcome in (Outcome.CONFIRMED, Outcome.ACCEPTED)]
    carry_out(session, [one for row, result in yes if (one := _after_late_yes(row, result, legs, now))])
    # The second send is out already. Whatever it brings home, it no longer proves that nothing moved.
    Work(session).taint([(row.id, _leg_of(result.errand)) for row, result in yes if _is_out_again(row, result)])
    for row, result in yes:
        if _speaks_against(row, result):
            breaks.found(session, row, result, breaks.LATE_SUCCESS)


def _after_late_yes(row: Transaction, result: Result, legs: Legs, now: datetime) -> Decided | None:
    """Where a row goes that was about to go another way when the yes came; None where it stays."""
    kind, stage = _leg_of(result.errand), Stage(row.stage)
    road, leg = road_of(kind, debited=result.errand.debited), facts_of(legs[row.id][kind], now)
    if road.repeated or row.lease_until is not None:
        return None
    if stage is road.retry or (kind is LegKind.PAY and stage is Stage.DEBITED):
        # It was believed unsent or never seen, and the answer of an earlier send says otherwise.
        promise = promise_of(row.biller_type, result.errand.snapshot, kind)
        return Decided(Stand.of(row), row.biller_name, kind, after_late_yes(promise, leg, result.outcome, road))
    if kind is LegKind.PAY and (path := _OUT_OF_A_REVERSAL.get(stage)):
        to_people = Verdict(tuple((to, Reason.LATE_YES_REVERSING) for to in path), None, replace(leg, tainted=True))
        return Decided(Stand.of(row), row.biller_name, kind, to_people)
    return None


def _is_out_again(row: Transaction, result: Result) -> bool:
    road = road_of(_leg_of(result.errand), debited=result.errand.debited)
    return not road.repeated and row.lease_until is not None and Stage(row.stage) is road.sending


def _speaks_against(row: Transaction, result: Result) -> bool:
    """The row has gone the way of a leg that never moved money, and this answer says that it did."""
    if result.outcome is not Outcome.CONFIRMED:
        return False
    against = {LegKind.PAY: _UNPAID, LegKind.DEBIT: TERMINAL - {Stage.REVERSED}}
    return Stage(row.stage) in against.get(_leg_of(result.errand), frozenset())


# The biller has it after all, and the debit was about to be given back: nothing more goes out by itself.
_OUT_OF_A_REVERSAL: Mapping[Stage, tuple[Stage, ...]] = {
    Stage.PAY_REJECTED: (Stage.REVERSAL_SENDING, Stage.REVIEW),
    Stage.REVERSAL_SENDING: (Stage.REVIEW,),
    Stage.REVERSAL_UNKNOWN: (Stage.REVIEW,),
}

_UNPAID = TERMINAL | set(_OUT_OF_A_REVERSAL)


# ---- Asked about after its end


def _conclude_aftercare(session: Session, results: Sequence[Result], now: datetime) -> set[uuid.UUID]:
    """A payment that ended because the biller never saw it was asked about once more. It stays as it ended; a yes is a break."""
    rows = {row.id: row for row in Work(session).held([result.errand.stand.id for result in results])} if results else {}
    waiting = []
    for result in results:
        row, errand = rows[result.errand.stand.id], result.errand
        if result.outcome is Outcome.CONFIRMED:
            breaks.found(session, row, result, breaks.LATE_SUCCESS)
        elif result.outcome is Outcome.UNKNOWN and _contradicting(result) in OTHER_MONEY:
            breaks.found(session, row, result, breaks.OTHER_AMOUNT)
        ended_ago = now - row.completed_at if row.completed_at else timedelta(0)
        again = next_aftercare(promise_of(errand.biller_type, errand.snapshot), ended_ago)
        waiting.append(Waiting.until(errand.stand, again))
    return Work(session).let_go(waiting)
