"""The Approvals page and the steps that lead to it: everything that was shown, one's own never, and why a button is off."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core import clock
from core.services import approvals, claims, drafts, payments, transactions
from core.settings import CHECKOUT
from core.states import Stage
from core.ui import approvals_together, refusals, session
from core.wire.contract import Outcome
from tests.pages.conftest import LWB, PATIENCE_SECONDS, SLOTS, Till, button, labels, said
from tests.world import Database

REASON = "Paid to the wrong account."


@pytest.fixture
def limit(switch_on: None, database: Database) -> None:
    """Above MWK 5,000.00 this biller's payments need a second person."""
    with database.connect() as connection:
        connection.execute(
            'UPDATE biller_configs SET version = version + 1, validation_rules = validation_rules || \'{"second_person_above": "5000.00"}\''
            " WHERE biller_type = %s",
            [LWB],
        )
        connection.execute(
            "INSERT INTO biller_config_versions (config_id, version, snapshot, authentication)"
            " SELECT v.config_id, c.version, jsonb_set(v.snapshot, '{validation_rules}', c.validation_rules), v.authentication"
            " FROM biller_config_versions v JOIN biller_configs c ON c.id = v.config_id AND v.version = c.version - 1 WHERE c.biller_type = %s",
            [LWB],
        )


@pytest.fixture
def manager(sit_down: Callable[..., Till]) -> Till:
    return sit_down("manager", name="Thoko")


def stage(till: Till, one: uuid.UUID) -> Stage:
    return Stage(transactions.find(till.actor, one).stage)


def the(window: AppTest, label: str) -> Any:
    """The one button that is called exactly so."""
    (found,) = [one for one in window.button if one.label == label]
    return found


def completed(till: Till) -> uuid.UUID:
    one = till.pay("700.00")
    till.answer(Outcome.CONFIRMED)
    return one


def under_review(till: Till, database: Database) -> uuid.UUID:
    """Accepted by the biller, and then not known to it: two people decide."""
    one = till.pay("700.00")
    till.answer(Outcome.ACCEPTED)
    with database.connect() as connection:
        connection.execute("UPDATE transactions SET next_action_at = now() WHERE id = %s", [one])
    till.answer(Outcome.NOT_FOUND, errands=claims.claim_inquiries("test", SLOTS))
    assert stage(till, one) is Stage.REVIEW
    return one


# ---- Above the limit


@pytest.mark.usefixtures("limit")
def test_the_review_says_beforehand_that_a_second_person_is_needed(till: Till) -> None:
    window = till.open("payment", draft=str(till.ready_draft("5475.50")))
    assert "It needs a second person" in said(window)
    button(window, "Pay MWK 5,475.50").click().run()
    assert "waits for a second person. Nothing was sent yet." in said(window)
    assert "It needs a second person" not in said(till.open("payment", draft=str(till.ready_draft("500.00", account="70000002"))))


@pytest.mark.usefixtures("limit")
def test_the_page_tells_all_that_was_shown_and_approving_sends_it(till: Till, manager: Till) -> None:
    one = till.pay("5475.50")
    window = manager.open("approvals")
    told = said(window)
    for words in (
        "Pay MWK 5,475.50 to",
        "Proposed by Grace",
        "It waits until",
        "Customer Grace Banda",
        "Account 70000001",
        "It stood Waits for approval",
        "MWK 5,475.50 is above what one person may pay",
        "The same as when it was proposed",
    ):
        assert words in told, words
    the(window, "Approve").click().run()
    assert stage(till, one) is Stage.QUEUED
    assert "Nothing waits for a second person" in said(window)
    row = manager.open("approvals", part="decided").dataframe[0].value.iloc[0]
    assert (row["Decision"], row["Proposed by"], row["By"], row["What"]) == ("✓ Approved", "Grace", "Thoko", "Payment")


@pytest.mark.usefixtures("limit")
def test_ones_own_can_only_be_withdrawn(manager: Till) -> None:
    one = manager.pay("5475.50")
    assert "Nothing waits for you" in said(manager.open("approvals"))
    window = manager.open("approvals", part="mine")
    assert the(window, "Approve").disabled
    assert "Off: You proposed it: another person decides." in said(window)
    the(window, "Withdraw").click().run()
    assert stage(manager, one) is Stage.CANCELLED


