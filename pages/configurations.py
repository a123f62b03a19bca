"""Configurations: the list; with `?id=` one of them, with `?new=1` one that is yet to be."""

from core.ui.session import guard

actor = guard("billers:configure")

import streamlit as st  # noqa: E402 - the guard goes first

from core.ui import configuration_form, configuration_list, configuration_view, pieces  # noqa: E402

if asked := pieces.id_in_address("id"):
    configuration_view.show(actor, asked)
elif "new" in st.query_params:
    configuration_form.show_new(actor)
else:
    configuration_list.show(actor)
