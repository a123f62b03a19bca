"""One bill, paid by a person at a browser: end to end, and once."""

import re
import threading

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.browser.conftest import Console, SignIn

# The operator's answer: three seconds, whatever the biller does. The browser's own time is in it.
ANSWER_MS = 3_000

PAID = re.compile(r"^Paid: MWK ")
BEING_CONFIRMED = re.compile("Do not pay again")


def field(page: Page, label: str) -> Locator:
    """The box to type in (the question mark beside it carries the same label), once the button below it is there: Enter is that button's key."""
    expect(page.get_by_test_id("stBaseButton-primaryFormSubmit").locator("visible=true").first).to_be_visible()
    return page.get_by_role("textbox", name=label, exact=True)


def to_review(page: Page, console: Console, account: str, amount: str) -> None:
    """From the menu to the review step, by keyboard: account, Enter, amount, Enter."""
    page.goto(f"{console.url}/payment?biller=LWB_POSTPAID")
    number = field(page, "Account number")
    number.fill(account)
    number.press("Enter")
    field(page, "Amount in MWK").fill(amount)
    field(page, "Amount in MWK").press("Enter")
    expect(pay_button(page)).to_be_visible()


def pay_button(page: Page) -> Locator:
    return page.get_by_role("button", name=re.compile("^Pay MWK"))


def payments_of(console: Console, account: str) -> list[tuple[object, ...]]:
    return console.query("SELECT status, our_transaction_id FROM transactions WHERE account_number = %s AND amount IS NOT NULL", account)


def paid_once(console: Console, account: str) -> None:
    """The oracle's word: one transaction, completed, and one entry in the biller's own ledger, under the same reference."""
    rows, entries = payments_of(console, account), console.ledger(account)
    assert [status for status, _ in rows] == ["COMPLETED"]
    assert [(entry["kind"], entry["reference"]) for entry in entries] == [("PAY", rows[0][1])]


def test_an_operator_looks_up_pays_watches_it_complete_and_opens_its_story(console: Console, sign_in: SignIn) -> None:
    page = sign_in("operator")
    page.get_by_test_id("stSidebarNav").get_by_text("Look up").click()
    expect(page.get_by_role("heading", name="Look up an account")).to_be_visible()
    page.goto(f"{console.url}/lookup?biller=LWB_POSTPAID")
    field(page, "Account number").fill("100001")
    field(page, "Account number").press("Enter")
    expect(page.get_by_text("Grace Banda").first).to_be_visible()
    expect(page.get_by_text("MWK 5,475.50").first).to_be_visible()
    page.get_by_role("button", name="Pay this account").click()
    field(page, "Amount in MWK").fill("5,475.50")
    field(page, "Amount in MWK").press("Enter")
    expect(page.get_by_text("Five thousand four hundred and seventy-five kwacha", exact=False)).to_be_visible()
    pay_button(page).click()
    expect(page.get_by_text(PAID)).to_be_visible()
    paid_once(console, "100001")
    page.get_by_role("button", name="Open its story").click()
    expect(page.get_by_text("Lilongwe Water Board confirmed the payment.").first).to_be_visible()
    reference = str(payments_of(console, "100001")[0][1])
    assert reference in page.url
    page.get_by_role("button", name="Transactions").click()
    expect(page.get_by_role("heading", name="Transactions")).to_be_visible()


def test_a_biller_that_acts_and_then_hangs_is_answered_for_within_3_seconds_and_settled_by_asking(console: Console, sign_in: SignIn) -> None:
    page = sign_in("operator")
    to_review(page, console, "10030003", "700")
    pay_button(page).click()
    expect(page.get_by_text(BEING_CONFIRMED).first).to_be_visible(timeout=ANSWER_MS)
    expect(page.get_by_text(PAID)).to_be_visible(timeout=60_000)
    paid_once(console, "10030003")


def test_ten_rapid_clicks_make_one_payment(console: Console, sign_in: SignIn) -> None:
    page = sign_in("operator")
    to_review(page, console, "70000010", "810")
    # In the browser itself: quicker than any finger, and without waiting for the page between them.
    pay_button(page).evaluate("button => { for (let click = 0; click < 10; click++) button.click() }")
    expect(page.get_by_text(PAID)).to_be_visible()
    paid_once(console, "70000010")


