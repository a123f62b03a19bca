"""Many payments, faults on a third of all calls, workers killed between intent and outcome, the database stopped under load; then one judgement.

`python -m tests.campaign` runs it by hand.
"""

import itertools
import random
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

import psycopg
import pytest

from core import clock
from core.access import Actor
from core.errors import BillersError, Unavailable
from core.launch.embedded import EmbeddedPostgres
from core.sandbox.faults import DRAWN
from core.services import payments
from tests.campaign.harness import POLL_SECONDS, WorkerProcess, World, until
from tests.campaign.oracle import Report
from tests.sandbox.running_sandbox import CODE

T = TypeVar("T")

# An inquiry that is answered "paid, with another amount" goes to two people by design (rule 7; W27 is a test of its own). So chance deals this fault to
# no inquiry: it is ordered for payments instead, one by one.
ORDERED = "wrong_amount"

# Accounts whose behaviour is an accident of its own. Left out: those that cannot be looked up, so that no payment comes of them, and
# `accepted_forever`, which by design waits 24 h for two people.
BEHAVING = (
    *("100001", "10010002", "1001000004", "100100000006", "10020003", "10020004", "10020005", "10030001", "10030002", "10030003"),
    *("10040001", "10040002", "10040003", "10040004", "10040005", "10050001", "10050003"),
)

OPERATORS = 16
WORKERS = 2

# Effects come at most 3 s (a claim's longest way to the wire) + 1.3 s (act_late) + 0.5 s (the inquiry's lag) after the intent: well within the
# quiet window of (540 s + 60 s) × 0.01 + 1 s = 7 s.
BILLER: Mapping[str, object] = {"timeout_ms": 1_000, "max_processing_seconds": 540, "concurrency": 32, "expires_after_minutes": 6_000}
LATE_SECONDS = 1.3
LAG_SECONDS = 0.5

# Of accounts that never pay: two rounds of asking and sending, and then the end of their time (25 min × 0.01 = 15 s).
SHORT_EXPIRY_MINUTES = 25

# How long everything may take to settle once the faults have stopped: the design says 15 min, unscaled. Far less is needed.
SETTLES_WITHIN_SECONDS = 90.0


@dataclass(frozen=True)
class Plan:
    """How much of everything. The floors are what must be reached for the figures to mean anything."""

    payments: int = 300
    seed: int = 20_260_101
    rate: float = 0.3
    kills: int = 20
    faults_of_a_kind: int = 5
    database_stops: int = 2


PLAN = pytest.StashKey[Plan]()


@dataclass
class Figures:
    """What happened."""

    plan: Plan
    time_factor: str
    payments: int = 0
    calls: int = 0
    calls_while_faulty: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    kills_between: int = 0
    database_stops: int = 0
    no_stops_because: str = ""
    inquiries: int = 0
    resends: int = 0
    lost_leases: int = 0
    seconds: float = 0.0
    settled_after_seconds: float = 0.0
    report: Report = field(default_factory=Report)

    def table(self) -> str:
        report = self.report
        lines = [
            ("payments", self.payments),
            ("calls on the wire", self.calls),
            ("faults", f"{self.faults.total()} ({100 * self.faults.total() / max(self.calls_while_faulty, 1):.0f} % of the calls while they were on)"),
            *((f"  {kind}", self.faults[kind]) for kind in DRAWN),
            ("workers killed", self.kills),
            ("  between intent and outcome", self.kills_between),
            ("leases lost", self.lost_leases),
            ("database stopped at once", self.no_stops_because or self.database_stops),
            ("inquiries", self.inquiries),
            ("resends", self.resends),
            ("completed", report.completed),
            ("failed, proven unpaid", report.failed),
            ("REVIEW", report.review),
            ("double, lost, wrong, unsettled", f"{len(report.double)}, {len(report.lost)}, {len(report.wrong)}, {len(report.unsettled)}"),
            ("seconds", f"{self.seconds:.1f}, settled {self.settled_after_seconds:.1f} s after the faults stopped"),
            ("time factor", self.time_factor),
            ("seed", self.plan.seed),
        ]
        width = max(len(name) for name, _ in lines)
        return "\n".join(f"{name:<{width}}  {value}" for name, value in lines)

    def shortfalls(self) -> list[str]:
        """Every count below its floor: a campaign in which little happened proves little."""
        plan = self.plan
        found = [f"{kind}: {self.faults[kind]} of {plan.faults_of_a_kind}" for kind in DRAWN if self.faults[kind] < plan.faults_of_a_kind]
        if self.payments < plan.payments:
            found.append(f"payments: {self.payments} of {plan.payments}")
        if self.kills_between < plan.kills:
            found.append(f"kills between intent and outcome: {self.kills_between} of {plan.kills}")
        if self.faults.total() < 0.8 * plan.rate * self.calls_while_faulty:
            found.append(f"faults: {self.faults.total()} of {self.calls_while_faulty} calls")
        if not self.no_stops_because and self.database_stops < plan.database_stops:
            found.append(f"database stops: {self.database_stops} of {plan.database_stops}")
        if not (self.inquiries and self.resends):
            found.append(f"inquiries: {self.inquiries}, resends: {self.resends}")
        return found


