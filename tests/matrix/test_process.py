"""P09 to P15: processes that are stopped, doubled, killed, replaced, cramped or clumsy. P01 to P08 are the campaign's deaths."""

import signal
import uuid
from collections.abc import Iterator

import pytest

from core import db
from core.services import drafts, lookups, payments
from core.states import Stage
from tests.campaign.harness import until
from tests.matrix.road import Road
from tests.matrix.town import ASKING, BWB, LWB, MASM, PAYING, SRWB, TNM, Bill, Town, new_account


@pytest.fixture(autouse=True)
def nobody_works_on(town: Town) -> Iterator[None]:
    """Each test has workers of its own."""
    yield
    town.dismiss_workers()
    town.sandbox.control("DELETE", "/faults")


def draft_by_hand(town: Town, account: str = "") -> uuid.UUID:
    """Without a worker, Lilongwe's only."""
    account = account or new_account()
    return town.draft(account, town.look_up_by_hand(account)[0])


def test_p09_a_worker_that_slept_for_two_leases_may_only_add_evidence(town: Town) -> None:
    sleeper = town.start_worker()
    account = new_account()
    town.sandbox.next("slow", account=account, seconds=0.5)
    paid = town.pay_bill(LWB, account)
    town.freeze_with_the_answer_in_hand(sleeper, paid)
    town.start_worker()
    town.watch(paid)
    told = town.stages(paid)
    assert told[-3:] == [Stage.PAY_SENDING, Stage.PAY_UNKNOWN, Stage.COMPLETED]
    sleeper.thaw()
    until(lambda: len(town.answers(paid, "pay")) == 1, "the woken worker tells what it had in hand")
    town.expect(paid, Stage.COMPLETED, effects=1, sends=1)
    assert town.stages(paid) == told
    late = "SELECT n.in_time FROM answers n JOIN attempts a ON a.id = n.attempt_id WHERE n.transaction_id = %s AND a.verb = 'pay'"
    assert town.rows(late, paid) == [(False,)]
    town.judge().assert_all_well()


def test_p09_a_claim_that_was_slept_over_is_not_sent(town: Town) -> None:
    """Both calls were out when it was stopped. What it would still have sent by itself is not sent when it wakes."""
    sleeper = town.start_worker()
    accounts = [new_account() for _ in range(4)]
    for account in accounts:
        town.sandbox.next("act_then_hang", account=account)
    paid = town.pay_all([Bill(LWB, account) for account in accounts])
    until(lambda: all(town.arrived(one) for one in paid), "all of them are out")
    sleeper.freeze()
    past = "now() - interval '1 s'"
    town.rows(f"UPDATE transactions SET lease_until = {past}, next_action_at = {past} WHERE stage = 'PAY_SENDING' RETURNING 1")
    town.start_worker()
    town.watch(*paid)
    sleeper.thaw()
    until(lambda: all("UNKNOWN" in town.answers(one, "pay") for one in paid), "the woken worker finds its deadlines over")
    for one in paid:
        town.expect(one, Stage.COMPLETED, effects=1, sends=1)
        assert town.arrived(one) == 1
    town.judge().assert_all_well()


def test_p10_two_workers_of_one_name_never_take_each_others_claims(town: Town) -> None:
    twins = [town.start_worker("tests.matrix.twin_worker") for _ in range(2)]
    for twin in twins:
        twin.wait_ready()
    bills = [Bill(biller, new_account(biller)) for biller in (LWB, SRWB) for _ in range(12)]
    for bill in bills[::3]:
        town.sandbox.next("slow", PAYING[bill.biller], biller=bill.biller, account=bill.account, seconds=0.5)
    paid = town.pay_all(bills)
    until(lambda: town.value("SELECT count(*) FROM transactions WHERE stage = 'PAY_SENDING'"), "one of them has a call out")
    twins[0].kill()
    town.rows("UPDATE transactions SET lease_until = now(), next_action_at = now() WHERE stage = 'PAY_SENDING' AND lease_owner LIKE 'twin:1:%%' RETURNING 1")
    town.watch(*paid)
    holders = {worker for (worker,) in town.rows("SELECT DISTINCT worker FROM attempts WHERE worker LIKE 'twin:1:%%'")}
    assert len(holders) == 2
    assert town.value("SELECT count(DISTINCT name) FROM workers WHERE name LIKE 'twin%%'") == 1
    for one in paid:
        town.expect(one, Stage.COMPLETED, effects=1)
    town.judge().assert_all_well()


