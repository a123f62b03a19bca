"""A million rows as a file, by the route that a browser asks, beside what `psql` takes for the same rows."""

import time
from collections.abc import Mapping
from contextlib import closing
from datetime import date, timedelta
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode

from bench.rows.pages import Console
from core import clock
from core.access import Actor
from core.launch import account, binaries
from core.security.sessions import cookie_name
from core.services import exports, statistics
from core.services.asked import Asked
from core.settings import DATABASE_NAME, DATABASE_PORT, DATABASE_ROLE, settings

WANTED_ROWS = 1_000_000
TARGET_TIMES, TARGET_MORE_MB = 1.5, 50
TRIES = 5

# So many bytes at once are taken of an answer.
TAKEN_BYTES = 256 * 1024

# What the file has where nobody chose, as it stands in the table.
RAW = (
    "our_transaction_id, created_at, biller_type, biller_name, transaction_type, account_number, account_type, customer_account_name, amount, currency, status,"
    " stage, external_transaction_id, invoice_number, bundle_id, meter_number, debit_account, error_code, error_message, initiated_by, completed_at, retry_of,"
    " demo"
)


def days_with(actor: Actor, rows: int, today: date) -> tuple[Asked, int]:
    """The newest days that together have so many, or all there are."""
    zone = statistics.business_zone()

    def since(days: int) -> Asked:
        return Asked(first_day=today - timedelta(days=days - 1), last_day=today)

    def count(days: int) -> int:
        return statistics.totals(actor, since(days).wanted(zone, actor.id)).rows

    low, high = 1, 366
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if count(middle) >= rows else (middle + 1, high)
    return since(low), count(low)


def measured(console: Console, actor: Actor, token: str, asked: Asked) -> dict[str, Any]:
    """The best of some tries each, in turn: what is slow by chance is nobody's."""
    ours: dict[str, list[float]] = {"spreadsheet": [], "data": []}
    theirs: dict[str, list[float]] = {"in the list's order": [], "in any order": []}
    rows, size, grew = 0, 0, 0.0
    for _ in range(TRIES):
        for profile, taken in ours.items():
            before = console.memory_mb()
            console.forget_peak()
            seconds, rows, size = _export(console, actor, token, {**asked.filter_only.address(), "profile": profile})
            taken.append(seconds)
            grew = max(grew, console.peak_mb() - before)
        for order, taken in theirs.items():
            taken.append(_copy(asked, actor, ordered=order == "in the list's order"))
    best = {name: round(min(taken), 2) for name, taken in (ours | theirs).items()}
    times = round(best["spreadsheet"] / best["in the list's order"], 2)
    return {"rows": rows, "mb": round(size / 2**20, 1), "seconds": best, "times": times, "more_mb": round(grew, 1)}


def _export(console: Console, actor: Actor, token: str, query: Mapping[str, Any]) -> tuple[float, int, int]:
    """Seconds, rows, bytes. The bytes are taken and thrown away, as psql does with its own; rows are counted afterwards, by the file's own account."""
    path = f"/export/transactions.csv?{urlencode(query, doseq=True)}"
    headers = {"Cookie": f"{cookie_name()}={token}", "Sec-Fetch-Site": "same-origin", "Accept-Encoding": "identity"}
    began, size = time.perf_counter(), 0
    with closing(HTTPConnection("127.0.0.1", console.port, timeout=600)) as connection:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        if answer.status != 200:
            raise SystemExit(f"The export answered {answer.status}: {answer.read().decode()[:200]}")
        piece = memoryview(bytearray(TAKEN_BYTES))
        while length := answer.readinto(piece):
            size += length
    seconds = time.perf_counter() - began
    (latest,) = exports.lately(actor, 1)
    if not latest.export.complete or latest.export.size_bytes != size:
        raise SystemExit(f"The file is not whole: {exports.why_not_whole(latest)}, and {size:,} bytes came.")
    return seconds, latest.export.rows, size


def _copy(asked: Asked, actor: Actor, *, ordered: bool) -> float:
    me = account.caller()
    psql = binaries.programs_for(me, settings().billers_data_dir) / "psql"
    wanted = asked.wanted(statistics.business_zone(), actor.id)
    order = " ORDER BY created_at DESC, id DESC" if ordered else ""
    where = f"created_at >= '{(wanted.since or clock.now()).isoformat()}' AND created_at < '{(wanted.until or clock.now()).isoformat()}'"
    query = f"\\copy (SELECT {RAW} FROM transactions WHERE {where}{order}) TO '/dev/null' WITH (FORMAT csv, HEADER)"  # noqa: S608 - constants and moments
    at = ["-h", str(settings().socket_dir), "-p", str(DATABASE_PORT), "-U", DATABASE_ROLE, DATABASE_NAME]
    began = time.perf_counter()
    ran = me.run([psql, "-X", "-q", *at, "-c", query])
    if ran.returncode:
        raise SystemExit(f"psql could not copy the rows: {ran.stdout.decode()}")
    return time.perf_counter() - began
