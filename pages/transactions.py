"""Transactions: the list, or with `?id=` the story of one."""

from core.ui.session import guard

actor = guard("transactions:read")

import streamlit as st  # noqa: E402 - the guard goes first

from core.ui import transaction_list, transaction_view  # noqa: E402

if asked := st.query_params.get("id"):
    transaction_view.show(actor, asked)
else:
    st.title("Transactions", anchor=False)
    transaction_list.show(actor)
