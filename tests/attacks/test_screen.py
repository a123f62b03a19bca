"""What billers and customers are called, on the screen of a real browser: letters, and nothing that is drawn, led to, fetched or run."""

import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import quote

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from sqlalchemy import text
from sqlalchemy.orm import Session

import core.db
from core.access import Actor
from core.adapters.lwb_postpaid import LwbPostpaid
from core.security.sessions import cookie_name
from core.services import claims, people, settlement
from core.wire.contract import Outcome, Query, Reply, Terms
from core.wire.soap import Elements, envelope
from tests.attacks.report import ControlFired, Refused
from tests.front_door.conftest import Console, Served, free_port
from tests.pages.conftest import LWB, SLOTS, Till, _result

EVIL = "http://evil.example"

# A word of its own, to see where the name stands.
WORD = "Zikomo"

HTML = f'<img src="{EVIL}/pixel"><a href="{EVIL}/">click</a><script>window.attacked = true</script>'
MARKDOWN = f"[click]({EVIL}/) ![x]({EVIL}/pixel) **bold** :red[red] <{EVIL}> www.evil.example"
LATEX = r"$\frac{1}{2}$ $$x^2$$ \(y\)"
PLOTLY = f'<a href="{EVIL}/">click</a> <b>bold</b> %{{x}}'

# How a browser shows that it took the letters for more: by what stands in the page, or by what it fetched or ran.
DRAWN = {
    "led to": 'a[href*="evil.example"]',
    "fetched": 'img[src*="evil.example"]',
    "formula": ".katex",
    "led to in a figure": '.js-plotly-plot svg a, .js-plotly-plot svg tspan[style*="font-weight"]',
}

DIGITS = iter(range(70_100_000, 70_200_000))


@dataclass
class Screen:
    """A browser's page, and what came of the letters on it."""

    page: Page
    fetched: list[str]

    def drawn(self) -> set[str]:
        found = {what for what, selector in DRAWN.items() if self.page.locator(selector).count()}
        return found | ({"fetched"} if self.fetched else set()) | ({"run"} if self.page.evaluate("window.attacked === true") else set())

    def open(self, address: str) -> None:
        self.page.goto(address)
        expect(self.page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]')).to_be_visible()


@pytest.fixture
def screen(context: BrowserContext) -> Screen:
    page = context.new_page()
    fetched: list[str] = []
    # Nothing leaves this machine; it is enough to know that it would.
    context.route(re.compile(r"https?://[a-z.]*evil\.example/"), lambda route: (fetched.append(route.request.url), route.abort())[1])
    return Screen(page, fetched)


@pytest.fixture(scope="module")
def running_unescaped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    with Served(free_port(), tmp_path_factory.mktemp("unescaped") / "console.log", "tests/attacks/unescaped.py") as served:
        yield served


@pytest.fixture
def shown_without_care(running_unescaped: Console, screen: Screen) -> Callable[[str], set[str]]:
    """What a page that takes the letters as they come makes of them."""

    def show(given: str, *, until: str) -> set[str]:
        screen.open(f"{running_unescaped.url}/?given={quote(given)}")
        expect(screen.page.locator(DRAWN[until]).first).to_be_attached()
        drawn = screen.drawn()
        screen.fetched.clear()
        return drawn

    return show


@dataclass
class Shown:
    """The manager's pages, once a biller has answered with this name, refused a payment in these words, and is called so itself."""

    pages: list[str]
    token: str


@pytest.fixture
def answered_with(console: Console, token_of: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Shown]:
    token = token_of("manager")
    actor = people.actor_of(token)
    assert actor is not None
    with core.db.unit_of_work() as unit:
        unit.execute(text("UPDATE biller_configs SET is_active = true"))

    def answer(payload: str) -> Shown:
        name = f"{WORD} {payload}"
        with core.db.unit_of_work() as unit:
            call_the_biller(unit, name)
        till = Till(actor, monkeypatch)
        account = str(next(DIGITS))
        looked_up = look_up(till, actor, account, name)
        refused_one = till.pay(account=account)
        till.answer(Outcome.REJECTED, f"13 {payload}", name)
        paid = till.pay(account=account)
        till.answer(Outcome.CONFIRMED, message=name)
        stories = [f"/transactions?id={reference_of(one)}" for one in (refused_one, paid)]
        return Shown([f"/lookup?lookup={looked_up}&biller={LWB}", *stories, "/", "/my_day", "/analytics", "/transactions"], token)

    return answer


