"""The table is whole: each attack is tried in the file that it names, and no test of one is switched off."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

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
