"""When reports are made by themselves: to read for everybody who has reports, to change for managers."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from core.access import Actor
from core.errors import BillersError
from core.models.reports import ReportFormat, ReportKind
from core.services import reports
from core.services.reports import Schedule
from core.ui.report_links import FORMATS
from core.ui.session import guarded
from core.ui.words import moment_text, plain, zone

LABELS: Mapping[ReportKind, str] = {ReportKind.DAILY: "Daily", ReportKind.WEEKLY: "Weekly", ReportKind.MONTHLY: "Monthly"}

WHEN: Mapping[ReportKind, str] = {
    ReportKind.DAILY: "Every day, of the day before",
    ReportKind.WEEKLY: "On Mondays, of the week before",
    ReportKind.MONTHLY: "On the first, of the month before",
}

DONE, REFUSED = "reports.schedule_changed", "reports.schedule_refused"


def show(actor: Actor) -> None:
    st.subheader("By themselves", anchor=False, help="Made by the worker at the hour, once for each period. What was missed is made when a worker is back.")
    if done := st.session_state.pop(DONE, None):
        st.success(done, icon=":material/check_circle:")
    if refused := st.session_state.pop(REFUSED, None):
        st.error(refused, icon=":material/error:")
    with st.grid(3, min_column_width=260, gap="small"):
        for schedule in reports.schedules(actor):
            if actor.may("reports:schedule"):
                _form(schedule)
            else:
                _told(schedule)


def _told(one: Schedule) -> None:
    with st.container(border=True, gap="xsmall"):
        st.markdown(f"**{LABELS[one.kind]}**  \n{WHEN[one.kind]}" if one.is_on else f"**{LABELS[one.kind]}**  \nSwitched off; a manager can switch it on.")
        if one.is_on:
            st.caption(f"At {one.hour:02}:00 · {', '.join(FORMATS[form][0] for form in one.formats)} · {_next(one)}")
        _by(one)


def _form(one: Schedule) -> None:
    keys = _keys(one.kind)
    with st.form(f"schedule-{one.kind}", border=True):
        st.toggle(f"**{LABELS[one.kind]}**", one.is_on, key=keys["is_on"], help="Off: nothing is made, and what would have been due is not made afterwards.")
        st.caption(WHEN[one.kind])
        st.selectbox(
            "Hour", range(24), one.hour, format_func=lambda hour: f"{hour:02}:00", key=keys["hour"], help=f"Of the day after the period, in {zone().key}."
        )
        st.pills(
            "Formats",
            list(FORMATS),
            default=list(one.formats),
            format_func=lambda form: FORMATS[form][0],
            selection_mode="multi",
            key=keys["formats"],
            help="Made and kept at the hour. The others are drawn of the same figures when somebody asks for them.",
        )
        st.form_submit_button("Save", icon=":material/check:", key=keys["save"], on_click=_save, args=(one.kind,))
        st.caption(_next(one))
        _by(one)


def _next(one: Schedule) -> str:
    return f"Next: {moment_text(one.next_at)}" if one.next_at else "Switched off"


def _by(one: Schedule) -> None:
    if one.changed_at:
        st.caption(f"Changed {moment_text(one.changed_at)} by {plain(one.changed_by or 'somebody')}")


def _keys(kind: ReportKind) -> Mapping[str, str]:
    return {name: f"schedule-{kind}-{name}" for name in ("is_on", "hour", "formats", "save")}


@guarded("reports:schedule")
def _save(actor: Actor, kind: ReportKind) -> None:
    asked: dict[str, Any] = {name: st.session_state[_keys(kind)[name]] for name in ("is_on", "hour", "formats")}
    try:
        reports.change_schedule(actor, kind, is_on=asked["is_on"], hour=asked["hour"], formats=[ReportFormat(form) for form in asked["formats"]])
    except BillersError as error:
        st.session_state[REFUSED] = f"{LABELS[kind]} was not changed: {error.sentence}"
    else:
        st.session_state[DONE] = f"{LABELS[kind]} is kept as you chose."
