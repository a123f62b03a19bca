"""H01 to H12: people. They click twice, pay side by side, change their minds, and change the configuration meanwhile."""

import uuid
from collections.abc import Sequence

import pytest

from core.errors import BadInput, BillersError, NotLegalNow
from core.money import Money
from core.services import approvals, drafts, lookups, payments
from core.services.approvals import ChangedSince, OneOfTheTwo
from core.services.payments import AlreadyInFlight, DuplicateSuspected, InvoiceTaken, Submitted
from core.services.resolutions import Choice
from core.states import Stage
from tests.campaign.harness import gather, until
from tests.matrix.road import Road
from tests.matrix.town import LWB, MASM, REGISTRAR, SRWB, TNM, Bill, Town, new_account


@pytest.fixture(scope="module", autouse=True)
def worker(shared_town: Town) -> None:
    shared_town.start_worker()


def all_paid_once(town: Town, *paid: uuid.UUID) -> None:
    town.watch(*paid)
    for one in paid:
        town.expect(one, Stage.COMPLETED, effects=1)
    town.judge().assert_all_well()


def made(answers: Sequence[Submitted | BillersError]) -> list[Submitted]:
    return [answer for answer in answers if isinstance(answer, Submitted)]


# ---- Clicking


def test_h01_a_double_click_enter_held_and_f5_are_one_payment(town: Town) -> None:
    (draft,) = town.draft_all([Bill(LWB, new_account())])
    answers = gather([lambda: payments.submit(town.operator, draft)] * 10)
    # F5 long after: the same draft once more.
    again = payments.submit(town.operator, draft)
    assert again.already
    assert {one.transaction_id for one in made(answers)} == {again.transaction_id}
    assert len(made(answers)) == 10
    assert [one.already for one in made(answers)].count(False) == 1
    assert town.value("SELECT count(*) FROM transactions WHERE draft_id = %s", draft) == 1
    all_paid_once(town, again.transaction_id)


def test_h01_going_back_and_paying_again_is_asked_about_first(town: Town) -> None:
    account = new_account()
    (draft,) = town.draft_all([Bill(LWB, account)])
    first = town.submit(draft)
    # Back, and on to the review again: what was shown stays what it was, and a copy of it is another payment.
    copy = drafts.save(town.operator, draft, {"step": "review"})
    assert copy.id != draft
    second = drafts.freeze(town.operator, copy.id).draft.id
    with pytest.raises(BillersError) as refused:
        payments.submit(town.operator, second)
    assert isinstance(refused.value, AlreadyInFlight | DuplicateSuspected)
    all_paid_once(town, first)
    with pytest.raises(DuplicateSuspected):
        payments.submit(town.operator, second)


def test_h02_two_tabs_on_one_draft_are_one_payment(town: Town) -> None:
    (draft,) = town.draft_all([Bill(MASM, new_account(MASM))])
    shown = [drafts.find(town.operator, draft).id for _ in range(2)]
    answers = gather([lambda tab=tab: payments.submit(town.operator, tab) for tab in shown])
    assert len({one.transaction_id for one in made(answers)}) == 1
    all_paid_once(town, made(answers)[0].transaction_id)


def test_h02_two_drafts_for_one_bill_at_once_are_one_payment(town: Town) -> None:
    bill = Bill(LWB, new_account())
    both = town.draft_all([bill, bill])
    answers = gather([lambda draft=draft: payments.submit(town.operator, draft) for draft in both])
    assert len(made(answers)) == 1
    (refused,) = [answer for answer in answers if isinstance(answer, BillersError)]
    assert isinstance(refused, AlreadyInFlight | DuplicateSuspected)
    all_paid_once(town, made(answers)[0].transaction_id)


def test_h02_two_drafts_for_one_invoice_are_one_payment_whatever_the_reason(town: Town) -> None:
    bill = Bill(REGISTRAR, new_account(REGISTRAR))
    both = town.draft_all([bill, bill])
    answers = gather([lambda draft=draft: payments.submit(town.operator, draft, "It is meant.") for draft in both])
    (refused,) = [answer for answer in answers if isinstance(answer, BillersError)]
    assert isinstance(refused, InvoiceTaken)
    all_paid_once(town, made(answers)[0].transaction_id)


