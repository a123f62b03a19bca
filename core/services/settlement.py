"""Claim, send, conclude. Two units of work with the wire between them: the intent is committed before the first byte leaves (rule 2)."""

import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy import func, insert, update
from sqlalchemy.orm import Session

from core import db
from core.access import SYSTEM
from core.errors import Misconfigured, Unavailable
from core.ids import new_id
from core.models import Answer, Attempt, Leg, Transaction
from core.models.snapshot import Snapshot, parse_snapshot
from core.repositories.billers import Billers
from core.repositories.work import Work
from core.security import audit
from core.services import tokens
from core.services.billers import verbs_of
from core.services.errands import VERBS, Errand, Result, lease_for, payment_of, query_of
from core.services.kept import sold_with, told_in
from core.services.moves import Move, Stand, move_many
from core.services.policy import LegFacts, Promise, Reason, Verdict, after_doubt, after_inquiry, after_late_yes, after_send
from core.settings import settings
from core.states import WHEN_LEASE_EXPIRES, LegKind, Stage, TransactionType
from core.wire.contract import Account, Bundles, Outcome, Payment, Query, Verb

log = structlog.get_logger(__name__)

SENDABLE = (Stage.QUEUED, Stage.PAY_RETRY)
ASKABLE = (Stage.PAY_UNKNOWN, Stage.PAY_ACCEPTED)

Take = Callable[[Session, Sequence[Transaction], str], list[Errand]]


def promise_of(biller_type: str, snapshot: Snapshot) -> Promise:
    return Promise(
        can_ask=Verb.STATUS in verbs_of(biller_type, snapshot),
        certified=snapshot.inquiry_certified,
        max_processing=snapshot.max_processing,
        retry_attempts=snapshot.retry_attempts,
        factor=float(settings().billers_time_factor),
    )


# ---- Claim


def claim_sends(worker: str, slots: Mapping[str, int]) -> list[Errand]:
    """Takes due payments and commits the intent to send each: PAY_SENDING, its attempt, its lease. Never one on a leg in doubt (rule 5)."""
    return _claim(worker, slots, SENDABLE, _take_sends)


def claim_inquiries(worker: str, slots: Mapping[str, int]) -> list[Errand]:
    """Takes payments the biller is to be asked about. Their stage stays; the lease keeps a second worker from asking at the same time."""
    return _claim(worker, slots, ASKABLE, _take_inquiries)


def claim_lookups(worker: str, slots: Mapping[str, int]) -> list[Errand]:
    """Takes questions that move no money: a lane of their own, so that payments never wait behind them."""
    return _claim(worker, slots, (Stage.CREATED,), _take_lookups)


def _claim(worker: str, slots: Mapping[str, int], stages: Collection[Stage], take: Take) -> list[Errand]:
    errands: list[Errand] = []
    try:
        with db.unit_of_work() as session:
            rows = Work(session).due(slots, stages)
            errands = take(session, rows, worker) if rows else []
    except Unavailable:
        return _still_ours(errands)
    return errands


def _still_ours(errands: list[Errand]) -> list[Errand]:
    """A commit error is not a rollback (rule 10): what was kept after all is ours to send; what cannot be read stays for the lease to settle."""
    if not errands:
        raise Unavailable
    with db.unit_of_work() as session:
        kept = Work(session).kept_attempts([errand.attempt_id for errand in errands])
    return [errand for errand in errands if errand.attempt_id in kept]


def _take_sends(session: Session, rows: Sequence[Transaction], worker: str) -> list[Errand]:
    legs = Work(session).legs([row.id for row in rows])
    ready = [row for row in rows if not legs[row.id].tainted]
    snapshots = _snapshots(session, ready)
    stands = move_many(
        session,
        [
            Move(
                Stand.of(row),
                Stage.PAY_SENDING,
                Reason.SENDING.format(biller=row.biller_name),
                lease=lease_for(snapshots[row.id][0]),
                owner=worker,
                endpoint=snapshots[row.id][0].base_url,
                facts={"attempt": legs[row.id].sends + 1},
            )
            for row in ready
        ],
    )
    errands = [_errand(row, stands[row.id], snapshots[row.id], payment_of(row, legs[row.id])) for row in ready if row.id in stands]
    for errand in errands:
        session.execute(
            update(Leg)
            .where(Leg.transaction_id == errand.stand.id, Leg.kind == LegKind.PAY.value)
            .values(
                sends=Leg.sends + 1,
                last_sent_at=func.clock_timestamp(),
                last_deadline_ms=errand.snapshot.timeout_ms,
                last_asked_at=None,
                not_found_in_a_row=0,
            )
        )
    _write_intents(session, errands, worker)
    return errands


