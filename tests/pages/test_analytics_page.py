"""Analytics in each of its states: the address is the range, and each figure is made of what the list behind it shows."""

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from streamlit.elements.lib import streamlit_plotly_theme
from streamlit.testing.v1 import AppTest

from core import clock
from core.repositories.filters import NO_REASON
from core.repositories.statistics import AnswerTimesBy, Cell, Figures, Grain
from core.services import periods, statistics
from core.services.asked import read
from core.settings import CHECKOUT
from core.states import Status
from core.ui import figure_tables, figures, session
from core.ui.analytics_asked import Wish, read_wish
from core.ui.analytics_told import step_label
from core.ui.words import zone
from core.wire.contract import Outcome
from tests.pages.conftest import LWB, PATIENCE_SECONDS, Till, button, said
from tests.world import Database, SetEnvironment


def paid_and_failed(till: Till) -> None:
    for account, outcome in (("70000001", Outcome.CONFIRMED), ("70000002", Outcome.CONFIRMED), ("70000003", Outcome.REJECTED)):
        till.pay(account=account)
        till.answer(outcome, "BLOCKED" if outcome is Outcome.REJECTED else None, "The account is blocked.")


def charts(window: AppTest) -> list[dict[str, Any]]:
    return [json.loads(one.proto.spec) for one in window.get("plotly_chart")]


def metric(window: AppTest, label: str) -> Any:
    return next(one for one in window.metric if one.label == label)


def table(window: AppTest) -> Any:
    return window.dataframe[0].value


# ---- States


def test_an_empty_range_says_what_to_do(till: Till) -> None:
    window = till.open("analytics")
    assert "Choose a longer range above." in said(window)
    assert not charts(window)


def test_a_filter_that_nothing_fits_can_be_cleared(till: Till) -> None:
    paid_and_failed(till)
    window = till.open("analytics", biller="MASM")
    assert "No transaction fits these billers and types." in said(window)
    button(window, "Clear the filter").click().run()
    assert metric(window, "Payments").value == "3"


def test_the_plans_figures_are_there_with_their_numbers(till: Till) -> None:
    paid_and_failed(till)
    window = till.open("analytics", range="7d")
    assert (metric(window, "Payments").value, metric(window, "Success rate").value, metric(window, "Failed").value) == ("3", "66.6%", "1")
    assert (metric(window, "Revenue (value paid)").value, metric(window, "Look-ups").value) == ("MWK 10,951.00", "3")
    drawn = charts(window)
    volume, share, success, value, failures, answers = drawn
    assert (volume["data"][0]["type"], sum(volume["data"][0]["y"]), len(volume["data"][0]["y"])) == ("scatter", 3, 7)
    assert (share["data"][0]["type"], share["data"][0]["values"]) == ("pie", [3])
    assert success["data"][0]["hovertext"] == ["66.6% · 2/3"]
    assert success["layout"]["shapes"][0]["x0"] == 95
    assert (value["data"][0]["type"], sum(value["data"][0]["y"])) == ("bar", 10951)
    assert (failures["data"][0]["x"], failures["data"][0]["y"]) == (["BLOCKED"], [1])
    assert len(answers["data"]) == 2


def test_the_table_adds_up_and_says_the_same_as_the_tiles(till: Till) -> None:
    paid_and_failed(till)
    shown = table(till.open("analytics", compare="no"))
    assert shown["Biller"][0] == figure_tables.ALL
    assert [shown["Payments"][row] for row in (0, 1)] == ["3", "3"]
    assert (shown["Value"][0], shown["Ended"][0], shown["Average paid"][0]) == ("MWK 10,951.00", "2 of 3", "MWK 5,475.50")
    assert "Change" not in shown


def test_one_biller_is_beside_no_other(till: Till) -> None:
    paid_and_failed(till)
    assert "Choose at least two billers" in said(till.open("analytics", range="90d"))


def test_two_billers_stand_beside_each_other_by_the_measure_that_was_chosen(till: Till, database: Database) -> None:
    paid_and_failed(till)
    with database.connect() as connection:
        connection.execute(
            "INSERT INTO transactions (id, biller_type, biller_name, our_transaction_id, transaction_type, topology, account_number, amount, demo,"
            " stage, status) VALUES (gen_random_uuid(), 'MASM', 'MASM', 'M000000000000001', 'POST_TRANSACTION', 'NONE', '1', 250000.25, true,"
            " 'COMPLETED', 'COMPLETED')"
        )
    window = till.open("analytics", range="7d", measure="value")
    compared = charts(window)[-1]
    assert sorted(sum(trace["y"]) for trace in compared["data"]) == [10951, 250000.25]
    assert "Value MWK 250,000.25" in said(window)
    chosen = till.open("analytics", range="7d", measure="rate", versus=[LWB, "MASM"])
    assert [max(value for value in trace["y"] if value is not None) for trace in charts(chosen)[-1]["data"]] == [66.6, 100]


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ({"from": "2025-11-10", "to": "2025-11-01"}, "The first day is after the last one."),
        ({"from": "2020-01-01", "to": "2025-11-01"}, "This range is longer than 731 days."),
    ],
)
def test_days_that_make_no_range_are_said_to_be_so(till: Till, address: dict[str, str], sentence: str) -> None:
    window = till.open("analytics", range="custom", **address)
    assert sentence in said(window)
    assert not window.metric


