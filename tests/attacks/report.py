"""What a run saw of each attack: told by the tests, in whichever process they ran, printed as a table, and a failure where something is missing.

A pytest plugin, which `tests/conftest.py` loads: the process that prints the table may be one that collects no test itself.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import pytest

from tests.attacks.table import ATTACKS, Attack

HERE = Path(__file__).parent

# The key that a test's tellings travel under, from the process that ran it to the one that prints: (attack, what it is, words, record).
PROPERTY = "attack"
TRIED, CONTROL, REFUSED = "tried", "control", "refused"

# So many of an attack's tellings are printed; the rest are counted.
SHOWN = 3

ControlFired = Callable[[str], None]


class Refused(Protocol):
    def __call__(self, what: str, record: str = "") -> None: ...


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "attack(name): tries this attack of tests/attacks/table.py")
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Gathering(config), "attacks")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if (name := _attack_of(item)) is not None:
            if name not in ATTACKS:
                raise pytest.UsageError(f"{item.nodeid} tries {name!r}, which is not in tests/attacks/table.py.")
            _tell(item, TRIED)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    yield
    if _attack_of(item) is not None and not any(key == PROPERTY and telling[1] != TRIED for key, telling in item.user_properties):
        pytest.fail("This test is marked as an attack, and told neither that the control fired nor what was refused.")


@pytest.fixture
def control_fired(request: pytest.FixtureRequest) -> ControlFired:
    """`control_fired("the listener was reached")`: said once it was seen that the payload works where the defence is off."""

    def tell(what: str) -> None:
        _tell(request.node, CONTROL, what)

    return tell


@pytest.fixture
def refused(request: pytest.FixtureRequest) -> Refused:
    """`refused("nobody was called", record="host_not_allowed in the log")`: said once it was seen that the defence holds, and where that was written down."""

    def tell(what: str, record: str = "") -> None:
        _tell(request.node, REFUSED, what, record)

    return tell


def _attack_of(item: pytest.Item) -> str | None:
    mark = item.get_closest_marker("attack")
    return None if mark is None else str(mark.args[0])


def _tell(item: pytest.Item, kind: str, what: str = "", record: str = "") -> None:
    name = _attack_of(item)
    assert name is not None, "Only a test marked with `attack(name)` has something to tell here."
    item.user_properties.append((PROPERTY, [name, kind, what, record]))


@dataclass
class Seen:
    """What the tests of one attack told; each thing once, however many spellings it was told of."""

    controls: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    records: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def hear(self, kind: str, what: str, record: str) -> None:
        if kind == CONTROL:
            self.controls.append(what)
        elif kind == REFUSED:
            self.refusals.append(what)
            self.records += [record] if record else []

    def lacks(self, attack: Attack) -> list[str]:
        """What is missing for this attack to be called refused, in words."""
        wanted = {"no control fired": self.controls, "nothing was refused": self.refusals}
        if attack.recorded:
            wanted["no refusal is on record"] = self.records
        return [words for words, seen in wanted.items() if not seen] + [f"failed: {nodeid}" for nodeid in self.failed]


class Gathering:
    """In the process that prints: hears every test, wherever it ran."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._seen: dict[str, Seen] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        tellings = [telling for key, telling in report.user_properties if key == PROPERTY]
        for name, kind, what, record in tellings:
            seen = self._seen.setdefault(name, Seen())
            if report.when == "call" and report.passed:
                seen.hear(kind, what, record)
            elif report.failed and kind == TRIED:
                seen.failed.append(report.nodeid)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if session.exitstatus == pytest.ExitCode.OK and self._lacking():
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self._seen:
            return
        terminalreporter.section("attacks")
        lacking = self._lacking()
        for name, attack in ATTACKS.items():
            if name in self._seen or name in lacking:
                seen = self._seen.get(name, Seen())
                lacks = lacking.get(name) or seen.lacks(attack)
                terminalreporter.line(_headline(name, attack, seen, lacks), red=bool(lacks), green=not lacks)
                for line in (*_lines("control", seen.controls), *_lines("refused", seen.refusals), *_lines("record", seen.records), *_lines("lacks", lacks)):
                    terminalreporter.line(line)
        tried = sum(1 for name in ATTACKS if name in self._seen and not self._seen[name].lacks(ATTACKS[name]))
        whole = "" if _is_whole(self._config) else " This was a part of the tests, so what was not tried is no failure."
        terminalreporter.line(f"{tried} of {len(ATTACKS)} attacks fired where the defence was off, and were refused where it was on.{whole}", bold=True)

    def _lacking(self) -> dict[str, list[str]]:
        """What a run of the whole directory has not seen."""
        if not _is_whole(self._config):
            return {}
        return {name: lacks for name, attack in ATTACKS.items() if (lacks := self._seen.get(name, Seen()).lacks(attack))}


def _headline(name: str, attack: Attack, seen: Seen, lacks: list[str]) -> str:
    counted = f"{len(seen.controls)} fired, {len(seen.refusals)} refused"
    return f"{'✗' if lacks else '✓'} {name:<24} {attack.title:<62} {counted}"


def _lines(label: str, said: list[str]) -> list[str]:
    different = list(dict.fromkeys(said))
    more = [f"and {len(different) - SHOWN} more"] if len(different) > SHOWN else []
    return [f"    {label:<8} {words}" for words in (*different[:SHOWN], *more)]


def _is_whole(config: pytest.Config) -> bool:
    """Whether every test of this directory was asked for."""
    option = config.option
    if option.keyword or option.markexpr or option.deselect or option.collectonly or getattr(option, "lf", False):
        return False
    asked = [config.invocation_params.dir / word for word in config.args]
    ignored = [config.invocation_params.dir / word for word in option.ignore or ()]
    return any(HERE.is_relative_to(path) for path in asked) and not any(HERE.is_relative_to(path.resolve()) for path in ignored)
