"""Claim, send, conclude against the database: leases, late answers, lost commits, whole batches."""

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Connection
from sqlalchemy.exc import OperationalError

from core import db
from core.errors import NotLegalNow, Unavailable
from core.ids import new_id
from core.services import claims, payments, settlement, sweeps
from core.services.errands import Errand, Result
from core.services.moves import Move, Stand, move, move_many
from core.states import Stage
from core.wire.contract import Outcome, Receipt
from tests.payments.bench import CODE, WORKER, Bench

ZOMBIE = "bench:2:zombie"


@contextmanager
def next_commit_fails(*, kept: bool, commits_before: int = 0) -> Iterator[None]:
    """One commit's answer is lost: it was kept, or it was not. The client sees the same either way."""
    left = [commits_before]

    def lose(connection: Connection) -> None:
        if left[0] < 0:
            return
        left[0] -= 1
        if left[0] >= 0:
            return
        if kept:
            connection.connection.dbapi_connection.commit()
        raise OperationalError("COMMIT", {}, Exception("server closed the connection unexpectedly"))

    event.listen(db.engine(), "commit", lose)
    try:
        yield
    finally:
        event.remove(db.engine(), "commit", lose)


BOTH = pytest.mark.parametrize("kept", [True, False], ids=["kept", "not kept"])


# ---- Moves


def test_a_move_from_elsewhere_moves_nothing(bench: Bench) -> None:
    paid = bench.paid_to(Stage.PAY_UNKNOWN)
    stand = Stand.of(bench.find(paid))
    elsewhere = [
        Stand(stand.id, stand.transaction_type, Stage.PAY_ACCEPTED, stand.version, stand.lease_epoch),
        Stand(stand.id, stand.transaction_type, stand.stage, stand.version - 1, stand.lease_epoch),
        Stand(stand.id, stand.transaction_type, stand.stage, stand.version + 1, stand.lease_epoch),
        Stand(stand.id, stand.transaction_type, stand.stage, stand.version, stand.lease_epoch - 1),
        Stand(new_id(), stand.transaction_type, stand.stage, stand.version, stand.lease_epoch),
    ]
    with db.unit_of_work() as session:
        for wrong in elsewhere:
            assert move_many(session, [Move(wrong, Stage.COMPLETED, "Not so.")]) == {}
            with pytest.raises(NotLegalNow):
                move(session, Move(wrong, Stage.COMPLETED, "Not so."))
    assert Stand.of(bench.find(paid)) == stand


def test_a_move_the_table_does_not_have_is_refused_before_the_database_sees_it(bench: Bench) -> None:
    paid = bench.paid_to(Stage.PAY_UNKNOWN)
    with db.unit_of_work() as session, pytest.raises(NotLegalNow):
        move(session, Move(Stand.of(bench.find(paid)), Stage.FAILED, "It took too long."))


def test_every_move_is_told_once(bench: Bench) -> None:
    paid = bench.paid_to(Stage.COMPLETED)
    told = bench.sql("SELECT version, from_stage, to_stage FROM events WHERE transaction_id = %s ORDER BY version", paid)
    ways = [None, "CREATED", "QUEUED", "PAY_SENDING", "COMPLETED"]
    assert told == [(number, ways[number - 1], ways[number]) for number in range(1, 5)]


# ---- Claims