def test_somebody_without_the_right_is_told_so(till: Till) -> None:
    till.actor = replace(till.actor, permissions=till.actor.permissions - {"statistics:read"})
    till.patch.setattr(session, "current", lambda *, touch=True: till.actor)
    page = str(CHECKOUT / "pages" / "analytics.py")
    window = AppTest.from_string(f"import runpy\nrunpy.run_path({page!r}, run_name='__main__')", default_timeout=PATIENCE_SECONDS).run()
    assert "does not include the right to see dashboard and analytics" in said(window)
    assert not window.metric


def test_a_database_that_is_away_is_a_sentence_and_no_figure(till: Till, set_environment: SetEnvironment) -> None:
    window = till.open("analytics")
    set_environment(database_url="postgresql://nobody@127.0.0.1:1/none")
    window.run()
    assert not window.exception
    assert "The database cannot be reached. Nothing was lost" in said(window)
    assert not window.metric


@pytest.mark.parametrize("split", ["total", "biller", "status"])
def test_however_the_volume_is_told_apart_it_is_the_same_volume(till: Till, split: str) -> None:
    paid_and_failed(till)
    volume = charts(till.open("analytics", range="7d", split=split, compare="no"))[0]
    assert sum(sum(trace["y"]) for trace in volume["data"]) == 3
    assert all(("stackgroup" in trace) == (split != "total") for trace in volume["data"])


def test_what_is_chosen_goes_into_the_address(till: Till) -> None:
    paid_and_failed(till)
    window = till.open("analytics")
    next(one for one in window.button_group if one.label == "Range").set_value("90d").run()
    next(one for one in window.multiselect if one.label == "Biller").select(LWB).run()
    next(one for one in window.button_group if one.label == "Steps").set_value(Grain.WEEK).run()
    assert dict(window.query_params) == {"range": "90d", "biller": LWB, "by": "week"}
    assert metric(window, "Payments").value == "3"


@pytest.mark.parametrize("report", ["day", "week", "month"])
def test_a_report_is_a_sentence_and_a_table_of_one_day_week_or_month(till: Till, report: str) -> None:
    paid_and_failed(till)
    window = till.open("analytics", report=report)
    told = said(window).replace("**", "")
    assert "so far: 3 payments (+3 against the one before), 66.6% of those that ended were paid, MWK 10,951.00 in all; 3 look-ups beside." in told
    assert len(window.dataframe) == 2


# ---- The address


def test_the_address_and_the_wish_say_the_same() -> None:
    wish = Wish(
        range="custom",
        first_day=date(2025, 11, 1),
        last_day=date(2025, 11, 24),
        grain=Grain.WEEK,
        billers=(LWB,),
        types=("POST_TRANSACTION",),
        compares=False,
        split="status",
        versus=(LWB, "MASM"),
        measure="rate",
        report=Grain.MONTH,
        report_day=date(2025, 10, 5),
    )
    address = {name: value if isinstance(value, list) else [value] for name, value in wish.address().items()}
    assert read_wish(address, [LWB, "MASM"]) == wish
    assert Wish().address() == {}


def test_what_nobody_has_heard_of_is_left_out() -> None:
    nonsense = {
        "range": ["1e9"],
        "by": ["hour"],
        "biller": ["X"],
        "type": ["ACCOUNT_DETAILS"],
        "split": ["?"],
        "report": ["year"],
        "day": ["soon"],
        "measure": [""],
    }
    assert read_wish(nonsense, [LWB]) == Wish()


def test_where_nothing_lies_before_nothing_is_said_to_have_grown(till: Till) -> None:
    paid_and_failed(till)
    window = till.open("analytics")
    assert "with nothing before it to compare with" in said(window)
    assert {one.label: one.delta for one in window.metric if one.delta} == {}


def test_a_figure_and_the_list_behind_it_ask_for_the_same_rows(till: Till) -> None:
    paid_and_failed(till)
    wish = Wish(range="7d")
    period = wish.period(clock.now(), zone())
    behind = read({name: value if isinstance(value, list) else [value] for name, value in wish.list_address(period.first_day, period.last_day).items()}, [])
    assert statistics.totals(till.actor, behind.wanted(zone())).rows == statistics.totals(till.actor, wish.wanted(period, zone())).payments == 3


