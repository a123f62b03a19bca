"""Notifications on the screen: the log and the alerts for whoever looks on; channels, people and words for whoever says how the bank tells."""

from collections.abc import Callable, Mapping

import streamlit as st

from core.access import Actor
from core.ui import alert_thresholds, notification_channels, notification_log, notification_people, notification_words_form
from core.ui.notices import show_notices

PART = "part"

# In the order of how often they are wanted: the part's name in the address, what it is called, and what draws it.
READ: Mapping[str, tuple[str, Callable[[Actor], None]]] = {
    "log": ("What was told", notification_log.show),
    "alerts": ("Alerts", alert_thresholds.show),
}
MANAGE: Mapping[str, tuple[str, Callable[[Actor], None]]] = {
    "who": ("Who is told", notification_people.show),
    "channels": ("Channels", notification_channels.show),
    "words": ("Words", notification_words_form.show),
}


def show(actor: Actor) -> None:
    st.title("Notifications", anchor=False)
    parts = {**READ, **(MANAGE if actor.may("notifications:manage") else {})}
    asked = st.query_params.get(PART, "")
    chosen = st.segmented_control(
        "Part",
        list(parts),
        default=asked if asked in parts else next(iter(parts)),
        format_func=lambda part: parts[part][0],
        key="notifications-part",
        label_visibility="collapsed",
        required=True,
        on_change=_turn,
    )
    show_notices()
    parts[chosen or next(iter(parts))][1](actor)


def _turn() -> None:
    st.query_params.from_dict({PART: st.session_state["notifications-part"]})
