"""Look up: whose account is this, and what is owed? Asked of the biller itself, by the worker; this page only watches."""

from core.ui.session import guard

actor = guard("accounts:lookup")

import streamlit as st  # noqa: E402 - the guard goes first

from core.services import billers  # noqa: E402
from core.ui import lookup_view, pieces  # noqa: E402

st.title("Look up an account", anchor=False)

with st.container(width=pieces.FORM_WIDTH):
    lookup_view.ask(actor, billers.list_billers(actor))
    lookup_view.show_answer(actor, pieces.id_in_address("lookup"))
    lookup_view.show_recent(actor)
