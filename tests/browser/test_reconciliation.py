"""A biller's day closed by people at browsers: its statement imported, what nobody knew settled from a line by two of them, the day signed off on paper."""

import csv
import hashlib
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import openpyxl
import pytest
from playwright.sync_api import Locator, Page, expect

from core.models.reconciliation import Result
from core.sandbox import statements as sandbox_statements
from core.services.reconciliation import RESULTS, today
from core.ui.tables import ROW_PIXELS
from tests.browser.conftest import Console, SignIn
from tests.browser.test_export import download
from tests.browser.test_live import pay, window  # noqa: F401 - a fixture
from tests.browser.test_payment import BEING_CONFIRMED, pay_button, to_review, until

CODE = "LWB_POSTPAID"
AGREED, UNKNOWN = "70000801", "70000802"
ELSEWHERE = "Paid at the board's own counter: their cashier confirmed it by telephone."


@pytest.fixture
def confused(console: Console) -> Iterator[None]:
    """The biller takes one account's payment, and answers every question about it under somebody else's reference."""

    def control(method: str, path: str, what: object = None) -> None:
        httpx.request(method, console.control + path, json=what, trust_env=False, timeout=20).raise_for_status()

    for operation in ("PostTransaction", "GetTransactionStatus"):
        control("POST", "/faults/next", {"biller": CODE, "operation": operation, "fault": "wrong_reference", "count": 1_000_000, "account": UNKNOWN})
    yield
    control("DELETE", "/faults")


def a_workbook(console: Console, directory: Path) -> Path:
    """The day as the biller's ledger has it, saved from a spreadsheet, with a payment that was made at the biller's own counter."""
    text = sandbox_statements.write(console.data_dir / "sandbox", CODE, today())
    *lines, total = list(csv.reader(io.StringIO(text)))
    book = openpyxl.Workbook()
    for line in (*lines, [f"{today():%d/%m/%Y}", "09:15:00", "", "COUNTER-1", "70000899", "1,500.00", "Payment"], total):
        book.active.append(line)
    book.save(directory / "lwb.xlsx")
    return directory / "lwb.xlsx"


def the_day(page: Page, console: Console, kind: Result) -> None:
    """One kind of the day's differences, and its only row chosen, by the mark before its columns."""
    page.goto(f"{console.url}/reconciliation?biller={CODE}&day={today()}")
    page.get_by_test_id("stButtonGroup").get_by_text(re.compile(f"^{RESULTS[kind].label} 1$")).click()
    expect(page.get_by_text(RESULTS[kind].meaning, exact=False).first).to_be_visible()
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    expect(page.get_by_test_id("stDataFrame")).to_have_count(1)
    page.get_by_test_id("stDataFrame").click(position={"x": ROW_PIXELS / 2, "y": 1.5 * ROW_PIXELS})


def importing(page: Page, console: Console, file: Path) -> Locator:
    """A statement laid before the console, as far as the button that imports it."""
    page.goto(f"{console.url}/reconciliation?import=1")
    page.get_by_role("combobox", name="Biller").click()
    page.get_by_role("option", name="Lilongwe Water Board").click()
    page.locator("input[type=file]").set_input_files(file)
    expect(page.get_by_text("Which column has what")).to_be_visible()
    return page.get_by_role("button", name="Import", exact=True)


