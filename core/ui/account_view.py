"""One's own account: what everybody sees to for themselves."""

import streamlit as st

from core.access import Actor
from core.ui import account_codes
from core.ui.pieces import FORM_WIDTH
from core.ui.words import plain


def show(actor: Actor) -> None:
    st.title("My account", anchor=False)
    st.caption(f"{plain(actor.display_name)}, signed in as {plain(actor.username)}.")
    with st.container(width=FORM_WIDTH, border=True):
        st.subheader("Sign-in code", anchor=False)
        account_codes.show(actor)