@pytest.mark.usefixtures("limit")
def test_rejecting_asks_for_a_reason_and_keeps_it(till: Till, manager: Till) -> None:
    one = till.pay("5475.50")
    window = manager.open("approvals")
    the(window, "Reject").click().run()
    assert "A reason is needed" in said(window)
    assert stage(till, one) is Stage.AWAITING_APPROVAL
    next(field for field in window.text_input if field.label == "Why not?").set_value("The customer left.")
    the(window, "Reject").click().run()
    assert stage(till, one) is Stage.CANCELLED
    assert list(manager.open("approvals", part="decided").dataframe[0].value["Because"]) == ["The customer left."]
    assert "rejected by Thoko (The customer left.)" in said(till.open("transactions", id=str(one)))


@pytest.mark.usefixtures("limit")
def test_what_has_changed_since_cannot_be_approved_and_says_so(till: Till, manager: Till, database: Database) -> None:
    one = till.pay("5475.50")
    with database.connect() as connection:
        connection.execute("UPDATE transactions SET customer_account_name = 'Somebody Else' WHERE id = %s", [one])
    window = manager.open("approvals")
    assert the(window, "Approve").disabled
    assert "It has changed since" in said(window)
    # What was shown is told as it was, not as it is.
    assert "Customer Grace Banda" in said(window)


@pytest.mark.usefixtures("limit")
def test_text_from_outside_stays_text(till: Till, manager: Till) -> None:
    draft = till.ready_draft("5475.50", name="**Bold** [here](http://elsewhere)")
    drafts.freeze(till.actor, draft)
    payments.submit(till.actor, draft)
    (table,) = [table.value for table in manager.open("approvals").table]
    shown = str(table.loc["Customer"].iloc[0])
    assert "Bold" in shown
    assert "**" not in shown
    assert "](" not in shown


@pytest.mark.parametrize("role", ["operator", "analyst"])
def test_nobody_at_the_counter_has_the_page(sit_down: Callable[..., Till], monkeypatch: pytest.MonkeyPatch, role: str) -> None:
    somebody = sit_down(role).actor
    monkeypatch.setattr(session, "current", lambda *, touch=True: somebody)
    window = AppTest.from_file(str(CHECKOUT / "pages" / "approvals.py"), default_timeout=PATIENCE_SECONDS).run()
    assert "Not for your role" in said(window)
    assert "Approvals" not in [one.value for one in window.title]


# ---- The inbox


@pytest.mark.usefixtures("limit")
def test_the_review_the_story_and_the_proposal_say_by_which_rule_it_takes_two(till: Till, manager: Till) -> None:
    by = "up to MWK 5,000.00, by the limit in its configuration"
    draft = till.ready_draft("5475.50")
    window = till.open("payment", draft=str(draft))
    assert by in said(window)
    button(window, "Pay MWK 5,475.50").click().run()
    one = drafts.find(till.actor, draft).transaction_id
    assert one is not None
    assert f"MWK 5,475.50 needs a second person. MWK 5,475.50 is above what one person may pay to Lilongwe Water Board: {by}" in said(
        till.open("transactions", id=str(one))
    )
    assert by in said(manager.open("approvals"))


