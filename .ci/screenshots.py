"""Pictures of every page, in light and dark, wide and narrow. It knows one rule: a page that shows an error it should not show is a failure.

Starts a whole console in sandbox mode with a data directory of its own, demonstration data in it, and pays some bills through its pages first.
"""

# ruff: noqa: E402, TID251 - it writes no bytecode beside itself, starts our own programs, and hands the environment on.

from __future__ import annotations

import argparse
import ast
import os
import re
import shutil
import sys
import tempfile
import tomllib
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

CHECKOUT = Path(__file__).resolve().parent.parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(CHECKOUT))

from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect, sync_playwright

from core.models.snapshot import passes_luhn
from core.services.reconciliation import today
from core.settings import DATABASE_PORT, DATABASE_ROLE
from tests.browser.conftest import CHROMIUM, PATIENCE_MS, QUIET, Console, free_ports, serving
from tests.browser.test_payment import PAID, field, pay_button
from tests.browser.test_reconciliation import a_workbook, importing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

SIZES = {"wide": (1440, 1000), "narrow": (390, 844)}
SCHEMES = ("light", "dark")
# A page is taken whole, up to this height.
TALLEST = 5_000

# Whoever may see a page and comes first here is who it is taken for.
ROLES = ("operator", "manager", "administrator", "analyst")

TROUBLE = re.compile(r"Traceback|incident [0-9A-HJKMNP-TV-Z]{8}")
READY = "document.querySelector('[data-testid=stApp]')?.getAttribute('data-test-script-state') !== 'running'"
SETTLED = f"""() => {{
    const main = document.querySelector('[data-testid=stMain]');
    if (!main || !({READY}) || document.querySelector('[data-testid=stSkeleton], [data-stale=true], [data-testid=stSpinner]')) {{
        window.still = 0;
        return false;
    }}
    const seen = main.scrollHeight + ' ' + main.innerText.length + ' ' + document.querySelectorAll('*').length;
    window.still = seen === window.seen ? (window.still || 0) + 1 : 0;
    window.seen = seen;
    return window.still >= 4;
}}"""


@dataclass(frozen=True)
class View:
    """One picture's subject. `complains`: what it shows is a refusal, so an error box belongs there."""

    name: str
    role: str | None
    address: str
    complains: bool = False


# Besides a page as it opens: states that are reached by an address alone. `{names}` are what was prepared, and SQL finds the rest.
STATES: Mapping[str, Sequence[tuple[str, str]]] = {
    "transactions": (
        ("failed", "/transactions?status=FAILED"),
        ("nothing", "/transactions?q=nobody-has-this"),
        ("one-paid", "/transactions?id={paid}"),
        ("one-refused", "/transactions?id={refused}"),
        ("one-in-doubt", "/transactions?id={doubtful}"),
        ("one-with-token", "/transactions?id={vended}"),
        ("one-reversed", "/transactions?id={demo-reversed}"),
        ("one-confirmed-after-doubt", "/transactions?id={demo-doubt}"),
        ("retry", "/transactions?id={refused}&retry=1"),
    ),
    "configurations": (
        ("one", "/configurations?id={config}"),
        ("test", "/configurations?id={config}&tab=test"),
        ("new", "/configurations?new=1"),
    ),
    "reconciliation": (
        ("import", "/reconciliation?import=1"),
        ("day", "/reconciliation?biller=LWB_POSTPAID&day={statement-day}"),
    ),
    "notifications": (("alerts", "/notifications?part=alerts"),),
    "dashboard": (("quarter", "/dashboard?range=90d"),),
    "analytics": (("quarter", "/analytics?range=90d"),),
    "audit": (
        ("found", "/audit?q=action:transaction"),
        ("entry", "/audit?entry=12"),
        ("nothing", "/audit?q=who:nobody"),
        ("not-understood-refused", "/audit?q=wo:grace"),
        ("of-one", "/audit?q=about:transaction:{paid}"),
    ),
}
# An account of the sandbox that vends.
METER = next(number for number in (f"3700005041{digit}" for digit in range(10)) if passes_luhn(number))

# States that tell of a refusal: there an error box is the point.
COMPLAINING = ("refused", "not-found", "retry")

