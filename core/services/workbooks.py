"""CSV in, a workbook out. It knows where the work is done: in a program of its own, for a million rows would hold up every page of this one for a minute."""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Iterable, Sequence
from pathlib import Path

from core.errors import BillersError
from core.settings import CHECKOUT

# How often it is asked whether the workbook is still wanted, while the program puts it together.
LOOK_SECONDS = 0.2

READ_BYTES = 256 * 1024

PROGRAM = "core.documents.workbook"


class NotWritten(BillersError):
    """The workbook could not be written: the disk of this machine may be full. Take the rows as CSV, and tell an administrator."""


def made_of(blocks: Iterable[bytes], kinds: Sequence[str], go_on: Callable[[], None]) -> Generator[bytes, None, None]:
    """The workbook's bytes, once all rows are in it; its file is gone when they are read, or left. `go_on` raises to end it. Raises `NotWritten`."""
    with tempfile.TemporaryDirectory(prefix="billers-workbook-", ignore_cleanup_errors=True) as directory:
        target = Path(directory) / "workbook.xlsx"
        _write(blocks, target, kinds, go_on)
        with target.open("rb") as file:
            while block := file.read(READ_BYTES):
                go_on()
                yield block


def _write(blocks: Iterable[bytes], target: Path, kinds: Sequence[str], go_on: Callable[[], None]) -> None:
    program = subprocess.Popen([sys.executable, "-m", PROGRAM, str(target), *kinds], cwd=CHECKOUT, stdin=subprocess.PIPE)  # noqa: S603
    try:
        if program.stdin is None:
            raise NotWritten
        try:
            with program.stdin as rows:
                for block in blocks:
                    rows.write(block)
        except OSError as error:
            # It ended before its rows did.
            raise NotWritten from error
        while not _has_ended(program):
            go_on()
        if program.returncode:
            raise NotWritten
    finally:
        program.kill()
        program.wait()


def _has_ended(program: "subprocess.Popen[bytes]") -> bool:
    try:
        program.wait(LOOK_SECONDS)
    except subprocess.TimeoutExpired:
        return False
    return True
