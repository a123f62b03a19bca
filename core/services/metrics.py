"""What monitoring watches, as figures. Everything is read from sums, counters and small indexes: a look costs the same at ten million rows as at ten.

The figures are of the whole installation, whichever web process is asked; only those named `process_…` are of the one that answers.
"""

import os
import resource
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from sqlalchemy.orm import Session

from core import clock, db
from core.access import Actor, needs
from core.documents.exposition import Family, Histogram, Sample, counter, gauge, histogram, written
from core.errors import BillersError
from core.repositories import heaps
from core.repositories.billers import Billers
from core.repositories.filters import TransactionFilter
from core.repositories.gate import Gates
from core.repositories.heaps import Heap, Waiting
from core.repositories.metrics import Metrics
from core.repositories.rollup_questions import Question
from core.repositories.rollup_tables import bucket_ceiling_ms
from core.repositories.rollups import Rollups
from core.repositories.statistics import Figures, Statistics
from core.security.sessions import IDLE
from core.services.statistics import LONG_QUEUED
from core.services.transactions import WORKER_SILENCE

# Who asks with the secret of the settings: a scraper, and nobody's program.
SCRAPER = Actor(id=None, username="monitoring", display_name="Monitoring", role="monitoring", permissions=frozenset({"metrics:read"}))

EVERYTHING = TransactionFilter()

# Upper bounds in seconds: the plan's target is 3, a call's usual deadline 30.
BOUNDS = (0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0)

PAYMENT, LOOKUP = "payment", "lookup"

STARTED_AT = clock.now().timestamp()


@needs("metrics:read")
def tell(actor: Actor, /) -> str:
    """All of it, in Prometheus' text format. A database that is away is a figure, too: `billers_database_up 0`."""
    began = clock.monotonic_seconds()
    try:
        with db.snapshot() as session:
            families = [gauge("billers_database_up", "1 while the database answers.", 1), *_of_database(session)]
    except BillersError:
        families = [gauge("billers_database_up", "1 while the database answers.", 0)]
    took = gauge("billers_scrape_duration_seconds", "How long it took to gather these figures.", clock.monotonic_seconds() - began)
    return written([*families, took, *_of_process()])


def _of_database(session: Session) -> Iterator[Family]:
    statistics, metrics = Statistics(session), Metrics(session)
    now = statistics.now()
    figures = statistics.figures(EVERYTHING)
    billers, open_breakers = sorted(Billers(session).names()), Billers(session).open_breakers()
    yield from _transactions(figures, billers)
    yield _durations(Rollups(session))
    yield from _waiting(heaps.standing(session, LONG_QUEUED), now)
    broken = [Sample(int(code in open_breakers), {"biller": code}) for code in sorted({*billers, *open_breakers})]
    yield gauge("billers_circuit_open", "1 while nothing is sent to this biller because its calls kept failing.", broken)
    yield gauge("billers_workers", "Workers that said within 15 seconds that they are at work.", metrics.workers(WORKER_SILENCE))
    yield gauge("billers_sessions", "Sessions of people that are open.", metrics.open_sessions(IDLE))
    is_closed = int(Gates(session).closed() is not None)
    yield gauge("billers_restore_gate_closed", "1 while nothing is sent because the database came back without what it had confirmed.", is_closed)
    server = metrics.server()
    yield gauge("billers_database_size_bytes", "What the database takes on its disk.", server.bytes)
    connections = [Sample(count, {"state": state}) for state, count in sorted(server.connections.items())]
    yield gauge("billers_database_connections", "Connections to the database, ours and others', by state.", connections)
    yield gauge("billers_database_connections_max", "Connections that the database's server takes at most.", server.most_connections)
    yield gauge("billers_database_clock_offset_seconds", "The database's clock less this machine's.", server.now - clock.now().timestamp())
    yield counter("billers_database_deadlocks_total", "Deadlocks in the database since its counters were reset.", [Sample(server.deadlocks)])
    yield counter("billers_database_rollbacks_total", "Database transactions rolled back since its counters were reset.", [Sample(server.rollbacks)])


