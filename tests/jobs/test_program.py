"""The program as it really runs: a process that is killed, one whose worker is gone, and a worker that looks after its own."""

import os
import signal
import subprocess
import sys

import pytest

from core import clock
from core.models.jobs import JobState
from core.services import job_runs, jobs
from core.services.job_runs import ATTEMPTS, LOST, SILENT
from core.services.job_table import KINDS, Kind, Rhythm
from core.settings import CHECKOUT
from tests.jobs.conftest import DELIVERED, Bench, until

# A real kind, whose one table a test can hold.
SLOW, HELD = "sign_ins.forget", "LOCK TABLE sign_in_attempts IN ACCESS EXCLUSIVE MODE"


@pytest.fixture
def real(bench: Bench) -> Bench:
    """A real process works on the real table, so this one names a kind of it."""
    bench.patch.setitem(KINDS, SLOW, Kind("Test", "", Rhythm((clock.now().minute + 30) % 60), lambda: "here"))  # type: ignore[arg-type]
    return bench


def began(bench: Bench, name: str) -> int | None:
    """The job of that kind that runs just now."""
    return next((one.id for one in jobs.listed(bench.administrator, [JobState.RUNNING]) if one.name == name and one.started_at), None)


def killed_in_the_middle(bench: Bench) -> int:
    """A job whose program was killed while it worked on it."""
    with bench.database.connect() as holder:
        holder.autocommit = False
        holder.execute(HELD)
        program = bench.start()
        until(lambda: began(bench, SLOW))
        job = began(bench, SLOW)
        program.send_signal(signal.SIGKILL)
        program.wait()
        holder.rollback()
    assert job is not None
    assert bench.status(job) == "doing"
    return job


def test_a_job_whose_program_was_killed_is_done_by_another_one(real: Bench) -> None:
    job = killed_in_the_middle(real)
    real.start()
    until(lambda: any(run.outcome == "done" for run in jobs.runs(real.administrator, SLOW)))
    assert real.runs(job)[0] == (1, "lost", LOST)
    # The same one, or the one that the clock brought meanwhile.
    until(lambda: real.status(job) in ("succeeded", "aborted"))


def test_a_job_that_takes_its_program_down_each_time_is_given_up(real: Bench) -> None:
    job = real.put(SLOW)
    for tries in range(1, ATTEMPTS + 1):
        real.sql("UPDATE jobs.procrastinate_jobs SET status = 'doing', worker_id = NULL WHERE id = %s", job)
        job_runs.begin(job, SLOW, tries, "gone")
        assert job_runs.rescue() == 1
    assert real.state(job) is JobState.DEAD
    assert real.runs(job) == [(tries, "lost", LOST) for tries in range(1, ATTEMPTS + 1)]


def test_what_a_living_program_works_on_is_left_to_it(real: Bench) -> None:
    job = real.put(SLOW)
    real.sql("INSERT INTO jobs.procrastinate_workers DEFAULT VALUES")
    real.sql("UPDATE jobs.procrastinate_jobs SET status = 'doing', worker_id = (SELECT max(id) FROM jobs.procrastinate_workers) WHERE id = %s", job)
    assert job_runs.rescue() == 0
    real.sql("UPDATE jobs.procrastinate_workers SET last_heartbeat = now() - %s", SILENT * 1.1)
    assert job_runs.rescue() == 1
    assert real.status(job) == "todo"


def test_a_rescued_job_gives_way_to_the_one_that_waits_already(real: Bench) -> None:
    job = real.put(SLOW)
    real.sql("UPDATE jobs.procrastinate_jobs SET status = 'doing', worker_id = NULL WHERE id = %s", job)
    other = real.put(SLOW)
    assert job_runs.rescue() == 1
    assert (real.status(job), real.status(other)) == ("aborted", "todo")


def test_what_the_clock_brings_is_done_within_moments_of_a_start(bench: Bench) -> None:
    """An hour's jobs are made up for: whoever starts at five past has those of the hour before done."""
    bench.start()
    until(lambda: {name for (name,) in bench.sql("SELECT DISTINCT name FROM job_runs WHERE outcome = 'done'")} == DELIVERED)
    assert bench.sql("SELECT count(*) FROM job_runs WHERE outcome <> 'done'") == [(0,)]


def test_it_ends_by_itself_when_whoever_started_it_is_gone(bench: Bench) -> None:
    """A worker that is killed leaves nothing running behind it."""
    script = (
        "import subprocess, sys, os\n"
        "made = subprocess.Popen([sys.executable, '-m', 'core.cli', 'jobs', 'work', '--beside', str(os.getpid())], stdin=subprocess.DEVNULL)\n"
        "print(made.pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    try:
        until(lambda: jobs.overview(bench.administrator).programs == 1)
        parent.kill()
        parent.communicate()
        until(lambda: not is_running(child))
    finally:
        if is_running(child):
            os.kill(child, signal.SIGKILL)


def test_it_ends_although_its_worker_was_gone_before_it_had_begun(bench: Bench) -> None:
    """A worker that is killed while its program starts: whoever reads what it was started with waits for the program, too."""
    orphans = [bench.start("--beside", str(os.getpid() + 1)) for _ in range(4)]
    until(lambda: all(orphan.poll() is not None for orphan in orphans))


def test_it_ends_with_its_worker_whatever_number_that_had(bench: Bench) -> None:
    """In a container the worker may be number 1, and so is whoever takes its orphans up."""
    line, workers_end = os.pipe()
    command = [sys.executable, "-m", "core.cli", "jobs", "work", "--beside", str(os.getpid())]
    program = subprocess.Popen(command, cwd=CHECKOUT, stdin=line)
    os.close(line)
    try:
        until(lambda: jobs.overview(bench.administrator).programs == 1)
        os.close(workers_end)
        until(lambda: program.poll() is not None)
    finally:
        program.kill()
        program.wait()


def is_running(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123 - the kernel's own
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
