"""How large the day is, and what goes wrong on purpose with which of its payments."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.campaign.city import BEHAVING, BEHAVING_AT, BY_BILLER, DEBITED_BADLY, Job, job_of
from tests.matrix.town import ASKING, BWB, LWB, MASM, PAYING, SRWB, TNM

# Where the fixtures find them that a day by hand was ordered with: the plan, and where pictures, statements and sheets are kept.
PLAN = pytest.StashKey["Plan"]()
KEPT_IN = pytest.StashKey[Path]()

# Above every biller's own limit, and below what an account of the sandbox takes.
ABOVE_THE_LIMIT = "750000.00"

# Far behind the quiet window of 9 s, and behind the payment's own end: 5 min × 0.05 = 15 s.
LATE_SECONDS = 40.0

EVERY_TIME = 1_000_000

# On a small day only these offices make mistakes: each costs people minutes.
CARELESS = (LWB, BWB)


@dataclass(frozen=True)
class Plan:
    payments: int = 150
    seed: int = 20_261_126
    # Share of calls that meet a fault.
    rate: float = 0.15
    # Payments a second.
    pace: float = 10.0
    # While this share of the payments was made the mail server was away.
    mail_away: tuple[float, float] = (0.2, 0.6)
    worker_dies_at: float = 0.5

    @property
    def is_large(self) -> bool:
        return self.payments >= 1_000

    @property
    def of_a_kind(self) -> int:
        """How many payments meet each thing that people have to work through."""
        return 4 if self.is_large else 1

    def mistakes_at(self, biller: str) -> int:
        """How many of each kind its office makes in its statement."""
        if self.is_large:
            return 3
        return 1 if biller in CARELESS else 0


@dataclass(frozen=True, slots=True)
class Order:
    """A fault for the calls about one account."""

    biller: str
    operation: str
    account: str
    fault: str
    count: int = 1
    seconds: float | None = None

    def as_json(self) -> Mapping[str, Any]:
        return {name: value for name, value in asdict(self).items() if value is not None}  # type: ignore[call-overload]


@dataclass(frozen=True)
class Troubles:
    """What is different about some of the jobs, by number; what is ordered for their accounts; and whose review is shown before, for a short life."""

    changed: Mapping[int, Mapping[str, str]]
    orders: Sequence[Order]
    short_lived: frozenset[int]
    # How many of each there are.
    counts: Mapping[str, int]
    # These stay in doubt until people settle them from the statement.
    confused: frozenset[str]

    @property
    def accounts(self) -> frozenset[str]:
        return frozenset(change["account"] for change in self.changed.values() if "account" in change) | {order.account for order in self.orders}


@dataclass
class _Making:
    plan: Plan
    free: list[Job]
    changed: dict[int, dict[str, str]] = field(default_factory=dict)
    orders: list[Order] = field(default_factory=list)
    short_lived: set[int] = field(default_factory=set)
    counts: dict[str, int] = field(default_factory=dict)
    confused: set[str] = field(default_factory=set)

    def take(self, biller: str, what: str) -> Job:
        """A job at this biller that nothing is different about yet."""
        found = next(job for job in self.free if job.biller == biller)
        self.free.remove(found)
        self.counts[what] = self.counts.get(what, 0) + 1
        return found

    def order(self, job: Job, fault: str, operation: str | None = None, count: int = 1, seconds: float | None = None) -> None:
        self.orders.append(Order(job.biller, operation or PAYING[job.biller], job.account, fault, count, seconds))


def troubles(plan: Plan) -> Troubles:
    """The same plan has the same troubles in every run."""
    jobs = [job_of(number, plan.seed) for number in range(plan.payments)]
    # In the first three quarters, so that the longest of them is over with the rest.
    free = jobs[: plan.payments * 3 // 4]
    random.Random(plan.seed).shuffle(free)
    making = _Making(plan, free)
    for _ in range(plan.of_a_kind):
        _some(making)
    few = slice(None) if plan.is_large else slice(None, None, 4)
    for account in BEHAVING[few]:
        job = making.take(BEHAVING_AT, "accounts that are refused or behave oddly")
        making.changed[job.number] = {"account": account}
        making.short_lived.add(job.number)
    for account in DEBITED_BADLY[few]:
        job = making.take(SRWB, "customers' accounts that cannot be debited")
        making.changed[job.number] = {"debit_account": account}
        making.short_lived.add(job.number)
    return Troubles(making.changed, making.orders, frozenset(making.short_lived), making.counts, frozenset(making.confused))


def _some(making: _Making) -> None:
    """One of each."""
    for biller in (SRWB, BWB, MASM):
        job = making.take(biller, "answers about somebody else, again and again")
        for operation in (PAYING[biller], ASKING[biller]):
            making.order(job, "wrong_reference", operation, EVERY_TIME)
        making.confused.add(job.account)
    # A biller that cannot be asked: in doubt is at once under review.
    for fault in ("act_then_close", "500_without_acting"):
        job = making.take(SRWB, f"{fault} where nobody can be asked")
        account = f"0883{job.number:06d}"
        making.changed[job.number] = {"biller": TNM, "account": account}
        making.orders.append(Order(TNM, PAYING[TNM], account, fault))
    job = making.take(BWB, "paid by the biller after it had failed")
    making.short_lived.add(job.number)
    making.changed[job.number] = {"account": job.account}
    making.order(job, "act_late", seconds=LATE_SECONDS)
    making.order(job, "500_without_acting", count=EVERY_TIME)
    for biller in (LWB, SRWB):
        job = making.take(biller, "above the limit of one person")
        making.changed[job.number] = {"amount": ABOVE_THE_LIMIT}
    for biller in (BWB, LWB):
        job = making.take(biller, "told with another amount")
        making.order(job, "wrong_amount")
    assert all(BY_BILLER[order.biller].certified or order.biller == TNM for order in making.orders)
