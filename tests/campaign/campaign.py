"""Many payments, faults on a third of all calls, workers killed at every point, the database stopped under load; then one judgement.

`python -m tests.campaign` runs it by hand, at any size.
"""

import itertools
import random
import shutil
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from core import clock
from core.errors import BillersError
from core.launch.embedded import EmbeddedPostgres
from core.sandbox.faults import DRAWN
from core.services import approvals, payments
from core.states import Topology
from tests.campaign.city import BEHAVING, BEHAVING_AT, BY_BILLER, DEBITED_BADLY, LAG_SECONDS, LATE_SECONDS, SHORT_EXPIRY_MINUTES, City, Job, job_of
from tests.campaign.crowd import Told, insist, notes_in, review
from tests.campaign.evidence import ASKING_VERBS, BANK
from tests.campaign.figures import Figures, Plan
from tests.campaign.harness import until
from tests.campaign.mortality import POINTS
from tests.campaign.nursery import Nursery
from tests.matrix.town import LWB, SRWB
from tests.world import proven

PLAN = pytest.StashKey[Plan]()
# Where the figures of a campaign by hand are kept.
KEPT_IN = pytest.StashKey[Path]()

# An inquiry that is answered "paid, with another amount" goes to two people by design (rule 7; W27 is a test of its own). So chance deals this fault to
# no inquiry: it is ordered for payments instead, one by one.
ORDERED = "wrong_amount"

WORKERS = 3
COUNTERS = 2
OPERATORS_AT_A_COUNTER = 12

# Of ten workers this many are killed from outside, wherever they are at that moment.
KILLED_FROM_OUTSIDE = 2
# More deaths than asked for, so that those that are at no point of interest do not make it too few.
DEATHS_BEYOND = 1.35
# Deaths begin with the payments and are over a little before them.
DEATHS_OVER_AT = 0.95

# One payment in so many was a mistake, and two people have it given back.
PAYMENTS_A_REVERSAL = 60

# Nobody's work would ever be done by workers who die before they have begun.
SHORTEST_LIFE_SECONDS = 0.5
LATE_LIFE_SECONDS = 5.0
LONG_LIFE_SECONDS = 3_600.0

# The database stops after so many seconds of work.
STOPS_AFTER_SECONDS = (5.0, 40.0)
# Times the number that is asked for, as the payments go on: on a busy machine it would be away more than it is there.
MOST_STOPS = 3.0
# Operators' processes are killed too, one in so many payments.
PAYMENTS_AN_OPERATOR = 400

# From here on it is seen to that each kind of fault comes often enough; the payments after it meet what is missing.
TOP_UP_AT = 0.6

LOOK_SECONDS = 0.05
TELL_SECONDS = 30.0

# In doubt for a while already, and such that the next look by itself is far away.
LEFT_ALONE = """
    SELECT id FROM transactions WHERE stage = ANY (%s) AND created_at < now() - interval '10 s' AND next_action_at > now() + interval '2 s' LIMIT 50
    """
# Not those that never pay, whoever tries.
ENDED_UNPAID = """
    SELECT id FROM transactions t WHERE status IN ('FAILED', 'CANCELLED', 'REVERSED') AND amount IS NOT NULL AND retry_of IS NULL
    AND NOT EXISTS (SELECT FROM transactions child WHERE child.retry_of = t.id) AND updated_at > now() - interval '60 s'
    AND account_number <> ALL (%s) AND coalesce(debit_account, '') <> ALL (%s) LIMIT 20
    """
# Not the next look at what has ended already, which is only to find out whether the biller thought better of it.
# Billers that have a verb to give a payment back with, and never a token, which is cash.
COMPLETED = """
    SELECT id FROM transactions WHERE stage = 'COMPLETED' AND amount IS NOT NULL AND biller_type = ANY (%s)
    AND completed_at BETWEEN now() - interval '60 s' AND now() - interval '2 s'
    AND NOT EXISTS (SELECT FROM events e WHERE e.transaction_id = transactions.id AND e.from_stage = 'REVERSAL_REQUESTED') LIMIT %s
    """
UNSETTLED = """
    SELECT {what} FROM transactions WHERE amount IS NOT NULL AND next_action_at IS NOT NULL
    AND stage NOT IN ('COMPLETED', 'FAILED', 'CANCELLED', 'REVERSED', 'REVIEW', 'REVIEW_REVERSAL')
    """