def test_two_workers_never_claim_the_same_payment(bench: Bench) -> None:
    made = {bench.pay() for _ in range(12)}
    claimed: list[list[str]] = [[], [], []]
    start = threading.Barrier(len(claimed))

    def claim(number: int) -> None:
        start.wait()
        for _ in range(4):
            claimed[number] += [str(errand.stand.id) for errand in claims.claim_sends(f"bench:{number}:x", {CODE: 3})]

    threads = [threading.Thread(target=claim, args=(number,)) for number in range(len(claimed))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    everything = [one for some in claimed for one in some]
    assert len(everything) == len(set(everything)) == len(made)


def test_an_intent_is_written_with_its_reference_before_anybody_may_send(bench: Bench) -> None:
    paid = bench.pay()
    errand = bench.claim()
    assert errand.ask.reference == bench.find(paid).our_transaction_id
    assert bench.sql("SELECT reference, worker, verb FROM attempts WHERE id = %s", errand.attempt_id) == [(errand.ask.reference, WORKER, "pay")]
    assert claims.claim_sends(WORKER, {CODE: 10}) == []


@BOTH
def test_d02_the_commit_of_the_intent_is_lost(bench: Bench, kept: bool) -> None:
    paid = bench.pay()
    with next_commit_fails(kept=kept):
        errands = claims.claim_sends(WORKER, {CODE: 1})
    # What was kept is ours to send; what was not stands where it stood.
    assert [errand.stand.id for errand in errands] == ([paid] if kept else [])
    assert bench.stage(paid) is (Stage.PAY_SENDING if kept else Stage.QUEUED)
    if not kept:
        errands = [bench.claim()]
    settlement.conclude([bench.result(errands[0], Outcome.CONFIRMED)])
    assert bench.stage(paid) is Stage.COMPLETED
    assert bench.leg(paid)["sends"] == 1


@BOTH
def test_d01_the_commit_of_the_submit_is_lost(bench: Bench, kept: bool) -> None:
    draft = bench.draft()
    with next_commit_fails(kept=kept):
        if kept:
            made = payments.submit(bench.operator, draft)
            assert made.already
        else:
            with pytest.raises(Unavailable):
                payments.submit(bench.operator, draft)
    # The operator clicks again, and again.
    again = {payments.submit(bench.operator, draft).transaction_id for _ in range(3)}
    assert len(again) == 1
    assert bench.sql("SELECT count(*) FROM transactions WHERE draft_id = %s", draft) == [(1,)]


@BOTH
def test_d01_the_commit_of_a_retry_is_lost(bench: Bench, kept: bool) -> None:
    failed = bench.paid_to(Stage.FAILED)
    with next_commit_fails(kept=kept):
        if kept:
            assert payments.retry(bench.operator, failed).already
        else:
            with pytest.raises(Unavailable):
                payments.retry(bench.operator, failed)
    assert len({payments.retry(bench.operator, failed).transaction_id for _ in range(2)}) == 1


@BOTH
@pytest.mark.parametrize("outcome", [Outcome.CONFIRMED, Outcome.UNKNOWN, Outcome.ACCEPTED, Outcome.REJECTED, Outcome.NOT_SENT])
def test_d03_the_commit_of_the_outcome_is_lost(bench: Bench, kept: bool, outcome: Outcome) -> None:
    paid = bench.pay()
    answer = bench.result(bench.claim(), outcome)
    with next_commit_fails(kept=kept), pytest.raises(Unavailable):
        settlement.conclude([answer])
    settlement.conclude([answer])
    settlement.conclude([answer])
    ends = {
        Outcome.CONFIRMED: Stage.COMPLETED,
        Outcome.UNKNOWN: Stage.PAY_UNKNOWN,
        Outcome.ACCEPTED: Stage.PAY_ACCEPTED,
        Outcome.REJECTED: Stage.FAILED,
        Outcome.NOT_SENT: Stage.PAY_RETRY,
    }
    assert bench.stage(paid) is ends[outcome]
    assert bench.answers(paid) == [(outcome, True)]


# ---- Leases


def test_a_lost_lease_is_asked_about_and_never_queued(bench: Bench) -> None:
    paid = bench.paid_to(Stage.PAY_SENDING)
    assert sweeps.settle_lost_leases() == 0
    bench.let_lease_expire(paid)
    assert sweeps.settle_lost_leases() == 1
    assert bench.stage(paid) is Stage.PAY_UNKNOWN
    assert bench.leg(paid)["tainted"]
    assert bench.find(paid).next_action_at is not None


def test_a_lost_look_up_has_failed_and_nothing_else(bench: Bench) -> None:
    from core.services import lookups

    asked = lookups.ask(bench.operator, CODE, bench.account())
    claims.claim_lookups(WORKER, {CODE: 1})
    bench.let_lease_expire(asked)
    sweeps.settle_lost_leases()
    assert (bench.stage(asked), bench.find(asked).error_code) == (Stage.FAILED, "lease_expired")


@pytest.mark.parametrize("outcome", [Outcome.CONFIRMED, Outcome.REJECTED, Outcome.NOT_SENT, Outcome.UNKNOWN, Outcome.ACCEPTED])
def test_p09_a_woken_zombie_only_adds_evidence(bench: Bench, outcome: Outcome) -> None:
    paid = bench.pay()
    late = bench.result(bench.claim(ZOMBIE), outcome)
    bench.let_lease_expire(paid)
    sweeps.settle_lost_leases()
    settlement.conclude([late])
    assert bench.stage(paid) is Stage.PAY_UNKNOWN
    assert bench.leg(paid)["tainted"]
    assert bench.answers(paid) == [(outcome, False)]
    # And the biller is asked at once.
    bench.inquire(Outcome.CONFIRMED)
    assert bench.stage(paid) is Stage.COMPLETED


def test_p09_a_zombie_cannot_take_back_what_was_settled_meanwhile(bench: Bench) -> None:
    paid = bench.pay()
    late = bench.result(bench.claim(ZOMBIE), Outcome.REJECTED)
    bench.let_lease_expire(paid)
    sweeps.settle_lost_leases()
    bench.due(paid)
    bench.inquire(Outcome.CONFIRMED)
    settlement.conclude([late])
    assert bench.stage(paid) is Stage.COMPLETED
    assert bench.answers(paid) == [(Outcome.CONFIRMED, True), (Outcome.REJECTED, False)]


def given_up_on(bench: Bench) -> tuple[uuid.UUID, Errand]:
    """A payment whose first send was lost with its worker, and that the biller then said, often and late enough, it had never seen."""
    paid = bench.pay()
    first = bench.claim(ZOMBIE)
    bench.let_lease_expire(paid)
    sweeps.settle_lost_leases()
    for _ in range(3):
        bench.age(paid, timedelta(minutes=10))
        bench.inquire(Outcome.NOT_FOUND)
    assert bench.stage(paid) is Stage.PAY_RETRY
    return paid, first


@pytest.mark.parametrize("outcome", [Outcome.CONFIRMED, Outcome.ACCEPTED])
def test_a_late_yes_keeps_a_payment_from_being_sent_again(bench: Bench, outcome: Outcome) -> None:
    paid, first = given_up_on(bench)
    settlement.conclude([bench.result(first, outcome)])
    assert bench.stage(paid) is Stage.PAY_UNKNOWN
    assert bench.leg(paid)["tainted"]
    assert claims.claim_sends(WORKER, {CODE: 5}) == []
    bench.inquire(Outcome.CONFIRMED)
    assert bench.stage(paid) is Stage.COMPLETED
    assert bench.leg(paid)["sends"] == 1


@pytest.mark.parametrize("outcome", [Outcome.REJECTED, Outcome.NOT_SENT, Outcome.UNKNOWN])
def test_any_other_late_answer_changes_nothing_about_a_resend(bench: Bench, outcome: Outcome) -> None:
    paid, first = given_up_on(bench)
    settlement.conclude([bench.result(first, outcome)])
    assert bench.stage(paid) is Stage.PAY_RETRY


@pytest.mark.parametrize("second", [Outcome.NOT_SENT, Outcome.REJECTED])
def test_a_late_yes_during_the_second_send_makes_its_no_doubtful(bench: Bench, second: Outcome) -> None:
    paid, first = given_up_on(bench)
    again = bench.claim()
    settlement.conclude([bench.result(first, Outcome.CONFIRMED)])
    settlement.conclude([bench.result(again, second)])
    assert bench.stage(paid) is Stage.PAY_UNKNOWN
    assert bench.leg(paid)["tainted"]


def test_evidence_against_a_failed_payment_is_written_down(bench: Bench) -> None:
    """H12: the money is corrected by a new linked transaction; this one does not change silently."""
    paid = bench.pay()
    first = bench.claim(ZOMBIE)
    bench.let_lease_expire(paid)
    sweeps.settle_lost_leases()
    bench.age(paid, timedelta(hours=1))
    bench.inquire(Outcome.REJECTED)
    assert bench.stage(paid) is Stage.FAILED
    settlement.conclude([bench.result(first, Outcome.CONFIRMED)])
    assert bench.stage(paid) is Stage.FAILED
    assert bench.sql("SELECT count(*) FROM audit_entries WHERE action = 'transaction.contradicted' AND subject_id = %s", str(paid)) == [(1,)]


def test_an_inquiry_that_was_lost_is_made_again(bench: Bench) -> None:
    paid = bench.paid_to(Stage.PAY_UNKNOWN)
    bench.due(paid)
    lost = bench.claim_inquiry(ZOMBIE)
    assert claims.claim_inquiries(WORKER, {CODE: 5}) == []
    bench.let_lease_expire(paid)
    bench.inquire(Outcome.CONFIRMED)
    settlement.conclude([bench.result(lost, Outcome.NOT_FOUND)])
    assert bench.stage(paid) is Stage.COMPLETED


# ---- Batches


def test_two_answers_about_one_payment_in_one_batch_are_judged_one_by_one(bench: Bench) -> None:
    """A database that was away for long leaves a queue: the late answer of a lost call beside the one of the inquiry that followed it."""
    paid = bench.paid_to(Stage.PAY_UNKNOWN)
    bench.due(paid)
    stale = bench.result(bench.claim_inquiry(ZOMBIE), Outcome.CONFIRMED)
    bench.let_lease_expire(paid)
    present = bench.result(bench.claim_inquiry(), Outcome.UNKNOWN)
    settlement.conclude([stale, present])
    # The stale one has lost its lease: it may only be kept, whoever stands beside it in the batch.
    assert bench.stage(paid) is Stage.PAY_UNKNOWN
    assert sorted(bench.answers(paid)) == [(Outcome.CONFIRMED, False), (Outcome.UNKNOWN, True), (Outcome.UNKNOWN, True)]


def test_a_stale_never_seen_it_beside_a_confirmation_does_not_send_again(bench: Bench) -> None:
    paid = bench.paid_to(Stage.PAY_UNKNOWN)
    for _ in range(2):
        bench.age(paid, timedelta(minutes=10))
        bench.inquire(Outcome.NOT_FOUND)
    bench.age(paid, timedelta(minutes=10))
    stale = bench.result(bench.claim_inquiry(ZOMBIE), Outcome.NOT_FOUND)
    bench.let_lease_expire(paid)
    present = bench.result(bench.claim_inquiry(), Outcome.CONFIRMED)
    settlement.conclude([present, stale])
    assert bench.stage(paid) is Stage.COMPLETED


@pytest.mark.parametrize("outcome", [Outcome.CONFIRMED, Outcome.REJECTED, Outcome.UNKNOWN])
def test_words_that_are_too_long_to_be_looked_up_settle_the_payment_all_the_same(bench: Bench, outcome: Outcome) -> None:
    endless = "".join(str(uuid.uuid4()) for _ in range(400))
    stage = {Outcome.CONFIRMED: Stage.COMPLETED, Outcome.REJECTED: Stage.FAILED, Outcome.UNKNOWN: Stage.PAY_UNKNOWN}[outcome]
    paid = bench.pay()
    result = bench.result(bench.claim(), outcome)
    said = Receipt(outcome, code=endless, message="As it is.", external_id=endless)
    settlement.conclude([replace(result, receipt=said)])
    kept = bench.find(paid)
    assert Stage(kept.stage) is stage
    # What is no reference is not cut into one: the whole answer is in the story.
    assert kept.external_transaction_id is None
    assert kept.error_code is None if outcome is Outcome.CONFIRMED else endless.startswith(str(kept.error_code)[:100])


def test_one_answer_that_cannot_be_kept_does_not_hold_the_others(bench: Bench) -> None:
    """Together it fails; one by one the good ones are kept. (What the worker does.)"""
    good, bad = bench.pay(), bench.pay()
    by_row = {errand.stand.id: errand for errand in claims.claim_sends(WORKER, {CODE: 2})}
    unkeepable = Result(by_row[bad], new_id(), Outcome.CONFIRMED, receipt=Receipt(Outcome.CONFIRMED, "SUCCESS", external_id="NUL\0"))
    batch = [bench.result(by_row[good], Outcome.CONFIRMED), unkeepable]
    with pytest.raises(Exception, match="NUL"):
        settlement.conclude(batch)
    assert bench.stage(good) is Stage.PAY_SENDING
    settlement.conclude(batch[:1])
    assert bench.stage(good) is Stage.COMPLETED


# ---- By the clock


def test_a_deactivated_billers_queue_fails_and_what_is_in_doubt_is_asked_about_still(bench: Bench) -> None:
    doubtful, queued = bench.paid_to(Stage.PAY_UNKNOWN), bench.pay()
    bench.configure(is_active=False)
    sweeps.give_up_overdue()
    assert (bench.stage(queued), bench.find(queued).error_code) == (Stage.FAILED, "deactivated")
    bench.due(doubtful)
    bench.inquire(Outcome.CONFIRMED)
    assert bench.stage(doubtful) is Stage.COMPLETED


@pytest.mark.parametrize("stage", [Stage.PAY_SENDING, Stage.PAY_UNKNOWN, Stage.PAY_ACCEPTED, Stage.REVIEW])
def test_time_alone_fails_nothing_that_may_have_been_sent(bench: Bench, stage: Stage) -> None:
    paid = bench.paid_to(stage)
    bench.sql("UPDATE transactions SET expires_at = now() - interval '1 day' WHERE id = %s", paid)
    sweeps.give_up_overdue()
    assert bench.stage(paid) is stage


def test_an_attempt_keeps_the_configuration_it_was_drafted_under(bench: Bench) -> None:
    """H09: changed in flight."""
    paid = bench.pay()
    bench.configure(base_url="http://127.0.0.1:2/elsewhere", timeout_ms=5_000)
    errand = bench.claim()
    assert (errand.snapshot.base_url, errand.snapshot.timeout_ms) == ("http://127.0.0.1:1/lwb", 30_000)
    assert bench.sql("SELECT config_version FROM attempts WHERE transaction_id = %s", paid) == [(bench.find(paid).config_version,)]


def test_a_resend_carries_the_same_reference(bench: Bench) -> None:
    paid = bench.paid_to(Stage.PAY_RETRY)
    before = bench.leg(paid)["reference"]
    bench.due(paid)
    errand = bench.claim()
    assert errand.ask.reference == before == bench.find(paid).our_transaction_id
    assert bench.sql("SELECT DISTINCT reference FROM attempts WHERE transaction_id = %s", paid) == [(before,)]
    assert bench.leg(paid)["sends"] == 2


def test_never_seen_it_is_believed_after_three_and_the_quiet_window(bench: Bench) -> None:
    paid = bench.paid_to(Stage.PAY_UNKNOWN)
    for times, ago in enumerate([timedelta(seconds=10), timedelta(seconds=20), timedelta(seconds=30), timedelta(minutes=1)], start=1):
        bench.age(paid, ago)
        bench.inquire(Outcome.NOT_FOUND)
        assert bench.stage(paid) is Stage.PAY_UNKNOWN, times
    # 120 s (the biller's longest) + 60 s + 30 s (our deadline) after the send.
    bench.age(paid, timedelta(minutes=2))
    for times in (1, 2):
        bench.inquire(Outcome.NOT_FOUND)
        assert bench.stage(paid) is Stage.PAY_UNKNOWN, times
        bench.age(paid, timedelta(seconds=20))
    bench.inquire(Outcome.NOT_FOUND)
    assert bench.stage(paid) is Stage.PAY_RETRY
    assert not bench.leg(paid)["tainted"]


def test_an_uncertified_billers_never_seen_it_is_never_believed(bench: Bench) -> None:
    bench.configure(inquiry_certified=False)
    try:
        paid = bench.paid_to(Stage.PAY_UNKNOWN)
        for _ in range(5):
            bench.age(paid, timedelta(hours=1))
            bench.inquire(Outcome.NOT_FOUND)
        assert bench.stage(paid) is Stage.PAY_UNKNOWN
        bench.age(paid, timedelta(hours=24))
        bench.inquire(Outcome.NOT_FOUND)
        assert bench.stage(paid) is Stage.REVIEW
    finally:
        bench.configure(inquiry_certified=True)
