"""The worker: claim, send, conclude, for as long as it runs. Many calls are out at once; not one of them holds a thread or a database transaction."""

import asyncio
import os
import signal
import socket
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

import psycopg
import structlog

from core import clock, db, garbage, logs
from core.errors import Busy, Unavailable
from core.ids import new_id
from core.repositories.billers import Billers
from core.services import (
    alerts,
    approvals,
    bulk,
    claims,
    configuration_approvals,
    core_banking,
    deliveries,
    gate,
    live,
    reopening,
    rollups,
    settlement,
    sweeps,
    wake,
    wider_approvals,
    workers,
)
from core.services.biller_cache import CHANNEL as BILLERS_CHANGED
from core.services.breakers import Breakers
from core.services.deployment import line_policy as line_policy
from core.services.errands import CLAIM_TOO_OLD, Errand, Result, perform
from core.services.gate import NotDurable
from core.services.job_program import JobProgram
from core.settings import Part, settings
from core.states import LegKind
from core.wire.contract import Outcome
from core.wire.line import Line

T = TypeVar("T")

log = structlog.get_logger(__name__)

SWEEP_SECONDS = 1.0
HEARTBEAT_SECONDS = 5.0
# What trembles within these is not worth an alarm.
ALERTS_SECONDS = 15.0
# Jobs work in a program beside this one, which is looked after like everything else here.
JOBS_SECONDS = 1.0
# Whoever is told of something is told within moments of it.
NOTIFICATIONS_SECONDS = 1.0

# Results concluded in one unit of work: one fsync for many payments.
CONCLUDED_AT_ONCE = 500

# Under load a lane claims, and outcomes are kept, no more often than this: what comes meanwhile goes into the same commit. Who comes alone does not wait.
PACE_SECONDS = 0.1

# Database work at once; calls on the wire need no thread.
THREADS = 4

# How long a call may finish after SIGTERM before its lease is left to settle it.
DRAIN_SECONDS = 12.0

DATABASE_RETRY_SECONDS = 0.5

# How a worker ends that has no memory left, and its last words, which are made while there is some.
NO_MEMORY = os.EX_OSERR
NO_MEMORY_SAYS = b"The worker has no memory left, and ends. Whoever keeps it starts it anew; what it had sent is asked about.\n"


@dataclass(frozen=True, slots=True)
class Slots:
    """How many calls may be out at once: to each biller, and in all."""

    by_biller: Mapping[str, int]
    most: int = claims.UNBOUNDED

    def less(self, out: Counter[str]) -> "Slots":
        return Slots({biller: limit - out[biller] for biller, limit in self.by_biller.items()}, self.most - out.total())


@dataclass(frozen=True, slots=True)
class Lane:
    """One kind of errand, with calls of its own: look-ups never stand before payments, nor payments before inquiries, nor either before the bank."""

    name: str
    claim: Callable[[str, Mapping[str, int], int], list[Errand]]
    slots: Callable[[], Slots]
    out: Counter[str] = field(default_factory=Counter)
    wake: asyncio.Event = field(default_factory=asyncio.Event)


def _sendable() -> Slots:
    """Billers that may be sent to now."""
    with db.unit_of_work() as session:
        return Slots(Billers(session).sendable())


def _askable() -> Slots:
    """Every biller we know: asking moves no money."""
    with db.unit_of_work() as session:
        return Slots(Billers(session).askable())


def _debitable() -> Slots:
    """Nobody is debited for a biller that cannot be paid just now."""
    with db.unit_of_work() as session:
        most = Billers(session).bank_slots(core_banking.CODE, settings().t24_concurrency)
        return Slots(dict.fromkeys(Billers(session).sendable(), most), most)


def _returnable() -> Slots:
    """What is owed to a customer is owed whatever the biller's state."""
    with db.unit_of_work() as session:
        most = Billers(session).bank_slots(core_banking.CODE, settings().t24_concurrency)
        return Slots(dict.fromkeys(Billers(session).askable(), most), most)


def _bank_askable() -> Slots:
    with db.unit_of_work() as session:
        most = settings().t24_concurrency
        return Slots(dict.fromkeys(Billers(session).askable(), most), most)


