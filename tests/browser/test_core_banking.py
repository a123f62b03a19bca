"""Out of an account at the bank: an administrator connects a biller to core banking, an operator pays, and three ledgers say the same."""

import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from playwright.sync_api import TimeoutError as NothingCame

from tests.browser.conftest import Console, SignIn
from tests.browser.test_payment import PAID, field, pay_button

CODE, NAME = "BWB_POSTPAID", "Blantyre Water Board"
CUSTOMER, SUSPENSE = "2010000001", "MWK1280600010002"
REFUSED = "10020004"


def entries(console: Console, ledger: str, reference: object) -> list[dict[str, str]]:
    """What the biller's or the bank's own file has under a reference."""
    path = console.data_dir / "sandbox" / f"{ledger}.ledger.jsonl"
    return [entry for line in path.read_text().splitlines() if (entry := json.loads(line))["reference"] == reference]


def legs(console: Console, account: str) -> tuple[object, dict[str, object]]:
    rows = console.query(
        "SELECT t.status, l.kind, l.reference FROM transactions t JOIN legs l ON l.transaction_id = t.id WHERE t.account_number = %s AND t.biller_type = %s",
        account,
        CODE,
    )
    assert len({status for status, _, _ in rows}) == 1
    return rows[0][0], {str(kind): reference for _, kind, reference in rows}


def choose(page: Page, box: re.Pattern[str], option: str) -> None:
    """A page that is drawn anew just then closes what was opened: it is opened again, as a person would."""
    for _ in range(5):
        page.get_by_role("combobox", name=box).click()
        try:
            page.get_by_role("option", name=option).click(timeout=5_000)
        except NothingCame:
            page.keyboard.press("Escape")
        else:
            return
    pytest.fail(f"{option} cannot be chosen")


def connect(page: Page, console: Console) -> None:
    """The topology is one choice: the suspense account came with the sandbox's seeds. It is proposed, and tried as far as a debit that is only asked about."""
    ((config_id,),) = console.query("SELECT id FROM biller_configs WHERE biller_type = %s", CODE)
    page.goto(f"{console.url}/configurations?id={config_id}")
    choose(page, re.compile("Core banking"), "SEPARATE: debit, then biller")
    expect(page.get_by_text("Not saved yet.")).to_be_visible()
    expect(page.get_by_text("Core banking (whose account is debited and credited)", exact=False)).to_be_visible()
    page.get_by_role("textbox", name="Why?", exact=True).fill("The bank opened the suspense account today.")
    page.get_by_role("button", name="Propose & test").click()
    expect(page.get_by_text("Change 1 waits for a second person")).to_be_visible()
    expect(page.get_by_text("Nothing was debited: it was asked as a dry run.", exact=False).first).to_be_visible()
    expect(page.get_by_text("Did not pass")).to_have_count(0)


def approve(page: Page, console: Console) -> None:
    """The second administrator finds it on the list, reads before and after, and approves."""
    page.goto(f"{console.url}/configurations")
    expect(page.get_by_text("1 change waits for a second person")).to_be_visible()
    page.get_by_role("button", name="Open change 1").click()
    expect(page.get_by_text("The bank opened the suspense account today.")).to_be_visible()
    expect(page.get_by_role("cell", name="SEPARATE")).to_be_visible()
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_text("Approved. It is version", exact=False)).to_be_visible()


@pytest.fixture
def back_to_the_counter(console: Console) -> Iterator[None]:
    """The console is everybody's: the next test pays this biller as it was."""
    yield
    console.query("UPDATE biller_configs SET topology = 'NONE', version = version + 1 WHERE biller_type = %s AND topology <> 'NONE'", CODE)
    console.query(
        "INSERT INTO biller_config_versions (config_id, version, snapshot, authentication)"
        ' SELECT c.id, c.version, v.snapshot || \'{"topology": "NONE"}\', c.authentication FROM biller_configs c'
        " JOIN biller_config_versions v ON v.config_id = c.id AND v.version = c.version - 1 WHERE c.biller_type = %s ON CONFLICT DO NOTHING",
        CODE,
    )
    # Whoever keeps billers in mind looks again.
    console.query("NOTIFY billers_config")


def to_bank_account(page: Page, console: Console, account: str, amount: str) -> None:
    page.goto(f"{console.url}/payment?biller={CODE}")
    number = field(page, "Account number")
    number.fill(account)
    number.press("Enter")
    field(page, "Amount in MWK").fill(amount)
    field(page, "Amount in MWK").press("Enter")
    expect(field(page, "Customer's account at the bank")).to_be_visible()


def debit(page: Page, account: str) -> None:
    field(page, "Customer's account at the bank").fill(account)
    field(page, "Customer's account at the bank").press("Enter")


@pytest.mark.usefixtures("back_to_the_counter")
def test_a_biller_is_connected_paid_out_of_an_account_and_all_three_ledgers_agree(console: Console, context: BrowserContext, sign_in: SignIn) -> None:
    administrator = sign_in("administrator")
    connect(administrator, console)
    assert console.query("SELECT topology FROM biller_configs WHERE biller_type = %s", CODE) == [("NONE",)]
    context.clear_cookies()
    administrator.close()
    second = sign_in("administrator", 1)
    approve(second, console)
    context.clear_cookies()
    second.close()

    page = sign_in("operator")
    to_bank_account(page, console, "70000077", "5475.50")
    debit(page, "2010000003")
    expect(page.get_by_text("MWK 1,500.00 can be used on this account, and MWK 5,475.50 is to be paid.", exact=False)).to_be_visible()
    debit(page, CUSTOMER)
    expect(page.get_by_text("GRACE BANDA", exact=False).first).to_be_visible()
    expect(page.get_by_text("MWK 250,000.00", exact=False).first).to_be_visible()
    pay_button(page).click()
    expect(page.get_by_text(PAID)).to_be_visible()

    status, references = legs(console, "70000077")
    (debited,), (paid,) = entries(console, "T24", references["DEBIT"]), entries(console, CODE, references["PAY"])
    assert status == "COMPLETED"
    assert (debited["debit_account"], debited["credit_account"], debited["amount"]) == (CUSTOMER, SUSPENSE, "5475.50")
    assert (paid["kind"], paid["amount"]) == ("PAY", "5475.50")

    page.get_by_role("button", name="Open its story").click()
    expect(page.get_by_text("Debit at the bank")).to_be_visible()
    expect(page.get_by_text("Payment to the biller")).to_be_visible()
    expect(page.get_by_text(debited["id"]).first).to_be_visible()

    # The biller refuses, and the customer has the money again.
    to_bank_account(page, console, REFUSED, "5000.00")
    debit(page, CUSTOMER)
    pay_button(page).click()
    expect(page.get_by_text("Given back: MWK 5,000.00.")).to_be_visible()
    status, references = legs(console, REFUSED)
    assert status == "REVERSED"
    assert entries(console, CODE, references["PAY"]) == []
    assert [entry["kind"] for entry in entries(console, "T24", references["DEBIT"])] == ["DEBIT", "REVERSAL"]
