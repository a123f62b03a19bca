"""One's own account: what everybody sees to for themselves."""

import streamlit as st

from core.access import Actor
from core.ui import account_codes, account_password, account_sessions, people_tokens
from core.ui.people_view import notices
from core.ui.pieces import FORM_WIDTH
from core.ui.words import plain


def show(actor: Actor) -> None:
    st.title("My account", anchor=False)
    st.caption(f"{plain(actor.display_name)}, signed in as {plain(actor.username)}.")
    notices()
    with st.container(width=FORM_WIDTH, border=True):
        st.subheader("Password", anchor=False)
        account_password.show(actor)
    with st.container(width=FORM_WIDTH, border=True):
        st.subheader("Sign-in code", anchor=False)
        account_codes.show(actor)
    with st.container(width=FORM_WIDTH, border=True):
        st.subheader("Signed in", anchor=False)
        account_sessions.show(actor)
    if actor.may("api:tokens"):
        with st.container(width=FORM_WIDTH, border=True):
            st.subheader("API tokens", anchor=False)
            people_tokens.show_own(actor)
