"""What a stranger gets, on a server nobody has used before."""

import sys

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import ROOT, Console, SignIn, free_ports, serving

PAGES = sorted(page.stem for page in (ROOT / "pages").glob("*.py"))


def _text_of(page: Page) -> str:
    return page.locator("body").inner_text()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_opened_first_and_anonymously_on_a_fresh_server_shows_the_sign_in_and_nothing_else(name: str, console: Console, context: BrowserContext) -> None:
    """Streamlit once ran `pages/x.py` for an anonymous browser as long as nobody had run the main script: so each page gets a server of its own."""
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "streamlit", "run", "Home.py", "--server.port", str(port), "--server.address", "127.0.0.1", "--server.headless", "true"]
    with serving(command, {**console.environment, "PORT": str(port)}, port):
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{port}/{name}")
        expect(page.get_by_label("User name")).to_be_visible()
        expect(page.get_by_test_id("stSidebarNav")).to_have_count(0)
        told = _text_of(page)
        for word in ("Account number", "Amount", "Transactions", "Search", "Lilongwe"):
            assert word not in told, f"a stranger reads {word!r} on {name}"


def test_the_same_console_is_served_by_streamlit_run(console: Console) -> None:
    """Routes included: an address that Streamlit itself does not know answers."""
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "streamlit", "run", "Home.py", "--server.port", str(port), "--server.address", "127.0.0.1", "--server.headless", "true"]
    with serving(command, {**console.environment, "PORT": str(port)}, port):
        answer = httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False)
    assert answer.status_code == 200


def test_a_wrong_password_is_refused_in_a_sentence(console: Console, context: BrowserContext) -> None:
    page = context.new_page()
    page.goto(console.url)
    page.get_by_label("User name").fill("grace")
    page.get_by_label("Password", exact=True).fill("not the password")
    page.get_by_label("Password", exact=True).press("Enter")
    expect(page.get_by_text("The user name, the password or the code is not right.")).to_be_visible()


def test_a_deep_link_survives_the_sign_in(console: Console, context: BrowserContext) -> None:
    person = console.person("analyst")
    page = context.new_page()
    page.goto(f"{console.url}/transactions?status=FAILED")
    page.get_by_label("User name").fill(person["username"])
    page.get_by_label("Password", exact=True).fill(person["password"])
    page.get_by_label("Password", exact=True).press("Enter")
    expect(page.get_by_test_id("stSidebarNav")).to_be_visible()
    assert "/transactions" in page.url
    assert "status=FAILED" in page.url


def test_signing_out_ends_the_session_for_good(console: Console, sign_in: SignIn, context: BrowserContext) -> None:
    page = sign_in("operator")
    kept = context.cookies()
    assert all(cookie["httpOnly"] for cookie in kept if "billers" in cookie["name"])
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("User name")).to_be_visible()
    # The cookie put back, as somebody who copied it would.
    context.add_cookies(kept)  # type: ignore[arg-type]
    page.goto(f"{console.url}/transactions")
    expect(page.get_by_label("User name")).to_be_visible()


def test_an_analyst_is_told_that_paying_is_not_for_their_role(console: Console, sign_in: SignIn) -> None:
    page = sign_in("analyst")
    page.goto(f"{console.url}/payment")
    expect(page.get_by_text("does not include the right to pay bills")).to_be_visible()
    expect(page.get_by_label("Account number")).to_have_count(0)
