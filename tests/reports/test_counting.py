"""What a report holds: the pages' own figures, SQL written anew, one moment, and whole periods of business time."""

import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from core import clock
from core.access import Actor
from core.documents.report import Report, Tally, from_json, to_json
from core.documents.report_words import percent, period_name
from core.errors import BadInput, NotAllowed, NotLegalNow
from core.models.reports import ReportKind
from core.repositories.statistics import Grain
from core.services import reports, statistics
from core.states import Status
from core.ui.figure_words import percent as percent_of_the_pages
from tests.reports.conftest import MASM, MONDAY, Week
from tests.statistics.conftest import LWB, Book
from tests.statistics.test_figures import _fill as fill

DAILY, WEEKLY, MONTHLY = ReportKind


def test_a_week_says_what_was_written_in_it(week: Week, analyst: Actor) -> None:
    told = reports.read(analyst, WEEKLY, "2025-W47")
    assert (told.first_day, told.last_day, told.is_over) == (MONDAY, date(2025, 11, 23), True)
    assert (told.altogether.payments, told.altogether.lookups, told.altogether.values) == (week.payments, 7, {"MWK": week.paid})
    assert (told.altogether.failed, told.altogether.ended, told.altogether.calls) == (4, week.payments, week.payments)
    assert (told.altogether_before.payments, told.altogether_before.values) == (3, {"MWK": Decimal("1500.00")})
    assert [step.now.payments for step in told.course] == [1, 2, 3, 4, 5, 6, 7]
    assert [part.code for part in told.billers] == [LWB, MASM]
    assert sum(part.now.payments for part in told.billers) == week.payments
    (failure,) = told.failures
    assert (failure.biller, failure.code, failure.words, failure.count) == (MASM, "007", "Member is not active", 4)
    assert (told.zone, told.bank, told.in_doubt) == ("Africa/Blantyre", "Billers", ())


@pytest.mark.parametrize(("kind", "name"), [(DAILY, "2025-11-01"), (DAILY, "2025-10-31"), (WEEKLY, "2025-W44"), (MONTHLY, "2025-10"), (MONTHLY, "2025-11")])
def test_a_report_of_any_period_is_what_the_pages_and_plain_sql_say(book: Book, analyst: Actor, kind: ReportKind, name: str) -> None:
    fill(book, random.Random(42), 400)
    book.sum_up()
    told = reports.read(analyst, kind, name)
    wanted = statistics.of_days(told.first_day, told.last_day)
    figures = statistics.totals(analyst, wanted)
    assert told.altogether.payments == figures.payments > 0
    assert (told.altogether.success_rate, told.altogether.ended, told.altogether.lookups) == (figures.success_rate, figures.ended, figures.lookups)
    times = statistics.answer_times(analyst, wanted).altogether
    assert times is None or (told.altogether.calls, told.altogether.p95_ms) == (times.calls, times.p95_ms)
    assert {part.code: part.now.completed for part in told.billers if part.now.payments or part.now.lookups} == {
        code: one.completed for code, one in figures.by_biller().items()
    }
    first, last = clock.day_bounds(told.first_day)[0], clock.day_bounds(told.last_day)[1]
    sql = (
        "SELECT count(*) FILTER (WHERE amount IS NOT NULL), coalesce(sum(amount) FILTER (WHERE status = 'COMPLETED'), 0),"
        " count(*) FILTER (WHERE amount IS NOT NULL AND status = 'FAILED') FROM transactions WHERE created_at >= %s AND created_at < %s"
    )
    assert book.connection.execute(sql, [first, last]).fetchone() == (
        told.altogether.payments,
        told.altogether.values.get("MWK", Decimal(0)),
        told.altogether.failed,
    )
    since, until = told.before
    assert until == first
    assert (book.connection.execute(sql, [since, until]).fetchone() or (0,))[0] == told.altogether_before.payments
    assert sum(one.count for one in told.failures) == told.altogether.failed


def test_parts_add_up_to_the_whole(book: Book, analyst: Actor) -> None:
    fill(book, random.Random(9), 400)
    book.sum_up()
    told = reports.read(analyst, MONTHLY, "2025-11")
    for parts in ([part.now for part in told.billers], [step.now for step in told.course]):
        for name in ("payments", "completed", "failed", "reversed", "cancelled", "ended", "lookups", "calls"):
            assert sum(getattr(part, name) for part in parts) == getattr(told.altogether, name), name
        assert sum((part.values.get("MWK", Decimal(0)) for part in parts), Decimal(0)) == told.altogether.values["MWK"]
    whole = told.altogether
    assert whole.payments == whole.completed + whole.failed + whole.reversed + whole.cancelled + whole.in_doubt + whole.not_sent
    assert [step.start for step in told.course] == [clock.day_bounds(date(2025, 11, day))[0] for day in range(1, 31)]


def test_a_day_is_told_by_its_hours(week: Week, analyst: Actor) -> None:
    told = reports.read(analyst, DAILY, "2025-11-20")
    assert len(told.course) == 24
    assert {f"{step.start.astimezone(clock.BUSINESS_ZONE):%H:%M}": step.now.payments for step in told.course if step.now.payments} == {"12:00": 4}
    assert told.before[0] == clock.day_bounds(date(2025, 11, 19))[0]


def test_the_last_second_of_a_day_in_blantyre_is_in_that_days_report(book: Book, analyst: Actor) -> None:
    book.row(datetime(2025, 11, 19, 21, 59, 59, tzinfo=UTC))
    book.row(datetime(2025, 11, 19, 22, 0, 0, tzinfo=UTC))
    book.sum_up()
    assert [reports.read(analyst, DAILY, name).altogether.payments for name in ("2025-11-19", "2025-11-20")] == [1, 1]


