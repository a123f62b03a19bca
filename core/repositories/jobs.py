"""The queue of jobs and what became of their runs. It knows procrastinate's tables and functions, and nothing of the library: a console needs no more."""

import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy import ARRAY, ScalarSelect, Text, cast, column, delete, exists, func, select, table, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, aliased

from core.models import JobRun
from core.models.jobs import JobState, RunOutcome

T = TypeVar("T")

STANDING = table("standing", column("id"), column("state"), schema="jobs")

_COUNTS = text("SELECT state, count(*) FROM jobs.standing WHERE state IS NOT NULL GROUP BY state")

# What runs, then what comes next; of what is dead, the last one first.
_IN_STATES = text(
    """
    SELECT j.id, j.task_name AS name, s.state, j.attempts AS tries, j.scheduled_at AS due_at, queued.at AS queued_at,
        run.started_at, run.ended_at, run.worker, run.told, run.incident
    FROM jobs.procrastinate_jobs j
    JOIN jobs.standing s ON s.id = j.id
    LEFT JOIN LATERAL (SELECT min(e.at) AS at FROM jobs.procrastinate_events e WHERE e.job_id = j.id AND e.type = 'deferred') queued ON true
    LEFT JOIN LATERAL (SELECT * FROM job_runs r WHERE r.job = j.id ORDER BY r.started_at DESC LIMIT 1) run ON true
    WHERE s.state = ANY(:states)
    ORDER BY array_position(ARRAY['running', 'waiting', 'failed', 'dead'], s.state),
        CASE WHEN s.state = 'dead' THEN -j.id END, j.scheduled_at NULLS FIRST, j.id
    LIMIT :most
    """
)

_HELD = text("SELECT j.task_name AS name, s.state FROM jobs.procrastinate_jobs j JOIN jobs.standing s ON s.id = j.id WHERE j.id = :job FOR UPDATE OF j")

# The lock: of a kind one runs at a time, wherever. The queueing lock: of a kind one waits at a time.
_PUT = text(
    """
    SELECT unnest(jobs.procrastinate_defer_jobs_v1(
        ARRAY[ROW(:queue, CAST(:name AS text), 0, CAST(:name AS text), CAST(:name AS text), '{}'::jsonb, NULL)::jobs.procrastinate_job_to_defer_v1]
    ))
    """
)
_TRY_AGAIN = text("SELECT jobs.procrastinate_retry_job_v2(:job, clock_timestamp(), NULL, NULL, NULL)")
_TRY_NOW = text("UPDATE jobs.procrastinate_jobs SET scheduled_at = NULL WHERE id = :job AND status = 'todo'")
_CANCEL_WAITING = text("SELECT jobs.procrastinate_cancel_job_v1(:job, false, false)")
_CANCEL_DEAD = text("UPDATE jobs.procrastinate_jobs SET status = 'cancelled' WHERE id = :job AND status = 'failed'")
_GIVE_UP = text("SELECT jobs.procrastinate_finish_job_v1(:job, CAST(:status AS jobs.procrastinate_job_status), false)")

# Of programs that have not been heard of for so long, or are gone. What somebody else is rescuing is passed by.
_ORPHANS = text(
    """
    SELECT j.id, j.task_name AS name, j.attempts AS tries FROM jobs.procrastinate_jobs j
    WHERE j.status = 'doing' AND NOT EXISTS (
        SELECT FROM jobs.procrastinate_workers w WHERE w.id = j.worker_id AND w.last_heartbeat > now() - :seconds * interval '1 second'
    )
    ORDER BY j.id FOR UPDATE OF j SKIP LOCKED
    """
)
_AT_WORK = text("SELECT count(*) FROM jobs.procrastinate_workers WHERE last_heartbeat > now() - :seconds * interval '1 second'")

