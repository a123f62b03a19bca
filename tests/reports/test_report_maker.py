"""Who makes due reports: a program of the worker's, never the worker itself, whose payments would wait for the drawing."""

import asyncio

import pytest

from core.services import reports
from core.services.report_maker import ReportMaker
from core.worker import Worker
from tests.reports.conftest import Week
from tests.world import Database


def made_and_owed(database: Database) -> tuple[int, int]:
    with database.connect() as connection:
        row = connection.execute("SELECT count(made_at), count(*) - count(made_at) FROM reports").fetchone()
    assert row is not None
    return row


def not_here() -> bool:
    raise AssertionError("a report was drawn in the worker's own process")


def test_a_worker_has_due_reports_made_beside_it(week: Week, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "_make_next", not_here)

    async def work_until_one_is_made() -> None:
        worker = Worker()
        working = asyncio.create_task(worker.run())
        async with asyncio.timeout(60):
            while made_and_owed(database)[0] == 0:  # noqa: ASYNC110 - another program makes it
                await asyncio.sleep(0.1)
            worker._stop()
            await working
        assert not worker._report_maker.is_at_work(), "a worker that was stopped leaves nothing running"

    asyncio.run(work_until_one_is_made())


def test_what_is_being_made_is_not_begun_twice_and_what_was_stopped_is_owed_still(week: Week, database: Database) -> None:
    maker = ReportMaker()
    maker.look()
    first = maker._program
    maker.look()
    assert first is not None
    assert maker._program is first
    maker.stop()
    assert first.poll() is not None
    made, owed = made_and_owed(database)
    assert owed
    while reports.make_due():
        pass
    assert made_and_owed(database) == (made + owed, 0)


def test_where_nothing_is_due_no_program_is_begun(database: Database) -> None:
    maker = ReportMaker()
    maker.look()
    assert maker._program is None
