"""What two people may say became of a payment, by what is in doubt: each choice goes where the table says, and nothing else is taken."""

import uuid
from datetime import timedelta
from typing import Any, Literal

import pytest

from core.errors import BadInput, BillersError, NotAllowed, NotLegalNow
from core.services import approvals, settlement
from core.services.approvals import ChangedSince, OneOfTheTwo
from core.services.resolutions import WAYS, Choice
from core.services.sweeps import settle_lost_leases
from core.states import PAYMENT_PLACES, LegKind, Stage, Topology
from core.wire.contract import Outcome
from tests.approvals.conftest import Desk

S, C, K = Stage, Choice, LegKind
NONE, SEPARATE, COMPOSITE = Topology.NONE, Topology.SEPARATE, Topology.COMPOSITE
EVIDENCE = "Statement of 24 Nov, line 17: MWK 5,475.50"
NUMBER = "LWB-2026-0017"

SENT: dict[str, Any] = {"sends": 1}
DOUBT: dict[str, Any] = {"sends": 1, "tainted": True}
DEBITED: dict[str, Any] = {"sends": 1, "external_id": "FT26001"}

# What stands under review: its stage, topology, legs, and where it stood before.
UNDER_REVIEW: dict[str, tuple[Stage, Topology, dict[LegKind, dict[str, Any]], tuple[Stage, ...]]] = {
    "pay": (S.REVIEW, NONE, {K.PAY: DOUBT}, ()),
    "pay by the bank's bus": (S.REVIEW, COMPOSITE, {K.PAY: DOUBT}, ()),
    "debit": (S.REVIEW, SEPARATE, {K.DEBIT: DOUBT}, ()),
    "debit without its number": (S.REVIEW, SEPARATE, {K.DEBIT: SENT}, (S.DEBITED,)),
    "pay after debit": (S.REVIEW, SEPARATE, {K.DEBIT: DEBITED, K.PAY: DOUBT}, (S.DEBITED,)),
    "refused, and the debit without its number": (S.REVIEW, SEPARATE, {K.DEBIT: SENT, K.PAY: SENT}, (S.DEBITED, S.PAY_REJECTED)),
    "reversal": (S.REVIEW, SEPARATE, {K.DEBIT: DEBITED, K.PAY: SENT, K.REVERSAL: DOUBT}, (S.DEBITED, S.PAY_REJECTED)),
    "pay reversal": (S.REVIEW_REVERSAL, NONE, {K.PAY: SENT, K.PAY_REVERSAL: DOUBT}, (S.COMPLETED,)),
    "pay reversal by the bank's bus": (S.REVIEW_REVERSAL, COMPOSITE, {K.PAY: SENT, K.PAY_REVERSAL: DOUBT}, (S.COMPLETED,)),
    "pay reversal after debit": (S.REVIEW_REVERSAL, SEPARATE, {K.DEBIT: DEBITED, K.PAY: SENT, K.PAY_REVERSAL: DOUBT}, (S.DEBITED, S.COMPLETED)),
    "refund": (S.REVIEW_REVERSAL, SEPARATE, {K.DEBIT: DEBITED, K.PAY: SENT, K.PAY_REVERSAL: SENT, K.REFUND: DOUBT}, (S.DEBITED, S.COMPLETED)),
}

# When it is looked at next. Later: people may be wrong, so that the biller is asked twice more about what ended as not paid.
When = Literal["now", "later", "never"]
NOW: When = "now"
LATER: When = "later"
NEVER: When = "never"