def _take_inquiries(session: Session, rows: Sequence[Transaction], worker: str) -> list[Errand]:
    legs = Work(session).legs([row.id for row in rows])
    snapshots = _snapshots(session, rows)
    errands = []
    for row in rows:
        held_for = lease_for(snapshots[row.id][0])
        row.lease_owner = worker
        row.lease_epoch += 1
        row.lease_until = row.next_action_at = func.clock_timestamp() + held_for
        held = Stand(row.id, TransactionType(row.transaction_type), Stage(row.stage), row.version, row.lease_epoch)
        errands.append(_errand(row, held, snapshots[row.id], payment_of(row, legs[row.id]), Verb.STATUS))
    session.flush()
    session.execute(
        update(Leg)
        .where(Leg.transaction_id.in_([errand.stand.id for errand in errands]), Leg.kind == LegKind.PAY.value)
        .values(inquiries=Leg.inquiries + 1, last_asked_at=func.clock_timestamp())
    )
    _write_intents(session, errands, worker)
    return errands


def _take_lookups(session: Session, rows: Sequence[Transaction], worker: str) -> list[Errand]:
    snapshots = _snapshots(session, rows)
    stands = move_many(
        session,
        [
            Move(
                Stand.of(row),
                Stage.ASKING,
                Reason.LOOKUP_ASKING.format(biller=row.biller_name),
                lease=lease_for(snapshots[row.id][0]),
                owner=worker,
                endpoint=snapshots[row.id][0].base_url,
            )
            for row in rows
        ],
    )
    errands = [_errand(row, stands[row.id], snapshots[row.id], query_of(row)) for row in rows if row.id in stands]
    _write_intents(session, errands, worker)
    return errands


def _errand(row: Transaction, stand: Stand, pinned: tuple[Snapshot, str | None], ask: Payment | Query, verb: Verb | None = None) -> Errand:
    """The call to make for this row. Its verb follows from what the operator meant, unless it is to be asked about."""
    config_id, config_version = _pinned(row)
    return Errand(
        attempt_id=new_id(),
        stand=stand,
        verb=verb or VERBS[TransactionType(row.transaction_type)],
        biller_type=row.biller_type,
        config_id=config_id,
        config_version=config_version,
        snapshot=pinned[0],
        authentication=pinned[1],
        ask=ask,
        leg=None if isinstance(ask, Query) else LegKind.PAY,
    )


def _write_intents(session: Session, errands: Sequence[Errand], worker: str) -> None:
    if errands:
        session.execute(
            insert(Attempt),
            [
                {
                    "id": errand.attempt_id,
                    "transaction_id": errand.stand.id,
                    "leg": errand.leg,
                    "verb": errand.verb,
                    "reference": errand.ask.reference if not isinstance(errand.ask, Query) else errand.ask.account,
                    "config_version": errand.config_version,
                    "lease_epoch": errand.stand.lease_epoch,
                    "worker": worker,
                }
                for errand in errands
            ],
        )


def _snapshots(session: Session, rows: Sequence[Transaction]) -> Mapping[uuid.UUID, tuple[Snapshot, str | None]]:
    """What each row's own version of its biller's configuration says, with its sealed credentials."""
    versions = {_pinned(row) for row in rows}
    found = {}
    for config_id, number in versions:
        version = Billers(session).version(config_id, number)
        if version is None:
            raise LookupError(f"Configuration {config_id} has no version {number}.")
        found[config_id, number] = (parse_snapshot(version.snapshot), version.authentication)
    return {row.id: found[_pinned(row)] for row in rows}


def _pinned(row: Transaction) -> tuple[uuid.UUID, int]:
    if row.biller_config_id is None or row.config_version is None:
        raise LookupError(f"Transaction {row.our_transaction_id} has no configuration to go by.")
    return row.biller_config_id, row.config_version


