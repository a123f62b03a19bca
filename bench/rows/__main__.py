"""Both sizes in one run: makes the databases or takes those that are kept, measures each, prints one table, writes JSON, compares with the last run."""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.rows import report
from bench.rows.measure import PARTS
from core.settings import CHECKOUT, child_environment

# From one run to the next, unless another place is named.
RESULT = Path(tempfile.gettempdir()) / "billers-bench-rows.json"

NAMES = ("chromium", "chromium-browser", "google-chrome")


def main() -> int:
    told = argparse.ArgumentParser(prog="bench.rows", description="Whether ten million rows are as quick as one million.")
    told.add_argument("--rows", type=int, default=10_000_000, help="the larger size; the smaller is a tenth of it")
    told.add_argument("--keep", type=Path, nargs=2, metavar=("SMALL", "LARGE"), help="data directories that are used, made where they are empty, and kept")
    told.add_argument("--only", nargs="*", choices=PARTS, default=list(PARTS), help="parts to measure")
    told.add_argument("--page-seconds", type=float, default=20.0, help="how long fifty sessions use each page")
    told.add_argument("--runs", type=int, default=20, help="how often each question is asked")
    told.add_argument("--result", type=Path, default=RESULT, help="where the figures go; what is there is compared with")
    asked = told.parse_args()
    last = json.loads(asked.result.read_text()) if asked.result.exists() else None
    sizes = [asked.rows // 10, asked.rows]
    scratch = Path(tempfile.mkdtemp(prefix="billers-bench-", dir="/var/tmp"))
    scratch.chmod(0o711)
    try:
        directories = asked.keep or [scratch / "small", scratch / "large"]
        found = [_measured(asked, size, directory, scratch / f"{size}.json") for size, directory in zip(sizes, directories, strict=True)]
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    small, large = ([*report.figures(one)] for one in found)
    rows = report.judged(small, large)
    report.compared(rows, last)
    notes = [
        "Database time: the round trips of all statements of a question on the socket, added up, by the console's own services; the median of some runs.",
        f"Cold: {found[-1].get('coldness', 'not measured')}.",
        *(f"Loading {size:,}: {one['loaded']['said']}" for size, one in zip(sizes, found, strict=True)),
    ]
    shown = report.judged(report.condensed(small), report.condensed(large))
    report.compared(shown, last and {"judged": last["shown"]})
    print(report.text_of(shown, sizes, notes))
    asked.result.write_text(json.dumps({"sizes": sizes, "found": found, "judged": rows, "shown": shown, "notes": notes}, indent=1) + "\n")
    return 1 if any(one["missed"] for one in rows) else 0


def _measured(asked: argparse.Namespace, size: int, directory: Path, result: Path) -> dict[str, Any]:
    print(f"{size:,} rows in {directory}", flush=True)
    chromium = os.environ.get("BILLERS_CHROMIUM") or next((found for name in NAMES if (found := shutil.which(name))), "")  # noqa: TID251 - as the tests do
    parts = [part for part in asked.only if part != "live" or chromium]
    words = ["--data-dir", directory, "--rows", size, "--result", result, "--page-seconds", asked.page_seconds, "--runs", asked.runs]
    words += ["--chromium", chromium or "-", "--only", *parts]
    command = [sys.executable, "-m", "bench.rows.measure", *map(str, words)]
    if subprocess.run(command, cwd=CHECKOUT, env=child_environment(), check=False).returncode:  # noqa: S603 - our own module
        raise SystemExit(f"{size:,} rows could not be measured.")
    measured: dict[str, Any] = json.loads(result.read_text())
    return measured


if __name__ == "__main__":
    raise SystemExit(main())