@pytest.mark.parametrize("biller", [LWB, SRWB, TNM])
def test_h03_two_operators_who_pay_the_same_account_and_amount_see_each_other(town: Town, biller: str) -> None:
    colleague = town.add_person("operator")
    bill = Bill(biller, new_account(biller))
    (mine,), (theirs,) = town.draft_all([bill]), town.draft_all([bill], colleague)
    answers = gather([lambda: payments.submit(town.operator, mine), lambda: payments.submit(colleague, theirs)])
    assert len(made(answers)) == 1
    (refused,) = [answer for answer in answers if isinstance(answer, BillersError)]
    assert isinstance(refused, AlreadyInFlight | DuplicateSuspected)
    assert refused.earlier.id == made(answers)[0].transaction_id
    all_paid_once(town, made(answers)[0].transaction_id)


# ---- Retry and cancel


def test_h04_retry_of_what_may_have_been_paid_is_refused_to_a_direct_call(town: Town) -> None:
    account = new_account()
    town.sandbox.next("act_then_hang", account=account)
    paid = town.pay_bill(LWB, account)
    town.watch(paid, stages=frozenset({Stage.PAY_SENDING, Stage.PAY_UNKNOWN}))
    for actor in (town.operator, town.manager):
        with pytest.raises(NotLegalNow, match="can only be asked about until that is certain"):
            payments.retry(actor, paid, "The customer is waiting.")
    all_paid_once(town, paid)
    with pytest.raises(NotLegalNow, match="It is paid"):
        payments.retry(town.manager, paid, "The customer is waiting.")


def test_h05_two_retries_at_once_are_one_new_payment(town: Town) -> None:
    with_retry = [town.operator, town.add_person("operator"), town.manager]
    first = town.pay_bill(SRWB, "10020004")
    town.watch(first)
    town.expect(first, Stage.FAILED, effects=0)
    answers = gather([lambda actor=actor: payments.retry(actor, first, "Once more.") for actor in with_retry * 2])
    children = {one.transaction_id for one in made(answers)}
    assert len(children) == 1
    assert town.value("SELECT count(*) FROM transactions WHERE retry_of = %s", first) == 1
    (child,) = children
    town.watch(child)
    # The account refuses, as it did before.
    town.expect(child, Stage.FAILED, effects=0)
    town.judge().assert_all_well()


def test_h05_two_retries_of_a_cancelled_payment_pay_it_once(town: Town) -> None:
    with town.held_back(SRWB):
        first = town.pay_bill(SRWB)
        payments.cancel(town.operator, first)
    answers = gather([lambda actor=actor: payments.retry(actor, first) for actor in [town.operator, town.manager] * 3])
    (child,) = {one.transaction_id for one in made(answers)}
    assert len(made(answers)) == 6
    all_paid_once(town, child)
    town.expect(first, Stage.CANCELLED, effects=0)


def test_h06_a_cancel_that_races_the_claim_stops_it_or_does_not(town: Town) -> None:
    """Whoever is first has it. Told as cancelled, it was not sent; refused, it is paid."""
    waiting = town.draft_all([Bill(SRWB, new_account(SRWB)) for _ in range(12)])
    ends: dict[uuid.UUID, bool] = {}
    for number, draft in enumerate(waiting):
        paid = town.submit(draft)
        if number % 3 == 0:
            until(lambda paid=paid: town.stage(paid) is not Stage.QUEUED, "the worker was quicker")
        try:
            payments.cancel(town.operator, paid)
        except NotLegalNow:
            ends[paid] = False
        else:
            ends[paid] = True
    assert set(ends.values()) == {True, False}, "both were first at times, or this test shows nothing"
    town.watch(*ends)
    for paid, cancelled in ends.items():
        town.expect(paid, Stage.CANCELLED if cancelled else Stage.COMPLETED, effects=0 if cancelled else 1)
        assert town.arrived(paid) == (0 if cancelled else 1)
    town.judge().assert_all_well()


# ---- What was shown is what is paid


def waiting_proposal(town: Town, paid: uuid.UUID) -> uuid.UUID:
    assert town.stage(paid) is Stage.AWAITING_APPROVAL
    return uuid.UUID(str(town.value("SELECT id FROM proposals WHERE transaction_id = %s AND decision = 'open'", paid)))


