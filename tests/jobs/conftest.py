"""A queue with kinds of the tests' own, the program that works on it, inside this process or as a real one, and somebody who looks after it."""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from core import clock
from core.access import Actor
from core.jobs import queue
from core.jobs.program import Program
from core.models.jobs import JobState
from core.services import job_runs, jobs
from core.services.job_runs import QUEUE
from core.services.job_table import KINDS, Kind, Rhythm
from core.settings import CHECKOUT
from tests.world import AddPerson, Database

PATIENCE_SECONDS = 60
LOOK_SECONDS = 0.05

KIND = "tests.kind"

# As delivered, before a test takes them away.
DELIVERED = frozenset(KINDS)


@dataclass
class Bench:
    """What a test does with the queue."""

    database: Database
    administrator: Actor
    patch: pytest.MonkeyPatch
    programs: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    def kind(self, act: Callable[[], str], name: str = KIND) -> str:
        """One more kind, which nothing brings but the test: its minute is half an hour away."""
        self.patch.setitem(KINDS, name, Kind("Test", "What the test wants.", Rhythm((clock.now().minute + 30) % 60), act))  # type: ignore[arg-type]
        return name

    def put(self, name: str = KIND) -> int:
        """A job of any name, as if its schedule had brought it."""
        with self.database.connect() as connection:
            row = connection.execute(
                "SELECT unnest(jobs.procrastinate_defer_jobs_v1(ARRAY[ROW(%s, %s, 0, %s, %s, '{}', NULL)::jobs.procrastinate_job_to_defer_v1]))",
                (QUEUE, name, name, name),
            ).fetchone()
        assert row is not None
        return int(row[0])

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with self.database.connect() as connection:
            done = connection.execute(statement, values)  # type: ignore[arg-type]
            return done.fetchall() if done.description else []

    def status(self, job: int) -> str:
        """As the queue itself calls it."""
        ((status,),) = self.sql("SELECT status::text FROM jobs.procrastinate_jobs WHERE id = %s", job)
        return str(status)

    def state(self, job: int) -> JobState | None:
        return next((one.state for one in jobs.listed(self.administrator) if one.id == job), None)

    def runs(self, job: int) -> list[tuple[int, str | None, str | None]]:
        """Try, outcome and what was told, the first one first."""
        return [(run.attempt, run.outcome, run.told) for run in reversed(jobs.runs(self.administrator, job=job))]

    def dead(self, name: str = KIND) -> int:
        """A job that failed as often as it is tried."""

        def fail() -> str:
            raise RuntimeError("boom")

        self.kind(fail, name)
        job = self.put(name)
        self.work_until(lambda: self.status(job) == "failed")
        return job

    # ---- Who works on it

    def work_until(self, condition: Callable[[], bool]) -> None:
        """The program, in this process, for as long as it takes."""

        async def work() -> None:
            program = Program(None)
            working = asyncio.create_task(program.run())
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    while not condition():  # noqa: ASYNC110 - the database is asked
                        await asyncio.sleep(LOOK_SECONDS)
            finally:
                program._stopping.set()
                await working
                # A look for what others left behind may be under way, with a connection of the test's: it ends before the test does.
                program._threads.shutdown()

        asyncio.run(work())

    def start(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """The program as a process of its own."""
        command = [sys.executable, "-m", "core.cli", "jobs", "work", *arguments]
        environment = {**os.environ, "DATABASE_URL": self.database.dsn}  # noqa: TID251 - what a child process gets
        self.programs.append(subprocess.Popen(command, cwd=CHECKOUT, env=environment, stdin=subprocess.DEVNULL))
        return self.programs[-1]


def until(condition: Callable[[], object], seconds: float = PATIENCE_SECONDS) -> None:
    """Waits for the condition, and fails where it does not come."""
    looks, end = threading.Event(), clock.monotonic_seconds() + seconds
    while not condition():
        assert clock.monotonic_seconds() < end, "what was waited for did not come"
        looks.wait(LOOK_SECONDS)


@pytest.fixture
def bench(database: Database, add_person: AddPerson, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """No kind comes by itself; a job that failed is tried again at once."""
    made = Bench(database, add_person("administrator"), monkeypatch)
    for name in list(KINDS):
        monkeypatch.delitem(KINDS, name)  # type: ignore[arg-type]
    monkeypatch.setattr(job_runs, "WAITS", (timedelta(0),) * len(job_runs.WAITS))
    monkeypatch.setattr(queue, "LATE_AT_MOST", timedelta(0))
    monkeypatch.setattr(queue, "LOOKS_EVERY_SECONDS", LOOK_SECONDS)
    yield made
    for program in made.programs:
        if program.poll() is None:
            program.kill()
        program.wait()
