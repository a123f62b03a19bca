"""Analytics in each of its states: the address is the range, and each figure is made of what the list behind it shows."""

import csv
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from streamlit.elements.lib import streamlit_plotly_theme
from streamlit.testing.v1 import AppTest

from core import clock
from core.repositories.filters import NO_REASON
from core.repositories.statistics import AnswerTimesBy, Cell, Changes, Figures, Grain
from core.services import analytics, periods, rollups, statistics
from core.services.asked import read
from core.services.statistics import TARGET_ANSWER_SECONDS, Kpis
from core.settings import CHECKOUT
from core.states import Status
from core.ui import analytics_charts, figure_tables, figures, kpi_panel, session
from core.ui.analytics_asked import Wish, fitting, read_wish
from core.ui.analytics_told import Picture, Told, step_label
from core.ui.words import zone
from core.wire.contract import Outcome
from tests.pages.conftest import LWB, PATIENCE_SECONDS, Till, button, said
from tests.world import Database, SetEnvironment

# How near a percentile told from sums is to what it is.
SUMS_TELL = 0.025


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
    volume, share, success, value, week, answers, answers_over_time, failures = charts(window)
    assert (volume["data"][0]["type"], sum(volume["data"][0]["y"]), len(volume["data"][0]["y"])) == ("scatter", 3, 7)
    assert (share["data"][0]["type"], share["data"][0]["values"]) == ("pie", [3])
    assert success["data"][0]["hovertext"] == ["66.6% · 2/3"]
    assert success["layout"]["shapes"][0]["x0"] == 95
    assert (value["data"][0]["type"], sum(value["data"][0]["y"])) == ("bar", 10951)
    assert (failures["data"][0]["x"], failures["data"][0]["y"]) == (["BLOCKED"], [1])
    assert week["data"][0]["type"] == "heatmap"
    assert sum(number for row in week["data"][0]["z"] for number in row if number) == 3
    assert [trace["x"][0] for trace in answers["data"]] == pytest.approx([0.021, 0.021], rel=SUMS_TELL)
    course = [number for trace in answers_over_time["data"] for number in trace["y"] if number]
    assert course == pytest.approx([0.021, 0.021], rel=SUMS_TELL)
    assert answers_over_time["layout"]["shapes"][0]["y0"] == TARGET_ANSWER_SECONDS


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
    rollups.rebuild()
    window = till.open("analytics", range="7d", measure="value")
    compared = charts(window)[-1]
    assert sorted(sum(trace["y"]) for trace in compared["data"]) == [10951, 250000.25]
    assert ":gray[Value] | MWK 250,000.25 |" in said(window)
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


# ---- Targets


def test_the_five_figures_stand_beside_their_targets_and_say_how_they_are_counted(till: Till) -> None:
    paid_and_failed(till)
    for page in ("analytics", "dashboard"):
        told = said(till.open(page))
        assert re.search(r"Success rate]]\s+\*\*66\.6%\*\* :red-badge\[:material/flag: Missed]", told)
    found = {one.name: one for one in kpi_panel.beside_targets(statistics.kpis(till.actor))}
    assert list(found) == ["Success rate", "Average answer", "Configuration changes", "Lost", "Change to screen"]
    assert [found[name].is_met for name in ("Success rate", "Average answer", "Configuration changes", "Change to screen")] == [False, True, None, None]
    assert rows_of(till, found["Success rate"].address) == 3
    assert "Of 3 payments that ended" in found["Success rate"].counted


def test_a_figure_meets_its_target_only_beyond_it() -> None:
    now = datetime(2025, 11, 24, 9, tzinfo=UTC)
    at_the_mark = Kpis(now, 0.95, 20, 3000.0, 5, Changes(3, 2, 2), 0, 0, now, 5000.0, 9)
    assert [one.is_met for one in kpi_panel.beside_targets(at_the_mark)] == [False, False, True, True, False]
    beyond = replace(at_the_mark, success_rate=0.951, average_answer_ms=2999.0, changes=Changes(3, 2, 1), left_behind=1, live_p99_ms=4999.0)
    assert [one.is_met for one in kpi_panel.beside_targets(beyond)] == [True, True, False, False, True]
    unknown = Kpis(now, None, 0, None, 0, Changes(1, 0, 0), 0, 0, None, None, 0)
    assert [one.is_met for one in kpi_panel.beside_targets(unknown)] == [None] * 5
    assert [one.actual for one in kpi_panel.beside_targets(unknown)] == ["–", "–", "–", "0", "–"]


