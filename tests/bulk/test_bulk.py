"""One act on many payments: what is shown beforehand is what happens, row by row, by the rules for one, and never twice."""

import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import psycopg
import pytest

from core.errors import BadInput, NotAllowed, NotFound
from core.models.bulk import BulkKind, ItemState
from core.money import Money
from core.services import approvals, bulk, payments, transactions
from core.services.asked import Asked
from core.services.bulk import NOBODY_ANY_MORE, NoLongerSo, Selection, TooMany
from core.services.proposals import WAITS_ALREADY
from core.settings import CHECKOUT
from core.states import Stage
from tests.bulk.conftest import Desk

RETRY, CANCEL, REVERSE = BulkKind.RETRY, BulkKind.CANCEL, BulkKind.REVERSE
WAITING, DONE, BLOCKED, FAILED = ItemState.WAITING, ItemState.DONE, ItemState.BLOCKED, ItemState.FAILED


def reasons(run: bulk.DryRun) -> dict[str, int]:
    return {one.reason: one.count for one in run.blocked}


# ---- The dry run


def test_a_dry_run_says_what_can_be_done_and_what_speaks_against_the_rest(desk: Desk) -> None:
    failed, completed, doubtful = desk.stand(Stage.FAILED, 2), desk.stand(Stage.COMPLETED), desk.stand(Stage.PAY_UNKNOWN)
    lookup = (desk.bench.look_up(desk.bench.account()),)
    run = desk.look(RETRY, failed + completed + doubtful + lookup)
    assert run.eligible.count == 2
    assert run.eligible.totals == (Money(Decimal("10951.00"), "MWK"),)
    assert reasons(run) == {
        "It is paid.": 1,
        "It may have been paid: it can only be asked about until that is certain.": 1,
        "A look-up moves no money: simply look the account up again.": 1,
    }
    (paid,) = [one for one in run.blocked if one.reason == "It is paid."]
    assert paid.examples == (transactions.find(desk.grace, completed[0]).our_transaction_id,)


def test_a_dry_run_changes_nothing(desk: Desk) -> None:
    failed = desk.stand(Stage.FAILED)
    desk.look(RETRY, failed)
    assert not desk.children(failed[0])
    assert desk.bench.sql("SELECT count(*) FROM bulk_items WHERE transaction_id = %s", failed[0]) == [(0,)]


@pytest.mark.parametrize(
    ("act", "stage", "by_manager"),
    [(RETRY, Stage.FAILED, False), (RETRY, Stage.CANCELLED, False), (CANCEL, Stage.QUEUED, False), (REVERSE, Stage.COMPLETED, True)],
)
def test_what_then_happens_is_what_was_shown(desk: Desk, act: BulkKind, stage: Stage, by_manager: bool) -> None:
    by = desk.thoko if by_manager else desk.grace
    others = desk.stand(Stage.PAY_UNKNOWN) + desk.stand(Stage.REVIEW)
    meant = desk.stand(stage, 3)
    run = desk.look(act, meant + others, by)
    act_id = desk.start(act, meant + others, by, reason="The biller asked for it.")
    desk.carry_on()
    came = desk.came(act_id)
    assert {one for one, (state, _) in came.items() if state is DONE} == set(meant)
    blocked = [told for state, told in came.values() if state is BLOCKED]
    assert {told: blocked.count(told) for told in blocked} == reasons(run)
    assert run.eligible.count == 3


def test_the_totals_are_those_of_the_database(desk: Desk) -> None:
    ids = desk.stand(Stage.FAILED, amount="1000.01") + desk.stand(Stage.FAILED, amount="2000.02") + desk.stand(Stage.COMPLETED, amount="999.99")
    run = desk.look(RETRY, ids)
    ((total,),) = desk.bench.sql("SELECT sum(amount) FROM transactions WHERE id = ANY(%s) AND status = 'FAILED'", list(ids))
    assert [(money.amount, money.currency) for money in run.eligible.totals] == [(total, "MWK")]
    act_id = desk.start(RETRY, ids)
    desk.carry_on()
    seen = bulk.progress(desk.grace, act_id)
    assert seen.counts[DONE].totals == {"MWK": total}
    ((made,),) = desk.bench.sql("SELECT sum(amount) FROM transactions WHERE retry_of = ANY(%s)", list(ids))
    assert made == total