class Campaign:
    def __init__(self, world: World, plan: Plan, server: EmbeddedPostgres | None) -> None:
        self._world = world
        self._plan = plan
        self._server = server
        self._figures = Figures(plan, world.time_factor)
        self._random = random.Random(plan.seed)
        self._workers: list[WorkerProcess] = []
        self._killed: list[int] = []
        self._between = 0
        # Workers die as payments come in, so that the deaths fall among them and not all at the beginning.
        self._counting = itertools.count(1)
        self._submitted = 0
        self._over = threading.Event()

    def run(self) -> Figures:
        began = clock.monotonic_seconds()
        world, figures = self._world, self._figures
        world.reset_sandbox(late_seconds=LATE_SECONDS)
        world.sandbox.set(inquiry_lag_seconds=LAG_SECONDS)
        behaving = self._begin_behaving()
        self._switch_faults_on()
        self._workers = [world.start_worker() for _ in range(WORKERS)]
        with ThreadPoolExecutor(OPERATORS + 1) as pool:
            paying = [pool.submit(self._pay_all, share) for share in self._shares(behaving)]
            watching = pool.submit(self._open_what_is_in_doubt)
            try:
                self._kill_workers(lambda: all(work.done() for work in paying))
                for work in paying:
                    work.result()
                figures.faults, figures.calls_while_faulty = self._switch_faults_off(), self._calls()
                stopped = clock.monotonic_seconds()
                self._wait_until_settled()
            finally:
                # Whatever happened: nobody is left waiting.
                self._over.set()
            watching.result()
        figures.settled_after_seconds = clock.monotonic_seconds() - stopped
        for worker in self._workers:
            worker.stop()
        self._count()
        figures.report = world.judge()
        figures.seconds = clock.monotonic_seconds() - began
        return figures

    # ---- Faults

    def _switch_faults_on(self) -> None:
        kinds = [kind for kind in DRAWN if kind != ORDERED]
        status, said = self._world.sandbox.control("PUT", "/faults", {"rate": self._plan.rate, "kinds": kinds, "seed": self._plan.seed})
        assert status == 200, said
        for account in self._accounts()[: 2 * self._plan.faults_of_a_kind]:
            self._world.sandbox.next(ORDERED, account=account)

    def _switch_faults_off(self) -> Counter[str]:
        _, said = self._world.sandbox.control("DELETE", "/faults")
        counted: Counter[str] = Counter()
        for by_kind in said["counts"][CODE].values():
            counted.update(by_kind)
        return counted

    # ---- Operators

    def _accounts(self) -> list[str]:
        return [f"7{number:07d}" for number in range(self._plan.payments - len(BEHAVING))]

    def _begin_behaving(self) -> list[tuple[str, uuid.UUID]]:
        """Drafts for the accounts that behave badly, frozen under a configuration of their own: what is drafted keeps its version."""
        world = self._world
        world.configure(**{**BILLER, "expires_after_minutes": SHORT_EXPIRY_MINUTES})
        drafted = [(account, world.draft(account, lookup)) for account, lookup in zip(BEHAVING, world.look_up_by_hand(*BEHAVING), strict=True)]
        world.configure(**BILLER)
        return drafted

    def _shares(self, behaving: Sequence[tuple[str, uuid.UUID]]) -> list[list[tuple[str, uuid.UUID | None]]]:
        """Who pays what: every operator some of everything, in an order that the seed decides."""
        everything: list[tuple[str, uuid.UUID | None]] = [*behaving, *((account, None) for account in self._accounts())]
        self._random.shuffle(everything)
        return [everything[number::OPERATORS] for number in range(OPERATORS)]

    def _pay_all(self, share: Sequence[tuple[str, uuid.UUID | None]]) -> None:
        world, chance = self._world, random.Random(f"{self._plan.seed}/{share[0][0]}")
        for account, drafted in share:
            draft = drafted or _insist(lambda account=account: world.draft(account, world.look_up(account), f"{chance.randrange(10_000, 2_000_000) / 100:.2f}"))
            first = _insist(lambda draft=draft: world.submit(draft))
            self._submitted = next(self._counting)
            if chance.random() < 0.2:
                # An impatient one clicks again.
                assert _insist(lambda draft=draft: world.submit(draft)) == first

    def _open_what_is_in_doubt(self) -> None:
        """A person looks at what hangs, as people do: opening a payment in doubt has the biller asked (rule 7, at most once in 10 s)."""
        people: Actor = self._world.manager
        while not self._over.is_set():
            with suppress(Unavailable, psycopg.Error):
                for (transaction,) in self._world.rows(
                    "SELECT id FROM transactions WHERE stage IN ('PAY_UNKNOWN', 'PAY_ACCEPTED') AND next_action_at > now() + interval '3 s' LIMIT 50"
                ):
                    payments.check_now(people, transaction)
            self._over.wait(1.0)

    # ---- Accidents

    def _kill_workers(self, is_done: Callable[[], bool]) -> None:
        """One worker after another, each while it holds a payment whose call is out, until enough have died; the others work on."""
        share = self._plan.payments / (self._plan.kills + 2)
        stops = self._stops()
        while self._between < self._plan.kills and not is_done():
            until(lambda: is_done() or self._submitted >= self._between * share, "operators pay")
            victim = self._workers.pop(0).wait_ready()
            self._between += self._caught_between(victim, is_done)
            self._workers.append(self._world.start_worker())
            if self._between in stops:
                stops.remove(self._between)
                self._stop_database()
        for worker in self._workers:
            worker.wait_ready()

    def _stops(self) -> set[int]:
        """After how many deaths the database is stopped."""
        if self._server is None:
            self._figures.no_stops_because = "not stopped: the server is DATABASE_URL's, not ours to stop"
            return set()
        return {self._plan.kills * number // (self._plan.database_stops + 1) for number in range(1, self._plan.database_stops + 1)}

    def _caught_between(self, victim: WorkerProcess, is_done: Callable[[], bool]) -> bool:
        """Kills it as soon as a call of its own is out. Whether one was left without an outcome: its row still says so when it is dead."""
        held = "SELECT count(*) FROM transactions WHERE stage = 'PAY_SENDING' AND lease_owner LIKE %s"
        holder = f"%:{victim.pid}:%"
        until(lambda: is_done() or _insist(lambda: self._world.value(held, holder)) > 0, "a worker has a payment's call out")
        victim.kill()
        self._killed.append(victim.pid)
        return bool(_insist(lambda: self._world.value(held, holder)))

    def _stop_database(self) -> None:
        assert self._server is not None
        self._server.stop_immediate()
        self._server.start()
        self._figures.database_stops += 1

    def _wait_until_settled(self) -> None:
        try:
            until(lambda: self._unsettled() == 0, "every payment has come to its end", SETTLES_WITHIN_SECONDS)
        except AssertionError as error:
            # Whoever must understand it reads the stories of some that hang.
            left = self._world.rows("SELECT id FROM transactions WHERE amount IS NOT NULL AND next_action_at IS NOT NULL ORDER BY id LIMIT 3")
            raise AssertionError("\n\n".join([str(error), *(self._world.tell(hanging) for (hanging,) in left)])) from None

    # ---- Counting

    def _unsettled(self) -> int:
        return int(_insist(lambda: self._world.value("SELECT count(*) FROM transactions WHERE amount IS NOT NULL AND next_action_at IS NOT NULL")))

    def _calls(self) -> int:
        return len(self._world.sandbox.lines("requests"))

    def _count(self) -> None:
        world, figures = self._world, self._figures
        figures.payments = world.value("SELECT count(*) FROM transactions WHERE amount IS NOT NULL")
        figures.calls = self._calls()
        figures.kills = len(self._killed)
        # An intent of a killed worker that nothing ever came of: that worker did die between the two.
        figures.kills_between = world.value(
            "SELECT count(DISTINCT worker) FROM attempts a WHERE verb = 'pay' AND split_part(worker, ':', 2) = ANY (%s)"
            " AND NOT EXISTS (SELECT FROM answers n WHERE n.attempt_id = a.id)",
            [str(pid) for pid in self._killed],
        )
        figures.lost_leases = world.value("SELECT count(*) FROM events WHERE from_stage = 'PAY_SENDING' AND reason LIKE 'The call was interrupted%%'")
        figures.inquiries = len(world.sandbox.requests(operation="GetTransactionStatus"))
        figures.resends = world.value("SELECT coalesce(sum(sends - 1), 0) FROM legs WHERE kind = 'PAY' AND sends > 1")


def _insist(act: Callable[[], T]) -> T:
    """What a person does while the database is away: the same again."""
    while True:
        try:
            return act()
        except (Unavailable, psycopg.OperationalError):
            threading.Event().wait(POLL_SECONDS)
        except BillersError as error:
            raise AssertionError(f"{type(error).__name__}: {error.sentence}") from error
