"""Look up: whose account is this, and what is owed? Asked of the biller itself, by the worker; this page only watches."""

from core.ui.session import guard

actor = guard("accounts:lookup")

import streamlit as st  # noqa: E402 - the guard goes first

from core.services import billers  # noqa: E402
from core.ui import forms, lookup_view, pieces  # noqa: E402

st.title("Look up an account", anchor=False)

question, recent = st.columns([5, 3], gap="large")
with question:
    cards = billers.list_billers(actor)
    biller = lookup_view.ask(actor, cards)
    lookup_view.show_answer(actor, pieces.id_in_address("lookup"), cards)
    forms.sandbox_accounts(actor, lookup_view.KEY, biller)
with recent:
    lookup_view.show_recent(actor)