# What may be said of each: where the payment then stands, when it is looked at, and what is known of which leg (tainted, number).
TABLE: dict[str, dict[Choice, tuple[Stage, When, dict[LegKind, tuple[bool, str | None]]]]] = {
    "pay": {
        C.BILLER_HAS_IT: (S.COMPLETED, NEVER, {K.PAY: (False, NUMBER)}),
        C.BILLER_HAS_IT_NOT: (S.FAILED, LATER, {K.PAY: (False, None)}),
        C.ASK_AGAIN: (S.PAY_UNKNOWN, NOW, {K.PAY: (True, None)}),
    },
    "pay by the bank's bus": {
        C.BILLER_HAS_IT: (S.COMPLETED, NEVER, {K.PAY: (False, NUMBER)}),
        C.BILLER_HAS_IT_NOT: (S.FAILED, LATER, {K.PAY: (False, None)}),
        C.ASK_AGAIN: (S.PAY_UNKNOWN, NOW, {K.PAY: (True, None)}),
    },
    "debit": {
        C.DEBITED_GO_ON: (S.DEBITED, NOW, {K.DEBIT: (False, NUMBER), K.PAY: (False, None)}),
        C.GIVEN_BACK: (S.REVERSED, NEVER, {K.DEBIT: (False, None)}),
        C.NO_MONEY_MOVED: (S.FAILED, NEVER, {K.DEBIT: (False, None)}),
        C.ASK_AGAIN: (S.DEBIT_UNKNOWN, NOW, {K.DEBIT: (True, None)}),
    },
    # It was debited, so that it cannot be said that no money moved.
    "debit without its number": {
        C.DEBITED_GO_ON: (S.DEBITED, NOW, {K.DEBIT: (False, NUMBER)}),
        C.GIVEN_BACK: (S.REVERSED, NEVER, {K.DEBIT: (False, None)}),
        C.ASK_AGAIN: (S.DEBIT_UNKNOWN, NOW, {K.DEBIT: (True, None)}),
    },
    # The debit stands: FAILED, which says that no money moved, is not among these.
    "pay after debit": {
        C.BILLER_HAS_IT: (S.COMPLETED, NEVER, {K.PAY: (False, NUMBER), K.DEBIT: (False, "FT26001")}),
        C.BILLER_HAS_IT_NOT: (S.PAY_REJECTED, NOW, {K.PAY: (False, None), K.DEBIT: (False, NUMBER)}),
        C.ASK_AGAIN: (S.PAY_UNKNOWN, NOW, {K.PAY: (True, None)}),
    },
    "refused, and the debit without its number": {
        C.BILLER_HAS_IT: (S.COMPLETED, NEVER, {K.PAY: (False, NUMBER)}),
        C.BILLER_HAS_IT_NOT: (S.PAY_REJECTED, NOW, {K.PAY: (False, None), K.DEBIT: (False, NUMBER)}),
        C.GIVEN_BACK: (S.REVERSED, LATER, {K.PAY: (False, None)}),
        C.ASK_AGAIN: (S.PAY_UNKNOWN, NOW, {K.PAY: (True, None)}),
    },
    "reversal": {
        C.GIVEN_BACK: (S.REVERSED, LATER, {K.REVERSAL: (False, None)}),
        C.BILLER_HAS_IT: (S.COMPLETED, NEVER, {K.REVERSAL: (False, None), K.PAY: (False, NUMBER)}),
        C.ASK_AGAIN: (S.REVERSAL_UNKNOWN, NOW, {K.REVERSAL: (True, None)}),
    },
    "pay reversal": {
        C.BILLER_GAVE_BACK: (S.REVERSED, NEVER, {K.PAY_REVERSAL: (False, None)}),
        C.BILLER_KEEPS_IT: (S.COMPLETED, NEVER, {K.PAY_REVERSAL: (False, None)}),
        C.ASK_AGAIN: (S.PAY_REVERSAL_UNKNOWN, NOW, {K.PAY_REVERSAL: (True, None)}),
    },
    "pay reversal by the bank's bus": {
        C.BILLER_GAVE_BACK: (S.REVERSED, NEVER, {K.PAY_REVERSAL: (False, None)}),
        C.BILLER_KEEPS_IT: (S.COMPLETED, NEVER, {K.PAY_REVERSAL: (False, None)}),
        C.ASK_AGAIN: (S.PAY_REVERSAL_UNKNOWN, NOW, {K.PAY_REVERSAL: (True, None)}),
    },
    "pay reversal after debit": {
        C.BILLER_GAVE_BACK: (S.REFUND_SENDING, NOW, {K.PAY_REVERSAL: (False, None), K.REFUND: (False, None)}),
        C.BILLER_KEEPS_IT: (S.COMPLETED, NEVER, {K.PAY_REVERSAL: (False, None)}),
        C.ASK_AGAIN: (S.PAY_REVERSAL_UNKNOWN, NOW, {K.PAY_REVERSAL: (True, None)}),
    },
    "refund": {
        C.CREDITED: (S.REVERSED, NEVER, {K.REFUND: (False, None)}),
        C.NOT_CREDITED: (S.REFUND_SENDING, NOW, {K.REFUND: (False, None)}),
        C.ASK_AGAIN: (S.REFUND_UNKNOWN, NOW, {K.REFUND: (True, None)}),
    },
}


