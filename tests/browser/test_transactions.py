"""The list in a real browser: a row beside its list, its full page, the way back, and the way out as a file."""

import csv
import io
from pathlib import Path

from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.browser.conftest import Console, SignIn
from tests.browser.test_payment import field, until

ROW_PIXELS = 35


def look_up(page: Page, console: Console, account: str) -> None:
    """One answered look-up in the list."""
    page.goto(f"{console.url}/lookup?biller=LWB_POSTPAID")
    number = field(page, "Account number")
    number.fill(account)
    number.press("Enter")
    until(lambda: bool(console.query("SELECT 1 FROM transactions WHERE account_number = %s AND status = 'COMPLETED'", account)))


def reference_of(console: Console, account: str) -> str:
    return str(console.query("SELECT our_transaction_id FROM transactions WHERE account_number = %s ORDER BY created_at DESC LIMIT 1", account)[0][0])


def click_first_row(page: Page) -> None:
    """In the second column: the first opens the full page."""
    grid = page.get_by_test_id("stDataFrame")
    expect(grid).to_have_count(1)
    expect(page.get_by_text("on this page, newest first").first).to_be_visible()
    grid.scroll_into_view_if_needed()
    box = grid.bounding_box()
    assert box
    page.mouse.click(box["x"] + 250, box["y"] + 1.5 * ROW_PIXELS)


def test_a_row_is_seen_beside_its_list_then_whole_and_the_list_is_as_it_was(console: Console, sign_in: SignIn) -> None:
    page = sign_in("operator")
    look_up(page, console, "70000101")
    reference = reference_of(console, "70000101")
    page.goto(f"{console.url}/transactions?account=70000101&every=15")
    for _ in range(2):
        # Twice: what was put back can be picked again.
        click_first_row(page)
        drawer = page.get_by_role("dialog")
        expect(drawer.get_by_text(reference).first).to_be_visible()
        assert f"peek={reference}" in page.url
        page.keyboard.press("Escape")
        expect(drawer).to_be_hidden()
        page.wait_for_url(lambda url: "peek" not in url)
        # The address changes while the page is being drawn anew, and for a moment there are two grids.
        expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    click_first_row(page)
    page.get_by_role("button", name="Open the full page").click()
    page.wait_for_url(lambda url: f"id={reference}" in url)
    expect(page.get_by_role("heading", name="Messages")).to_be_visible()
    page.get_by_role("button", name="Transactions").click()
    page.wait_for_url(lambda url: url.endswith("/transactions?account=70000101&every=15"))


def test_a_link_to_a_row_shows_a_colleague_the_same(console: Console, sign_in: SignIn, context: BrowserContext) -> None:
    page = sign_in("operator")
    look_up(page, console, "70000102")
    reference = reference_of(console, "70000102")
    other = context.new_page()
    other.goto(f"{console.url}/transactions?account=70000102&peek={reference}")
    expect(other.get_by_role("dialog").get_by_text(reference).first).to_be_visible()


def test_a_day_that_is_typed_is_gone_to_with_one_click(console: Console, sign_in: SignIn) -> None:
    page = sign_in("operator")
    look_up(page, console, "70000104")
    page.goto(f"{console.url}/transactions")
    page.get_by_role("button", name="Page 1").click()
    day = page.get_by_test_id("stPopoverBody").get_by_test_id("stDateInput").get_by_role("spinbutton").first
    day.click()
    for part in ("31", "01", "2024"):
        page.keyboard.type(part)
    page.get_by_role("button", name="Go to this day").click()
    page.wait_for_url(lambda url: "older=20240131T220000" in url)
    expect(page.get_by_text("Nothing more on this side")).to_be_visible()


def test_an_analyst_takes_exactly_the_list_away(console: Console, sign_in: SignIn, context: BrowserContext, tmp_path: Path) -> None:
    look_up(sign_in("operator"), console, "70000103")
    context.clear_cookies()
    page = sign_in("analyst")
    page.goto(f"{console.url}/transactions?account=70000103")
    page.get_by_role("button", name="Export").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="For a program").click()
    download.value.save_as(tmp_path / "list.csv")
    assert download.value.suggested_filename.endswith(".csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "list.csv").read_text())))
    assert [row["reference"] for row in rows] == [reference_of(console, "70000103")]
    until(
        lambda: bool(console.query("SELECT 1 FROM audit_entries WHERE action = 'transactions.exported' AND details ->> 'filter' = 'account with “70000103”'"))
    )


def popover(page: Page, name: str) -> Locator:
    """Opens it and answers what is in it."""
    # While the page is being drawn anew there are two of each for a moment.
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    page.get_by_role("button", name=name, exact=True).click()
    return page.get_by_test_id("stPopoverBody")


def test_a_list_is_narrowed_by_words_kept_shared_and_opened_by_a_colleague(console: Console, sign_in: SignIn, context: BrowserContext) -> None:
    page = sign_in("operator")
    for account in ("70000111", "70000112"):
        look_up(page, console, account)
    context.clear_cookies()
    page = sign_in("analyst")
    page.goto(f"{console.url}/transactions")
    box = page.get_by_label("Search", exact=True)
    box.fill("type:look-up acount:7000011")
    box.press("Enter")
    expect(page.get_by_text("Did you mean “account:”?")).to_be_visible()
    expect(box).to_have_value("type:look-up acount:7000011")
    box.fill("type:look-up account:7000011 sort:oldest")
    box.press("Enter")
    page.wait_for_url(lambda url: url.endswith("/transactions?type=ACCOUNT_DETAILS&account=7000011&sort=oldest"))
    expect(page.get_by_role("button", name="Look-ups", exact=True)).to_be_visible()
    expect(page.get_by_text("2 transactions").first).to_be_visible()
    columns = popover(page, "Columns")
    columns.get_by_role("button", name="Begin with the usual ones").click()
    page.wait_for_url(lambda url: "columns=reference" in url)
    page.keyboard.press("Escape")
    keeping = popover(page, "Save view")
    keeping.get_by_role("textbox").fill("Both look-ups")
    keeping.get_by_text("Share with the team").click()
    keeping.get_by_role("button", name="Save as a new view").click()
    page.wait_for_url(lambda url: "?view=" in url)
    kept = page.url
    context.clear_cookies()
    page = sign_in("operator")
    page.goto(f"{console.url}/transactions")
    page.get_by_test_id("stButtonGroup").get_by_text("Both look-ups").click()
    page.wait_for_url(kept)
    expect(page.get_by_label("Search", exact=True)).to_have_value("type:look-up account:7000011 sort:oldest")
    expect(page.get_by_text("on this page, oldest first").first).to_be_visible()
    place = popover(page, "Page 1 of 1")
    expect(place.get_by_role("group", name="Day")).to_be_visible()
