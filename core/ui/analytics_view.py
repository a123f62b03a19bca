"""Analytics: a range of days in figures, billers beside each other, and the report of a day, a week or a month. Every bar opens the list behind it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

import streamlit as st

from core import clock
from core.access import Actor
from core.repositories.statistics import ENDED
from core.services import analytics, statistics
from core.services.statistics import TARGET_ANSWER_SECONDS, TARGET_SUCCESS_RATE
from core.settings import settings
from core.states import Status
from core.ui import analytics_charts, analytics_controls, analytics_tables, kpi_panel
from core.ui.analytics_asked import RANGES, USUAL, Wish, fitting, read_wish, with_days
from core.ui.analytics_told import Told, day_text, until_text
from core.ui.attention import LOOKUP_TYPES
from core.ui.figure_words import change, count, counted, percent, points, seconds, short_amount, tenths
from core.ui.filters import Asked
from core.ui.keeping import BY_BILLERS, STEP_SECONDS, slot
from core.ui.pieces import LOOKUP, PAYMENT, TRANSACTIONS
from core.ui.tiles import Tile, flag
from core.ui.words import amount, as_of, zone

# The tiles of one status each: label, icon, which direction is good, and what it means.
STATUS_TILES = (
    ("Failed", Status.FAILED, ":material/cancel:", "inverse", "Payments proven not to have moved money."),
    ("In doubt", Status.PROCESSING, ":material/sync_problem:", "inverse", "Payments sent or perhaps sent, and not settled; by the day they were submitted."),
    ("Reversed", Status.REVERSED, ":material/undo:", "off", "Payments taken back. They count as ended, not as paid."),
)

# What billers are called stays a minute.
KEPT_SECONDS = 60

FIRST_SIGHT_PIXELS = 900


def show(actor: Actor) -> None:
    now = clock.now()
    seconds_now = int(now.timestamp())
    titles = _titles(actor, settings().dsn, seconds_now // KEPT_SECONDS)
    asked = with_days(read_wish({name: st.query_params.get_all(name) for name in st.query_params}, titles), now, zone())
    complaint = asked.contradiction()
    days = RANGES[USUAL][1] if complaint else asked.period(now, zone()).days
    wish = replace(asked, grain=fitting(asked.grain, days))
    analytics_controls.show(wish, titles, days, asked.grain)
    if complaint:
        st.warning(complaint, icon=":material/event_busy:")
        return
    with st.skeleton(height=FIRST_SIGHT_PIXELS):
        mark = statistics.mark(actor)
        key = repr((wish.counted, clock.business_day(now, zone())))
        told = _count(actor, settings().dsn, mark, slot(now, key), key, tuple(titles.items()), wish.counted)
        _head(told, now)
        if not told.now.rows:
            _nothing(actor, told)
        else:
            _tiles(told)
            analytics_charts.show(told, wish)
            analytics_tables.show_performance(told)
            analytics_tables.show_comparison(told, wish)
        kpi_panel.show(actor, mark, seconds_now // kpi_panel.KEPT_SECONDS)
        analytics_tables.show_report(actor, wish, titles, mark, now)


@st.cache_resource(show_spinner=False, hash_funcs=BY_BILLERS, max_entries=4, ttl=2 * KEPT_SECONDS)
def _titles(actor: Actor, database: str, slot: int) -> Mapping[str, str]:
    del database, slot
    return statistics.biller_titles(actor)


@st.cache_resource(show_spinner=False, hash_funcs=BY_BILLERS, max_entries=64, ttl=STEP_SECONDS)
def _count(actor: Actor, database: str, mark: tuple[object, ...], slot: int, asked: str, titles: tuple[tuple[str, str], ...], _wish: Wish) -> Told:
    """Counted and drawn once for everybody who asks for the same: figures are the same for all who see the same billers.

    A resource and no data, so that it is not copied at each look: nobody changes it.
    """
    del database, mark, slot, asked
    now = clock.now()
    period = _wish.period(now, zone())
    before = _wish.before(period) if _wish.compares else None
    counted_now = analytics.analysis(actor, _wish.wanted(period, zone()), _wish.grain, before)
    return Told(_wish, period, dict(titles), counted_now, now)


# ---- What it is about


def _head(told: Told, now: datetime) -> None:
    """What was counted before still holds now: the mark says so."""
    first, last = told.period.first_day, told.period.last_day
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        against = _against(told)
        st.caption(f"{day_text(first)} – {day_text(last)}{against} · {as_of(now)}", width="content")
        st.page_link(
            TRANSACTIONS,
            label="These as a list, to look at or export",
            icon=":material/receipt_long:",
            query_params=dict(told.list_of_all()),
            help="The transactions that these figures were counted from. The list has the export.",
        )


def _against(told: Told) -> str:
    if not told.wish.compares:
        return ""
    if told.before is None:
        return ", with nothing before it to compare with"
    return f", against {day_text(clock.business_day(told.period.before[0], zone()))} – {until_text(told.period.before[1])}"


def _nothing(actor: Actor, told: Told) -> None:
    with st.container(border=True, horizontal_alignment="center"):
        st.subheader("Nothing in this range", anchor=False, text_alignment="center")
        if told.wish.billers or told.wish.types:
            st.markdown("No transaction fits these billers and types. Take one out of the filter, or choose a longer range.", text_alignment="center")
            if st.button("Clear the filter", icon=":material/filter_alt_off:", type="primary"):
                st.query_params.from_dict({})
                st.rerun()
            return
        st.markdown("Choose a longer range above. Figures appear with the first look-up or payment.", text_alignment="center")
        with st.container(horizontal=True, horizontal_alignment="center"):
            if actor.may("accounts:lookup"):
                st.page_link(LOOKUP, label="Look an account up", icon=":material/person_search:")
            if actor.may("transactions:pay"):
                st.page_link(PAYMENT, label="Pay a bill", icon=":material/payments:")


# ---- Tiles


def _tiles(told: Told) -> None:
    now, before = told.now, told.before
    against = f"vs the {counted(told.period.days, 'day')} before" if before else ""
    course = told.course
    difference = points(now.success_rate, before.success_rate) if before else None
    with st.grid(4, min_column_width=150, gap="small"):
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
        ).show()
        Tile(
            "Success rate",
            percent(now.success_rate),
            None if difference is None else f"{difference:+.1f} pp" if difference else 0,
            against,
            {f"{count(now.completed)} of {count(now.ended)} ended": told.list_of_all(*(status.value for status in ENDED))},
            icon=flag(now.success_rate is not None and now.success_rate >= TARGET_SUCCESS_RATE),
            chart_data=[tenths(one.success_rate) for one in course if one.success_rate is not None],
            help=f"Completed of completed, failed and reversed payments; target {TARGET_SUCCESS_RATE:.0%}. What is in doubt or was cancelled is in neither.",
        ).show()
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
        ).show()
        _answer_tile(told, against)
        for label, status, icon, colour, meaning in STATUS_TILES:
            number, earlier = (one.payments_by_status.get(status, 0) if one else 0 for one in (now, before))
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
            ).show()
        if not told.wish.types:
            lookups = Asked(types=LOOKUP_TYPES, billers=told.wish.billers, first_day=told.period.first_day, last_day=told.period.last_day)
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
            ).show()


def _answer_tile(told: Told, against: str) -> None:
    fast = told.times.altogether
    slow = told.counted.times_before.altogether if told.counted.times_before else None
    slower = round((fast.average_ms - slow.average_ms) / 1000, 2) if fast and slow else None
    Tile(
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
    ).show()
