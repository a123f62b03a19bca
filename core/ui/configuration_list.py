"""The list of configurations: what each is, how it stands, how its last test went, and the way to what can be done."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from core.access import Actor
from core.services import configuration_approvals, configurations
from core.services.configurations import Configuration
from core.ui import configuration_proposal
from core.ui.configuration_looks import STATE_SIGNS, STATES, result_text
from core.ui.pieces import turn_to
from core.ui.tables import ROW_PIXELS, short_moment
from core.ui.words import as_of

# Where Streamlit keeps which row's button was clicked, and what each leads to.
OPENED, TESTED, SWITCHED = "configurations-opened", "configurations-tested", "configurations-switched"

SWITCHES = {"active": ("Pause", "pause"), "paused": ("Resume", "resume"), "inactive": ("Activate", "activate")}


def show(actor: Actor) -> None:
    rows = configurations.list_all(actor)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.title("Configurations", anchor=False)
        if st.button("New configuration", type="primary", icon=":material/add:", help="For a biller this console has a class for; saved switched off."):
            turn_to(new="1")
    if not rows:
        st.info("No biller is configured yet. Make the first configuration, test it, and activate it.", icon=":material/tune:")
        return
    configuration_proposal.strip(configuration_approvals.waiting(actor))
    _summary(rows)
    _grid(rows)
    _go_on(rows)


def _summary(rows: Sequence[Configuration]) -> None:
    counts = {state: sum(row.state == state for row in rows) for state in STATES}
    failing = sum(row.is_active and row.last_test is not None and not row.last_test.passed for row in rows)
    badges = " ".join(f":{look.colour}-badge[{look.icon} {counts[state]} {look.label.lower()}]" for state, look in STATES.items() if counts[state])
    broken = f" :red-badge[:material/error: {failing} active with a failed test]" if failing else ""
    st.markdown(f"{badges}{broken} :gray[{as_of()}]")


def _grid(rows: Sequence[Configuration]) -> None:
    text, button = st.column_config.TextColumn, st.column_config.ButtonColumn
    st.dataframe(
        pd.DataFrame(
            {
                "Name": [row.snapshot.display_name for row in rows],
                "Type": [row.snapshot.biller_type for row in rows],
                "State": [[STATE_SIGNS[row.state]] for row in rows],
                "Base URL": [row.snapshot.base_url for row in rows],
                "Last test": [result_text(row.last_test, row.version) for row in rows],
                "Changed": [short_moment(row.updated_at) for row in rows],
                "Test": ["Test" for _ in rows],
                "Switch": [SWITCHES[row.state][0] for row in rows],
            },
            dtype=object,
        ),
        column_config={
            "Name": button(width=132, type="tertiary", alignment="left", key=OPENED, help="The short name. A click opens the configuration."),
            "Type": text(width=142, help="Which biller this is: it decides the messages that are sent."),
            "State": st.column_config.MultiselectColumn(
                width=92,
                options=list(STATE_SIGNS.values()),
                color=[STATES[state].colour for state in STATE_SIGNS],
                help="; ".join(f"{look.label}: {look.meaning}" for look in STATES.values()),
            ),
            "Base URL": text(width=236, help="Where the biller is reached."),
            "Last test": text(width=136, help="How the last connection test of saved values went; and of which version, if it was changed since."),
            "Changed": text(width=122, help="When its last version was written, in the bank's time zone."),
            "Test": button(width=62, key=TESTED, help="Opens the connection test. It asks about a test account and pays nothing."),
            "Switch": button(width=82, key=SWITCHED, help="Opens what can be done next. Nothing happens before you confirm it there."),
        },
        hide_index=True,
        row_height=ROW_PIXELS,
        height=ROW_PIXELS * (len(rows) + 1) + 3,
        key="configurations",
        alt="Configurations of billers, by name",
    )


def _go_on(rows: Sequence[Configuration]) -> None:
    """Whatever button of a row was clicked leads to an address of its own."""
    ways = {OPENED: {}, TESTED: {"tab": "test"}, SWITCHED: None}
    for key, way in ways.items():
        clicked = st.session_state.get(key)
        if clicked and clicked.row < len(rows):
            row = rows[clicked.row]
            turn_to(id=str(row.id), **(way if way is not None else {"do": SWITCHES[row.state][1]}))