def under_review(desk: Desk, what: str) -> uuid.UUID:
    stage, topology, legs, passed = UNDER_REVIEW[what]
    return desk.stand(stage, topology, legs, passed)


def resolve(desk: Desk, one: uuid.UUID, choice: str, number: str | None = NUMBER, evidence: str = EVIDENCE) -> uuid.UUID:
    """Thoko proposes, Limbani approves."""
    proposed = approvals.propose_resolution(desk.thoko, one, choice, evidence, number)
    approvals.approve(desk.limbani, proposed)
    return proposed


@pytest.mark.usefixtures("core_banking_on")
@pytest.mark.parametrize("what", TABLE)
def test_exactly_these_choices_are_offered_and_any_other_is_refused(desk: Desk, what: str) -> None:
    one = under_review(desk, what)
    assert {way.choice for way, _ in approvals.ways(desk.thoko, one)} == set(TABLE[what])
    for other in set(Choice) - set(TABLE[what]):
        with pytest.raises(NotLegalNow, match="cannot be said of the payment as it stands"):
            approvals.propose_resolution(desk.thoko, one, other, EVIDENCE, NUMBER)


@pytest.mark.usefixtures("core_banking_on")
@pytest.mark.parametrize(("what", "choice"), [(what, choice) for what, choices in TABLE.items() for choice in choices])
def test_two_people_say_what_became_of_it(desk: Desk, what: str, choice: Choice) -> None:
    one = under_review(desk, what)
    to, when, known = TABLE[what][choice]
    proposed = approvals.propose_resolution(desk.thoko, one, choice, EVIDENCE, NUMBER)
    assert desk.bench.stage(one) is UNDER_REVIEW[what][0]
    approvals.approve(desk.limbani, proposed)
    row = desk.bench.find(one)
    assert Stage(row.stage) is to
    assert ("never" if row.next_action_at is None else "now" if row.next_action_at <= row.updated_at else "later") == when
    legs = desk.legs(one)
    assert {kind: (legs[kind][0], legs[kind][2]) for kind in known} == known
    ((by, reason, facts),) = desk.bench.sql("SELECT actor_name, reason, facts FROM events WHERE transaction_id = %s ORDER BY seq DESC LIMIT 1", one)
    assert (by, facts["choice"], facts["proposal"]) == (desk.limbani.display_name, choice, str(proposed))
    assert reason.startswith("Resolved by two people: ")
    assert desk.written(one) == ["proposal.made", "proposal.approved"]


def test_every_choice_of_the_table_is_tried_here_and_every_path_is_a_way_of_the_stages() -> None:
    tried = {(K.REFUND if what == "refund" else leg, choice) for what, choices in TABLE.items() for choice in choices for leg in [leg_of(what)]}
    assert tried == {(leg, way.choice) for leg, ways in WAYS.items() for way in ways}
    for leg, ways in WAYS.items():
        for way in ways:
            stage = S.REVIEW_REVERSAL if leg in (K.PAY_REVERSAL, K.REFUND) else S.REVIEW
            for to in way.path:
                assert to in PAYMENT_PLACES[stage].leaves_to, (leg, way.choice)
                stage = to


def leg_of(what: str) -> LegKind:
    """The last that anything was sent of."""
    stage, _, legs, _ = UNDER_REVIEW[what]
    order = (K.REFUND, K.PAY_REVERSAL) if stage is S.REVIEW_REVERSAL else (K.REVERSAL, K.PAY, K.DEBIT)
    return next(kind for kind in order if kind in legs)


def test_every_end_of_reviewing_can_be_reached() -> None:
    for stage, legs in ((S.REVIEW, (K.PAY, K.DEBIT, K.REVERSAL)), (S.REVIEW_REVERSAL, (K.PAY_REVERSAL, K.REFUND))):
        assert {way.path[0] for leg in legs for way in WAYS[leg]} | {S.FAILED} == PAYMENT_PLACES[stage].leaves_to | {S.FAILED}


