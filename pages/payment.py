"""Pay: one bill, step by step. The page writes one intent; the worker does the rest, and this page watches."""

from core.ui.session import guard

actor = guard("transactions:pay")

import streamlit as st  # noqa: E402 - the guard goes first

from core.services import billers  # noqa: E402
from core.ui import wizard, wizard_draft  # noqa: E402

st.title("Pay a bill", anchor=False)

wizard.show(actor, wizard_draft.draft_in_address(actor), billers.list_billers(actor))
