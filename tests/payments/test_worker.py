"""The worker's own loops, without a process: what it does when one of its parts fails, and what it holds against a biller."""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from core import clock, db, worker
from core.adapters import adapter_for
from core.errors import Unavailable
from core.services import claims, settlement
from core.services.breakers import ENOUGH, REFUSED_CREDENTIALS, Breakers
from core.services.errands import Errand, Result
from core.settings import CHECKOUT, child_environment, settings
from core.states import Stage
from core.wire.contract import Outcome
from core.worker import Lane, Slots, Worker
from tests.payments.bench import CODE, WORKER, Bench


def errands(bench: Bench, count: int) -> list[Errand]:
    made = {bench.pay() for _ in range(count)}
    claimed = claims.claim_sends(WORKER, {CODE: count})
    assert {errand.stand.id for errand in claimed} == made
    return claimed


# ---- Claim


def test_a_claim_made_after_an_outage_is_a_fresh_one(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lease runs from the claim that was kept. Counted from the first try, everything claimed after an outage would be too old to send."""
    (errand,) = errands(bench, 1)
    now, tries, seen = [1_000.0], [0], []
    monkeypatch.setattr(clock, "boot_seconds", lambda: now[0])
    monkeypatch.setattr(worker, "DATABASE_RETRY_SECONDS", 0)

    def claim(holder: str, slots: Mapping[str, int], most: int) -> list[Errand]:
        tries[0] += 1
        if tries[0] == 1:
            now[0] += 600
            raise Unavailable
        return [errand]

    async def go() -> None:
        subject = Worker()

        async def run_errand(lane: Lane, errand: Errand, claimed_at: float) -> None:
            seen.append(claimed_at)
            subject._stop()

        monkeypatch.setattr(subject, "_run_errand", run_errand)
        await asyncio.wait_for(subject._run_lane(Lane("send", claim, lambda: Slots({CODE: 1}))), 10)
        subject._threads.shutdown()

    asyncio.run(go())
    assert seen[0] == 1_600.0


def test_a_claim_that_slept_too_long_is_not_sent(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGSTOP, or a suspended machine, between the claim and the call: others have given it up."""
    (errand,) = errands(bench, 1)
    monkeypatch.setattr(clock, "boot_seconds", lambda: 1_000.0)
    result = asyncio.run(Worker()._send(errand, 1_000.0 - errand.lease.total_seconds()))
    assert (result.outcome, result.failure, result.request) == (Outcome.NOT_SENT, "claim_too_old", None)


def test_a_claim_that_runs_out_while_connecting_is_not_sent_either(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    (errand,) = errands(bench, 1)
    # Young enough when it is asked first; when the connection stands, the machine has slept through the lease.
    moments = iter([1_000.0, 1_000.0 + errand.lease.total_seconds()])
    monkeypatch.setattr(clock, "boot_seconds", lambda: next(moments))
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read())
        writer.close()

    async def go() -> Result:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            here = errand.snapshot.model_copy(update={"base_url": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"})
            result = await Worker()._send(replace(errand, party=replace(errand.party, snapshot=here)), 1_000.0)
            await until(lambda: bool(heard))
            return result

    monkeypatch.setenv("BILLERS_SANDBOX", "true")
    settings.cache_clear()
    result = asyncio.run(go())
    assert (result.outcome, result.failure, heard) == (Outcome.NOT_SENT, "claim_too_old", [b""])


# ---- Send


def test_a_call_that_cannot_be_prepared_was_not_sent(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever fails before the line is asked, nothing has left: the row does not wait for its lease to tell less than is known."""
    (errand,) = errands(bench, 1)

    def broken(*_: object) -> None:
        raise ValueError("All strings must be XML compatible")

    monkeypatch.setattr(adapter_for(CODE), "pay", broken)
    result = asyncio.run(Worker()._send(errand, clock.boot_seconds()))
    assert (result.outcome, result.failure) == (Outcome.NOT_SENT, "not_prepared")
    settlement.conclude([result])
    assert bench.stage(errand.stand.id) is Stage.PAY_RETRY


# ---- Conclude


def test_a_breaker_that_fails_does_not_end_the_conclusions(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = errands(bench, 2)

    def broken(self: Breakers, results: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(Breakers, "note", broken)

    async def go() -> None:
        subject = Worker()
        concluding = asyncio.create_task(subject._conclude_for_ever())
        for errand in (first, second):
            subject._results.put_nowait(bench.result(errand, Outcome.CONFIRMED))
            await asyncio.wait_for(subject._results.join(), 10)
        concluding.cancel()
        subject._threads.shutdown()

    asyncio.run(go())
    assert [bench.stage(errand.stand.id) for errand in (first, second)] == [Stage.COMPLETED, Stage.COMPLETED]


def test_a_row_that_somebody_holds_does_not_hold_the_others_and_its_answer_is_not_lost(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person with the SQL console, a long report: to whoever waits for a lock the database has not gone away."""
    held, free = errands(bench, 2)
    monkeypatch.setattr(worker, "DATABASE_RETRY_SECONDS", 0)
    holder = bench.connect()
    monkeypatch.setattr(db, "LOCK_TIMEOUT_MS", 100)
    impatient = db.make_engine(bench.database.dsn)
    monkeypatch.setattr(db, "engine", lambda: impatient)

    async def go() -> None:
        subject = Worker()
        concluding = asyncio.create_task(subject._conclude_for_ever())
        with holder.transaction():
            holder.execute("SELECT FROM transactions WHERE id = %s FOR UPDATE", (held.stand.id,))
            for errand in (held, free):
                subject._results.put_nowait(bench.result(errand, Outcome.CONFIRMED))
            await until(lambda: bench.stage(free.stand.id) is Stage.COMPLETED)
            assert bench.stage(held.stand.id) is Stage.PAY_SENDING
        await until(lambda: bench.stage(held.stand.id) is Stage.COMPLETED)
        concluding.cancel()
        subject._threads.shutdown()

    asyncio.run(go())
    impatient.dispose()
    holder.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not await asyncio.to_thread(condition):  # noqa: ASYNC110 - a database sets no event
            await asyncio.sleep(0.02)


# ---- The breaker


def bad(bench: Bench, errand: Errand, count: int, **more: object) -> list[Result]:
    return [bench.result(errand, Outcome.UNKNOWN, **more) for _ in range(count)]


def opened(bench: Bench) -> list[tuple[object, ...]]:
    return bench.sql("SELECT reason, probe_at > now() FROM breakers")


def test_a_run_of_bad_answers_opens_the_circuit(bench: Bench) -> None:
    (errand,) = errands(bench, 1)
    breakers = Breakers()
    breakers.note(bad(bench, errand, ENOUGH - 1))
    assert opened(bench) == []
    breakers.note(bad(bench, errand, 1))
    ((reason, is_closed),) = opened(bench)
    assert is_closed
    assert "does not answer reliably" in str(reason)


def test_w36_refused_credentials_open_it_at_once(bench: Bench) -> None:
    (errand,) = errands(bench, 1)
    Breakers().note(bad(bench, errand, 1, failure=REFUSED_CREDENTIALS))
    assert "credentials" in str(opened(bench)[0][0])


def test_one_good_answer_closes_it_and_forgets_the_bad_ones(bench: Bench) -> None:
    (errand,) = errands(bench, 1)
    breakers = Breakers()
    breakers.note(bad(bench, errand, ENOUGH))
    breakers.note([bench.result(errand, Outcome.REJECTED)])
    assert opened(bench) == []
    breakers.note(bad(bench, errand, 1))
    assert opened(bench) == []


def test_inquiries_open_nothing(bench: Bench) -> None:
    paid = bench.paid_to(Stage.PAY_UNKNOWN)
    bench.due(paid)
    asked = bench.claim_inquiry()
    Breakers().note(bad(bench, asked, 2 * ENOUGH))
    assert opened(bench) == []


@pytest.mark.parametrize("failure", ["claim_too_old", "not_prepared"])
def test_what_is_our_own_fault_is_not_held_against_the_biller(bench: Bench, failure: str) -> None:
    (errand,) = errands(bench, 1)
    Breakers().note([bench.result(errand, Outcome.NOT_SENT, failure=failure) for _ in range(2 * ENOUGH)])
    assert opened(bench) == []


def test_a_failed_probe_keeps_it_open_whoever_made_it(bench: Bench) -> None:
    """The memory of a run of bad answers is one worker's; after a restart, or by another worker, one bad probe must be enough."""
    (errand,) = errands(bench, 1)
    Breakers().note(bad(bench, errand, ENOUGH))
    bench.sql("UPDATE breakers SET probe_at = now() - interval '1 s'")
    Breakers().note(bad(bench, errand, 1))
    ((reason, is_closed),) = opened(bench)
    assert is_closed
    assert "does not answer reliably" in str(reason)


def test_while_it_is_open_payments_wait_and_may_be_cancelled(bench: Bench) -> None:
    from core.services import payments

    (errand,) = errands(bench, 1)
    Breakers().note(bad(bench, errand, 1, failure=REFUSED_CREDENTIALS))
    waiting, unwanted = bench.pay(), bench.pay()
    assert worker._sendable().by_biller == {}
    payments.cancel(bench.operator, unwanted)
    assert (bench.stage(waiting), bench.stage(unwanted)) == (Stage.QUEUED, Stage.CANCELLED)
    bench.sql("UPDATE breakers SET probe_at = now() - interval '1 s'")
    # One at a time may try, until one is answered.
    assert worker._sendable().by_biller == {CODE: 1}
    Breakers().note([bench.result(errand, Outcome.CONFIRMED)])
    assert worker._sendable().by_biller[CODE] > 1


# ---- No memory

OUT_OF_MEMORY = """
import asyncio
from core.worker import Worker

def act():
    raise MemoryError

async def run():
    await Worker()._insist(act)

asyncio.run(run())
"""


def test_a_worker_that_has_no_memory_left_ends_and_says_so(bench: Bench) -> None:
    """It would look for work for ever and do none, and nobody would start another in its place."""
    ended = subprocess.run(
        [sys.executable, "-c", OUT_OF_MEMORY], cwd=CHECKOUT, env=child_environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == worker.NO_MEMORY
    assert ended.stderr.splitlines()[-1] == worker.NO_MEMORY_SAYS.decode().strip()


def test_it_ends_too_where_its_log_is_on_a_disk_that_is_full(bench: Bench) -> None:
    with Path("/dev/full").open("wb", buffering=0) as full:
        ended = subprocess.run([sys.executable, "-c", OUT_OF_MEMORY], cwd=CHECKOUT, env=child_environment(), stderr=full, timeout=60, check=False)
    assert ended.returncode == worker.NO_MEMORY