def test_what_is_still_in_doubt_is_named_the_oldest_first(week: Week, book: Book, analyst: Actor) -> None:
    noon = datetime(2025, 11, 20, 10, tzinfo=UTC)
    later, first = book.unsettled(noon + timedelta(hours=1), "PAY_UNKNOWN", "PROCESSING"), book.unsettled(noon, "REVIEW", "PROCESSING")
    book.unsettled(noon, "QUEUED", "PENDING")
    book.sum_up()
    told = reports.read(analyst, DAILY, "2025-11-20")
    assert [(one.reference, one.under_review) for one in told.in_doubt] == [(first, True), (later, False)]
    assert (told.altogether.in_doubt, told.altogether.not_sent, told.altogether.payments) == (2, 1, 7)


def test_a_period_that_is_not_over_is_compared_up_to_the_same_hour(book: Book, analyst: Actor) -> None:
    now = clock.now()
    book.row(now - timedelta(seconds=5))
    book.sum_up()
    told = reports.read(analyst, DAILY, clock.business_day(now).isoformat())
    assert (told.is_over, told.altogether.payments) == (False, 1)
    assert told.before[1] == told.as_of - timedelta(days=1)
    assert told.course[-1].start <= told.as_of < told.course[-1].start + timedelta(hours=1)


def test_amounts_of_another_currency_stand_for_themselves(book: Book, analyst: Actor) -> None:
    noon = datetime(2025, 11, 20, 10, tzinfo=UTC)
    book.row(noon, amount="10.00")
    book.row(noon, amount="3.00", currency="USD")
    book.sum_up()
    told = reports.read(analyst, DAILY, "2025-11-20")
    assert told.altogether.values == {"MWK": Decimal("10.00"), "USD": Decimal("3.00")}
    assert told.currencies == ("MWK", "USD")


def test_a_day_without_anything_is_a_report_too(database: object, analyst: Actor) -> None:
    told = reports.read(analyst, DAILY, "2025-11-20")
    assert (told.altogether, told.billers, told.rows) == (Tally(), (), 0)


def test_a_report_comes_back_from_the_database_as_it_went_in(book: Book, analyst: Actor) -> None:
    fill(book, random.Random(1), 200)
    book.sum_up()
    told = reports.read(analyst, MONTHLY, "2025-11")
    assert from_json(to_json(told)) == told


@pytest.mark.parametrize(
    ("kind", "name", "sentence"),
    [
        (DAILY, "yesterday", "written like 2026-11-24"),
        (DAILY, "2025-02-30", "written like 2026-11-24"),
        (DAILY, "2025-11", "written like 2026-11-24"),
        (WEEKLY, "2025-47", "written like 2026-W47"),
        (WEEKLY, "2025-W54", "written like 2026-W47"),
        (MONTHLY, "2025-13", "written like 2026-11"),
        (MONTHLY, "٢٠٢٥-11", "written like 2026-11"),
        (MONTHLY, "1999-11", "between 2000 and 2200"),
    ],
)
def test_what_is_no_period_is_told_how_one_is_written(database: object, analyst: Actor, kind: ReportKind, name: str, sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        reports.read(analyst, kind, name)


def test_there_is_no_report_of_what_has_not_begun(database: object, analyst: Actor) -> None:
    tomorrow = clock.business_day(clock.now()) + timedelta(days=1)
    with pytest.raises(NotLegalNow, match="has not begun"):
        reports.read(analyst, DAILY, tomorrow.isoformat())


def test_reports_are_for_analysts_and_managers(database: object, add_person, analyst: Actor, manager: Actor) -> None:  # type: ignore[no-untyped-def]
    for role in ("operator", "administrator"):
        with pytest.raises(NotAllowed, match="make reports and take them away"):
            reports.read(add_person(role), DAILY, "2025-11-20")
    with pytest.raises(NotAllowed, match="say which reports are made by themselves"):
        reports.change_schedule(analyst, DAILY, is_on=False, hour=6, formats=())


@pytest.mark.parametrize(
    ("kind", "first", "name"),
    [
        (DAILY, date(2026, 1, 1), "2026-01-01"),
        (WEEKLY, date(2025, 12, 29), "2026-W01"),
        (WEEKLY, date(2026, 12, 28), "2026-W53"),
        (MONTHLY, date(2026, 11, 1), "2026-11"),
    ],
)
def test_the_name_of_a_period_leads_back_to_it(kind: ReportKind, first: date, name: str) -> None:
    assert (period_name(kind, first), reports.first_day_of(kind, name)) == (name, first)


def test_a_rate_on_paper_is_the_rate_on_the_page() -> None:
    for ended in (1, 3, 7, 100, 999, 1_204, 10_000):
        for completed in {0, 1, ended // 3, ended * 949 // 1000, ended * 95 // 100, ended - 1, ended}:
            assert percent(Tally(completed=completed, ended=ended)) == percent_of_the_pages(completed / ended), (completed, ended)


def test_statuses_that_a_report_counts_are_all_there_are(week: Week, analyst: Actor) -> None:
    told: Report = replace(reports.read(analyst, WEEKLY, "2025-W47"))
    by_status = statistics.over_time(analyst, statistics.of_days(told.first_day, told.last_day), Grain.DAY).payments_by_status
    names = {"COMPLETED": "completed", "FAILED": "failed", "REVERSED": "reversed", "CANCELLED": "cancelled", "PROCESSING": "in_doubt", "PENDING": "not_sent"}
    assert set(names) == set(Status)
    assert {status: getattr(told.altogether, names[status]) for status in by_status} == dict(by_status)