# ---- Conclude


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
        if fresh:
            session.execute(insert(Answer), [_as_answer(result, result.errand.stand.id in in_time) for result in fresh])
        _keep_late_evidence(session, [result for result in fresh if result.errand.stand.id not in in_time])


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
    legs = Work(session).legs([result.errand.stand.id for result in results])
    now = Work(session).now()
    decided = []
    for result in results:
        is_inquiry = result.errand.verb is Verb.STATUS
        facts = _facts(legs[result.errand.stand.id], now, is_inquiry=is_inquiry)
        promise = promise_of(result.errand.biller_type, result.errand.snapshot)
        if is_inquiry:
            mismatch = _contradicting(result)
            verdict = after_inquiry(promise, result.errand.stand.stage, facts, result.outcome, mismatch)
        else:
            verdict = after_send(promise, facts, result.outcome)
        decided.append((result, verdict))
    return _carry_out(session, [(result.errand.stand, result.errand.snapshot.biller_name, verdict, result) for result, verdict in decided])


def _contradicting(result: Result) -> str | None:
    """The field a *paid* answer got wrong; a garbled answer that claims nothing contradicts nothing."""
    receipt = result.receipt
    if receipt is None or receipt.mismatch is None:
        return None
    return receipt.mismatch if result.errand.meaning_of(receipt.code) is Outcome.CONFIRMED else None


def _facts(leg: Leg, now: datetime, *, is_inquiry: bool = False) -> LegFacts:
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


def _carry_out(session: Session, decided: Sequence[tuple[Stand, str, Verdict, Result | None]]) -> set[uuid.UUID]:
    """Moves each row along its verdict's path, and keeps what is now known of its leg. Answers the rows that were still ours."""
    standing = {stand.id: stand for stand, _, verdict, _ in decided if verdict.path}
    ours: set[uuid.UUID] = set()
    longest = max((len(verdict.path) for _, _, verdict, _ in decided), default=0)
    for step in range(longest):
        moves = [
            _move_of(standing[stand.id], biller, verdict, step, result)
            for stand, biller, verdict, result in decided
            if step < len(verdict.path) and stand.id in standing
        ]
        moved = move_many(session, moves)
        standing = {**{key: value for key, value in standing.items() if key not in {move.stand.id for move in moves}}, **moved}
        ours |= set(moved)
    for stand, _, verdict, _ in decided:
        if not verdict.path and _wait(session, stand, verdict.wait or timedelta(0)):
            ours.add(stand.id)
    for stand, _, verdict, result in decided:
        if stand.id in ours:
            leg = verdict.leg
            session.execute(
                update(Leg)
                .where(Leg.transaction_id == stand.id, Leg.kind == LegKind.PAY.value)
                .values(
                    tainted=leg.tainted,
                    accepted=leg.accepted,
                    not_found_in_a_row=leg.not_found_in_a_row,
                    external_id=func.coalesce(_external_id(result), Leg.external_id),
                )
            )
    return ours


