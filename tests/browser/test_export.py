"""The way out in a real browser: a CSV and a workbook of the same list, and the manifest that knows both by their hashes."""

import csv
import hashlib
import io
import json
from decimal import Decimal
from pathlib import Path

import openpyxl
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import Console, SignIn
from tests.browser.test_payment import until
from tests.browser.test_transactions import look_up

ACCOUNT = "70000104"


def download(page: Page, link: str, target: Path) -> bytes:
    with page.expect_download() as coming:
        page.get_by_role("link", name=link).click()
    coming.value.save_as(target / coming.value.suggested_filename)
    return (target / coming.value.suggested_filename).read_bytes()


def test_the_files_are_the_list_and_the_manifest_knows_them(console: Console, sign_in: SignIn, context: BrowserContext, tmp_path: Path) -> None:
    teller = sign_in("operator")
    for _ in range(2):
        look_up(teller, console, ACCOUNT)
    context.clear_cookies()
    page = sign_in("analyst")
    page.goto(f"{console.url}/transactions?account={ACCOUNT}&sort=oldest")
    listed = [
        str(reference)
        for (reference,) in console.query("SELECT our_transaction_id FROM transactions WHERE account_number = %s ORDER BY created_at, id", ACCOUNT)
    ]
    page.get_by_role("button", name="Export").click()
    expect(page.get_by_text(f"{len(listed)} row").first).to_be_visible()
    comma = download(page, "For a program", tmp_path)
    assert [row["reference"] for row in csv.DictReader(io.StringIO(comma.decode()))] == listed
    workbook = download(page, "As an Excel workbook", tmp_path)
    names, *rows = openpyxl.load_workbook(io.BytesIO(workbook)).worksheets[0].iter_rows(values_only=True)
    cells = [dict(zip(names, row, strict=True)) for row in rows]
    assert [cell["reference"] for cell in cells] == listed
    # With its zeros, its length and its letters: text.
    assert {cell["account_number"] for cell in cells} == {ACCOUNT}
    assert all(cell["submitted_at (Africa/Blantyre)"] for cell in cells)
    until(lambda: console.query("SELECT count(*) FROM exports WHERE complete")[0][0] == 2)
    # The last of the two, told of beside the list by itself.
    expect(page.get_by_text("✓ Complete", exact=True)).to_be_visible()
    page.get_by_role("button", name="Manifest").click()
    page.wait_for_url(lambda url: "exports=" in url)
    expect(page.get_by_text(hashlib.sha256(workbook).hexdigest())).to_be_visible()
    told = json.loads(download(page, "Manifest", tmp_path))
    assert (told["sha256"], told["rows"], told["state"]) == (hashlib.sha256(workbook).hexdigest(), len(listed), "complete")
    assert sum(map(Decimal, told["value_paid"].values())) == 0
    page.get_by_role("button", name="The list as it is now").click()
    page.wait_for_url(lambda url: f"account={ACCOUNT}" in url and "sort=oldest" in url)
