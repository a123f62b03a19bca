"""Schemathesis finds nothing: every operation, seen in its success and in its refusal. `make api` asks some thousand times more."""

from pathlib import Path

from tests.api.conftest import Bank
from tests.api.held import hold

# Of each operation in each phase at most; the gate has some minutes for it.
EXAMPLES = 3
SEED = 8


def test_the_api_is_what_its_description_says(bank: Bank, tmp_path: Path) -> None:
    held = hold(bank, tmp_path, EXAMPLES, SEED)
    assert held.found_nothing, held.said
    assert held.lacking("2") == [], held.table()
    assert held.lacking("4") == [], held.table()
