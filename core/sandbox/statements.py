"""A biller's statement of one of its days, written from its own ledger and from nothing else: what it took, twice where it took twice, and gave back."""

import csv
import io
import json
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

from core.sandbox.journal import Unusable

# The billers' days are Malawi's, as ours are.
ZONE = ZoneInfo("Africa/Blantyre")

HEADER = ("Date", "Time", "Our ref", "Receipt", "Account", "Amount (MWK)", "Type")
TYPES = {"PAY": "Payment", "REVERSAL": "Reversal"}


def write(directory: Path, code: str, day: date) -> str:
    """The statement as CSV, as a biller's office would send it: a title above, a total below. Raises `Unusable` where the biller never kept a ledger."""
    ledger = directory / f"{code}.ledger.jsonl"
    if not ledger.exists():
        raise Unusable(f"No sandbox biller keeps a ledger as {code} in {directory}. Start the sandbox, and pay that biller once.")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([f"{code.replace('_', ' ')}: collections by the bank on {day:%d %b %Y}"])
    writer.writerow([])
    writer.writerow(HEADER)
    total = Decimal(0)
    for line, at in _of_day(ledger, day):
        amount = Decimal(line["amount"])
        total += amount if line["kind"] == "PAY" else -amount
        writer.writerow([f"{at:%d/%m/%Y}", f"{at:%H:%M:%S}", line["reference"], line["external_id"], line["account"], f"{amount:,.2f}", TYPES[line["kind"]]])
    writer.writerow(["", "", "", "", "Total", f"{total:,.2f}", ""])
    return text.getvalue()


def _of_day(ledger: Path, day: date) -> Iterator[tuple[dict[str, str], datetime]]:
    """The ledger's whole lines of this day; one that is being written just now has no end yet."""
    with ledger.open(encoding="utf-8") as lines:
        for text in lines:
            if not text.endswith("\n"):
                return
            line = json.loads(text)
            at = datetime.fromisoformat(line["at"]).astimezone(ZONE)
            if at.date() == day:
                yield line, at
