"""One database, measured from its questions to its pages, in a process of its own: what another size left in memory is not in its figures."""

# ruff: noqa: TID251 - it sets the environment of a console of its own before any setting is read.

import argparse
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

PARTS = ("questions", "cold", "pages", "export", "live")


def main() -> int:
    told = argparse.ArgumentParser(prog="bench.rows.measure", description="One size.")
    told.add_argument("--data-dir", type=Path, required=True)
    told.add_argument("--rows", type=int, required=True)
    told.add_argument("--result", type=Path, required=True)
    told.add_argument("--only", nargs="*", choices=PARTS, default=PARTS)
    told.add_argument("--runs", type=int, default=0)
    told.add_argument("--page-seconds", type=float, default=20.0)
    told.add_argument("--chromium", default="")
    told.add_argument("--seed", type=int, default=7)
    asked = told.parse_args()
    asked.data_dir.mkdir(parents=True, exist_ok=True)
    asked.data_dir.chmod(0o711)
    for name in [name for name in os.environ if name.startswith(("BILLERS_", "T24_")) or name == "DATABASE_URL"]:
        del os.environ[name]
    from bench.rows import stage

    os.environ.update(stage.settings_of_a_run(asked.data_dir))
    with stage.Stage().running() as running:
        found = _measured(asked, running)
    asked.result.write_text(json.dumps(found, indent=1) + "\n")
    return 0


def _measured(asked: argparse.Namespace, running: Any) -> dict[str, Any]:
    from bench.rows import samples, stage
    from core import clock
    from core.services.statistics import business_zone

    loaded = stage.prepare(asked.rows)
    running.warm()
    random, zone = Random(asked.seed), business_zone()  # noqa: S311 - filters, not secrets
    seen = samples.look(zone, clock.business_day(clock.now(), zone), random)
    with _peak_below(running.server.pid) as server_peak:
        found: dict[str, Any] = {"loaded": loaded, "database": _database()}
        actor, _ = samples.sign_in()
        if "questions" in asked.only:
            found["questions"] = _questions(asked, actor, seen, random)
        if {"pages", "export", "live"} & set(asked.only):
            found.update(_console(asked, actor, seen, random))
    found.setdefault("memory", {"console_peak_mb": 0.0})["server_peak_mb"] = round(server_peak(), 1)
    if "cold" in asked.only and "questions" in found:
        _cold(found["questions"], actor, seen, asked.seed, running)
        found["coldness"] = running.coldness
    return found


def _questions(asked: argparse.Namespace, actor: Any, seen: Any, random: Random) -> list[dict[str, Any]]:
    from bench.rows import questions

    found = []
    for one in questions.questions(actor, seen):
        taken = questions.asked_of(one, random, runs=asked.runs or questions.RUNS)
        found.append({"group": one.group, "name": one.name, "target_ms": one.target_ms, **taken})
        _say(f"{one.group}: {one.name}: p95 {taken['p95']:.1f} ms")
    return found


def _cold(found: Sequence[dict[str, Any]], actor: Any, seen: Any, seed: int, running: Any) -> None:
    """Each question once more, the first after the server's start; of the orders of a filter the usual one."""
    from bench.rows import questions

    by_name = {(one["group"], one["name"]): one for one in found}
    for one in questions.questions(actor, seen):
        if one.name.endswith(" first") and not one.name.endswith("newest first"):
            continue
        if not running.cool():
            return
        # The connection itself, and what the driver asks on it: nobody's question.
        questions.connect()
        with questions.metered() as meter:
            one.ask(Random(seed))  # noqa: S311 - filters, not secrets
        by_name[one.group, one.name]["cold"] = round(meter.seconds * 1000, 1)