def test_all_that_a_filter_holds_is_meant_and_no_row_more(desk: Desk) -> None:
    ids = desk.stand(Stage.FAILED, 2, amount="3141.41")
    desk.stand(Stage.FAILED, amount="3141.42")
    asked = Asked(statuses=("FAILED",), amount_min=Decimal("3141.41"), amount_max=Decimal("3141.41"))
    run = bulk.dry_run(desk.grace, RETRY, Selection(asked=asked))
    assert (run.eligible.count, run.blocked, run.words) == (2, (), "failed, 3,141.41 or more, 3,141.41 or less")
    act_id = bulk.start(desk.grace, RETRY, Selection(asked=asked), None, run.eligible)
    assert set(desk.came(act_id)) == set(ids)


def test_more_chosen_rows_than_anybody_can_look_through_must_be_fewer(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "MOST", dict.fromkeys(BulkKind, 2))
    ids = desk.stand(Stage.FAILED, 3, amount="2718.18")
    with pytest.raises(TooMany, match="more than 2 transactions"):
        desk.look(RETRY, ids)
    assert desk.look(RETRY, ids[:2]).eligible.count == 2


def test_of_more_than_one_act_takes_the_oldest_it_can_be_about_are_looked_through_and_the_others_told_of(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.stand(Stage.COMPLETED, amount="1618.03")
    ids = desk.stand(Stage.FAILED, 3, amount="1618.03")
    asked = Asked(amount_min=Decimal("1618.03"), amount_max=Decimal("1618.03"))
    monkeypatch.setattr(bulk, "MOST", dict.fromkeys(BulkKind, 3))
    run = bulk.dry_run(desk.grace, RETRY, Selection(asked=asked))
    assert (run.eligible.count, run.blocked_count) == (3, 0)
    assert run.left_out == "the filter holds more than 3 rows, so only payments that are failed or cancelled or reversed are looked through."
    monkeypatch.setattr(bulk, "MOST", dict.fromkeys(BulkKind, 2))
    run = bulk.dry_run(desk.grace, RETRY, Selection(asked=asked))
    assert run.eligible.count == 2
    assert "the oldest 2: the others can be done after these." in (run.left_out or "")
    act_id = bulk.start(desk.grace, RETRY, Selection(asked=asked), None, run.eligible)
    assert set(desk.came(act_id)) == set(ids[:2])
    with pytest.raises(NotFound, match="are pending are looked through, and it holds none"):
        bulk.dry_run(desk.grace, BulkKind.CANCEL, Selection(asked=replace(asked, statuses=("FAILED",))))


def test_nothing_chosen_is_told(desk: Desk) -> None:
    with pytest.raises(NotFound, match="Nothing is chosen"):
        desk.look(RETRY, ())


def test_of_two_payments_to_one_account_the_older_goes_and_the_other_is_told_so(desk: Desk) -> None:
    account = desk.bench.account()
    first, second = (desk.bench.paid_to(Stage.FAILED, account, amount) for amount in ("100.00", "200.00"))
    run = desk.look(RETRY, (second, first))
    assert (run.eligible.count, run.eligible.totals) == (1, (Money(Decimal("100.00")),))
    assert reasons(run) == {bulk.ANOTHER_GOES_FIRST: 1}


def test_what_stands_before_a_payment_stands_before_its_retry(desk: Desk) -> None:
    account, other = desk.bench.account(), desk.bench.account()
    in_flight = desk.bench.paid_to(Stage.FAILED, account)
    desk.bench.paid_to(Stage.PAY_UNKNOWN, account)
    paid_since = desk.bench.paid_to(Stage.FAILED, other)
    desk.bench.paid_to(Stage.COMPLETED, other)
    assert reasons(desk.look(RETRY, (in_flight, paid_since))) == {bulk.IN_FLIGHT: 1, bulk.PAID_LATELY: 1}


def test_a_biller_that_is_off_blocks_its_rows(desk: Desk) -> None:
    ids = desk.stand(Stage.FAILED)
    desk.bench.configure(is_active=False)
    assert reasons(desk.look(RETRY, ids)) == {"This biller is not switched on. Choose another, or ask an administrator.": 1}


# ---- Who may


def test_somebody_elses_payment_is_shown_as_blocked_and_not_hidden(desk: Desk) -> None:
    ids = desk.stand(Stage.QUEUED)
    run = desk.look(CANCEL, ids, desk.peter)
    assert (run.eligible.count, reasons(run)) == (0, {"Only its operator or a manager may cancel it.": 1})
    assert desk.look(CANCEL, ids, desk.thoko).eligible.count == 1


@pytest.mark.parametrize(("role", "act"), [("analyst", RETRY), ("analyst", CANCEL), ("operator", REVERSE), ("administrator", RETRY)])
def test_an_act_that_ones_role_lacks_cannot_even_be_looked_through(desk: Desk, role: str, act: BulkKind) -> None:
    person, ids = desk.bench.add_person(role), desk.stand(Stage.FAILED)
    with pytest.raises(NotAllowed):
        desk.look(act, ids, person)
    with pytest.raises(NotAllowed):
        bulk.start(person, act, Selection(ids), "Why not", desk.look(RETRY, ids).eligible)


def test_an_act_is_seen_by_whoever_started_it_and_by_managers(desk: Desk) -> None:
    act_id = desk.start(RETRY, desk.stand(Stage.FAILED))
    assert bulk.progress(desk.grace, act_id).by == desk.grace.display_name
    assert bulk.progress(desk.thoko, act_id).rows == 1
    for service in (bulk.progress, bulk.results, bulk.stop):
        with pytest.raises(NotFound):
            service(desk.peter, act_id)
    assert act_id not in [act.id for act, _ in bulk.lately(desk.peter)]
    assert act_id in [act.id for act, _ in bulk.lately(desk.grace)]
    assert act_id in [act.id for act, _ in bulk.lately(desk.thoko)]


def test_rights_are_those_of_the_moment_it_is_done(desk: Desk) -> None:
    person = desk.bench.add_person("operator")
    ids = desk.stand(Stage.FAILED)
    act_id = desk.start(RETRY, ids, person)
    desk.bench.sql("UPDATE users SET role = 'analyst' WHERE id = %s", person.id)
    desk.carry_on()
    state, told = desk.came(act_id)[ids[0]]
    assert state is BLOCKED
    assert "does not include the right to retry" in (told or "")
    assert not desk.children(ids[0])


def test_nothing_is_done_in_the_name_of_somebody_who_was_disabled(desk: Desk) -> None:
    person = desk.bench.add_person("operator")
    ids = desk.stand(Stage.FAILED, 2)
    act_id = desk.start(RETRY, ids, person)
    bulk.carry_on(handful=1)
    desk.bench.sql("UPDATE users SET disabled_at = now() WHERE id = %s", person.id)
    desk.carry_on()
    assert desk.states(act_id) == {ids[0]: DONE, ids[1]: BLOCKED}
    assert desk.came(act_id)[ids[1]][1] == NOBODY_ANY_MORE


# ---- Starting


def test_what_is_no_longer_so_is_not_started(desk: Desk) -> None:
    ids = desk.stand(Stage.QUEUED, 2)
    seen = desk.look(CANCEL, ids).eligible
    payments.cancel(desk.grace, ids[0])
    with pytest.raises(NoLongerSo):
        bulk.start(desk.grace, CANCEL, Selection(ids), None, seen)
    assert desk.bench.sql("SELECT count(*) FROM bulk_acts WHERE id = %s", seen.key) == [(0,)]


def test_other_rows_that_come_to_the_same_are_not_what_was_shown(desk: Desk) -> None:
    shown, others = desk.stand(Stage.FAILED, 2), desk.stand(Stage.FAILED, 2)
    with pytest.raises(NoLongerSo):
        bulk.start(desk.grace, RETRY, Selection(others), None, desk.look(RETRY, shown).eligible)


def test_ten_clicks_start_one_act(desk: Desk) -> None:
    ids = desk.stand(Stage.FAILED)
    seen = desk.look(RETRY, ids).eligible
    started = [bulk.start(desk.grace, RETRY, Selection(ids), None, seen) for _ in range(3)]
    assert set(started) == {seen.key}
    assert desk.bench.sql("SELECT count(*) FROM bulk_items WHERE transaction_id = %s", ids[0]) == [(1,)]


def test_what_is_wholly_blocked_is_not_started(desk: Desk) -> None:
    with pytest.raises(BadInput, match="every row is blocked"):
        desk.start(RETRY, desk.stand(Stage.COMPLETED))


def test_a_reversal_needs_a_reason(desk: Desk) -> None:
    with pytest.raises(BadInput, match="A reason is needed"):
        desk.start(REVERSE, desk.stand(Stage.COMPLETED), desk.thoko, reason=" ")


def test_the_audit_tells_who_asked_for_what(desk: Desk) -> None:
    act_id = desk.start(RETRY, desk.stand(Stage.FAILED, 2) + desk.stand(Stage.COMPLETED), reason="LWB was down")
    ((name, action, details),) = desk.bench.sql("SELECT actor_name, action, details FROM audit_entries WHERE subject_id = %s", str(act_id))
    assert (name, action) == (desk.grace.username, "bulk.started")
    assert {key: details[key] for key in ("act", "selection", "reason", "eligible", "blocked", "totals")} == {
        "act": "RETRY",
        "selection": "3 chosen transactions",
        "reason": "LWB was down",
        "eligible": 2,
        "blocked": 1,
        "totals": {"MWK": "10951.00"},
    }


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE bulk_acts SET reason = 'another' WHERE id = %s",
        "UPDATE bulk_acts SET totals = '{}' WHERE id = %s",
        "DELETE FROM bulk_acts WHERE id = %s",
        "UPDATE bulk_items SET state = 'WAITING', told = NULL, made_transaction_id = NULL WHERE act_id = %s",
        "UPDATE bulk_items SET ordinal = 99 WHERE act_id = %s",
        "DELETE FROM bulk_items WHERE act_id = %s",
    ],
)
def test_what_was_asked_for_and_what_came_of_it_stay(desk: Desk, change: str) -> None:
    act_id = desk.start(RETRY, desk.stand(Stage.FAILED))
    desk.carry_on()
    with pytest.raises(psycopg.Error):
        desk.bench.sql(change, act_id)


