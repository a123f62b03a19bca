"""Approvals: what waits for a second person, with everything that was shown to whoever proposed it, and the rules of who decides alone."""

from core.ui.session import guard

actor = guard("approvals:read")

import streamlit as st  # noqa: E402 - the guard goes first

from core.ui import approvals_view  # noqa: E402

st.title("Approvals", anchor=False)

approvals_view.show(actor)
