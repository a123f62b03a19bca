"""What became of each run of a job. The queue itself is procrastinate's, in the schema `jobs`: it knows what waits and runs, and keeps no error."""

import uuid
from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, CheckConstraint, Index, Integer, func, text
from sqlalchemy.orm import Mapped, mapped_column

from core.models.base import Base


class RunOutcome(StrEnum):
    """How a run ended. Lost: the program that ran it ended in the middle of it."""

    DONE = "done"
    FAILED = "failed"
    LOST = "lost"


class JobState(StrEnum):
    """Where a job stands. Failed: it is tried again by itself. Dead: it was tried as often as it is, and no later job of its kind did what it left undone."""

    WAITING = "waiting"
    RUNNING = "running"
    FAILED = "failed"
    DEAD = "dead"


class JobRun(Base):
    """One try of a job: when, by whom, and what came of it in words. It stays for some days after its job has gone."""

    __tablename__ = "job_runs"
    __table_args__ = (
        # What came of a job's tries, the last one first; a kind's last run; the latest of all.
        Index("ix_job_runs_job", "job", text("started_at DESC")),
        Index("ix_job_runs_name", "name", text("started_at DESC")),
        Index("ix_job_runs_started_at", text("started_at DESC")),
        CheckConstraint("outcome IN ('done', 'failed', 'lost')", "outcome"),
        CheckConstraint("(ended_at IS NULL) = (outcome IS NULL) AND (ended_at IS NULL) = (told IS NULL)", "ended"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    # The queue's own number. No foreign key: the queue forgets its jobs sooner.
    job: Mapped[int] = mapped_column(BigInteger)
    name: Mapped[str]
    attempt: Mapped[int] = mapped_column(Integer)
    worker: Mapped[str]
    started_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    ended_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
    # A sentence: what was done, or why it was not. What is behind it stands in the log, under the incident.
    told: Mapped[str | None]
    incident: Mapped[str | None]
