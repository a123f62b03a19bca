"""The page of reports in each of its states: what is offered, what was made, what differs by now, and the schedules' forms."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core import clock
from core.errors import Unavailable
from core.models.reports import ReportFormat, ReportKind
from core.services import reports
from core.settings import CHECKOUT
from core.states import Status
from core.ui import session
from tests.pages.conftest import PATIENCE_SECONDS, Till, button, said, sit_down, switch_on  # noqa: F401 - fixtures
from tests.reports.conftest import MONDAY_NOON, Week
from tests.statistics.conftest import Book

WEEKLY = ReportKind.WEEKLY


def links(window: AppTest) -> dict[str, list[str]]:
    """Addresses of files, by what the buttons are called."""
    found: dict[str, list[str]] = {}
    for one in window.get("link_button"):
        found.setdefault(one.proto.label, []).append(one.proto.url)
    return found


def rows(window: AppTest) -> int:
    return sum("Daily ·" in one.value for one in window.markdown)


@pytest.fixture
def at_the_console(sit_down: Callable[..., Till]) -> Till:  # noqa: F811
    return sit_down("manager", "Limbani")


def test_the_last_day_that_is_over_is_offered_in_three_formats(at_the_console: Till) -> None:
    window = at_the_console.open("reports")
    yesterday = clock.business_day(clock.now()) - timedelta(days=1)
    assert links(window) == {name: [f"/reports/daily/{yesterday}.{name.lower()}"] for name in ("PDF", "XLSX", "CSV")}
    assert "No report was made yet." in said(window)


@pytest.mark.parametrize(("kind", "name"), [("daily", "2025-11-20"), ("weekly", "2025-W47"), ("monthly", "2025-11")])
def test_the_address_names_the_period(at_the_console: Till, kind: str, name: str) -> None:
    window = at_the_console.open("reports", kind=kind, day="2025-11-20")
    assert links(window)["PDF"] == [f"/reports/{kind}/{name}.pdf"]


def test_another_kind_begins_with_the_last_period_that_is_over(at_the_console: Till) -> None:
    window = at_the_console.open("reports", day="2025-11-20")
    next(one for one in window.button_group if one.label == "Report").set_value(ReportKind.MONTHLY).run()
    last_month = clock.business_day(clock.now()).replace(day=1) - timedelta(days=1)
    assert links(window)["XLSX"] == [f"/reports/monthly/{last_month:%Y-%m}.xlsx"]
    assert dict(window.query_params) == {"kind": "monthly"}


def test_an_address_that_names_no_day_says_so(at_the_console: Till) -> None:
    assert "The address names no day." in said(at_the_console.open("reports", day="soon"))


def test_what_was_made_stands_there_with_its_files_and_who_made_it(week: Week, at_the_console: Till) -> None:
    made = reports.take(at_the_console.actor, WEEKLY, "2025-W47", ReportFormat.PDF)
    reports.make_due(datetime(2025, 11, 18, 5, tzinfo=UTC))
    window = at_the_console.open("reports")
    told = said(window).replace("**", "")
    assert "Weekly · 17–23 November 2025, week 47" in told
    assert f"{made.as_of.astimezone(clock.BUSINESS_ZONE):%H:%M:%S} CAT · by Limbani · {week.payments} payments" in told
    assert f"MWK {week.paid:,.2f} · {week.payments + 7} rows" in told
    assert "by schedule" in told
    kept = [one for one in reports.latest(at_the_console.actor, 10) if one.made_by]
    assert f"/reports/kept/{kept[0].id}.pdf" in links(window)["PDF"]
    assert "Changed since" not in told


def test_a_report_that_would_say_something_else_by_now_says_what(week: Week, book: Book, at_the_console: Till) -> None:
    reports.take(at_the_console.actor, WEEKLY, "2025-W47", ReportFormat.CSV)
    book.row(MONDAY_NOON, Status.COMPLETED, "77.00")
    book.sum_up()
    told = said(at_the_console.open("reports"))
    assert "Changed since" in told
    assert "Since then: 1 more submitted, 1 more completed, MWK 77.00 more paid." in told


def test_one_that_could_not_be_made_says_why_and_when_it_is_tried_again(week: Week, at_the_console: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise Unavailable

    monkeypatch.setattr(reports, "_count", fail)
    reports.make_due(datetime(2025, 11, 18, 5, tzinfo=UTC))
    told = said(at_the_console.open("reports"))
    assert "Not made yet" in told
    assert "The database cannot be reached." in told
    assert "Tried once; the next try is at" in told


def test_the_list_is_of_one_kind_and_goes_on(week: Week, at_the_console: Till) -> None:
    for day in range(17, 29):
        reports.take(at_the_console.actor, ReportKind.DAILY, f"2025-11-{day}", ReportFormat.CSV)
    reports.take(at_the_console.actor, WEEKLY, "2025-W47", ReportFormat.CSV)
    window = at_the_console.open("reports", only="daily")
    assert "Weekly ·" not in said(window)
    assert rows(window) == 10
    button(window, "Older ones").click().run()
    assert rows(window) == 12


def test_a_manager_changes_a_schedule_and_sees_that_it_is_kept(at_the_console: Till) -> None:
    window = at_the_console.open("reports")
    next(one for one in window.selectbox if one.key == "schedule-daily-hour").set_value(7)
    next(one for one in window.button_group if one.key == "schedule-daily-formats").set_value([ReportFormat.PDF])
    next(one for one in window.button if one.key == "schedule-daily-save").click().run()
    daily = reports.schedules(at_the_console.actor)[0]
    assert (daily.hour, daily.formats, daily.is_on, daily.changed_by) == (7, (ReportFormat.PDF,), True, "Limbani")
    assert "Daily is kept as you chose." in said(window)
    assert "by Limbani" in said(window)


def test_a_schedule_without_a_format_is_refused_in_words(at_the_console: Till) -> None:
    window = at_the_console.open("reports")
    next(one for one in window.button_group if one.key == "schedule-weekly-formats").set_value([])
    next(one for one in window.button if one.key == "schedule-weekly-save").click().run()
    assert "Weekly was not changed: Choose at least one format" in said(window)


def test_an_analyst_reads_the_schedules_and_changes_none(sit_down: Callable[..., Till]) -> None:  # noqa: F811
    window = sit_down("analyst").open("reports")
    assert "On Mondays, of the week before" in said(window)
    assert not [one for one in window.button if "save" in (one.key or "")]


def test_words_of_people_stay_words(week: Week, sit_down: Callable[..., Till]) -> None:  # noqa: F811
    person = sit_down("analyst", "[x](http://evil.example) :red[y]")
    reports.take(person.actor, WEEKLY, "2025-W47", ReportFormat.CSV)
    window = person.open("reports")
    captions = [one.value for one in window.caption if "by " in one.value and "as of" in one.value]
    assert captions
    assert all("](http" not in one for one in captions)


def test_somebody_without_the_right_is_told_so(sit_down: Callable[..., Till]) -> None:  # noqa: F811
    till = sit_down("operator")
    till.patch.setattr(session, "current", lambda *, touch=True: till.actor)
    page = str(CHECKOUT / "pages" / "reports.py")
    window = AppTest.from_string(f"import runpy\nrunpy.run_path({page!r}, run_name='__main__')", default_timeout=PATIENCE_SECONDS).run()
    assert "does not include the right to make reports and take them away" in said(window)
    assert not links(window)


def test_a_day_of_the_future_is_not_offered(at_the_console: Till) -> None:
    today = clock.business_day(clock.now())
    window = at_the_console.open("reports", day=date(today.year + 1, 1, 1).isoformat())
    assert links(window)["CSV"] == [f"/reports/daily/{today}.csv"]