class Worker:
    """One worker. Its name tells people where it runs; its id, new at each start, is what leases are held under."""

    def __init__(self) -> None:
        self.id = new_id()
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self._holder = f"{self.name}:{self.id}"
        self._line = Line(line_policy())
        self._breakers = Breakers()
        self._job_program = JobProgram()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="database")
        self._postman = deliveries.Postman()
        self._stopping = asyncio.Event()
        self._results: asyncio.Queue[Result] = asyncio.Queue()
        self._calls: set[asyncio.Task[None]] = set()
        self._lanes = (
            Lane("send", claims.claim_sends, _sendable),
            Lane("inquire", claims.claim_inquiries, _askable),
            Lane("look up", claims.claim_lookups, _askable),
            Lane("take back", claims.claim_pay_reversals, _askable),
            Lane("debit", claims.claim_debits, _debitable),
            Lane("return", claims.claim_returns, _returnable),
            Lane("inquire of the bank", claims.claim_bank_inquiries, _bank_askable),
        )

    async def run(self) -> None:
        """Until SIGTERM or SIGINT; then no more claims, and what is out is awaited and concluded."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        live.HERALD.on = True
        # Before the first claim: nothing may leave by a database that does not remember what left before.
        await self._insist(gate.watch)
        await self._insist(lambda: workers.sign_on(self.id, self.name))
        concluding = asyncio.create_task(self._conclude_for_ever())
        rounds = [asyncio.create_task(self._run_lane(lane)) for lane in self._lanes]
        rounds += [
            asyncio.create_task(self._every(SWEEP_SECONDS, self._sweep)),
            asyncio.create_task(self._every(SWEEP_SECONDS, bulk.carry_on)),
            asyncio.create_task(self._every(SWEEP_SECONDS, workers.seal)),
            asyncio.create_task(self._every(SWEEP_SECONDS, rollups.fold)),
            asyncio.create_task(self._every(live.PACE_SECONDS, live.HERALD.say)),
            asyncio.create_task(self._every(HEARTBEAT_SECONDS, lambda: workers.still_here(self.id))),
            asyncio.create_task(self._every(HEARTBEAT_SECONDS, gate.watch)),
            asyncio.create_task(self._every(HEARTBEAT_SECONDS, reopening.go_on)),
            asyncio.create_task(self._every(ALERTS_SECONDS, alerts.look)),
            asyncio.create_task(self._every(JOBS_SECONDS, self._job_program.look)),
            asyncio.create_task(self._every(NOTIFICATIONS_SECONDS, self._postman.go_round)),
            asyncio.create_task(self._listen()),
        ]
        logs.say("ready")
        log.info("worker.started", worker=self.name)
        await self._stopping.wait()
        for task in rounds:
            task.cancel()
        self._postman.stop()
        await asyncio.gather(*rounds, return_exceptions=True)
        # Beside what is out, which would otherwise wait for it.
        no_more_jobs = asyncio.create_task(self._in_thread(self._job_program.stop))
        if self._calls:
            await asyncio.wait(self._calls, timeout=DRAIN_SECONDS)
        await self._results.join()
        await no_more_jobs
        concluding.cancel()
        with suppress(NotDurable):
            await self._in_thread(gate.watch)
        with suppress(Unavailable):
            await self._in_thread(live.HERALD.say)
        live.HERALD.on = False
        await self._in_thread(lambda: workers.sign_off(self.id))
        log.info("worker.stopped", worker=self.name)

    def _stop(self) -> None:
        self._stopping.set()

    # ---- Claim

    async def _run_lane(self, lane: Lane) -> None:
        while not self._stopping.is_set():
            lane.wake.clear()
            looked = clock.monotonic_seconds()
            try:
                began, claimed = await self._insist(lambda: self._claim(lane))
            except Exception as error:  # noqa: BLE001 - one bad row must not end a lane; the sweep and the log tell of it
                log.error("worker.claim_failed", lane=lane.name, error=type(error).__name__, detail=str(error)[:200])
                began, claimed = 0.0, []
            for errand in claimed:
                lane.out[errand.biller_type] += 1
                call = asyncio.create_task(self._run_errand(lane, errand, began))
                self._calls.add(call)
                call.add_done_callback(self._calls.discard)
            if not claimed:
                await _first_of(lane.wake, SWEEP_SECONDS)
            await _pace(looked)

    def _claim(self, lane: Lane) -> tuple[float, list[Errand]]:
        """What was claimed, and from when on at the earliest its lease runs: a moment before this try, not before the outage that it may have followed."""
        began = clock.boot_seconds()
        free = lane.slots().less(lane.out)
        return began, lane.claim(self._holder, free.by_biller, free.most)

    # ---- Send

    async def _run_errand(self, lane: Lane, errand: Errand, claimed_at: float) -> None:
        try:
            self._results.put_nowait(await self._send(errand, claimed_at))
        finally:
            lane.out[errand.biller_type] -= 1
            lane.wake.set()

    async def _send(self, errand: Errand, claimed_at: float) -> Result:
        lease_seconds = errand.lease.total_seconds()

        def still_ours() -> bool:
            return clock.boot_seconds() - claimed_at < lease_seconds

        # A worker that slept (SIGSTOP, a suspended machine) holds a claim that others have given up: nothing of it may leave any more. Asked before
        # the connection, so that a call has its whole deadline within the lease, and again at the first byte.
        if clock.boot_seconds() - claimed_at > lease_seconds - errand.party.deadline.total_seconds():
            return Result(errand, new_id(), Outcome.NOT_SENT, failure=CLAIM_TOO_OLD, sentence="The worker was interrupted before it sent anything.")
        return await perform(self._line, errand, still_ours)

    # ---- Conclude

    async def _conclude_for_ever(self) -> None:
        kept = 0.0
        while True:
            batch = [await self._results.get()]
            await _pace(kept)
            kept = clock.monotonic_seconds()
            while len(batch) < CONCLUDED_AT_ONCE and not self._results.empty():
                batch.append(self._results.get_nowait())
            await self._conclude(batch)
            for _ in batch:
                self._results.task_done()
            if not all(map(_is_all, batch)):
                for lane in self._lanes:
                    lane.wake.set()

    async def _conclude(self, batch: Sequence[Result]) -> None:
        """Together if it can be, one by one if one of them cannot: its row is left to its lease, the others are not."""
        try:
            await self._insist(lambda: settlement.conclude(batch))
        except Busy:
            # Somebody holds one of these rows. Its answer comes again; the others' need not wait for it.
            if len(batch) == 1:
                self._keep_for_later(batch[0])
            else:
                for result in batch:
                    await self._conclude([result])
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, the other results must be kept
            log.error("worker.conclude_failed", count=len(batch), error=type(error).__name__, transactions=[str(r.errand.stand.id) for r in batch][:5])
            if len(batch) > 1:
                for result in batch:
                    await self._conclude([result])
            return
        try:
            await self._insist(lambda: self._breakers.note(batch))
        except Exception as error:  # noqa: BLE001 - what is concluded stays so, and the next answers must be concluded too
            log.error("worker.breaker_failed", count=len(batch), error=type(error).__name__)

    def _keep_for_later(self, result: Result) -> None:
        async def come_again() -> None:
            await asyncio.sleep(DATABASE_RETRY_SECONDS)
            self._results.put_nowait(result)

        log.info("worker.row_is_held", transaction=str(result.errand.stand.id))
        again = asyncio.create_task(come_again())
        # Among the calls that are out: a worker that is told to stop waits for it.
        self._calls.add(again)
        again.add_done_callback(self._calls.discard)

    # ---- By the clock

    def _sweep(self) -> None:
        lost = sweeps.settle_lost_leases()
        failed = sweeps.give_up_overdue()
        undecided = approvals.expire_old()
        undecided += configuration_approvals.expire_old()
        undecided += wider_approvals.expire_old()
        if lost or failed or undecided:
            log.info("worker.swept", lost_leases=lost, expired=failed, undecided=undecided)

    async def _every(self, seconds: float, act: Callable[[], object]) -> None:
        while not self._stopping.is_set():
            try:
                await self._in_thread(act)
            except Unavailable:
                pass
            except Exception as error:  # noqa: BLE001 - one bad round must not end the rounds
                log.error("worker.round_failed", error=type(error).__name__, detail=str(error)[:200])
            await _first_of(self._stopping, seconds)

    async def _listen(self) -> None:
        """Waits for the database to say that there is something to do, or that a biller was switched on or resumed.

        Without it the lanes still look once a second. Nothing is remembered of the billers from one look to the next: each claim reads their rows.
        """
        dsn = db.engine().url.set(drivername="postgresql").render_as_string(hide_password=False)
        while not self._stopping.is_set():
            try:
                async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
                    for channel in (wake.CHANNEL, BILLERS_CHANGED):
                        await connection.execute(f"LISTEN {channel}")
                    async for _ in connection.notifies():
                        for lane in self._lanes:
                            lane.wake.set()
            except psycopg.Error:
                await _first_of(self._stopping, DATABASE_RETRY_SECONDS)

    # ---- The database, from a loop

    async def _in_thread(self, act: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, _or_end, act)

    async def _insist(self, act: Callable[[], T]) -> T:
        """Does it as soon as the database answers. What the calls brought home is not dropped because the database was away."""
        while True:
            try:
                return await self._in_thread(act)
            except Unavailable:
                await asyncio.sleep(DATABASE_RETRY_SECONDS)


def _or_end(act: Callable[[], T]) -> T:
    """Its answer. Without memory nothing else would go well either, and nobody would be told: such a worker looks for work for ever, and does none."""
    try:
        return act()
    except MemoryError:
        # Its log may be on a disk that is full.
        with suppress(OSError):
            os.write(2, NO_MEMORY_SAYS)
        os._exit(NO_MEMORY)


def _is_all(result: Result) -> bool:
    """A payment that was paid, or a question that was answered: no lane has more to do for it."""
    return result.outcome is Outcome.CONFIRMED and result.errand.leg in (None, LegKind.PAY)


async def _pace(since: float) -> None:
    await asyncio.sleep(max(0.0, since + PACE_SECONDS - clock.monotonic_seconds()))


async def _first_of(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass


def main() -> int:
    """Runs one worker until it is told to stop. Exit code 0; 1 for a database that may lose what it confirms."""

    async def run() -> None:
        await Worker().run()

    logs.configure(settings().billers_log_level, settings().billers_log_format)
    db.act_as(Part.WORKER)
    garbage.settle()
    try:
        asyncio.run(run())
    except NotDurable as error:
        logs.say(error.sentence)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
