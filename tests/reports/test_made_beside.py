"""Where due reports are made: in the program that a worker keeps beside it, never in the worker itself, whose payments would wait for the drawing."""

import asyncio

import pytest

from core.services import job_program, reports
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
        assert not worker._job_program.is_at_work(), "a worker that was stopped leaves nothing running"

    asyncio.run(work_until_one_is_made())


def test_a_program_that_was_killed_is_begun_anew_and_one_that_runs_is_left_alone(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_program, "AGAIN_AFTER_SECONDS", 0)
    keeper = job_program.JobProgram()
    keeper.look()
    assert keeper._program is None, "payments come first when a worker begins"
    keeper._may_begin_at = 0
    keeper.look()
    first = keeper._program
    keeper.look()
    assert first is not None
    assert keeper._program is first
    first.kill()
    first.wait()
    keeper.look()
    assert keeper._program is not first
    assert keeper.is_at_work()
    keeper.stop()
    assert not keeper.is_at_work()