def test_where_nobody_can_be_asked_that_is_not_offered(desk: Desk) -> None:
    """Core banking is off here, and this biller's configuration takes its inquiry away."""
    for what in ("debit", "reversal", "refund"):
        assert C.ASK_AGAIN not in {way.choice for way, _ in approvals.ways(desk.thoko, under_review(desk, what))}
    desk.bench.configure(features={"status": False, "reverse": False})
    try:
        for what in ("pay", "pay reversal"):
            assert C.ASK_AGAIN not in {way.choice for way, _ in approvals.ways(desk.thoko, under_review(desk, what))}
    finally:
        desk.bench.configure(features={})


# ---- Evidence


@pytest.mark.parametrize("what", ["pay", "pay after debit", "reversal"])
def test_completed_by_people_needs_the_billers_own_reference(desk: Desk, what: str) -> None:
    one = under_review(desk, what)
    for number in (None, "", "  "):
        with pytest.raises(BadInput, match="Lilongwe Water Board's own reference of the payment"):
            approvals.propose_resolution(desk.thoko, one, C.BILLER_HAS_IT, EVIDENCE, number)
    resolve(desk, one, C.BILLER_HAS_IT)
    assert desk.bench.find(one).external_transaction_id == NUMBER


def test_a_debit_is_found_again_by_core_bankings_number(desk: Desk) -> None:
    one = under_review(desk, "debit")
    with pytest.raises(BadInput, match="core banking's number of the debit"):
        approvals.propose_resolution(desk.thoko, one, C.DEBITED_GO_ON, EVIDENCE)
    one = under_review(desk, "refused, and the debit without its number")
    with pytest.raises(BadInput, match="core banking's number of the debit"):
        approvals.propose_resolution(desk.thoko, one, C.BILLER_HAS_IT_NOT, EVIDENCE)
    # Where it is known already nobody types it anew.
    one = under_review(desk, "pay after debit")
    resolve(desk, one, C.BILLER_HAS_IT_NOT, number=None)
    assert desk.legs(one)["DEBIT"] == (False, False, "FT26001")


@pytest.mark.parametrize("evidence", [None, "", "  ", "ok", "x" * 1_001])
def test_without_evidence_nothing_is_resolved(desk: Desk, evidence: str | None) -> None:
    one = under_review(desk, "pay")
    with pytest.raises(BadInput, match="The evidence"):
        approvals.propose_resolution(desk.thoko, one, C.BILLER_HAS_IT_NOT, evidence)
    assert approvals.about(desk.thoko, one) == []


def test_what_goes_on_is_given_time_anew(desk: Desk) -> None:
    one = under_review(desk, "debit")
    resolve(desk, one, C.DEBITED_GO_ON)
    ((left,),) = desk.bench.sql("SELECT extract(epoch FROM expires_at - now()) FROM transactions WHERE id = %s", one)
    assert 3_500 < left <= 3_600


# ---- Two people


def test_nobody_resolves_alone_nor_their_own_payment(desk: Desk) -> None:
    one = desk.stand(S.REVIEW, NONE, {K.PAY: DOUBT}, by=desk.limbani)
    proposed = approvals.propose_resolution(desk.thoko, one, C.BILLER_HAS_IT_NOT, EVIDENCE)
    with pytest.raises(OneOfTheTwo, match="You proposed it"):
        approvals.approve(desk.thoko, proposed)
    with pytest.raises(OneOfTheTwo, match="It is your own payment"):
        approvals.approve(desk.limbani, proposed)
    with pytest.raises(NotAllowed):
        approvals.propose_resolution(desk.grace, one, C.BILLER_HAS_IT_NOT, EVIDENCE)
    assert desk.bench.stage(one) is S.REVIEW
    approvals.approve(desk.bench.manager, proposed)
    assert desk.bench.stage(one) is S.FAILED


def test_one_proposal_of_a_kind_waits_at_a_time(desk: Desk) -> None:
    one = under_review(desk, "pay")
    first = approvals.propose_resolution(desk.thoko, one, C.BILLER_HAS_IT_NOT, EVIDENCE)
    with pytest.raises(NotLegalNow, match="It was proposed already"):
        approvals.propose_resolution(desk.limbani, one, C.BILLER_HAS_IT, EVIDENCE, NUMBER)
    approvals.withdraw(desk.thoko, first)
    assert desk.bench.stage(one) is S.REVIEW
    approvals.propose_resolution(desk.limbani, one, C.BILLER_HAS_IT, EVIDENCE, NUMBER)


