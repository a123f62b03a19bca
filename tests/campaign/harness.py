"""The world that things go wrong in: a database, a sandbox, workers as processes that can be killed or stopped, and operators who pay."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.engine import URL

from core import clock, db
from core.access import Actor
from core.errors import BillersError, Unavailable
from core.ids import new_id
from core.models import BillerConfig, BillerConfigVersion, Transaction, User
from core.models.snapshot import Snapshot
from core.repositories.billers import Billers
from core.security import vault
from core.services import claims, drafts, lookups, payments, settlement, transactions
from core.services.errands import Errand, Result, perform
from core.settings import CHECKOUT, child_environment, settings
from core.states import Stage
from core.wire.line import Line
from core.worker import line_policy
from tests.campaign import oracle
from tests.sandbox.running_sandbox import CODE, PASSWORD, USER, Sandbox
from tests.world import drop

T = TypeVar("T")

# Longer than anything here takes unless it is broken.
PATIENCE_SECONDS = 60.0
POLL_SECONDS = 0.02

# A hundredth: 10 s of the design's schedule are 0.1 s here. Printed by whoever uses it.
TIME_FACTOR = "0.01"

# The biller as these tests configure it. Its quiet window is (240 s + 60 s) × 0.01 + 1 s = 4 s: far behind the sandbox's latest acts.
QUICK_BILLER: Mapping[str, Any] = {
    "timeout_ms": 1_000,
    "max_processing_seconds": 240,
    "inquiry_certified": True,
    "concurrency": 64,
    # The expiry is shrunk like every wait: 6,000 minutes are one here.
    "expires_after_minutes": 6_000,
}

# The sandbox's: late acts come after our deadline of 1 s and within the quiet window.
QUICK_SANDBOX: Mapping[str, Any] = {"hang_seconds": 30, "slow_seconds": 0.3, "drip_seconds": 0.25, "late_seconds": 1.3, "asks_until_done": 2}

UNCHANGED_SANDBOX: Mapping[str, Any] = {"deduplicates": "no", "inquiry_lag_seconds": 0, "inquiry_lies": False, "down": False, "fault_status": 500}


def until(condition: Callable[[], T], what: str, seconds: float = PATIENCE_SECONDS) -> T:
    """Asks again and again until the answer is true, and returns it. Fails, saying what did not happen."""
    ends = clock.monotonic_seconds() + seconds
    while not (found := condition()):
        if clock.monotonic_seconds() > ends:
            raise AssertionError(f"After {seconds:g} s this had not happened: {what}")
        threading.Event().wait(POLL_SECONDS)
    return found


class WorkerProcess:
    """One worker, as it runs in production: `python -m core.worker`."""

    def __init__(self, module: str = "core.worker", **environment: str) -> None:
        self.lines: list[str] = []
        self._ready = threading.Event()
        self._process = subprocess.Popen(
            [sys.executable, "-m", module],
            cwd=CHECKOUT,
            env={**child_environment(), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def wait_ready(self) -> "WorkerProcess":
        until(lambda: self._ready.is_set() or not self.is_running, "the worker says that it is ready")
        if not self._ready.is_set():
            raise AssertionError("The worker ended at once:\n" + "\n".join(self.lines))
        return self

    def kill(self) -> None:
        """SIGKILL: not a line of its own runs after that."""
        self.signal(signal.SIGKILL)
        self.wait()

    def freeze(self) -> None:
        """SIGSTOP, and until the system says it is stopped."""
        self.signal(signal.SIGSTOP)
        until(lambda: _state_of(self.pid) == "T", "the worker is stopped")

    def thaw(self) -> None:
        self.signal(signal.SIGCONT)

    def stop(self) -> int:
        """SIGTERM, the gentle way. Answers its exit code."""
        if self.is_running:
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGTERM)
        return self.wait()

    def signal(self, number: int) -> None:
        if self.is_running:
            self._process.send_signal(number)

    def wait(self) -> int:
        code = self._process.wait(PATIENCE_SECONDS)
        self._reading.join(PATIENCE_SECONDS)
        assert self._process.stdout is not None
        self._process.stdout.close()
        return code

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line.rstrip())
            if line == "ready\n":
                self._ready.set()


def _state_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][:1]
    except FileNotFoundError:
        return ""


class World:
    """Everything one test, or the tests of one module, need. `enter` points this process's settings at it."""

    def __init__(self, url: URL, directory: Path, time_factor: str = TIME_FACTOR) -> None:
        self.url = url
        self.directory = directory
        self.time_factor = time_factor
        self.sandbox = Sandbox(directory / "sandbox")
        self.workers: list[WorkerProcess] = []
        self.operator: Actor
        self.manager: Actor
        # What each submit told its operator.
        self.promised: dict[uuid.UUID, uuid.UUID] = {}

    # ---- Coming and going

    def enter(self, patch: pytest.MonkeyPatch) -> None:
        values = {
            "DATABASE_URL": self.url.render_as_string(hide_password=False),
            "BILLERS_DATA_DIR": str(self.directory),
            "BILLERS_SANDBOX": "true",
            "BILLERS_TIME_FACTOR": self.time_factor,
        }
        for name, value in values.items():
            patch.setenv(name, value)
        settings.cache_clear()

    def begin(self, **biller: Any) -> None:
        """A running sandbox, an active biller that lives there, an operator and a manager."""
        self.sandbox.start()
        self.reset_sandbox()
        vault.ensure_ring()
        self.configure(**{**QUICK_BILLER, "base_url": self.sandbox_url, "is_active": True, **biller})
        self.operator, self.manager = self.add_person("operator"), self.add_person("manager")

    def end(self) -> None:
        self.dismiss_workers()
        if self.sandbox.port and self.sandbox.process.poll() is None:
            self.sandbox.stop()
        db.engine().dispose()

    def reset_sandbox(self, **pace: Any) -> None:
        self.sandbox.control("DELETE", "/faults")
        self.sandbox.pace(**{**QUICK_SANDBOX, **pace})
        self.sandbox.set(**UNCHANGED_SANDBOX)

    @property
    def sandbox_url(self) -> str:
        return f"http://127.0.0.1:{self.sandbox.port}/{CODE.lower()}"

    # ---- The set-up

    def configure(self, password: str = PASSWORD, **changes: Any) -> int:
        """Writes a new version of the biller's configuration, as an administrator would; answers its number."""
        with db.unit_of_work() as session:
            config = Billers(session).any_of(CODE)
            assert config is not None
            for name, value in changes.items():
                setattr(config, name, value)
            config.authentication = vault.seal_secret({"username": USER, "password": password}, "biller_configs", config.id, "authentication")
            config.version += 1
            session.flush()
            version = BillerConfigVersion(
                config_id=config.id, version=config.version, snapshot=Snapshot.of(config).model_dump(mode="json"), authentication=config.authentication
            )
            session.add(version)
            return config.version

    def switch(self, **columns: Any) -> None:
        """Changes the configuration's own row only: a pause, a deactivation, a concurrency."""
        with db.unit_of_work() as session:
            config = Billers(session).any_of(CODE)
            assert isinstance(config, BillerConfig)
            for name, value in columns.items():
                setattr(config, name, value)

    def add_person(self, role: str) -> Actor:
        name = f"{role}-{uuid.uuid4().hex[:6]}"
        with db.unit_of_work() as session:
            person = User(id=new_id(), username=name, display_name=name.title(), role=role, password_hash="!")
            session.add(person)
            permissions = session.execute(text("SELECT permission FROM role_permissions WHERE role = :role"), {"role": role}).scalars().all()
        return Actor(person.id, name, person.display_name, role, frozenset(permissions), "127.0.0.1", proved_at=clock.now())

    # ---- Workers

    def start_worker(self, module: str = "core.worker", **environment: str) -> WorkerProcess:
        worker = WorkerProcess(module, **environment)
        self.workers.append(worker)
        return worker

    def dismiss_workers(self) -> None:
        """Nobody works on. Who has ended without being told to is waited for like the others: its pipe is open until then."""
        for worker in self.workers:
            worker.kill()
        self.workers.clear()

    def carry_out(self, claim: Callable[[str, Mapping[str, int]], list[Errand]], holder: str = "by hand", slots: int = 64) -> list[Result]:
        """One round of one lane in this process: claim, send, conclude."""
        results = [self.send(errand) for errand in claim(holder, {CODE: slots})]
        settlement.conclude(results)
        return results

    def send(self, errand: Errand) -> Result:
        return asyncio.run(perform(Line(line_policy()), errand))

    # ---- Operators

    def look_up(self, account: str, actor: Actor | None = None) -> uuid.UUID:
        """Asks for an account, again and again as an operator would, until it was answered. Needs a worker."""

        def answered() -> uuid.UUID | None:
            asked = lookups.ask(actor or self.operator, CODE, account)
            settled = until(lambda: self._settled(asked), f"the look-up of {account} has an answer")
            return asked if settled.stage == Stage.COMPLETED.value else None

        return until(answered, f"the biller tells who has {account}")

    def look_up_by_hand(self, *accounts: str, actor: Actor | None = None) -> list[uuid.UUID]:
        """The same without a worker."""
        asked = [lookups.ask(actor or self.operator, CODE, account) for account in accounts]
        self.carry_out(claims.claim_lookups)
        return asked

    def draft(self, account: str, lookup: uuid.UUID, amount: str = "5475.50", actor: Actor | None = None) -> uuid.UUID:
        """The wizard up to the review step: frozen, not submitted."""
        actor = actor or self.operator
        draft = drafts.begin(actor, {"biller": CODE, "account": account, "lookup": str(lookup), "amount": amount})
        return drafts.freeze(actor, draft.id).draft.id

    def submit(self, draft: uuid.UUID, actor: Actor | None = None, reason: str | None = None) -> uuid.UUID:
        made = payments.submit(actor or self.operator, draft, reason)
        self.promised[draft] = made.transaction_id
        return made.transaction_id

    def pay(self, account: str, amount: str = "5475.50", lookup: uuid.UUID | None = None, actor: Actor | None = None) -> uuid.UUID:
        """From the account number to the click on Pay. Without `lookup` it needs a worker."""
        return self.submit(self.draft(account, lookup or self.look_up(account, actor), amount, actor), actor)

    def pay_by_hand(self, account: str, amount: str = "5475.50", actor: Actor | None = None) -> uuid.UUID:
        return self.pay(account, amount, self.look_up_by_hand(account, actor=actor)[0], actor)

    # ---- Looking

    def find(self, transaction_id: uuid.UUID) -> Transaction:
        return transactions.find(self.manager, transaction_id)

    def stage(self, transaction_id: uuid.UUID) -> Stage:
        return Stage(self.find(transaction_id).stage)

    def wait_for(self, transaction_id: uuid.UUID, *stages: Stage, seconds: float = PATIENCE_SECONDS) -> Transaction:
        """The row, once it stands in one of these stages."""

        def there() -> Transaction | None:
            found = self._seen(transaction_id)
            return found if found is not None and found.stage in {stage.value for stage in stages} else None

        try:
            return until(there, f"{transaction_id} comes to {' or '.join(stages)}", seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.tell(transaction_id)}") from None

    def tell(self, transaction_id: uuid.UUID) -> str:
        """A payment's story, for whoever must understand why a test failed."""
        events = self.rows("SELECT version, to_stage, reason, at::time FROM events WHERE transaction_id = %s ORDER BY version", transaction_id)
        answers = self.rows(
            "SELECT a.verb, a.worker, n.outcome, n.failure, n.code, n.in_time, a.at::time, n.at::time FROM attempts a"
            " LEFT JOIN answers n ON n.attempt_id = a.id WHERE a.transaction_id = %s ORDER BY a.at",
            transaction_id,
        )
        stands = self.rows("SELECT stage, next_action_at::time, lease_until::time, now()::time FROM transactions WHERE id = %s", transaction_id)
        return "\n".join(map(str, [*events, *answers, *stands]))

    def ledger(self, transaction_id: uuid.UUID) -> list[dict[str, Any]]:
        return self.sandbox.ledger(self.find(transaction_id).our_transaction_id)

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with self.connect() as connection:
            return connection.execute(query, values).fetchall()

    def value(self, query: str, *values: Any) -> Any:
        return self.rows(query, *values)[0][0]

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(self.url.set(drivername="postgresql").render_as_string(hide_password=False), autocommit=True)

    def judge(self) -> oracle.Report:
        """The oracle's report, once nothing that the sandbox was to do late is left."""
        until(lambda: self.sandbox.control("GET", "/health")[1]["acts_to_come"] == 0, "the sandbox has acted on everything")
        with self.connect() as connection:
            return oracle.examine(connection, self.sandbox.directory, self.promised)

    def _seen(self, transaction_id: uuid.UUID) -> Transaction | None:
        try:
            return self.find(transaction_id)
        except Unavailable:
            return None

    def _settled(self, transaction_id: uuid.UUID) -> Transaction | None:
        found = self._seen(transaction_id)
        return found if found is not None and found.stage in (Stage.COMPLETED.value, Stage.FAILED.value) else None