def call_the_biller(unit: Session, name: str) -> None:
    """A new version of its configuration with this name on it."""
    unit.execute(text("UPDATE biller_configs SET display_name = :name, version = version + 1 WHERE biller_type = :biller"), {"name": name, "biller": LWB})
    unit.execute(
        text(
            "INSERT INTO biller_config_versions (config_id, version, snapshot, authentication)"
            " SELECT c.id, c.version, v.snapshot || jsonb_build_object('display_name', CAST(:name AS text)), c.authentication"
            " FROM biller_configs c JOIN biller_config_versions v ON v.config_id = c.id AND v.version = c.version - 1 WHERE c.biller_type = :biller"
        ),
        {"name": name, "biller": LWB},
    )


def look_up(till: Till, actor: Actor, account: str, name: str) -> uuid.UUID:
    """A look-up whose answer is read from the biller's own bytes."""
    from core.services import lookups

    asked = lookups.ask(actor, LWB, account)
    x = Elements(LwbPostpaid.namespace)
    said = {"AccountNumber": account, "CustomerName": name, "Balance": "5475.50", "Currency": "MWK", "Status": "ACTIVE"}
    bytes_ = envelope(x.GetAccountDetailsResponse(*[getattr(x, tag)(value) for tag, value in said.items()]))
    told = LwbPostpaid(Terms("https://biller.test", {})).lookup(Query(account)).read(Reply(200, {"content-type": "text/xml; charset=utf-8"}, bytes_))
    assert told.name == name
    settlement.conclude([_result(errand, told.outcome, told=told, failure=None) for errand in claims.claim_lookups("test", SLOTS)])
    return asked


def reference_of(transaction_id: uuid.UUID) -> str:
    with core.db.unit_of_work() as unit:
        return str(unit.execute(text("SELECT our_transaction_id FROM transactions WHERE id = :id"), {"id": transaction_id}).scalar_one())


def drawn_by(console: Console, shown: Shown, screen: Screen) -> set[str]:
    """What the console made of the letters, on all of its pages that say them."""
    screen.page.context.add_cookies([{"name": cookie_name(), "value": shown.token, "domain": "localhost", "path": "/"}])
    drawn: set[str] = set()
    for address in shown.pages:
        screen.open(console.url + address)
        if "=" in address:
            expect(screen.page.get_by_text(WORD).first).to_be_attached()
        if address == "/analytics":
            expect(screen.page.locator(".js-plotly-plot").get_by_text(WORD).first).to_be_attached()
        drawn |= screen.drawn()
    return drawn


@pytest.mark.attack("html-injection")
def test_html_stays_letters(console: Console, screen: Screen, shown_without_care, answered_with, control_fired: ControlFired, refused: Refused) -> None:  # type: ignore[no-untyped-def]
    assert {"led to", "fetched", "run"} <= shown_without_care(HTML, until="fetched")
    control_fired("unescaped, the name was a link and a picture, and its script ran")
    assert drawn_by(console, answered_with(HTML), screen) == set()
    refused("on no page was anything drawn, fetched or run")


@pytest.mark.attack("markdown-injection")
def test_markdown_stays_letters(console: Console, screen: Screen, shown_without_care, answered_with, control_fired: ControlFired, refused: Refused) -> None:  # type: ignore[no-untyped-def]
    assert {"led to", "fetched"} <= shown_without_care(MARKDOWN, until="fetched")
    control_fired("unescaped, the name was links and a picture from elsewhere")
    assert drawn_by(console, answered_with(MARKDOWN), screen) == set()
    refused("on no page was anything led to or fetched")


@pytest.mark.attack("latex-injection")
def test_latex_stays_letters(console: Console, screen: Screen, shown_without_care, answered_with, control_fired: ControlFired, refused: Refused) -> None:  # type: ignore[no-untyped-def]
    assert "formula" in shown_without_care(LATEX, until="formula")
    control_fired("unescaped, the name was a formula")
    assert drawn_by(console, answered_with(LATEX), screen) == set()
    refused("on no page was a formula drawn")


@pytest.mark.attack("plotly-injection")
def test_a_label_of_a_figure_stays_letters(
    console: Console, screen: Screen, shown_without_care, answered_with, control_fired: ControlFired, refused: Refused
) -> None:  # type: ignore[no-untyped-def]
    assert "led to in a figure" in shown_without_care(PLOTLY, until="led to in a figure")
    control_fired("unescaped, the label of a bar was a link and bold")
    assert drawn_by(console, answered_with(PLOTLY), screen) == set()
    refused("the figures' labels are the letters themselves")
