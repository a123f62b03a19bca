"""Reports that are kept: made once, never anew, by schedule exactly once, and told apart from what is known by now."""

import hashlib
import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from core.access import Actor
from core.errors import BadInput, NotFound, Unavailable
from core.ids import new_id
from core.models.notifications import Happening
from core.models.reports import ReportFormat, ReportKind
from core.repositories.reports import Listed
from core.security import vault
from core.services import notifications, reports
from core.settings import settings
from core.states import Status
from tests.reports.conftest import MONDAY_NOON, Week
from tests.statistics.conftest import Book
from tests.world import AddPerson, Database

DAILY, WEEKLY, MONTHLY = ReportKind
PDF, XLSX, CSV = ReportFormat

# Blantyre is two hours ahead of UTC.
SIX = 4


def at(month: int, day: int, hour: int = SIX, minute: int = 0) -> datetime:
    return datetime(2025, month, day, hour, minute, tzinfo=UTC)


def until_done(moment: datetime) -> int:
    """Rounds of one worker, until there is nothing left to do; answers how many reports were taken up."""
    taken = 0
    while made := reports.make_due(moment):
        taken += made
    return taken


def all_of(actor: Actor, kind: ReportKind | None = None) -> list[Listed]:
    return list(reports.latest(actor, 100, kind))


def periods_of(actor: Actor, kind: ReportKind) -> list[date]:
    return sorted(one.first_day for one in all_of(actor, kind))


def audited(database: Database, action: str) -> list[tuple[str, dict[str, Any]]]:
    with database.connect() as connection:
        return connection.execute("SELECT actor_name, details FROM audit_entries WHERE action = %s ORDER BY seq", [action]).fetchall()


# ---- On demand


def test_a_report_is_kept_with_its_bytes_and_who_took_it_is_written_down(week: Week, analyst: Actor, database: Database) -> None:
    made = reports.take(analyst, WEEKLY, "2025-W47", PDF)
    assert (made.name, made.content[:5]) == ("report-weekly-2025-W47.pdf", b"%PDF-")
    (one,) = all_of(analyst)
    assert (one.kind, one.made_by, one.rows, one.as_of) == (WEEKLY, "Chisomo", week.payments + 7, made.as_of)
    with database.connect() as connection:
        kept = connection.execute("SELECT content, size_bytes, sha256 FROM report_files").fetchall()
    assert kept == [(made.content, len(made.content), hashlib.sha256(made.content).digest())]
    ((who, told),) = audited(database, "report.taken")
    assert (who, told["period"], told["format"], told["sha256"]) == (analyst.username, "2025-W47", "pdf", hashlib.sha256(made.content).hexdigest())
    ((_, told),) = audited(database, "report.made")
    assert told["value"] == {"MWK": str(week.paid)}


def test_as_long_as_nothing_changes_it_is_the_same_report_in_each_format(week: Week, analyst: Actor, manager: Actor) -> None:
    first = reports.take(analyst, WEEKLY, "2025-W47", PDF)
    others = [reports.take(manager, WEEKLY, "2025-W47", form) for form in (PDF, XLSX, CSV)]
    assert {one.as_of for one in others} == {first.as_of}
    assert others[0].content == first.content
    assert len(all_of(analyst)) == 1


def test_a_late_settlement_makes_another_report_and_leaves_the_first_as_it_was(week: Week, book: Book, analyst: Actor) -> None:
    first = reports.take(analyst, WEEKLY, "2025-W47", CSV)
    book.row(MONDAY_NOON, Status.COMPLETED, "77.00")
    book.sum_up()
    second = reports.take(analyst, WEEKLY, "2025-W47", CSV)
    assert second.as_of > first.as_of
    assert second.content != first.content
    newest, oldest = all_of(analyst)
    assert reports.take_kept(analyst, oldest.id, CSV).content == first.content
    assert reports.take_kept(analyst, newest.id, CSV).content == second.content


def test_the_list_says_which_reports_would_say_something_else_by_now(week: Week, book: Book, analyst: Actor) -> None:
    reports.take(analyst, WEEKLY, "2025-W47", CSV)
    reports.take(analyst, WEEKLY, "2025-W46", CSV)
    assert reports.changes_since(analyst, all_of(analyst)) == {}
    book.row(MONDAY_NOON, Status.COMPLETED, "77.00")
    book.row(MONDAY_NOON, Status.FAILED, "1.00")
    book.sum_up()
    ((changed, what),) = reports.changes_since(analyst, all_of(analyst)).items()
    assert next(one for one in all_of(analyst) if one.id == changed).first_day == date(2025, 11, 17)
    assert (what.payments, what.completed, what.failed, what.in_doubt, what.value) == (2, 1, 1, 0, Decimal("77.00"))


