"""The browsers one is signed in with, and how the others are signed out."""

import uuid

import streamlit as st

from core.access import Actor
from core.services import own_account
from core.ui import people_sessions, session
from core.ui.people_view import NOTICE, attempt
from core.ui.session import guarded


def show(actor: Actor) -> None:
    st.caption("A browser that you do not know? End it, and change your password.")
    people_sessions.rows(own_account.sessions(actor, session.token()), _end, may_end=True)


@guarded("people:sign_in")
def _end(actor: Actor, session_id: uuid.UUID) -> None:
    if attempt(lambda: own_account.end_session(actor, session_id)):
        st.session_state[NOTICE] = "That browser is signed out."
