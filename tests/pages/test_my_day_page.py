"""My day as an operator sees it: the till's sum, what is open, and that each figure leads to its own list."""

import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import pytest
from streamlit.testing.v1 import AppTest

from core.services import my_day, payments, transactions
from core.settings import CHECKOUT
from core.ui import session
from core.wire.contract import Outcome
from tests.pages.conftest import LWB, PATIENCE_SECONDS, Till, button, said
from tests.world import Database


def a_day(till: Till) -> dict[str, uuid.UUID]:
    """One completed, one refused, one in doubt, one cancelled, one that waits."""
    made = {}
    for number, (name, outcome) in enumerate({"paid": Outcome.CONFIRMED, "refused": Outcome.REJECTED, "doubtful": Outcome.UNKNOWN}.items()):
        made[name] = till.pay(f"{1000 * (number + 1)}.00", f"7000000{number}")
        till.answer(outcome)
    made["cancelled"] = till.pay("4000.00", "70000003")
    payments.cancel(till.actor, made["cancelled"])
    made["waiting"] = till.pay("5000.00", "70000004")
    return made


def metrics(window: AppTest) -> dict[str, str]:
    return {one.label: one.value for one in window.metric}


def links(window: AppTest) -> list[tuple[str, dict[str, list[str]]]]:
    """Each link to the list: its label, and where it leads."""
    return [(one.proto.label, parse_qs(one.proto.query_string)) for one in window.get("page_link")]


def link(window: AppTest, label: str) -> dict[str, list[str]]:
    """Where the first of these leads."""
    return next(address for name, address in links(window) if name == label)


def print_buttons(window: AppTest) -> list[Any]:
    return [one.proto for one in window.get("link_button")]


def test_a_day_without_payments_says_what_to_do(till: Till) -> None:
    window = till.open("my_day")
    assert "No payments yet today" in said(window)
    assert metrics(window) == {"Should be in the till": "MWK 0.00", "Payments": "0", "Held, not settled": "MWK 0.00", "In doubt": "0"}


def test_the_figures_are_the_services(till: Till) -> None:
    a_day(till)
    window = till.open("my_day")
    mine = my_day.of_day(till.actor)
    assert metrics(window) == {"Should be in the till": "MWK 1,000.00", "Payments": "5", "Held, not settled": "MWK 8,000.00", "In doubt": "1"}
    assert (str(mine.till), mine.everything.count, str(mine.held)) == ("MWK 1,000.00", 5, "MWK 8,000.00")
    assert "as of " in said(window)
    assert list(window.dataframe[0].value["Amount"]) == [f"MWK {number},000.00" for number in (5, 4, 3, 2, 1)]


def test_what_is_open_is_told_with_its_state_and_next_check(till: Till) -> None:
    made = a_day(till)
    told = said(till.open("my_day"))
    assert "Not settled yet" in told
    assert "**MWK 3,000.00** to Lilongwe Water Board, account 70000002" in told
    assert "Being confirmed since" in told
    assert "next check" in told
    assert transactions.find(till.actor, made["doubtful"]).our_transaction_id in dict(links(till.open("my_day")))


@pytest.mark.parametrize(
    ("label", "names"),
    [
        ("1 completed", {"paid"}),
        ("5 in all", {"paid", "refused", "doubtful", "cancelled", "waiting"}),
        ("2 open", {"doubtful", "waiting"}),
        ("1 in doubt", {"doubtful"}),
    ],
)
def test_each_figure_leads_to_exactly_the_rows_it_counts(sit_down: Callable[..., Till], till: Till, label: str, names: set[str]) -> None:
    made = a_day(till)
    colleague = sit_down(name="Chisomo")
    colleague.pay("9000.00", "70000009")
    window = till.open("my_day")
    listed = till.open("transactions", **link(window, label))
    references = {transactions.find(till.actor, made[name]).our_transaction_id for name in names}
    assert set(listed.dataframe[0].value["ID"]) == references


def test_a_billers_figures_lead_to_its_own_rows(till: Till) -> None:
    made = a_day(till)
    of_biller = [(label, address) for label, address in links(till.open("my_day")) if address.get("biller") == [LWB]]
    assert [(label, address.get("status")) for label, address in of_biller] == [("1 payment", ["COMPLETED"]), ("5 in all", None)]
    listed = till.open("transactions", **of_biller[0][1])
    assert list(listed.dataframe[0].value["ID"]) == [transactions.find(till.actor, made["paid"]).our_transaction_id]


def test_the_day_in_the_address_is_shown_chosen_and_printed(till: Till, database: Database) -> None:
    one = till.pay()
    till.answer(Outcome.CONFIRMED)
    with database.connect() as connection, connection.transaction():
        connection.execute("ALTER TABLE transactions DISABLE TRIGGER USER")
        connection.execute("UPDATE transactions SET created_at = '2025-11-22 22:00:00+00' WHERE id = %s", (one,))
        connection.execute("ALTER TABLE transactions ENABLE TRIGGER USER")
    assert metrics(till.open("my_day"))["Payments"] == "0"
    window = till.open("my_day", day="2025-11-23")
    assert metrics(window)["Should be in the till"] == "MWK 5,475.50"
    assert [one.url for one in print_buttons(window)] == ["/my-day.pdf?day=2025-11-23"]
    window.date_input[0].set_value(window.date_input[0].value.replace(day=24)).run()
    assert window.query_params["day"] == "2025-11-24"
    assert metrics(window)["Payments"] == "0"


@pytest.mark.parametrize(("day", "words"), [("yesterday", "The address names no day."), ("1999-01-01", "Choose a day between 2000 and 2200.")])
def test_an_address_with_a_day_that_cannot_be_is_told_so(till: Till, day: str, words: str) -> None:
    assert words in said(till.open("my_day", day=day))


@pytest.mark.parametrize("role", ["analyst", "administrator"])
def test_who_does_not_pay_has_no_day(sit_down: Callable[..., Till], role: str) -> None:
    somebody = sit_down(role)
    somebody.patch.setattr(session, "current", lambda *, touch=True: somebody.actor)
    window = AppTest.from_file(str(CHECKOUT / "pages" / "my_day.py"), default_timeout=PATIENCE_SECONDS).run()
    assert "does not include the right to pay bills" in said(window)
    assert not window.metric


def test_a_name_that_looks_like_markup_is_text(till: Till, database: Database) -> None:
    one = till.pay()
    till.answer(Outcome.UNKNOWN)
    with database.connect() as connection, connection.transaction():
        connection.execute("ALTER TABLE transactions DISABLE TRIGGER USER")
        connection.execute("UPDATE transactions SET biller_name = '[click](http://evil.example) :red[x]' WHERE id = %s", (one,))
        connection.execute("ALTER TABLE transactions ENABLE TRIGGER USER")
    window = till.open("my_day")
    assert all("[click](" not in element.value for element in window.markdown)
    assert "[click]" in said(window)


def test_looking_again_adds_up_anew(till: Till) -> None:
    window = till.open("my_day")
    till.pay()
    till.answer(Outcome.CONFIRMED)
    button(window, "Look again").click().run()
    assert metrics(window)["Should be in the till"] == "MWK 5,475.50"