def test_f5_and_back_on_every_step_lose_nothing_and_pay_once(console: Console, sign_in: SignIn) -> None:
    page = sign_in("operator")
    page.goto(f"{console.url}/payment?biller=LWB_POSTPAID")
    field(page, "Account number").fill("70000011")
    field(page, "Account number").press("Enter")
    expect(field(page, "Amount in MWK")).to_be_visible()
    page.reload()
    field(page, "Amount in MWK").fill("820")
    field(page, "Amount in MWK").press("Enter")
    expect(pay_button(page)).to_be_visible()
    page.reload()
    expect(page.get_by_text("MWK 820.00").first).to_be_visible()
    pay_button(page).click()
    page.reload()
    expect(page.get_by_text(PAID)).to_be_visible()
    page.reload()
    expect(page.get_by_text(PAID)).to_be_visible()
    page.go_back()
    page.go_forward()
    paid_once(console, "70000011")


def test_two_tabs_on_one_review_make_one_payment(console: Console, sign_in: SignIn, context: BrowserContext) -> None:
    first = sign_in("operator")
    to_review(first, console, "70000012", "830")
    second = context.new_page()
    second.goto(first.url)
    expect(pay_button(second)).to_be_visible()
    pay_button(first).click(no_wait_after=True)
    pay_button(second).click(no_wait_after=True)
    for page in (first, second):
        expect(page.get_by_text(PAID)).to_be_visible()
    paid_once(console, "70000012")


def test_a_tab_closed_right_after_the_click_changes_nothing(console: Console, sign_in: SignIn, context: BrowserContext) -> None:
    page = sign_in("operator")
    to_review(page, console, "70000013", "840")
    address = page.url
    pay_button(page).click(no_wait_after=True)
    # Closed once the server has it, as a person who clicks and goes: not before the click left the browser.
    until(lambda: bool(payments_of(console, "70000013")))
    page.close()
    again = context.new_page()
    again.goto(address)
    expect(again.get_by_text(PAID)).to_be_visible()
    paid_once(console, "70000013")


def test_a_refusal_is_told_in_words_with_the_billers_code(console: Console, sign_in: SignIn) -> None:
    page = sign_in("operator")
    to_review(page, console, "10020003", "900")
    pay_button(page).click()
    expect(page.get_by_text("Not paid. No money moved.")).to_be_visible()
    expect(page.get_by_text("LIMIT_EXCEEDED").first).to_be_visible()
    assert console.ledger("10020003") == []


def test_the_same_amount_again_asks_for_a_reason(console: Console, sign_in: SignIn) -> None:
    page = sign_in("operator")
    for paid in range(2):
        to_review(page, console, "70000014", "850")
        if paid:
            expect(page.get_by_text("MWK 850.00 to this account", exact=False).first).to_be_visible()
            pay_button(page).click()
            expect(page.get_by_text("say why").first).to_be_visible()
            assert len(payments_of(console, "70000014")) == 1
            field(page, "Why a second payment?").fill("two meters, two bills")
            field(page, "Why a second payment?").press("Tab")
        pay_button(page).click()
        expect(page.get_by_text(PAID)).to_be_visible()
    assert len(console.ledger("70000014")) == 2


@pytest.mark.parametrize(
    ("typed", "told"), [("10.005", "2 decimals"), ("0", "more than zero"), ("٥٠٠", "plain digit"), ("NaN", "in figures"), ("5", "takes between")]
)
def test_a_bad_amount_gets_a_sentence_and_stays_in_the_field(console: Console, sign_in: SignIn, typed: str, told: str) -> None:
    page = sign_in("operator")
    page.goto(f"{console.url}/payment?biller=LWB_POSTPAID")
    field(page, "Account number").fill("100001")
    field(page, "Account number").press("Enter")
    field(page, "Amount in MWK").fill(typed)
    field(page, "Amount in MWK").press("Enter")
    expect(page.get_by_text(told).first).to_be_visible()
    expect(field(page, "Amount in MWK")).to_have_value(typed)


def until(condition: object, seconds: float = 30.0) -> None:
    """Waits for something outside the browser."""
    assert callable(condition)
    done = threading.Event()
    for _ in range(int(seconds / 0.05)):
        if condition():
            return
        done.wait(0.05)
    pytest.fail("It did not come about.")
