"""`make api`: schemathesis at full size. Starts a bank of its own, and ends with a table of what was asked and answered."""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from sqlalchemy.engine import URL

from core.launch.embedded import EmbeddedPostgres
from core.settings import DATABASE_PORT, DATABASE_ROLE
from tests.api.conftest import bank_at
from tests.api.held import hold


def main() -> int:
    arguments = argparse.ArgumentParser(prog="make api", description=__doc__)
    arguments.add_argument("--examples", type=int, default=100, help="of each operation, in each phase, at most")
    arguments.add_argument("--seed", type=int, default=1)
    asked = arguments.parse_args()
    # /var/tmp: as root the server runs as somebody who cannot pass through root's own directories.
    directory = Path(tempfile.mkdtemp(prefix="billers-api-", dir="/var/tmp"))
    directory.chmod(0o711)
    try:
        with EmbeddedPostgres(directory, directory / "run"):
            url = URL.create("postgresql+psycopg", DATABASE_ROLE, database="postgres", query={"host": str(directory / "run"), "port": str(DATABASE_PORT)})
            with bank_at(url, directory / "bank") as bank, bank.served():
                held = hold(bank, directory, asked.examples, asked.seed)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    print(held.said)
    print(held.table())
    for first in ("2", "4"):
        if lacking := held.lacking(first):
            print(f"Never seen with {first}xx: {', '.join(lacking)}.")
    return 0 if held.found_nothing and not held.lacking("2") and not held.lacking("4") else 1


if __name__ == "__main__":
    sys.exit(main())
