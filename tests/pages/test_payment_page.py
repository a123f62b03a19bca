"""The wizard, step by step and in each of its states. Whatever is pressed how often, a draft becomes one payment."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core.services import drafts, lookups, payments, transactions
from core.states import Stage
from core.wire.contract import Account, Outcome
from tests.pages.conftest import LWB, Till, button, labels, said
from tests.world import Database


def field(window: AppTest, label: str) -> Any:
    return next(one for one in window.text_input if one.label == label)


def made(database: Database) -> list[uuid.UUID]:
    with database.connect() as connection:
        return [row[0] for row in connection.execute("SELECT id FROM transactions WHERE amount IS NOT NULL ORDER BY created_at")]


# ---- 1 Biller and account


def test_an_account_is_looked_up_at_once_and_its_answer_moves_on_by_itself(till: Till) -> None:
    window = till.open("payment", biller=LWB)
    field(window, "Account number").set_value("70000001")
    button(window, "Look up").click().run()
    assert "Asking Lilongwe Water Board" in said(window)
    till.answer_lookups(Account(Outcome.CONFIRMED, "70000001", "Grace Banda", None, "ACTIVE"))
    window.run()
    assert field(window, "Amount in MWK").value == ""
    assert "Grace Banda" in said(window)


def test_without_an_answered_look_up_there_is_no_going_on(till: Till) -> None:
    asked = lookups.ask(till.actor, LWB, "70000001")
    till.answer_lookups(Account(Outcome.REJECTED, code="ACCOUNT_NOT_FOUND"))
    draft = drafts.begin(till.actor, {"biller": LWB, "account": "70000001", "lookup": str(asked), "step": "looking"})
    window = till.open("payment", draft=str(draft.id))
    assert "does not know this account" in said(window)
    assert not [label for label in labels(window) if label.startswith("Go on")]


def test_an_account_served_lately_is_one_click_away(till: Till) -> None:
    till.look_up("70000001")
    window = till.open("payment", biller=LWB)
    button(window, "**70000001**").click().run()
    assert drafts.find(till.actor, uuid.UUID(window.query_params["draft"])).form["account"] == "70000001"


def test_going_back_to_the_account_keeps_it_and_does_not_run_away_again(till: Till) -> None:
    window = till.open("payment", draft=str(till.ready_draft()))
    button(window, "Change the amount").click().run()
    button(window, "Another account").click().run()
    assert field(window, "Account number").value == "70000001"
    button(window, "Go on with this account").click().run()
    assert field(window, "Amount in MWK").value == "5475.50"


def test_somebody_elses_draft_is_not_shown(till: Till, sit_down: Callable[..., Till]) -> None:
    draft = sit_down(name="Chikondi").ready_draft()
    assert "somebody else's. Start a new payment." in said(till.open("payment", draft=str(draft)))


# ---- 2 Amount


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("", "Enter an amount"),
        ("5", "takes between MWK 100.00 and MWK 1,000,000.00"),
        ("10.005", "MWK has 2 decimals"),
        ("-5", "must be more than zero"),
        ("1e9", "Write the amount in figures"),
        ("٥٠٠", "not a plain digit"),
        ("1000001", "takes between MWK 100.00 and MWK 1,000,000.00"),
    ],
)
def test_a_wrong_amount_is_told_in_a_sentence_and_stays_in_the_field_even_after_a_reload(till: Till, typed: str, sentence: str) -> None:
    window = till.open("payment", draft=str(till.ready_draft(amount=typed)))
    assert sentence in said(window)
    assert field(window, "Amount in MWK").value == typed


def test_the_limits_are_told_before_anything_is_typed(till: Till) -> None:
    draft = drafts.save(till.actor, till.ready_draft(amount=""), {"step": "amount"})
    told = said(till.open("payment", draft=str(draft.id)))
    assert "takes MWK 100.00 to MWK 1,000,000.00. Above MWK 500,000.00 a second person is needed." in told


def test_the_whole_balance_is_one_click_away(till: Till) -> None:
    draft = drafts.save(till.actor, till.ready_draft(amount=""), {"step": "amount"})
    window = till.open("payment", draft=str(draft.id))
    button(window, "Pay the whole balance, MWK 5,475.50").click().run()
    assert "Five thousand four hundred and seventy-five kwacha and fifty tambala." in said(window)


def test_a_blocked_account_is_warned_about_before_it_is_paid(till: Till) -> None:
    draft = drafts.save(till.actor, till.ready_draft(state="BLOCKED"), {"step": "amount"})
    assert "this account is not active" in said(till.open("payment", draft=str(draft.id)))


# ---- 3 Review


def test_the_review_says_whom_how_much_in_figures_and_in_words(till: Till) -> None:
    window = till.open("payment", draft=str(till.ready_draft()))
    assert window.metric[0].value == "MWK 5,475.50"
    for words in ("Five thousand four hundred", "Grace Banda", "70000001", "Lilongwe Water Board"):
        assert words in said(window)
    assert button(window, "Pay MWK 5,475.50")


def test_changing_a_reviewed_amount_leaves_the_frozen_draft_as_it_was_shown(till: Till) -> None:
    frozen = till.ready_draft()
    window = till.open("payment", draft=str(frozen))
    button(window, "Change the amount").click().run()
    field(window, "Amount in MWK").set_value("200")
    button(window, "Review").click().run()
    assert window.metric[0].value == "MWK 200.00"
    assert window.query_params["draft"] != str(frozen)
    assert str(drafts.find(till.actor, frozen).amount) == "MWK 5,475.50"


def test_the_same_amount_again_is_shown_with_the_earlier_one_and_wants_a_reason(till: Till, database: Database) -> None:
    till.pay()
    till.answer(Outcome.CONFIRMED)
    window = till.open("payment", draft=str(till.ready_draft()))
    assert "MWK 5,475.50 to this account" in said(window)
    assert "by Grace, completed" in said(window)
    button(window, "Pay MWK").click().run()
    assert "Say why this second payment is meant." in said(window)
    field(window, "Why a second payment?").set_value("two bills")
    button(window, "Pay MWK").click().run()
    assert [transactions.find(till.actor, one).duplicate_reason for one in made(database)] == [None, "two bills"]


def test_a_payment_on_its_way_to_the_same_account_stands_in_the_way_with_its_link(till: Till) -> None:
    first = till.pay()
    window = till.open("payment", draft=str(till.ready_draft(amount="300")))
    assert "Another payment is on its way" in said(window)
    assert button(window, "Pay MWK 300.00").disabled
    assert str(first) in window.page_link[0].proto.query_string


def test_what_the_service_refuses_at_the_last_moment_is_told_and_nothing_is_paid(till: Till, database: Database) -> None:
    window = till.open("payment", draft=str(till.ready_draft()))
    with database.connect() as connection:
        connection.execute("UPDATE biller_configs SET paused_at = now(), paused_reason = 'Maintenance.'")
    button(window, "Pay MWK").click().run()
    assert "Lilongwe Water Board is paused: Maintenance." in said(window)
    assert made(database) == []


# ---- 4 Result


def test_one_click_pays_and_the_address_stays_that_of_the_draft(till: Till, database: Database) -> None:
    draft = till.ready_draft()
    window = till.open("payment", draft=str(draft))
    button(window, "Pay MWK").click().run()
    assert "Waiting to be sent to Lilongwe Water Board." in said(window)
    assert window.query_params["draft"] == str(draft)
    assert len(made(database)) == 1


def test_two_tabs_and_ten_clicks_end_on_the_one_result(till: Till, database: Database) -> None:
    draft = till.ready_draft()
    first, second = (till.open("payment", draft=str(draft)) for _ in range(2))
    pay = [button(window, "Pay MWK") for window in (first, second)]
    for one, window in zip(pay, (first, second), strict=True):
        for _ in range(5):
            one.click()
            window.run()
    assert len(made(database)) == 1
    assert all("Waiting to be sent" in said(window) for window in (first, second))


RESULTS = [
    (Outcome.CONFIRMED, None, "Paid: MWK 5,475.50 to Lilongwe Water Board.", "Biller's reference LWB-77"),
    (Outcome.REJECTED, "ACCOUNT_BLOCKED", "Not paid. No money moved.", "This account is blocked at Lilongwe Water Board."),
    (Outcome.UNKNOWN, None, "Being confirmed with Lilongwe Water Board. Do not pay again.", "Next check "),
    (Outcome.ACCEPTED, "PENDING", "has accepted the payment and decides later. Do not pay again.", "Next check "),
    (Outcome.NOT_SENT, None, "could not be reached. Nothing was sent.", "It is given up at "),
]


@pytest.mark.parametrize(("outcome", "code", "happened", "rest"), RESULTS)
def test_the_result_says_what_became_of_it(till: Till, outcome: Outcome, code: str | None, happened: str, rest: str) -> None:
    paid = till.pay()
    till.answer(outcome, code)
    told = said(till.open("payment", draft=str(transactions.find(till.actor, paid).draft_id)))
    assert happened in told
    assert rest in told


def test_while_the_biller_has_not_answered_nobody_is_to_pay_again(till: Till) -> None:
    paid = till.pay()
    till.send()
    told = said(till.open("payment", draft=str(transactions.find(till.actor, paid).draft_id)))
    assert "Being confirmed with Lilongwe Water Board. Do not pay again." in told
    assert "This page shows the next answer by itself" in told


def test_what_waits_in_the_queue_can_be_cancelled_and_then_says_so(till: Till) -> None:
    paid = till.pay()
    window = till.open("payment", draft=str(transactions.find(till.actor, paid).draft_id))
    button(window, "Cancel the payment").click().run()
    assert "Cancelled. No money moved." in said(window)
    assert Stage(transactions.find(till.actor, paid).stage) is Stage.CANCELLED


def test_a_cancel_that_comes_too_late_is_told_so(till: Till) -> None:
    paid = till.pay()
    window = till.open("payment", draft=str(transactions.find(till.actor, paid).draft_id))
    cancel = button(window, "Cancel the payment")
    till.send()
    cancel.click().run()
    assert Stage(transactions.find(till.actor, paid).stage) is Stage.PAY_SENDING
    assert "It was or may have been sent already: it cannot be stopped." in said(window)


def test_the_ways_on_lead_to_a_new_payment_and_to_the_same_biller(till: Till) -> None:
    paid = till.pay()
    till.answer(Outcome.CONFIRMED)
    address = str(transactions.find(till.actor, paid).draft_id)
    window = till.open("payment", draft=address)
    button(window, "New payment").click().run()
    assert field(window, "Account number").value == ""
    window = till.open("payment", draft=address)
    button(window, "Same biller again").click().run()
    assert drafts.find(till.actor, uuid.UUID(window.query_params["draft"])).form == {"biller": LWB}


def test_whoever_lost_the_right_to_pay_in_between_pays_nothing(till: Till, sit_down: Callable[..., Till], database: Database) -> None:
    window = till.open("payment", draft=str(till.ready_draft()))
    pay = button(window, "Pay MWK")
    till.patch.setattr("core.ui.session.current", lambda *, touch=True: sit_down("analyst", name="Limbani").actor)
    pay.click().run()
    assert made(database) == []


def test_a_lost_commit_answer_still_ends_on_the_result(till: Till, database: Database) -> None:
    """D01 as the page sees it: the service finds by its key what was kept."""
    draft = till.ready_draft()
    window = till.open("payment", draft=str(draft))
    payments.submit(till.actor, draft)
    button(window, "Pay MWK").click().run()
    assert "Waiting to be sent" in said(window)
    assert len(made(database)) == 1