def test_what_a_report_said_cannot_be_changed_by_anybody(week: Week, analyst: Actor, database: Database) -> None:
    reports.take(analyst, WEEKLY, "2025-W47", CSV)
    with database.connect() as connection:
        for statement in (
            "UPDATE reports SET rows = 0",
            "DELETE FROM reports",
            "TRUNCATE reports CASCADE",
            "UPDATE report_files SET content = ''",
            "DELETE FROM report_files",
            "TRUNCATE report_files",
        ):
            with pytest.raises(psycopg.Error, match=r"append-only|for ever"):
                connection.execute(statement)


def test_a_report_that_is_not_there_is_not_found(database: object, analyst: Actor) -> None:
    with pytest.raises(NotFound, match="take it from the list"):
        reports.take_kept(analyst, new_id(), PDF)


# ---- By schedule


def test_a_day_is_reported_at_six_of_the_next_and_not_before(week: Week, analyst: Actor, database: Database) -> None:
    until_done(at(11, 21, SIX - 1, 59))
    assert date(2025, 11, 20) not in periods_of(analyst, DAILY)
    until_done(at(11, 21))
    made = next(one for one in all_of(analyst, DAILY) if one.first_day == date(2025, 11, 20))
    assert (made.made_by, made.rows, made.is_over) == (None, 5, True)
    for form in ReportFormat:
        assert reports.take_kept(analyst, made.id, form).content
    assert {who for who, _ in audited(database, "report.made")} == {"system"}


def test_a_week_is_reported_on_monday_and_a_month_on_its_first(week: Week, analyst: Actor) -> None:
    until_done(at(11, 23, 20))
    assert periods_of(analyst, WEEKLY) == [date(2025, 11, 10)]
    assert periods_of(analyst, MONTHLY) == []
    until_done(at(11, 24))
    assert periods_of(analyst, WEEKLY) == [date(2025, 11, 10), date(2025, 11, 17)]
    until_done(at(12, 1))
    assert periods_of(analyst, MONTHLY) == [date(2025, 11, 1)]
    (month,) = all_of(analyst, MONTHLY)
    assert month.altogether is not None
    assert month.altogether["payments"] == week.payments + 3


