"""From a change to the screen: fifty open windows, one of them a real browser, while rows come in as they do when a worker concludes them."""

import asyncio
import statistics
import time
from collections.abc import Sequence
from random import Random
from typing import Any

from playwright.async_api import Page, async_playwright
from sqlalchemy import text

from bench.rows.pages import Console
from bench.rows.samples import Samples, filters
from bench.rows.windows import Window
from core import db
from core.ids import new_id, new_reference
from core.security.sessions import cookie_name
from core.services import live

TARGET_MS = 2_000
WINDOWS, CHANGES = 49, 40
APART_SECONDS = (1.2, 2.5)
PATIENCE_MS = 20_000
BROWSER = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update")

# A look-up of this moment, like one that is there, with its story: in one unit of work all that the worker writes in several.
_MADE = """
    INSERT INTO transactions (id, biller_config_id, config_version, biller_type, biller_name, our_transaction_id, transaction_type, account_number, currency,
        initiated_by, stage, status, next_action_at)
    SELECT :id, biller_config_id, config_version, biller_type, biller_name, :reference, transaction_type, account_number, currency, initiated_by,
        'CREATED', 'PENDING', now()
    FROM transactions WHERE transaction_type = 'ACCOUNT_DETAILS' ORDER BY created_at DESC, id DESC LIMIT 1
"""
_MOVED = """
    UPDATE transactions SET stage = :stage, status = :status, version = version + 1, updated_at = clock_timestamp(),
        next_action_at = CASE WHEN :stage = 'ASKING' THEN now() END, completed_at = CASE WHEN :stage = 'COMPLETED' THEN now() END
    WHERE id = :id
"""
_TOLD = "INSERT INTO events (transaction_id, version, from_stage, to_stage, actor_name, reason) VALUES (:id, :version, :before, :stage, 'bench', 'Measured')"
_STEPS = ((None, "CREATED", "PENDING"), ("CREATED", "ASKING", "PROCESSING"), ("ASKING", "COMPLETED", "COMPLETED"))


def one_more() -> float:
    """A row, and the word of it, in one unit of work. Answers the moment of its commit."""
    known = {"id": new_id(), "reference": new_reference()}
    with db.unit_of_work() as session:
        for version, (before, stage, status) in enumerate(_STEPS, start=1):
            session.execute(text(_MOVED if before else _MADE), {**known, "stage": stage, "status": status})
            session.execute(text(_TOLD), {"id": known["id"], "version": version, "before": before, "stage": stage})
        live.tell(session)
    return time.perf_counter()


def measured(console: Console, tokens: Sequence[str], samples: Samples, chromium: str, seed: int) -> dict[str, Any]:
    """What the browser shows, timed from the commit until the page says it; beside it what the other windows needed to be drawn anew."""
    return asyncio.run(_measured(console, tokens, samples, chromium, seed))


async def _measured(console: Console, tokens: Sequence[str], samples: Samples, chromium: str, seed: int) -> dict[str, Any]:
    wanted = list(filters(samples).values())
    dice = Random(seed)  # noqa: S311 - filters, not secrets
    windows = [
        Window(console.port, tokens[number % len(tokens)], "transactions", dice.choice(wanted)(dice).address(), follows=True) for number in range(WINDOWS)
    ]
    async with asyncio.TaskGroup() as opening:
        for window in windows:
            opening.create_task(_open(window))
    try:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=chromium, args=list(BROWSER))
            # The page's own policy forbids what is evaluated in it, the waiting included.
            context = await browser.new_context(bypass_csp=True)
            await context.add_cookies([{"name": cookie_name(), "value": tokens[0], "url": f"http://127.0.0.1:{console.port}"}])
            page = await context.new_page()
            await page.goto(f"http://127.0.0.1:{console.port}/transactions")
            await page.get_by_text("on this page").first.wait_for(timeout=PATIENCE_MS * 3)
            seen = [await _seen(page, dice) for _ in range(CHANGES)]
            await browser.close()
    finally:
        for window in windows:
            await window.__aexit__()
    drawn = sorted(one for window in windows for one in window.drawn_ms)
    return {
        **_summary(seen),
        "windows": {**_summary(drawn), "drawn": len(drawn)} if drawn else {"drawn": 0},
        "errors": sorted({error for window in windows for error in window.errors})[:3],
    }


async def _open(window: Window) -> None:
    await window.__aenter__()
    await window.run()


# The list says how many rows are new instead of moving under the reader's eyes.
_SHOWS_NEWS = """(() => {
    const said = document.body.innerText.match(/([0-9][0-9,]*)[+]? new/);
    return said ? parseInt(said[1].replaceAll(",", "")) : 0;
})()"""


async def _seen(page: Page, dice: Random) -> float:
    """One change: from its commit until the number on the page has grown, in milliseconds."""
    await asyncio.sleep(dice.uniform(*APART_SECONDS))
    before = int(await page.evaluate(_SHOWS_NEWS))
    committed = await asyncio.to_thread(one_more)
    await page.wait_for_function(f"(before => {{ const now = {_SHOWS_NEWS}; return now > before; }})({before})", timeout=PATIENCE_MS, polling="raf")
    return (time.perf_counter() - committed) * 1000


def _summary(taken: Sequence[float]) -> dict[str, float]:
    ordered = sorted(taken)
    return {
        "p50": round(statistics.median(ordered), 1),
        "p99": round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))], 1),
        "max": round(ordered[-1], 1),
        "changes": len(ordered),
    }
