"""What a person may do to jobs, what of it is on the record, who may not, and what the command line and the alarms say of it."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from croniter import croniter
from typer.testing import CliRunner

from core.cli import app
from core.errors import NotAllowed, NotFound, NotLegalNow
from core.models.alerts import ANY, Measure
from core.models.jobs import JobState
from core.services import alerts, jobs
from core.services.alerts import Change
from core.services.job_runs import ATTEMPTS
from core.services.job_table import Rhythm
from tests.jobs.conftest import KIND, Bench
from tests.world import AddPerson


def on_the_record(bench: Bench) -> list[tuple[str, str, str]]:
    return bench.sql("SELECT action, subject_id, actor_name FROM audit_entries WHERE subject_type = 'job' ORDER BY at")  # type: ignore[return-value]


def test_a_dead_job_is_tried_once_more_when_somebody_asks_for_it(bench: Bench) -> None:
    job = bench.dead()
    bench.kind(lambda: "Mended.")
    jobs.retry(bench.administrator, job)
    bench.work_until(lambda: bench.status(job) == "succeeded")
    assert bench.runs(job)[-1][1:] == ("done", "Mended.")
    assert on_the_record(bench) == [("job.retried", str(job), bench.administrator.username)]


def test_it_is_dead_again_after_that_one_try(bench: Bench) -> None:
    job = bench.dead()
    jobs.retry(bench.administrator, job)
    bench.work_until(lambda: bench.status(job) == "failed")
    assert len(bench.runs(job)) == ATTEMPTS + 1


def test_one_that_waits_for_its_next_try_is_tried_now(bench: Bench) -> None:
    bench.kind(lambda: "Done.")
    job = bench.put()
    bench.sql("UPDATE jobs.procrastinate_jobs SET attempts = 1, scheduled_at = now() + interval '1 hour' WHERE id = %s", job)
    jobs.retry(bench.administrator, job)
    bench.work_until(lambda: bench.status(job) == "succeeded")


def test_a_dead_one_is_not_tried_beside_another_one_that_waits(bench: Bench) -> None:
    """Refused in a sentence; and what the same unit of work did besides would have been kept."""
    job = bench.dead()
    bench.put()
    with pytest.raises(NotLegalNow, match="Another one of its kind waits already"):
        jobs.retry(bench.administrator, job)
    assert bench.status(job) == "failed"
    assert on_the_record(bench) == []


def test_what_waits_is_cancelled_and_never_runs(bench: Bench) -> None:
    ran: list[int] = []
    bench.kind(lambda: ran.append(1) or "Done.")  # type: ignore[func-returns-value]
    bench.kind(lambda: "Done.", "tests.other")
    job = bench.put()
    jobs.cancel(bench.administrator, job)
    other = bench.put("tests.other")
    bench.work_until(lambda: bench.status(other) == "succeeded")
    assert ran == []
    assert bench.status(job) == "cancelled"
    assert on_the_record(bench) == [("job.cancelled", str(job), bench.administrator.username)]


def test_a_dead_one_is_put_aside(bench: Bench) -> None:
    job = bench.dead()
    jobs.cancel(bench.administrator, job)
    assert jobs.overview(bench.administrator).counts == {}


def test_what_runs_is_neither_torn_off_nor_doubled(bench: Bench) -> None:
    job = bench.put()
    bench.sql("UPDATE jobs.procrastinate_jobs SET status = 'doing' WHERE id = %s", job)
    with pytest.raises(NotLegalNow, match="ends by itself"):
        jobs.cancel(bench.administrator, job)
    with pytest.raises(NotLegalNow, match="is running"):
        jobs.retry(bench.administrator, job)


def test_what_a_schedule_does_is_done_now_once(bench: Bench) -> None:
    bench.kind(lambda: "Done.")
    job = jobs.run_now(bench.administrator, KIND)
    with pytest.raises(NotLegalNow, match="waits already"):
        jobs.run_now(bench.administrator, KIND)
    bench.work_until(lambda: bench.status(job) == "succeeded")
    (scheduled,) = jobs.schedules(bench.administrator)
    assert scheduled.last is not None
    assert (scheduled.name, scheduled.last.job, scheduled.last.told) == (KIND, job, "Done.")
    assert on_the_record(bench) == [("job.started", str(job), bench.administrator.username)]


def test_what_is_not_there_is_told_so(bench: Bench) -> None:
    for act in (jobs.retry, jobs.cancel):
        with pytest.raises(NotFound):
            act(bench.administrator, 404)
    with pytest.raises(NotFound):
        jobs.run_now(bench.administrator, "no.such")


def test_it_is_for_administrators_of_all_billers(bench: Bench, add_person: AddPerson) -> None:
    job = bench.put()
    limited = replace(bench.administrator, billers=frozenset({"MASM"}))
    for actor in (add_person("manager"), add_person("analyst"), add_person("operator"), limited):
        for ask in (jobs.overview, jobs.listed, jobs.schedules, jobs.runs):
            with pytest.raises(NotAllowed):
                ask(actor)
        for act, what in ((jobs.retry, job), (jobs.cancel, job), (jobs.run_now, KIND)):
            with pytest.raises(NotAllowed):
                act(actor, what)  # type: ignore[operator]
    assert bench.status(job) == "todo"


def test_a_dead_job_raises_an_alert_until_it_is_seen_to(bench: Bench) -> None:
    alerts.change_threshold(bench.administrator, Measure.DEAD_JOBS, ANY, Change(Decimal(1), Decimal(0), 1, 1, "Administrator", True))
    assert alerts.look() == (0, 0)
    job = bench.dead()
    assert alerts.look() == (1, 0)
    jobs.cancel(bench.administrator, job)
    assert alerts.look() == (0, 1)


def test_what_else_works_is_counted_beside(bench: Bench) -> None:
    beside = jobs.overview(bench.administrator).beside
    assert (beside.workers, beside.acts, beside.notices_dead, beside.reports_failed) == (0, 0, 0, 0)
    bench.sql("INSERT INTO workers (id, name) VALUES (gen_random_uuid(), 'here')")
    bench.sql(
        "INSERT INTO reports (id, kind, first_day, last_day, formats, next_try_at, tries, told)"
        " VALUES (gen_random_uuid(), 'daily', '2026-11-01', '2026-11-01', '[\"csv\"]', now(), 2, 'It could not be made.')"
    )
    beside = jobs.overview(bench.administrator).beside
    assert (beside.workers, beside.reports, beside.reports_failed) == (1, 1, 1)


def test_the_command_line_lists_retries_cancels_and_runs(bench: Bench) -> None:
    def say(*words: str) -> str:
        done = CliRunner().invoke(app, ["jobs", *words])
        return done.output

    job = bench.dead()
    assert "dead" in say()
    assert "boom" not in say()
    assert say("retry", str(job)) == f"Job {job} is tried again.\n"
    assert bench.state(job) is JobState.FAILED
    assert say("cancel", str(job)) == f"Job {job} is cancelled.\n"
    assert "waits for whoever has a hand free" in say("run", KIND)
    assert "waits already" in say("run", KIND)
    assert "Nobody works on jobs just now" in say()


@pytest.mark.parametrize("rhythm", [Rhythm(), Rhythm(0), Rhythm(27), Rhythm(59)])
def test_the_next_run_that_is_told_is_the_next_that_comes(rhythm: Rhythm) -> None:
    for moment in ("2026-11-26 08:26:59.9", "2026-11-26 08:27:00", "2026-12-31 23:59:30", "2026-11-26 08:00:00"):
        at = datetime.fromisoformat(moment).replace(tzinfo=UTC)
        assert rhythm.next_after(at) == croniter(rhythm.cron, at).get_next(datetime)
