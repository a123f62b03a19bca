"""Audit: who did what, when, from where, before and after; of everything, or with `?subject=` of one object; and whether the record is whole."""

from core.ui.session import guard

actor = guard("audit:read")

import streamlit as st  # noqa: E402 - the guard goes first

from core.ui import audit_view  # noqa: E402

if asked := st.query_params.get(audit_view.ENTRY):
    audit_view.show_entry(actor, asked)
else:
    audit_view.show(actor)
