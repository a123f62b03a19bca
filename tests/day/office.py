"""A biller's office: it sends the statement of its day as its own ledger has it, with the mistakes that offices make."""

import csv
import io
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Collection
from datetime import date
from decimal import Decimal
from pathlib import Path

from core.settings import CHECKOUT, child_environment

OUR_REFERENCE, RECEIPT, ACCOUNT, AMOUNT, TYPE = 2, 3, 4, 5, 6

# More than any payment of the day, so that none looks like it.
AT_THE_COUNTER = 31_000


def written_by_the_sandbox(biller: str, day: date) -> str:
    """`billers sandbox statement`, as anybody gets it who reconciles a day by hand."""
    command = [sys.executable, "-m", "core.cli", "sandbox", "statement", biller, day.isoformat()]
    return subprocess.run(command, cwd=CHECKOUT, env=child_environment(), capture_output=True, text=True, check=True).stdout


def with_mistakes(text: str, how_many: int, spared: Collection[str], chance: random.Random) -> tuple[str, Counter[str]]:
    """The statement as the office sends it, and its mistakes by kind. Accounts that are trouble already are spared."""
    rows = list(csv.reader(io.StringIO(text)))
    *lines, total = rows
    payments = [row for row in lines if len(row) > TYPE and row[TYPE] == "Payment"]
    references = Counter(row[OUR_REFERENCE] for row in lines if len(row) > TYPE)
    plain = [row for row in payments if references[row[OUR_REFERENCE]] == 1 and row[ACCOUNT] not in spared]
    chance.shuffle(plain)
    made: Counter[str] = Counter()
    for number in range(how_many):
        if len(plain) < 4:
            break
        twice, missing, other, mistyped = (plain.pop() for _ in range(4))
        lines.append(list(twice))
        lines.remove(missing)
        other[AMOUNT] = f"{Decimal(other[AMOUNT].replace(',', '')) + 1000:,.2f}"
        # Nothing of it but the amount and the day tells whose it is.
        mistyped[OUR_REFERENCE], mistyped[RECEIPT], mistyped[ACCOUNT] = "", f"RX{number:06d}", f"9{mistyped[ACCOUNT][1:]}"
        lines.append([*payments[0][:2], "", f"COUNTER-{number}", f"9900{number:04d}", f"{AT_THE_COUNTER + number:,.2f}", "Payment"])
        made.update(["a line twice", "a line left out", "another amount", "a mistyped line", "paid at the counter"])
    written = io.StringIO()
    csv.writer(written, lineterminator="\r\n").writerows([*lines, total])
    return written.getvalue(), made


def send(directory: Path, biller: str, day: date, text: str) -> Path:
    path = directory / f"{biller.lower()}-{day}.csv"
    path.write_text(text, newline="")
    return path