def _console(asked: argparse.Namespace, actor: Any, seen: Any, random: Random) -> dict[str, Any]:
    from bench.rows import changes, files, pages, samples
    from core import clock
    from core.services.seeds import SANDBOX_PEOPLE

    found: dict[str, Any] = {"failed": {}}
    # Who may see everything that is measured.
    roles = [role for _, _, role in SANDBOX_PEOPLE]
    # A session has forty windows at most, and a page that only one of them may open has fifty here.
    tokens = {role: [samples.sign_in(role)[1] for _ in range(2)] for role in roles}
    with pages.serving(_free_port(), asked.data_dir / "console.log") as console:

        def pages_seen() -> list[dict[str, Any]]:
            return [_page(asked, console, tokens, page, random) for page in pages.pages(seen)]

        def export() -> dict[str, Any]:
            days, rows = files.days_with(actor, min(files.WANTED_ROWS, asked.rows * 9 // 10), clock.business_day(clock.now(), seen.zone))
            _say(f"export of {rows:,} rows")
            return {**files.measured(console, actor, tokens["manager"][0], days), "target_times": files.TARGET_TIMES, "target_more_mb": files.TARGET_MORE_MB}

        def news() -> dict[str, Any]:
            return {**changes.measured(console, [first for first, _ in tokens.values()], seen, asked.chromium, asked.seed), "target_ms": changes.TARGET_MS}

        for part, measure in (("pages", pages_seen), ("export", export), ("live", news)):
            if part in asked.only:
                try:
                    found[part] = measure()
                except (Exception, SystemExit) as error:  # noqa: BLE001 - what else was measured in an hour is not lost by it, and the table says so
                    found["failed"][part] = f"{type(error).__name__}: {error}"[:300]
                _say(f"{part} done")
        found["memory"] = {"console_peak_mb": round(console.highest_mb, 1)}
    return found


def _page(asked: argparse.Namespace, console: Any, tokens: Mapping[str, Sequence[str]], page: Any, random: Random) -> dict[str, Any]:
    from bench.rows import pages

    whose = [token for role in page.roles for token in tokens[role]]
    alone = pages.alone(console, whose[0], page, random)
    together = pages.together(console, whose, page, asked.seed, asked.page_seconds)
    elsewhere = pages.together(console, whose, page, asked.seed + 1, asked.page_seconds, elsewhere=True)
    _say(
        f"{page.name}: rerun p95 {alone['p95']:.0f} ms alone, {together['p95']:.0f} ms with {pages.SESSIONS} ({together['cpu_ms']} ms of CPU each),"
        f" {elsewhere['p95']:.0f} ms where each asks for something else each time ({elsewhere['cpu_ms']} ms)"
    )
    return {"name": page.name, "target_ms": pages.TARGET_MS, "alone": alone, "together": together, "elsewhere": elsewhere}


def _database() -> dict[str, int]:
    from sqlalchemy import text

    from core import db

    with db.unit_of_work() as session:
        rows, size = session.execute(text("SELECT (SELECT sum(count) FROM rollup_hours)::bigint, pg_database_size(current_database())")).one()
    return {"rows": int(rows or 0), "bytes": int(size)}


@contextmanager
def _peak_below(pid: int) -> Iterator[Callable[[], float]]:
    """The most memory that a server and its children had together, shared pages counted once, looked at every second."""
    peak, done = [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(1.0):
            peak[0] = max(peak[0], _memory_mb(pid))

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield lambda: peak[0]
    finally:
        done.set()
        watching.join()


def _memory_mb(pid: int) -> float:
    """Proportional set size where the kernel tells it: what several share is counted in parts."""
    total = 0
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            if int(path.name) == pid or parent == pid:
                total += int(next(line for line in (path / "smaps_rollup").read_text().splitlines() if line.startswith("Pss:")).split()[1])
        except (OSError, StopIteration, ValueError):
            continue
    return total / 1024


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


_BEGAN = time.monotonic()


def _say(line: str) -> None:
    print(f"  {time.monotonic() - _BEGAN:6.0f} s  {line}", flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
