"""Where everybody arrives: what they can do here, one click away."""

from core.ui.session import guard

actor = guard("people:sign_in")

from pathlib import Path  # noqa: E402 - the guard goes first

import streamlit as st  # noqa: E402

from core.ui.words import plain  # noqa: E402

# Page, its name, what it is for, and the right it needs.
WAYS = (
    ("payment", "Pay a bill", ":material/payments:", "Biller, account, amount. Enter moves on.", "transactions:pay"),
    ("lookup", "Look an account up", ":material/person_search:", "Name, balance and status, from the biller itself.", "accounts:lookup"),
    ("transactions", "Transactions", ":material/receipt_long:", "Every look-up and payment, and the story of each.", "transactions:read"),
)

st.title(f"Good day, {plain(actor.display_name.split()[0])}")

here = Path(__file__).parent
ways = [way for way in WAYS if actor.may(way[-1]) and (here / f"{way[0]}.py").exists()]
for column, (name, title, icon, purpose, _) in zip(st.columns(max(len(ways), 1)), ways, strict=False):
    with column, st.container(border=True, height="stretch"):
        st.subheader(title)
        st.markdown(f":gray[{purpose}]")
        st.page_link(here / f"{name}.py", label="Open", icon=icon)
if not ways:
    st.info("Your role has no pages yet. An administrator can tell you when they come.", icon=":material/hourglass_empty:")
