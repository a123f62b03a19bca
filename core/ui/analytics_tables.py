"""The range as tables: each biller in a row, billers beside each other, and the report of a day, a week or a month."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import streamlit as st

from core import clock
from core.access import Actor
from core.repositories.filters import TransactionFilter
from core.repositories.statistics import Figures, Grain
from core.services import analytics, periods
from core.services.analytics import Compared
from core.services.periods import Period
from core.settings import settings
from core.ui import figure_tables, figures, report_links
from core.ui.analytics_asked import MEASURES, Wish
from core.ui.analytics_charts import counts, plot
from core.ui.analytics_controls import KEYS, remember
from core.ui.analytics_told import Picture, Told, days_text
from core.ui.figure_words import change, count, counted, percent, seconds, tenths
from core.ui.figures import Series
from core.ui.keeping import BY_BILLERS, STEP_SECONDS, slot
from core.ui.pieces import TRANSACTIONS, complain
from core.ui.places import page_link
from core.ui.words import amount, plain, zone

REPORT_LABELS: Mapping[Grain, str] = {Grain.DAY: "Daily", Grain.WEEK: "Weekly", Grain.MONTH: "Monthly"}

# Where a clicked row of a table is kept.
PERFORMANCE_OPENED, REPORT_OPENED = "analytics-biller", "analytics-report-biller"

# Without a choice, so many of the largest billers are compared.
COMPARED = 2


def show_performance(told: Told) -> None:
    found = told.table
    first, last = told.period.first_day, told.period.last_day
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.subheader("Performance", anchor=False, width="content", help="Each biller of the range in one row. A click on a name opens its payments.")
        _download("Download CSV", found.csv, f"performance-{first}-{last}.csv")
    _open_row(told, found.rows, figure_tables.show(found, f"performance-{told.wish.address()}", PERFORMANCE_OPENED))


def _download(label: str, data: bytes, name: str) -> None:
    st.download_button(
        label,
        data,
        file_name=name,
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
        help="This table with exact values. No cell of it is a formula to a spreadsheet.",
    )


def _open_row(told: Told, found: Sequence[figure_tables.Row], clicked: int | None) -> None:
    if clicked is not None:
        code = found[clicked].code
        st.switch_page(TRANSACTIONS, query_params=dict(told.list_of_all(billers=(code,) if code else ())))


def show_comparison(told: Told, wish: Wish) -> None:
    offered = [code for code in told.titles if code in told.by_biller]
    chosen = tuple(code for code in wish.versus if code in offered) or tuple(told.largest_first[:COMPARED])
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.subheader("Billers beside each other", anchor=False, width="content", help="Two or more billers by the same measure, in the same range.")
            st.segmented_control(
                "Measure", MEASURES, format_func=MEASURES.__getitem__, key=KEYS["measure"], required=True, label_visibility="collapsed", on_change=remember
            )
        st.multiselect(
            "Billers to compare",
            offered,
            format_func=told.title,
            key=KEYS["versus"],
            placeholder=f"The {counted(len(chosen), 'largest', 'largest')}: choose others",
            help="Two or more. Without a choice it is the two with most payments.",
            on_change=remember,
        )
        if len(chosen) < COMPARED:
            complain("Choose at least two billers that had transactions in this range.")
            return
        with st.grid(min(len(chosen), 4), min_column_width=200, gap="small"):
            for code in chosen:
                _card(told, code, told.by_biller[code])
        picture = told.picture("compared", wish.measure, *chosen, draw=lambda: _draw_comparison(told, wish.measure, chosen))
        plot(picture, f"compared-{wish.address()}")


def _draw_comparison(told: Told, measure: str, chosen: Sequence[str]) -> Picture:
    lines = [_measured(told, measure, code) for code in chosen]
    return Picture(
        figures.over_time(told.labels, lines, rate=measure == "rate", unit="MWK" if measure == "value" else ""),
        f"{MEASURES[measure]} of {', '.join(map(told.title, chosen))} over time.",
        lambda curve, place: told.list_of_step(place, billers=(chosen[curve],)),
    )


def _card(told: Told, code: str, now: Figures) -> None:
    times = told.times.by_biller.get(code)
    with st.container(border=True, gap="xsmall"):
        page_link(
            TRANSACTIONS,
            label=f"**{plain(told.title(code))}**",
            icon=":material/arrow_forward:",
            icon_position="right",
            query_params=dict(told.list_of_all(billers=(code,))),
        )
        facts = {
            "Payments": count(now.payments),
            "Success rate": f"{percent(now.success_rate)} ({count(now.completed)} of {count(now.ended)})",
            "Value": amount(now.value),
            "Average paid": amount(figure_tables.average_paid(now)),
            "Average answer": seconds(times.average_ms if times else None),
            "95% within": seconds(times.p95_ms if times else None),
        }
        st.markdown("\n".join(["| | |", "|:--|--:|", *(f"| :gray[{name}] | {value} |" for name, value in facts.items())]))


def _measured(told: Told, measure: str, code: str) -> Series:
    course = told.course_of(told.by_biller[code])
    if measure == "value":
        return Series(told.title(code), told.colour(code), [float(one.value) for one in course], [amount(one.value) for one in course])
    if measure == "rate":
        rates = [one.success_rate for one in course]
        return Series(told.title(code), told.colour(code), [None if one is None else tenths(one) for one in rates], [percent(one) for one in rates])
    return counts(told, told.title(code), told.colour(code), course)


# ---- Report


@dataclass(frozen=True)
class Report:
    """A day, a week or a month, and what it came to."""

    period: Period
    both: Compared
    table: figure_tables.Table


def show_report(actor: Actor, wish: Wish, titles: Mapping[str, str], mark: tuple[object, ...], now: datetime) -> None:
    """A day, a week or a month as one table, whatever range is chosen above."""
    today = clock.business_day(now, zone())
    day = wish.report_day or today
    key = repr((wish.billers, wish.types, wish.report, day, today))
    report = _report(actor, settings().dsn, mark, slot(now, key), key, tuple(titles.items()), wish, day, now)
    period, found, figures_now = report.period, report.table, report.both.now
    address = wish.list_address(period.first_day, period.last_day)
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.subheader("Report", anchor=False, width="content", help="One business day, week or month, against the one before it.")
            with st.container(horizontal=True, vertical_alignment="center", width="content"):
                changed: dict[str, Any] = {"on_change": remember, "label_visibility": "collapsed"}
                st.segmented_control("Report", REPORT_LABELS, format_func=REPORT_LABELS.__getitem__, key=KEYS["report"], required=True, **changed)
                st.date_input("Any day of it", value=None, max_value=today, key=KEYS["report_day"], format="DD/MM/YYYY", width=150, **changed)
                page_link(TRANSACTIONS, label="Open", icon=":material/receipt_long:", query_params=dict(address), help="Its payments as a list.")
        st.markdown(f"**{days_text(period)}**{' so far' if period.last_day == today else ''}: {_sentence(figures_now, report.both.before)}")
        if figures_now.rows:
            clicked = figure_tables.show(found, f"report-{wish.address()}", REPORT_OPENED)
            if clicked is not None:
                billers = (code,) if (code := found.rows[clicked].code) else ()
                st.switch_page(TRANSACTIONS, query_params=dict(wish.list_address(period.first_day, period.last_day, billers=billers)))
        with st.container(horizontal=True, vertical_alignment="center"):
            report_links.offer(actor, wish.report, period.first_day)
            name = f"table-{period.first_day}-{period.last_day}.csv"
            _download("This table (CSV)", found.csv, name)


@st.cache_resource(show_spinner=False, hash_funcs=BY_BILLERS, max_entries=64, ttl=STEP_SECONDS)
def _report(
    actor: Actor, database: str, mark: tuple[object, ...], slot: int, asked: str, titles: tuple[tuple[str, str], ...], _wish: Wish, _day: date, _now: datetime
) -> Report:
    """Counted once for everybody who asks for the same, whatever range they have above it."""
    del database, mark, slot, asked
    period = periods.whole(_wish.report, _day, _now, zone())
    since, until = clock.day_bounds(period.first_day, zone())[0], clock.day_bounds(period.last_day, zone())[1]
    wanted = TransactionFilter(billers=_wish.billers, types=_wish.types, since=since, until=until)
    earlier = TransactionFilter(_wish.billers, (), _wish.types, *period.before)
    both = analytics.compared(actor, wanted, earlier)
    return Report(period, both, figure_tables.Table(figure_tables.rows(both.now, both.times, both.before, dict(titles)), period.first_day, period.last_day))


def _sentence(now: Figures, before: Figures) -> str:
    difference = change(now.payments, before.payments)
    against = f" ({difference} against the one before)" if difference else ""
    rate = f"{percent(now.success_rate)} of those that ended were paid, " if now.ended else ""
    return f"{counted(now.payments, 'payment')}{against}, {rate}{amount(now.value)} in all; {counted(now.lookups, 'look-up')} beside."
