"""What works in the background, for whoever looks after it: jobs where they stand, schedules with their last runs, and what a person can do about both."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from core import db
from core.access import Actor, needs
from core.errors import NotFound, NotLegalNow
from core.models import JobRun
from core.models.jobs import JobState
from core.repositories.jobs import Beside, Jobs, QueuedJob
from core.security import audit
from core.services.job_runs import QUEUE, SILENT
from core.services.job_table import KINDS, Kind

# Rows that a page shows at once; more are dead only where nobody has looked for long.
MOST_LISTED = 100

ONE_WAITS = "Another one of its kind waits already, and does the same. Cancel that one first, or let it run."


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything behind the console at one moment."""

    counts: Mapping[JobState, int]
    # Programs that work on jobs; without one nothing of it runs.
    programs: int
    beside: Beside
    as_of: datetime


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A kind with its last run (None before the first) and when it comes next."""

    name: str
    kind: Kind
    last: JobRun | None
    next_at: datetime


@needs("jobs:read")
def overview(actor: Actor, /) -> Overview:
    """How many jobs there are in each state, and what else works in the background."""
    with db.snapshot() as session:
        jobs = Jobs(session)
        return Overview(jobs.counts(), jobs.programs_at_work(SILENT), jobs.beside(), jobs.now())


@needs("jobs:read")
def listed(actor: Actor, /, states: Collection[JobState] = tuple(JobState)) -> Sequence[QueuedJob]:
    """Jobs that are not over: what runs first, then what comes next; of the dead, the last one first."""
    with db.unit_of_work() as session:
        return Jobs(session).listed(states, MOST_LISTED)


@needs("jobs:read")
def schedules(actor: Actor, /) -> Sequence[Scheduled]:
    """Every kind there is, with its last run."""
    with db.unit_of_work() as session:
        jobs = Jobs(session)
        last, now = jobs.last_runs(KINDS), jobs.now()
    return [Scheduled(name, kind, last.get(name), kind.rhythm.next_after(now)) for name, kind in KINDS.items()]


@needs("jobs:read")
def runs(actor: Actor, /, name: str | None = None, job: int | None = None) -> Sequence[JobRun]:
    """What ran lately, the latest first: everything, one kind, or every try of one job."""
    with db.unit_of_work() as session:
        return Jobs(session).runs(MOST_LISTED, name, job)


@needs("jobs:manage")
def retry(actor: Actor, /, job: int) -> None:
    """Has it tried now: one that waits for its next try at once, a dead one once more. Raises `NotLegalNow` for what needs none."""
    with db.unit_of_work() as session:
        jobs = Jobs(session)
        name, state = _held(jobs, job)
        if state is JobState.FAILED:
            jobs.try_now(job)
        elif state is not JobState.DEAD:
            raise NotLegalNow(_NO_RETRY[state])
        elif not jobs.try_again(job):
            raise NotLegalNow(ONE_WAITS)
        audit.record(session, actor, "job.retried", "job", job, name=name, state=state.value)


@needs("jobs:manage")
def cancel(actor: Actor, /, job: int) -> None:
    """It is not run, or not tried again. What runs ends by itself: it is never torn off in the middle. Raises `NotLegalNow`."""
    with db.unit_of_work() as session:
        jobs = Jobs(session)
        name, state = _held(jobs, job)
        if state is None or state is JobState.RUNNING:
            raise NotLegalNow(_NO_CANCEL[state])
        jobs.cancel(job, state)
        audit.record(session, actor, "job.cancelled", "job", job, name=name, state=state.value)


@needs("jobs:manage")
def run_now(actor: Actor, /, name: str) -> int:
    """Puts one of this kind into the queue, beside its schedule, and answers its number. Raises `NotFound`, and `NotLegalNow` where one waits already."""
    if name not in KINDS:
        raise NotFound("There is no job of this name. Open Jobs, and take one of its schedules.")
    with db.unit_of_work() as session:
        job = Jobs(session).put(name, QUEUE)
        if job is None:
            raise NotLegalNow("One of this kind waits already: it runs as soon as somebody has a hand free.")
        audit.record(session, actor, "job.started", "job", job, name=name)
    return job


_NO_RETRY: Mapping[JobState | None, str] = {
    JobState.WAITING: "It was not tried yet: it runs as soon as somebody has a hand free.",
    JobState.RUNNING: "It is running. Wait for what comes of it.",
    None: "It is over. Its schedule brings the next one, or press Run now there.",
}
_NO_CANCEL: Mapping[JobState | None, str] = {
    JobState.RUNNING: "It is running, and ends by itself: it is never torn off in the middle.",
    None: "It is over: there is nothing to cancel.",
}


def _held(jobs: Jobs, job: int) -> tuple[str, JobState | None]:
    found = jobs.held(job)
    if found is None:
        raise NotFound("There is no job of this number; those that are over are forgotten after a while. Open Jobs again.")
    return found