# ---- Steps, hours, and the lists behind them


@pytest.mark.parametrize(("range_", "steps"), [("7d", ["Hour", "Day"]), ("30d", ["Day", "Week"]), ("90d", ["Day", "Week", "Month"])])
def test_only_steps_that_make_sense_of_a_range_are_offered_and_why_is_said(till: Till, range_: str, steps: list[str]) -> None:
    window = till.open("analytics", range=range_)
    assert next(one for one in window.button_group if one.label == "Steps").options == steps
    assert "steps of 15 minutes need at most 3 days" in said(window)
    assert ("months need at least 32 days" in said(window)) == (range_ != "90d")


def test_steps_that_do_not_fit_give_way_to_the_nearest_that_do(till: Till) -> None:
    assert [fitting(grain, 7) for grain in Grain] == [Grain.HOUR, Grain.HOUR, Grain.DAY, Grain.DAY, Grain.DAY]
    assert [fitting(grain, 1) for grain in Grain] == [Grain.QUARTER, Grain.HOUR, Grain.HOUR, Grain.HOUR, Grain.HOUR]
    paid_and_failed(till)
    window = till.open("analytics", range="7d", by="month")
    assert "Shown in steps of a day instead." in said(window)
    assert len(charts(window)[0]["data"][0]["x"]) == 7


def told_of(till: Till, wish: Wish) -> Told:
    """What the page makes of a wish, counted now."""
    period = wish.period(clock.now(), zone())
    counted = analytics.analysis(till.actor, wish.wanted(period, zone()), wish.grain, wish.before(period))
    return Told(wish, period, statistics.biller_titles(till.actor), counted, clock.now())


def rows_of(till: Till, address: Any) -> int:
    asked = read({name: value if isinstance(value, list) else [value] for name, value in address.items()}, statistics.biller_titles(till.actor))
    return statistics.totals(till.actor, asked.wanted(zone())).rows


@pytest.mark.parametrize("grain", list(Grain))
def test_each_step_opens_as_many_payments_as_it_says(till: Till, grain: Grain) -> None:
    paid_and_failed(till)
    today = clock.business_day(clock.now())
    told = told_of(till, Wish(range="custom", first_day=today - timedelta(days=1), last_day=today, grain=grain))
    assert sum(one.payments for one in told.course) == told.now.payments == 3
    assert [rows_of(till, told.list_of_step(place)) for place, one in enumerate(told.course) if one.payments] == [
        one.payments for one in told.course if one.payments
    ]
    # The one before the first that has any.
    first = next(place for place, one in enumerate(told.course) if one.payments)
    assert [rows_of(till, told.list_of_step(place)) for place in range(max(0, first - 1), first)] == [0] * min(1, first)


def test_each_hour_of_the_week_opens_the_payments_of_that_hour_in_all_weeks(till: Till, database: Database) -> None:
    with database.connect() as connection:
        for number, at in enumerate(("2025-11-03 10:59:59", "2025-11-10 10:00:00", "2025-11-10 11:00:00", "2025-11-11 10:30:00", "2025-11-09 23:30:00")):
            connection.execute(
                "INSERT INTO transactions (id, biller_type, biller_name, our_transaction_id, transaction_type, topology, account_number, amount, demo,"
                " stage, status, created_at) VALUES (gen_random_uuid(), %s, 'LWB', %s, 'POST_TRANSACTION', 'NONE', '1', 5, true, %s, %s,"
                " %s::timestamp AT TIME ZONE 'Africa/Blantyre')",
                (LWB, f"H00000000000000{number}", *(("FAILED",) * 2 if number == 1 else ("COMPLETED",) * 2), at),
            )
    rollups.rebuild()
    told = told_of(till, Wish(range="custom", first_day=date(2025, 11, 1), last_day=date(2025, 11, 14)))
    assert {place: one.payments for place, one in told.counted.heat.items()} == {(0, 10): 2, (0, 11): 1, (1, 10): 1, (6, 23): 1}
    for (day, hour), one in told.counted.heat.items():
        assert rows_of(till, told.list_of_hour(day, hour)) == one.payments
    assert rows_of(till, told.list_of_hour(0, 10, Status.FAILED.value)) == 1
    assert rows_of(till, told.list_of_hour(2, 10)) == 0


