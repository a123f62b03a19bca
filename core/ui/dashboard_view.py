"""The dashboard: what needs somebody, how today goes beside yesterday, how each biller does, what came last. It looks again by itself."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import pandas as pd
import streamlit as st

from core.access import Actor
from core.repositories.filters import TransactionFilter
from core.repositories.statistics import ENDED, BillerState, Figures, Grain
from core.services import billers, periods, statistics, transactions
from core.services.statistics import DAYS_BACK, HOURS_BACK, TARGET_ANSWER_SECONDS, TARGET_SUCCESS_RATE, Attention, Overview
from core.settings import settings
from core.states import Status
from core.ui import tables
from core.ui.attention import LOOKUP_TYPES, Concern, concerns
from core.ui.figure_words import change, count, counted, percent, points, seconds, short_amount, tenths
from core.ui.pieces import LOOKUP, PAYMENT, TRANSACTIONS
from core.ui.session import guarded_fragment
from core.ui.tiles import payments_of, tile
from core.ui.words import ago, amount, as_of, zone

# Seconds between two looks. What was counted stays until a transaction is made or moves, and never longer than a few looks.
EVERY_SECONDS = 5
KEPT_SECONDS = 15

LATEST = 10

# The ranges of the rates, by their name in the address.
RANGES: Mapping[str, tuple[str, int]] = {"today": ("Today", 1), "7d": ("7 days", 7), "30d": ("30 days", 30)}
USUAL_RANGE = "7d"
RANGE, OPENED, PICKED, WAITING = "dashboard-range", "dashboard-biller", "dashboard-picked", "dashboard-waiting"

FIRST_SIGHT_PIXELS = 640


def show(actor: Actor) -> None:
    chosen = _header(actor)
    st.session_state[WAITING] = True
    _live(chosen)


# ---- What stands still


def _header(actor: Actor) -> str:
    """Title, range and quick actions; answers the range."""
    asked = st.query_params.get("range", USUAL_RANGE)
    chosen = asked if asked in RANGES else USUAL_RANGE
    if st.session_state.get(RANGE) != chosen:
        st.session_state[RANGE] = chosen
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.title("Dashboard", anchor=False, width="content")
        with st.container(horizontal=True, vertical_alignment="center", width="content", gap="small"):
            st.segmented_control(
                "Range",
                RANGES,
                format_func=lambda name: RANGES[name][0],
                key=RANGE,
                required=True,
                label_visibility="collapsed",
                help="What success rate, revenue, answer time and the billers' figures are counted over. Today is part of each.",
                on_change=_remember_range,
            )
            if actor.may("transactions:pay") and st.button("New payment", icon=":material/add:", type="primary", help="Pay a bill."):
                st.switch_page(PAYMENT)
            if actor.may("accounts:lookup") and st.button("Look up", icon=":material/person_search:", help="Whose account is it, and what is owed?"):
                st.switch_page(LOOKUP)
            if actor.may("transactions:read") and st.button("Transactions", icon=":material/receipt_long:", help="Every look-up and payment."):
                st.switch_page(TRANSACTIONS)
    return chosen


def _remember_range() -> None:
    chosen = st.session_state[RANGE]
    st.query_params.from_dict({} if chosen == USUAL_RANGE else {"range": chosen})


# ---- What looks again


@guarded_fragment("statistics:read", run_every=EVERY_SECONDS)
def _live(actor: Actor, chosen: str) -> None:
    # Only before the first figures: what looks again leaves what is there until it knows better.
    waiting = st.skeleton(height=FIRST_SIGHT_PIXELS) if st.session_state.pop(WAITING, False) else st.empty()
    try:
        seen = statistics.attention(actor)
        slot = int(seen.as_of.timestamp()) // KEPT_SECONDS
        told = _overview(actor, settings().dsn, statistics.mark(actor), slot, RANGES[chosen][1])
    finally:
        waiting.empty()
    _attention(seen)
    if not told.by_day.rows:
        _nothing(actor)
    _so_far(told, seen)
    _rates(told, chosen)
    _billers(seen, told, chosen)
    if actor.may("transactions:read"):
        _latest(actor)


@st.cache_data(show_spinner=False, max_entries=64, ttl=60)
def _overview(_actor: Actor, database: str, mark: tuple[object, ...], slot: int, days: int) -> Overview:
    """Counted once for everybody who looks: figures are the same for all who may see them, and who asks is no part of the key."""
    del database, mark, slot
    return statistics.overview(_actor, days)


def _attention(seen: Attention) -> None:
    found = concerns(seen)
    with st.container(border=True, gap="small"):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            if found:
                st.subheader("Needs attention", anchor=False, width="content", help="What somebody should look at just now, the gravest first.")
            else:
                st.markdown(":green-badge[:material/check_circle: All is well] :gray[Nothing needs attention.]", width="content")
            st.caption(f":material/autorenew: {as_of(seen.as_of)}", width="content", help=f"This page looks again every {EVERY_SECONDS} s by itself.")
        for one in found:
            _concern(one)


def _concern(one: Concern) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f":{one.colour}[{one.icon}]", width="content")
        with st.container(gap=None, width="stretch"):
            st.markdown(f"**{one.what}**  \n:gray[{one.next_step}] :{one.colour}-badge[{one.owner}]")
            if one.references:
                with st.container(horizontal=True, gap=None):
                    for reference in one.references:
                        st.page_link(TRANSACTIONS, label=f"`{reference}`", query_params={"id": reference}, help="One of the oldest: open its story.")
        if one.address:
            st.page_link(TRANSACTIONS, label="Open", icon=":material/arrow_forward:", icon_position="right", query_params=dict(one.address))


def _nothing(actor: Actor) -> None:
    with st.container(border=True, horizontal_alignment="center"):
        st.subheader("No transactions in the last 30 days", anchor=False, text_alignment="center")
        st.markdown("Figures appear with the first look-up or payment; nothing needs to be switched on.", text_alignment="center")
        with st.container(horizontal=True, horizontal_alignment="center"):
            if actor.may("accounts:lookup"):
                st.page_link(LOOKUP, label="Look an account up", icon=":material/person_search:")
            if actor.may("transactions:pay"):
                st.page_link(PAYMENT, label="Pay a bill", icon=":material/payments:")


# ---- Tiles


def _so_far(told: Overview, seen: Attention) -> None:
    hour = told.as_of.astimezone(zone())
    hours = [told.as_of.replace(minute=0, second=0, microsecond=0) - timedelta(hours=back) for back in range(HOURS_BACK - 1, -1, -1)]
    days = periods.steps(*_days_back(told.as_of), Grain.DAY, zone())
    bars = (_payments(told.by_hour, hours), _payments(told.by_day, days[-14:]), _payments(told.by_day, days))
    shown = ("the last 24 hours, hour by hour", "the last 14 days", "the last 30 days")
    names = (("Payments today", "yesterday"), ("Payments this week", "last week"), ("Payments this month", "last month"))
    icons = (":material/today:", ":material/date_range:", ":material/calendar_month:")
    with st.grid(4, min_column_width=150, gap="small"):
        for (period, now, before), (label, earlier), icon, trend, chart in zip(told.so_far, names, icons, bars, shown, strict=True):
            tile(
                label,
                count(now.payments),
                change(now.payments, before.payments),
                f"vs {earlier} until {hour:%H:%M}",
                {"Open": payments_of(period), counted(now.lookups, "look-up"): payments_of(period, types=LOOKUP_TYPES)},
                icon=icon,
                chart_data=trend,
                chart_type="bar",
                help=f"Transactions that move money; look-ups are counted apart. {earlier.capitalize()} is counted up to the same hour. The bars: {chart}.",
            )
        _active(told, seen, days)


def _active(told: Overview, seen: Attention, days: Sequence[datetime]) -> None:
    able = [biller for biller in seen.billers if biller.is_active and not biller.paused_because and not biller.breaker_reason]
    by_day = told.by_day.by_step()
    paid = [sum(1 for figures in by_day[day].by_biller().values() if figures.payments) if day in by_day else 0 for day in days[-14:]]
    tile(
        "Active billers",
        f"{len(able)} of {len(seen.billers)}",
        paid[-1] - paid[-2],
        "paid today, vs yesterday",
        {f"{counted(paid[-1], 'biller')} paid today": payments_of(told.so_far[0][0])},
        icon=":material/storefront:",
        chart_data=paid,
        chart_type="bar",
        help="Switched on, not paused, and answering: payments can be sent to them now. The bars: how many billers were paid on each of the last 14 days.",
    )


def _rates(told: Overview, chosen: str) -> None:
    now, before, period = told.chosen, told.before, told.period
    against = f"vs {_before(chosen)}"
    grain = Grain.HOUR if period.days == 1 else Grain.DAY
    steps = [step for step in periods.steps(period.first_day, period.last_day, grain, zone()) if step <= told.as_of]
    by_step = now.by_step()
    over_time = [by_step.get(step) for step in steps]
    reached = now.success_rate is not None and now.success_rate >= TARGET_SUCCESS_RATE
    doubt = {f"{count(now.in_doubt)} in doubt": payments_of(period, Status.PROCESSING.value)} if now.in_doubt else {}
    failed, failed_before = (one.payments_by_status.get(Status.FAILED, 0) for one in (now, before))
    reversed_ = now.payments_by_status.get(Status.REVERSED, 0)
    with st.grid(4, min_column_width=150, gap="small"):
        difference = points(now.success_rate, before.success_rate)
        tile(
            "Success rate",
            percent(now.success_rate),
            0 if difference == 0 else None if difference is None else f"{difference:+.1f} pp",
            against,
            {f"{count(now.completed)} of {count(now.ended)} ended": payments_of(period, *(status.value for status in ENDED)), **doubt},
            icon=":material/verified:" if reached else ":material/flag:",
            chart_data=[100 * one.success_rate for one in over_time if one and one.success_rate is not None],
            help=f"Completed of completed, failed and reversed payments; target {TARGET_SUCCESS_RATE:.0%}."
            " What is in doubt or was cancelled is in neither. Rounded down.",
        )
        tile(
            "Revenue (value paid)",
            short_amount(now.value),
            change(now.value, before.value),
            against,
            {amount(now.value): payments_of(period, Status.COMPLETED.value)},
            icon=":material/payments:",
            chart_data=[float(one.value) if one else 0.0 for one in over_time],
            chart_type="area",
            help="The sum of completed payments in kwacha. What is in doubt is not in it, nor what was reversed."
            + "".join(f" Besides: {amount(value, currency)}." for currency, value in now.values.items() if currency != "MWK"),
        )
        tile(
            "Failed",
            count(failed),
            change(failed, failed_before),
            against,
            {"Open": payments_of(period, Status.FAILED.value), f"{count(reversed_)} reversed": payments_of(period, Status.REVERSED.value)},
            icon=":material/cancel:",
            delta_color="inverse",
            chart_data=[one.payments_by_status.get(Status.FAILED, 0) if one else 0 for one in over_time],
            chart_type="bar",
            help="Payments proven not to have moved money. Those that were taken back are counted apart.",
        )
        _answer_time(told, against, steps)


def _answer_time(told: Overview, against: str, steps: Sequence[datetime]) -> None:
    now, before = told.times.altogether, told.times_before.altogether
    slower = round((now.average_ms - before.average_ms) / 1000, 2) if now and before else None
    tile(
        "Answer time",
        seconds(now.average_ms if now else None),
        None if slower is None else f"{slower:+.2f} s" if slower else 0,
        against,
        {f"half in {seconds(now.median_ms)}, 95% in {seconds(now.p95_ms)}" if now else "no call yet": payments_of(told.period)},
        icon=":material/timer:",
        delta_color="inverse",
        chart_data=[told.times.by_step[step].average_ms / 1000 for step in steps if step in told.times.by_step],
        help=f"How long billers took to answer calls that pay, on average; target {TARGET_ANSWER_SECONDS} s. A call that got none counts with its wait.",
    )


# ---- Billers


def _billers(seen: Attention, told: Overview, chosen: str) -> None:
    st.subheader("Billers", anchor=False, help=f"Payments of each biller: {RANGES[chosen][0].lower()}, today included. A click on a name opens its payments.")
    figures, days = told.chosen.by_biller(), periods.steps(*_days_back(told.as_of), Grain.DAY, zone())[-14:]
    daily = told.by_day.by_biller()
    rows = sorted(seen.billers, key=lambda biller: (not biller.is_active, biller.title))
    doubt = any(one.in_doubt for one in figures.values())
    st.dataframe(
        pd.DataFrame([_biller_row(biller, figures.get(biller.code), daily.get(biller.code), told, seen.as_of, days) for biller in rows]),
        column_config=_biller_columns(),
        column_order=[name for name in _biller_columns() if name != "In doubt" or doubt],
        hide_index=True,
        height=tables.ROW_PIXELS * (len(rows) + 1) + 3,
        row_height=tables.ROW_PIXELS,
        key=f"billers-{chosen}",
        alt="Billers with their state, success rate, volume, value, answer time and last success.",
    )
    if clicked := st.session_state.get(OPENED):
        biller = rows[clicked.row]
        st.switch_page(TRANSACTIONS, query_params=payments_of(told.period, billers=(biller.code,)))


def state_chip(biller: BillerState) -> str:
    if not biller.is_active:
        return "⊘ Off"
    if biller.breaker_reason:
        return "✕ Not answering"
    return "⊖ Paused" if biller.paused_because else "✓ Active"


STATES = {"✓ Active": "green", "⊖ Paused": "orange", "✕ Not answering": "red", "⊘ Off": "gray"}


def _biller_row(biller: BillerState, now: Figures | None, daily: Figures | None, told: Overview, moment: datetime, days: Sequence[datetime]) -> dict[str, Any]:
    now = now or Figures([])
    times = told.times.by_biller.get(biller.code)
    return {
        "Biller": biller.title,
        "State": [state_chip(biller)],
        "Success rate": None if now.success_rate is None else tenths(now.success_rate),
        "Ended": f"{count(now.completed)} of {count(now.ended)}" if now.ended else "–",
        "In doubt": count(now.in_doubt) if now.in_doubt else "–",
        "Payments": count(now.payments),
        "Value": amount(now.value) if now.payments else "–",
        "95% within": seconds(times.p95_ms if times else None),
        "Last success": ago(biller.last_success_at, moment) if biller.last_success_at else "never",
        "14 days": _payments(daily or Figures([]), days),
    }


def _biller_columns() -> dict[str, Any]:
    column = st.column_config
    right: dict[str, Any] = {"alignment": "right"}
    return {
        "Biller": column.ButtonColumn(width=160, type="tertiary", alignment="left", key=OPENED, help="A click opens its payments of this range."),
        "State": column.MultiselectColumn(
            width=124,
            options=list(STATES),
            color=list(STATES.values()),
            help="Active: payments are sent. Paused: an administrator stopped it. Not answering: left alone for a while. Off: not switched on.",
        ),
        "Success rate": column.ProgressColumn(width=128, min_value=0, max_value=100, format="%.1f%%", help="Completed of those that ended; target 95%."),
        "Ended": column.TextColumn(width=96, help="Completed payments of those that ended: completed, failed and reversed.", **right),
        "In doubt": column.TextColumn(width=66, help="Sent or perhaps sent, and not settled.", **right),
        "Payments": column.TextColumn(width=76, help="Transactions that move money.", **right),
        "Value": column.TextColumn(width=138, help="Sum of completed payments.", **right),
        "95% within": column.TextColumn(width=80, help="Of 100 calls that pay, 95 were answered within this time.", **right),
        "Last success": column.TextColumn(width=110, help="When it last did what it was asked: a payment, or a look-up."),
        "14 days": column.BarChartColumn(width=110, y_min=0, help="Payments on each of the last 14 days."),
    }


# ---- The last ones


def _latest(actor: Actor) -> None:
    st.subheader("Last ten transactions", anchor=False, help="Look-ups and payments, newest first. A click on an ID opens its story.")
    page = transactions.list_page(actor, TransactionFilter())
    rows = page.rows[:LATEST]
    if not rows:
        st.caption("None yet.")
        return
    clicked = tables.grid(rows, billers.short_names(actor), "dashboard-latest", on_pick=_pick)
    if reference := clicked.our_transaction_id if clicked else st.session_state.pop(PICKED, None):
        st.switch_page(TRANSACTIONS, query_params={"id": reference})


def _pick(reference: str) -> None:
    st.session_state[PICKED] = reference


# ---- Small


def _payments(figures: Figures, steps: Sequence[datetime]) -> list[int]:
    found = figures.by_step()
    return [found[step].payments if step in found else 0 for step in steps]


def _days_back(moment: datetime) -> tuple[date, date]:
    back = periods.last_days(DAYS_BACK, moment, zone())
    return back.first_day, back.last_day


def _before(chosen: str) -> str:
    return "yesterday" if chosen == "today" else f"the {RANGES[chosen][0]} before"
