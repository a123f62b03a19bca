"""The curl lines of the README, as they stand there: look up, pay, watch, take away."""

import csv
import re
import shutil
import subprocess
from pathlib import Path

from core.settings import CHECKOUT
from tests.api.conftest import API, Bank

CHAPTER = (CHECKOUT / "README.md").read_text().partition("## For those who call it")[2].partition("\n## ")[0]
LINES = re.findall(r"```sh\n(.*?)```", CHAPTER, re.DOTALL)

# What whoever reads it fills in.
WHERE = "http://localhost:8501/api/billers"
TOKEN = "billers_…"
RIGHTS = ["accounts:lookup", "transactions:pay", "transactions:read", "transactions:export", "billers:read"]


def test_the_lines_look_an_account_up_pay_it_watch_it_and_take_it_away(bank: Bank, tmp_path: Path) -> None:
    assert shutil.which("curl"), "README speaks curl, and there is none here. Install the package curl."
    (lines,) = LINES
    assert WHERE in lines
    assert TOKEN in lines
    program = bank.program("manager", scopes=RIGHTS)
    script = lines.replace(WHERE, f"{bank.console}{API}").replace(TOKEN, program.secret)
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"stage":"CREATED"' in done.stdout
    assert "event: over" in done.stdout
    assert '"status":"COMPLETED"' in done.stdout.splitlines()[-1]
    (paid,) = bank.ledger("100001")
    rows = list(csv.DictReader((tmp_path / "payments.csv").read_text().splitlines()))
    assert [(row["account_number"], row["amount"]) for row in rows if row["reference"] == paid["reference"]] == [("100001", "5475.50")]
