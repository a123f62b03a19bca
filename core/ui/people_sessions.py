"""Where somebody is signed in: a row for each browser, and the way to end it. The same for oneself and for whoever looks after people."""

import uuid
from collections.abc import Callable, Sequence

import streamlit as st

from core.repositories.staff import OpenSession
from core.ui.people_words import browser
from core.ui.words import ago, moment_text, plain


def rows(sessions: Sequence[OpenSession], end: Callable[[uuid.UUID], object], *, may_end: bool) -> None:
    """`end` gets the id of the one that is to be over."""
    for one in sessions:
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute", border=True):
            here = " :blue-badge[This browser]" if one.is_this else ""
            place = f" from {plain(one.address)}" if one.address else ""
            with st.container(gap=None):
                st.markdown(f"**{browser(one.user_agent)}**{place}{here}")
                st.caption(f"Since {moment_text(one.created_at)} · used {ago(one.last_seen_at)} · over at the latest {moment_text(one.expires_at)}")
            if may_end and not one.is_this:
                st.button(
                    "End",
                    icon=":material/logout:",
                    key=f"end-session-{one.id}",
                    on_click=end,
                    args=(one.id,),
                    width="content",
                    help="Signs this browser out, in all its windows.",
                )
