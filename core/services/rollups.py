"""Keeping the sums beside the rows: each second what was written is taken in, each hour they are compared with the rows, and whatever differs is made anew."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from core import db
from core.repositories.rollups import Difference, Rollups
from core.repositories.statistics import Statistics

log = structlog.get_logger(__name__)

# Nearly everything that moves was submitted lately; the whole is compared on demand.
LATELY = timedelta(days=1)

# Of what differs so much is written down: the rest is of the same kind.
NAMED = 5


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a comparison: no difference, or which sums were not what the rows come to before they were made anew."""

    differences: Sequence[Difference]

    @property
    def ok(self) -> bool:
        return not self.differences

    @property
    def sentence(self) -> str:
        if self.ok:
            return "The sums are what the transactions come to."
        sums = "1 sum was" if len(self.differences) == 1 else f"{len(self.differences):,} sums were"
        return f"{sums} not what the transactions come to. They were made anew from the transactions, so that figures are right again."


def fold() -> int:
    """Takes in what was written since the last time. Answers how much."""
    with db.unit_of_work() as session:
        return Rollups(session).fold()


def rebuild() -> int:
    """Makes the sums anew from the rows, whatever runs beside it. Answers of how many."""
    with db.unit_of_work() as session:
        return Rollups(session).rebuild()


def verify_lately() -> Verdict:
    """Compares what was submitted yesterday and today."""
    return _verify(LATELY)


def verify() -> Verdict:
    """Compares all there is: of ten million transactions it takes about a minute."""
    return _verify(None)


def _verify(age: timedelta | None) -> Verdict:
    with db.snapshot() as session:
        if not Rollups(session).state().may_be_read:
            return Verdict(())
        found = Rollups(session).differences(Statistics(session).now() - age if age else None)
    with db.unit_of_work() as session:
        Rollups(session).note_verified(len(found))
        if found:
            told = [f"{one.table} {' '.join(map(str, one.cell))}: {', '.join(map(str, one.by))}" for one in found[:NAMED]]
            log.error("rollups.differ", count=len(found), sums=told)
            Rollups(session).rebuild()
    return Verdict(found)