def test_a_day_is_closed_with_nothing_open_by_following_the_console(
    console: Console,
    confused: None,
    sign_in: SignIn,
    window: Callable[..., Page],  # noqa: F811
    tmp_path: Path,
) -> None:
    teller = sign_in("operator")
    pay(teller, console, AGREED)
    to_review(teller, console, UNKNOWN, "840")
    pay_button(teller).click()
    expect(teller.get_by_text(BEING_CONFIRMED).first).to_be_visible()
    until(lambda: len(console.ledger(UNKNOWN)) == 1)

    # An analyst imports the statement, and once more: the second time changes nothing.
    analyst, file = window("analyst"), a_workbook(console, tmp_path)
    importing(analyst, console, file).click()
    expect(analyst.get_by_text(re.compile("came in, and .* found a payment of ours"))).to_be_visible()
    kept = console.query("SELECT count(*), (SELECT count(*) FROM statements) FROM statement_lines")
    again = importing(analyst, console, file)
    expect(analyst.get_by_text("As this biller's files were read before.", exact=False)).to_be_visible()
    expect(analyst.get_by_text("This very file was imported before.", exact=False)).to_be_visible()
    again.click()
    expect(analyst.get_by_text("Nothing was changed", exact=False)).to_be_visible()
    assert console.query("SELECT count(*), (SELECT count(*) FROM statements) FROM statement_lines") == kept

    # What is no payment of ours is explained; what is in doubt is for two managers.
    the_day(analyst, console, Result.THEIRS_ONLY)
    analyst.get_by_role("textbox", name="Why is it so, or who sees to it?").fill(ELSEWHERE)
    analyst.get_by_role("button", name="Explain", exact=True).click()
    expect(analyst.get_by_text(ELSEWHERE, exact=False)).to_be_visible()

    first, second = window("manager"), window("manager", 1)
    ((stage,),) = console.query("SELECT stage FROM transactions WHERE account_number = %s AND amount IS NOT NULL", UNKNOWN)
    the_day(first, console, Result.UNDER_REVIEW if stage == "REVIEW" else Result.IN_DOUBT)
    first.get_by_role("button", name="Propose: the biller has it").click()
    expect(first.get_by_text("Proposed. Another manager decides", exact=False)).to_be_visible()
    # Whoever looks at it now reads that it waits, and is not asked to propose it once more.
    the_day(first, console, Result.UNDER_REVIEW)
    expect(first.get_by_text("It is proposed, and waits for another manager on Approvals.")).to_be_visible()
    expect(first.get_by_role("button", name="Propose: the biller has it")).to_have_count(0)
    first.goto(f"{console.url}/reconciliation?biller={CODE}&day={today()}")
    expect(first.get_by_text("1 difference is open. Settle or explain each of them first.").first).to_be_visible()
    expect(first.get_by_role("button", name="Sign the day off")).to_be_disabled()

    second.goto(f"{console.url}/approvals")
    of_the_line, approve = re.compile(r"statement of .*, row \d+: payment MWK 840\.00"), second.get_by_role("button", name="Approve", exact=True)
    expect(second.get_by_text(of_the_line).first).to_be_visible()
    # Other payments may wait beside it: its own card is the innermost that has both.
    second.get_by_test_id("stVerticalBlock").filter(has_text=of_the_line).filter(has=approve).last.get_by_role("button", name="Approve", exact=True).click()
    settled = "SELECT status FROM transactions WHERE account_number = %s AND amount IS NOT NULL"
    until(lambda: console.query(settled, UNKNOWN) == [("COMPLETED",)])

    # Nothing is open any more: a manager signs the day off, and takes the sheet along.
    second.goto(f"{console.url}/reconciliation?biller={CODE}&day={today()}")
    second.get_by_role("button", name="Sign the day off").click()
    expect(second.get_by_text(f"By {_name_of(console, 1)}", exact=False)).to_be_visible()
    ((digest, closed_by),) = console.query(
        "SELECT encode(c.sheet_sha256, 'hex'), u.username FROM day_closes c JOIN users u ON u.id = c.closed_by WHERE c.biller_type = %s", CODE
    )
    assert closed_by == console.person("manager", 1)["username"]
    sheet = download(second, "Sheet (PDF)", tmp_path)
    assert (sheet[:5], hashlib.sha256(sheet).hexdigest()) == (b"%PDF-", digest)


def _name_of(console: Console, number: int) -> str:
    ((name,),) = console.query("SELECT display_name FROM users WHERE username = %s", console.person("manager", number)["username"])
    return str(name)
