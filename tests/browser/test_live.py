"""What one window does, another shows: without a reload, without taking anything from whoever is at work in it."""

import re
import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.browser.conftest import PATIENCE_MS, Console, SignIn
from tests.browser.test_payment import PAID, pay_button, to_review
from tests.browser.test_transactions import look_up

# The slow look comes every 15 seconds; a page that is pushed to is quicker by far.
PUSHED_MS = 10_000


@pytest.fixture
def window(browser: Browser, console: Console) -> Iterator[Callable[[str], Page]]:
    """`window("manager")`: another person's browser, signed in. `window("manager", 1)`: the second manager's."""
    contexts: list[BrowserContext] = []

    def open_one(role: str, number: int = 0) -> Page:
        context = browser.new_context(viewport={"width": 1440, "height": 1000})
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        person, page = console.person(role, number), context.new_page()
        page.goto(console.url)
        page.get_by_label("User name").fill(person["username"])
        page.get_by_label("Password", exact=True).fill(person["password"])
        page.get_by_label("Password", exact=True).press("Enter")
        expect(page.get_by_test_id("stSidebarNav")).to_be_visible()
        return page

    yield open_one
    for context in contexts:
        context.close()


def pay(page: Page, console: Console, account: str) -> None:
    to_review(page, console, account, "700")
    pay_button(page).click()
    expect(page.get_by_text(PAID)).to_be_visible()


def mark(page: Page) -> None:
    """Whatever reloads the page takes this away."""
    page.evaluate("window.hereSince = 'the beginning'")


def is_the_same(page: Page) -> bool:
    return bool(page.evaluate("window.hereSince === 'the beginning'"))


def follows(page: Page) -> None:
    """The page's stream is open, and its pulse there."""
    until(lambda: bool(page.evaluate("globalThis.billersLive !== undefined")), PATIENCE_MS)


def test_a_payment_shows_on_another_windows_list_and_what_is_half_typed_there_stays(console: Console, sign_in: SignIn, window: Callable[[str], Page]) -> None:
    operator, manager = sign_in("operator"), window("manager")
    look_up(operator, console, "70000601")
    manager.goto(f"{console.url}/transactions")
    follows(manager)
    mark(manager)
    search = manager.get_by_label("Search", exact=True)
    search.press_sequentially("half a wo")
    top = manager.evaluate("document.querySelector('[data-testid=stMain]').scrollTop")
    pay(operator, console, "70000602")
    expect(news_of(manager)).to_be_visible(timeout=PUSHED_MS)
    assert is_the_same(manager)
    expect(search).to_have_value("half a wo")
    expect(search).to_be_focused()
    assert manager.evaluate("document.querySelector('[data-testid=stMain]').scrollTop") == top


def test_a_payment_shows_on_another_windows_dashboard(console: Console, sign_in: SignIn, window: Callable[[str], Page]) -> None:
    operator, manager = sign_in("operator"), window("manager")
    follows(manager)
    mark(manager)
    before = _payments_today(manager)
    pay(operator, console, "70000603")
    until(lambda: _payments_today(manager) > before, PUSHED_MS)
    assert is_the_same(manager)


def test_without_the_stream_the_page_looks_by_itself(console: Console, sign_in: SignIn, window: Callable[[str], Page]) -> None:
    operator, manager = sign_in("operator"), window("manager")
    look_up(operator, console, "70000604")
    manager.route("**/live/events", lambda route: route.abort())
    manager.goto(f"{console.url}/transactions")
    follows(manager)
    mark(manager)
    pay(operator, console, "70000605")
    expect(news_of(manager)).to_be_visible(timeout=2 * PATIENCE_MS)
    assert is_the_same(manager)


def news_of(page: Page) -> Locator:
    return page.get_by_role("button", name=re.compile(r"\d+\+? new.* · show"))


def until(condition: Callable[[], bool], milliseconds: int) -> None:
    ends = time.monotonic() + milliseconds / 1000
    while not condition():
        assert time.monotonic() < ends, "It did not happen."


def _payments_today(page: Page) -> int:
    tile = page.get_by_test_id("stMetric").filter(has_text="Payments today")
    expect(tile).to_be_visible()
    found = re.search(r"\n([\d,]+)", tile.inner_text())
    assert found
    return int(found[1].replace(",", ""))
