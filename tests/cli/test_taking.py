"""`billers export` and `billers report`: the list and the reports as files, whole or not at all."""

import csv
import hashlib
import json
from datetime import datetime
from pathlib import Path

import pytest

from core import clock
from core.services import exports
from core.services.exports import BrokenOff
from tests.campaign.harness import CODE
from tests.cli.conftest import PAYS, Script
from tests.matrix.town import new_account

TAKES = (*PAYS, "transactions:export", "reports:read")


@pytest.fixture
def paid(script: Script) -> str:
    """A bill of today's; its account."""
    account = new_account()
    assert script("pay", CODE, account, "5475.50", "--key", f"bill-{account}", "--wait").exit_code == 0
    script.may(*TAKES)
    return account


def test_the_list_is_a_file_that_its_manifest_knows(script: Script, paid: str, tmp_path: Path) -> None:
    code, manifest = script.json("export", f"biller={CODE}&type=POST_TRANSACTION&account={paid}", "--output", tmp_path / "rows.csv")
    data = (tmp_path / "rows.csv").read_bytes()
    rows = list(csv.DictReader(data.decode().splitlines()))
    assert (code, [(row["account_number"], row["amount"], row["status"]) for row in rows]) == (0, [(paid, "5475.50", "COMPLETED")])
    assert (manifest["rows"], manifest["sha256"]) == (1, hashlib.sha256(data).hexdigest())
    assert manifest["exported_by"] == script.person.display_name


def test_a_file_can_go_to_another_program(script: Script, paid: str) -> None:
    told = script("export", f"account={paid}&type=POST_TRANSACTION", "-o", "-")
    assert told.exit_code == 0
    assert len(told.stdout.splitlines()) == 2


@pytest.mark.parametrize("line", ["bilers=LWB_POSTPAID", "biller=NOBODY", "status=PAID", "from=yesterday-ish"])
def test_a_slip_in_the_filter_is_told_and_nothing_is_taken(script: Script, paid: str, tmp_path: Path, line: str) -> None:
    told = script("export", line, "-o", tmp_path / "rows.csv")
    assert told.exit_code == 1
    assert f"does not understand {line.partition('=')[0]}" in told.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_broke_off_is_not_there(script: Script, paid: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rows.csv").write_text("of yesterday")

    def break_off(_running: object) -> bytes:
        raise BrokenOff

    monkeypatch.setattr(exports.Running, "next_block", break_off)
    told = script("export", f"account={paid}", "-o", tmp_path / "rows.csv")
    assert (told.exit_code, [path.name for path in tmp_path.iterdir()]) == (1, ["rows.csv"])
    assert (tmp_path / "rows.csv").read_text() == "of yesterday"


def test_a_place_that_cannot_be_written_is_told(script: Script, paid: str, tmp_path: Path) -> None:
    told = script("export", f"account={paid}", "-o", tmp_path / "nowhere" / "rows.csv")
    assert told.exit_code == 1
    assert "cannot be written" in told.stderr


def test_a_report_of_today_is_made_and_put_where_it_is_wanted(script: Script, paid: str, tmp_path: Path) -> None:
    today = clock.business_day(clock.now()).isoformat()
    told = script("report", "daily", today, "--format", "csv", "-o", tmp_path / "today.csv")
    assert (told.exit_code, told.stdout) == (0, f"{tmp_path / 'today.csv'}\n")
    assert CODE in (tmp_path / "today.csv").read_text()
    own = script("report", "daily", today, "--format", "pdf")
    assert Path(own.stdout.strip()).read_bytes().startswith(b"%PDF")


def test_a_program_is_told_what_report_it_took(script: Script, paid: str, tmp_path: Path) -> None:
    today = clock.business_day(clock.now()).isoformat()
    code, told = script.json("report", "daily", today, "--format", "xlsx", "-o", tmp_path / "today.xlsx")
    assert (code, told["file"], told["format"]) == (0, str(tmp_path / "today.xlsx"), "xlsx")
    assert told["sha256"] == hashlib.sha256((tmp_path / "today.xlsx").read_bytes()).hexdigest()
    assert datetime.fromisoformat(told["as_of"]).utcoffset() is not None
    # The file is what goes to standard output, and nothing else goes there.
    piped = script("report", "daily", today, "--format", "pdf", "-o", "-", "--json")
    assert piped.stdout_bytes.startswith(b"%PDF")
    assert json.loads(piped.stderr)["file"] == "-"


@pytest.mark.parametrize(("words", "told"), [(("hourly", "2026-11-01"), "There is no report hourly"), (("daily", "2026-13-01"), "is written like")])
def test_what_is_no_report_is_told(script: Script, words: tuple[str, str], told: str) -> None:
    script.may(*TAKES)
    refused = script("report", *words)
    assert refused.exit_code == 1
    assert told in refused.stderr