_FORGET = text(
    """
    DELETE FROM jobs.procrastinate_jobs j
    WHERE j.status = ANY(CAST(:ended AS jobs.procrastinate_job_status[]))
        AND NOT EXISTS (SELECT FROM jobs.procrastinate_events e WHERE e.job_id = j.id AND e.at > now() - :seconds * interval '1 second')
    """
)

# What else works behind the console, and what of it came to nothing within a day.
_BESIDE = text(
    """
    SELECT
        (SELECT count(*) FROM workers WHERE stopped_at IS NULL AND seen_at > now() - interval '15 seconds') AS workers,
        (SELECT count(*) FROM bulk_acts WHERE finished_at IS NULL) AS acts,
        (SELECT count(*) FROM bulk_items WHERE state = 'WAITING') AS act_rows,
        (SELECT count(*) FROM bulk_items WHERE state = 'FAILED' AND act_id IN (SELECT id FROM bulk_acts WHERE created_at > now() - interval '1 day'))
            AS act_rows_failed,
        (SELECT count(*) FROM notification_deliveries WHERE state = 'waiting') AS notices,
        (SELECT count(*) FROM notification_deliveries WHERE state = 'dead' AND ended_at > now() - interval '1 day') AS notices_dead,
        (SELECT count(*) FROM reports WHERE made_at IS NULL) AS reports,
        (SELECT count(*) FROM reports WHERE made_at IS NULL AND tries > 0) AS reports_failed
    """
)


@dataclass(frozen=True, slots=True)
class QueuedJob:
    """A job where it stands, with what came of its last try."""

    id: int
    name: str
    state: JobState
    tries: int
    # When it is tried (again); None is as soon as somebody has a hand free.
    due_at: datetime | None
    queued_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    worker: str | None
    told: str | None
    incident: str | None


@dataclass(frozen=True, slots=True)
class Orphan:
    """A job whose program is gone, and how often it was tried before."""

    id: int
    name: str
    tries: int


@dataclass(frozen=True, slots=True)
class Beside:
    """How much of the other work in the background there is: payments' workers, acts on many, notifications, reports."""

    workers: int
    acts: int
    act_rows: int
    act_rows_failed: int
    notices: int
    notices_dead: int
    reports: int
    reports_failed: int


def dead_jobs() -> ScalarSelect[int]:
    """How many are dead, as a part of somebody's question."""
    return select(func.count()).select_from(STANDING).where(STANDING.c.state == JobState.DEAD.value).scalar_subquery()


