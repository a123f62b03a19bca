"""The tiles of a range: each figure with its course, what it is compared with, and the list it was counted from."""

import streamlit as st

from core.repositories.statistics import ENDED
from core.services.statistics import TARGET_ANSWER_SECONDS, TARGET_SUCCESS_RATE
from core.states import Status
from core.ui.analytics_told import Told
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
        for tile in told.tiles(lambda: _made(told)):
            tile.show()


def _made(told: Told) -> list[Tile]:
    """Once for everybody who looks at the same: a year's course is gone through for each of them."""
    now, before = told.now, told.before
    against = f"vs the {counted(told.period.days, 'day')} before" if before else ""
    course = told.course
    difference = points(now.success_rate, before.success_rate) if before else None
    found = [
        Tile(
            "Payments",
            count(now.payments),
            change(now.payments, before.payments if before else 0),
            against,
            {"Open": told.list_of_all()},
            icon=":material/bar_chart:",
            chart_data=[one.payments for one in course],
            chart_type="bar",
            help="Transactions that move money; look-ups are counted apart.",
        ),
        Tile(
            "Success rate",
            percent(now.success_rate),
            None if difference is None else f"{difference:+.1f} pp" if difference else 0,
            against,
            {f"{count(now.completed)} of {count(now.ended)} ended": told.list_of_all(*(status.value for status in ENDED))},
            icon=flag(now.success_rate is not None and now.success_rate >= TARGET_SUCCESS_RATE),
            chart_data=[tenths(one.success_rate) for one in course if one.success_rate is not None],
            help=f"Completed of completed, failed and reversed payments; target {TARGET_SUCCESS_RATE:.0%}. What is in doubt or was cancelled is in neither.",
        ),
        Tile(
            "Revenue (value paid)",
            short_amount(now.value),
            change(now.value, before.value if before else 0),
            against,
            {amount(now.value): told.list_of_all(Status.COMPLETED.value)},
            icon=":material/payments:",
            chart_data=[float(one.value) for one in course],
            chart_type="area",
            help="The sum of completed payments in kwacha. What is in doubt is not in it, nor what was reversed.",
        ),
        _answer_tile(told, against),
    ]
    for label, status, icon, colour, meaning in STATUS_TILES:
        number, earlier = (one.payments_by_status.get(status, 0) if one else 0 for one in (now, before))
        found.append(
            Tile(
                label,
                count(number),
                change(number, earlier),
                against,
                {"Open": told.list_of_all(status.value)},
                icon=icon,
                delta_color=colour,
                chart_data=[one.payments_by_status.get(status, 0) for one in course],
                chart_type="bar",
                help=meaning,
            )
        )
    if not told.wish.types:
        lookups = Asked(types=LOOKUP_TYPES, billers=told.wish.billers, first_day=told.period.first_day, last_day=told.period.last_day)
        found.append(
            Tile(
                "Look-ups",
                count(now.lookups),
                change(now.lookups, before.lookups if before else 0),
                against,
                {"Open": lookups.address()},
                icon=":material/person_search:",
                chart_data=[one.lookups for one in course],
                chart_type="bar",
                help="Questions about accounts, invoices and bundles. No money moves, and they are in no other figure.",
            )
        )
    return found


def _answer_tile(told: Told, against: str) -> Tile:
    fast = told.times.altogether
    slow = told.counted.times_before.altogether if told.counted.times_before else None
    slower = round((fast.average_ms - slow.average_ms) / 1000, 2) if fast and slow else None
    return Tile(
        "Answer time",
        seconds(fast.average_ms if fast else None),
        None if slower is None else f"{slower:+.2f} s" if slower else 0,
        against,
        {f"half in {seconds(fast.median_ms)}, 95% in {seconds(fast.p95_ms)}" if fast else "no call yet": told.list_of_all()},
        icon=":material/timer:",
        delta_color="inverse",
        chart_data=[told.times.by_step[step].average_ms / 1000 for step in told.steps if step in told.times.by_step],
        help=f"How long billers took to answer calls that pay, on average; target {TARGET_ANSWER_SECONDS} s. A call that got none counts with its wait."
        " What came before is told by its last whole hour.",
    )
