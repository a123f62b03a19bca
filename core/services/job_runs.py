"""What the program that works on jobs keeps of each run, how often a job is tried, and what becomes of one whose program is gone.

A job is tried at least once, and may be tried again although it was done: each kind has to bear that. The queue keeps no error, so it is kept here.
"""

import uuid
from datetime import timedelta

import structlog

from core import db
from core.errors import BillersError
from core.ids import incident_id, new_id
from core.models import JobRun
from core.models.jobs import RunOutcome
from core.repositories.jobs import Jobs

log = structlog.get_logger(__name__)

QUEUE = "billers"

# How long a job that failed waits for its next try. After the last of them it is dead: all of it takes less than the hour to the next one of most kinds.
WAITS = (timedelta(minutes=1), timedelta(minutes=2), timedelta(minutes=5), timedelta(minutes=15))
ATTEMPTS = len(WAITS) + 1

# A program says so often that it is there, and is taken for gone when nothing was heard of it for so long.
HEARTBEAT = timedelta(seconds=2)
SILENT = timedelta(seconds=8)

# What was done is of little interest on the next days; what failed is looked for longer.
DONE_KEPT = timedelta(days=2)
FAILED_KEPT = timedelta(days=90)

LOST = "The program that ran it ended in the middle of it."


def begin(job: int, name: str, attempt: int, worker: str) -> uuid.UUID:
    run = JobRun(id=new_id(), job=job, name=name, attempt=attempt, worker=worker)
    with db.unit_of_work() as session:
        Jobs(session).begin(run)
    return run.id


def done(run: uuid.UUID, told: str) -> None:
    with db.unit_of_work() as session:
        Jobs(session).end(run, RunOutcome.DONE, told)


def failed(run: uuid.UUID, name: str, error: Exception) -> None:
    """Keeps the error as a sentence. What nobody foresaw gets an incident, under which the log has the rest."""
    told, incident = (error.sentence, None) if isinstance(error, BillersError) else (None, incident_id())
    log.error("job.failed", job=name, incident=incident, error=type(error).__name__, detail=str(error)[:200])
    with db.unit_of_work() as session:
        Jobs(session).end(run, RunOutcome.FAILED, told or f"Something unforeseen happened. The log has it under incident {incident}.", incident)


def wait_before_next(tries: int) -> timedelta | None:
    """How long a job waits that was tried so often and failed each time; None for one that is given up."""
    return WAITS[tries - 1] if tries < ATTEMPTS else None


def rescue() -> int:
    """Puts the jobs of programs that are gone back into the queue, and answers how many. One whose programs are gone each time is given up like any other."""
    with db.unit_of_work() as session:
        jobs = Jobs(session)
        orphans = jobs.orphans(SILENT)
        for one in orphans:
            jobs.end_open_runs(one.id, LOST)
            if one.tries + 1 >= ATTEMPTS:
                jobs.give_up(one.id)
            elif not jobs.try_again(one.id):
                jobs.give_up(one.id, for_the_next=True)
    if orphans:
        log.warning("jobs.rescued", jobs=[f"{one.name} {one.id}" for one in orphans])
    return len(orphans)


def forget_old() -> int:
    """Takes away what has been over for long. Answers how many jobs."""
    with db.unit_of_work() as session:
        return Jobs(session).forget(DONE_KEPT, FAILED_KEPT)