@pytest.mark.parametrize("dies", ["before", "after"])
def test_p11_a_web_server_killed_right_after_the_click_leaves_all_or_nothing(town: Town, dies: str) -> None:
    draft = draft_by_hand(town)
    console = town.start_worker("tests.matrix.dying_console", DRAFT=str(draft), USERNAME=town.operator.username, DIES=dies)
    until(lambda: not console.is_running, "the web server dies")
    assert console.wait() == -signal.SIGKILL, console.lines
    made = drafts.find(town.operator, draft).transaction_id
    assert (made is None) == (dies == "before")
    # The operator opens the page again, and clicks again.
    again = payments.submit(town.operator, draft)
    assert again.already == (dies == "after")
    assert made in (None, again.transaction_id)
    town.start_worker()
    town.watch(again.transaction_id)
    town.expect(again.transaction_id, Stage.COMPLETED, effects=1, sends=1)
    town.judge().assert_all_well()


# Where a payment without core banking, and without a second person, may stand.
REACHABLE = frozenset(
    {
        *(Stage.CREATED, Stage.QUEUED, Stage.PAY_SENDING, Stage.PAY_ACCEPTED, Stage.PAY_UNKNOWN, Stage.PAY_RETRY, Stage.PAY_REJECTED),
        *(Stage.REVIEW, Stage.COMPLETED, Stage.FAILED, Stage.CANCELLED),
    }
)
# Entered and left within one unit of work: nobody ever finds a row there.
PASSED_THROUGH = frozenset({Stage.CREATED, Stage.PAY_REJECTED})


def test_p12_a_redeploy_finds_rows_in_every_stage_and_settles_them(town: Town) -> None:
    old = town.start_worker()
    way = Road(town.sandbox.port)
    bills = {
        Stage.COMPLETED: Bill(LWB, new_account()),
        Stage.FAILED: Bill(LWB, "10020003"),
        Stage.REVIEW: Bill(TNM, new_account(TNM)),
        Stage.PAY_UNKNOWN: Bill(LWB, new_account()),
        Stage.PAY_ACCEPTED: Bill(BWB, new_account(BWB)),
        Stage.PAY_SENDING: Bill(LWB, new_account()),
    }
    meets = {Stage.REVIEW: "act_then_close", Stage.PAY_UNKNOWN: "act_then_close", Stage.PAY_ACCEPTED: "accepted_then_done", Stage.PAY_SENDING: "act_then_hang"}
    for stage, fault in meets.items():
        bill = bills[stage]
        town.sandbox.next(fault, PAYING[bill.biller], biller=bill.biller, account=bill.account)
    for stage in (Stage.PAY_UNKNOWN, Stage.PAY_ACCEPTED):
        bill = bills[stage]
        town.sandbox.next("500_without_acting", ASKING[bill.biller], biller=bill.biller, account=bill.account, count=1_000)
    (form,) = town.ask_all([Bill(SRWB, new_account(SRWB))])
    town.open(SRWB, base_url=town.address_of(SRWB, way.port))
    way.close()
    waiting = town.draft_all([Bill(MASM, new_account(MASM)) for _ in range(2)])
    # The one whose call is to be out at the end comes last.
    *first, last = town.draft_all(list(bills.values()))
    with town.held_back(MASM):
        queued, cancelled = (town.submit(draft) for draft in waiting)
        payments.cancel(town.operator, cancelled)
        retried = town.submit(town.freeze(form))
        paid = [town.submit(draft) for draft in first]
        for stage, one in zip(bills, paid, strict=False):
            town.watch(one, stages=frozenset({stage}))
        town.watch(retried, stages=frozenset({Stage.PAY_RETRY}))
        paid.append(town.submit(last))
        until(lambda: town.arrived(paid[-1]), "its call is out")
        # One that does not wait for its calls. Its lease is over.
        old.kill()
        town.rows("UPDATE transactions SET lease_until = now(), next_action_at = now() WHERE stage = 'PAY_SENDING' RETURNING 1")
        question = lookups.ask(town.operator, LWB, new_account())
        everything = [*paid, queued, cancelled, retried]
        # The one that is tried again and again may just have been at it.
        assert town.stage(retried) in (Stage.PAY_RETRY, Stage.PAY_SENDING)
        assert {town.stage(one) for one in everything} | {Stage.PAY_RETRY} == REACHABLE - PASSED_THROUGH
        assert town.stage(question) is Stage.CREATED
        db.migrate()
        town.sandbox.control("DELETE", "/faults")
        way.open()
    town.start_worker()
    town.watch(*everything)
    town.wait_for(question, Stage.COMPLETED)
    way.close()
    town.open(SRWB)
    ends = {Stage.FAILED: (Stage.FAILED, 0), Stage.REVIEW: (Stage.REVIEW, 1)}
    for stage, one in zip(bills, paid, strict=True):
        end, effects = ends.get(stage, (Stage.COMPLETED, 1))
        town.expect(one, end, effects=effects, sends=1)
    town.expect(queued, Stage.COMPLETED, effects=1, sends=1)
    town.expect(retried, Stage.COMPLETED, effects=1)
    town.expect(cancelled, Stage.CANCELLED, effects=0)
    town.judge().assert_all_well()


