"""The restore gate: what the database has lost, and the word of a person that opens it again."""

from core.ui.session import guard

actor = guard("gate:sign_off")

import streamlit as st  # noqa: E402 - the guard goes first

from core.ui import gate_view  # noqa: E402

st.title("Restore gate", anchor=False)

gate_view.show(actor)