def _transactions(figures: Figures, billers: Sequence[str]) -> Iterator[Family]:
    attempted: dict[tuple[str, str], int] = {(code, kind): 0 for code in billers for kind in (PAYMENT, LOOKUP)}
    standing: dict[tuple[str, str, str], int] = defaultdict(int)
    for cell in figures.cells:
        kind = PAYMENT if cell.is_payment else LOOKUP
        attempted[cell.biller, kind] = attempted.get((cell.biller, kind), 0) + cell.count
        standing[cell.biller, kind, cell.status.value] += cell.count
    yield counter(
        "billers_transactions_attempted_total",
        "Payments and look-ups that were asked for.",
        (Sample(count, {"biller": biller, "kind": kind}) for (biller, kind), count in sorted(attempted.items())),
    )
    yield gauge(
        "billers_transactions",
        "The same by what became of them so far. A gauge: a completed payment may be reversed later.",
        (Sample(count, {"biller": biller, "kind": kind, "status": status}) for (biller, kind, status), count in sorted(standing.items())),
    )
    by_biller = sorted(figures.by_biller().items())
    yield gauge(
        "billers_value_paid",
        "What completed payments come to, in the currency's own unit.",
        (Sample(value, {"biller": biller, "currency": currency}) for biller, one in by_biller for currency, value in sorted(one.values.items())),
    )


def _durations(rollups: Rollups) -> Family:
    """Calls that pay. The sums keep answer times in steps of 5 %, so a bound may be that much off; count and sum are exact."""
    found: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
    for biller, bucket, count, total_ms in rollups.call_buckets(Question(EVERYTHING)):
        found[biller].append((bucket, count, total_ms))
    return histogram(
        "billers_call_duration_seconds",
        "How long calls took that pay, from the connection to the whole answer.",
        (_histogram(biller, rows) for biller, rows in sorted(found.items())),
    )


def _histogram(biller: str, rows: Sequence[tuple[int, int, int]]) -> Histogram:
    within: dict[float, int] = dict.fromkeys(BOUNDS, 0)
    for bucket, count, _ in rows:
        bound = next((bound for bound in BOUNDS if bucket_ceiling_ms(bucket) <= bound * 1_000), None)
        if bound is not None:
            within[bound] += count
    return Histogram({"biller": biller}, within, sum(count for _, count, _ in rows), sum(total for *_, total in rows) / 1_000)


def _waiting(waiting: Mapping[Heap, Waiting], now: datetime) -> Iterator[Family]:
    doubt: Mapping[str, Waiting] = {"asked": waiting[Heap.IN_DOUBT], "review": waiting[Heap.UNDER_REVIEW]}
    yield gauge(
        "billers_payments_in_doubt",
        "Payments that were or may have been sent and are not settled: asked about by themselves, or under review by people.",
        (Sample(one.count, {"state": state}) for state, one in doubt.items()),
    )
    yield gauge(
        "billers_payments_in_doubt_oldest_age_seconds",
        "How long ago the oldest of them was asked for; 0 where there is none.",
        (Sample(_age(one, now), {"state": state}) for state, one in doubt.items()),
    )
    queued = waiting[Heap.QUEUED]
    yield gauge("billers_queue_payments", "Payments that wait for a worker; nothing was sent of them yet.", queued.count)
    yield gauge("billers_queue_oldest_age_seconds", "How long ago the oldest of them was asked for; 0 where there is none.", _age(queued, now))
    yield gauge("billers_approvals_waiting", "What one person proposed and another is to decide.", waiting[Heap.PROPOSALS].count)
    yield gauge("billers_breaks_open", "Payments whose end later evidence contradicts, and nobody has seen to it.", waiting[Heap.BREAKS].count)


def _age(waiting: Waiting, now: datetime) -> float:
    return max(0.0, (now - waiting.oldest_at).total_seconds()) if waiting.oldest_at else 0.0


def _of_process() -> Iterator[Family]:
    used = resource.getrusage(resource.RUSAGE_SELF)
    yield gauge("process_start_time_seconds", "When this process began, in seconds since 1970.", STARTED_AT)
    yield counter("process_cpu_seconds_total", "Seconds of the processor that this process has used.", [Sample(used.ru_utime + used.ru_stime)])
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return  # Not every system tells.
    yield gauge("process_resident_memory_bytes", "Memory that this process holds.", pages * os.sysconf("SC_PAGE_SIZE"))
