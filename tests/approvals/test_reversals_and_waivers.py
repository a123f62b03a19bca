"""Giving a completed payment back, and paying an account although a payment to it is under review: each takes two people."""

import pytest

from core.access import SYSTEM
from core.errors import BadInput, NotAllowed, NotLegalNow
from core.services import approvals, payments
from core.services.approvals import ChangedSince, OneOfTheTwo
from core.services.payments import AlreadyInFlight
from core.states import LegKind, Stage, Topology
from core.wire.contract import Outcome
from tests.approvals.conftest import Desk

S, K = Stage, LegKind
SENT = {"sends": 1}
REASON = "The customer paid the wrong account."


def why_not(desk: Desk, name: str, transaction_id: object, actor: object = None) -> str | None:
    row = desk.bench.find(transaction_id)  # type: ignore[arg-type]
    return next(action.why_not for action in payments.actions(actor or desk.thoko, row, retried=False) if action.name == name)  # type: ignore[arg-type]


# ---- Reverse


def test_a_completed_payment_stays_completed_until_another_person_has_it_given_back(desk: Desk) -> None:
    one = desk.bench.paid_to(S.COMPLETED)
    assert why_not(desk, "reverse", one) is None
    proposed = approvals.propose_reversal(desk.thoko, one, REASON)
    assert desk.bench.stage(one) is S.COMPLETED
    assert why_not(desk, "reverse", one) == "It was proposed already: another person decides about it on the Approvals page."
    with pytest.raises(OneOfTheTwo):
        approvals.approve(desk.thoko, proposed)
    approvals.approve(desk.limbani, proposed)
    row = desk.bench.find(one)
    assert (row.stage, row.status, row.lease_until) == ("REVERSAL_REQUESTED", "COMPLETED", None)
    assert row.next_action_at is not None
    assert row.next_action_at <= row.updated_at
    ((reason,),) = desk.bench.sql("SELECT reason FROM events WHERE transaction_id = %s AND to_stage = 'REVERSAL_REQUESTED'", one)
    assert REASON.rstrip(".") in reason
    assert desk.written(one)[-2:] == ["proposal.made", "proposal.approved"]


@pytest.mark.parametrize("end", ["rejected", "withdrawn", "expired"])
def test_not_approved_it_stays_completed(desk: Desk, end: str) -> None:
    one = desk.bench.paid_to(S.COMPLETED)
    proposed = approvals.propose_reversal(desk.thoko, one, REASON)
    if end == "rejected":
        approvals.reject(desk.limbani, proposed, "It was the right account.")
    elif end == "withdrawn":
        approvals.withdraw(desk.thoko, proposed)
    else:
        desk.let_it_run_out(proposed)
        approvals.expire_old()
    assert (desk.bench.stage(one), desk.proposal(proposed).decision) == (S.COMPLETED, end)
    assert why_not(desk, "reverse", one) is None


def test_only_a_completed_payment_is_given_back(desk: Desk) -> None:
    for stage in (S.QUEUED, S.PAY_UNKNOWN, S.FAILED, S.REVERSED, S.CANCELLED):
        one = desk.stand(stage, Topology.NONE, {K.PAY: SENT})
        assert why_not(desk, "reverse", one) == "Only a completed payment can be given back."
        with pytest.raises(NotLegalNow, match="Only a completed payment"):
            approvals.propose_reversal(desk.thoko, one, REASON)
    for stage in (S.REVERSAL_REQUESTED, S.REFUND_UNKNOWN, S.REVIEW_REVERSAL):
        assert why_not(desk, "reverse", desk.stand(stage, Topology.NONE, {K.PAY: SENT})) == "Giving it back was asked for already."


def test_a_biller_without_the_verb_gives_nothing_back(desk: Desk) -> None:
    desk.bench.configure(features={"reverse": False})
    try:
        one = desk.bench.paid_to(S.COMPLETED)
        with pytest.raises(NotLegalNow, match="has no way to give a payment back through this console"):
            approvals.propose_reversal(desk.thoko, one, REASON)
    finally:
        desk.bench.configure(features={})


def test_what_a_token_was_sold_with_is_never_given_back(desk: Desk) -> None:
    one = desk.stand(S.COMPLETED, Topology.NONE, {K.PAY: SENT})
    assert why_not(desk, "reverse", one) is None
    # Told late, so that only the sealed envelope knows of it.
    desk.bench.sql("INSERT INTO vended_tokens (transaction_id, envelope) VALUES (%s, 'sealed')", one)
    with pytest.raises(NotLegalNow, match="A prepaid token was sold with it"):
        approvals.propose_reversal(desk.thoko, one, REASON)
    vendor = desk.stand(S.COMPLETED, Topology.NONE, {K.PAY: SENT})
    desk.by_hand("transactions", "UPDATE transactions SET biller_type = 'SRWB_PREPAID' WHERE id = %s", vendor)
    with pytest.raises(NotLegalNow, match="A prepaid token was sold with it"):
        approvals.propose_reversal(desk.thoko, vendor, REASON)


def test_a_token_that_becomes_known_after_the_proposal_stops_the_approval(desk: Desk) -> None:
    one = desk.stand(S.COMPLETED, Topology.NONE, {K.PAY: SENT})
    proposed = approvals.propose_reversal(desk.thoko, one, REASON)
    desk.bench.sql("INSERT INTO vended_tokens (transaction_id, envelope) VALUES (%s, 'sealed')", one)
    with pytest.raises(NotLegalNow, match="A prepaid token was sold with it"):
        approvals.approve(desk.limbani, proposed)
    assert desk.bench.stage(one) is S.COMPLETED


