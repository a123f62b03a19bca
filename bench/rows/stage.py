"""A database of so many demonstration transactions, its server, and how cold the server is. Kept where a directory is given, made where it is empty."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import text

from core.db import engine
from core.launch.embedded import EmbeddedPostgres
from core.services import rollups
from core.settings import CHECKOUT, child_environment, settings

# A shared server that somebody else is attached to is not ours to stop.
SHARED = "the server runs on for somebody else: nothing was cold"
# What pages read lists by, whole, and what they look words up in.
GONE_ALONG = (
    "transactions ORDER BY created_at DESC, id DESC",
    "transactions ORDER BY biller_type, status, transaction_type, created_at DESC, id DESC",
    "transactions WHERE amount IS NOT NULL ORDER BY biller_type, status, transaction_type, amount DESC, created_at DESC, id DESC",
    "transactions ORDER BY account_number, created_at DESC, id DESC",
    "transactions ORDER BY initiated_by, biller_type, created_at DESC, id DESC",
    "transactions ORDER BY id",
    "known_accounts WHERE numbers <> '' ORDER BY account_number",
    "known_accounts WHERE name_key <> '' ORDER BY name_key, biller_type, account_number",
)

COLD = "the server was started anew, and its files were dropped from the operating system's cache (posix_fadvise)"


def settings_of_a_run(data_dir: Path) -> dict[str, str]:
    """Of the console that is measured: a sandbox's, without what would change rows meanwhile."""
    return {
        "BILLERS_DATA_DIR": str(data_dir),
        "BILLERS_SANDBOX": "true",
        "BILLERS_DEMO_TRANSACTIONS": "0",
        "BILLERS_SECURE_COOKIES": "false",
        "BILLERS_LOG_LEVEL": "WARNING",
    }


def prepare(rows: int) -> dict[str, float | str]:
    """Migrates, seeds, and loads the transactions unless they are there. Answers how long the load took."""
    _billers("migrate")
    _billers("seed")
    began = time.monotonic()
    said = _billers("seed", "--demo", str(rows))
    # As a worker does each second.
    rollups.fold()
    return {"seconds": round(time.monotonic() - began, 1), "said": said.strip().splitlines()[-1]}


def _billers(*words: str) -> str:
    told = []
    with subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-m", "core.cli", *words], cwd=CHECKOUT, env=child_environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as ran:
        for line in ran.stdout or ():
            print(f"  {line}", end="", flush=True)
            told.append(line)
    if ran.returncode:
        raise SystemExit(f"`billers {' '.join(words)}` ended with {ran.returncode}.")
    return "".join(told)


class Stage:
    """The server of one database, as long as this process is attached to it."""

    def __init__(self) -> None:
        self.server = EmbeddedPostgres(settings().billers_data_dir, settings().socket_dir)
        self.coldness = COLD

    @contextmanager
    def running(self) -> Iterator["Stage"]:
        with self.server:
            yield self

    def warm(self) -> None:
        """As on a machine that has run for a day: reads the database's files once, and has the server go along what lists are read by. Where they do not fit,
        the last ones stay."""
        for path in self._files():
            with path.open("rb", buffering=0) as file:
                while file.read(2**20):
                    pass
        with engine().connect() as connection:
            connection.execute(text("SET LOCAL statement_timeout = 0; SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off"))
            for rows in GONE_ALONG:
                connection.execute(text(f"SELECT count(*) FROM (SELECT 1 FROM {rows} OFFSET 0) AS one"))  # noqa: S608 - constants of this module

    def cool(self) -> bool:
        """Stops the server, drops its files from the operating system's cache, and starts it. False where others are attached."""
        engine().dispose()
        self.server.detach()
        is_ours = self.server.pid is None
        if is_ours:
            # Nor does the server know what it held.
            (self.server.cluster / "autoprewarm.blocks").unlink(missing_ok=True)
            for path in self._files():
                _drop(path)
        else:
            self.coldness = SHARED
        self.server.attach()
        return is_ours

    def _files(self) -> Iterator[Path]:
        return (path for path in self.server.cluster.rglob("*") if path.is_file())


def _drop(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(handle)
