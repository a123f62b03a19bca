"""Each page as somebody waits for it: one window alone, then fifty with some five seconds to think, each at an address of its own.

Two things are told of fifty. A rerun of what stands there (a button, a field, a tick), which is what people do all day; and, without a target, what it takes
when each of them asks for something else each time, so that nothing that was counted before is of any use.
"""

import asyncio
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import httpx
import orjson

from bench.rows.questions import percentiles
from bench.rows.samples import Samples, filters, searches
from bench.rows.windows import Query, Window
from core.settings import CHECKOUT, child_environment

TARGET_MS = 150
SESSIONS, THINK_SECONDS = 50, 5.0
ALONE_RUNS = 60
START_SECONDS = 120

Address = Callable[[Random], Query]


@dataclass(frozen=True, slots=True)
class PageSeen:
    """A page, and where in it people go."""

    name: str
    path: str
    address: Address
    # Who opens it.
    roles: tuple[str, ...] = ("manager", "analyst", "operator", "administrator")


def pages(samples: Samples) -> Sequence[PageSeen]:
    """Every page that shows something of the transactions."""
    wanted = list(filters(samples).values())
    sought = list(searches(samples).values())

    def days(random: Random) -> Query:
        last = samples.today - timedelta(days=random.randrange(30))
        return {"range": "custom", "from": (last - timedelta(days=364)).isoformat(), "to": last.isoformat(), "biller": random.choice(samples.rows).biller}

    return (
        PageSeen("Dashboard", "", lambda random: {"range": random.choice(("today", "7d", "30d"))}),
        PageSeen("Transactions, filtered", "transactions", lambda random: random.choice(wanted)(random).address()),
        PageSeen("Transactions, searched", "transactions", lambda random: random.choice(sought)(random).address()),
        PageSeen("Transaction", "transactions", lambda random: {"id": random.choice(samples.rows).reference}),
        PageSeen("Analytics, 365 days", "analytics", days),
        PageSeen("Reports", "reports", lambda random: {"report": "day", "day": samples.day(random).isoformat()}, ("manager", "analyst")),
        PageSeen("My day", "my_day", lambda random: {"day": samples.day(random).isoformat()}, ("manager", "operator")),
        PageSeen("Look up", "lookup", lambda _: {}, ("manager", "operator")),
        PageSeen("Pay", "payment", lambda _: {}, ("manager", "operator")),
        PageSeen("Approvals", "approvals", lambda _: {}, ("manager",)),
    )


# ---- The server


class Console:
    """The web process, as `billers web` starts it, and what it uses."""

    def __init__(self, port: int, pid: int, log: Path) -> None:
        self.port, self.pid, self.highest_mb = port, pid, 0.0
        self._log, self._read = log, log.stat().st_size

    def complaints(self) -> list[str]:
        """What went wrong since the last time, by the console's own log: a page that failed is quick, and no page."""
        with self._log.open(encoding="utf-8") as log:
            log.seek(self._read)
            lines = log.read().splitlines()
            self._read = log.tell()
        found = [orjson.loads(line) for line in lines if line.startswith("{")]
        return [str(one.get("trace") or one["event"]).strip().splitlines()[-1] for one in found if one.get("level") in ("error", "critical")]

    def cpu_ms(self) -> float:
        """Used by the process since it began."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return 1000 * (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_mb(self) -> float:
        return self._status("VmRSS")

    def peak_mb(self) -> float:
        """The most since `forget_peak`."""
        peak = self._status("VmHWM")
        self.highest_mb = max(self.highest_mb, peak)
        return peak

    def forget_peak(self) -> None:
        self.peak_mb()
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def _status(self, name: str) -> float:
        line = next(line for line in Path(f"/proc/{self.pid}/status").read_text().splitlines() if line.startswith(f"{name}:"))
        return int(line.split()[1]) / 1024


@contextmanager
def serving(port: int, log: Path) -> Iterator[Console]:
    command = [sys.executable, "-m", "streamlit", "run", "Home.py", "--server.port", str(port), "--server.address", "127.0.0.1", "--server.headless", "true"]
    with log.open("ab") as said:
        process = subprocess.Popen(command, cwd=CHECKOUT, env=child_environment(), stdout=said, stderr=said)  # noqa: S603 - our own console
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"The console did not start. Its log is {log}.")
            select.select([], [], [], 0.1)
        console = Console(port, process.pid, log)
        yield console
        console.peak_mb()
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=2, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


# ---- What is waited for


def alone(console: Console, token: str, page: PageSeen, random: Random) -> dict[str, Any]:
    """Reruns of one window, each at another address; beside them what one costs the console's process."""

    async def seen() -> dict[str, Any]:
        async with Window(console.port, token, page.path, page.address(random)) as window:
            first = await window.run()
            before = console.cpu_ms()
            taken = [await window.run(page.address(random)) for _ in range(ALONE_RUNS)]
            cpu = (console.cpu_ms() - before) / ALONE_RUNS
            return {**percentiles(taken), "first": round(first, 1), "cpu_ms": round(cpu, 1), "errors": [*window.errors, *console.complaints()]}

    return asyncio.run(seen())


def together(console: Console, tokens: Sequence[str], page: PageSeen, seed: int, seconds: float, *, elsewhere: bool = False) -> dict[str, Any]:
    """Fifty windows, each with dice and an address of its own; `elsewhere`: with another address each time. What they open first is not counted."""

    async def one(number: int, are_open: asyncio.Barrier) -> tuple[list[float], list[str]]:
        random, taken = Random(f"{seed} {number}"), []  # noqa: S311 - filters, not secrets
        await asyncio.sleep(THINK_SECONDS * number / SESSIONS)
        async with Window(console.port, tokens[number % len(tokens)], page.path, page.address(random)) as window:
            await window.run()
            await are_open.wait()
            until = time.monotonic() + THINK_SECONDS + seconds
            # As people do, not all as long: those that came at the same moment once would come together for ever.
            await asyncio.sleep(random.random() * THINK_SECONDS)
            while time.monotonic() < until:
                taken.append(await window.run(page.address(random) if elsewhere else None))
                await asyncio.sleep(random.uniform(0.5, 1.5) * THINK_SECONDS)
            return taken, window.errors

    async def seen() -> dict[str, Any]:
        are_open = asyncio.Barrier(SESSIONS)
        before = console.cpu_ms()
        found = await asyncio.gather(*(one(number, are_open) for number in range(SESSIONS)))
        taken = [one for runs, _ in found for one in runs]
        cpu = (console.cpu_ms() - before) / (len(taken) + SESSIONS)
        return {**percentiles(taken), "cpu_ms": round(cpu, 1), "errors": [*(error for _, errors in found for error in errors), *console.complaints()]}

    return asyncio.run(seen())