def test_h07_above_the_limit_nobody_pays_alone(town: Town) -> None:
    """Nor is a retry a way around it. What another person approves is paid once, by the worker."""
    mine = town.draft_all([Bill(LWB, new_account(), "500000.01")], town.manager)[0]
    paid = town.submit(mine, town.manager)
    other = town.add_person("manager")
    proposal = waiting_proposal(town, paid)
    with pytest.raises(OneOfTheTwo, match="You proposed it"):
        approvals.approve(town.manager, proposal)
    assert town.arrived(paid) == 0
    answers = gather([lambda actor=actor: approvals.approve(actor, proposal) for actor in [other, town.add_person("manager")] * 2])
    assert len([answer for answer in answers if answer is None]) == 1
    with town.held_back(SRWB):
        cancelled = town.pay_bill(SRWB, amount="400000.00")
        payments.cancel(town.operator, cancelled)
    rules = town.value("SELECT validation_rules FROM biller_configs WHERE biller_type = %s", SRWB)
    town.open(SRWB, validation_rules={**rules, "second_person_above": "300000.00"})
    again = payments.retry(town.manager, cancelled).transaction_id
    approvals.reject(other, waiting_proposal(town, again), "It was cancelled for a reason.")
    town.open(SRWB, validation_rules=rules)
    town.expect(again, Stage.CANCELLED, effects=0)
    assert town.arrived(again) == 0
    all_paid_once(town, paid)


def test_h07_an_amount_changed_after_it_was_shown_for_approval_is_not_paid(town: Town) -> None:
    paid = town.pay_bill(LWB, amount="500000.01")
    proposal = waiting_proposal(town, paid)

    def change(amount: str) -> None:
        with town.connect() as connection:
            connection.execute("ALTER TABLE transactions DISABLE TRIGGER USER")
            connection.execute("UPDATE transactions SET amount = %s WHERE id = %s", [amount, paid])
            connection.execute("ALTER TABLE transactions ENABLE TRIGGER USER")

    change("900000.00")
    with pytest.raises(ChangedSince):
        approvals.approve(town.manager, proposal)
    assert town.arrived(paid) == 0
    change("500000.01")
    approvals.reject(town.manager, proposal, "Somebody has changed it meanwhile.")
    town.expect(paid, Stage.CANCELLED, effects=0)
    town.judge().assert_all_well()


def test_h07_an_amount_changed_after_it_was_looked_through_is_not_paid(town: Town) -> None:
    (draft,) = town.draft_all([Bill(LWB, new_account())])
    with town.connect() as connection:
        connection.execute("ALTER TABLE drafts DISABLE TRIGGER USER")
        connection.execute("UPDATE drafts SET payload = jsonb_set(payload, '{amount}', '\"9999.00\"') WHERE id = %s", [draft])
        connection.execute("ALTER TABLE drafts ENABLE TRIGGER USER")
    with pytest.raises(BadInput, match="Look the payment through on the review step"):
        payments.submit(town.operator, draft)
    assert town.value("SELECT count(*) FROM transactions WHERE draft_id = %s", draft) == 0
    town.judge().assert_all_well()


def request_of(town: Town, paid: uuid.UUID) -> str:
    """What the biller was told, as the transaction's page shows it."""
    return str(town.value("SELECT n.request::text FROM answers n JOIN attempts a ON a.id = n.attempt_id WHERE n.transaction_id = %s AND a.verb = 'pay'", paid))


def test_h08_what_was_reviewed_is_paid_though_the_name_is_another_by_then(town: Town) -> None:
    """The name belongs to what was confirmed. Whoever looks again sees the new one, in a draft of its own."""
    bill = Bill(LWB, new_account())
    (draft,) = town.draft_all([bill])
    shown = (drafts.find(town.operator, draft).payload or {})["customer_name"]
    way = Road(town.sandbox.port, change=lambda reply: reply.replace(shown.encode(), b"X" * len(shown)))
    try:
        town.open(LWB, base_url=town.address_of(LWB, way.port))
        (later,) = town.draft_all([bill])
        assert (drafts.find(town.operator, later).payload or {})["customer_name"] == "X" * len(shown)
        paid = town.submit(draft)
        town.watch(paid)
    finally:
        way.close()
        town.open(LWB)
    assert town.find(paid).customer_account_name == shown
    assert shown in request_of(town, paid)
    all_paid_once(town, paid)


def test_h09_a_payment_goes_by_the_configuration_it_was_drafted_under(town: Town) -> None:
    ways = [Road(town.sandbox.port), Road(town.sandbox.port)]
    try:
        old = town.open(SRWB, base_url=town.address_of(SRWB, ways[0].port), concurrency=6)
        with town.held_back(SRWB):
            first = town.pay_bill(SRWB)
            seen = ways[0].travelled
            new = town.open(SRWB, base_url=town.address_of(SRWB, ways[1].port), concurrency=6)
        second = town.pay_bill(SRWB)
        town.watch(first, second)
    finally:
        for way in ways:
            way.close()
        town.open(SRWB)
    versions = "SELECT DISTINCT config_version FROM attempts WHERE transaction_id = %s"
    assert (town.rows(versions, first), town.rows(versions, second)) == ([(old,)], [(new,)])
    assert (ways[0].travelled, ways[1].travelled) == (seen + 1, 2)
    all_paid_once(town, first, second)


