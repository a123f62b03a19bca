"""My day: one's own payments of a business day, to balance the till by."""

from core.ui.session import guard

actor = guard("transactions:pay")

import streamlit as st  # noqa: E402 - the guard goes first

from core.ui import my_day_view  # noqa: E402

st.title("My day", anchor=False)

my_day_view.show(actor, my_day_view.day_in_address())