def test_rejected_or_out_of_time_it_stays_under_review(desk: Desk) -> None:
    one = under_review(desk, "pay")
    first = approvals.propose_resolution(desk.thoko, one, C.BILLER_HAS_IT_NOT, EVIDENCE)
    approvals.reject(desk.limbani, first, "That is another line.")
    second = approvals.propose_resolution(desk.thoko, one, C.BILLER_HAS_IT_NOT, EVIDENCE)
    desk.let_it_run_out(second)
    assert approvals.expire_old() == 1
    assert desk.bench.stage(one) is S.REVIEW
    assert [seen.proposal.decision for seen in approvals.about(desk.thoko, one)] == ["rejected", "expired"]


def test_only_what_is_under_review_is_resolved(desk: Desk) -> None:
    for stage in (S.QUEUED, S.PAY_UNKNOWN, S.COMPLETED, S.FAILED):
        one = desk.stand(stage, NONE, {K.PAY: SENT})
        with pytest.raises(NotLegalNow, match="It is not under review"):
            approvals.propose_resolution(desk.thoko, one, C.BILLER_HAS_IT_NOT, EVIDENCE)


# ---- H12


def test_h12_a_resolution_that_the_biller_contradicts_later_is_a_break_and_stays_what_it_was(desk: Desk) -> None:
    one = desk.bench.paid_to(S.REVIEW)
    resolve(desk, one, C.BILLER_HAS_IT_NOT, number=None)
    # People may be wrong: it is asked about once more by the clock.
    assert desk.bench.find(one).next_action_at is not None
    desk.bench.due(one)
    desk.bench.inquire(Outcome.CONFIRMED)
    assert desk.bench.stage(one) is S.FAILED
    assert desk.bench.sql("SELECT leg, kind FROM breaks WHERE transaction_id = %s", one) == [("PAY", "LATE_SUCCESS")]
    assert desk.written(one)[-1] == "transaction.contradicted"


def test_h12_so_it_is_where_the_answer_comes_by_itself(desk: Desk) -> None:
    one = desk.bench.pay()
    stopped = desk.bench.claim()
    desk.bench.let_lease_expire(one)
    assert settle_lost_leases() == 1
    desk.bench.age(one, timedelta(days=2))
    desk.bench.inquire(Outcome.UNKNOWN)
    assert desk.bench.stage(one) is S.REVIEW
    resolve(desk, one, C.BILLER_HAS_IT_NOT, number=None)
    settlement.conclude([desk.bench.result(stopped, Outcome.CONFIRMED)])
    assert desk.bench.stage(one) is S.FAILED
    assert desk.bench.sql("SELECT leg, kind FROM breaks WHERE transaction_id = %s", one) == [("PAY", "LATE_SUCCESS")]


def test_h12_new_evidence_between_proposal_and_approval_makes_the_approver_look_again(desk: Desk) -> None:
    one = desk.bench.paid_to(S.REVIEW)
    proposed = approvals.propose_resolution(desk.thoko, one, C.BILLER_HAS_IT_NOT, EVIDENCE)
    desk.bench.sql(
        "INSERT INTO answers (id, attempt_id, transaction_id, outcome, in_time) SELECT gen_random_uuid(), id, transaction_id, 'CONFIRMED', false"
        " FROM attempts WHERE transaction_id = %s LIMIT 1",
        one,
    )
    with pytest.raises(ChangedSince):
        approvals.approve(desk.limbani, proposed)
    assert desk.bench.stage(one) is S.REVIEW


def test_a_resolution_is_an_end_like_any_other(desk: Desk) -> None:
    """The real way in, and the real way out: the biller does not have it, and the bill may be paid again."""
    account = desk.bench.account()
    one = desk.bench.paid_to(S.REVIEW, account)
    with pytest.raises(BillersError):
        desk.bench.pay(account, reason="It is meant.")
    resolve(desk, one, C.BILLER_HAS_IT_NOT, number=None)
    row = desk.bench.find(one)
    assert (row.stage, row.error_code) == ("FAILED", "not_with_biller")
    again = desk.bench.pay(account)
    desk.bench.answer(Outcome.CONFIRMED)
    assert desk.bench.stage(again) is S.COMPLETED
