"""Everybody who may or might use the console: who they are, what they see, how they sign in, and when they were last here."""

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from core.access import Actor
from core.services import billers, proofs, staff
from core.services.staff import Member
from core.ui.people_words import SIGNS, scope
from core.ui.pieces import turn_to
from core.ui.tables import ROW_PIXELS, short_moment
from core.ui.words import as_of

TABS: Mapping[str, str] = {"people": "People", "roles": "Roles", "tokens": "API tokens"}

# Where Streamlit keeps which row's name was clicked.
OPENED = "people-opened"

MOST_PIXELS = 1_200


def choose_tab() -> str:
    """The address is the only memory of which view is open."""
    asked = st.query_params.get("tab", "people")
    tab, key = asked if asked in TABS else "people", "people-tab"
    if st.session_state.get(key) != tab:
        st.session_state[key] = tab

    def remember() -> None:
        st.query_params.from_dict({"tab": st.session_state[key]} if st.session_state[key] != "people" else {})

    st.title("People", anchor=False)
    st.segmented_control("View", list(TABS), format_func=TABS.__getitem__, key=key, required=True, label_visibility="collapsed", on_change=remember)
    return tab


def show(actor: Actor) -> None:
    members = staff.everybody(actor)
    with_code = proofs.is_enrolled([one.id for one in members])
    _summary(actor, members, len(with_code & {one.id for one in members if not one.disabled}))
    _grid(members, with_code, billers.short_names(actor))
    clicked = st.session_state.get(OPENED)
    if clicked and clicked.row < len(members):
        turn_to(person=str(members[clicked.row].id))


def _summary(actor: Actor, members: Sequence[Member], with_code: int) -> None:
    able = [one for one in members if not one.disabled]
    here = sum(one.open_sessions > 0 for one in members)
    given = sum(one.password_given for one in able)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(
            f":green-badge[:material/check_circle: {len(able)} may sign in] :blue-badge[:material/devices: {here} signed in]"
            f" :{'green' if with_code == len(able) else 'orange'}-badge[:material/verified_user: {with_code} with a sign-in code]"
            + (f" :orange-badge[:material/key: {given} with a password that was given to them]" if given else "")
            + f" :gray[{as_of()}]"
        )
        if actor.may("people:manage") and st.button("Add a person", type="primary", icon=":material/person_add:", help="They sign in with a new password."):
            turn_to(new="person")


def _grid(members: Sequence[Member], with_code: frozenset[object], names: Mapping[str, str]) -> None:
    text = st.column_config.TextColumn
    st.dataframe(
        pd.DataFrame(
            {
                "Name": [one.display_name for one in members],
                "User name": [one.username for one in members],
                "Role": [one.role_title for one in members],
                "Billers": [scope(one.billers, names) for one in members],
                "State": [[SIGNS[one.disabled]] for one in members],
                "Sign-in code": ["on" if one.id in with_code else "–" for one in members],
                "Signed in": [str(one.open_sessions) if one.open_sessions else "–" for one in members],
                "Last seen": [short_moment(one.last_seen_at) if one.last_seen_at else "never" for one in members],
            },
            dtype=object,
        ),
        column_config={
            "Name": st.column_config.ButtonColumn(width=160, type="tertiary", alignment="left", key=OPENED, help="A click opens the person."),
            "User name": text(width=112, help="What they sign in with, whatever its case."),
            "Role": text(width=122, help="What they may do: the roles are under Roles."),
            "Billers": text(width=178, help="The billers whose payments and figures they see; of others nothing exists for them."),
            "State": st.column_config.MultiselectColumn(width=118, options=list(SIGNS.values()), color=["green", "gray"], help="Whether they may sign in."),
            "Sign-in code": text(width=104, help="Whether a code from an app is asked for beside the password."),
            "Signed in": text(width=84, help="Browsers in which they are signed in at this moment."),
            "Last seen": text(width=122, help="When one of their windows was last used, in the bank's time zone."),
        },
        hide_index=True,
        row_height=ROW_PIXELS,
        height=min(MOST_PIXELS, ROW_PIXELS * (len(members) + 1) + 3),
        key="people",
        alt="People who may use the console, by name",
    )
