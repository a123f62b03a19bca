"""One run: commits alone, the raw design, then the workers, each on the same database and against the same biller. Prints a page; writes JSON beside."""

# ruff: noqa: TID251 - it sets the environment of a console of its own before any setting is read.

import argparse
import json
import os
import shutil
import socket
import tempfile
import time
from pathlib import Path
from typing import Any

BILLER_MS = 300
FIRST = 700_000_000
RAW_FIRST = 900_000_000
POLL_SECONDS = 1.0
# How long after the last payment was due the run waits for what is left.
GRACE_SECONDS = 30.0


def main() -> int:
    told = argparse.ArgumentParser(prog="bench", description="Payments a second, and what bounds it.")
    told.add_argument("--seconds", type=int, default=60)
    told.add_argument("--rate", type=float, default=500, help="payments due a second; 0: all of them at once")
    told.add_argument("--count", type=int, default=30_000, help="with --rate 0: how many")
    told.add_argument("--workers", type=int, default=2)
    told.add_argument("--concurrency", type=int, default=400, help="calls at once, per worker")
    told.add_argument("--raw-count", type=int, default=20_000, help="payments of the raw design; 0 leaves it out")
    told.add_argument("--commit-seconds", type=int, default=5)
    told.add_argument("--data-dir", type=Path, default=None, help="kept, instead of one in /var/tmp that is removed")
    told.add_argument("--result", type=Path, default=None, help="where the figures go as JSON")
    asked = told.parse_args()
    data_dir = asked.data_dir or Path(tempfile.mkdtemp(prefix="billers-bench-", dir="/var/tmp"))
    # As root, the server runs as somebody else, who has to pass through here.
    data_dir.mkdir(parents=True, exist_ok=True)
    data_dir.chmod(0o711)
    for name in [name for name in os.environ if name.startswith(("BILLERS_", "T24_")) or name == "DATABASE_URL"]:
        del os.environ[name]
    try:
        result = _run(asked, data_dir)
    finally:
        if asked.data_dir is None:
            shutil.rmtree(data_dir, ignore_errors=True)
    from bench.report import text_of

    print(text_of(result))
    if asked.result is not None:
        asked.result.write_text(json.dumps(result, indent=2) + "\n")
    return 1 if result["console"]["faults"] else 0


def _run(asked: argparse.Namespace, data_dir: Path) -> dict[str, Any]:
    # After the environment is this run's own.
    from bench import stage

    os.environ.update(stage.settings_of_a_run(data_dir))
    from bench import commits, report
    from bench.processes import machine
    from core.launch.embedded import EmbeddedPostgres
    from core.settings import settings

    with EmbeddedPostgres(data_dir, settings().socket_dir) as server:
        port = _free_port()
        stage.prepare(port, asked.concurrency)
        with stage.connect() as connection:
            connection.execute(commits.TABLE)
            durable = commits.measured(data_dir, asked.commit_seconds)
            raw: dict[str, Any] = _raw(asked, data_dir, server, port) if asked.raw_count else {"rate": 0.0, "cpu_ms": {}}
            before = machine()
            console = _console(asked, data_dir, server, port)
            after = machine()
            return {
                "asked": {
                    "seconds": asked.seconds,
                    "rate": asked.rate,
                    "workers": asked.workers,
                    "concurrency": asked.concurrency,
                    "biller_ms": BILLER_MS,
                },
                "cores": os.cpu_count(),
                "console": console,
                "busy_percent": console.pop("busy_percent"),
                "others_percent": console.pop("others_percent"),
                "machine": {name: round(after[name] - before[name], 1) for name in after},
                "beside": {
                    "commits": durable,
                    "raw": raw,
                    "of_raw_percent": round(100 * report.total(raw["cpu_ms"].values()) / max(report.total(console["cpu_ms"].values()), 0.001)),
                },
            }


