"""What a run found, as figures and as a page of text."""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import psycopg

from bench.stage import Load

SLICE_SECONDS = 10


def timings(connection: psycopg.Connection, load: Load, biller_seconds: float) -> dict[str, Any]:
    """Own time of each payment: from the moment it was due to its conclusion, without what the biller took."""
    asked = {"first": load.first, "count": load.count, "start": load.start, "apart": load.apart_seconds, "biller": biller_seconds}
    mine = "account_number::bigint BETWEEN %(first)s AND %(first)s + %(count)s - 1"
    own = f"""
        SELECT extract(epoch FROM completed_at - %(start)s) AS after,
            extract(epoch FROM completed_at - %(start)s) - (account_number::bigint - %(first)s) * %(apart)s - %(biller)s AS own
        FROM transactions WHERE {mine} AND stage = 'COMPLETED'"""  # noqa: S608 - constants of this module
    quantiles = connection.execute(
        f"SELECT count(*), percentile_cont(ARRAY[0.5, 0.95, 0.99, 1]) WITHIN GROUP (ORDER BY own), max(after) FROM ({own}) AS timed",  # noqa: S608
        asked,
    ).fetchall()
    ((completed, marks, last),) = quantiles
    slices = connection.execute(
        f"SELECT floor(after / {SLICE_SECONDS})::integer, count(*), percentile_cont(0.99) WITHIN GROUP (ORDER BY own)"  # noqa: S608
        f" FROM ({own}) AS timed GROUP BY 1 ORDER BY 1",
        asked,
    ).fetchall()
    stages = connection.execute(f"SELECT stage, count(*) FROM transactions WHERE {mine} GROUP BY stage", asked).fetchall()  # noqa: S608
    answers = connection.execute(
        f"SELECT coalesce(a.failure, a.code, a.outcome), count(*) FROM answers AS a JOIN transactions AS t ON t.id = a.transaction_id WHERE {mine} GROUP BY 1",  # noqa: S608
        asked,
    ).fetchall()
    return {
        "completed": completed,
        "seconds": round(float(last or 0), 1),
        "rate": round(completed / float(last), 1) if last else 0.0,
        "own_ms": dict(zip(("p50", "p95", "p99", "max"), (round(float(mark) * 1000) for mark in marks or ()), strict=False)),
        "over_time": [
            {"from_second": number * SLICE_SECONDS, "rate": round(count / SLICE_SECONDS, 1), "own_p99_ms": round(float(p99) * 1000)}
            for number, count, p99 in slices
        ],
        "stages": dict(stages),
        "answers": dict(answers),
    }


def faults(connection: psycopg.Connection, load: Load, ledger: Path) -> list[str]:
    """What the biller's own book says against ours. Nothing, if each payment it took is one that is COMPLETED, and it took each once."""
    lines = ledger.read_text(encoding="ascii").splitlines()
    taken = Counter(line.split()[0] for line in lines)
    found = connection.execute(
        "SELECT our_transaction_id, amount::text, stage FROM transactions WHERE account_number::bigint BETWEEN %s AND %s",
        (load.first, load.first + load.count - 1),
    ).fetchall()
    completed = {reference: amount for reference, amount, stage in found if stage == "COMPLETED"}
    ours = {reference for reference, _, _ in found}
    sums = {line for line in lines if line != "odd"}
    wrong = {
        "paid more than once": [reference for reference, count in taken.items() if count > 1 and reference != "odd"],
        "taken by the biller and not COMPLETED": [reference for reference in taken if reference in ours and reference not in completed],
        "COMPLETED and not in the biller's ledger": [reference for reference in completed if reference not in taken],
        "paid with another amount": [reference for reference, amount in completed.items() if reference in taken and f"{reference} {amount}" not in sums],
        "requests the biller did not understand": ["odd"] * taken["odd"],
    }
    return [f"{len(references)} {what}" for what, references in wrong.items() if references]


def text_of(result: Mapping[str, Any]) -> str:
    asked, console, limits = result["asked"], result["console"], result["beside"]
    most = result["cores"] * 1000 / max(total(console["cpu_ms"].values()), 0.001)
    lines = [
        f"{asked['rate'] or 'all at once'} payments/s asked for {asked['seconds']} s, a biller that takes {asked['biller_ms']} ms",
        f"{asked['workers']} workers of {asked['concurrency']} calls; they, the database and the biller share {result['cores']} cores",
        "",
        *(f"  {one['from_second']:>5} s  {one['rate']:>8.1f}/s   own time p99 {one['own_p99_ms']:>7,} ms" for one in console["over_time"]),
        "",
        f"reached         {console['rate']:>8.1f} payments/s, {console['completed']:,} completed in {console['seconds']} s",
        f"own time        p50 {console['own_ms'].get('p50', 0):,} ms, p95 {console['own_ms'].get('p95', 0):,} ms, p99 {console['own_ms'].get('p99', 0):,} ms",
        f"processor time  {_costs(console['cpu_ms'])}",
        f"cores           {result['busy_percent']} % busy over the run, {result['others_percent']} % by others than the bench",
        f"bounded by      the processor: so many cores pay {most:,.0f} a second at most; a payment takes {console['commits_per_payment']} commits",
        f"left over       {console['left']:,}; answers {_list(console['answers'])}",
        f"against ledger  {'; '.join(console['faults']) or 'nothing: each payment once, exactly the COMPLETED ones'}",
        "",
        "beside it, on the same machine:",
        f"  the raw design  {limits['raw']['rate']:>8.1f} payments/s; {_costs(limits['raw']['cpu_ms'])}",
        *(f"  {name:<14}{rate:>10,.1f} commits/s" for name, rate in limits["commits"].items()),
        f"  ours is {limits['of_raw_percent']} % of the raw design by processor time",
    ]
    return "\n".join(lines)


def _costs(costs: Mapping[str, float]) -> str:
    return f"{sum(costs.values()):.2f} ms a payment ({', '.join(f'{who} {ms:.2f}' for who, ms in costs.items())})"


def _list(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items(), key=lambda item: -item[1])) or "none"


def per_payment(seconds: Mapping[str, float], count: int) -> dict[str, float]:
    return {who: round(used * 1000 / max(count, 1), 3) for who, used in seconds.items()}


def total(costs: Iterable[float]) -> float:
    return round(sum(costs), 3)
