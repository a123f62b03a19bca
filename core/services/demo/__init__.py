"""A year of business that never was, to try lists, charts and exports on. Marked as demonstration, settled from the start, and never moved."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from random import Random
from zoneinfo import ZoneInfo

from core import clock
from core.access import SYSTEM
from core.db import unit_of_work
from core.errors import Misconfigured
from core.models.snapshot import Snapshot
from core.repositories.billers import Billers
from core.repositories.demo import TABLES, Batch, Demo, Row, TransactionRow, line_of, settle
from core.repositories.rollups import Rollups
from core.security import audit, vault
from core.services import core_banking, rollups
from core.services.audit import seal_all
from core.services.billers import test_accounts, verbs_of
from core.services.demo import world
from core.services.demo.days import DAYS
from core.services.demo.scribe import Scribe
from core.services.demo.stories import Market, Person, Storyteller, Tale
from core.settings import settings

SEED = 20_251_123

# Months that a year can touch.
MONTHS = DAYS // 28 + 2

# Up to so many, each has its whole story: movements, attempts, answers, events. Of more, one in a hundred has, and all that was said with it.
ALL_TOLD = 100_000
ONE_IN = 100

# Stories written at once: enough for one COPY to be worth it, few enough for any number of them to fit in memory.
TALES_AT_ONCE = 5_000

# Who serves how much: the first operator most, and the managers when the queue is long.
SHARES = (6.0, 2.0, 1.5)

# On disk, indexes included: a transaction, a whole story beside it, and the log that the server writes ahead until the next checkpoint. Measured.
BYTES_OF_A_ROW = 1_150
BYTES_OF_A_STORY = 4_000
BYTES_OF_THE_LOG = 5 * 10**9
LOG_BYTES_OF_A_ROW = 3_000

# Whoever waits wants to hear something now and then.
TELL_EVERY_SECONDS = 10.0


def load(count: int, *, more: bool = False, tell: Callable[[str], None] | None = None) -> list[str]:
    """Writes `count` transactions over the last year, unless some are there (`more`: beside those). Answers what it did, in lines.

    `tell` hears beforehand how much room it takes, and how far it is. In sandbox mode only: what is written cannot be taken away again. Raises
    `Misconfigured`, where the disk is too small as well.
    """
    if not settings().billers_sandbox:
        raise Misconfigured(
            "Demonstration data cannot be taken away again, so it is for sandbox mode only. Set BILLERS_SANDBOX=true if this database is a sandbox."
        )
    told = _Teller(count, tell or (lambda line: None))
    with unit_of_work() as session:
        there = Demo(session).count()
    if there and not more:
        return [_is_there(there)]
    told.tell(size(count))
    began = clock.monotonic_seconds()
    with unit_of_work() as session:
        now = Demo(session).now()
        Demo(session).make_months(now - timedelta(days=DAYS), MONTHS)
    with unit_of_work() as session:
        demo = Demo(session)
        demo.hold()
        there = demo.count()
        if there and not more:
            return [_is_there(there)]
        # A number of its own for each load, so that the next one does not tell the same stories.
        random = Random(SEED + there)  # noqa: S311 - stories, not secrets
        aside = demo.make_room() if count > ALL_TOLD else None
        written = _write(demo, _storyteller(demo, Billers(session), random, now, count).tell(count), _scribe(demo, random, count), told)
        if aside is not None:
            _put_back(demo, aside, told)
        demo.analyze()
        told.tell("The sums beside the rows follow.")
        Rollups(session).rebuild()
        audit.record(session, SYSTEM, "demo.loaded", "transactions", "demo", transactions=count, days=DAYS, seed=SEED + there)
    loaded = clock.monotonic_seconds()
    told.tell(f"{written:,} rows are in. The audit chain and the database's own books follow.")
    sealed = seal_all()
    # Or every reader would look through the load's own events, until a worker has.
    rollups.fold()
    settle()
    took, after = loaded - began, clock.monotonic_seconds() - loaded
    rows = f"{written:,} rows in {took:.1f} s; {sealed:,} sealed and vacuumed in {after:.1f} s"
    return [f"Demonstration data: {count:,} transactions over {DAYS} days, {rows}."]


def size(count: int) -> str:
    """What `count` of them take on disk, as a sentence. Raises `Misconfigured` where the embedded database's disk has less."""
    kept = bytes_of(count)
    needed = kept + min(BYTES_OF_THE_LOG, count * LOG_BYTES_OF_A_ROW)
    takes = f"{count:,} demonstration transactions take about {_gigabytes(kept)} on disk"
    if not settings().embedded:
        return f"{takes} of the database's server; its free space cannot be seen from here."
    free = shutil.disk_usage(settings().billers_data_dir).free
    if free < needed:
        raise Misconfigured(f"{takes}, {_gigabytes(needed)} while they are loaded, and {_gigabytes(free)} are free. Free some, or load fewer.")
    return f"{takes}; {_gigabytes(free)} are free."