# ---- Carrying it out


def test_a_retry_leads_to_the_new_payment(desk: Desk) -> None:
    ids = desk.stand(Stage.FAILED)
    act_id = desk.start(RETRY, ids)
    assert bulk.progress(desk.grace, act_id).count(WAITING) == 1
    desk.carry_on()
    (row,) = bulk.results(desk.grace, act_id)
    (child,) = desk.children(ids[0])
    assert row.item.made_transaction_id == child
    assert row.made == transactions.find(desk.grace, child).our_transaction_id
    assert desk.bench.stage(child) is Stage.QUEUED
    seen = bulk.progress(desk.grace, act_id)
    assert seen.is_over
    assert seen.act.started_at is not None
    assert seen.act.finished_at is not None


def test_a_reversal_is_only_proposed_one_by_one(desk: Desk) -> None:
    ids = desk.stand(Stage.COMPLETED, 2)
    desk.start(REVERSE, ids, desk.thoko, reason="Paid to the wrong account")
    desk.carry_on()
    for one in ids:
        assert desk.bench.stage(one) is Stage.COMPLETED
        (proposed,) = approvals.about(desk.thoko, one)
        assert (proposed.proposal.kind, proposed.proposal.reason, proposed.proposal.decision) == ("REVERSE", "Paid to the wrong account", "open")


