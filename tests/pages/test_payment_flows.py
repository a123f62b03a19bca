"""The wizard in the flow of each kind of biller: what its second step shows while it waits, when it is answered, and when it is refused."""

import uuid
from collections.abc import Mapping
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core.money import Money
from core.services import claims, drafts, lookups, settlement, transactions
from core.wire.contract import Account, Bundle, Bundles, Invoice, Outcome, Receipt, Told
from tests.conftest import SetEnvironment
from tests.pages.conftest import Till, _result, button, labels, said

REGISTRAR, PREPAID, TNM, MASM, AIRTEL = "REGISTER_GENERAL", "SRWB_PREPAID", "TNM_BUNDLES", "MASM", "AIRTEL_VALIDATION"
METER = "37000000002"
OFFERED = (Bundle("D1", "Daily", Money.from_text("350.00"), "300 MB", "1 day"), Bundle("D7", "Weekly **all**", Money.from_text("2500.00"), "2.5 GB", "7 days"))


def answer(code: str, told: Told) -> None:
    """The biller's answer to what was asked last."""
    settlement.conclude([_result(errand, told.outcome, told=told) for errand in claims.claim_lookups("test", {code: 10})])


def at_the_bill(till: Till, code: str, account: str, kind: str | None = None, **form: Any) -> uuid.UUID:
    """A draft whose account is looked up: its second step is next."""
    asked = lookups.ask(till.actor, code, account, kind)
    answer(code, Account(Outcome.CONFIRMED, account, "Grace Banda", state="ACTIVE"))
    begun: Mapping[str, Any] = {"biller": code, "account": account, "account_type": kind, "lookup": str(asked), "step": "amount", **form}
    return drafts.begin(till.actor, begun).id


def form_of(till: Till, window: AppTest) -> Mapping[str, Any]:
    return drafts.find(till.actor, uuid.UUID(window.query_params["draft"])).form


# ---- Invoices


def test_an_invoice_is_fetched_by_itself_and_its_answer_moves_on_to_the_review(till: Till) -> None:
    window = till.open("payment", draft=str(at_the_bill(till, REGISTRAR, "70000001")))
    assert "2 Invoice" in said(window)
    assert "Asking Department of the Registrar General" in said(window)
    assert not window.text_input, "nobody types what an invoice is for"
    answer(REGISTRAR, Invoice(Outcome.CONFIRMED, "INV-7", "70000001", "Grace Banda", Money.from_text("10000.00")))
    window.run()
    assert "INV-7" in said(window)
    assert "Ten thousand kwacha" in said(window)
    button(window, "Another invoice").click().run()
    assert "Fetch it anew" in labels(window), "who came back is not sent on again"
    assert "MWK 10,000.00" in said(window)


def test_an_invoice_that_is_paid_already_says_so_and_is_not_offered(till: Till) -> None:
    window = till.open("payment", draft=str(at_the_bill(till, REGISTRAR, "70000001")))
    answer(REGISTRAR, Invoice(Outcome.REJECTED, code="invoice-paid", message="The invoice is paid."))
    window.run()
    assert "This invoice is paid already." in said(window)
    assert "Review this invoice" not in labels(window)
    assert {"Fetch it anew", "Another account"} <= set(labels(window))


def test_a_prepaid_invoice_is_made_for_the_amount_that_is_typed(till: Till) -> None:
    window = till.open("payment", draft=str(at_the_bill(till, PREPAID, METER)))
    window.text_input[0].set_value("5,0,0")
    button(window, "Fetch the invoice").click().run()
    assert "Write the amount in figures" in said(window)
    window.text_input[0].set_value("5,000")
    button(window, "Fetch the invoice").click().run()
    told = Invoice(Outcome.CONFIRMED, "P-1", METER, "Grace Banda", Money.from_text("5000.00"), charges=Money.from_text("250.00"))
    answer(PREPAID, told)
    window.run()
    assert "MWK 250.00" in said(window), "the charges the biller states"
    assert "Meter 37000000002" in said(window)