DEMO_STORIES = {
    "demo-reversed": "status = 'REVERSED'",
    "demo-doubt": "status = 'COMPLETED' AND EXISTS (SELECT FROM events e WHERE e.transaction_id = t.id AND e.to_stage = 'PAY_UNKNOWN')",
}


# ---- What there is to see


def pages() -> Mapping[str, str]:
    """The menu as Home has it, name and permission; of those whose file is there."""
    for node in ast.parse((CHECKOUT / "Home.py").read_text()).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "PAGES":
            found = ast.literal_eval(node.value)
            return {name: permission for name, *_, permission in found if (CHECKOUT / "pages" / f"{name}.py").exists()}
    raise SystemExit("Home.py has no PAGES any more; .ci/screenshots.py reads it.")


def views(prepared: Mapping[str, str]) -> list[View]:
    seeds = tomllib.loads((CHECKOUT / "seeds" / "roles.toml").read_text())
    shown = [View("sign-in", None, "/")]
    menu = pages()
    for number, (page, permission) in enumerate(menu.items()):
        role = next(role for role in ROLES if permission in seeds[role]["permissions"])
        shown.append(View(page, role, "/" if number == 0 else f"/{page}"))
        for state, address in STATES.get(page, ()):
            needed = re.findall(r"{([a-z-]+)}", address)
            if all(name in prepared for name in needed):
                for name in needed:
                    address = address.replace(f"{{{name}}}", prepared[name])
                shown.append(View(f"{page}-{state}", role, address, state.endswith(COMPLAINING)))
    shown += [View(name, "operator", address, name.endswith(COMPLAINING)) for name, address in prepared.items() if address.startswith("/")]
    shown.append(View("not-allowed", "analyst", "/payment", complains=True))
    return shown


# ---- Preparing: what an operator does at the counter


def prepare(console: Console, page: Page) -> dict[str, str]:
    """Real payments, made by hand. Answers their references by name, and by addresses that begin with / where the pages stopped on the way."""
    prepared: dict[str, str] = {}

    def here(name: str) -> None:
        settle(page)
        prepared[name] = page.url.removeprefix(console.url)

    def begin(biller: str, account: str) -> None:
        page.goto(f"{console.url}/payment?biller={biller}")
        number = field(page, _label(console, biller))
        number.fill(account)
        number.press("Enter")

    def amount(text: str) -> None:
        field(page, "Amount in MWK").fill(text)
        field(page, "Amount in MWK").press("Enter")
        expect(page.get_by_text("Amount to pay").first).to_be_visible()

    def paid_as(name: str, account: str) -> None:
        rows = console.query("SELECT our_transaction_id FROM transactions WHERE account_number = %s AND amount IS NOT NULL AND NOT demo", account)
        prepared[name] = str(rows[-1][0])

    page.goto(f"{console.url}/lookup?biller=LWB_POSTPAID")
    field(page, "Account number").fill("10010002")
    field(page, "Account number").press("Enter")
    expect(page.get_by_role("button", name="Pay this account")).to_be_visible()
    here("lookup-found")
    page.goto(f"{console.url}/lookup?biller=LWB_POSTPAID")
    field(page, "Account number").fill("10020001")
    field(page, "Account number").press("Enter")
    expect(page.get_by_text("ACCOUNT_NOT_FOUND").or_(page.get_by_text("no such account")).first).to_be_visible()
    here("lookup-not-found")

    begin("LWB_POSTPAID", "100001")
    expect(field(page, "Amount in MWK")).to_be_visible()
    # A draft is where it was left: each step that is shown is another one's.
    here("payment-amount")
    begin("LWB_POSTPAID", "100001")
    amount("5475.50")
    here("payment-review")
    begin("LWB_POSTPAID", "10010003")
    amount("7,320.75")
    pay_button(page).click()
    expect(page.get_by_text(PAID)).to_be_visible()
    here("payment-paid")
    paid_as("paid", "10010003")
    begin("LWB_POSTPAID", "10010003")
    amount("7,320.75")
    here("payment-duplicate")
    begin("LWB_POSTPAID", "10020004")
    amount("5000")
    pay_button(page).click()
    expect(page.get_by_text(re.compile("No money moved")).first).to_be_visible()
    here("payment-refused")
    paid_as("refused", "10020004")
    begin("LWB_POSTPAID", "10030002")
    amount("14725")
    pay_button(page).click()
    expect(page.get_by_text(re.compile("Do not pay again")).first).to_be_visible()
    here("payment-in-doubt")
    paid_as("doubtful", "10030002")

    begin("REGISTER_GENERAL", "70000503")
    expect(pay_button(page)).to_be_visible()
    here("payment-invoice")
    begin("TNM_BUNDLES", "0881000501")
    expect(page.get_by_role("button", name="Choose").first).to_be_visible()
    here("payment-bundles")
    begin("TNM_BUNDLES", "0881000501")
    page.get_by_role("button", name="Choose").nth(1).click()
    expect(pay_button(page)).to_be_visible()
    here("payment-bundle-review")
    begin("SRWB_PREPAID", METER)
    amount("5000")
    pay_button(page).click()
    expect(page.get_by_text(PAID)).to_be_visible()
    here("payment-token")
    paid_as("vended", METER)

    for name, condition in DEMO_STORIES.items():
        found = console.query(f"SELECT our_transaction_id FROM transactions t WHERE demo AND {condition} ORDER BY created_at DESC LIMIT 1")  # noqa: S608
        if found:
            prepared[name] = str(found[0][0])
    prepared["config"] = str(console.query("SELECT id FROM biller_configs WHERE biller_type = 'LWB_POSTPAID'")[0][0])
    return prepared


