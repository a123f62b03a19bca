"""What came of an act that a callback did, told at the next run, above what it changed."""

from collections.abc import Callable

import streamlit as st

from core.errors import BillersError

DONE, REFUSED = "notifications.done", "notifications.refused"


def show_notices() -> None:
    if done := st.session_state.pop(DONE, None):
        st.success(done, icon=":material/check_circle:")
    if refused := st.session_state.pop(REFUSED, None):
        st.error(refused, icon=":material/error:")


def attempt(act: Callable[[], str]) -> None:
    """Does it, and keeps the sentence that it answers; where it is refused, the refusal's. What was typed stays where it is."""
    try:
        st.session_state[DONE] = act()
    except BillersError as error:
        st.session_state[REFUSED] = error.sentence
