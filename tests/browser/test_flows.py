"""Each biller paid by a person at a browser, in its own flow; and in the end the billers' ledgers are the completed payments, no more and no less."""

import json
import re

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import Console, SignIn
from tests.browser.test_payment import PAID, field, pay_button


def start(page: Page, console: Console, biller: str, label: str, account: str) -> None:
    """From the address to the biller's answer."""
    page.goto(f"{console.url}/payment?biller={biller}")
    field(page, label).fill(account)
    field(page, label).press("Enter")


def pay(page: Page, console: Console, biller: str, account: str) -> None:
    pay_button(page).click()
    expect(page.get_by_text(PAID)).to_be_visible()
    rows = console.query(
        "SELECT status, our_transaction_id FROM transactions WHERE biller_type = %s AND account_number = %s AND amount IS NOT NULL", biller, account
    )
    assert [status for status, _ in rows] == ["COMPLETED"]
    assert [(entry["kind"], entry["reference"]) for entry in console.ledger(account, biller)] == [("PAY", rows[0][1])]


def luhn(stem: str) -> str:
    """The meter that begins so, with its check digit."""
    digits = [int(digit) for digit in reversed(stem)]
    total = sum(int(digit) for value in digits[::2] for digit in str(2 * value)) + sum(digits[1::2])
    return f"{stem}{-total % 10}"


@pytest.mark.parametrize("biller", ["LWB_POSTPAID", "BWB_POSTPAID", "SRWB_POSTPAID"])
def test_a_water_bill_is_looked_up_and_paid(biller: str, console: Console, sign_in: SignIn) -> None:
    page = sign_in("operator")
    start(page, console, biller, "Account number", "70000501")
    field(page, "Amount in MWK").fill("5,475.50")
    field(page, "Amount in MWK").press("Enter")
    expect(page.get_by_text("Five thousand four hundred and seventy-five kwacha", exact=False)).to_be_visible()
    pay(page, console, biller, "70000501")


def test_a_medical_aid_member_is_paid_for_as_the_kind_of_account_that_was_chosen(console: Console, sign_in: SignIn) -> None:
    page = sign_in("operator")
    page.goto(f"{console.url}/payment?biller=MASM")
    page.get_by_test_id("stButtonGroup").get_by_text("Member", exact=True).click()
    label = console.query("SELECT validation_rules->>'account_label' FROM biller_configs WHERE biller_type = 'MASM'")[0][0] or "Account number"
    field(page, str(label)).fill("70000502")
    field(page, str(label)).press("Enter")
    field(page, "Amount in MWK").fill("12500")
    field(page, "Amount in MWK").press("Enter")
    pay(page, console, "MASM", "70000502")
    assert console.query("SELECT account_type FROM transactions WHERE account_number = '70000502' AND amount IS NOT NULL") == [("MEMBER",)]


def test_a_registration_fee_is_fetched_reviewed_and_confirmed_and_only_once(console: Console, context: BrowserContext, sign_in: SignIn) -> None:
    page, label = sign_in("operator"), _label(console, "REGISTER_GENERAL")
    start(page, console, "REGISTER_GENERAL", label, "70000503")
    # The invoice comes by itself; nobody types its amount.
    expect(page.get_by_text("Invoice", exact=True).first).to_be_visible()
    expect(pay_button(page)).to_be_visible()
    # A second window on the same invoice, not yet paid.
    second = context.new_page()
    start(second, console, "REGISTER_GENERAL", label, "70000503")
    expect(pay_button(second)).to_be_visible()
    pay(page, console, "REGISTER_GENERAL", "70000503")
    (number, amount) = console.query("SELECT invoice_number, amount FROM transactions WHERE account_number = '70000503' AND amount IS NOT NULL")[0]
    assert number
    assert str(amount) in ("1000.00", "10000.00", "50000.00")
    assert console.ledger("70000503", "REGISTER_GENERAL")[0]["amount"] == str(amount)
    expect(second.get_by_text(str(number)).first).to_be_visible()
    pay_button(second).click()
    expect(second.get_by_text("This invoice is paid already", exact=False).first).to_be_visible()
    expect(pay_button(second)).to_be_disabled()
    assert len(console.ledger("70000503", "REGISTER_GENERAL")) == 1


