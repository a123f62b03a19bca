"""The matrix is whole: each id has a test that ends in the oracle."""

import ast
from collections import defaultdict
from pathlib import Path

import pytest

from core.settings import CHECKOUT
from tests.matrix.conftest import NAMED
from tests.matrix.table import ELSEWHERE, MATRIX

HERE = Path(__file__).parent


def functions_in(path: Path) -> dict[str, ast.FunctionDef]:
    return {node.name: node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)}


def calls_of(function: ast.FunctionDef) -> set[str]:
    return {node.func.attr for node in ast.walk(function) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)}


def written_here() -> dict[str, list[ast.FunctionDef]]:
    """The tests of this directory by the id in their name."""
    found: dict[str, list[ast.FunctionDef]] = defaultdict(list)
    for path in sorted(HERE.glob("test_*.py")):
        for name, function in functions_in(path).items():
            if NAMED.match(name):
                found[name[5:8].upper()].append(function)
    return found


def test_every_id_has_a_test() -> None:
    assert set(written_here()) | set(ELSEWHERE) == set(MATRIX)


def test_the_matrix_is_the_designs() -> None:
    """There is no C05 in it."""
    ids = {"W": 36, "P": 15, "D": 13, "C": 6, "H": 12}
    assert set(MATRIX) == {f"{letter}{number:02d}" for letter, most in ids.items() for number in range(1, most + 1)} - {"C05"}


def test_no_id_is_written_twice() -> None:
    assert set(written_here()) & set(ELSEWHERE) == set()


@pytest.mark.parametrize("number", ELSEWHERE)
def test_what_is_tested_elsewhere_ends_in_the_oracle_there(number: str) -> None:
    file, name, judges = ELSEWHERE[number]
    assert judges in calls_of(functions_in(CHECKOUT / file)[name])


def test_no_test_of_the_matrix_is_switched_off() -> None:
    """The fixture that counts the oracle's calls does not run for a test that is skipped."""
    marks = [mark for functions in written_here().values() for function in functions for mark in map(ast.unparse, function.decorator_list)]
    assert [mark for mark in marks if "skip" in mark or "xfail" in mark] == []
