"""Analytics: a range of days in figures, billers beside each other, and the report of a day, a week or a month. Every bar opens the list behind it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

import streamlit as st

from core import clock
from core.access import Actor
from core.services import analytics, statistics
from core.settings import settings
from core.ui import analytics_charts, analytics_controls, analytics_tables, analytics_tiles, kpi_panel
from core.ui.analytics_asked import RANGES, USUAL, Wish, fitting, read_wish, with_days
from core.ui.analytics_told import Told, day_text, until_text
from core.ui.keeping import BY_BILLERS, STEP_SECONDS, slot
from core.ui.pieces import LOOKUP, PAYMENT, TRANSACTIONS
from core.ui.places import page_link
from core.ui.words import as_of, zone

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
            analytics_tiles.show(told)
            analytics_charts.show(told, wish)
            analytics_tables.show_performance(told)
            analytics_tables.show_comparison(told, wish)
            told.put_away()
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
        page_link(
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
                page_link(LOOKUP, label="Look an account up", icon=":material/person_search:")
            if actor.may("transactions:pay"):
                page_link(PAYMENT, label="Pay a bill", icon=":material/payments:")