def test_a_click_on_a_field_of_the_week_is_one_on_its_middle(till: Till) -> None:
    paid_and_failed(till)
    now = clock.now().astimezone(zone())
    for measure, rows in (("payments", 3), ("failed", 1)):
        week = next(one for one in charts(till.open("analytics", range="7d", heat=measure)) if one["data"][0]["type"] == "heatmap")
        fields, middles = week["data"]
        place = next(place for place, text in enumerate(middles["hovertext"]) if "3 payments" in text)
        assert (middles["y"][place], middles["x"][place]) == (f"{now:%a}", f"{now:%H}")
        assert fields["text"][place // 24][place % 24] == {"payments": "3", "failed": "33%"}[measure]
        address = analytics_charts._draw_week(told_of(till, Wish(range="7d")), measure).leads_to(1, place)
        assert rows_of(till, address) == rows


def test_what_was_counted_is_drawn_once_for_all_who_ask_for_the_same(till: Till) -> None:
    paid_and_failed(till)
    told = told_of(till, Wish(range="7d"))
    drawings: list[int] = []

    def draw() -> Picture:
        drawings.append(1)
        return Picture({"data": []}, "")

    assert told.picture("volume", "total", draw=draw) is told.picture("volume", "total", draw=draw)
    assert told.picture("volume", "status", draw=draw) is not told.picture("volume", "total", draw=draw)
    assert len(drawings) == 2


def test_what_was_drawn_from_step_by_step_is_put_away_and_told_again_where_it_is_asked_for(till: Till) -> None:
    paid_and_failed(till)
    told = told_of(till, Wish())
    course, before = told.course, told.course_before
    told.put_away()
    assert vars(told).keys().isdisjoint({"course", "course_before"})
    assert ([one.payments for one in told.course], told.course_before) == ([one.payments for one in course], before)


def test_a_report_is_counted_once_whatever_range_is_above_it(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    paid_and_failed(till)
    counted, count_it = [], analytics.compared

    def compared(*asked: Any) -> analytics.Compared:
        counted.append(asked)
        return count_it(*asked)

    monkeypatch.setattr(analytics, "compared", compared)
    seven = till.open("analytics", range="7d")
    thirty = till.open("analytics", range="30d")
    assert len(counted) == 1
    assert all("3 payments" in said(window) for window in (seven, thirty))
    till.open("analytics", range="30d", biller=LWB)
    till.open("analytics", range="30d", report="week")
    assert len(counted) == 3, "of other billers or days it is another one"
    till.pay(account="70000004")
    assert "4 payments" in said(till.open("analytics", range="7d")), "and after the next payment"
    assert len(counted) == 4


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
        heat="failed",
        report=Grain.MONTH,
        report_day=date(2025, 10, 5),
    )
    address = {name: value if isinstance(value, list) else [value] for name, value in wish.address().items()}
    assert read_wish(address, [LWB, "MASM"]) == wish
    assert Wish().address() == {}


def test_what_nobody_has_heard_of_is_left_out() -> None:
    nonsense = {
        "range": ["1e9"],
        "by": ["second"],
        "heat": ["cold"],
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
    assert step_label(weeks[1] + timedelta(hours=9, minutes=15), Grain.QUARTER, period) == "3 Nov 09:15"


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
