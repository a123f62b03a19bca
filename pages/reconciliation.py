"""Reconciliation: days by billers, with `?biller=&day=` one of them beside its statement, with `?import=` a file coming in, with `?file=` one that came."""

from core.ui.session import guard

actor = guard("reconciliation:read")

import streamlit as st  # noqa: E402 - the guard goes first

from core.ui import reconciliation_day, reconciliation_import, reconciliation_view  # noqa: E402

if "import" in st.query_params:
    reconciliation_import.show(actor)
elif "file" in st.query_params:
    reconciliation_view.show_file(actor)
elif "day" in st.query_params:
    reconciliation_day.show(actor)
else:
    st.title("Reconciliation", anchor=False)
    reconciliation_view.show(actor)