def test_the_invoice_of_another_payment_is_said_before_the_button(till: Till) -> None:
    told = Invoice(Outcome.CONFIRMED, "INV-8", "70000001", "Grace Banda", Money.from_text("1000.00"))
    first = till.open("payment", draft=str(at_the_bill(till, REGISTRAR, "70000001")))
    answer(REGISTRAR, told)
    first.run()
    button(first, "Pay MWK").click().run()
    till_answers(REGISTRAR, Receipt(Outcome.CONFIRMED, "success"))
    second = till.open("payment", draft=str(at_the_bill(till, REGISTRAR, "70000001")))
    answer(REGISTRAR, told)
    second.run()
    assert "This invoice is paid already, or being paid" in said(second)
    assert button(second, "Pay MWK").disabled


def till_answers(code: str, receipt: Receipt) -> None:
    settlement.conclude([_result(errand, receipt.outcome, receipt=receipt) for errand in claims.claim_sends("test", {code: 10})])


# ---- Bundles


def test_bundles_are_offered_as_a_grid_and_the_chosen_one_is_reviewed_at_its_price(till: Till, set_environment: SetEnvironment) -> None:
    window = till.open("payment", draft=str(at_the_bill(till, TNM, "0881234567")))
    assert "2 Bundle" in said(window)
    answer(TNM, Bundles(Outcome.CONFIRMED, "0881234567", OFFERED))
    window.run()
    assert all(words in said(window) for words in ("Daily", "300 MB", "1 day", "MWK 2,500.00"))
    assert "Weekly **all**" in said(window), "a name is text, not markdown"
    assert "Illustrative" not in said(window)
    set_environment(billers_sandbox="true")
    assert "Illustrative" in said(window.run())
    next(one for one in window.button if one.key == "bundle-D7").click().run()
    assert form_of(till, window)["bundle"] == "D7"
    assert "Two thousand five hundred kwacha" in said(window)
    button(window, "Another bundle").click().run()
    assert "Daily" in said(window)


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (Bundles(Outcome.CONFIRMED, "0881234567", ()), "No bundle is offered to this number just now."),
        (Bundles(Outcome.REJECTED, code="10", message="Invalid number"), "told nothing"),
        (Bundles(Outcome.UNKNOWN, message="The answer is empty."), "told nothing"),
    ],
    ids=["empty", "refused", "garbled"],
)
def test_a_list_without_bundles_says_why_and_can_be_asked_for_anew(till: Till, told: Bundles, words: str) -> None:
    window = till.open("payment", draft=str(at_the_bill(till, TNM, "0881234567")))
    answer(TNM, told)
    window.run()
    assert words in said(window)
    before = form_of(till, window)["bundles"]
    button(window, "Ask for the list anew").click().run()
    assert form_of(till, window)["bundles"] != before


# ---- Kinds of accounts, and no payments at all


def test_a_kind_of_account_is_asked_for_where_there_are_kinds(till: Till) -> None:
    window = till.open("payment", biller=MASM)
    kinds = window.get("button_group")
    assert len(kinds) == 1
    window.text_input[0].set_value("70000001")
    button(window, "Look up").click().run()
    asked = transactions.find(till.actor, uuid.UUID(form_of(till, window)["lookup"]))
    assert asked.account_type == "M"
    assert asked.meter_number == "70000001"


def test_a_biller_that_only_validates_says_so_instead_of_asking(till: Till) -> None:
    window = till.open("payment", biller=AIRTEL)
    assert "takes no payments here: it only confirms whose number it is" in said(window)
    assert not window.text_input
    looked_up = lookups.ask(till.actor, AIRTEL, "0991000001")
    answer(AIRTEL, Account(Outcome.CONFIRMED, "0991000001", "Grace Banda", state="active"))
    shown = till.open("lookup", lookup=str(looked_up), biller=AIRTEL)
    assert "Grace Banda" in said(shown)
    assert "Pay this account" not in labels(shown)


def test_a_biller_switched_off_meanwhile_is_told_where_one_was_about_to_pay(till: Till) -> None:
    from core import db
    from core.repositories.billers import Billers

    draft = at_the_bill(till, TNM, "0881234567")
    with db.unit_of_work() as unit:
        config = Billers(unit).active_of(TNM)
        assert config is not None
        config.is_active = False
    assert "This biller was switched off meanwhile." in said(till.open("payment", draft=str(draft)))