def bytes_of(count: int) -> int:
    """What `count` of them come to on disk, their indexes and stories included."""
    return count * BYTES_OF_A_ROW + count // _one_told_in(count) * BYTES_OF_A_STORY


def _gigabytes(count: int) -> str:
    return f"{count / 10**9:,.1f} GB" if count >= 10**8 else f"{count / 10**6:,.1f} MB"


def _is_there(count: int) -> str:
    return f"Demonstration data is there: {count:,} transactions."


@dataclass
class _Teller:
    """Says now and then how far a load of `count` is."""

    count: int
    tell: Callable[[str], None]
    began: float = field(default_factory=clock.monotonic_seconds)
    last: float = field(default_factory=clock.monotonic_seconds)
    done: int = 0

    def went_on(self, rows: int) -> None:
        self.done += rows
        rate = self.done / max(clock.monotonic_seconds() - self.began, 0.001)
        left = _span((self.count - self.done) / rate)
        self.tell_now_and_then(f"{self.done:,} of {self.count:,} ({100 * self.done // self.count} %), {rate:,.0f} a second; {left} to go.")

    def tell_now_and_then(self, line: str) -> None:
        now = clock.monotonic_seconds()
        if now - self.last >= TELL_EVERY_SECONDS:
            self.last = now
            self.tell(line)


def _span(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds > 90 else f"{seconds:.0f} s"


def _storyteller(demo: Demo, billers: Billers, random: Random, now: datetime, count: int) -> Storyteller:
    payers = [Person(person_id, name, share) for (person_id, name, _), share in zip(demo.sandbox_people("transactions:pay"), SHARES, strict=False)]
    markets = _markets(billers, count)
    if not payers or not markets:
        raise Misconfigured("There are no sandbox people or no billers yet. Run `billers seed` in sandbox mode first.")
    return Storyteller(random, markets, payers, now, ZoneInfo(settings().billers_timezone))


def _scribe(demo: Demo, random: Random, count: int) -> Scribe:
    managers = [Person(person_id, name, 1.0) for person_id, name, role in demo.sandbox_people("transactions:cancel") if role == "manager"]
    every = _one_told_in(count)
    return Scribe(random, managers, vault.ensure_ring(), every, payloads=min(1.0, world.WITH_PAYLOAD * every))


def _one_told_in(count: int) -> int:
    return 1 if count <= ALL_TOLD else ONE_IN


def _markets(billers: Billers, count: int) -> Sequence[Market]:
    """The billers that are there and have a business in the tables."""
    taken = _test_accounts()
    council = min(world.COUNCIL_ROWS, count * world.COUNCIL_SHARE) / count if count > ALL_TOLD else 0.0
    markets = []
    for config in billers.active():
        trade = world.TRADES.get(config.biller_type)
        if trade is not None:
            snapshot = Snapshot.of(config)
            known = world.Crowd(trade.number, count * trade.share, taken)
            often = council / trade.share if config.biller_type == world.COUNCIL_OF else 0.0
            markets.append(Market(config.id, config.version, snapshot, verbs_of(config.biller_type, snapshot), trade, known, often))
    return markets


def _put_back(demo: Demo, aside: Sequence[str], told: _Teller) -> None:
    told.tell("All rows are written. The accounts and the indexes follow.")
    demo.gather_accounts()
    for number, definition in enumerate(aside, start=1):
        demo.make_index(definition)
        told.tell_now_and_then(f"{number} of {len(aside)} indexes are made.")


def _test_accounts() -> frozenset[str]:
    """Numbers that choose what happens in the sandbox: nothing of the demonstration may stand in their way."""
    return frozenset(one.number for one in test_accounts() if one.biller != core_banking.CODE)


def _write(demo: Demo, tales: Iterator[Tale], scribe: Scribe, told: _Teller) -> int:
    """While the database takes one batch in, the next is told: each would otherwise wait for the other half of the time."""
    written = 0
    with ThreadPoolExecutor(1, thread_name_prefix="storyteller") as ahead:
        coming = ahead.submit(_batch, tales, scribe)
        while batch := coming.result():
            coming = ahead.submit(_batch, tales, scribe)
            for rows in batch:
                demo.write(rows)
                written += len(rows.lines)
            told.went_on(len(batch[0].lines))
    return written


def _batch(tales: Iterator[Tale], scribe: Scribe) -> Sequence[Batch]:
    """The rows of some stories, table by table, transactions first; nothing where none is left."""
    by_table: dict[type[Row], list[str]] = {kind: [] for kind in TABLES}
    transactions = by_table[TransactionRow]
    for tale in islice(tales, TALES_AT_ONCE):
        if scribe.is_told_whole():
            for row in scribe.rows(tale):
                by_table[type(row)].append(line_of(row))
        else:
            transactions.append(scribe.line(tale))
    return [Batch(kind, lines) for kind, lines in by_table.items() if lines]