def test_a_row_that_changed_since_is_blocked_with_its_reason(desk: Desk) -> None:
    queued = desk.stand(Stage.QUEUED)
    act_id = desk.start(CANCEL, queued)
    desk.bench.claim()
    desk.carry_on()
    assert desk.came(act_id) == {queued[0]: (BLOCKED, "It was or may have been sent already: it cannot be stopped.")}


def test_what_was_retried_by_somebody_else_meanwhile_is_blocked(desk: Desk) -> None:
    ids = desk.stand(Stage.FAILED)
    act_id = desk.start(RETRY, ids)
    payments.retry(desk.peter, ids[0])
    desk.carry_on()
    assert desk.came(act_id) == {ids[0]: (BLOCKED, bulk.RETRIED_ALREADY)}
    assert len(desk.children(ids[0])) == 1


def test_what_was_proposed_by_somebody_else_meanwhile_is_done(desk: Desk) -> None:
    ids, other = desk.stand(Stage.COMPLETED), desk.bench.add_person("manager")
    act_id = desk.start(REVERSE, ids, desk.thoko, reason="Paid twice")
    approvals.propose_reversal(other, ids[0], "Paid twice")
    desk.carry_on()
    assert desk.came(act_id) == {ids[0]: (DONE, WAITS_ALREADY)}
    assert len(approvals.about(desk.thoko, ids[0])) == 1


