"""What the campaign is played in: which billers are paid how often, in which topology and in which way, and the accounts that are accidents by themselves."""

import random
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import URL

from core.access import Actor
from core.services import balances, drafts
from core.settings import settings
from core.states import Topology
from tests.campaign.evidence import BANK
from tests.matrix.town import BWB, LWB, MASM, PREPAID, REGISTRAR, SRWB, TNM, Town
from tests.world import connect, drop_database

# A twentieth: 10 s of the design's schedule are half a second here. Printed in the table.
TIME_FACTOR = "0.05"

# Effects come at most 3 s (a claim's longest way to the wire) + 1.3 s (act_late) + 0.5 s (the inquiry's lag) after the intent: well within the quiet
# window of (100 s + 60 s) × 0.05 + 1 s = 9 s.
PROMISES: Mapping[str, Any] = {"timeout_ms": 1_000, "max_processing_seconds": 100, "concurrency": 32}
LATE_SECONDS = 1.3
LAG_SECONDS = 0.5

# The bank promises the same of core banking.
BANK_SETTINGS: Mapping[str, str] = {
    "T24_API_KEY": "sandbox-t24-key",
    "T24_TIMEOUT_MS": "1000",
    "T24_CONCURRENCY": "32",
    "T24_INQUIRY_CERTIFIED": "true",
    "T24_MAX_PROCESSING_SECONDS": "100",
}

# 60 min × 0.05 = 3 min. Of accounts that never pay: a few rounds of asking and sending, and then the end of their time (5 min × 0.05 = 15 s).
EXPIRY_MINUTES = 60
SHORT_EXPIRY_MINUTES = 5

SUSPENSE = "MWK1280600000001"


@dataclass(frozen=True)
class Way:
    """One biller, and how it is paid here. `share` is out of two hundred payments."""

    biller: str
    share: int
    topology: Topology = Topology.NONE
    dialect: str = "soap"
    # Whether the operator looks the account up first, with a call of its own.
    looks: bool = False
    certified: bool = True
    # What a payment is called on the wire.
    operation: str = "PostTransaction"


# Topologies are this column and nothing else. TNM cannot be asked, so that each of its payments in doubt is for people: few enough of them are made.
WAYS: Sequence[Way] = (
    Way(LWB, 28, looks=True),
    Way(SRWB, 60, Topology.SEPARATE),
    Way(BWB, 50, dialect="esb", operation="post-payment"),
    Way(MASM, 36, Topology.COMPOSITE, dialect="esb", operation="post-payment"),
    Way(PREPAID, 14, Topology.SEPARATE, operation="ConfirmInvoice"),
    Way(REGISTRAR, 11, dialect="esb", operation="post-payment"),
    Way(TNM, 1, dialect="erecharge", certified=False, operation="recharge"),
)
BY_BILLER: Mapping[str, Way] = {way.biller: way for way in WAYS}

# Accounts whose behaviour is an accident of its own. Left out: those that cannot be looked up, so that no payment comes of them, and
# `accepted_forever`, which by design waits 24 h for two people.
BEHAVING = (
    *("100001", "10010002", "1001000004", "100100000006", "10020003", "10020004", "10020005", "10030001", "10030002", "10030003"),
    *("10040001", "10040002", "10040003", "10040004", "10040005", "10050001", "10050003"),
)
BEHAVING_AT = SRWB

# The same at the bank. Left out: `held`, which waits 24 h for two people, and `keeps`, which is never given back.
DEBITED_BADLY = (
    *("2020000002", "2020000003", "2020000004", "2020000005", "2020000006", "2020000007", "2030000002"),
    *("2040000001", "2040000002", "2040000003", "2040000005", "2040000006", "2040000007", "2040000008"),
)


@dataclass(frozen=True)
class Job:
    """One payment that somebody is to make. `drafted` where its review was shown before."""

    number: int
    biller: str
    account: str
    amount: str
    debit_account: str
    drafted: str = ""


@lru_cache(maxsize=1)
def _round(seed: int) -> Sequence[Way]:
    """Two hundred payments in an order that the seed decides: each biller's share is exact in every two hundred."""
    ways = [way for way in WAYS for _ in range(way.share)]
    random.Random(seed).shuffle(ways)
    return ways


def job_of(number: int, seed: int) -> Job:
    """The same number has the same account and amount in every run of a seed, and no account is another job's."""
    way, chance = _round(seed)[number % len(_round(seed))], random.Random(f"{seed}/{number}")
    amount = f"{chance.randrange(50_000, 2_000_000) / 100:.2f}"
    return Job(number, way.biller, _account(way.biller, number), amount, f"29{number:08d}")


def _account(biller: str, number: int) -> str:
    if biller == TNM:
        return f"0882{number:06d}"
    if biller == PREPAID:
        stem = f"37{number:08d}"
        return next(f"{stem}{digit}" for digit in range(10) if _is_meter(f"{stem}{digit}"))
    # The Registrar's fee follows from the last digit: one that is within its limits without a second person.
    return f"7{number:06d}1" if biller == REGISTRAR else f"7{number:07d}"


def _is_meter(number: str) -> bool:
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(number))]
    return sum(value // 10 + value % 10 for value in doubled) % 10 == 0


def debit(actor: Actor, job: Job, draft_id: uuid.UUID) -> None:
    """The wizard's step about the customer's account at the bank, where the biller is paid from one: its balance is asked for."""
    if BY_BILLER[job.biller].topology is Topology.NONE:
        return
    account = balances.ask(actor, job.debit_account)
    while account.told == "refused":
        account = balances.ask(actor, job.debit_account)
    drafts.charge(actor, draft_id, account, "review")


class City(Town):
    """The town, with core banking, and every biller open in the way that it is paid here."""

    def enter(self, patch: pytest.MonkeyPatch) -> None:
        super().enter(patch)
        for name, value in {**BANK_SETTINGS, "BILLERS_LOG_LEVEL": "WARNING"}.items():
            patch.setenv(name, value)
        if self.sandbox.port:
            patch.setenv("T24_API_URL", f"http://127.0.0.1:{self.sandbox.port}/{BANK.lower()}")
        settings.cache_clear()

    def open_ways(self, expires_after_minutes: int = EXPIRY_MINUTES) -> None:
        for way in WAYS:
            self.open(
                way.biller,
                **PROMISES,
                dialect=way.dialect,
                inquiry_certified=way.certified,
                topology=way.topology.value,
                credit_account=None if way.topology is Topology.NONE else SUSPENSE,
                features={} if way.looks else {"lookup": False},
                expires_after_minutes=expires_after_minutes,
            )


@contextmanager
def new_city(server: URL, template: URL, directory: Path, patch: pytest.MonkeyPatch) -> Iterator[City]:
    """A city in a database of its own, until the block ends."""
    name = f"city_{uuid.uuid4().hex[:12]}"
    with connect(server) as connection:
        # FILE_COPY, which ends with a checkpoint: a sequence that was copied with its log count would go back in a crash, and only there.
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template.database}" STRATEGY FILE_COPY')
    city = City(server.set(database=name), directory, TIME_FACTOR)
    city.enter(patch)
    try:
        city.begin()
        # Now that it is known where core banking lives.
        city.enter(patch)
        yield city
    finally:
        city.enter(patch)
        city.end()
        drop_database(server, city.url)