class Jobs:
    def __init__(self, session: Session) -> None:
        self._session = session

    def now(self) -> datetime:
        moment: datetime = self._session.execute(select(func.clock_timestamp())).scalar_one()
        return moment

    # ---- What there is

    def counts(self) -> Mapping[JobState, int]:
        """By state; a state that no job is in is not there."""
        return {JobState(state): count for state, count in self._session.execute(_COUNTS)}

    def listed(self, states: Collection[JobState], most: int) -> Sequence[QueuedJob]:
        found = self._session.execute(_IN_STATES, {"states": [state.value for state in states], "most": most}).mappings()
        return [QueuedJob(**{**row, "state": JobState(row["state"])}) for row in found]

    def runs(self, most: int, name: str | None = None, job: int | None = None) -> Sequence[JobRun]:
        """The latest first: of all, of one kind, or of one job."""
        found = select(JobRun).order_by(JobRun.started_at.desc()).limit(most)
        if name is not None:
            found = found.where(JobRun.name == name)
        if job is not None:
            found = found.where(JobRun.job == job)
        return self._session.scalars(found).all()

    def last_runs(self, names: Collection[str]) -> Mapping[str, JobRun]:
        """Of each kind the latest, whatever came of it; a kind that never ran is not there."""
        asked = func.unnest(cast(list(names), ARRAY(Text))).table_valued("name").render_derived()
        last = select(JobRun).where(JobRun.name == asked.c.name).order_by(JobRun.started_at.desc()).limit(1).lateral()
        run = aliased(JobRun, last)
        return {one.name: one for one in self._session.scalars(select(run).select_from(asked).join(last, text("true")))}

    def programs_at_work(self, lately: timedelta) -> int:
        return int(self._session.execute(_AT_WORK, {"seconds": lately.total_seconds()}).scalar_one())

    def beside(self) -> Beside:
        return Beside(**self._session.execute(_BESIDE).mappings().one())

    # ---- What people do

    def held(self, job: int) -> tuple[str, JobState | None] | None:
        """The job's kind and state, held until the unit of work ends."""
        row = self._session.execute(_HELD, {"job": job}).one_or_none()
        return (row.name, JobState(row.state) if row.state else None) if row else None

    def put(self, name: str, queue: str) -> int | None:
        """Puts one into the queue; None where one of its kind waits already."""
        return self._unless_one_waits(lambda: int(self._session.connection().execute(_PUT, {"name": name, "queue": queue}).scalar_one()))

    def try_again(self, job: int) -> bool:
        """Puts one back that is dead, or whose program is gone; False where another one of its kind waits already."""
        return self._unless_one_waits(lambda: self._session.connection().execute(_TRY_AGAIN, {"job": job})) is not None

    def try_now(self, job: int) -> None:
        self._session.execute(_TRY_NOW, {"job": job})

    def cancel(self, job: int, state: JobState) -> None:
        self._session.execute(_CANCEL_DEAD if state is JobState.DEAD else _CANCEL_WAITING, {"job": job})

    def _unless_one_waits(self, act: Callable[[], T]) -> T | None:
        """A savepoint on the connection, and not the session's: that one is made so late that the refusal would end the whole unit of work unseen."""
        self._session.flush()
        try:
            with self._session.connection().begin_nested():
                return act()
        except IntegrityError:
            return None

    # ---- The program's part

    def begin(self, run: JobRun) -> None:
        self._session.add(run)
        self._session.flush()

    def end(self, run: uuid.UUID, outcome: RunOutcome, told: str, incident: str | None = None) -> None:
        """Once: what was taken for lost, and comes back after all, has nothing more to say."""
        ended = update(JobRun).where(JobRun.id == run, JobRun.ended_at.is_(None))
        self._session.execute(ended.values(ended_at=func.clock_timestamp(), outcome=outcome.value, told=told, incident=incident))

    def orphans(self, silent_for: timedelta) -> Sequence[Orphan]:
        """Jobs of programs that are gone, held until the unit of work ends."""
        return [Orphan(**row) for row in self._session.execute(_ORPHANS, {"seconds": silent_for.total_seconds()}).mappings()]

    def end_open_runs(self, job: int, told: str) -> None:
        lost = update(JobRun).where(JobRun.job == job, JobRun.ended_at.is_(None))
        self._session.execute(lost.values(ended_at=func.clock_timestamp(), outcome=RunOutcome.LOST.value, told=told))

    def give_up(self, job: int, *, for_the_next: bool = False) -> None:
        """It is not tried again: it was tried as often as it is, or another one of its kind waits already."""
        self._session.execute(_GIVE_UP, {"job": job, "status": "aborted" if for_the_next else "failed"})

    def forget(self, done_for: timedelta, failed_for: timedelta) -> int:
        """Takes away what has been over for so long, and answers how many jobs. Of each kind the last run stays."""
        ended = (("succeeded", "aborted", "cancelled"), done_for), (("failed",), failed_for)
        gone = [self._session.execute(_FORGET, {"ended": list(states), "seconds": age.total_seconds()}) for states, age in ended]
        later = aliased(JobRun)
        had_later = exists().where(later.name == JobRun.name, later.started_at > JobRun.started_at)
        for over, age in ((JobRun.outcome == RunOutcome.DONE.value, done_for), (JobRun.ended_at.is_not(None), failed_for)):
            old = delete(JobRun).where(over, JobRun.started_at < func.now() - age, had_later)
            self._session.execute(old.execution_options(synchronize_session=False))
        return sum(one.rowcount for one in gone)  # type: ignore[attr-defined]