@pytest.mark.parametrize(("reason", "rows"), [("BLOCKED", 1), (NO_REASON, 0), ("OTHER", 0)])
def test_a_reason_leads_to_the_payments_that_failed_so_and_to_no_other(till: Till, reason: str, rows: int) -> None:
    paid_and_failed(till)
    wish = Wish(range="7d")
    period = wish.period(clock.now(), zone())
    address = wish.list_address(period.first_day, period.last_day, Status.FAILED.value, reasons=[reason])
    behind = read({name: value if isinstance(value, list) else [value] for name, value in address.items()}, [])
    assert statistics.totals(till.actor, behind.wanted(zone())).rows == rows


def test_steps_are_named_by_as_much_of_them_as_lies_in_the_range() -> None:
    period = periods.between(date(2025, 10, 29), date(2025, 11, 12), datetime(2025, 11, 24, tzinfo=UTC), zone())
    weeks = periods.steps(period.first_day, period.last_day, Grain.WEEK, zone())
    assert [step_label(step, Grain.WEEK, period) for step in weeks] == ["29 Oct – 2 Nov", "3–9 Nov", "10–12 Nov"]
    assert step_label(weeks[1], Grain.DAY, period) == "3 Nov"
    assert step_label(weeks[1], Grain.MONTH, period) == "Nov 2025"


# ---- The file


def _rows(title: str) -> list[figure_tables.Row]:
    now = Figures(
        [
            Cell(LWB, None, Status.COMPLETED, True, "MWK", 3, Decimal("1234567.89")),
            Cell(LWB, None, Status.FAILED, True, "MWK", 1, Decimal("0.00")),
            Cell(LWB, None, Status.COMPLETED, False, "MWK", 5, Decimal("0.00")),
        ]
    )
    return figure_tables.rows(now, AnswerTimesBy(None, {}, {}), None, {LWB: title})


def test_the_file_has_exact_values_one_row_a_biller() -> None:
    told = figure_tables.as_csv(_rows("LWB postpaid"), date(2025, 11, 1), date(2025, 11, 24))
    whole, lwb = csv.DictReader(io.StringIO(told.decode("utf-8-sig")))
    assert (whole["biller"], lwb["biller"], lwb["biller_title"]) == ("ALL", LWB, "LWB postpaid")
    for row in (whole, lwb):
        assert (row["payments"], row["payments_completed"], row["payments_failed"], row["lookups"]) == ("4", "3", "1", "5")
        assert (row["value_mwk"], row["success_rate"]) == ("1234567.89", "0.750000")
        assert (row["first_day"], row["last_day"]) == ("2025-11-01", "2025-11-24")


@pytest.mark.parametrize("title", ["=HYPERLINK(1)", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "＝1"])
def test_no_cell_of_the_file_is_a_formula(title: str) -> None:
    told = figure_tables.as_csv(_rows(title), date(2025, 11, 1), date(2025, 11, 24))
    cells = [cell for row in csv.reader(io.StringIO(told.decode("utf-8-sig"))) for cell in row]
    assert f"'{title}" in cells
    assert not [cell for cell in cells if cell.lstrip().startswith(figure_tables.FORMULA_SIGNS)]


# ---- Colours


def test_colours_are_those_that_streamlit_puts_the_themes_in_place_of() -> None:
    theirs = [getattr(streamlit_plotly_theme, f"CATEGORY_{place}") for place in range(10)]
    assert list(figures.CATEGORIES) == theirs
    assert figures.BACKGROUND == streamlit_plotly_theme.BG_COLOR


def test_no_figure_brings_a_colour_of_its_own(till: Till) -> None:
    paid_and_failed(till)
    own = {*figures.CATEGORIES, figures.BACKGROUND, figures.CLEAR}

    def colours(part: Any) -> set[str]:
        if isinstance(part, dict):
            found = {str(value) for name, value in part.items() if name in ("color", "bgcolor", "paper_bgcolor", "plot_bgcolor") and isinstance(value, str)}
            return found.union(*(colours(value) for name, value in part.items() if name != "template"))
        return set().union(*map(colours, part)) if isinstance(part, list) else set()

    for one in charts(till.open("analytics")):
        assert colours(one) <= own


def test_each_biller_keeps_its_colour_whatever_the_filter_leaves(sit_down: Callable[..., Till]) -> None:
    assert len(set(figures.BILLERS)) == len(figures.BILLERS)
    assert figures.RED not in figures.BILLERS, "red is for what failed"
