"""`billers up`: in order, told in lines, kept running, and gone without a trace."""

import json
import re
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.launch.embedded import EmbeddedPostgres
from core.launch.programs import programs
from core.launch.up import sign_ins
from core.settings import Settings

from .helpers import finish, is_running, python, wait_until

# Each says its process number and what happens to it, in one file that all of them append to.
TELLS = """
import os, pathlib, signal, sys, threading
def tell(what):
    with open(sys.argv[1] if len(sys.argv) > 1 else "{story}", "a") as story:
        story.write(f"{name} {{what}} {{os.getpid()}}\\n")
"""
SERVES = """
def stop(*_):
    tell("stopped")
    os._exit(0)
signal.signal(signal.SIGTERM, stop)
tell("started")
print("ready", flush=True)
threading.Event().wait()
"""
DOES_NOT_LISTEN = SERVES.replace('    tell("stopped")\n    os._exit(0)\n', '    tell("refused")\n')
NEVER_READY = SERVES.replace('print("ready", flush=True)', "")
ENDS = "tell('done')\n"
FAILS = "print('The barrel is empty.')\nsys.exit(3)\n"


class FakeConsole:
    """A launcher in a process of its own, over programs that tell their story in a file."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.process: subprocess.Popen[str] | None = None
        self.lines: list[str] = []

    def start(self, *acts: tuple[str, str], embedded: bool = False, not_awaited: tuple[str, ...] = ()) -> None:
        table = [
            (name, TELLS.format(story=self.directory / "story", name=name) + code, code in (SERVES, DOES_NOT_LISTEN, NEVER_READY), name not in not_awaited)
            for name, code in acts
        ]
        self.lines = []
        self.process = python("tests/launch/fake_console.py", str(self.directory), json.dumps(table), *(["embedded"] if embedded else []))

    def read_until(self, pattern: str) -> None:
        assert self.process
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            if re.search(pattern, line):
                return
        raise AssertionError(f"It never said {pattern!r}, only: {self.lines}")

    def signal(self, number: int) -> None:
        assert self.process
        self.process.send_signal(number)

    def ends_with(self) -> int:
        assert self.process
        rest, _ = self.process.communicate(timeout=30)
        self.lines += rest.splitlines()
        return self.process.returncode

    def story(self) -> list[str]:
        """`name act`, in the order in which things happened."""
        return [line.rpartition(" ")[0] for line in self._story_lines()]

    def pids(self, name: str = "") -> list[int]:
        return [int(line.rpartition(" ")[2]) for line in self._story_lines() if line.startswith(name)]

    def _story_lines(self) -> list[str]:
        path = self.directory / "story"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def console(data_dir: Path) -> Iterator[FakeConsole]:
    console = FakeConsole(data_dir)
    yield console
    if console.process:
        finish(console.process)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_everything_starts_in_order_and_a_signal_stops_it_in_the_opposite_order(console: FakeConsole, number: signal.Signals) -> None:
    console.start(("migrate", ENDS), ("worker", SERVES), ("web", SERVES))
    console.read_until("All is up")
    assert [line.split()[:2] for line in console.lines[:-1]] == [["✓", "database"], ["✓", "migrate"], ["✓", "worker"], ["✓", "web"]]
    console.signal(number)
    assert console.ends_with() == 0
    assert console.story() == ["migrate done", "worker started", "web started", "web stopped", "worker stopped"]
    assert not any(map(is_running, console.pids()))


def test_ctrl_c_stops_the_embedded_database_too(console: FakeConsole, server: EmbeddedPostgres) -> None:
    console.start(("worker", SERVES), embedded=True)
    console.read_until("All is up")
    assert re.fullmatch(r"✓ database \(embedded, \d+\.\d s\)", console.lines[0])
    pid = server.pid
    assert pid is not None
    console.signal(signal.SIGINT)
    assert console.ends_with() == 0
    assert not is_running(pid)


def test_a_database_killed_underneath_is_started_again(console: FakeConsole, server: EmbeddedPostgres) -> None:
    console.start(("worker", SERVES), embedded=True)
    console.read_until("All is up")
    server.kill()
    console.read_until("database is back")
    assert server.pid is not None
    console.signal(signal.SIGTERM)
    assert console.ends_with() == 0
    assert server.pid is None


def test_a_killed_launcher_takes_its_children_along_and_the_next_start_adopts_the_database(console: FakeConsole, server: EmbeddedPostgres) -> None:
    console.start(("worker", SERVES), ("web", SERVES), embedded=True)
    console.read_until("All is up")
    orphan = server.pid
    console.signal(signal.SIGKILL)
    console.ends_with()
    wait_until(lambda: not any(map(is_running, console.pids())), "the children are gone")
    assert server.pid == orphan
    console.start(("worker", SERVES), embedded=True)
    console.read_until("All is up")
    assert server.pid == orphan
    console.signal(signal.SIGTERM)
    assert console.ends_with() == 0
    assert server.pid is None


def test_a_crashed_program_is_started_again_and_the_line_says_so(console: FakeConsole) -> None:
    console.start(("worker", SERVES), ("web", SERVES))
    console.read_until("All is up")
    [worker] = console.pids("worker")
    subprocess.run(["kill", "-KILL", str(worker)], check=True)
    console.read_until("worker was killed by SIGKILL; starting it again in 0 s")
    console.read_until("worker is back")
    assert console.story() == ["worker started", "web started", "worker started"]
    console.signal(signal.SIGINT)
    assert console.ends_with() == 0
    assert not any(map(is_running, console.pids()))


def test_a_program_that_does_not_start_shows_its_last_words_and_stops_the_rest(console: FakeConsole) -> None:
    console.start(("worker", SERVES), ("web", FAILS))
    assert console.ends_with() == 1
    assert console.lines[-3] == "✗ web"
    assert console.lines[-2] == "  The barrel is empty."
    assert console.lines[-1].startswith("web ended with code 3. The lines above are the end of its log")
    assert console.story() == ["worker started", "worker stopped"]
    assert not any(map(is_running, console.pids()))


def test_what_nobody_waits_for_begins_once_all_is_up_and_is_told_when_it_is_done(console: FakeConsole) -> None:
    console.start(("demo", "tell('done')\nprint('The barrel is full.')\n"), ("web", SERVES), not_awaited=("demo",))
    console.read_until("✓ demo")
    assert [line.split(" (")[0] for line in console.lines[-3:]] == ["✓ web", "All is up.", "✓ demo: The barrel is full."]
    assert console.story() == ["web started", "demo done"]
    console.signal(signal.SIGINT)
    assert console.ends_with() == 0
    assert not any(map(is_running, console.pids()))


def test_what_nobody_waits_for_may_fail_and_the_console_stays_up(console: FakeConsole) -> None:
    console.start(("web", SERVES), ("demo", FAILS), not_awaited=("demo",))
    console.read_until("! demo ended with code 3; the next start tries again. Its log: .*demo.log")
    console.signal(signal.SIGINT)
    assert console.ends_with() == 0
    assert console.story() == ["web started", "web stopped"]


def test_ctrl_c_ends_what_nobody_waits_for(console: FakeConsole) -> None:
    console.start(("web", SERVES), ("demo", SERVES), not_awaited=("demo",))
    wait_until(lambda: "demo started" in console.story(), "it is under way")
    console.signal(signal.SIGINT)
    assert console.ends_with() == 0
    assert console.story() == ["web started", "demo started", "demo stopped", "web stopped"]
    assert not any(map(is_running, console.pids()))


def test_a_second_ctrl_c_does_not_wait_for_a_program_that_will_not_end(console: FakeConsole) -> None:
    console.start(("worker", DOES_NOT_LISTEN))
    console.read_until("All is up")
    console.signal(signal.SIGINT)
    wait_until(lambda: "worker refused" in console.story(), "the worker was asked to end")
    console.signal(signal.SIGINT)
    assert console.ends_with() == 0
    assert not any(map(is_running, console.pids()))


def test_a_signal_while_starting_stops_what_has_started(console: FakeConsole) -> None:
    console.start(("worker", SERVES), ("web", NEVER_READY))
    wait_until(lambda: "web started" in console.story(), "the launcher waits for web")
    console.signal(signal.SIGINT)
    assert console.ends_with() == 0
    assert console.story() == ["worker started", "web started", "web stopped", "worker stopped"]


@pytest.mark.parametrize("variable", ["PORT", "BILLERS_SANDBOX_PORT", "BILLERS_SANDBOX_CONTROL_PORT"])
def test_a_port_in_use_is_a_sentence_before_anything_is_started(tmp_path: Path, variable: str, free_port: Callable[[], int]) -> None:
    numbers = {name: str(free_port()) for name in ("PORT", "BILLERS_SANDBOX_PORT", "BILLERS_SANDBOX_CONTROL_PORT")}
    with socket.create_server(("127.0.0.1", int(numbers[variable]))):
        tried = python("-m", "core.cli", "up", **numbers, BILLERS_DATA_DIR=str(tmp_path / "data"))
        said, _ = tried.communicate(timeout=30)
    assert tried.returncode == 2
    assert said.startswith(f"Port {numbers[variable]}, for the ")
    assert said.endswith(f"is in use. Stop the program that uses it, or choose another port with {variable}.\n")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("chosen", "names"),
    [
        (Settings(billers_sandbox=True), ["migrate", "seed", "sandbox", "worker", "web", "demo"]),
        (Settings(billers_sandbox=True, billers_demo_transactions=0), ["migrate", "seed", "sandbox", "worker", "web"]),
        (Settings(billers_sandbox=False), ["migrate", "seed", "worker", "web"]),
        (Settings(billers_sandbox=True, enable_background_jobs=False), ["migrate", "seed", "sandbox", "web", "demo"]),
    ],
)
def test_the_settings_say_which_programs_are_started(chosen: Settings, names: list[str]) -> None:
    assert [program.name for program in programs(chosen)] == names


def test_sign_ins_are_shown_in_sandbox_mode_only(tmp_path: Path) -> None:
    people = [{"name": "Chikondi Banda", "role": "operator", "username": "chikondi", "password": "a-b-c"}]
    (tmp_path / "sandbox-sign-ins.json").write_text(json.dumps(people))
    shown = sign_ins(Settings(billers_sandbox=True, billers_data_dir=tmp_path))
    assert shown[-1].split("  ")[1:] == ["Chikondi Banda", "operator", "chikondi", "a-b-c"]
    assert sign_ins(Settings(billers_sandbox=False, billers_data_dir=tmp_path)) == []
