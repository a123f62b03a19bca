"""The tiles of a range: each figure with its course, what it is compared with, and the list it was counted from."""

from collections.abc import Callable, Iterator
from typing import Any

import streamlit as st

from core.repositories.statistics import ENDED, Figures
from core.services.statistics import TARGET_ANSWER_SECONDS, TARGET_SUCCESS_RATE
from core.states import Status
from core.ui.analytics_told import Address, Told
from core.ui.attention import LOOKUP_TYPES
from core.ui.figure_words import change, count, counted, percent, points, seconds, short_amount, tenths
from core.ui.filters import Asked
from core.ui.tiles import Tile, flag
from core.ui.words import amount

# The tiles of one status each: label, icon, which direction is good, and what it means.
STATUS_TILES = (
    ("Failed", Status.FAILED, ":material/cancel:", "inverse", "Payments proven not to have moved money."),
    ("In doubt", Status.PROCESSING, ":material/sync_problem:", "inverse", "Payments sent or perhaps sent, and not settled; by the day they were submitted."),
    ("Reversed", Status.REVERSED, ":material/undo:", "off", "Payments taken back. They count as ended, not as paid."),
)


def show(told: Told) -> None:
    with st.grid(4, min_column_width=150, gap="small"):
        for tile in told.once("tiles", make=lambda: list(_tiles(told))):
            tile.show()


def _tiles(told: Told) -> Iterator[Tile]:
    """Made once for everybody who looks at the same: a year's course is gone through for each of them."""
    now, before, against = told.now, told.before, _against(told)
    difference = points(now.success_rate, before.success_rate) if before else None
    about = "Transactions that move money; look-ups are counted apart."
    yield _how_many(told, "Payments", lambda one: one.payments, told.list_of_all(), icon=":material/bar_chart:", help=about)
    yield Tile(
        "Success rate",
        percent(now.success_rate),
        None if difference is None else f"{difference:+.1f} pp" if difference else 0,
        against,
        {f"{count(now.completed)} of {count(now.ended)} ended": told.list_of_all(*(status.value for status in ENDED))},
        icon=flag(now.success_rate is not None and now.success_rate >= TARGET_SUCCESS_RATE),
        chart_data=[tenths(one.success_rate) for one in told.course if one.success_rate is not None],
        help=f"Completed of completed, failed and reversed payments; target {TARGET_SUCCESS_RATE:.0%}. What is in doubt or was cancelled is in neither.",
    )
    yield Tile(
        "Revenue (value paid)",
        short_amount(now.value),
        change(now.value, before.value if before else 0),
        against,
        {amount(now.value): told.list_of_all(Status.COMPLETED.value)},
        icon=":material/payments:",
        chart_data=[float(one.value) for one in told.course],
        chart_type="area",
        help="The sum of completed payments in kwacha. What is in doubt is not in it, nor what was reversed.",
    )
    yield _answer_tile(told)
    for label, status, icon, colour, meaning in STATUS_TILES:
        yield _how_many(told, label, _with_status(status), told.list_of_all(status.value), icon=icon, delta_color=colour, help=meaning)
    if not told.wish.types:
        lookups = Asked(types=LOOKUP_TYPES, billers=told.wish.billers, first_day=told.period.first_day, last_day=told.period.last_day)
        about = "Questions about accounts, invoices and bundles. No money moves, and they are in no other figure."
        yield _how_many(told, "Look-ups", lambda one: one.lookups, lookups.address(), icon=":material/person_search:", help=about)


def _with_status(status: Status) -> Callable[[Figures], int]:
    return lambda one: one.payments_by_status.get(status, 0)


def _against(told: Told) -> str:
    return f"vs the {counted(told.period.days, 'day')} before" if told.before else ""


def _how_many(told: Told, label: str, of: Callable[[Figures], int], address: Address, **more: Any) -> Tile:
    """How many, with its course in bars."""
    number, earlier = of(told.now), of(told.before) if told.before else 0
    return Tile(
        label,
        count(number),
        change(number, earlier),
        _against(told),
        {"Open": address},
        chart_data=[of(one) for one in told.course],
        chart_type="bar",
        **more,
    )


def _answer_tile(told: Told) -> Tile:
    fast = told.times.altogether
    slow = told.counted.times_before.altogether if told.counted.times_before else None
    slower = round((fast.average_ms - slow.average_ms) / 1000, 2) if fast and slow else None
    return Tile(
        "Answer time",
        seconds(fast.average_ms if fast else None),
        None if slower is None else f"{slower:+.2f} s" if slower else 0,
        _against(told),
        {f"half in {seconds(fast.median_ms)}, 95% in {seconds(fast.p95_ms)}" if fast else "no call yet": told.list_of_all()},
        icon=":material/timer:",
        delta_color="inverse",
        chart_data=[told.times.by_step[step].average_ms / 1000 for step in told.steps if step in told.times.by_step],
        help=f"How long billers took to answer calls that pay, on average; target {TARGET_ANSWER_SECONDS} s. A call that got none counts with its wait."
        " What came before is told by its last whole hour.",
    )
