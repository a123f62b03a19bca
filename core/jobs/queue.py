"""The only module that sees procrastinate. It knows what of it must not be left as it comes: what is not kept, who is not rescued, what ends with the database.

Of a kind one runs and one waits at a time. The lock on waiting is for waiting jobs alone: one that failed and comes back finds the next one waiting already,
and gives way to it. A job whose end could not be written down would be held for ever by a program that lives: so then the program begins anew.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

from procrastinate import App, BaseRetryStrategy, JobContext, PsycopgConnector, RetryDecision
from procrastinate.exceptions import UniqueViolation
from procrastinate.jobs import Job, Status
from procrastinate.manager import JobManager

from core import clock, db
from core.services.job_runs import HEARTBEAT, QUEUE, SILENT, wait_before_next
from core.services.job_table import KINDS, Kind

# A lost wake-up is made up for so soon.
LOOKS_EVERY_SECONDS = 1.0

# Jobs at once: few, for what they cost the database is taken from payments.
AT_ONCE = 2

# One for each job, one that fetches and tells that the program lives, one to spare.
CONNECTIONS = AT_ONCE + 2

# An hour's jobs are made up for by whoever comes within the hour.
LATE_AT_MOST = timedelta(hours=1)

# How one job is carried out: its number, its kind, and how often it was tried before.
CarryOut = Callable[[int, str, int], Awaitable[None]]

# That a job failed is logged where its error is kept, with its incident.
logging.getLogger("procrastinate.worker").addFilter(lambda _record: False)


class Patience(BaseRetryStrategy):
    """Tried again after a longer wait each time, and given up after the last."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        wait = wait_before_next(job.attempts + 1)
        return None if wait is None else RetryDecision(retry_at=clock.now() + wait)


class Manager(JobManager):
    """Writes down how jobs end, and says so where it could not."""

    def __init__(self, connector: PsycopgConnector) -> None:
        super().__init__(connector)
        self.could_not_write = asyncio.Event()

    async def finish_job(self, job: Job, status: Status, delete_job: bool) -> None:
        async with self._told():
            await super().finish_job(job, status, delete_job)

    async def retry_job(
        self, job: Job, retry_at: datetime | None = None, priority: int | None = None, queue: str | None = None, lock: str | None = None
    ) -> None:
        async with self._told():
            try:
                await super().retry_job(job, retry_at, priority, queue, lock)
            except UniqueViolation:
                await super().finish_job(job, Status.ABORTED, delete_job=False)

    @asynccontextmanager
    async def _told(self) -> AsyncIterator[None]:
        try:
            yield
        except Exception:
            self.could_not_write.set()
            raise


def _app(carry_out: CarryOut) -> tuple[App, Manager]:
    dsn = db.engine().url.set(drivername="postgresql").render_as_string(hide_password=False)
    options = {"options": f"-c search_path=jobs -c timezone=UTC -c statement_timeout={db.STATEMENT_TIMEOUT_MS}", "application_name": "billers jobs"}
    connector = PsycopgConnector(conninfo=dsn, kwargs=options, min_size=1, max_size=CONNECTIONS)
    app = App(connector=connector, periodic_defaults={"max_delay": LATE_AT_MOST.total_seconds()})
    manager = app.job_manager = Manager(connector)
    for name, kind in KINDS.items():
        _add(app, name, kind, carry_out)
    return app, manager


def _add(app: App, name: str, kind: Kind, carry_out: CarryOut) -> None:
    async def work(context: JobContext, timestamp: int | None = None) -> None:
        await carry_out(context.job.id or 0, name, context.job.attempts)

    task: Any = app.task(name=name, queue=QUEUE, lock=name, queueing_lock=name, retry=Patience(), pass_context=True)(work)
    app.periodic(cron=kind.rhythm.cron)(task)


async def work(carry_out: CarryOut) -> None:
    """Until it is cancelled, or until something of the database's ends it: then it is to be called again, and begins with everything fresh."""
    app, manager = _app(carry_out)
    async with app.open_async():
        working = asyncio.create_task(
            app.run_worker_async(
                concurrency=AT_ONCE,
                fetch_job_polling_interval=LOOKS_EVERY_SECONDS,
                install_signal_handlers=False,
                update_heartbeat_interval=HEARTBEAT.total_seconds(),
                stalled_worker_timeout=SILENT.total_seconds(),
            )
        )
        in_trouble = asyncio.create_task(manager.could_not_write.wait())
        try:
            await asyncio.wait({working, in_trouble}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            in_trouble.cancel()
            working.cancel()
            # What runs is waited for: it is never torn off in the middle.
            await asyncio.wait({working})
        if not working.cancelled():
            working.result()
