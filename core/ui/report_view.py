"""Reports as a person takes them: of any period, those that were made, and when they are made by themselves. The address holds what is chosen."""

from collections.abc import Sequence
from datetime import date, timedelta

import streamlit as st

from core import clock
from core.access import Actor
from core.documents.report import tally_from_json
from core.documents.report_words import percent, period_words, values
from core.models.reports import ReportKind
from core.repositories.reports import Listed
from core.services import periods, reports
from core.services.reports import Change
from core.settings import CHECKOUT
from core.ui import report_links, report_schedules
from core.ui.figure_words import counted
from core.ui.pieces import complain
from core.ui.places import page_link
from core.ui.report_schedules import LABELS
from core.ui.words import amount, moment_text, plain, zone

ANALYTICS = CHECKOUT / "pages" / "analytics.py"

GRAINS = {kind: grain for grain, kind in report_links.KINDS.items()}

# Each widget's key.
KIND, DAY, ONLY = "reports-kind", "reports-day", "reports-only"

# Rows of the list at first, and so many more with each click.
AT_ONCE = 10


def show(actor: Actor) -> None:
    st.title("Reports", anchor=False)
    _take(actor)
    _list(actor)
    report_schedules.show(actor)


# ---- Of any period


def _take(actor: Actor) -> None:
    kind, day = _chosen()
    for key, value in ((KIND, kind), (DAY, day)):
        if st.session_state.get(key) != value:
            st.session_state[key] = value
    now = clock.now()
    period = periods.whole(GRAINS[kind], day, now, zone())
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.segmented_control(
                "Report",
                LABELS,
                format_func=LABELS.__getitem__,
                key=KIND,
                required=True,
                help="A business day, a week from Monday, or a month.",
                on_change=_remember,
            )
            st.date_input(
                "Any day of it",
                key=DAY,
                max_value=clock.business_day(now, zone()),
                format="DD/MM/YYYY",
                width=160,
                help=f"A day in {zone().key}, by when a payment was submitted.",
                on_change=_remember,
            )
            report_links.of_period(kind, period.first_day, "What is known of it now; it is kept in the list below.", main=True)
            page_link(
                ANALYTICS,
                label="Look at it first",
                icon=":material/bar_chart:",
                query_params={"report": GRAINS[kind].value, "day": day.isoformat()},
            )
        so_far = ", so far" if period.last_day == clock.business_day(now, zone()) else ""
        st.markdown(f"**{period_words(kind, period.first_day, period.last_day)}{so_far}**, with the period before it beside each figure.")


def _chosen() -> tuple[ReportKind, date]:
    """What the address names; without a day the last period that is over."""
    address = st.query_params
    kind = ReportKind(address["kind"]) if address.get("kind") in list(ReportKind) else ReportKind.DAILY
    today = clock.business_day(clock.now(), zone())
    over = periods.whole(GRAINS[kind], today, clock.now(), zone()).first_day - timedelta(days=1)
    try:
        return kind, min(date.fromisoformat(address["day"]), today) if "day" in address else over
    except ValueError:
        complain("The address names no day. A day is written like 2025-11-23; the last period that is over is shown.")
        return kind, over


def _remember() -> None:
    """What was chosen goes into the address; another kind begins with the last period that is over."""
    state, address = st.session_state, st.query_params
    kind, day, only = state.get(KIND) or ReportKind.DAILY, state.get(DAY), state.get(ONLY)
    is_other = kind.value != address.get("kind", ReportKind.DAILY.value)
    pairs = {"kind": kind.value, "day": "" if is_other or day is None else day.isoformat(), "only": only.value if only else ""}
    st.query_params.from_dict({name: value for name, value in pairs.items() if value})


# ---- Those that were made


def _list(actor: Actor) -> None:
    only = ReportKind(st.query_params["only"]) if st.query_params.get("only") in list(ReportKind) else None
    if st.session_state.get(ONLY) != only:
        st.session_state[ONLY] = only
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.subheader("Made", anchor=False, width="content", help="Newest first. Each says for ever what was known when it was made.")
        st.pills("Only", list(LABELS), format_func=LABELS.__getitem__, key=ONLY, label_visibility="collapsed", on_change=_remember)
    most = _most()
    found = reports.latest(actor, most, only)
    shown = found[:most]
    if not shown:
        if actor.billers is not None:
            st.info(
                "Reports that are kept are of all billers together. Yours is of the billers you see, made when you take it above.", icon=":material/summarize:"
            )
            return
        st.info("No report was made yet. Take one above; those with an hour below appear here by themselves.", icon=":material/summarize:")
        return
    changes = reports.changes_since(actor, shown)
    for one in shown:
        _row(one, changes.get(one.id))
    if len(found) > most:
        st.button("Older ones", icon=":material/expand_more:", on_click=_more, args=(most + AT_ONCE,))


def _most() -> int:
    text = st.query_params.get("show", "")
    return min(int(text), reports.MOST_LISTED) if text.isascii() and text.isdigit() and int(text) > 0 else AT_ONCE


def _more(most: int) -> None:
    st.query_params["show"] = str(most)


def _row(one: Listed, change: Change | None) -> None:
    with st.container(border=True, gap="xsmall"):
        words, links = st.columns([2, 1], vertical_alignment="center")
        with words, st.container(gap=None):
            so_far = "" if one.is_over is not False else ", so far"
            st.markdown(f"**{LABELS[one.kind]} · {period_words(one.kind, one.first_day, one.last_day)}{so_far}** {_badge(one, change)}")
            st.caption(_owed(one) if one.as_of is None else _made(one))
        if one.as_of is None:
            return
        with links, st.container(horizontal=True, horizontal_alignment="right", gap="small"):
            report_links.of_kept(one.id)
        if change:
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.caption(_changed(change), width="content")
                address = {"kind": one.kind.value, "day": one.first_day.isoformat()}
                page_link(report_links.REPORTS, label="Make it anew", icon=":material/refresh:", query_params=address)


def _badge(one: Listed, change: Change | None) -> str:
    if one.as_of is None:
        return ":red-badge[:material/error: Not made yet]" if one.told else ":gray-badge[:material/schedule: Being made]"
    return ":orange-badge[:material/history: Changed since]" if change else ""


def _made(one: Listed) -> str:
    by = f"by {plain(one.made_by)}" if one.made_by else "by schedule"
    whole = tally_from_json(one.altogether or {})
    rate = f", {percent(whole)} successful" if whole.ended else ""
    return f"as of {moment_text(one.as_of)} · {by} · {counted(whole.payments, 'payment')}{rate}, {values(whole)} · {counted(one.rows or 0, 'row')}"


def _owed(one: Listed) -> str:
    if not one.told:
        return "It is made within a minute, if a worker is at work."
    return f"{plain(one.told)} Tried {_times(one.tries)}; the next try is at {moment_text(one.next_try_at)}."


def _times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number} times")


def _changed(change: Change) -> str:
    """`Since then: 2 more completed, 2 fewer in doubt, MWK 10,951.00 more.`"""
    counts: Sequence[tuple[int, str]] = (
        *((change.payments, "submitted"), (change.completed, "completed"), (change.failed, "failed")),
        *((change.reversed, "reversed"), (change.in_doubt, "in doubt")),
    )
    told = [f"{abs(number):,} {'more' if number > 0 else 'fewer'} {word}" for number, word in counts if number]
    if change.value:
        told.append(f"{amount(abs(change.value))} {'more' if change.value > 0 else 'less'} paid")
    return f"Since then: {', '.join(told) or 'other figures'}."
