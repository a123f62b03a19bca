"""A biller's statement, imported by a script: what is open on its days afterwards. Working a difference through, and signing, are for people."""

from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import BinaryIO

from core.access import Actor
from core.errors import BadInput
from core.services import reconciliation, statements


@dataclass(frozen=True, slots=True)
class Day:
    """How a day of the biller stands."""

    day: date
    open: int
    signed_off: bool


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What came of a file. `imported_before`: this very file was there already, and nothing was changed."""

    biller: str
    imported_before: bool
    lines: int
    new_lines: int
    matched: int
    passed_over: int
    days: list[Day]

    @property
    def open(self) -> int:
        return sum(one.open for one in self.days)


def reconcile(actor: Actor, biller: str, path: Path) -> Reconciled:
    """Imports the file by the columns that this biller's files were read with before, or by the columns' names.

    Raises `BadInput` for a file that cannot be read, and what an import raises; then nothing was kept.
    """
    with closing(_opened(path)) as file:
        look = statements.look(actor, biller, file)
        done = statements.load(actor, biller, path.name, file, look.columns)
    days = [_standing(actor, biller, day) for day in done.days]
    return Reconciled(biller, look.imported_before, done.lines, done.new_lines, done.matched, done.passed_over, days)


def standing(actor: Actor, biller: str, said: str) -> Day:
    """How one day stands, without a file. Raises `BadInput` for what is no day."""
    try:
        return _standing(actor, biller, date.fromisoformat(said))
    except ValueError:
        raise BadInput("A day is written like 2026-11-24.") from None


def _standing(actor: Actor, biller: str, day: date) -> Day:
    seen = reconciliation.of_day(actor, biller, day)
    return Day(day, seen.figures.open, seen.close is not None)


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise BadInput(f"{path} cannot be read ({error.strerror}). Check its name, and that this user may read it.") from None
