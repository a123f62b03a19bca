"""Where in the address a transaction is open: on its own page, beside the list, or at a question about it. The list's filter stays."""

from typing import NoReturn

import streamlit as st

from core.ui.pieces import turn_to

# Stands in the address while one of the list's rows is shown beside it.
PEEK = "peek"

# Steps of the view that stand in the address beside the id.
OWN_PARAMETERS = ("id", "retry", "cancel", "resolve", "reverse", "waive", PEEK)


def elsewhere(**more: str) -> NoReturn:
    """This page with the list's filter kept, and only these of the view's own parameters."""
    kept = {name: st.query_params.get_all(name) for name in st.query_params if name not in OWN_PARAMETERS}
    turn_to(**kept, **more)