def test_p13_a_worker_without_memory_loses_nothing_that_a_healthy_one_does_not_find(town: Town) -> None:
    bills = [Bill(LWB, new_account()) for _ in range(8)]
    for bill, fault in zip(bills, ("oversized", "gzip_bomb", "endless_chunks", "") * 2, strict=True):
        if fault:
            town.sandbox.next(fault, account=bill.account)
    paid = [town.submit(draft_by_hand(town, bill.account)) for bill in bills]
    cramped = town.start_worker("tests.matrix.cramped_worker", CRAMPED="memory 48")
    until(lambda: not cramped.is_running or not town.value("SELECT count(*) FROM transactions WHERE stage = 'QUEUED'"), "it has tried, or ended")
    cramped.kill()
    town.rows("UPDATE transactions SET lease_until = now(), next_action_at = now() WHERE stage = 'PAY_SENDING' RETURNING 1")
    town.start_worker()
    town.watch(*paid)
    for one in paid:
        town.expect(one, Stage.COMPLETED, effects=1)
    town.judge().assert_all_well()


def test_p14_an_exception_inside_a_reader_is_doubt_and_nothing_is_lost(town: Town) -> None:
    clumsy = town.start_worker("tests.matrix.clumsy_worker")
    paid = town.pay_all([Bill(LWB, new_account()), Bill(SRWB, new_account(SRWB))])
    town.watch(*paid)
    assert town.failures(paid[0]) == ["reader_failed"]
    assert town.failures(paid[1]) == []
    for one in paid:
        town.expect(one, Stage.COMPLETED, effects=1, sends=1)
    assert clumsy.is_running
    town.judge().assert_all_well()


def test_p15_a_worker_told_to_stop_brings_its_calls_home_first(town: Town) -> None:
    worker = town.start_worker()
    bills = [Bill(LWB, new_account()) for _ in range(5)]
    for bill in bills[:-1]:
        town.sandbox.next("slow", account=bill.account, seconds=0.6)
    town.sandbox.next("act_then_hang", account=bills[-1].account)
    paid = town.pay_all(bills)
    until(lambda: all(town.arrived(one) for one in paid), "all calls are out")
    assert worker.stop() == 0
    assert [town.stage(one) for one in paid] == [*[Stage.COMPLETED] * 4, Stage.PAY_UNKNOWN]
    assert town.value("SELECT count(*) FROM transactions WHERE lease_owner IS NOT NULL") == 0
    assert town.value("SELECT stopped_at IS NOT NULL FROM workers WHERE name LIKE %s", f"%:{worker.pid}")
    town.start_worker()
    town.watch(*paid)
    for one in paid:
        town.expect(one, Stage.COMPLETED, effects=1, sends=1)
    town.judge().assert_all_well()
