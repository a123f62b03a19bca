"""The log of notifications: each line with where it stands, and one in full with every try of it."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime

import pandas as pd
import streamlit as st

from core.access import Actor
from core.errors import BadInput
from core.models import NotificationAttempt
from core.models.notifications import DeliveryState, Happening, Medium
from core.repositories.notifications import Logged
from core.services import notifications
from core.services.notification_words import EVENTS
from core.services.notifications import Page
from core.ui.notices import attempt
from core.ui.pieces import id_in_address, show_facts
from core.ui.session import guarded
from core.ui.tables import ROW_PIXELS
from core.ui.words import Look, ago, as_of, moment_text, plain

STATE, EVENT, ONE, OLDER = "state", "event", "notification", "older"
PILLS, EVENTS_BOX, GRID = "notifications-state", "notifications-event", "notifications-log"

STATES: Mapping[DeliveryState, Look] = {
    DeliveryState.WAITING: Look("Waiting", ":material/schedule:", "gray", "It is told as soon as it can be, and tried again by itself."),
    DeliveryState.DELIVERED: Look("Delivered", ":material/check_circle:", "green", "Whoever receives it has taken it."),
    DeliveryState.DEAD: Look("Given up", ":material/cancel:", "red", "It is not tried again by itself: see why, mend it, and have it told again."),
}
MEDIA: Mapping[Medium, str] = {Medium.EMAIL: "E-mail", Medium.SMS: "SMS", Medium.WEBHOOK: "Webhook"}
MARKS: Mapping[DeliveryState, str] = {DeliveryState.WAITING: "◷", DeliveryState.DELIVERED: "✓", DeliveryState.DEAD: "✕"}

MOST_PIXELS = 1_200


def show(actor: Actor) -> None:
    if opened := id_in_address(ONE):
        _show_one(actor, opened)
        return
    state, event = _asked()
    page = notifications.log(actor, state=state, event=event, before=_place())
    _filters(page, state, event)
    if not page.lines:
        _nothing(state is not None or event is not None)
        return
    st.caption(f"The newest first · {as_of(page.as_of)}")
    _grid(page.lines)
    _pages(page)


def _asked() -> tuple[DeliveryState | None, Happening | None]:
    """What the address says; what is no such word is not asked for."""
    state, event = st.query_params.get(STATE, ""), st.query_params.get(EVENT, "")
    return DeliveryState(state) if state in list(DeliveryState) else None, Happening(event) if event in list(Happening) else None


def _place() -> tuple[datetime, uuid.UUID] | None:
    at, _, last = st.query_params.get(OLDER, "").partition("/")
    try:
        return (datetime.fromisoformat(at), uuid.UUID(last)) if at else None
    except ValueError:
        raise BadInput("This address leads nowhere: part of it is missing. Start again from the menu.") from None


def _around(**changed: str) -> dict[str, str]:
    kept = {name: st.query_params.get(name, "") for name in ("part", STATE, EVENT)}
    return {name: value for name, value in {**kept, **changed}.items() if value}


def _filters(page: Page, state: DeliveryState | None, event: Happening | None) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.pills(
            "Where it stands",
            list(DeliveryState),
            default=state,
            format_func=lambda one: f"{STATES[one].icon} {STATES[one].label} {page.counts.get(one, 0):,}",
            key=PILLS,
            on_change=_narrow,
            help="Of all that is kept, for a quarter of a year.",
        )
        events: list[Happening | None] = [None, *Happening]
        st.selectbox(
            "Event",
            events,
            index=events.index(event),
            format_func=lambda one: EVENTS[one].title if one else "All events",
            key=EVENTS_BOX,
            on_change=_narrow,
            width=260,
        )


def _narrow() -> None:
    state, event = st.session_state[PILLS], st.session_state[EVENTS_BOX]
    st.query_params.from_dict(_around(**{STATE: state.value if state else "", EVENT: event.value if event else ""}))


def _nothing(filtered: bool) -> None:
    if filtered:
        st.info("Nothing was told that is like this. Take a filter away.", icon=":material/filter_alt_off:")
    else:
        st.info(
            "Nobody was told of anything yet. An administrator adds a channel, and says under Who is told whom it tells of what.",
            icon=":material/notifications_off:",
        )


def _grid(lines: Sequence[Logged]) -> None:
    frame = pd.DataFrame(
        {
            "Happened": [moment_text(one.happened_at) for one in lines],
            "Event": [_title(one.event) for one in lines],
            "About": [one.reference for one in lines],
            "Told": [one.address or one.channel for one in lines],
            "By": [f"{one.channel} ({MEDIA[Medium(one.medium)]})" for one in lines],
            "State": [f"{MARKS[one.state]} {STATES[one.state].label}" for one in lines],
            "Tries": [one.tries for one in lines],
            "Last answer": [one.told or "" for one in lines],
        }
    )
    st.dataframe(
        frame,
        hide_index=True,
        height=min(MOST_PIXELS, ROW_PIXELS * (len(lines) + 1) + 3),
        row_height=ROW_PIXELS,
        key=GRID,
        selection_mode="single-row",
        on_select=lambda: _open(lines),
        column_config={"Last answer": st.column_config.TextColumn(width="large"), "Tries": st.column_config.NumberColumn(width="small")},
        alt="Notifications, the newest first",
    )
    st.caption("Tick a row to see what was said, and every try.")


def _open(lines: Sequence[Logged]) -> None:
    for row in st.session_state[GRID].selection.rows:
        st.query_params.from_dict(_around(**{ONE: str(lines[row].id)}))


def _pages(page: Page) -> None:
    with st.container(horizontal=True):
        if st.query_params.get(OLDER):
            st.button("Newest", icon=":material/first_page:", on_click=_turn, args=("",))
        if page.more:
            last = page.lines[-1]
            st.button("Older", icon=":material/chevron_right:", on_click=_turn, args=(f"{last.created_at.isoformat()}/{last.id}",))


def _turn(older: str) -> None:
    st.query_params.from_dict(_around(**{OLDER: older}))


def _title(event: str) -> str:
    return EVENTS[Happening(event)].title if event in list(Happening) else event


# ---- One of them


def _show_one(actor: Actor, delivery_id: uuid.UUID) -> None:
    line, tries = notifications.attempts(actor, delivery_id)
    st.button("What was told", icon=":material/arrow_back:", type="tertiary", on_click=_turn, args=("",))
    look = STATES[line.state]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(plain(f"{_title(line.event)} {line.reference}"), anchor=False)
        st.markdown(look.badge)
    st.caption(look.meaning)
    show_facts(_facts(line), alt="What was told to whom, and where it stands")
    if line.body:
        st.markdown("**What is said**")
        st.code(f"{line.subject}\n\n{line.body}" if line.subject else line.body, language=None, wrap_lines=True)
    if tries:
        _show_tries(tries)
    if actor.may("notifications:manage") and line.state is not DeliveryState.WAITING:
        st.button(
            "Tell it again",
            icon=":material/replay:",
            on_click=_replay,
            args=(delivery_id,),
            help="Under the same id, so that a receiver can tell that it is the same. It is written down that you asked for it.",
        )


def _facts(line: Logged) -> dict[str, str]:
    noes = line.tries - (line.state is DeliveryState.DELIVERED)
    return {
        "Happened": moment_text(line.happened_at),
        "Told to": plain(line.address) if line.address else "whoever receives the webhook",
        "By": plain(f"{line.channel} ({MEDIA[Medium(line.medium)]})"),
        "Id": plain(line.id),
        "Answered with a no": {0: "", 1: "once"}.get(noes, f"{noes:,} times"),
        "Next try": f"{moment_text(line.next_try_at)}, or when the channel is there again" if line.state is DeliveryState.WAITING else "",
        "Delivered" if line.state is DeliveryState.DELIVERED else "Given up": moment_text(line.ended_at) if line.ended_at else "",
        "Last answer": plain(line.told or ""),
    }


def _show_tries(tries: Sequence[NotificationAttempt]) -> None:
    st.markdown("**Every try**")
    st.dataframe(
        [
            {
                "When": moment_text(one.at),
                "Ago": ago(one.at),
                "By": one.channel,
                "Taken": "✓ yes" if one.delivered else "✕ no",
                "Answer": one.answer,
                "Took": f"{one.duration_ms:,} ms",
            }
            for one in tries
        ],
        hide_index=True,
        column_config={"Answer": st.column_config.TextColumn(width="large")},
        alt="Every try, the oldest first",
    )


@guarded("notifications:manage")
def _replay(actor: Actor, delivery_id: uuid.UUID) -> None:
    def act() -> str:
        notifications.replay(actor, delivery_id)
        return "It is told again, under the same id, within moments."

    attempt(act)