def test_two_makers_at_once_and_a_restart_make_each_once(week: Week, analyst: Actor, database: Database) -> None:
    together, failed = threading.Barrier(2), []

    def work() -> None:
        try:
            together.wait()
            until_done(at(11, 24))
        except Exception as error:  # noqa: BLE001 - told by the test
            failed.append(error)

    makers = [threading.Thread(target=work) for _ in range(2)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    assert failed == []
    assert until_done(at(11, 24)) == 0
    assert periods_of(analyst, DAILY) == [date(2025, 11, day) for day in range(17, 24)]
    assert len(audited(database, "report.made")) == len(all_of(analyst)) == 9
    assert all(one.as_of and one.tries == 1 for one in all_of(analyst))


def test_what_was_missed_is_made_when_a_worker_is_back_but_no_more_than_the_latest(week: Week, analyst: Actor) -> None:
    until_done(at(12, 20))
    assert periods_of(analyst, DAILY) == [date(2025, 12, day) for day in range(13, 20)]
    assert periods_of(analyst, WEEKLY) == [date(2025, 11, 17), date(2025, 11, 24), date(2025, 12, 1), date(2025, 12, 8)]
    assert periods_of(analyst, MONTHLY) == [date(2025, 11, 1)]


def test_there_is_nothing_to_report_of_a_time_before_the_first_transaction(database: object, analyst: Actor) -> None:
    assert until_done(at(12, 20)) == 0
    assert all_of(analyst) == []


def test_a_schedule_that_is_off_owes_nothing_and_one_that_is_switched_on_begins_with_the_next(
    week: Week, analyst: Actor, manager: Actor, database: Database
) -> None:
    for kind in ReportKind:
        reports.change_schedule(manager, kind, is_on=False, hour=6, formats=list(ReportFormat))
    assert until_done(at(11, 24)) == 0
    reports.change_schedule(manager, DAILY, is_on=True, hour=7, formats=[CSV])
    with database.connect() as connection:
        # As if it had been switched on then, and not at the moment of this test.
        connection.execute("UPDATE report_schedules SET since = %s WHERE kind = 'daily'", [at(11, 22, 9)])
    until_done(at(11, 23, SIX, 30))
    assert periods_of(analyst, DAILY) == []
    until_done(at(11, 23, SIX + 1))
    (made,) = all_of(analyst, DAILY)
    assert (made.first_day, made.formats) == (date(2025, 11, 22), (CSV,))
    assert [(who, told["before"]["is_on"], told["after"]["is_on"]) for who, told in audited(database, "report_schedule.changed")] == [
        *((manager.username, True, False),) * 3,
        (manager.username, False, True),
    ]


def test_a_schedule_says_when_it_comes_next_and_who_changed_it(database: object, analyst: Actor, manager: Actor) -> None:
    daily, weekly, monthly = reports.schedules(analyst)
    assert [one.hour for one in (daily, weekly, monthly)] == [6, 6, 6]
    assert daily.next_at is not None
    assert daily.next_at.astimezone(UTC).hour == SIX
    assert weekly.next_at is not None
    assert weekly.next_at.weekday() == 0
    assert monthly.next_at is not None
    assert monthly.next_at.day == 1
    reports.change_schedule(manager, DAILY, is_on=False, hour=6, formats=[PDF])
    daily = reports.schedules(analyst)[0]
    assert (daily.is_on, daily.next_at, daily.formats, daily.changed_by) == (False, None, (PDF,), "Limbani")


@pytest.mark.parametrize(("hour", "formats", "sentence"), [(24, [PDF], "from 0 to 23"), (-1, [PDF], "from 0 to 23"), (6, [], "at least one format")])
def test_a_schedule_that_cannot_be_kept_is_told_why(database: object, manager: Actor, hour: int, formats: list[ReportFormat], sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        reports.change_schedule(manager, DAILY, is_on=True, hour=hour, formats=formats)


@pytest.mark.parametrize(("error", "told"), [(Unavailable(), "cannot be reached"), (RuntimeError("/srv/secret"), "incident ")])
def test_a_report_that_could_not_be_made_says_why_and_is_made_later(
    week: Week, analyst: Actor, database: Database, monkeypatch: pytest.MonkeyPatch, error: Exception, told: str
) -> None:
    count: Callable[..., Any] = reports._count

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(reports, "_count", fail)
    reports.make_due(at(11, 18))
    failed = [one for one in all_of(analyst) if one.tries]
    assert len(failed) == reports.HANDFUL
    for one in failed:
        assert one.told is not None
        assert told in one.told
        assert "/srv" not in one.told
        assert (one.as_of, one.tries) == (None, 1)
    with pytest.raises(NotFound):
        reports.take_kept(analyst, failed[0].id, PDF)
    monkeypatch.setattr(reports, "_count", count)
    until_done(at(11, 18))
    assert {one.as_of for one in all_of(analyst) if one.id == failed[0].id} == {None}, "it waits before it is tried again"
    with database.connect() as connection:
        connection.execute("UPDATE reports SET next_try_at = now() WHERE made_at IS NULL")
    until_done(at(11, 18))
    assert all(one.as_of and one.told is None for one in all_of(analyst))


def test_waits_grow(week: Week, analyst: Actor, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise Unavailable

    monkeypatch.setattr(reports, "_count", fail)
    monkeypatch.setattr(reports, "LATE_AT_MOST", {DAILY: 1, WEEKLY: 0, MONTHLY: 0})
    waits = []
    with database.connect() as connection:
        for _ in range(len(reports.WAITS) + 1):
            reports.make_due(at(11, 18))
            row = connection.execute("SELECT next_try_at - now() FROM reports").fetchone()
            assert row is not None
            waits.append(row[0])
            connection.execute("UPDATE reports SET next_try_at = now()")
    expected = [*reports.WAITS, reports.WAITS[-1]]
    assert all(abs(found - wanted) < timedelta(seconds=30) for found, wanted in zip(waits, expected, strict=True)), waits


def test_that_a_report_could_not_be_made_is_told_once_however_often_it_is_tried(
    week: Week, manager: Actor, add_person: AddPerson, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    administrator = add_person("administrator")
    monkeypatch.setenv("BILLERS_NOTIFICATION_HOSTS", '["hooks.bank.example"]')
    settings.cache_clear()
    vault.ensure_ring()
    channel, _ = notifications.add_webhook(administrator, "Ledger", "https://hooks.bank.example/billers")
    notifications.subscribe(administrator, Happening.REPORT_FAILED, channel)

    def fail(*_: object) -> None:
        raise Unavailable

    monkeypatch.setattr(reports, "_count", fail)
    monkeypatch.setattr(reports, "LATE_AT_MOST", {DAILY: 1, WEEKLY: 0, MONTHLY: 0})
    with database.connect() as connection:
        for _ in range(3):
            reports.make_due(at(11, 18))
            connection.execute("UPDATE reports SET next_try_at = now()")
        told = connection.execute("SELECT event, facts FROM notification_events").fetchall()
    assert told == [("report.failed", {"report": "Daily report 2025-11-17", "reason": Unavailable().sentence})]