def _move_of(stand: Stand, biller: str, verdict: Verdict, step: int, result: Result | None) -> Move:
    to, reason = verdict.path[step]
    settled_well = to is Stage.COMPLETED
    return Move(
        stand,
        to,
        reason.format(biller=biller),
        wait=verdict.wait if step == len(verdict.path) - 1 else timedelta(0),
        external_id=_external_id(result),
        error_code=None if settled_well or result is None else result.code or result.failure,
        error_message=None if settled_well or result is None else result.message,
        extra=sold_with(result.receipt) if settled_well and result and result.receipt else None,
        facts={} if result is None else {"outcome": result.outcome, "attempt": str(result.errand.attempt_id)},
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
    """The biller's own reference; of an answer about somebody else's payment it would be somebody else's."""
    receipt = result.receipt if result else None
    return receipt.external_id if receipt and not receipt.mismatch else None


def _wait(session: Session, stand: Stand, wait: timedelta) -> bool:
    """The row stays where it is: it is let go, to be looked at again. False where it is no longer ours."""
    kept = session.execute(
        update(Transaction)
        .where(
            Transaction.id == stand.id,
            Transaction.stage == stand.stage.value,
            Transaction.version == stand.version,
            Transaction.lease_epoch == stand.lease_epoch,
        )
        .values(
            lease_owner=None,
            lease_until=None,
            next_action_at=func.clock_timestamp() + wait,
        )
        .returning(Transaction.id)
    )
    return kept.scalar() is not None


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


def _keep_late_evidence(session: Session, results: Sequence[Result]) -> None:
    """A worker that lost its lease may only add evidence (rule 9). What it says is kept; a yes makes the payment doubtful again, and the biller is asked."""
    late = {result.errand.stand.id: result for result in results if result.errand.leg is not None}
    if not late:
        return
    rows = Work(session).held(list(late))
    session.execute(
        update(Transaction)
        .where(Transaction.id.in_(list(late)), Transaction.stage.in_([stage.value for stage in ASKABLE]), Transaction.lease_until.is_(None))
        .values(next_action_at=func.clock_timestamp())
    )
    yes = [(row, late[row.id]) for row in rows if late[row.id].outcome in (Outcome.CONFIRMED, Outcome.ACCEPTED)]
    _do_not_send_again(session, [(row, result) for row, result in yes if row.stage == Stage.PAY_RETRY.value])
    # The second send is out already. Whatever it brings home, it no longer proves that nothing was paid.
    sending = [row.id for row, _ in yes if row.stage == Stage.PAY_SENDING.value]
    session.execute(update(Leg).where(Leg.transaction_id.in_(sending), Leg.kind == LegKind.PAY.value).values(tainted=True))
    for row, result in yes:
        if result.outcome is Outcome.CONFIRMED and row.stage in (Stage.FAILED.value, Stage.CANCELLED.value):
            # Money corrected by a new linked transaction, never by a silent change of this one.
            audit.record(session, SYSTEM, "transaction.contradicted", "transaction", row.id, stage=row.stage, attempt=str(result.errand.attempt_id))


def _do_not_send_again(session: Session, late: Sequence[tuple[Transaction, Result]]) -> None:
    """It was believed unsent or never seen, and the answer of an earlier send says otherwise."""
    legs, now = Work(session).legs([row.id for row, _ in late]), Work(session).now()
    decided: list[tuple[Stand, str, Verdict, Result | None]] = []
    for row, result in late:
        promise = promise_of(row.biller_type, result.errand.snapshot)
        decided.append((Stand.of(row), row.biller_name, after_late_yes(promise, _facts(legs[row.id], now), result.outcome), None))
    _carry_out(session, decided)


# ---- What happens by the clock


def settle_lost_leases() -> int:
    """A call whose worker is gone: nobody knows what was sent, so it is asked about (rule 9). Answers how many there were."""
    with db.unit_of_work() as session:
        rows = Work(session).lost_leases()
        legs, now = Work(session).legs([row.id for row in rows]), Work(session).now()
        snapshots = _snapshots(session, rows)
        payments = []
        lookups = []
        for row in rows:
            stage, stand = Stage(row.stage), Stand.of(row)
            if stage is Stage.ASKING:
                reason = Reason.LOOKUP_NO_ANSWER.format(biller=row.biller_name)
                lookups.append(Move(stand, WHEN_LEASE_EXPIRES[stage], reason, error_code="lease_expired", error_message=reason))
            else:
                promise = promise_of(row.biller_type, snapshots[row.id][0])
                verdict = after_doubt(promise, _facts(legs[row.id], now), Reason.LEASE_LOST)
                payments.append((stand, row.biller_name, verdict, None))
        move_many(session, lookups)
        _carry_out(session, payments)
    return len(rows)


def fail_overdue() -> int:
    """Payments that could not be sent in time, or whose biller was switched off before anything was. Answers how many there were."""
    with db.unit_of_work() as session:
        work = Work(session)
        overdue = work.overdue()
        legs = work.legs([row.id for row in overdue])
        # PAY_RETRY is proven unsent or unseen; were its leg in doubt, time alone would prove nothing.
        expired = [row for row in overdue if not legs[row.id].tainted]
        gone = [row for row in work.of_inactive_billers() if row.id not in {one.id for one in expired}]
        reasons = [(row, Reason.EXPIRED, "expired") for row in expired] + [(row, Reason.DEACTIVATED, "deactivated") for row in gone]
        moves = [
            Move(Stand.of(row), Stage.FAILED, reason.format(biller=row.biller_name), error_code=code, error_message=reason.format(biller=row.biller_name))
            for row, reason, code in reasons
        ]
        return len(move_many(session, moves))