def _raw(asked: argparse.Namespace, data_dir: Path, server: Any, port: int) -> dict[str, Any]:
    from bench import report, stage
    from bench.processes import Program, cpu_seconds, cpu_seconds_below

    load = stage.load(asked.raw_count, 0, RAW_FIRST)
    biller = _biller(port, data_dir, "raw.ledger").wait_until_ready()
    try:
        _wait_until(load.start)
        used = {"postgres": cpu_seconds_below(server.pid), "biller": cpu_seconds([biller.pid])}
        began = time.monotonic()
        arguments = ("--port", port, "--count", asked.raw_count, "--in-flight", asked.workers * asked.concurrency)
        raw = Program("bench.raw", *arguments, log=data_dir / "raw.log").wait_until_ready()
        own = 0.0
        while raw.is_running:
            own = cpu_seconds([raw.pid]) or own
            time.sleep(0.1)
        seconds = time.monotonic() - began
        used = {
            "python": own,
            "postgres": cpu_seconds_below(server.pid) - used["postgres"],
            "biller": cpu_seconds([biller.pid]) - used["biller"],
        }
    finally:
        biller.stop()
    with stage.connect() as connection:
        wrong = report.faults(connection, load, data_dir / "raw.ledger")
    return {"rate": round(asked.raw_count / seconds, 1), "cpu_ms": report.per_payment(used, asked.raw_count), "faults": wrong}


def _console(asked: argparse.Namespace, data_dir: Path, server: Any, port: int) -> dict[str, Any]:
    from bench import report, stage
    from bench.processes import Program, cpu_seconds, cpu_seconds_below, machine

    count = round(asked.seconds * asked.rate) if asked.rate else asked.count
    load = stage.load(count, asked.rate, FIRST)
    biller = _biller(port, data_dir, "ledger").wait_until_ready()
    workers = [Program("core.worker", log=data_dir / "worker.log") for _ in range(asked.workers)]
    try:
        for worker in workers:
            worker.wait_until_ready()
        _wait_until(load.start)
        pids = [worker.pid for worker in workers]
        used = {"workers": cpu_seconds(pids), "postgres": cpu_seconds_below(server.pid), "biller": cpu_seconds([biller.pid])}
        begun, committed = machine(), stage.commits()
        left = _until_done(load, asked)
        ended, committed = machine(), stage.commits() - committed
        used = {
            "workers": cpu_seconds(pids) - used["workers"],
            "postgres": cpu_seconds_below(server.pid) - used["postgres"],
            "biller": cpu_seconds([biller.pid]) - used["biller"],
        }
    finally:
        for worker in workers:
            worker.stop()
        biller.stop()
    with stage.connect() as connection:
        found = report.timings(connection, load, BILLER_MS / 1000)
        wrong = report.faults(connection, load, data_dir / "ledger")
    had = ended["all"] - begun["all"]
    busy = ended["busy"] - begun["busy"]
    return {
        **found,
        "left": left,
        "commits_per_payment": round(committed / max(found["completed"], 1), 3),
        "cpu_ms": report.per_payment(used, found["completed"]),
        "faults": wrong,
        "busy_percent": round(100 * busy / had),
        "others_percent": round(100 * (busy - sum(used.values())) / had),
    }


def _until_done(load: Any, asked: argparse.Namespace) -> int:
    """Waits until every payment is settled, or for a while after the last was due. Answers how many are not."""
    from bench import stage

    until = time.monotonic() + load.count * load.apart_seconds + (GRACE_SECONDS if asked.rate else 600)
    with stage.connect() as connection:
        while True:
            row = connection.execute("SELECT count(*) FROM (SELECT FROM transactions WHERE next_action_at IS NOT NULL LIMIT 1) AS waiting").fetchone()
            if row == (0,) or time.monotonic() > until:
                break
            time.sleep(POLL_SECONDS)
        rows = connection.execute("SELECT count(*) FROM transactions WHERE next_action_at IS NOT NULL").fetchall()
        return int(rows[0][0])


def _biller(port: int, data_dir: Path, ledger: str) -> Any:
    from bench.processes import Program

    return Program("bench.biller", "--port", port, "--seconds", BILLER_MS / 1000, "--ledger", data_dir / ledger, log=data_dir / "biller.log")


def _wait_until(start: Any) -> None:
    from core import clock

    time.sleep(max(0.0, (start - clock.now()).total_seconds()))


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


if __name__ == "__main__":
    raise SystemExit(main())
