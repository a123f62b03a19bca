"""The table of mutants, held to the source: a row whose line has moved on would be a rule that nobody checks any more."""

import ast
from pathlib import Path

import pytest

from tests.mutants.runner import applied
from tests.mutants.table import MUTANTS, Edit

ROOT = Path(__file__).parents[2]

# As the design names them (payments.md, "Mutation check").
OF_THE_DESIGN = (
    *("FAILED on time-out", "NOT_FOUND believed at once", "one NOT_FOUND enough", "taint not sticky", "new reference on resend", "no epoch"),
    *("biller before debit", "draft key off", "intent after wire", "unlisted code read as REJECTED", "in-flight index dropped", "ACCEPTED forgotten"),
)


def test_every_mutant_of_the_design_is_there() -> None:
    assert tuple(MUTANTS) == OF_THE_DESIGN


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_still_changes_what_it_says(name: str) -> None:
    for file in {edit.file for edit in MUTANTS[name].edits}:
        source = (ROOT / file).read_text()
        changed = source
        for edit in (edit for edit in MUTANTS[name].edits if edit.file == file):
            changed = applied(edit, changed)
        assert changed != source
        if file.endswith(".py"):
            ast.parse(changed)


@pytest.mark.parametrize("name", MUTANTS)
def test_the_tests_that_notice_it_are_there(name: str) -> None:
    for test in MUTANTS[name].noticed_by:
        path, _, function = test.partition("[")[0].partition("::")
        defined = {node.name for node in ast.walk(ast.parse((ROOT / path).read_text())) if isinstance(node, ast.FunctionDef)}
        assert not function or function in defined, f"{path} has no {function}"


def test_a_text_that_is_gone_is_said_aloud() -> None:
    with pytest.raises(LookupError, match="0 times"):
        applied(Edit("core/states.py", "this line was never there", ""), (ROOT / "core" / "states.py").read_text())
