"""The wizard where a biller is paid out of an account at the bank: a step more, the sandbox's core banking, and a review with both accounts."""

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from core import db
from core.repositories.billers import Billers
from core.services import drafts, payments, transactions
from core.services.billers import write_version
from core.services.drafts import DebitRefused, hash_of
from core.states import LegKind, Topology
from tests.pages.conftest import LWB, Till, button, labels, said
from tests.sandbox.running_sandbox import Sandbox
from tests.world import Database, SetEnvironment

GRACE, POOR, STRANGER, HANGS = "2010000001", "2010000003", "2020000001", "2040000004"
SUSPENSE = "MWK1280600010001"
FIELD = "Customer's account at the bank"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    sandbox = Sandbox(tmp_path_factory.mktemp("debits"))
    sandbox.start()
    yield sandbox
    assert sandbox.stop() == 0


@pytest.fixture
def bank(running: Sandbox, set_environment: SetEnvironment) -> Sandbox:
    running.control("DELETE", "/faults")
    set_environment(billers_sandbox="true", t24_api_url=f"http://127.0.0.1:{running.port}/t24", t24_api_key="sandbox-t24-key")
    return running


def debits(topology: Topology = Topology.SEPARATE) -> None:
    """From now on the Lilongwe Water Board's customers are debited at the bank."""
    with db.unit_of_work() as session:
        config = Billers(session).active_of(LWB)
        assert config is not None
        config.topology, config.credit_account = topology.value, SUSPENSE
        write_version(session, config, "biller.changed")


def field(window: Any, label: str) -> Any:
    return next(one for one in window.text_input if one.label == label)


def ask(window: Any, account: str) -> Any:
    field(window, FIELD).set_value(account)
    return button(window, "Ask the balance").click().run()


def draft_of(window: Any) -> uuid.UUID:
    return uuid.UUID(window.query_params["draft"])


def test_the_account_is_asked_for_between_the_amount_and_the_review(till: Till, bank: Sandbox) -> None:
    debits()
    window = till.open("payment", draft=str(till.ready_draft()))
    assert field(window, FIELD).value == ""
    assert "3 Bank account" in said(window)
    assert f"Goes to `{SUSPENSE}`, the bank's account for Lilongwe Water Board." in said(window)
    assert not [label for label in labels(window) if label.startswith("Pay MWK")]


def test_a_known_balance_goes_on_to_the_review_which_shows_both_accounts(till: Till, bank: Sandbox) -> None:
    debits()
    window = ask(till.open("payment", draft=str(till.ready_draft())), GRACE)
    text = said(window)
    assert "GRACE BANDA, account 2010000001 at the bank" in text
    assert "MWK 250,000.00 as of" in text
    assert SUSPENSE in text
    assert "take the money at the counter" not in text
    payload = drafts.find(till.actor, draft_of(window)).payload
    assert payload is not None
    assert (payload["debit_account"], payload["credit_account"], payload["topology"]) == (GRACE, SUSPENSE, "SEPARATE")


def test_what_is_paid_is_what_was_shown_with_its_accounts(till: Till, bank: Sandbox) -> None:
    debits()
    window = ask(till.open("payment", draft=str(till.ready_draft())), GRACE)
    button(window, "Pay MWK 5,475.50").click().run()
    made = drafts.find(till.actor, draft_of(window)).transaction_id
    assert made is not None
    story = transactions.story(till.actor, made)
    assert (story.transaction.debit_account, story.transaction.debit_account_type, story.transaction.credit_account) == (GRACE, None, SUSPENSE)
    assert {leg.kind for leg in story.legs} >= {LegKind.DEBIT.value, LegKind.PAY.value, LegKind.REVERSAL.value}


def test_another_debit_account_is_another_payload(till: Till, bank: Sandbox) -> None:
    debits()
    frozen = draft_of(ask(till.open("payment", draft=str(till.ready_draft())), GRACE))
    payload = dict(drafts.find(till.actor, frozen).payload or {})
    assert hash_of({**payload, "debit_account": POOR}) != hash_of(payload)


def test_of_the_service_bus_the_kind_of_account_is_said_too(till: Till, bank: Sandbox) -> None:
    debits(Topology.COMPOSITE)
    window = ask(till.open("payment", draft=str(till.ready_draft())), GRACE)
    payload = drafts.find(till.actor, draft_of(window)).payload
    assert payload is not None
    assert (payload["debit_account"], payload["debit_account_type"]) == (GRACE, "CASA")


