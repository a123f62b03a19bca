"""The jobs' page as an administrator sees it: where jobs stand and why, what comes by the clock, what else works, and the ways to steer it."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import text

import core.db
from core.errors import BillersError
from core.services import job_runs, jobs
from core.services.job_runs import QUEUE
from core.services.job_table import KINDS
from tests.pages.conftest import Till, button, labels, said
from tests.world import Database

NAME = "sums.verify"


def put(database: Database, status: str = "todo", attempts: int = 0, name: str = NAME) -> int:
    with core.db.unit_of_work() as session:
        found = text(
            "INSERT INTO jobs.procrastinate_jobs (queue_name, task_name, lock, status, attempts, scheduled_at) VALUES (:queue, CAST(:name AS text),"
            " CAST(:name AS text), CAST(:status AS jobs.procrastinate_job_status), :attempts, now() + interval '1 hour') RETURNING id"
        )
        return int(session.execute(found, {"queue": QUEUE, "name": name, "status": status, "attempts": attempts}).scalar_one())


def fail(job: int, sentence: str, name: str = NAME) -> None:
    job_runs.failed(job_runs.begin(job, name, 1, "here:1"), name, BillersError(sentence))


@pytest.fixture
def administrator(sit_down: Callable[..., Till]) -> Till:
    return sit_down("administrator")


def status(job: int) -> str:
    with core.db.unit_of_work() as session:
        return str(session.execute(text("SELECT status::text FROM jobs.procrastinate_jobs WHERE id = :job"), {"job": job}).scalar_one())


def test_a_quiet_house_says_so_and_that_nobody_works(administrator: Till) -> None:
    window = administrator.open("jobs")
    assert "Everything is done" in said(window)
    assert "Nobody works on jobs just now" in said(window)
    for kind in KINDS.values():
        assert kind.title in said(window)
    assert sum("never yet" in str(one.value) for one in window.markdown) == len(KINDS)
    for beside in ("Payments", "Acts on many", "Notifications", "Reports"):
        assert beside in said(window)


def test_each_state_is_counted_and_shown_with_its_error(administrator: Till, database: Database) -> None:
    put(database, name="jobs.forget")
    put(database, "doing", name="months.put_away")
    fail(put(database, attempts=1, name="sign_ins.forget"), "The disk is full [really](http://evil).", "sign_ins.forget")
    dead = put(database, "failed", attempts=5)
    fail(dead, "The sums cannot be read.")
    window = administrator.open("jobs")
    pills = next(one for one in window.button_group if one.key == "jobs-state")
    assert pills.options == ["Waiting 1", "Running 1", "Failed 1", "Dead 1"]
    assert "The sums cannot be read." in said(window)
    assert "The disk is full [really](http" in said(window)
    assert "tried 5 times" in said(window)
    window = administrator.open("jobs", state="dead")
    assert [one.key for one in window.button if str(one.key).startswith("cancel-")] == [f"cancel-{dead}"]


def test_a_dead_job_is_tried_once_more_by_a_button(administrator: Till, database: Database) -> None:
    job = put(database, "failed", attempts=5)
    fail(job, "The sums cannot be read.")
    window = administrator.open("jobs")
    button(window, "Try once more").click().run()
    assert not window.exception
    assert f"Job {job} is tried as soon as somebody has a hand free." in said(window)
    assert status(job) == "todo"


def test_a_job_is_cancelled_by_a_button_and_the_refusal_of_a_second_window_is_a_sentence(administrator: Till, database: Database) -> None:
    job = put(database)
    window, other = administrator.open("jobs"), administrator.open("jobs")
    button(window, "Cancel").click().run()
    assert f"Job {job} is cancelled." in said(window)
    button(other, "Cancel").click().run()
    assert "It is over: there is nothing to cancel." in said(other)
    assert status(job) == "cancelled"


def test_what_a_schedule_does_is_done_now(administrator: Till) -> None:
    window = administrator.open("jobs")
    next(one for one in window.button if one.key == f"run-{NAME}").click().run()
    (waiting,) = jobs.listed(administrator.actor)
    assert waiting.name == NAME
    assert f"job {waiting.id} runs as soon as somebody has a hand free" in said(window)


def test_what_ran_lately_is_told_of_one_kind_or_all(administrator: Till) -> None:
    job_runs.done(job_runs.begin(1, NAME, 1, "here:1"), "The sums are what the transactions come to.")
    job_runs.done(job_runs.begin(2, "jobs.forget", 1, "here:1"), "0 jobs forgotten.")
    window = administrator.open("jobs")
    assert list(window.dataframe[0].value["What came of it"]) == ["0 jobs forgotten.", "The sums are what the transactions come to."]
    window.selectbox("jobs-runs-kind").select(NAME).run()
    assert list(window.dataframe[0].value["Outcome"]) == ["✓ Done"]
    assert "The sums are what the transactions come to." in said(window)


def test_whoever_only_looks_on_has_no_buttons(administrator: Till, database: Database) -> None:
    put(database)
    administrator.actor = replace(administrator.actor, permissions=administrator.actor.permissions - {"jobs:manage"})
    window = administrator.open("jobs")
    assert "Cancel" not in labels(window)
    assert "Run now" not in labels(window)


def test_a_manager_has_no_such_page(sit_down: Callable[..., Till]) -> None:
    with pytest.raises(ValueError, match="Could not find a navigation page"):
        sit_down("manager").open("jobs")