@dataclass
class Mortal:
    """A worker and its fate. `point` None: it is killed from outside, once it has lived so long."""

    pid: int
    point: str | None
    until_seconds: float


class Campaign:
    def __init__(self, city: City, plan: Plan, server: EmbeddedPostgres | None) -> None:
        self._city = city
        self._plan = plan
        self._server = server
        self._figures = Figures(plan, city.time_factor)
        self._random = random.Random(plan.seed)
        self._nursery: Nursery
        self._workers: list[Mortal] = []
        self._fates = self._endless_fates()
        self._told: dict[int, Told] = {}
        self._changed: dict[str, dict[str, str]] = {}
        self._topped_up = False
        self._began = 0.0
        # No more payments; and no more of anything.
        self._paid, self._over = threading.Event(), threading.Event()
        self._failure: BaseException | None = None

    def run(self) -> Figures:
        began, worked = clock.monotonic_seconds(), _processor_seconds()
        city, figures = self._city, self._figures
        self._second = city.add_person("manager")
        city.reset_sandbox(late_seconds=LATE_SECONDS)
        for code in [*BY_BILLER, BANK]:
            city.sandbox.set(code, inquiry_lag_seconds=LAG_SECONDS)
        self._prepare()
        self._switch_faults_on()
        self._nursery = Nursery(city.directory)
        try:
            with self._beside(self._people), self._beside(self._stop_the_database_again_and_again):
                self._pay_everything()
                self._paid.set()
                self._let_workers_live()
                figures.faults_at, figures.faults = self._switch_faults_off()
                figures.calls_while_faulty = self._calls()
                stopped = clock.monotonic_seconds()
                self._wait_until_settled()
                figures.settled_after_seconds = clock.monotonic_seconds() - stopped
                self._over.set()
            for worker in self._workers:
                self._nursery.ask_to_stop(worker.pid)
            until(lambda: all(self._nursery.has_ended(worker.pid) for worker in self._workers), "the last workers stop when they are told to")
        finally:
            self._over.set()
            self._nursery.close()
        if self._failure is not None:
            raise self._failure
        self._count()
        figures.report = city.judge()
        figures.seconds = clock.monotonic_seconds() - began
        figures.busy = _share(worked, _processor_seconds())
        return figures

    # ---- The payments

    def _prepare(self) -> None:
        """Drafts for the accounts that behave badly, frozen under configurations of their own: what is drafted keeps its version."""
        self._city.open_ways(SHORT_EXPIRY_MINUTES)
        # In the first half, so that the longest of them is over with the rest.
        early = list(map(self._job, range(self._plan.payments // 2)))
        changes: list[tuple[str, str, str]] = [(BEHAVING_AT, "account", account) for account in BEHAVING]
        debited = next((way.biller for way in BY_BILLER.values() if way.topology is Topology.SEPARATE and not way.looks), None)
        changes += [(debited, "debit_account", account) for account in DEBITED_BADLY if debited]
        for biller, name, value in changes:
            job = next(job for job in early if job.biller == biller and str(job.number) not in self._changed)
            change = {name: value}
            changed = Job(**{**asdict(job), **change})
            form = {"biller": changed.biller, "account": changed.account, "amount": changed.amount}
            self._changed[str(job.number)] = {**change, "drafted": str(review(self._city.operator, changed, form))}
        self._city.open_ways()

    def _job(self, number: int) -> Job:
        return job_of(number, self._plan.seed)

    def _notes(self, counter: int) -> Path:
        return self._city.directory / f"counter-{counter}.jsonl"

    def _open_counter(self, counter: int, began: float) -> int:
        operator = self._city.operator
        return self._nursery.bear(
            "operators",
            first=counter,
            step=COUNTERS,
            payments=self._plan.payments,
            seed=self._plan.seed,
            rate=self._plan.pace,
            began=began,
            operators=OPERATORS_AT_A_COUNTER,
            changed=self._changed,
            notes=str(self._notes(counter)),
            actor={
                "id": str(operator.id),
                "username": operator.username,
                "display_name": operator.display_name,
                "role": operator.role,
                "permissions": sorted(operator.permissions),
            },
        )

    def _pay_everything(self) -> None:
        """Operators pay; workers are born and die; what is late is told."""
        began = self._began = clock.monotonic_seconds()
        counters = {number: self._open_counter(number, began) for number in range(COUNTERS)}
        read = dict.fromkeys(counters, 0)
        next_telling, next_operator = began + TELL_SECONDS, PAYMENTS_AN_OPERATOR * 0.75
        while self._failure is None:
            done = len(self._told)
            self._keep_workers_at_work(done)
            for number, pid in counters.items():
                told, read[number] = notes_in(self._notes(number), read[number])
                self._told.update((one.job, one) for one in told)
                if self._nursery.has_ended(pid):
                    if self._nursery.signal_of(pid) == 0 and len(self._told) < self._plan.payments and not self._has_all(number):
                        raise AssertionError(f"Operators gave up:\n{_end_of(self._nursery.log)}")
                    if not self._has_all(number):
                        counters[number] = self._open_counter(number, began)
            if len(self._told) >= self._plan.payments:
                break
            if done >= next_operator:
                next_operator += PAYMENTS_AN_OPERATOR
                self._nursery.kill(self._random.choice(list(counters.values())))
                self._figures.operators_killed += 1
            if done >= TOP_UP_AT * self._plan.payments and not self._topped_up:
                self._top_up(done)
            if self._plan.is_large and clock.monotonic_seconds() >= next_telling:
                next_telling += TELL_SECONDS
                self._tell_progress(clock.monotonic_seconds() - began)
            self._over.wait(LOOK_SECONDS)
        self._figures.paying_seconds = clock.monotonic_seconds() - began

    def _has_all(self, counter: int) -> bool:
        return all(number in self._told for number in range(counter, self._plan.payments, COUNTERS))

    def _tell_progress(self, seconds: float) -> None:
        figures = self._figures
        unsettled = insist(lambda: self._city.value(UNSETTLED.format(what="count(*)")))
        told = f"{len(self._told)} of {self._plan.payments} paid, {unsettled} under way, {figures.deaths.total()} workers killed"
        print(f"  {seconds / 60:5.1f} min: {told}, {figures.database_stops} database stops", flush=True)

    # ---- Faults

    def _switch_faults_on(self) -> None:
        kinds = [kind for kind in DRAWN if kind != ORDERED]
        status, said = self._city.sandbox.control("PUT", "/faults", {"rate": self._plan.rate, "kinds": kinds, "seed": self._plan.seed})
        assert status == 200, said
        plain = [job for job in map(self._job, range(self._plan.payments)) if BY_BILLER[job.biller].certified]
        for job in self._random.sample(plain, 2 * self._plan.faults_of_a_kind):
            self._order(ORDERED, job)

    def _order(self, kind: str, job: Job) -> None:
        self._city.sandbox.next(kind, BY_BILLER[job.biller].operation, biller=job.biller, account=job.account)

    def _top_up(self, done: int) -> None:
        """What chance has dealt too seldom is ordered for payments to come."""
        self._topped_up = True
        counts = _by_kind(self._city.sandbox.control("GET", "/faults")[1])[1]
        first = done + OPERATORS_AT_A_COUNTER * COUNTERS * 2
        to_come = [job for job in map(self._job, range(first, self._plan.payments)) if BY_BILLER[job.biller].certified]
        missing = [kind for kind in DRAWN for _ in range(self._plan.faults_of_a_kind - counts[kind])]
        for kind, job in zip(missing, to_come, strict=False):
            self._order(kind, job)

    def _switch_faults_off(self) -> tuple[Counter[str], Counter[str]]:
        _, said = self._city.sandbox.control("DELETE", "/faults")
        return _by_kind(said)

    # ---- Deaths of workers

    def _endless_fates(self) -> Iterator[str | None]:
        """Every point as often as every other, and some from outside."""
        while True:
            deck: list[str | None] = [*POINTS, *([None] * KILLED_FROM_OUTSIDE)]
            self._random.shuffle(deck)
            yield from deck

    def _keep_workers_at_work(self, done: int) -> None:
        """Buries the dead, kills whose time has come, and has others born in their place."""
        now = clock.monotonic_seconds()
        for worker in list(self._workers):
            if self._nursery.has_ended(worker.pid):
                if self._nursery.signal_of(worker.pid) == 0:
                    raise AssertionError(f"A worker ended by itself:\n{_end_of(self._nursery.log)}")
                self._figures.deaths[worker.point or ""] += 1
                self._workers.remove(worker)
            elif worker.point is None and now >= worker.until_seconds:
                self._nursery.kill(worker.pid)
        while len(self._workers) < WORKERS:
            self._workers.append(self._new_worker(next(self._fates), self._life(done)))

    def _new_worker(self, point: str | None, seconds: float) -> Mortal:
        return Mortal(self._nursery.bear("worker", point=point, seconds=seconds), point, clock.monotonic_seconds() + seconds)

    def _life(self, done: int) -> float:
        """How long the next one lives at least: such that the deaths keep pace with the payments."""
        plan = self._plan
        left = DEATHS_BEYOND * plan.kills - self._figures.deaths.total()
        if left <= 0:
            return LONG_LIFE_SECONDS
        # A machine that is busy with something else pays more slowly, and its workers live longer.
        pace = min(plan.pace, (done + 20) / (clock.monotonic_seconds() - self._began + 20 / plan.pace))
        seconds = max(0.0, (DEATHS_OVER_AT * plan.payments - done) / pace)
        if not seconds:
            return LATE_LIFE_SECONDS
        return max(SHORTEST_LIFE_SECONDS, self._random.uniform(0.2, 1.2) * WORKERS * seconds / left)

    def _let_workers_live(self) -> None:
        """Whoever is still to die is killed now; those who come after them are nobody's victims."""
        for worker in self._workers:
            self._nursery.kill(worker.pid)
        until(lambda: all(self._nursery.has_ended(worker.pid) for worker in self._workers), "the doomed are dead")
        self._figures.deaths[""] += len(self._workers)
        self._workers = [self._new_worker(None, 0.0) for _ in range(WORKERS)]

    # ---- The database

    def _stop_the_database_again_and_again(self) -> None:
        if self._server is None:
            self._figures.no_stops_because = "not stopped: the server is DATABASE_URL's, not ours to stop"
            return
        least, most = STOPS_AFTER_SECONDS
        # A short campaign has its stops too.
        most = max(least + 1, min(most, 0.8 * self._plan.payments / self._plan.pace / self._plan.database_stops))
        while not self._paid.wait(self._random.uniform(least, most)):
            if self._figures.database_stops > MOST_STOPS * self._plan.database_stops * len(self._told) / self._plan.payments:
                # It has kept people from paying for long enough.
                continue
            self._server.stop_immediate()
            self._server.start()
            self._figures.database_stops += 1

    # ---- People

    def _people(self) -> None:
        """They look at what hangs, as people do: opening a payment in doubt has the biller asked (rule 7, at most once in 10 s). And they try again."""
        rounds = itertools.count()
        while not self._over.wait(0.5):
            with suppress(psycopg.Error):
                self._look_at_what_hangs()
                if not self._paid.is_set() and next(rounds) % 4 == 0:
                    self._try_again()
                    self._have_mistakes_given_back()

    def _look_at_what_hangs(self) -> None:
        for (transaction,) in self._city.rows(LEFT_ALONE, [stage.value for stage in payments.ASKABLE]):
            # As with the other errands: who is turned away with one payment goes on to the next.
            with suppress(BillersError):
                self._figures.opened_in_doubt += payments.check_now(self._city.manager, transaction)

    def _try_again(self) -> None:
        for (transaction,) in self._city.rows(ENDED_UNPAID, list(BEHAVING), list(DEBITED_BADLY)):
            self._retry(transaction)

    def _have_mistakes_given_back(self) -> None:
        due = len(self._told) // PAYMENTS_A_REVERSAL - self._figures.reversals
        if due <= 0:
            return
        for (transaction,) in self._city.rows(COMPLETED, [LWB, SRWB], due):
            with suppress(BillersError):
                proposal = approvals.propose_reversal(proven(self._city.manager), transaction, "Paid into the wrong account.", "The customer's letter.")
                approvals.approve(proven(self._second), proposal)
                self._figures.reversals += 1

    def _retry(self, transaction: uuid.UUID) -> None:
        with suppress(BillersError):
            child = payments.retry(self._city.manager, transaction, "Tried again.").transaction_id
            self._figures.retries += 1
            again = payments.retry(self._city.manager, transaction, "Tried again.").transaction_id
            assert again == child, f"{transaction} was retried as {child} and as {again}."

    # ---- Ending and counting

    @contextmanager
    def _beside(self, act: Callable[[], None]) -> Iterator[None]:
        """In a thread of its own, which ends when everything is over. What goes wrong there is not lost."""

        def run() -> None:
            try:
                act()
            except BaseException as error:  # noqa: BLE001 - raised again where the campaign ends
                self._failure = self._failure or error
                self._over.set()

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        except BaseException:
            self._over.set()
            self._paid.set()
            raise
        finally:
            thread.join()

    def _wait_until_settled(self) -> None:
        """Longer than is allowed: how long it did take is one of the figures. What has not come to its end in time tells what it waited for."""
        allowed = self._figures.settles_within_seconds
        for patience in (allowed, 3 * allowed):
            with suppress(AssertionError):
                until(lambda: insist(lambda: self._city.value(UNSETTLED.format(what="count(*)"))) == 0, "every payment has come to its end", patience)
                return
            left = self._city.rows(UNSETTLED.format(what="id") + "LIMIT 3")
            print("\n\n".join(self._city.tell(hanging) for (hanging,) in left), flush=True)

    def _calls(self) -> int:
        return sum(_lines_in(path) for path in self._city.sandbox.directory.glob("*.requests.jsonl"))

    def _count(self) -> None:
        city, figures = self._city, self._figures
        told = self._told.values()
        city.promised |= {uuid.UUID(one.draft): uuid.UUID(one.transaction) for one in told if one.draft}
        figures.answers = [seconds for one in told for seconds in one.answers]
        figures.answers_away = sum(one.away for one in told)
        figures.topologies = dict(city.rows("SELECT topology, count(*) FROM transactions WHERE amount IS NOT NULL GROUP BY topology"))
        figures.calls = self._calls()
        # An intent that nothing ever came of: its worker died between the two.
        figures.left_unanswered = city.value(
            "SELECT count(DISTINCT worker) FROM attempts a WHERE leg IS NOT NULL AND verb <> ALL (%s)"
            " AND NOT EXISTS (SELECT FROM answers n WHERE n.attempt_id = a.id)",
            list(ASKING_VERBS),
        )
        figures.lost_leases = city.value("SELECT count(*) FROM events WHERE reason LIKE 'The call was interrupted%%'")
        figures.inquiries = city.value("SELECT count(*) FROM attempts WHERE verb = ANY (%s)", list(ASKING_VERBS))
        figures.resends = city.value("SELECT coalesce(sum(sends - 1), 0) FROM legs WHERE sends > 1")
        figures.reviews = Counter(
            dict(
                city.rows(
                    "SELECT t.biller_type || ' ' || e.from_stage, count(*) FROM transactions t JOIN events e ON e.transaction_id = t.id"
                    " AND e.version = t.version WHERE t.stage IN ('REVIEW', 'REVIEW_REVERSAL') GROUP BY 1"
                )
            )
        )
        figures.ledgers_mib = sum(path.stat().st_size for path in city.sandbox.directory.iterdir()) / 2**20

    def keep(self, figures: Figures, directory: Path) -> None:
        """The table as JSON, and the ledgers, for whoever asks afterwards."""
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "chaos.json").write_text(figures.as_json())
        if figures.breaches():
            shutil.copytree(self._city.sandbox.directory, directory / "ledgers", dirs_exist_ok=True)


def _by_kind(said: Any) -> tuple[Counter[str], Counter[str]]:
    """The faults given, by whom and what was asked, and by their kind."""
    places: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    for biller, operations in said["counts"].items():
        for operation, by_kind in operations.items():
            places[f"{biller} {operation}"] += sum(by_kind.values())
            kinds.update(by_kind)
    return places, kinds


def _lines_in(path: Path) -> int:
    with path.open("rb") as file:
        return sum(piece.count(b"\n") for piece in iter(lambda: file.read(1 << 20), b""))


def _end_of(path: Path) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-20:]) if path.exists() else ""


def _processor_seconds() -> tuple[float, float]:
    """What all processors of this machine did since it runs, and what of it was work."""
    numbers = [float(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return sum(numbers), sum(numbers) - numbers[3] - numbers[4]


def _share(before: tuple[float, float], after: tuple[float, float]) -> float:
    return (after[1] - before[1]) / max(after[0] - before[0], 1.0)