def test_h10_a_biller_that_is_switched_off_fails_what_was_not_sent_and_asks_about_the_rest(town: Town) -> None:
    doubtful = new_account()
    town.sandbox.next("act_then_hang", account=doubtful)
    (draft,) = town.draft_all([Bill(LWB, new_account())])
    in_doubt = town.pay_bill(LWB, doubtful)
    until(lambda: town.arrived(in_doubt), "the biller has it")
    with town.held_back(LWB):
        waiting = [town.submit(copy) for copy in town.copies_of(draft, 50)]
        town.set_row(LWB, is_active=False)
    try:
        town.watch(in_doubt, *waiting)
    finally:
        town.set_row(LWB, is_active=True)
    assert {(town.find(one).stage, town.find(one).error_code) for one in waiting} == {("FAILED", "deactivated")}
    assert [town.arrived(one) for one in waiting] == [0] * 50
    all_paid_once(town, in_doubt)


NO_AMOUNTS = (
    "0",
    "0.00",
    "-5",
    "-0.01",
    "1e9",
    "1000000000",
    "10.005",
    "٥٠٠",
    "NaN",
    "Infinity",
    "1e-7",
    "",
    "   ",
    "5\u200b00",
    "\u200b",
    "1,00",
    "0x10",
    "5 000",
    "5.000,00",
)


def test_h11_what_is_no_amount_is_refused_with_what_to_type_instead(town: Town) -> None:
    (form,) = town.ask_all([Bill(LWB, new_account())])
    before = town.value("SELECT count(*) FROM transactions")
    for typed in NO_AMOUNTS:
        with pytest.raises(BadInput) as refused:
            town.freeze({**form, "amount": typed})
        assert refused.value.sentence.endswith("."), typed
        with pytest.raises(BadInput):
            lookups.ask_invoice(town.operator, "SRWB_PREPAID", "37000000004", typed)
    assert town.value("SELECT count(*) FROM transactions") == before
    town.judge().assert_all_well()


@pytest.mark.parametrize(("typed", "booked"), [("1,000", "1000.00"), (" 1000.5 ", "1000.50"), ("123,456.78", "123456.78")])
def test_h11_an_amount_in_a_usual_spelling_is_paid_as_it_was_meant(town: Town, typed: str, booked: str) -> None:
    paid = town.pay_bill(MASM, amount=typed)
    town.watch(paid)
    assert Money(town.find(paid).amount).text == booked
    assert [line["amount"] for line in town.booked(paid)] == [booked]
    all_paid_once(town, paid)


# ---- A person who was wrong


def test_h12_a_wrong_resolution_is_contradicted_and_not_changed(own_town: Town) -> None:
    """Nobody can ask TNM. Two people decide that a purchase was not made; then the worker that had the answer wakes up."""
    town = own_town
    first = town.start_worker()
    number = new_account(TNM)
    town.sandbox.next("slow", "recharge", biller=TNM, account=number, seconds=0.5)
    paid = town.pay_bill(TNM, number)
    town.freeze_with_the_answer_in_hand(first, paid)
    town.start_worker()
    town.watch(paid, stages=frozenset({Stage.REVIEW}))
    proposal = approvals.propose_resolution(town.manager, paid, Choice.BILLER_HAS_IT_NOT, "Statement of today: no line with this reference.")
    with pytest.raises(OneOfTheTwo):
        approvals.approve(town.manager, proposal)
    approvals.approve(town.add_person("manager"), proposal)
    told = town.stages(paid)
    first.thaw()
    until(lambda: town.acts("transaction.contradicted", paid), "the late answer is written down against it")
    town.expect(paid, Stage.FAILED, effects=1, sends=1)
    assert town.stages(paid) == told
    assert town.rows("SELECT outcome, in_time FROM answers WHERE transaction_id = %s", paid) == [("CONFIRMED", False)]
    report = town.judge()
    assert (report.double, report.lost) == ([], [])
    assert town.rows("SELECT leg, kind, closed_at FROM breaks WHERE transaction_id = %s", paid) == [("PAY", "LATE_SUCCESS", None)]
    (wrong,) = report.wrong
    assert "is told as unpaid, and the biller has it 1 times" in wrong
