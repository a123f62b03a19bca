"""Reconciliation as an analyst and a manager see it: the overview, a statement coming in, a difference worked through, the sign-off and the way back."""

import csv
import io
from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from core.documents.statement_lines import Columns
from core.models.reconciliation import Result
from core.services import reconciliation, statements, transactions
from core.settings import CHECKOUT
from core.ui import session
from core.ui.reconciliation_day import CHOSEN
from core.wire.contract import Outcome
from tests.pages.conftest import LWB, PATIENCE_SECONDS, Till, said

COLUMNS = Columns(amount="Amount", day="Date", our_reference="Our reference", their_reference="Receipt", account="Account")


def a_statement(*lines: tuple[str, str, str, str]) -> bytes:
    """Our reference, theirs, account and amount, each of today."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["Lilongwe Water Board, collections"])
    writer.writerow(["Date", "Our reference", "Receipt", "Account", "Amount"])
    writer.writerows([f"{reconciliation.today():%d/%m/%Y}", *line] for line in lines)
    return text.getvalue().encode()


@pytest.fixture
def analyst(sit_down: Callable[..., Till]) -> Till:
    return sit_down("analyst", name="Tadala")


@pytest.fixture
def manager(sit_down: Callable[..., Till]) -> Till:
    return sit_down("manager", name="Thoko")


def paid(till: Till, amount: str, account: str) -> str:
    """A payment that LWB took; answers our reference."""
    one = till.pay(amount, account)
    till.answer(Outcome.CONFIRMED)
    return transactions.find(till.actor, one).our_transaction_id


def imported(analyst: Till, *lines: tuple[str, str, str, str]) -> None:
    statements.load(analyst.actor, LWB, "lwb.csv", io.BytesIO(a_statement(*lines)), COLUMNS)


def the_day(somebody: Till, **address: str) -> AppTest:
    return somebody.open("reconciliation", biller=LWB, day=reconciliation.today().isoformat(), **address)


def metrics(window: AppTest) -> dict[str, str]:
    return {one.label: one.value for one in window.metric}


def test_the_overview_says_what_is_missing_open_and_ready(analyst: Till, till: Till) -> None:
    reference = paid(till, "1000.00", "70000001")
    window = analyst.open("reconciliation")
    assert metrics(window) == {"Without a statement": "1", "Open differences": "0", "To sign off": "0"}
    assert "○ No statement (1)" in window.dataframe[0].value.to_string()
    imported(analyst, (reference, "R1", "70000001", "1000.00"), ("", "R2", "70000009", "5.00"))
    window = analyst.open("reconciliation")
    assert metrics(window) == {"Without a statement": "0", "Open differences": "1", "To sign off": "0"}
    assert "● 1 open" in window.dataframe[0].value.to_string()
    assert "lwb.csv" in said(window)


def test_a_day_shows_both_totals_and_its_differences_by_kind(analyst: Till, till: Till) -> None:
    agreed, missing = paid(till, "1000.00", "70000001"), paid(till, "2000.00", "70000002")
    imported(analyst, (agreed, "R1", "70000001", "1,000.00"), ("", "R9", "70000009", "5.00"))
    window = the_day(analyst)
    figures = metrics(window)
    assert (figures["Ours"], figures["Theirs"], figures["Theirs less ours"]) == ("MWK 3,000.00", "MWK 1,005.00", "MWK -1,995.00")
    rows = window.dataframe[0].value
    assert sorted(zip(rows["Kind"], rows["Our reference"], rows["State"], strict=True)) == [("Ours only", missing, "● Open"), ("Theirs only", "–", "● Open")]
    assert "2 open" in said(window)


def test_who_does_not_reconcile_is_told_so(sit_down: Callable[..., Till]) -> None:
    for role in ("operator", "administrator"):
        somebody = sit_down(role)
        somebody.patch.setattr(session, "current", lambda *, touch=True, one=somebody: one.actor)
        window = AppTest.from_file(str(CHECKOUT / "pages" / "reconciliation.py"), default_timeout=PATIENCE_SECONDS).run()
        assert "does not include the right to see billers' statements" in said(window)


def test_what_was_settled_while_the_page_was_drawn_is_told_as_that_and_not_as_a_day_that_agrees(
    analyst: Till, till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported(analyst, ("", "R2", "70000009", "5.00"))
    monkeypatch.setattr(reconciliation, "items", lambda *_: [])
    told = said(the_day(analyst, result=Result.THEIRS_ONLY.value))
    assert "None is left of this kind" in told
    assert "Every line has its payment" not in told


def test_a_kind_whose_last_was_settled_before_it_was_chosen_gives_way_to_all_and_says_so(analyst: Till, till: Till) -> None:
    reference = paid(till, "1000.00", "70000001")
    imported(analyst, ("", "R2", "70000009", "5.00"))
    window = the_day(analyst)
    assert "None is left of this kind" not in said(window)
    # While it is looked at, a second file brings the line that was missing.
    imported(analyst, (reference, "R3", "70000001", "1,000.00"))
    window.session_state[CHOSEN] = Result.OURS_ONLY.value
    window.run()
    assert "None is left of this kind" in said(window)
    assert list(window.dataframe[0].value["Kind"]) == ["Theirs only"]
    assert "None is left of this kind" not in said(window.run())