def test_prepaid_water_is_invoiced_confirmed_and_its_token_shown_to_the_operator_who_paid(console: Console, sign_in: SignIn) -> None:
    page, meter = sign_in("operator"), luhn("3700005040")
    start(page, console, "SRWB_PREPAID", _label(console, "SRWB_PREPAID"), meter)
    field(page, "Amount in MWK").fill("5000")
    field(page, "Amount in MWK").press("Enter")
    expect(page.get_by_text("Charges in it").first).to_be_visible()
    pay(page, console, "SRWB_PREPAID", meter)
    token = console.ledger(meter, "SRWB_PREPAID")[0]["token"]
    expect(page.locator("body")).not_to_contain_text(token[:4] + " " + token[4:8])
    page.get_by_role("button", name=re.compile("Show the token|Show token")).click()
    expect(page.get_by_text(" ".join(token[start : start + 4] for start in range(0, 20, 4)))).to_be_visible()
    assert console.query("SELECT count(*) FROM audit_entries WHERE action = 'token.revealed'") == [(1,)]
    assert console.query("SELECT count(*) FROM answers WHERE request LIKE %s OR response LIKE %s", f"%{token}%", f"%{token}%") == [(0,)]


def test_a_bundle_is_chosen_from_the_grid_and_bought_at_its_price(console: Console, sign_in: SignIn) -> None:
    page = sign_in("operator")
    # As the customer says it; the network's own spelling is what is sent.
    start(page, console, "TNM_BUNDLES", _label(console, "TNM_BUNDLES"), "+265 88 100 0501")
    expect(page.get_by_role("button", name="Choose").first).to_be_visible()
    page.get_by_role("button", name="Choose").nth(1).click()
    expect(page.get_by_text("Bundle", exact=True).first).to_be_visible()
    pay(page, console, "TNM_BUNDLES", "0881000501")
    (bundle, amount) = console.query("SELECT bundle_id, amount FROM transactions WHERE account_number = '0881000501' AND amount IS NOT NULL")[0]
    (entry,) = console.ledger("0881000501", "TNM_BUNDLES")
    assert (entry["bundle_id"], entry["amount"]) == (bundle, str(amount))


def test_a_number_is_validated_and_the_wizard_says_why_it_takes_no_payment(console: Console, sign_in: SignIn) -> None:
    page = sign_in("operator")
    page.goto(f"{console.url}/payment?biller=AIRTEL_VALIDATION")
    expect(page.get_by_text("takes no payments here", exact=False)).to_be_visible()
    page.get_by_text("Look a number up").click()
    field(page, _label(console, "AIRTEL_VALIDATION")).fill("0991000001")
    field(page, _label(console, "AIRTEL_VALIDATION")).press("Enter")
    expect(page.get_by_text("account 0991000001", exact=False).first).to_be_visible()
    expect(page.get_by_role("button", name="Pay this account")).to_have_count(0)
    assert console.query("SELECT status FROM transactions WHERE account_number = '0991000001'") == [("COMPLETED",)]


def test_a_reload_at_each_step_of_a_purchase_loses_nothing(console: Console, sign_in: SignIn) -> None:
    page, meter = sign_in("operator"), luhn("3700005050")
    start(page, console, "SRWB_PREPAID", _label(console, "SRWB_PREPAID"), meter)
    expect(field(page, "Amount in MWK")).to_be_visible()
    page.reload()
    field(page, "Amount in MWK").fill("7000")
    field(page, "Amount in MWK").press("Enter")
    expect(pay_button(page)).to_be_visible()
    page.reload()
    expect(page.get_by_text("Seven thousand kwacha", exact=False)).to_be_visible()
    pay(page, console, "SRWB_PREPAID", meter)
    page.reload()
    expect(page.get_by_text(PAID)).to_be_visible()


