"""Somebody at a browser, who knows nothing but what the console shows, and does what it says comes next."""

import re
import time
from collections import Counter
from contextlib import suppress
from datetime import date
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect
from playwright.sync_api import TimeoutError as TookTooLong

from core.services.reconciliation import RESULTS
from core.ui.reconciliation_day import SETTLED_MEANWHILE
from tests.browser.test_payment import field
from tests.world import PASSWORD

# As the grid has them (core.ui.tables), and how many of them are in sight.
ROW_PIXELS = 35
MOST_IN_SIGHT = 10

# A proof of who one is holds for ten minutes; before that one signs in anew.
SIGNED_IN_SECONDS = 450

# In the order in which they are worked through: what can be paired is, before its payment is told as ours only.
KINDS = ("Theirs only", "Duplicate", "Amount differs", "Late success", "Given back", "Ours only", "Under review", "In doubt")
MEANINGS = {told.label: told.meaning for told in RESULTS.values()}
PROPOSED = ("Under review", "In doubt")

# So many proposals are approved together.
MANY = 4
APPROVE = "[class*='st-key-approve-']:not(.st-key-approve-together) button:enabled"

NOTHING_WAITS = re.compile("^Nothing waits for (you|a second person)$")

# Longer than anything takes that the console does by itself.
SETTLES_SECONDS = 120.0

# Longer than anything takes on a machine that is busy with something else, too.
PATIENCE_MS = 120_000

# A difference's card, after its row was chosen.
CARD_MS = 15_000

# A list that was opened.
OPENS_MS = 3_000

# A look-up, its waits and the page that tells of it.
LOOK_UP_MS = 15_000

WORDS = {
    "Theirs only": "Paid at the biller's own counter: their cashier confirmed it by telephone.",
    "Under review": "Core banking is asked by telephone; the payment stays under review until it has answered.",
    "In doubt": "Core banking is asked by telephone; the payment settles once it has answered.",
}
PAIRED = "The same amount on the same day, and the account mistyped in one digit: their clerk confirmed it."