def test_two_acts_on_the_same_rows_make_one_child_each(desk: Desk) -> None:
    ids = desk.stand(Stage.FAILED, 6)
    acts = [desk.start(RETRY, ids), desk.start(RETRY, ids, desk.peter)]
    at_once(lambda: desk.carry_on(), 3)
    assert all(len(desk.children(one)) == 1 for one in ids)
    states = [desk.states(act_id) for act_id in acts]
    for one in ids:
        assert sorted(state[one] for state in states) == [BLOCKED, DONE]


def test_many_workers_at_once_deal_with_each_row_once(desk: Desk) -> None:
    ids = desk.stand(Stage.QUEUED, 12)
    act_id = desk.start(CANCEL, ids)
    at_once(lambda: desk.carry_on(), 4)
    assert set(desk.states(act_id).values()) == {DONE}
    assert desk.bench.sql("SELECT count(*) FROM events WHERE transaction_id = ANY(%s) AND to_stage = 'CANCELLED'", list(ids)) == [(12,)]
    assert bulk.progress(desk.grace, act_id).act.finished_at is not None


def test_a_row_that_somebody_holds_waits_and_the_others_go_on(desk: Desk) -> None:
    ids = desk.stand(Stage.QUEUED, 2)
    act_id = desk.start(CANCEL, ids)
    with desk.bench.connect() as somebody, somebody.transaction():
        somebody.execute("SELECT 1 FROM transactions WHERE id = %s FOR UPDATE", (ids[0],))
        for _ in ids:
            bulk.carry_on(handful=1)
        assert desk.states(act_id) == {ids[0]: WAITING, ids[1]: DONE}
    desk.carry_on()
    assert desk.states(act_id) == {ids[0]: DONE, ids[1]: DONE}