def test_without_core_banking_no_debited_customer_is_promised_the_money(desk: Desk) -> None:
    one = desk.stand(S.COMPLETED, Topology.SEPARATE, {K.DEBIT: SENT, K.PAY: SENT})
    assert why_not(desk, "reverse", one) == "Core banking is off on this machine, so the customer could not be credited. Ask an administrator."


@pytest.mark.usefixtures("core_banking_on")
def test_with_core_banking_a_debited_payment_is_given_back_like_any_other(desk: Desk) -> None:
    one = desk.stand(S.COMPLETED, Topology.SEPARATE, {K.DEBIT: SENT, K.PAY: SENT})
    approvals.approve(desk.limbani, approvals.propose_reversal(desk.thoko, one, REASON))
    assert desk.bench.stage(one) is S.REVERSAL_REQUESTED


def test_a_reason_is_needed_and_the_right_to_propose(desk: Desk) -> None:
    one = desk.stand(S.COMPLETED, Topology.NONE, {K.PAY: SENT})
    for reason in (None, "", "no", "x" * 201):
        with pytest.raises(BadInput, match="A reason is needed"):
            approvals.propose_reversal(desk.thoko, one, reason)
    with pytest.raises(NotAllowed):
        approvals.propose_reversal(desk.grace, one, REASON)
    assert why_not(desk, "reverse", one, desk.grace) == "It is proposed by a manager, and decided by another one."


# ---- Waive


def test_a_payment_under_review_holds_its_account_until_two_people_waive_it(desk: Desk) -> None:
    account = desk.bench.account()
    one = desk.bench.paid_to(S.REVIEW, account)
    with pytest.raises(AlreadyInFlight):
        desk.bench.pay(account, "700.00")
    proposed = approvals.propose_waiver(desk.thoko, one, "The customer's water is cut off today.")
    with pytest.raises(AlreadyInFlight):
        desk.bench.pay(account, "700.00")
    approvals.approve(desk.limbani, proposed)
    assert (desk.bench.stage(one), desk.bench.find(one).in_flight_waived) == (S.REVIEW, True)
    other = desk.bench.pay(account, "700.00")
    desk.bench.answer(Outcome.CONFIRMED)
    assert desk.bench.stage(other) is S.COMPLETED
    assert why_not(desk, "waive", one) == "It is waived: other payments to this account are let go already."


def test_waived_for_one_payment_at_a_time(desk: Desk) -> None:
    account = desk.bench.account()
    one = desk.bench.paid_to(S.REVIEW, account)
    approvals.approve(desk.limbani, approvals.propose_waiver(desk.thoko, one, "The customer's water is cut off today."))
    desk.bench.pay(account, "700.00")
    with pytest.raises(AlreadyInFlight):
        desk.bench.pay(account, "800.00")


def test_only_what_is_under_review_is_waived(desk: Desk) -> None:
    for stage in (S.PAY_UNKNOWN, S.COMPLETED, S.REVIEW_REVERSAL):
        with pytest.raises(NotLegalNow, match="Only a payment under review can be waived"):
            approvals.propose_waiver(desk.thoko, desk.stand(stage, Topology.NONE, {K.PAY: SENT}), "A reason of some length.")


def test_a_waiver_of_what_was_resolved_meanwhile_is_not_approved(desk: Desk) -> None:
    one = desk.bench.paid_to(S.REVIEW)
    waiver = approvals.propose_waiver(desk.thoko, one, "The customer's water is cut off today.")
    approvals.approve(desk.limbani, approvals.propose_resolution(desk.thoko, one, "BILLER_HAS_IT_NOT", "Not on the statement of 24 Nov."))
    with pytest.raises(ChangedSince):
        approvals.approve(desk.limbani, waiver)
    assert not desk.bench.find(one).in_flight_waived


# ---- What is offered


def test_every_act_is_offered_or_off_with_its_reason(desk: Desk) -> None:
    one = desk.bench.paid_to(S.REVIEW)
    offered = {action.name: action.why_not for action in payments.actions(desk.thoko, desk.bench.find(one), retried=False)}
    assert list(offered) == ["retry", "cancel", "check", "resolve", "reverse", "waive"]
    assert [name for name, reason in offered.items() if reason is None] == ["resolve", "waive"]
    assert all(reason for name, reason in offered.items() if name not in ("resolve", "waive"))


def test_the_overview_tells_what_waits_first_what_ends_first_and_what_was_decided(desk: Desk) -> None:
    before = {seen.proposal.id for seen in approvals.overview(desk.thoko).waiting}
    one = desk.bench.paid_to(S.COMPLETED)
    slow = approvals.propose_reversal(desk.thoko, one, REASON)
    quick = desk.open(desk.pay()).id
    seen = approvals.overview(desk.limbani)
    assert [one.proposal.id for one in seen.waiting if one.proposal.id not in before] == [quick, slow]
    told = next(one for one in seen.waiting if one.proposal.id == slow)
    assert (told.by, told.why_no_approval, told.transaction.id) == (desk.thoko.display_name, None, one)
    approvals.reject(desk.limbani, slow, "It was the right account.")
    latest = approvals.overview(desk.thoko).decided[0]
    assert (latest.proposal.id, latest.decided_by, latest.why_not) == (slow, desk.limbani.display_name, "It was decided.")


def test_the_system_itself_proposes_nothing_and_approves_nothing_of_a_person(desk: Desk) -> None:
    """Whoever runs the machine holds every right: a proposal wants a person all the same."""
    one = desk.open(desk.pay()).id
    with pytest.raises(OneOfTheTwo, match="A person decides"):
        approvals.approve(SYSTEM, one)
