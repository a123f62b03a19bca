"""Alerts on the screen: what was raised and cleared, and from where on what is raised."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import streamlit as st

from core.access import Actor
from core.models import Alert, AlertThreshold
from core.models.alerts import ANY, Measure
from core.services import alerts, notifications
from core.services.alerts import OWNERS, WATCHED, Change
from core.ui.notices import attempt
from core.ui.session import guarded
from core.ui.words import ago, moment_text, plain

FIELDS = ("raise", "clear", "window", "least", "owner", "is_on")
OWN_MEASURE, OWN_BILLER = "threshold-measure", "threshold-biller"


def show(actor: Actor) -> None:
    found = alerts.history(actor)
    manages = actor.may("notifications:manage")
    names = notifications.choices(actor)[0] if manages else {}
    _standing([one for one in found if one.cleared_at is None], names)
    _history([one for one in found if one.cleared_at is not None], names)
    st.subheader("Thresholds", anchor=False, help="Looked at every quarter of a minute. Between the two lines an alert stays as it is.")
    order = list(WATCHED)
    by_measure = sorted(alerts.thresholds(actor), key=lambda one: (order.index(Measure(one.measure)), one.biller_type))
    with st.grid(3, min_column_width=300, gap="small"):
        for one in by_measure:
            if manages:
                _form(one, names)
            else:
                _told(one)
    if manages:
        _own_form(by_measure, names)


def _standing(standing: Sequence[Alert], names: Mapping[str, str]) -> None:
    if not standing:
        st.success("No alert stands.", icon=":material/check_circle:")
    for one in standing:
        st.error(
            f"{plain(one.now_told)} Raised {moment_text(one.raised_at)} ({ago(one.raised_at)}). It is the {one.owner.lower()}'s; it is cleared by itself.",
            title=_name(one.measure, one.biller_type, names),
            icon=":material/notifications_active:",
        )


def _history(past: Sequence[Alert], names: Mapping[str, str]) -> None:
    if past:
        with st.expander(f"The last {len(past)} that were cleared", icon=":material/history:"):
            st.dataframe(
                [
                    {
                        "Alert": _name(one.measure, one.biller_type, names).replace("\\", ""),
                        "Raised": moment_text(one.raised_at),
                        "Because": one.told,
                        "Cleared": moment_text(one.cleared_at),
                        "Then": one.cleared_told,
                    }
                    for one in past
                ],
                hide_index=True,
                alt="Alerts that were cleared, the newest first",
            )


def _name(measure: str, biller: str, names: Mapping[str, str]) -> str:
    title = WATCHED[Measure(measure)].title
    return f"{title}, {plain(names.get(biller, biller))}" if biller else title


def _told(one: AlertThreshold) -> None:
    watched = WATCHED[Measure(one.measure)]
    with st.container(border=True, gap="xsmall"):
        st.markdown(f"**{_name(one.measure, one.biller_type, {})}**")
        st.markdown(_lines(one, watched.unit) if one.is_on else "Switched off")
        if watched.counted:
            st.caption(f"Over {one.window_hours} h and the hour that runs, of at least {one.least:,}.")


def _lines(one: AlertThreshold, unit: str) -> str:
    first, then = (f"{value.normalize():f} {unit}".strip() for value in (one.raise_at, one.clear_at))
    return f"Raised below {first}, cleared from {then} on" if WATCHED[Measure(one.measure)].falls else f"Raised from {first} on, cleared at {then}"


def _form(one: AlertThreshold, names: Mapping[str, str]) -> None:
    measure, biller = Measure(one.measure), one.biller_type
    watched, keys = WATCHED[measure], _keys(measure, biller)
    unit = f" ({watched.unit})" if watched.unit else ""
    with st.form(f"threshold-{measure}-{biller}", border=True):
        st.toggle(f"**{_name(measure, biller, names)}**", one.is_on, key=keys["is_on"])
        st.caption(
            "Of all billers that have none of their own" if watched.by_biller and not biller else "Of this biller" if biller else "Of the console itself"
        )
        left, right = st.columns(2)
        left.number_input(f"Raise {'below' if watched.falls else 'from'}{unit}", 0.0, value=float(one.raise_at), step=1.0, format="%g", key=keys["raise"])
        right.number_input(f"Clear {'from' if watched.falls else 'at'}{unit}", 0.0, value=float(one.clear_at), step=1.0, format="%g", key=keys["clear"])
        if watched.counted:
            left.number_input("Hours", 1, 168, one.window_hours, key=keys["window"], help="Whole hours before the one that runs.")
            right.number_input("Of at least", 1, value=one.least, key=keys["least"], help="Fewer say nothing.")
        st.selectbox("Whose it is", OWNERS, OWNERS.index(one.owner), key=keys["owner"])
        with st.container(horizontal=True):
            st.form_submit_button("Keep", icon=":material/check:", key=keys["save"], on_click=_keep, args=(measure, biller))
            if biller:
                st.form_submit_button("Take away", icon=":material/close:", key=keys["remove"], on_click=_remove, args=(measure, biller))
        if one.changed_at:
            st.caption(f"Changed {moment_text(one.changed_at)}")


def _own_form(known: Sequence[AlertThreshold], names: Mapping[str, str]) -> None:
    with st.form("threshold-own", border=True, width=720):
        st.markdown("**A threshold of a biller's own**")
        measures = [measure for measure, watched in WATCHED.items() if watched.by_biller]
        st.selectbox("What is watched", measures, format_func=lambda one: WATCHED[one].title, key=OWN_MEASURE)
        st.selectbox("Of which biller", list(names), format_func=names.__getitem__, key=OWN_BILLER)
        usual = {one.measure: one for one in known if one.biller_type == ANY}
        st.form_submit_button("Add it", icon=":material/add:", on_click=_add, args=(usual,), help="It begins with what holds for all billers.")


def _keys(measure: Measure, biller: str) -> Mapping[str, str]:
    return {name: f"threshold-{measure}-{biller}-{name}" for name in (*FIELDS, "save", "remove")}


@guarded("notifications:manage")
def _keep(actor: Actor, measure: Measure, biller: str) -> None:
    typed: dict[str, Any] = {name: st.session_state.get(key) for name, key in _keys(measure, biller).items()}
    # What is typed has a point in it: the text of it is what is meant, not the float between.
    lines = [Decimal(str(round(typed[name], 2))) for name in ("raise", "clear")]
    change = Change(*lines, typed["window"] or 1, typed["least"] or 1, typed["owner"], typed["is_on"])

    def act() -> str:
        alerts.change_threshold(actor, measure, biller, change)
        return f"{WATCHED[measure].title} is watched as you chose."

    attempt(act)


@guarded("notifications:manage")
def _add(actor: Actor, usual: Mapping[str, AlertThreshold]) -> None:
    measure, biller = st.session_state[OWN_MEASURE], st.session_state[OWN_BILLER]
    one = usual[measure.value]

    def act() -> str:
        alerts.change_threshold(actor, measure, biller, Change(one.raise_at, one.clear_at, one.window_hours, one.least, one.owner, one.is_on))
        return "The biller has a threshold of its own: change it below."

    attempt(act)


@guarded("notifications:manage")
def _remove(actor: Actor, measure: Measure, biller: str) -> None:
    def act() -> str:
        alerts.remove_threshold(actor, measure, biller)
        return "The biller goes by the threshold of all the others again."

    attempt(act)