def test_a_water_board_that_speaks_through_the_banks_esb_is_paid_there(console: Console, sign_in: SignIn) -> None:
    """By configuration alone: the same adapter, the same page, another dialect on the wire."""
    console.query("UPDATE biller_configs SET dialect = 'esb', version = version + 1 WHERE biller_type = 'SRWB_POSTPAID'")
    console.query(
        "INSERT INTO biller_config_versions (config_id, version, snapshot, authentication)"
        ' SELECT c.id, c.version, v.snapshot || \'{"dialect": "esb"}\', c.authentication'
        " FROM biller_configs c JOIN biller_config_versions v ON v.config_id = c.id AND v.version = c.version - 1 WHERE c.biller_type = 'SRWB_POSTPAID'"
    )
    console.query("NOTIFY billers_config")
    page = sign_in("operator")
    start(page, console, "SRWB_POSTPAID", "Account number", "70000506")
    field(page, "Amount in MWK").fill("900")
    field(page, "Amount in MWK").press("Enter")
    pay(page, console, "SRWB_POSTPAID", "70000506")
    said = console.query("SELECT request FROM answers a JOIN transactions t ON t.id = a.transaction_id WHERE t.account_number = '70000506' ORDER BY a.at")
    assert "GET " in str(said[0][0])
    assert "<post-payment-request>" in str(said[1][0])


def test_a_bill_is_paid_by_keyboard_alone(console: Console, sign_in: SignIn) -> None:
    """From the form to "Paid" without a pointer: beyond the data itself, ten keys are enough."""
    page, keys = sign_in("operator"), 0

    def press(key: str) -> None:
        nonlocal keys
        keys += 1
        page.keyboard.press(key)

    page.goto(f"{console.url}/payment?biller=TNM_BUNDLES")
    field(page, _label(console, "TNM_BUNDLES")).focus()
    page.keyboard.type("0881000508")
    press("Enter")
    choose = page.get_by_role("button", name="Choose")
    expect(choose.first).to_be_visible()
    choose.first.focus()
    press("Enter")
    expect(pay_button(page)).to_be_visible()
    press("Control+Enter")
    expect(page.get_by_text(PAID)).to_be_visible()
    press("Alt+n")
    expect(page.get_by_text("1 Account").first).to_be_visible()
    page.goto(f"{console.url}/payment?biller=BWB_POSTPAID")
    field(page, "Account number").focus()
    page.keyboard.type("70000508")
    press("Enter")
    expect(field(page, "Amount in MWK")).to_be_visible()
    # The balance the biller told, without typing it.
    press("Alt+b")
    expect(pay_button(page)).to_be_visible()
    press("Control+Enter")
    expect(page.get_by_text(PAID)).to_be_visible()
    assert keys <= 10
    assert len(console.ledger("70000508", "BWB_POSTPAID")) == len(console.ledger("0881000508", "TNM_BUNDLES")) == 1


def test_every_look_up_is_logged_and_found_under_transactions(console: Console, sign_in: SignIn) -> None:
    page = sign_in("operator")
    page.goto(f"{console.url}/lookup?biller=LWB_POSTPAID")
    for account, answer in (("10020001", "does not know this account"), ("70000509", "Active")):
        field(page, "Account number").fill(account)
        field(page, "Account number").press("Enter")
        expect(page.get_by_text(answer).first).to_be_visible()
    for account, status in (("10020001", "FAILED"), ("70000509", "COMPLETED")):
        assert console.query("SELECT transaction_type, status FROM transactions WHERE account_number = %s", account) == [("ACCOUNT_DETAILS", status)]
        page.goto(f"{console.url}/transactions?q={account}")
        expect(page.get_by_text("1 transaction", exact=True).first).to_be_visible()


def test_in_the_end_the_billers_ledgers_are_the_completed_payments(console: Console) -> None:
    """The oracle's word over everything that was paid by hand: each effect is one completed row, each completed row one effect."""
    rows = console.query(
        "SELECT biller_type, our_transaction_id, account_number, amount FROM transactions WHERE status = 'COMPLETED' AND amount IS NOT NULL AND NOT demo"
    )
    effects = [
        (path.name.partition(".")[0], entry["reference"], entry["account"], entry["amount"])
        for path in (console.data_dir / "sandbox").glob("*.ledger.jsonl")
        for entry in map(json.loads, path.read_text().splitlines())
        if entry["kind"] == "PAY"
    ]
    assert sorted((code, reference, account, str(amount)) for code, reference, account, amount in rows) == sorted(effects)
    assert {code for code, *_ in effects} >= {"LWB_POSTPAID", "BWB_POSTPAID", "SRWB_POSTPAID", "SRWB_PREPAID", "MASM", "REGISTER_GENERAL", "TNM_BUNDLES"}


def _label(console: Console, biller: str) -> str:
    return str(console.query("SELECT coalesce(validation_rules->>'account_label', 'Account number') FROM biller_configs WHERE biller_type = %s", biller)[0][0])
