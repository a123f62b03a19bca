"""Each page for each role: open to those who need it for their work, and a plain refusal, at the page's own address, to the others."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from Home import PAGES
from tests.browser.conftest import PATIENCE_MS, Console

# Written anew from the table of roles in the design, not from the seeds: who opens which page.
EVERYBODY = {"operator", "analyst", "manager", "administrator"}
COUNTER = {"operator", "manager"}
OPEN_TO = {
    "dashboard": EVERYBODY,
    "lookup": COUNTER,
    "payment": COUNTER,
    "my_day": COUNTER,
    "transactions": EVERYBODY,
    "approvals": {"manager", "administrator"},
    "reconciliation": {"analyst", "manager"},
    "analytics": EVERYBODY,
    "reports": {"analyst", "manager"},
    "configurations": {"administrator"},
    "people": {"administrator"},
    "notifications": {"manager", "administrator"},
    "jobs": {"administrator"},
    "audit": {"manager", "administrator"},
    "account": EVERYBODY,
    "gate": {"manager"},
}
# Reached by a banner, and by its address: no menu offers it.
UNLISTED = {"gate"}
LISTED = {name: roles for name, roles in OPEN_TO.items() if name not in UNLISTED}


@pytest.fixture(scope="module", params=sorted(EVERYBODY))
def signed_in(request: pytest.FixtureRequest, console: Console, browser: Browser) -> Iterator[tuple[str, Page]]:
    """One window of each role, for all pages."""
    role = request.param
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    person = console.person(role)
    page.goto(console.url)
    page.get_by_label("User name").fill(person["username"])
    page.get_by_label("Password", exact=True).fill(person["password"])
    page.get_by_label("Password", exact=True).press("Enter")
    expect(page.get_by_test_id("stSidebarNav")).to_be_visible()
    yield role, page
    context.close()


def test_every_page_has_its_row_here() -> None:
    assert [page[0] for page in PAGES] == list(OPEN_TO)


def test_the_menu_offers_exactly_what_is_ones_own(signed_in: tuple[str, Page], console: Console) -> None:
    role, page = signed_in
    page.goto(console.url)
    links = page.get_by_test_id("stSidebarNavLink")
    expect(links).to_have_count(sum(role in roles for roles in LISTED.values()))
    assert [text.strip().splitlines()[-1] for text in links.all_inner_texts()] == [title for name, title, *_ in PAGES if role in LISTED.get(name, ())]


@pytest.mark.parametrize("name", OPEN_TO)
def test_a_page_opens_for_those_it_is_for_and_refuses_the_others_in_a_sentence(name: str, signed_in: tuple[str, Page], console: Console) -> None:
    role, page = signed_in
    page.goto(f"{console.url}/{'' if name == 'dashboard' else name}")
    heading = page.get_by_test_id("stMain").get_by_role("heading", level=1)
    expect(heading).to_be_visible()
    if role in OPEN_TO[name]:
        expect(heading).not_to_have_text("Not for your role")
        expect(page.get_by_test_id("stMain").get_by_test_id("stSkeleton")).to_have_count(0)
    else:
        expect(heading).to_have_text("Not for your role")
        expect(page.get_by_text(re.compile(f"Your role \\({role}\\) does not include the right to"))).to_be_visible()
    told = page.locator("body").inner_text()
    assert "incident" not in told
    assert "Traceback" not in told