class Person:
    """One of the bank's people, with a browser of their own."""

    def __init__(self, browser: Browser, url: str, username: str, pictures: Path) -> None:
        self._browser = browser
        self._url = url
        self._username = username
        self._pictures = pictures
        self._context: BrowserContext | None = None
        self._page: Page | None = None
        self._since = 0.0
        # How each difference was worked through.
        self.done: Counter[str] = Counter()

    def close(self) -> None:
        if self._context is not None:
            self._context.close()
            self._context = None

    @property
    def page(self) -> Page:
        if self._page is None or time.monotonic() - self._since > SIGNED_IN_SECONDS:
            self.close()
            self._page = self._sign_in()
        return self._page

    def _sign_in(self) -> Page:
        self._context = self._browser.new_context(viewport={"width": 1440, "height": 1000})
        self._context.set_default_timeout(PATIENCE_MS)
        page = self._context.new_page()
        page.goto(self._url)
        page.get_by_label("User name").fill(self._username)
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_label("Password", exact=True).press("Enter")
        expect(page.get_by_test_id("stSidebarNav")).to_be_visible()
        expect(page.get_by_text("Needs attention").or_(page.get_by_text("Nothing needs attention")).first).to_be_visible()
        self._since = time.monotonic()
        return page

    def open(self, address: str) -> Page:
        page = self.page
        page.goto(f"{self._url}/{address}")
        self.settled()
        if address and address.partition("?")[0] not in page.url:
            # Whoever has just signed in is led to the dashboard, and may be so a moment later.
            page.goto(f"{self._url}/{address}")
            self.settled()
        return page

    def settled(self) -> None:
        """The page has drawn everything that it was asked for."""
        page = self.page
        expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
        expect(page.get_by_test_id("stSkeleton")).to_have_count(0)

    def picture(self, name: str) -> None:
        self.page.screenshot(path=self._pictures / f"{name}.png", full_page=True)

    # ---- What needs somebody

    def concerns(self) -> list[str]:
        """What the dashboard says needs attention, line by line."""
        page = self.open("")
        card = page.get_by_text(re.compile("^(Needs attention|Nothing needs attention.|Nothing else needs attention.)$")).first
        expect(card).to_be_visible()
        badges = page.get_by_test_id("stMain").get_by_test_id("stMarkdown").filter(has_text=re.compile("(Manager|Operator|Administrator|Analyst)"))
        # An icon is a word before the sentence.
        return [text.partition("\n")[0].partition(" ")[2].strip() for text in badges.all_inner_texts()]

    # ---- Approvals

    def approve_everything(self) -> None:
        """As long as something waits that this person may decide: many together, a few each by itself."""
        page = self.open("approvals")
        expect(page.get_by_text("This page follows by itself.", exact=False)).to_be_visible()
        while count := (buttons := page.locator(APPROVE)).count():
            if count >= MANY:
                self._approve_together()
            else:
                one = page.locator(f".{_key_of(buttons.first)}")
                one.get_by_role("button").click()
                expect(one).to_have_count(0)
                self.done["approved by itself"] += 1

    def _approve_together(self) -> None:
        page = self.page
        page.get_by_role("button", name=re.compile("Choose all")).click()
        page.get_by_role("button", name=re.compile(r"Approve [\d,]+ together")).click()
        said = page.get_by_text(re.compile(r"^[\d,]+ of [\d,]+ approved\.$"))
        expect(said).to_be_visible()
        self.done["approved together"] += _number_in(said.inner_text())
        self.page.reload()
        self.settled()

    # ---- Reconciliation

    def import_statement(self, biller: str, file: Path) -> str:
        page = self.open("reconciliation?import=1")
        page.get_by_role("combobox", name="Biller").click()
        page.get_by_role("option", name=biller, exact=True).click()
        page.locator("input[type=file]").set_input_files(file)
        expect(page.get_by_text("Which column has what")).to_be_visible()
        page.get_by_role("button", name="Import", exact=True).click()
        came = page.get_by_text(re.compile("came in, and .* found a payment of ours"))
        expect(came).to_be_visible()
        return came.inner_text()

    def open_day(self, biller: str, day: date) -> int | None:
        """How many differences its badge says are open; None where it is signed off, or has no statement."""
        page = self.open(f"reconciliation?biller={biller}&day={day}")
        badge = page.get_by_test_id("stMarkdown").filter(has_text=re.compile(r"^\s*(\S+ )?([\d,]+ open|To sign off|Signed off|No statement)\s*$")).first
        expect(badge).to_be_visible()
        said = badge.inner_text()
        if found := re.search(r"([\d,]+) open", said):
            return int(found[1].replace(",", ""))
        return 0 if "To sign off" in said else None

    def propose_what_the_statement_says(self, biller: str, day: date) -> None:
        """What is under review or in doubt, as far as the statement settles it. What is asked about still is looked into until it is settled."""
        self.open_day(biller, day)
        ends = time.monotonic() + SETTLES_SECONDS
        for kind in PROPOSED:
            while self._choose(kind):
                page = self.page
                every = page.get_by_role("button", name=re.compile("^.*Propose all"))
                together = every.count() > 0
                if together:
                    self.done["proposed together"] += _number_in(every.inner_text())
                    every.click()
                    self._answered()
                elif not self._propose_one(kind):
                    if kind != "In doubt":
                        break
                    assert time.monotonic() < ends, f"Payments to {biller} stay in doubt, however often they are looked into."
                    self._look_into_one(kind)
                self.open_day(biller, day)
                if together:
                    break

    def _propose_one(self, kind: str) -> bool:
        """The first of the kind that can be proposed and was not; False where there is none."""
        page = self.page
        for row in range(self._rows(kind)):
            if not self._choose_row(row, kind):
                return False
            button = page.get_by_role("button", name=re.compile("Propose: the biller"))
            if button.count() and button.is_enabled():
                button.click()
                self._answered()
                if page.get_by_text("Proposed. Another manager decides", exact=False).count():
                    self.done["proposed from its line"] += 1
                    return True
            self._leave_row(row, kind)
        return False

    def _look_into_one(self, kind: str) -> None:
        """Opens the first: whoever opens a payment in doubt has its biller, or core banking, asked at once."""
        if not self._choose_row(0, kind):
            return
        self.page.get_by_role("link", name="Open the payment").click()
        expect(self.page).to_have_url(re.compile("/transactions"))
        expect(self._card(kind)).to_have_count(0)
        self.settled()
        self.done["looked into"] += 1

    def work_through(self, biller: str, day: date, pictures: bool = False) -> None:
        """Every kind of difference of the day, by the acts that the page offers, until nothing of it is open."""
        left = self.open_day(biller, day)
        for kind in KINDS:
            while left and self._choose(kind):
                if pictures:
                    self.picture(f"{biller}-{kind}")
                    pictures = False
                if not (kind == "Theirs only" and self._pair_one()) and not self._end_one(kind):
                    break
                left = self._fewer(biller, day, left)

    def _pair_one(self) -> bool:
        page = self.page
        for row in range(self._rows("Theirs only")):
            if not self._choose_row(row, "Theirs only"):
                return False
            if page.get_by_role("button", name="Pair them").count():
                self._pick_the_likest(page.get_by_role("combobox", name=re.compile("A payment of ours that it may be")))
                page.get_by_role("textbox", name="By what do you know?").fill(PAIRED)
                page.get_by_role("button", name="Pair them").click()
                self._answered()
                self.done["paired"] += 1
                return True
            self._leave_row(row, "Theirs only")
        return False

    def _pick_the_likest(self, box: Locator) -> None:
        """What is offered first. A list that closed while the page was still scrolling is opened once more."""
        option = self.page.get_by_role("option").first
        box.click()
        while not option.is_visible():
            box.press("ArrowDown")
            with suppress(TookTooLong):
                option.wait_for(timeout=OPENS_MS)
        option.click()

    def _end_one(self, kind: str) -> bool:
        """All of the kind together where the page offers it, else the first; False where none of it is open."""
        page = self.page
        if (every := page.get_by_role("button", name=re.compile("Keep all .* as breaks"))).count():
            count = _number_in(every.inner_text())
            every.click()
            self.done[f"{kind}: kept as breaks together"] += count
        elif (every := page.get_by_role("button", name=re.compile(r"Explain all [\d,]+ …"))).count():
            count = _number_in(every.inner_text())
            every.click()
            page.get_by_role("textbox", name="Why are they so?").fill(WORDS[kind])
            page.get_by_role("button", name=re.compile(r"Explain all [\d,]+$")).click()
            self.done[f"{kind}: explained together"] += count
        else:
            if not self._choose_row(0, kind):
                return True
            if page.get_by_text("What was made of it").count():
                return False
            if (one := page.get_by_role("button", name="Keep as a break")).count():
                one.click()
                self.done[f"{kind}: kept as a break"] += 1
            else:
                page.get_by_role("textbox", name="Why is it so, or who sees to it?").fill(WORDS[kind])
                hands_on = page.get_by_role("button", name="Hand on")
                handed = hands_on.count() > 0
                (hands_on if handed else page.get_by_role("button", name="Explain", exact=True)).click()
                self.done[f"{kind}: {'handed on' if handed else 'explained'}"] += 1
        self._answered()
        return True

    def sign_off(self, biller: str, day: date, target: Path) -> bytes:
        """Signs the day off, of which nothing is open, and takes its sheet along."""
        left = self.open_day(biller, day)
        assert left == 0, f"{left} differences of {biller} are open on {day}."
        page = self.page
        button = page.get_by_role("button", name="Sign the day off")
        expect(button).to_be_enabled()
        button.click()
        expect(page.get_by_role("link", name="Sheet (PDF)")).to_be_visible()
        with page.expect_download() as coming:
            page.get_by_role("link", name="Sheet (PDF)").click()
        coming.value.save_as(target / coming.value.suggested_filename)
        return (target / coming.value.suggested_filename).read_bytes()

    def _answered(self) -> None:
        """Whether it was done or refused, the page says so."""
        done = self.page.locator("[data-testid=stToast], [data-testid=stAlert]:has-text('Proposed.'), [data-testid=stAlertContentError]")
        refused = self.page.get_by_test_id("stMain").get_by_role("img", name="error icon")
        expect(done.or_(refused).first).to_be_visible()

    def _choose(self, kind: str) -> bool:
        """One kind of the day's differences; False where there is none, or where the last of it is settled while one looks."""
        pill = self.page.get_by_test_id("stButtonGroup").get_by_role("radio", name=re.compile(rf"^{kind} [\d,]+$"))
        if not pill.count():
            return False
        pill.click()
        # The page tells what the kind means once it is drawn for it, or that none is left.
        told = self.page.get_by_text(MEANINGS[kind], exact=False).or_(self.page.get_by_text(SETTLED_MEANWHILE))
        expect(told.first).to_be_visible()
        self.settled()
        return self.page.get_by_text(SETTLED_MEANWHILE).count() == 0

    def _rows(self, kind: str) -> int:
        pill = self.page.get_by_test_id("stButtonGroup").get_by_role("radio", name=re.compile(rf"^{kind} [\d,]+$"))
        return min(_number_in(pill.inner_text()), MOST_IN_SIGHT)

    def _choose_row(self, row: int, kind: str) -> bool:
        """Whether its card is there: what settles while one looks has none, nor a row any more. A mark that moved away under the hand is clicked once more."""
        self._click_mark(row)
        if self._card_came(kind):
            return True
        if not self.page.get_by_test_id("stDataFrame").count():
            return False
        self._click_mark(row)
        return self._card_came(kind)

    def _card_came(self, kind: str) -> bool:
        with suppress(TookTooLong):
            self._card(kind).wait_for(timeout=CARD_MS)
        self.settled()
        return self._card(kind).count() > 0

    def _leave_row(self, row: int, kind: str) -> None:
        """No card is there: the next one that comes is of another row."""
        self._click_mark(row)
        expect(self._card(kind)).to_have_count(0)
        self.settled()

    def _click_mark(self, row: int) -> None:
        """It stands before the columns."""
        page = self.page
        grid = page.get_by_test_id("stDataFrame")
        expect(grid).to_have_count(1)
        grid.scroll_into_view_if_needed()
        box = grid.bounding_box()
        assert box
        page.mouse.click(box["x"] + ROW_PIXELS / 2, box["y"] + (row + 1.5) * ROW_PIXELS)

    def _card(self, kind: str) -> Locator:
        return self.page.get_by_role("heading", name=kind, exact=True)

    def _fewer(self, biller: str, day: date, before: int) -> int:
        """How many are open once what was done counts."""
        ends = time.monotonic() + SETTLES_SECONDS
        while (left := self.open_day(biller, day) or 0) >= before:
            assert time.monotonic() < ends, f"{before} differences of {biller} were open, and {left} are after one was worked through: {self.done}."
        return left

    # ---- Paying

    def pay(self, account: str, amount: str) -> None:
        """From the account to what the page says of it: paid, or being confirmed. A look-up that found the biller too slow is asked again, as one does."""
        box = self._looked_up(account)
        while box.count() == 0:
            box = self._looked_up(account)
        box.fill(amount)
        box.press("Enter")
        page = self.page
        page.get_by_role("button", name=re.compile("^Pay MWK")).click()
        expect(page.get_by_text(re.compile("^Paid: MWK |Do not pay again")).first).to_be_visible()

    def _looked_up(self, account: str) -> Locator:
        """The box for the amount; there is none where the biller did not answer in time."""
        page = self.open("payment?biller=LWB_POSTPAID")
        number = field(page, "Account number")
        number.fill(account)
        number.press("Enter")
        box = page.get_by_role("textbox", name="Amount in MWK", exact=True)
        with suppress(TookTooLong):
            box.wait_for(timeout=LOOK_UP_MS)
        return box


def _key_of(button: Locator) -> str:
    """The class that Streamlit gives an element by its key."""
    classes = button.locator("xpath=ancestor::*[contains(@class, 'st-key-approve-')][1]").get_attribute("class") or ""
    return next(one for one in classes.split() if one.startswith("st-key-approve-"))


def _number_in(text: str) -> int:
    found = re.search(r"[\d,]+", text)
    assert found, text
    return int(found[0].replace(",", ""))
