"""A payment above the limit waits for a second person: what is approved is what was shown, once, by somebody else, in time."""

import threading
import uuid
from collections.abc import Callable

import psycopg
import pytest

from core.errors import BadInput, BillersError, NotAllowed, NotLegalNow
from core.services import approvals, payments
from core.services.approvals import ChangedSince, OneOfTheTwo
from core.services.payments import AlreadyInFlight, DuplicateSuspected, PaidMeanwhile
from core.states import Stage
from core.wire.contract import Outcome
from tests.approvals.conftest import ABOVE, BELOW, Desk

OWN_TWICE, CHANGED_INTENT, DECIDED = "23514", "BM002", "BM003"


def test_up_to_the_limit_one_person_is_enough(desk: Desk) -> None:
    made = desk.pay(amount=BELOW)
    assert desk.bench.stage(made) is Stage.QUEUED
    assert approvals.about(desk.thoko, made) == []


def test_above_the_limit_it_waits_and_nothing_of_it_is_sent(desk: Desk) -> None:
    made = desk.pay()
    waits = desk.bench.find(made)
    assert (waits.stage, waits.status, waits.next_action_at) == ("AWAITING_APPROVAL", "PENDING", None)
    one = desk.open(made)
    assert (one.kind, one.stage, one.version, one.proposed_by) == ("PAY", "AWAITING_APPROVAL", waits.version, desk.grace.id)
    assert one.shown["paid"]["amount"] == ABOVE
    assert len(one.shown["payload_hash"]) == 64
    assert "MWK 100,000.01 is above what one person may pay" in one.reason
    with pytest.raises(ValueError, match="not enough values"):
        desk.bench.claim()


def test_approved_by_another_person_it_goes_its_way_and_its_time_counts_from_then(desk: Desk) -> None:
    made = desk.pay()
    desk.by_hand("transactions", "UPDATE transactions SET expires_at = now() - interval '1 min' WHERE id = %s", made)
    approvals.approve(desk.thoko, desk.open(made).id)
    assert desk.bench.stage(made) is Stage.QUEUED
    ((left,),) = desk.bench.sql("SELECT extract(epoch FROM expires_at - now()) FROM transactions WHERE id = %s", made)
    assert 3_500 < left <= 3_600
    desk.bench.answer(Outcome.CONFIRMED)
    assert desk.bench.stage(made) is Stage.COMPLETED
    assert desk.written(made) == ["proposal.made", "transaction.submitted", "proposal.approved"]
    ((by,),) = desk.bench.sql("SELECT actor_name FROM events WHERE transaction_id = %s AND to_stage = 'QUEUED'", made)
    assert by == desk.thoko.display_name


def test_h07_the_maker_never_approves_or_rejects_their_own(desk: Desk) -> None:
    draft = desk.bench.draft(amount=ABOVE, actor=desk.thoko)
    made = payments.submit(desk.thoko, draft).transaction_id
    one = desk.open(made).id
    for decide in (lambda: approvals.approve(desk.thoko, one), lambda: approvals.reject(desk.thoko, one, "It is mine.")):
        with pytest.raises(OneOfTheTwo, match="You proposed it: another person decides"):
            decide()
    (seen,) = approvals.about(desk.thoko, made)
    assert seen.why_not == "You proposed it: another person decides."
    # Nor does the database let it, whoever asks.
    with pytest.raises(psycopg.errors.CheckViolation, match="two_people"):
        desk.bench.sql("UPDATE proposals SET decision = 'approved', decided_by = proposed_by, decided_at = now() WHERE id = %s", one)
    assert desk.bench.stage(made) is Stage.AWAITING_APPROVAL
    approvals.approve(desk.limbani, one)
    assert desk.bench.stage(made) is Stage.QUEUED


def test_h07_what_was_changed_since_it_was_shown_is_not_approved(desk: Desk) -> None:
    made = desk.pay()
    one = desk.open(made).id
    desk.by_hand("transactions", "UPDATE transactions SET amount = 900000 WHERE id = %s", made)
    (seen,) = approvals.about(desk.thoko, made)
    assert seen.changed
    with pytest.raises(ChangedSince, match="It has changed since it was proposed: look again"):
        approvals.approve(desk.thoko, one)
    assert desk.bench.stage(made) is Stage.AWAITING_APPROVAL
    desk.by_hand("transactions", "UPDATE transactions SET amount = %s WHERE id = %s", ABOVE, made)
    approvals.approve(desk.thoko, one)
    assert desk.bench.stage(made) is Stage.QUEUED


