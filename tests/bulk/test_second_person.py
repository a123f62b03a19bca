"""An act on many that takes a second person: one proposal with what was shown, decided once by somebody else, and nothing of it done before."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
import pytest

from core.access import Actor
from core.errors import BadInput, NotAllowed, NotLegalNow
from core.models.bulk import BulkKind, ItemState
from core.repositories.approval_rules import Scope
from core.services import approval_rules, approvals, bulk, payments, wider_approvals
from core.services.approval_rules import Change
from core.services.approvals import ChangedSince, OneOfTheTwo
from core.services.wider_approvals import Wider
from core.states import Stage
from tests.bulk.conftest import Chosen, Desk
from tests.payments.bench import CODE

RETRY, CANCEL, REVERSE = BulkKind.RETRY, BulkKind.CANCEL, BulkKind.REVERSE
DONE, BLOCKED = ItemState.DONE, ItemState.BLOCKED

REASON = "The biller's line was down all morning."


@pytest.fixture
def other(desk: Desk) -> Actor:
    """A second manager, beside Thoko."""
    return desk.bench.add_person("manager")


@pytest.fixture(autouse=True)
def rules(desk: Desk) -> Iterator[None]:
    """More than two at once, or more than MWK 20,000.00 at once, take a second person."""
    said = Change(bulk_rows="2", bulk_sum="20000")
    one, another = desk.bench.add_person("administrator"), desk.bench.add_person("administrator")
    wider_approvals.approve(another, approval_rules.propose(one, Scope("", "", "MWK"), said, "The board asked for it.").id)
    yield
    desk.bench.sql("ALTER TABLE approval_rules DISABLE TRIGGER USER")
    desk.bench.sql("DELETE FROM approval_rules")
    desk.bench.sql("ALTER TABLE approval_rules ENABLE TRIGGER USER")


def waiting(desk: Desk) -> Wider:
    """The one that was proposed last."""
    return max(wider_approvals.waiting(desk.thoko), key=lambda seen: seen.proposal.created_at)


def held(desk: Desk, ids: Chosen, kind: BulkKind = RETRY, by: Actor | None = None) -> Wider:
    started = desk.start(kind, ids, by, REASON)
    seen = waiting(desk)
    assert seen.proposal.subject == str(started)
    return seen


def act(seen: Wider) -> uuid.UUID:
    return uuid.UUID(seen.proposal.subject)


# ---- When


def test_up_to_the_rule_one_person_is_enough(desk: Desk) -> None:
    failed = desk.stand(Stage.FAILED, 2)
    assert desk.look(RETRY, failed).second_person == ()
    started = desk.start(RETRY, failed)
    desk.carry_on()
    assert set(desk.states(started).values()) == {DONE}


def test_above_it_the_dry_run_says_so_and_by_which_rule(desk: Desk) -> None:
    run = desk.look(RETRY, desk.stand(Stage.FAILED, 3))
    assert run.second_person == ("3 payments at once, where one person does up to 2, by the rule for any role, any biller (version 1).",)
    by_sum = desk.look(RETRY, desk.stand(Stage.FAILED, 2, amount="10000.01"))
    assert by_sum.second_person == ("MWK 20,000.02 at once, where one person does up to MWK 20,000.00, by the rule for any role, any biller (version 1).",)


def test_what_is_blocked_does_not_count(desk: Desk) -> None:
    assert desk.look(RETRY, desk.stand(Stage.FAILED, 2) + desk.stand(Stage.COMPLETED, 2)).second_person == ()


def test_nobody_waits_for_another_to_stop_payments(desk: Desk) -> None:
    queued = desk.stand(Stage.QUEUED, 3)
    assert desk.look(CANCEL, queued).second_person == ()
    started = desk.start(CANCEL, queued)
    desk.carry_on()
    assert set(desk.states(started).values()) == {DONE}


def test_whoever_decides_goes_by_a_reason_so_it_is_needed(desk: Desk) -> None:
    failed = desk.stand(Stage.FAILED, 3)
    with pytest.raises(BadInput, match="A reason is needed"):
        desk.start(RETRY, failed)
    assert desk.bench.sql("SELECT count(*) FROM bulk_items WHERE transaction_id = %s", failed[0]) == [(0,)]


# ---- What waits


def test_it_waits_as_one_proposal_with_what_was_shown_and_nothing_of_it_is_done(desk: Desk) -> None:
    failed = desk.stand(Stage.FAILED, 3)
    seen = held(desk, failed)
    oldest = desk.bench.find(failed[0])
    assert (seen.shown["rows"], seen.shown["sum"], seen.shown["oldest"]["reference"]) == (3, "MWK 16,426.50", oldest.our_transaction_id)
    assert datetime.fromisoformat(seen.shown["oldest"]["at"]) == oldest.created_at.astimezone(UTC)
    assert (seen.proposal.reason, seen.shown["title"], seen.by) == (REASON, "Retry 3 payments", desk.grace.display_name)
    desk.carry_on()
    progress = bulk.progress(desk.grace, act(seen))
    assert (progress.held, progress.is_over, progress.may_stop) == (3, False, True)
    assert [desk.children(one) for one in failed] == [[], [], []]


def test_each_of_its_payments_tells_what_it_waits_for_and_how_that_was_decided(desk: Desk, other: Actor) -> None:
    failed = desk.stand(Stage.FAILED, 3)
    elsewhere = desk.stand(Stage.FAILED)[0]
    seen = held(desk, failed)
    for one in failed:
        (part,) = wider_approvals.about(desk.peter, one)
        assert (part.act, part.by, part.proposal.id, part.told) == (RETRY, desk.grace.display_name, seen.id, None)
    assert wider_approvals.about(desk.peter, elsewhere) == []
    wider_approvals.reject(other, seen.id, "One by one, please.")
    (part,) = wider_approvals.about(desk.peter, failed[0])
    assert (part.proposal.decision, part.decided_by) == ("rejected", other.display_name)
    assert part.told == "Not approved: One by one, please. Nothing was done."


def test_no_row_of_it_is_let_go_by_anybody_before_it_is_approved(desk: Desk) -> None:
    seen = held(desk, desk.stand(Stage.FAILED, 3))
    for state in ("WAITING", "DONE"):
        with pytest.raises(psycopg.Error, match="waits for a second person: nothing of it is done before"):
            desk.bench.sql("UPDATE bulk_items SET state = %s, told = CASE WHEN %s = 'DONE' THEN 'x' END WHERE act_id = %s", state, state, act(seen))


# ---- Deciding


def test_approved_once_by_another_person_all_of_it_is_carried_out(desk: Desk) -> None:
    failed = desk.stand(Stage.FAILED, 3)
    seen = held(desk, failed)
    wider_approvals.approve(desk.thoko, seen.id)
    with pytest.raises(NotLegalNow, match="It was decided meanwhile"):
        wider_approvals.approve(desk.thoko, seen.id)
    desk.carry_on()
    assert set(desk.states(act(seen)).values()) == {DONE}
    assert [len(desk.children(one)) for one in failed] == [1, 1, 1]
    progress = bulk.progress(desk.grace, act(seen))
    assert (progress.is_over, progress.decided_by, progress.act.finished_at is not None) == (True, desk.thoko.display_name, True)
    written = desk.bench.sql("SELECT action FROM audit_entries WHERE subject_id = %s ORDER BY seq", seen.proposal.subject)
    assert [action for (action,) in written] == ["bulk.started", "proposal.made", "proposal.approved"]


def test_nobody_approves_their_own_nor_without_the_right(desk: Desk) -> None:
    seen = held(desk, desk.stand(Stage.FAILED, 3), by=desk.thoko)
    with pytest.raises(OneOfTheTwo, match="You proposed it"):
        wider_approvals.approve(desk.thoko, seen.id)
    with pytest.raises(NotAllowed):
        wider_approvals.approve(desk.bench.add_person("administrator"), seen.id)
    with pytest.raises(NotAllowed):
        wider_approvals.approve(desk.peter, seen.id)


def test_what_changed_since_is_left_row_by_row_and_told(desk: Desk) -> None:
    failed = desk.stand(Stage.FAILED, 3)
    seen = held(desk, failed)
    payments.retry(desk.peter, failed[0])
    wider_approvals.approve(desk.thoko, seen.id)
    desk.carry_on()
    came = desk.came(act(seen))
    assert came[failed[0]] == (BLOCKED, "It was retried already: open the new payment.")
    assert [came[one][0] for one in failed[1:]] == [DONE, DONE]
    assert len(desk.children(failed[0])) == 1


def test_a_row_that_reads_otherwise_than_it_was_shown_keeps_all_of_it_from_being_approved(desk: Desk) -> None:
    failed = desk.stand(Stage.FAILED, 3)
    seen = held(desk, failed)
    desk.bench.sql("ALTER TABLE transactions DISABLE TRIGGER USER")
    desk.bench.sql("UPDATE transactions SET amount = 900000 WHERE id = %s", failed[1])
    desk.bench.sql("ALTER TABLE transactions ENABLE TRIGGER USER")
    assert next(one for one in wider_approvals.waiting(desk.thoko) if one.id == seen.id).changed
    with pytest.raises(ChangedSince):
        wider_approvals.approve(desk.thoko, seen.id)


def test_rejected_nothing_is_done_and_each_row_says_why(desk: Desk) -> None:
    failed = desk.stand(Stage.FAILED, 3)
    seen = held(desk, failed)
    wider_approvals.reject(desk.thoko, seen.id, "Ask the biller first.")
    desk.carry_on()
    assert set(desk.came(act(seen)).values()) == {(BLOCKED, "Not approved: Ask the biller first. Nothing was done.")}
    progress = bulk.progress(desk.grace, act(seen))
    assert progress.is_over
    assert progress.proposal is not None
    assert (progress.proposal.decision, progress.decided_by) == ("rejected", desk.thoko.display_name)


def test_whoever_asked_takes_it_back_by_stopping_it(desk: Desk) -> None:
    seen = held(desk, desk.stand(Stage.FAILED, 3))
    assert bulk.stop(desk.grace, act(seen)) == 3
    with pytest.raises(NotLegalNow, match="It was decided meanwhile"):
        wider_approvals.approve(desk.thoko, seen.id)
    assert set(desk.states(act(seen)).values()) == {BLOCKED}


def test_what_nobody_decides_in_time_is_over_and_told(desk: Desk) -> None:
    seen = held(desk, desk.stand(Stage.FAILED, 3))
    desk.bench.sql("ALTER TABLE wider_proposals DISABLE TRIGGER USER")
    desk.bench.sql("UPDATE wider_proposals SET expires_at = now() - interval '1 s' WHERE id = %s", seen.id)
    desk.bench.sql("ALTER TABLE wider_proposals ENABLE TRIGGER USER")
    assert wider_approvals.expire_old() == 1
    assert {told for _, told in desk.came(act(seen)).values()} == {"Nobody approved it in time. Nothing was done."}


# ---- Giving back


def test_reversals_that_were_approved_together_are_each_proposed_and_approved_by_the_two(desk: Desk, other: Actor) -> None:
    completed = desk.stand(Stage.COMPLETED, 3)
    seen = held(desk, completed, REVERSE, desk.thoko)
    wider_approvals.approve(other, seen.id)
    desk.carry_on()
    assert [desk.bench.stage(one) for one in completed] == [Stage.REVERSAL_REQUESTED] * 3
    assert {told for _, told in desk.came(act(seen)).values()} == {bulk.GIVEN_BACK}
    (one,) = approvals.about(desk.thoko, completed[0])
    assert (one.proposal.decision, one.proposal.proposed_by, one.proposal.decided_by) == ("approved", desk.thoko.id, other.id)


def test_ones_own_payment_among_them_is_left_to_another_and_told(desk: Desk, other: Actor) -> None:
    completed = desk.stand(Stage.COMPLETED, 3)
    desk.bench.sql("ALTER TABLE transactions DISABLE TRIGGER USER")
    desk.bench.sql("UPDATE transactions SET initiated_by = %s WHERE id = %s", other.id, completed[0])
    desk.bench.sql("ALTER TABLE transactions ENABLE TRIGGER USER")
    seen = held(desk, completed, REVERSE, desk.thoko)
    wider_approvals.approve(other, seen.id)
    desk.carry_on()
    assert [desk.bench.stage(one) for one in completed] == [Stage.COMPLETED, Stage.REVERSAL_REQUESTED, Stage.REVERSAL_REQUESTED]
    told = desk.came(act(seen))[completed[0]][1]
    assert told is not None
    assert "It was not approved with the others: It is your own payment: another person decides." in told


def test_whoever_lost_the_right_meanwhile_approves_nothing_in_the_worker(desk: Desk, other: Actor) -> None:
    completed = desk.stand(Stage.COMPLETED, 3)
    seen = held(desk, completed, REVERSE, desk.thoko)
    wider_approvals.approve(other, seen.id)
    desk.bench.sql("UPDATE users SET role = 'analyst' WHERE id = %s", other.id)
    desk.carry_on()
    assert [desk.bench.stage(one) for one in completed] == [Stage.COMPLETED] * 3


# ---- The rule of one biller


def test_rows_of_a_biller_are_held_to_its_own_rule_as_well(desk: Desk) -> None:
    one, another = desk.bench.add_person("administrator"), desk.bench.add_person("administrator")
    wider_approvals.approve(another, approval_rules.propose(one, Scope("", CODE, "MWK"), Change(bulk_rows="0"), "The board asked for it.").id)
    run = desk.look(RETRY, desk.stand(Stage.FAILED, 1))
    assert run.second_person == ("1 payment at once, where one person does up to 0, by the rule for any role, Lilongwe Water Board (version 1).",)