@pytest.mark.usefixtures("limit")
def test_several_are_approved_at_once_with_their_number_and_sum_said_before(till: Till, manager: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    some = [till.pay("5475.50", account=f"7000000{number}") for number in (1, 2, 3)]
    window = manager.open("approvals")
    assert the(window, "Approve several together").disabled
    boxes = [box for box in window.checkbox if box.label == "Choose, to approve several together"]
    assert len(boxes) == 3
    boxes[0].check()
    boxes[1].check().run()
    assert "2 to pay" in said(window)
    # Meanwhile one of the two is withdrawn: it is left, and told.
    payments.cancel(till.actor, some[0])
    the(window, "Approve 2 together: MWK 10,951.00").click().run()
    assert "1 of 2 approved." in said(window)
    assert "Left as they were" in said(window)
    assert "It was decided meanwhile" in said(window)
    # The page draws itself anew every five seconds: what was left is still to be read.
    assert "Left as they were" in said(window.run())
    assert "1 of 2 approved." in said(window)
    monkeypatch.setattr(approvals_together, "TOLD_FOR_SECONDS", 0)
    assert "Left as they were" not in said(window.run())
    assert [stage(till, one) for one in some] == [Stage.CANCELLED, Stage.QUEUED, Stage.AWAITING_APPROVAL]


@pytest.mark.usefixtures("limit")
def test_what_an_act_was_refused_for_stays_to_be_read_until_the_next_act(till: Till, manager: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    one, why = till.pay("5475.50"), "A reason is needed"
    window = manager.open("approvals")
    the(window, "Reject").click().run()
    assert why in said(window)
    # The page draws itself anew every five seconds.
    assert why in said(window.run())
    real = clock.monotonic_seconds
    with monkeypatch.context() as later:
        later.setattr(clock, "monotonic_seconds", lambda: real() + refusals.TOLD_FOR_SECONDS)
        assert why not in said(window.run())
    assert why in said(window.run())
    the(window, "Approve").click().run()
    assert why not in said(window)
    assert stage(till, one) is Stage.QUEUED


@pytest.mark.usefixtures("limit")
def test_the_inbox_is_searched_by_our_reference(till: Till, manager: Till) -> None:
    one, other = (transactions.find(till.actor, till.pay("5475.50", account=account)) for account in ("70000001", "70000002"))
    window = manager.open("approvals")
    window.text_input(key="approvals-reference").set_value(one.our_transaction_id.lower()).run()
    assert one.our_transaction_id in said(window)
    assert other.our_transaction_id not in said(window)
    window.text_input(key="approvals-reference").set_value("NOBODY").run()
    assert "Nothing that waits is about a payment under this reference" in said(window)


@pytest.mark.usefixtures("limit")
def test_every_page_says_how_many_wait_for_whoever_looks_and_only_to_them(till: Till, manager: Till) -> None:
    till.pay("5475.50")
    assert [link.label for link in manager.open("transactions").page_link if "you to decide" in link.label] == ["1 proposal waits for you to decide"]
    manager.pay("5475.50", account="70000002")
    assert [link.label for link in manager.open("transactions").page_link if "you to decide" in link.label] == ["1 proposal waits for you to decide"]
    assert not [link for link in till.open("transactions").page_link if "you to decide" in link.label]


# ---- The rules


@pytest.fixture
def administrator(sit_down: Callable[..., Till]) -> Till:
    return sit_down("administrator", name="Mphatso")


def test_an_administrator_proposes_a_rule_and_another_one_decides(administrator: Till, sit_down: Callable[..., Till], till: Till, manager: Till) -> None:
    window = administrator.open("approvals", part="rules")
    assert "There are no rules yet" in said(window)
    window.selectbox(key="rule-role").set_value("operator").run()
    next(field for field in window.text_input if field.label == "One person pays up to").set_value("a lot")
    the(window, "Propose a change").click().run()
    assert "Write the amount in figures" in said(window)
    next(field for field in window.text_input if field.label == "One person pays up to").set_value("1,000")
    the(window, "Propose a change").click().run()
    assert "A reason is needed" in said(window)
    next(field for field in window.text_input if field.label == "Why?").set_value("The board asked for it.")
    the(window, "Propose a change").click().run()
    assert "It is proposed: another administrator decides." in said(window)
    assert the(administrator.open("approvals", part="mine"), "Approve").disabled
    assert "Somebody else decides" in said(manager.open("approvals"))
    other = sit_down("administrator", name="Chisomo").open("approvals")
    assert [list(row) for row in other.table[0].value.itertuples(index=False)] == [["One person pays up to", "–", "MWK 1,000.00"]]
    assert "Change the rule for Operator, any biller" in said(other)
    the(other, "Approve").click().run()
    window = administrator.open("approvals", part="rules")
    assert window.table[0].value.iloc[0]["One person pays up to"] == "MWK 1,000.00"
    window.selectbox(key="rule-role").set_value("operator").run()
    assert list(window.dataframe[0].value["Approved by"]) == ["Chisomo"]
    # And from the next payment on it holds.
    review = till.open("payment", draft=str(till.ready_draft("1000.01")))
    assert "up to MWK 1,000.00, by the rule for Operator, any biller (version 1)" in said(review)
    button(review, "Pay MWK 1,000.01").click().run()
    assert "waits for a second person" in said(review)


def test_a_manager_reads_the_rules_and_proposes_none(manager: Till) -> None:
    window = manager.open("approvals", part="rules")
    assert "There are no rules yet" in said(window)
    assert "Propose a change" not in labels(window)


# ---- Proposed from a transaction's page


def test_a_completed_payment_is_given_back_by_two(manager: Till, sit_down: Callable[..., Till]) -> None:
    one = completed(manager)
    window = manager.open("transactions", id=str(one))
    button(window, "Reverse").click().run()
    assert "Have this payment given back?" in said(window)
    button(window, "Propose to give it back").click().run()
    assert "A reason is needed" in said(window)
    next(field for field in window.text_input if field.label == "Why?").set_value(REASON)
    button(window, "Propose to give it back").click().run()
    told = said(window)
    assert "Give MWK 700.00 back: a second person decides" in told
    assert "Proposed by Thoko" in told
    assert button(window, "Reverse").disabled
    assert stage(manager, one) is Stage.COMPLETED
    other = sit_down("manager", name="Limbani")
    # It is Thoko's own payment and proposal: Limbani is neither.
    page = other.open("approvals")
    the(page, "Approve").click().run()
    assert stage(manager, one) is Stage.REVERSAL_REQUESTED


def test_what_is_under_review_is_resolved_with_evidence(manager: Till, sit_down: Callable[..., Till], database: Database) -> None:
    one = under_review(manager, database)
    window = manager.open("transactions", id=str(one))
    assert not button(window, "Waive").disabled
    button(window, "Resolve").click().run()
    button(window, "Propose it").click().run()
    assert "Choose what the statement says." in said(window)
    (choices,) = window.radio
    assert [option.replace("\\", "") for option in choices.options] == [
        "Lilongwe Water Board has the payment",
        "Lilongwe Water Board does not have the payment",
        "Ask Lilongwe Water Board again",
    ]
    choices.set_value("BILLER_HAS_IT")
    button(window, "Propose it").click().run()
    assert "own reference of the payment" in said(window)
    next(field for field in window.text_input if field.label == "Number in the statement").set_value("LWB-17")
    window.text_area[0].set_value("Statement of 24 Nov, line 17")
    button(window, "Propose it").click().run()
    assert "Lilongwe Water Board has the payment. Statement of 24 Nov, line 17" in said(window)
    page = sit_down("manager", name="Limbani").open("approvals")
    for words in ("Evidence Statement of 24 Nov, line 17", "Number in the statement `LWB-17`", "Once approved It is completed.", "Movements payment sent"):
        assert words in said(page), words
    the(page, "Approve").click().run()
    assert stage(manager, one) is Stage.COMPLETED
    assert transactions.find(manager.actor, one).external_transaction_id == "LWB-17"


def test_an_address_that_asks_for_what_is_not_possible_is_told_why(manager: Till) -> None:
    one = completed(manager)
    for name, words in (
        ("resolve", "It cannot be resolved. It is not under review"),
        ("waive", "It cannot be waived. Only a payment under review can be waived"),
    ):
        window = manager.open("transactions", id=str(one), **{name: "1"})
        assert words in said(window)
        assert not [label for label in labels(window) if label.startswith("Propose")]


def test_an_operator_is_offered_none_of_it_and_sees_who_decides(till: Till, manager: Till) -> None:
    one = completed(till)
    approvals.propose_reversal(manager.actor, one, REASON)
    window = till.open("transactions", id=str(one))
    assert not [label for label in labels(window) if label.startswith(("Resolve", "Reverse", "Waive", "Withdraw"))]
    assert "Proposed by Thoko" in said(window)
    assert not [link for link in window.page_link if "Approvals" in link.value]


@pytest.mark.usefixtures("limit")
def test_an_operator_withdraws_by_cancelling(till: Till) -> None:
    one = till.pay("5475.50")
    window = till.open("transactions", id=str(one))
    assert "Proposed by Grace" in said(window)
    the(window, "Withdraw").click().run()
    assert stage(till, one) is Stage.CANCELLED
    other = till.pay("6000.00", account="70000002")
    payments.cancel(till.actor, other)
    assert "withdrawn by Grace" in said(till.open("transactions", id=str(other)))


@pytest.mark.usefixtures("limit")
def test_the_dashboard_says_that_something_waits_until_it_is_decided(till: Till, manager: Till) -> None:
    one = till.pay("5475.50")
    window = manager.open("dashboard")
    assert "1 payment waits for a second person" in said(window)
    assert [link for link in window.page_link if transactions.find(till.actor, one).our_transaction_id in link.value]
    payments.cancel(till.actor, one)
    assert "for a second person" not in said(manager.open("dashboard"))