# Whatever was shown, changed behind everybody's back.
CHANGES = {
    "the customer's name": ("transactions", "UPDATE transactions SET customer_account_name = 'Somebody Else' WHERE id = %(made)s"),
    "the account": ("transactions", "UPDATE transactions SET account_number = '79999999' WHERE id = %(made)s"),
    "the version": ("transactions", "UPDATE transactions SET version = version + 1 WHERE id = %(made)s"),
    "the draft": (
        "drafts",
        'UPDATE drafts SET payload = payload || \'{"amount": "1.00"}\' WHERE id = (SELECT draft_id FROM transactions WHERE id = %(made)s)',
    ),
    "the reference": ("legs", "UPDATE legs SET reference = 'ANOTHERREFERENCE' WHERE transaction_id = %(made)s AND kind = 'PAY'"),
    "what the proposal says was shown": ("proposals", "UPDATE proposals SET shown = shown || '{\"paid\": {}}' WHERE transaction_id = %(made)s"),
    "the proposal's reason": ("proposals", "UPDATE proposals SET reason = 'Nothing to see.' WHERE transaction_id = %(made)s"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_anything_else_than_what_was_shown_is_not_approved(desk: Desk, what: str) -> None:
    made = desk.pay()
    table, query = CHANGES[what]
    desk.by_hand(table, query.replace("%(made)s", "%s"), made)
    with pytest.raises(ChangedSince):
        approvals.approve(desk.thoko, desk.open(made).id)
    assert desk.bench.stage(made) is Stage.AWAITING_APPROVAL


def test_the_database_lets_nobody_change_a_proposal_or_decide_it_twice(desk: Desk) -> None:
    made = desk.pay()
    one = desk.open(made).id
    for column, value in {"shown": "'{}'", "shown_hash": "shown_hash || '1'", "reason": "'x'", "expires_at": "now()", "proposed_by": "NULL"}.items():
        with pytest.raises(psycopg.Error) as refused:
            desk.bench.sql(f"UPDATE proposals SET {column} = {value} WHERE id = %s", one)
        assert refused.value.sqlstate == CHANGED_INTENT, column
    approvals.reject(desk.thoko, one, "The customer left.")
    for query in ("UPDATE proposals SET decision = 'approved' WHERE id = %s", "DELETE FROM proposals WHERE id = %s"):
        with pytest.raises(psycopg.Error) as refused:
            desk.bench.sql(query, one)
        assert refused.value.sqlstate == DECIDED


# ---- Two at once


def at_once(*acts: Callable[[], object]) -> list[BillersError | None]:
    """All of them at the same moment; what each was refused with."""
    gate, answers = threading.Barrier(len(acts)), [None] * len(acts)

    def run(number: int) -> None:
        gate.wait(10)
        try:
            acts[number]()
        except BillersError as error:
            answers[number] = error  # type: ignore[call-overload]

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return answers  # type: ignore[return-value]


def test_of_two_who_approve_at_once_one_does_and_it_is_queued_once(desk: Desk) -> None:
    made = desk.pay()
    one = desk.open(made).id
    told = at_once(lambda: approvals.approve(desk.thoko, one), lambda: approvals.approve(desk.limbani, one))
    (refused,) = [error for error in told if error is not None]
    assert "It was decided meanwhile" in refused.sentence
    assert desk.bench.sql("SELECT count(*) FROM events WHERE transaction_id = %s AND to_stage = 'QUEUED'", made) == [(1,)]
    assert desk.written(made).count("proposal.approved") == 1


def test_of_an_approval_and_a_cancellation_at_once_one_wins_whole(desk: Desk) -> None:
    made = desk.pay()
    one = desk.open(made).id
    told = at_once(lambda: approvals.approve(desk.thoko, one), lambda: payments.cancel(desk.grace, made))
    decided, stage = desk.proposal(one).decision, desk.bench.stage(made)
    # A queued payment may be cancelled still: approved first, both happen.
    assert (decided, stage) in {("approved", Stage.CANCELLED), ("withdrawn", Stage.CANCELLED)}
    assert [error is None for error in told] == [decided == "approved", True]


# ---- Not approved


def test_rejected_with_a_reason_it_is_cancelled_and_the_reason_is_told(desk: Desk) -> None:
    made = desk.pay()
    one = desk.open(made).id
    with pytest.raises(BadInput, match="A reason is needed"):
        approvals.reject(desk.thoko, one, "  ")
    approvals.reject(desk.thoko, one, "The customer left.")
    assert desk.bench.stage(made) is Stage.CANCELLED
    kept = desk.proposal(one)
    assert (kept.decision, kept.decided_by, kept.decided_because) == ("rejected", desk.thoko.id, "The customer left.")
    ((reason,),) = desk.bench.sql("SELECT reason FROM events WHERE transaction_id = %s AND to_stage = 'CANCELLED'", made)
    assert reason == "Not approved: The customer left. Nothing was sent."
    assert desk.written(made)[-1] == "proposal.rejected"
    with pytest.raises(NotLegalNow, match="decided meanwhile"):
        approvals.approve(desk.limbani, one)


def test_cancelled_by_its_operator_its_proposal_is_withdrawn(desk: Desk) -> None:
    made = desk.pay()
    one = desk.open(made).id
    payments.cancel(desk.grace, made)
    assert (desk.bench.stage(made), desk.proposal(one).decision) == (Stage.CANCELLED, "withdrawn")
    with pytest.raises(NotLegalNow, match="decided meanwhile"):
        approvals.approve(desk.thoko, one)


def test_withdrawn_by_its_operator_it_is_cancelled_and_by_nobody_else(desk: Desk) -> None:
    made = desk.pay()
    one = desk.open(made).id
    for other in (desk.bench.colleague, desk.thoko):
        with pytest.raises(OneOfTheTwo, match="Only whoever proposed it"):
            approvals.withdraw(other, one)
    approvals.withdraw(desk.grace, one)
    assert (desk.bench.stage(made), desk.proposal(one).decision) == (Stage.CANCELLED, "withdrawn")


def test_what_nobody_decided_in_time_is_cancelled_by_the_clock(desk: Desk) -> None:
    made, other = desk.pay(), desk.pay()
    one = desk.open(made).id
    assert approvals.expire_old() == 0
    desk.let_it_run_out(one)
    with pytest.raises(NotLegalNow, match="Its time is over"):
        approvals.approve(desk.thoko, one)
    assert approvals.expire_old() == 1
    assert (desk.bench.stage(made), desk.proposal(one).decision, desk.proposal(one).decided_by) == (Stage.CANCELLED, "expired", None)
    assert desk.written(made)[-1] == "proposal.expired"
    assert desk.bench.stage(other) is Stage.AWAITING_APPROVAL
    assert approvals.expire_old() == 0


def test_a_row_that_somebody_decides_about_just_now_is_left_to_them(desk: Desk) -> None:
    made = desk.pay()
    desk.let_it_run_out(desk.open(made).id)
    with desk.bench.connect() as connection, connection.transaction():
        connection.execute("SELECT FROM transactions WHERE id = %s FOR UPDATE", [made])
        assert approvals.expire_old() == 0
    assert approvals.expire_old() == 1


def test_who_may_decide_and_who_may_not(desk: Desk) -> None:
    one = desk.open(desk.pay()).id
    for role in ("operator", "analyst", "administrator"):
        somebody = desk.bench.add_person(role)
        with pytest.raises(NotAllowed):
            approvals.approve(somebody, one)
        with pytest.raises(NotAllowed):
            approvals.reject(somebody, one, "No.")
    for role in ("operator", "analyst"):
        with pytest.raises(NotAllowed):
            approvals.overview(desk.bench.add_person(role))


# ---- The business keys, again


def test_while_another_payment_to_the_account_is_on_its_way_it_is_not_approved(desk: Desk) -> None:
    account = desk.bench.account()
    made = desk.pay(account)
    small = desk.pay(account, "500.00")
    with pytest.raises(AlreadyInFlight):
        approvals.approve(desk.thoko, desk.open(made).id)
    assert desk.bench.stage(made) is Stage.AWAITING_APPROVAL
    payments.cancel(desk.grace, small)
    approvals.approve(desk.thoko, desk.open(made).id)
    assert desk.bench.stage(made) is Stage.QUEUED


def test_two_payments_that_wait_for_one_account_are_not_both_on_their_way(desk: Desk) -> None:
    account = desk.bench.account()
    first = desk.pay(account)
    second = desk.pay(account, reason="Two bills of the same amount.")
    told = at_once(lambda: approvals.approve(desk.thoko, desk.open(first).id), lambda: approvals.approve(desk.limbani, desk.open(second).id))
    (refused,) = [error for error in told if error is not None]
    assert isinstance(refused, AlreadyInFlight)
    assert sorted(desk.bench.stage(one).value for one in (first, second)) == ["AWAITING_APPROVAL", "QUEUED"]


def test_a_second_payment_above_the_limit_wants_a_reason_and_the_approver_reads_it(desk: Desk) -> None:
    account = desk.bench.account()
    desk.pay(account)
    with pytest.raises(DuplicateSuspected):
        desk.pay(account)
    second = desk.open(desk.pay(account, reason="Two bills of the same amount."))
    assert "was paid to this account a short while ago" in second.reason
    assert second.reason.endswith("Two bills of the same amount.")


def test_the_same_bill_paid_meanwhile_by_another_way_is_told_of_and_not_paid_again(desk: Desk) -> None:
    account = desk.bench.account()
    made = desk.pay(account)
    other = uuid.UUID(str(desk.bench.pay(account, "500.00")))
    desk.bench.answer(Outcome.CONFIRMED)
    # As if it had been of the same amount, paid where the limit did not stand yet.
    desk.by_hand("transactions", "UPDATE transactions SET amount = %s WHERE id = %s", ABOVE, other)
    with pytest.raises(PaidMeanwhile, match="Open that payment first"):
        approvals.approve(desk.thoko, desk.open(made).id)


# ---- Retry


def test_a_retry_above_the_limit_needs_the_second_person_again(desk: Desk) -> None:
    made = desk.pay()
    approvals.approve(desk.thoko, desk.open(made).id)
    desk.bench.answer(Outcome.REJECTED)
    child = payments.retry(desk.grace, made).transaction_id
    assert desk.bench.stage(child) is Stage.AWAITING_APPROVAL
    with pytest.raises(BillersError, match="It has not been sent yet"):
        payments.retry(desk.grace, child)
    approvals.approve(desk.thoko, desk.open(child).id)
    assert desk.bench.stage(child) is Stage.QUEUED
