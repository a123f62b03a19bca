"""`billers reconcile`: a statement comes in by a script, and the exit code says whether a person has to look."""

from pathlib import Path

import pytest

from core import clock
from tests.campaign.harness import CODE
from tests.cli.conftest import PAYS, Script
from tests.matrix.town import new_account

HEADER = "Date,Our ref,Receipt,Account,Amount"
AMOUNT = "5475.50"


@pytest.fixture
def paid(script: Script) -> str:
    """A bill of today's; our reference for it."""
    code, told = script.json("pay", CODE, new_account(), AMOUNT, "--key", f"bill-{new_account()}", "--wait")
    assert code == 0
    script.may(*PAYS, "reconciliation:import", "reconciliation:read")
    return str(told["reference"])


def statement(at: Path, *lines: tuple[str, str]) -> Path:
    """Of today, a line for each reference and amount."""
    day = clock.business_day(clock.now())
    rows = [f"{day:%d/%m/%Y},{reference},R{number}{reference},100001,{amount}" for number, (reference, amount) in enumerate(lines)]
    at.write_text("\n".join([HEADER, *rows]) + "\n", encoding="utf-8")
    return at


def test_what_agrees_is_done_and_the_same_file_again_changes_nothing(script: Script, paid: str, tmp_path: Path) -> None:
    # The town is everybody's of this module: what other tests paid today is ours only, and open.
    file = statement(tmp_path / "today.csv", (paid, AMOUNT))
    code, told = script.json("reconcile", CODE, file)
    assert (told["new_lines"], told["matched"], told["imported_before"]) == (1, 1, False)
    assert code == (6 if told["days"][0]["open"] else 0)
    code, again = script.json("reconcile", CODE, file)
    assert (code, again["new_lines"], again["imported_before"], again["days"]) == (0, 0, True, [])


def test_another_amount_is_open_and_the_exit_code_says_so(script: Script, paid: str, tmp_path: Path) -> None:
    told = script("reconcile", CODE.lower(), statement(tmp_path / "wrong.csv", (paid, "54755.50")))
    assert told.exit_code == 6
    today = clock.business_day(clock.now()).isoformat()
    assert told.stdout.splitlines()[0] == "1 new lines of 1, 1 matched, 0 rows passed over."
    assert told.stdout.splitlines()[1].startswith(f"{today}: ")
    code, day = script.json("reconcile", CODE, "--day", today)
    assert (code, day["day"], day["signed_off"]) == (6, today, False)
    assert day["open"] >= 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "Name the statement's file"),
        (("nowhere.csv",), "nowhere.csv cannot be read"),
        (("--day", "yesterday"), "A day is written like 2026-11-24"),
        (("no-table.csv",), "reads like names of columns"),
    ],
)
def test_what_is_no_statement_and_no_day_is_told(script: Script, paid: str, tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    (tmp_path / "no-table.csv").write_text("good morning\n", encoding="utf-8")
    refused = script("reconcile", CODE, *words)
    assert (refused.exit_code, told in refused.stderr) == (1, True), refused.stderr


def test_who_may_not_import_is_told(script: Script, tmp_path: Path) -> None:
    refused = script("reconcile", CODE, statement(tmp_path / "today.csv", ("BILL0000000000001", AMOUNT)))
    assert refused.exit_code == 1
    assert "does not include the right to import billers' statements" in refused.stderr
