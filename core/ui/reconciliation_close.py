"""The end of a biller's day: its files, its sums from ours to theirs, the sign-off, and the sign-offs it had before."""

from datetime import date
from decimal import Decimal

import streamlit as st

from core.access import Actor
from core.errors import BillersError
from core.services import day_closes
from core.services.day_closes import BRIDGE_LABELS, LONGEST_NOTE
from core.services.reconciliation import RESULTS, Close, DayView
from core.ui.figure_words import counted
from core.ui.pieces import FORM_WIDTH, code, complain, show_facts
from core.ui.session import guarded
from core.ui.words import amount, moment_text, plain

NOTE, REASON, REFUSED, DONE = "close-note", "close-reason", "close-refused", "close-done"


def show(actor: Actor, seen: DayView) -> None:
    if not seen.files and not seen.closes:
        return
    st.subheader("Daily close", anchor=False, help="A manager who imported nothing of the day signs it off. Then it is frozen.")
    with st.container(width=FORM_WIDTH):
        _sums(seen)
        _files(seen)
        if done := st.session_state.pop(DONE, None):
            st.success(done, icon=":material/check_circle:")
        complain(st.session_state.pop(REFUSED, None))
        if seen.close is not None:
            _signed(actor, seen, seen.close)
        else:
            _sign(actor, seen)
        for one in seen.closes:
            if not one.stands:
                _before(one)


def _sums(seen: DayView) -> None:
    figures = seen.figures
    lines = {"Ours": f"{amount(figures.ours, seen.currency)} in {counted(figures.ours_count, 'payment')}"}
    for result, count, gap in day_closes.bridge(figures):
        lines[BRIDGE_LABELS.get(result, RESULTS[result].label)] = f"{_signed_amount(gap, seen.currency)} in {count:,}"
    lines["Theirs"] = f"{amount(figures.theirs, seen.currency)} in {counted(figures.theirs_count, 'line')}"
    show_facts(lines, alt="From ours to theirs: what lies between the two totals")
    st.caption("The suspense account, as it will stand on the sheet.")
    show_facts(dict(day_closes.suspense_lines(seen)), alt="What the bank should still hold for this biller, and of what it is made")


def _signed_amount(value: Decimal, currency: str) -> str:
    return f"\\+ {amount(value, currency)}" if value > 0 else f"− {amount(-value, currency)}" if value < 0 else amount(value, currency)


def _files(seen: DayView) -> None:
    for statement, by in seen.files:
        st.caption(
            f":material/description: {plain(statement.file_name)}: {counted(statement.lines, 'line')}, imported by {plain(by)} "
            f"{moment_text(statement.imported_at)}, SHA-256 {code(statement.sha256.hex()[:16])}"
        )
    st.link_button(
        "Differences (CSV)",
        f"/reconciliation/{seen.biller_type}/{seen.day}/differences.csv",
        icon=":material/csv:",
        help="All of them, with what was made of each. Identifiers stay text, and no cell is a formula.",
    )


def _sign(actor: Actor, seen: DayView) -> None:
    if not actor.may("reconciliation:close"):
        st.caption("A manager who imported no statement of this day signs it off.")
        return
    why = day_closes.why_not(seen, actor)
    with st.form("close", border=True):
        st.text_area("A note on the sheet, if there is something to say", key=NOTE, max_chars=LONGEST_NOTE)
        st.form_submit_button(
            "Sign the day off",
            type="primary",
            icon=":material/draw:",
            disabled=why is not None,
            help=why or "Freezes the day: no line, match or explanation comes to it until it is reopened.",
            on_click=_sign_off,
            args=(seen.biller_type, seen.day.isoformat()),
        )
        if why:
            st.caption(f"Off: {plain(why)}")


def _signed(actor: Actor, seen: DayView, one: Close) -> None:
    st.success(f"By {plain(one.by)}, {moment_text(one.close.closed_at)}. {plain(one.close.note or '')}", title="Signed off", icon=":material/verified:")
    with st.container(horizontal=True):
        st.link_button("Sheet (PDF)", f"/reconciliation/closes/{one.close.id}.pdf", icon=":material/picture_as_pdf:", help="As it was signed.")
        if actor.may("reconciliation:close"):
            with st.popover("Reopen …", icon=":material/lock_open:"), st.form("reopen", border=False):
                st.text_area("Why?", key=REASON, max_chars=LONGEST_NOTE, help="Kept with the sign-off, and in the record.")
                st.form_submit_button("Reopen the day", type="primary", on_click=_reopen, args=(seen.biller_type, seen.day.isoformat()))


def _before(one: Close) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            f":material/history: Signed off by {plain(one.by)} {moment_text(one.close.closed_at)}; reopened by {plain(one.reopened_by)} "
            f"{moment_text(one.close.reopened_at)}: {plain(one.close.reopened_because)}"
        )
        st.link_button("That sheet", f"/reconciliation/closes/{one.close.id}.pdf", icon=":material/picture_as_pdf:", type="tertiary")


@guarded("reconciliation:close")
def _sign_off(actor: Actor, biller: str, day: str) -> None:
    try:
        day_closes.sign_off(actor, biller, date.fromisoformat(day), st.session_state.get(NOTE))
        st.toast("Signed off.", icon=":material/verified:")
    except BillersError as error:
        st.session_state[REFUSED] = error.sentence


@guarded("reconciliation:close")
def _reopen(actor: Actor, biller: str, day: str) -> None:
    try:
        day_closes.reopen(actor, biller, date.fromisoformat(day), st.session_state.get(REASON))
        st.session_state[DONE] = "The day is open again."
    except BillersError as error:
        st.session_state[REFUSED] = error.sentence
