"""Why something was not done, told beside it for as long as it takes to read: these pages draw themselves anew every few seconds, and would take it away."""

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from core import clock
from core.errors import BillersError
from core.ui.pieces import complain

TOLD_FOR_SECONDS = 60.0


@contextmanager
def beside(what: object) -> Iterator[None]:
    """An act on something: what spoke against it the last time is over, and what does so now is kept for `tell`."""
    forget(what)
    try:
        yield
    except BillersError as error:
        refuse(what, error.sentence)


def refuse(what: object, sentence: str) -> None:
    st.session_state[_key(what)] = (sentence, clock.monotonic_seconds() + TOLD_FOR_SECONDS)


def forget(what: object) -> None:
    st.session_state.pop(_key(what), None)


def tell(what: object) -> None:
    """At its place, at each drawing until it has been read or the next act on it."""
    sentence, until = st.session_state.get(_key(what), ("", 0.0))
    if clock.monotonic_seconds() < until:
        complain(sentence)


def _key(what: object) -> str:
    """`what` is an id, or a word where there is only one such thing on the page."""
    return f"refused-{what}"
