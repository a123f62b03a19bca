"""What becomes of a job: done, failed and tried again, dead after the last try, given way to the next one; and what of each try is kept."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from procrastinate.exceptions import ConnectorException
from procrastinate.manager import JobManager

from core import clock
from core.errors import BadInput
from core.models.jobs import JobState
from core.services import job_runs, jobs
from core.services.job_runs import ATTEMPTS, WAITS, wait_before_next
from tests.jobs.conftest import KIND, Bench


def test_what_is_put_in_is_done_and_what_was_done_is_kept(bench: Bench) -> None:
    bench.kind(lambda: "Seven rows forgotten.")
    job = bench.put()
    assert bench.state(job) is JobState.WAITING
    bench.work_until(lambda: bench.status(job) == "succeeded")
    assert bench.runs(job) == [(1, "done", "Seven rows forgotten.")]
    assert bench.state(job) is None


def test_a_job_that_fails_is_tried_again_and_its_error_is_kept_as_a_sentence(bench: Bench) -> None:
    left = [BadInput("The disk is full. Make room."), RuntimeError("SELECT secret FROM somewhere")]

    def act() -> str:
        if left:
            raise left.pop(0)
        return "Done after all."

    bench.kind(act)
    job = bench.put()
    bench.work_until(lambda: bench.status(job) == "succeeded")
    first, second, third = bench.runs(job)
    assert first == (1, "failed", "The disk is full. Make room.")
    assert second[:2] == (2, "failed")
    assert third == (3, "done", "Done after all.")
    unforeseen = jobs.runs(bench.administrator, job=job)[1]
    assert unforeseen.incident is not None
    assert unforeseen.told == f"Something unforeseen happened. The log has it under incident {unforeseen.incident}."


def test_after_the_last_try_it_is_dead(bench: Bench) -> None:
    job = bench.dead()
    assert [(attempt, outcome) for attempt, outcome, _ in bench.runs(job)] == [(number, "failed") for number in range(1, ATTEMPTS + 1)]
    assert bench.state(job) is JobState.DEAD
    assert jobs.overview(bench.administrator).counts == {JobState.DEAD: 1}


def test_it_waits_longer_each_time_and_less_than_an_hour_in_all() -> None:
    assert [wait_before_next(tries) for tries in range(1, ATTEMPTS + 1)] == [*WAITS, None]
    assert list(WAITS) == sorted(WAITS)
    assert sum(WAITS, timedelta(0)) < timedelta(hours=1)


def test_between_two_tries_it_is_failed_and_says_when_the_next_one_is(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_runs, "WAITS", (timedelta(hours=1),) * 4)

    def fail() -> str:
        raise BadInput("Not today.")

    bench.kind(fail)
    job = bench.put()
    bench.work_until(lambda: bench.state(job) is JobState.FAILED)
    (one,) = jobs.listed(bench.administrator, [JobState.FAILED])
    assert (one.id, one.tries, one.told) == (job, 1, "Not today.")
    assert one.due_at is not None
    assert timedelta(minutes=50) < one.due_at - clock.now() <= timedelta(hours=1)


def test_what_a_later_one_made_good_is_dead_no_more(bench: Bench) -> None:
    job = bench.dead()
    bench.kind(lambda: "Done.")
    later = bench.put()
    bench.work_until(lambda: bench.status(later) == "succeeded")
    assert bench.state(job) is None
    assert jobs.overview(bench.administrator).counts == {}


def test_of_a_kind_one_runs_at_a_time_and_one_that_fails_gives_way_to_the_one_that_waits(bench: Bench) -> None:
    """The queue's own lock on waiting jobs would refuse the first one's return, and leave it running for ever."""
    begun, may_end, both = threading.Event(), threading.Event(), threading.Lock()

    def act() -> str:
        assert both.acquire(blocking=False), "two of a kind ran at once"
        try:
            if not begun.is_set():
                begun.set()
                may_end.wait(30)
                raise BadInput("The first one fails.")
            return "The second one did it."
        finally:
            both.release()

    bench.kind(act)
    first = bench.put()

    def second_is_done() -> bool:
        if begun.is_set() and not may_end.is_set():
            bench.put()
            may_end.set()
        return bench.sql("SELECT status::text FROM jobs.procrastinate_jobs ORDER BY id") == [("aborted",), ("succeeded",)]

    bench.work_until(second_is_done)
    assert bench.runs(first) == [(1, "failed", "The first one fails.")]


def test_a_kind_that_nobody_knows_is_dead_and_says_so(bench: Bench) -> None:
    job = bench.put("another.version")
    bench.work_until(lambda: bench.status(job) == "failed")
    (one,) = jobs.listed(bench.administrator)
    assert (one.state, one.name, one.told) == (JobState.DEAD, "another.version", None)


def test_it_goes_on_when_the_database_threw_it_out(bench: Bench) -> None:
    """A restart, a fail-over: what ends with the database begins anew, with everything fresh."""
    told: list[str] = []

    def act() -> str:
        told.append("worked")
        return "Done."

    bench.kind(act)
    first = bench.put()
    second: list[int] = []

    def done_after_the_outage() -> bool:
        if not second and bench.status(first) == "succeeded":
            bench.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'billers jobs' AND datname = current_database()")
            bench.sql("DELETE FROM jobs.procrastinate_workers")
            second.append(bench.put())
        return bool(second) and bench.status(second[0]) == "succeeded"

    bench.work_until(done_after_the_outage)
    assert told == ["worked", "worked"]


def test_a_job_whose_end_could_not_be_written_down_is_not_held_for_ever(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program lives and says so: nobody would rescue what it does not know that it holds."""
    finish, refused = JobManager.finish_job, []

    async def finish_the_second_time(manager: JobManager, *arguments: Any, **named: Any) -> None:
        if not refused:
            refused.append(arguments)
            raise ConnectorException
        await finish(manager, *arguments, **named)

    monkeypatch.setattr(JobManager, "finish_job", finish_the_second_time)
    bench.kind(lambda: "Done.")
    job = bench.put()
    bench.work_until(lambda: bench.status(job) == "succeeded")
    assert len(refused) == 1
    # Done twice, which each kind has to bear.
    assert bench.runs(job) == [(1, "done", "Done."), (2, "done", "Done.")]


def test_what_is_over_for_long_is_forgotten_but_the_last_run_of_each_kind(bench: Bench) -> None:
    bench.kind(lambda: "Done.")
    for _ in range(2):
        job = bench.put()
        bench.work_until(lambda job=job: bench.status(job) == "succeeded")  # type: ignore[misc]
    dead = bench.dead("tests.other")
    assert job_runs.forget_old() == 0
    bench.sql("UPDATE jobs.procrastinate_events SET at = at - interval '3 days'")
    bench.sql("UPDATE job_runs SET started_at = started_at - interval '3 days', ended_at = ended_at - interval '3 days'")
    assert job_runs.forget_old() == 2
    assert bench.sql("SELECT id FROM jobs.procrastinate_jobs") == [(dead,)]
    assert [run.job for run in jobs.runs(bench.administrator, KIND)] == [job]
    assert len(bench.runs(dead)) == ATTEMPTS


def test_a_row_is_told_of_once(bench: Bench) -> None:
    """A program that was taken for gone, and comes back after all, has nothing more to say about its run."""
    run = job_runs.begin(1, KIND, 1, "here")
    bench.sql("UPDATE job_runs SET ended_at = now(), outcome = 'lost', told = 'Lost.'")
    job_runs.done(run, "Done.")
    assert bench.runs(1) == [(1, "lost", "Lost.")]