def test_a_round_ends_in_time_whatever_waits(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    act_id = desk.start(CANCEL, desk.stand(Stage.QUEUED, 3))
    monkeypatch.setattr(bulk, "ROUND_SECONDS", 0.0)
    assert bulk.carry_on() == 0
    assert bulk.progress(desk.grace, act_id).count(WAITING) == 3


def test_a_small_act_does_not_wait_behind_a_large_one(desk: Desk) -> None:
    large, small = desk.stand(Stage.QUEUED, 4), desk.stand(Stage.QUEUED)
    desk.start(CANCEL, large)
    act_id = desk.start(CANCEL, small)
    for _ in range(2):
        bulk.carry_on(handful=1)
    assert desk.states(act_id) == {small[0]: DONE}


def test_an_accident_with_one_row_is_told_and_the_others_go_on(desk: Desk) -> None:
    ids = desk.stand(Stage.QUEUED, 2)
    act_id = desk.start(CANCEL, ids)
    # No service foresees this: the database itself refuses the move.
    desk.bench.sql(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" IF NEW.id = '{ids[0]}' THEN RAISE EXCEPTION 'no' USING ERRCODE = 'BM009'; END IF; RETURN NEW; END $$"
    )
    desk.bench.sql("CREATE TRIGGER refuse BEFORE UPDATE ON transactions FOR EACH ROW EXECUTE FUNCTION refuse()")
    try:
        desk.carry_on()
    finally:
        desk.bench.sql("DROP TRIGGER refuse ON transactions")
        desk.bench.sql("DROP FUNCTION refuse()")
    came = desk.came(act_id)
    assert came[ids[0]][0] is FAILED
    assert "incident" in (came[ids[0]][1] or "")
    assert came[ids[1]][0] is DONE


# ---- Killed in the middle

# A worker of its own that dies at one place: after the service's commit, before the row's mark.
DIES = """
import os
from core.repositories.bulk import Bulk
from core.services import bulk
act = bulk.CARRY_OUT[bulk.BulkKind(%r)]
bulk.CARRY_OUT = {bulk.BulkKind(%r): lambda *given: (act(*given), os.kill(os.getpid(), 9))}
bulk.carry_on()
"""


def killed_after_its_act(act: BulkKind) -> None:
    done = subprocess.run([sys.executable, "-c", DIES % (act.value, act.value)], cwd=CHECKOUT, capture_output=True, timeout=60, check=False)
    assert done.returncode == -9, done.stderr.decode()


@pytest.mark.parametrize(("act", "stage"), [(RETRY, Stage.FAILED), (CANCEL, Stage.QUEUED), (REVERSE, Stage.COMPLETED)])
def test_a_worker_killed_before_it_marked_the_row_does_nothing_twice(desk: Desk, act: BulkKind, stage: Stage) -> None:
    ids = desk.stand(stage)
    act_id = desk.start(act, ids, desk.thoko, reason="The biller asked for it")
    killed_after_its_act(act)
    assert desk.states(act_id) == {ids[0]: WAITING}
    effects = "SELECT (SELECT count(*) FROM transactions WHERE retry_of = %s) + (SELECT count(*) FROM proposals WHERE transaction_id = %s)"
    effects += " + (SELECT count(*) FROM events WHERE transaction_id = %s AND to_stage = 'CANCELLED')"
    assert desk.bench.sql(effects, *ids * 3) == [(1,)]
    desk.carry_on()
    assert desk.came(act_id) == {ids[0]: (DONE, bulk.DONE_TOLD[act])}
    assert desk.bench.sql(effects, *ids * 3) == [(1,)]


def test_a_proposal_that_was_rejected_meanwhile_is_not_made_again_by_the_second_try(desk: Desk) -> None:
    ids, other = desk.stand(Stage.COMPLETED), desk.bench.add_person("manager")
    desk.start(REVERSE, ids, desk.thoko, reason="Paid twice")
    killed_after_its_act(REVERSE)
    (proposed,) = approvals.about(desk.thoko, ids[0])
    approvals.reject(other, proposed.proposal.id, "It was paid once")
    desk.carry_on()
    assert [seen.proposal.decision for seen in approvals.about(desk.thoko, ids[0])] == ["rejected"]


# ---- Stopping


def test_what_waits_is_left_when_it_is_stopped_and_what_is_done_stays(desk: Desk) -> None:
    ids = desk.stand(Stage.QUEUED, 3)
    act_id = desk.start(CANCEL, ids)
    bulk.carry_on(handful=1)
    assert bulk.stop(desk.grace, act_id) == 2
    desk.carry_on()
    told = f"Stopped by {desk.grace.display_name} before its turn came. Nothing was done."
    assert desk.came(act_id) == {ids[0]: (DONE, bulk.DONE_TOLD[CANCEL]), ids[1]: (BLOCKED, told), ids[2]: (BLOCKED, told)}
    assert [desk.bench.stage(one) for one in ids] == [Stage.CANCELLED, Stage.QUEUED, Stage.QUEUED]
    seen = bulk.progress(desk.thoko, act_id)
    assert (seen.is_over, seen.stopped_by, seen.may_stop) == (True, desk.grace.display_name, False)
    assert seen.act.finished_at is not None


def test_a_manager_stops_anyones_act_and_it_is_written_down(desk: Desk) -> None:
    act_id = desk.start(CANCEL, desk.stand(Stage.QUEUED))
    assert bulk.stop(desk.thoko, act_id) == 1
    assert bulk.stop(desk.thoko, act_id) == 0
    rows = desk.bench.sql("SELECT action, actor_name FROM audit_entries WHERE subject_id = %s ORDER BY seq", str(act_id))
    assert rows == [("bulk.started", desk.grace.username), ("bulk.stopped", desk.thoko.username)]


def at_once(act: Callable[[], object], times: int) -> None:
    """So many threads that all begin together; what one raises is raised."""
    ready, accidents = threading.Barrier(times), []

    def run() -> None:
        ready.wait()
        try:
            act()
        except Exception as error:  # noqa: BLE001 - raised below
            accidents.append(error)

    threads = [threading.Thread(target=run) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not accidents