def reconcile(console: Console, page: Page) -> dict[str, str]:
    """What an analyst does: today's statement comes in, with a payment in it that nobody here made."""
    with tempfile.TemporaryDirectory() as directory:
        importing(page, console, a_workbook(console, Path(directory))).click()
        expect(page.get_by_text(re.compile("came in, and .* found a payment of ours"))).to_be_visible()
    return {"statement-day": today().isoformat()}


def _label(console: Console, biller: str) -> str:
    return str(console.query("SELECT coalesce(validation_rules->>'account_label', 'Account number') FROM biller_configs WHERE biller_type = %s", biller)[0][0])


# ---- Taking pictures


def settle(page: Page) -> None:
    """Until the script has run, nothing is drawn any more and nothing is a placeholder."""
    page.wait_for_function(SETTLED, polling=150)


def take(page: Page, console: Console, view: View, path: Path, size: tuple[int, int]) -> list[str]:
    """One picture. Answers what is wrong with it."""
    errors: list[str] = []

    def note(error: object) -> None:
        errors.append(f"script error: {error}")

    page.on("pageerror", note)
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.goto(console.url + view.address)
    expect(page.get_by_test_id("stMain")).to_be_visible()
    settle(page)
    tall = int(page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight"))
    if tall > size[1]:
        page.set_viewport_size({"width": size[0], "height": min(tall, TALLEST)})
        settle(page)
    page.screenshot(path=path, animations="disabled")
    page.remove_listener("pageerror", note)
    return errors + complaints(page, view)


def complaints(page: Page, view: View) -> list[str]:
    text = page.locator("body").inner_text()
    found = [f"shows {match!r}" for match in sorted(set(TROUBLE.findall(text)))]
    if page.get_by_test_id("stException").count():
        found.append("shows an exception")
    if not view.complains:
        found += [f"shows an error box: {box.inner_text()[:120]!r}" for box in page.get_by_test_id("stAlertContentError").all()]
    if page.evaluate("(main => main.scrollWidth > main.clientWidth + 1)(document.querySelector('[data-testid=stMain]'))"):
        found.append("is wider than its window")
    return found


def context_for(browser: Browser, console: Console, role: str | None, kept: dict[str, dict], scheme: str) -> BrowserContext:
    """A browser in which somebody of this role is signed in; each signs in once."""
    if role and role not in kept:
        kept[role] = _sign_in(browser, console, role)
    made = browser.new_context(color_scheme=scheme, storage_state=kept[role] if role else None, device_scale_factor=1)
    made.set_default_timeout(PATIENCE_MS)
    return made


def _sign_in(browser: Browser, console: Console, role: str) -> dict:
    person = console.person(role)
    context = browser.new_context()
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.goto(console.url)
    page.get_by_label("User name").fill(person["username"])
    page.get_by_label("Password", exact=True).fill(person["password"])
    page.get_by_label("Password", exact=True).press("Enter")
    expect(page.get_by_test_id("stSidebarNav")).to_be_attached()
    state = context.storage_state()
    context.close()
    return state


@contextmanager
def running_console(transactions: int) -> Iterator[Console]:
    data_dir = Path(tempfile.mkdtemp(prefix="billers-screenshots-", dir="/var/tmp"))
    data_dir.chmod(0o711)
    port, sandbox_port, control_port = free_ports(3)
    chosen = {
        "BILLERS_DATA_DIR": str(data_dir),
        "PORT": str(port),
        "BILLERS_SANDBOX": "true",
        "BILLERS_SANDBOX_PORT": str(sandbox_port),
        "BILLERS_SANDBOX_CONTROL_PORT": str(control_port),
        "BILLERS_DEMO_TRANSACTIONS": str(transactions),
    }
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"} | chosen
    dsn = f"host={data_dir / 'run'} port={DATABASE_PORT} user={DATABASE_ROLE} dbname=billers"
    try:
        with serving([sys.executable, "-m", "core.cli", "up"], environment, port):
            yield Console(f"http://127.0.0.1:{port}", data_dir, dsn, environment, f"http://127.0.0.1:{control_port}")
    finally:
        shutil.rmtree(data_dir, ignore_errors=True)


def wait_for_demo(console: Console, page: Page) -> None:
    """It is loaded while the console serves already."""
    for _ in range(600):
        if console.query("SELECT 1 FROM transactions WHERE demo LIMIT 1"):
            return
        page.wait_for_timeout(200)
    raise SystemExit("The demonstration data did not come. Run `make run` and read what it says.")


def shoot(playwright: Playwright, console: Console, chosen: argparse.Namespace) -> list[str]:
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
    kept: dict[str, dict] = {}
    counter = context_for(browser, console, "operator", kept, "light")
    page = counter.new_page()
    page.set_viewport_size({"width": 1440, "height": 1000})
    if chosen.transactions:
        wait_for_demo(console, page)
    prepared = prepare(console, page)
    counter.close()
    office = context_for(browser, console, "analyst", kept, "light")
    prepared |= reconcile(console, office.new_page())
    office.close()
    wanted = [view for view in views(prepared) if not chosen.only or any(word in view.name for word in chosen.only)]
    wrong: list[str] = []
    for scheme in chosen.schemes:
        for role in dict.fromkeys(view.role for view in wanted):
            context = context_for(browser, console, role, kept, scheme)
            page = context.new_page()
            for view in wanted:
                if view.role != role:
                    continue
                for size in chosen.sizes:
                    path = chosen.directory / f"{view.name}-{scheme}-{size}.png"
                    found = take(page, console, view, path, SIZES[size])
                    wrong += [f"{path.name}: {one}" for one in found]
                    print(f"{'✗' if found else '✓'} {path}" + "".join(f"\n    {one}" for one in found), flush=True)
            context.close()
    browser.close()
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description="Take a picture of every page.")
    parser.add_argument("--directory", type=Path, default=CHECKOUT / "screenshots", help="where they go (default: screenshots/)")
    parser.add_argument("--only", nargs="*", help="views whose name contains one of these")
    parser.add_argument("--schemes", nargs="*", default=SCHEMES, choices=SCHEMES)
    parser.add_argument("--sizes", nargs="*", default=tuple(SIZES), choices=tuple(SIZES))
    parser.add_argument("--transactions", type=int, default=50_000, help="demonstration transactions (default: 50000)")
    chosen = parser.parse_args()
    if CHROMIUM is None:
        print("There is no Chromium on this machine. Install the package chromium, or name the program in BILLERS_CHROMIUM.", file=sys.stderr)
        return 1
    chosen.directory.mkdir(parents=True, exist_ok=True)
    expect.set_options(timeout=PATIENCE_MS)
    with running_console(chosen.transactions) as console, sync_playwright() as playwright:
        wrong = shoot(playwright, console, chosen)
    print(f"\n{len(list(chosen.directory.glob('*.png')))} pictures in {chosen.directory}.")
    for line in wrong:
        print(f"✗ {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