@contextmanager
def new_world(server: URL, template: URL, directory: Path, patch: pytest.MonkeyPatch, time_factor: str = TIME_FACTOR, **biller: Any) -> Iterator[World]:
    """A world of its own, in a copy of the migrated database, until the block ends."""
    name = f"world_{uuid.uuid4().hex[:12]}"
    with _maintenance(server) as connection:
        # FILE_COPY, which ends with a checkpoint: a sequence that was copied with its log count would go back in a crash, and only there.
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template.database}" STRATEGY FILE_COPY')
    world = World(server.set(database=name), directory, time_factor)
    world.enter(patch)
    try:
        world.begin(**biller)
        yield world
    finally:
        # Whatever the test did to the environment: the world's end is in its own.
        world.enter(patch)
        world.end()
        with _maintenance(server) as connection:
            drop(connection, name)


def _maintenance(server: URL) -> psycopg.Connection:
    return psycopg.connect(server.set(drivername="postgresql").render_as_string(hide_password=False), autocommit=True)


def gather(acts: Sequence[Callable[[], T]]) -> list[T | BillersError]:
    """All of them at the same moment, each in a thread of its own. What one raised in an operator's words is its answer."""
    start = threading.Barrier(len(acts))
    answers: dict[int, T | BillersError] = {}

    def run(number: int, act: Callable[[], T]) -> None:
        start.wait()
        try:
            answers[number] = act()
        except BillersError as error:
            answers[number] = error

    threads = [threading.Thread(target=run, args=(number, act)) for number, act in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [answers[number] for number in range(len(acts))]


def die() -> None:
    """As `kill -9` would have it, from within."""
    os.kill(os.getpid(), signal.SIGKILL)
