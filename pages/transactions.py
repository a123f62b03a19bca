"""Transactions: the list, with `?id=` the story of one, with `?bulk=` an act on many, or with `?exports=` what was taken away."""

from core.ui.session import guard

actor = guard("transactions:read")

import streamlit as st  # noqa: E402 - the guard goes first

from core.ui import bulk_view, export_history, transaction_list, transaction_view  # noqa: E402

if asked := st.query_params.get("id"):
    transaction_view.show(actor, asked)
elif asked := st.query_params.get("bulk"):
    bulk_view.show(actor, asked)
elif asked := st.query_params.get(export_history.EXPORTS):
    export_history.show(actor, asked)
else:
    st.title("Transactions", anchor=False)
    transaction_list.show(actor)