def test_too_small_a_balance_is_refused_with_both_amounts_and_another_account_goes_on(till: Till, bank: Sandbox) -> None:
    debits()
    window = ask(till.open("payment", draft=str(till.ready_draft())), POOR)
    assert "MWK 1,500.00 can be used on this account, and MWK 5,475.50 is to be paid." in said(window)
    assert not [label for label in labels(window) if label.startswith(("Go on", "Pay MWK"))]
    ask(window, GRACE)
    assert button(window, "Pay MWK 5,475.50")


def test_an_account_the_bank_does_not_have_stays_where_it_was_typed(till: Till, bank: Sandbox) -> None:
    debits()
    window = ask(till.open("payment", draft=str(till.ready_draft())), STRANGER)
    assert "The bank has no such account." in said(window)
    assert field(window, FIELD).value == STRANGER
    assert drafts.find(till.actor, draft_of(window)).debit is None


def test_a_balance_nobody_knows_warns_and_lets_the_operator_go_on(till: Till, bank: Sandbox) -> None:
    debits()
    window = ask(till.open("payment", draft=str(till.ready_draft())), HANGS)
    assert "Core banking does not answer in time: the balance is not known." in said(window)
    assert "core banking decides" in said(window)
    button(window, "Go on without the balance").click().run()
    assert "The balance is not known: core banking decides, and nothing is paid where it refuses." in said(window)
    assert button(window, "Pay MWK 5,475.50")


def test_going_back_keeps_the_account_and_asks_for_it_anew_where_the_bill_is_another(till: Till, bank: Sandbox) -> None:
    debits()
    window = ask(till.open("payment", draft=str(till.ready_draft())), GRACE)
    button(window, "Another bank account").click().run()
    assert field(window, FIELD).value == GRACE
    draft = draft_of(window)
    drafts.save(till.actor, draft, {"account": "70000002", "lookup": str(till.look_up("70000002"))})
    assert drafts.find(till.actor, draft).debit is None


def test_a_browser_cannot_say_what_core_banking_told(till: Till, bank: Sandbox) -> None:
    debits()
    draft = till.ready_draft()
    drafts.save(till.actor, draft, {"debit": {"number": GRACE}, "debit_account": GRACE, "credit_account": "9999999999"})
    with pytest.raises(DebitRefused, match="Enter the customer's account at the bank"):
        drafts.freeze(till.actor, draft)


def test_where_core_banking_is_off_such_a_biller_cannot_be_paid_and_the_wizard_says_so(till: Till) -> None:
    debits()
    window = till.open("payment", draft=str(till.ready_draft()))
    assert "Core banking is off on this machine, and Lilongwe Water Board is paid from an account at the bank" in said(window)
    assert not window.text_input
    with pytest.raises(DebitRefused):
        drafts.freeze(till.actor, draft_of(window))


def test_without_a_debit_the_money_is_taken_at_the_counter(till: Till, set_environment: SetEnvironment, switch_on: None) -> None:
    window = till.open("payment", draft=str(till.ready_draft()))
    assert "Core banking is off: take the money at the counter." in said(window)
    set_environment(t24_api_url="http://127.0.0.1:1/t24")
    window.run()
    assert "It is paid without a debit at the bank: take the money at the counter." in said(window)


def test_the_banks_test_accounts_stand_below_the_field(till: Till, bank: Sandbox, database: Database) -> None:
    debits()
    window = till.open("payment", draft=str(till.ready_draft()))
    [listed] = window.dataframe
    assert GRACE in list(listed.value["Account"])
    assert "100001" not in list(listed.value["Account"])


def test_retry_debits_the_same_account(till: Till, bank: Sandbox, sit_down: Callable[..., Till]) -> None:
    debits()
    window = ask(till.open("payment", draft=str(till.ready_draft())), GRACE)
    button(window, "Pay MWK 5,475.50").click().run()
    made = drafts.find(till.actor, draft_of(window)).transaction_id
    assert made is not None
    payments.cancel(till.actor, made)
    again = payments.retry(till.actor, made).transaction_id
    assert transactions.find(till.actor, again).debit_account == GRACE
