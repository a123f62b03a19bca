"""`billers up`: everything, in order. It knows one promise: whatever it started is gone when it ends."""

import json
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType

from core.errors import BillersError
from core.launch import database, ports
from core.launch.children import Child, Program, pause
from core.launch.embedded import EmbeddedPostgres
from core.launch.programs import ports as ports_of
from core.launch.programs import programs, web
from core.launch.words import Console, table
from core.settings import Settings, child_environment, choose_sandbox, settings

# A first start on a slow disk compiles and migrates; far beyond it, something is stuck.
READY_SECONDS = 180
# How long a crashed program is left alone: doubled at each crash, forgotten after a quiet minute.
FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 30.0
QUIET_SECONDS = 60.0
# Looking whether the database's processes are there costs some milliseconds.
DATABASE_LOOK_SECONDS = 1.0
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SIGN_IN_COLUMNS = ("name", "role", "username", "password")


class NotStarted(BillersError):
    """A part of the console did not start. Its log, named above, says why."""


class _Stopped(Exception):
    """Somebody asked the launcher to stop while it was starting."""


class Launcher:
    """Starts the database and the programs in order, keeps them running, and stops them in the opposite order."""

    def __init__(self, server: EmbeddedPostgres | None, programs: Sequence[Program], log_dir: Path, environment: Mapping[str, str], console: Console) -> None:
        self._server = server
        self._children = [Child(program, log_dir, environment) for program in programs]
        self._console = console
        self._stop_requests = 0
        self._starts_again_at: dict[Child, float] = {}
        self._wait_seconds: dict[Child, float] = {}
        self._under_way: set[Child] = set()
        self._looked_at = 0.0

    def run(self, greeting: Sequence[str] = (), chosen: Settings | None = None) -> int:
        """Until a signal asks to stop. 0 when asked, 1 when something would not start; a second signal hurries."""
        for number in STOP_SIGNALS:
            signal.signal(number, self._on_signal)
        try:
            self._start_database(chosen)
            for child in self._children:
                if child.program.is_awaited:
                    self._start(child)
            for line in (*greeting, *(sign_ins(chosen) if chosen else ())):
                self._console.line(line)
            for child in self._children:
                if not child.program.is_awaited:
                    self._begin(child)
            self._supervise()
        except _Stopped:
            return 0
        except BillersError:
            if self._stop_requests:
                return 0  # Ctrl-C reached a helper of ours, too, and its complaint is of no interest.
            raise
        finally:
            self._stop()
        return 0

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stop_requests += 1

    # Start.

    def _start_database(self, chosen: Settings | None) -> None:
        began = time.monotonic()
        self._console.begin("database")
        try:
            if self._server is not None:
                self._server.attach()
            if chosen is not None:
                database.check(chosen)
        except BillersError:
            self._console.failed("database")
            raise
        self._console.done("database", time.monotonic() - began, "embedded" if self._server else "DATABASE_URL")

    def _start(self, child: Child) -> None:
        name = child.program.name
        self._console.begin(name)
        if self._stop_requests:
            raise _Stopped
        child.start()
        while not child.is_ready():
            if self._stop_requests:
                raise _Stopped
            if child.exit_code is not None and not child.is_ready():
                self._give_up(child, child.ending)
            if time.monotonic() > child.started_at + READY_SECONDS:
                self._give_up(child, f"was not ready within {READY_SECONDS} s")
            pause()
        self._console.done(name, time.monotonic() - child.started_at, child.program.note)

    def _begin(self, child: Child) -> None:
        """What nobody waits for."""
        child.start()
        self._under_way.add(child)

    def _give_up(self, child: Child, what_happened: str) -> None:
        self._console.failed(child.program.name)
        for line in child.last_lines():
            self._console.line(f"  {line}")
        raise NotStarted(f"{child.program.name} {what_happened}. The lines above are the end of its log, {child.log}.")

    # Supervise.

    def _supervise(self) -> None:
        while not self._stop_requests:
            self._look_after_database()
            for child in self._children:
                if child.program.stays:
                    self._look_after(child)
            for child in sorted(self._under_way, key=lambda child: child.started_at):
                self._look_whether_done(child)
            pause()

    def _look_after_database(self) -> None:
        if self._server is None or time.monotonic() < self._looked_at + DATABASE_LOOK_SECONDS:
            return
        self._looked_at = time.monotonic()
        if self._server.pid is None:
            self._console.line("! database ended unexpectedly; starting it again.")
            self._server.start()
            self._console.line("✓ database is back.")

    def _look_after(self, child: Child) -> None:
        now = time.monotonic()
        if child in self._starts_again_at:
            if now >= self._starts_again_at[child]:
                del self._starts_again_at[child]
                child.start()
        elif child.exit_code is not None:
            wait = self._next_wait(child, ran_seconds=now - child.started_at)
            self._console.line(f"! {child.program.name} {child.ending}; starting it again in {wait:.0f} s. Its log: {child.log}")
            child.stop()
            self._starts_again_at[child] = now + wait
        elif not child.was_ready and child.is_ready():
            self._console.line(f"✓ {child.program.name} is back.")

    def _look_whether_done(self, child: Child) -> None:
        if child.exit_code is None:
            return
        self._under_way.remove(child)
        if child.is_ready():
            self._console.line(f"✓ {child.program.name}: {' '.join(child.last_lines(1))}")
        else:
            self._console.line(f"! {child.program.name} {child.ending}; the next start tries again. Its log: {child.log}")

    def _next_wait(self, child: Child, ran_seconds: float) -> float:
        if ran_seconds >= QUIET_SECONDS:
            self._wait_seconds.pop(child, None)
        wait = self._wait_seconds.get(child, FIRST_WAIT_SECONDS)
        self._wait_seconds[child] = min(wait * 2, LONGEST_WAIT_SECONDS)
        return wait

    # Stop.

    def _stop(self) -> None:
        asked = self._stop_requests
        if asked:
            self._console.line("Stopping.")
        for child in reversed(self._children):
            child.stop(is_urgent=lambda: self._stop_requests > max(asked, 1))
        if self._server is not None:
            self._server.detach()
        if asked:
            self._console.line("Stopped.")


def up() -> int:
    """Bring everything up. In sandbox mode unless the environment says otherwise."""
    choose_sandbox()
    chosen = settings()
    ports.check(ports_of(chosen))
    launcher = Launcher(database.embedded(chosen), programs(chosen), _logs(chosen), child_environment(), Console())
    return launcher.run(_address(chosen), chosen)


def up_web_only() -> int:
    """The console alone, for a machine whose worker runs elsewhere."""
    chosen = settings()
    ports.check(ports_of(chosen)[:1])
    return Launcher(database.embedded(chosen), [web(chosen)], _logs(chosen), child_environment(), Console()).run(_address(chosen))


def _logs(chosen: Settings) -> Path:
    return chosen.billers_data_dir / "logs"


def _address(chosen: Settings) -> list[str]:
    return ["", f"Billers is at http://localhost:{chosen.port}. Ctrl-C stops everything."]


def sign_ins(chosen: Settings) -> list[str]:
    """The generated sign-ins, which `billers seed` writes in sandbox mode and nowhere else."""
    path = chosen.billers_data_dir / "sandbox-sign-ins.json"
    if not chosen.billers_sandbox or not path.exists():
        return []
    rows = json.loads(path.read_text(encoding="utf-8"))
    return ["", "Sandbox mode: no real money. Sign in as", "", *(f"  {line}" for line in table(rows, SIGN_IN_COLUMNS))]
