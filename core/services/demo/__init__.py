"""Ninety days of business that never was, to try lists, charts and exports on. Marked as demonstration, settled from the start, and never moved."""

import tomllib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
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
from core.repositories.demo import TABLES, Demo, Row
from core.security import audit, vault
from core.services.audit import seal_all
from core.services.billers import verbs_of
from core.services.demo import world
from core.services.demo.days import DAYS
from core.services.demo.scribe import Scribe
from core.services.demo.stories import Market, Person, Storyteller, Tale
from core.settings import CHECKOUT, settings

SEED = 20_251_123

# Months that ninety days can touch.
MONTHS = DAYS // 28 + 2

# Stories written at once: enough for one COPY to be worth it, few enough for any number of them to fit in memory.
TALES_AT_ONCE = 5_000

# Who serves how much: the first operator most, and the managers when the queue is long.
SHARES = (6.0, 2.0, 1.5)


def load(count: int, *, more: bool = False) -> list[str]:
    """Writes `count` transactions over the last 90 days, unless some are there (`more`: beside those). Answers what it did, in lines.

    In sandbox mode only: what is written cannot be taken away again. Raises `Misconfigured`.
    """
    if not settings().billers_sandbox:
        raise Misconfigured(
            "Demonstration data cannot be taken away again, so it is for sandbox mode only. Set BILLERS_SANDBOX=true if this database is a sandbox."
        )
    began = clock.monotonic_seconds()
    with unit_of_work() as session:
        now = Demo(session).now()
        Demo(session).make_months(now - timedelta(days=DAYS), MONTHS)
    with unit_of_work() as session:
        demo = Demo(session)
        demo.hold()
        there = demo.count()
        if there and not more:
            return [f"Demonstration data is there: {there:,} transactions."]
        # A number of its own for each load, so that the next one does not tell the same stories.
        random = Random(SEED + there)  # noqa: S311 - stories, not secrets
        written = _write(demo, _storyteller(demo, Billers(session), random, now, count).tell(count), _scribe(demo, random))
        demo.analyze()
        audit.record(session, SYSTEM, "demo.loaded", "transactions", "demo", transactions=count, days=DAYS, seed=SEED + there)
    loaded = clock.monotonic_seconds()
    sealed = seal_all()
    took, sealing = loaded - began, clock.monotonic_seconds() - loaded
    return [f"Demonstration data: {count:,} transactions over {DAYS} days, {written:,} rows in {took:.1f} s; {sealed:,} sealed in {sealing:.1f} s."]


def _storyteller(demo: Demo, billers: Billers, random: Random, now: datetime, count: int) -> Storyteller:
    payers = [Person(person_id, name, share) for (person_id, name, _), share in zip(demo.sandbox_people("transactions:pay"), SHARES, strict=False)]
    markets = _markets(billers, count)
    if not payers or not markets:
        raise Misconfigured("There are no sandbox people or no billers yet. Run `billers seed` in sandbox mode first.")
    return Storyteller(random, markets, payers, now, ZoneInfo(settings().billers_timezone))


def _scribe(demo: Demo, random: Random) -> Scribe:
    managers = [Person(person_id, name, 1.0) for person_id, name, role in demo.sandbox_people("transactions:cancel") if role == "manager"]
    return Scribe(random, managers, vault.ensure_ring())


def _markets(billers: Billers, count: int) -> Sequence[Market]:
    """The billers that are there and have a business in the tables."""
    taken = _test_accounts()
    markets = []
    for config in billers.active():
        trade = world.TRADES.get(config.biller_type)
        if trade is not None:
            snapshot = Snapshot.of(config)
            known = world.customers(trade.number, count * trade.share, taken)
            markets.append(Market(config.id, config.version, snapshot, verbs_of(config.biller_type, snapshot), trade, known))
    return markets


def _test_accounts() -> frozenset[str]:
    """Numbers that choose what happens in the sandbox: nothing of the demonstration may stand in their way."""
    told = tomllib.loads((CHECKOUT / "seeds" / "sandbox.toml").read_text(encoding="utf-8"))
    return frozenset(str(row["number"]) for row in told.get("account", []))


def _write(demo: Demo, tales: Iterator[Tale], scribe: Scribe) -> int:
    """While the database takes one batch in, the next is told: each would otherwise wait for the other half of the time."""
    written = 0
    with ThreadPoolExecutor(1, thread_name_prefix="storyteller") as told:
        ahead = told.submit(_batch, tales, scribe)
        while batch := ahead.result():
            ahead = told.submit(_batch, tales, scribe)
            for rows in batch:
                demo.write(rows)
                written += len(rows)
    return written


def _batch(tales: Iterator[Tale], scribe: Scribe) -> Sequence[list[Row]]:
    """The rows of some stories, table by table; nothing where none is left."""
    by_table: dict[type[Row], list[Row]] = {kind: [] for kind in TABLES}
    for tale in islice(tales, TALES_AT_ONCE):
        for row in scribe.rows(tale):
            by_table[type(row)].append(row)
    return [rows for rows in by_table.values() if rows]
