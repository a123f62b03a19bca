"""The table is whole: each attack is tried in the file that it names, and no test of one is switched off."""

import ast
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.attacks import report
from tests.attacks.report import CONTROL, PROPERTY, REFUSED, Gathering
from tests.attacks.table import ATTACKS

HERE = Path(__file__).parent


def attacks_tried_in(path: Path) -> Iterator[tuple[str, ast.FunctionDef]]:
    for function in ast.walk(ast.parse(path.read_text())):
        if isinstance(function, ast.FunctionDef):
            for mark in function.decorator_list:
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.attack":
                    yield ast.literal_eval(mark.args[0]), function


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_tried_in_the_file_that_the_table_names(name: str) -> None:
    path = HERE / ATTACKS[name].file
    assert path.exists(), f"{path.name} is not written"
    assert name in [tried for tried, _ in attacks_tried_in(path)]


def test_no_attack_is_switched_off() -> None:
    for path in HERE.glob("test_*.py"):
        for name, function in attacks_tried_in(path):
            marks = " ".join(map(ast.unparse, function.decorator_list))
            assert "skip" not in marks, name
            assert "xfail" not in marks, name


def ended(config: pytest.Config, tellings: list[list[str]], *, passed: bool = True) -> int:
    """How a run of all attacks ends in which the tests told this."""
    gathering, session = Gathering(config), SimpleNamespace(exitstatus=pytest.ExitCode.OK)
    properties = [(PROPERTY, telling) for telling in tellings]
    gathering.pytest_runtest_logreport(SimpleNamespace(user_properties=properties, when="call", passed=passed, failed=not passed, nodeid="a"))  # type: ignore[arg-type]
    gathering.pytest_sessionfinish(session)  # type: ignore[arg-type]
    return session.exitstatus


def test_a_run_that_lacks_one_control_one_refusal_or_one_record_fails(pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "_is_whole", lambda _: True)
    told = [[name, kind, "seen", "the log"] for name in ATTACKS for kind in (CONTROL, REFUSED)]
    assert ended(pytestconfig, told) == pytest.ExitCode.OK
    for place in range(len(told)):
        assert ended(pytestconfig, told[:place] + told[place + 1 :]) == pytest.ExitCode.TESTS_FAILED
    unrecorded = [[*telling[:3], ""] for telling in told]
    assert ended(pytestconfig, unrecorded) == pytest.ExitCode.TESTS_FAILED
    assert ended(pytestconfig, told, passed=False) == pytest.ExitCode.TESTS_FAILED
    monkeypatch.setattr(report, "_is_whole", lambda _: False)
    assert ended(pytestconfig, []) == pytest.ExitCode.OK, "a part of the tests is no run of all"
