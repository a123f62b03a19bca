"""People: the list; with `?person=` one of them, with `?role=` a role, with `?new=` somebody or a role that is yet to be; `?tab=` roles and tokens."""

from core.ui.session import guard

actor = guard("people:read")

import streamlit as st  # noqa: E402 - the guard goes first

from core.ui import people_list, people_roles, people_tokens, people_view, pieces  # noqa: E402

if asked := pieces.id_in_address("person"):
    people_view.show(actor, asked)
elif "role" in st.query_params:
    people_roles.show_one(actor, st.query_params["role"])
elif st.query_params.get("new") == "person":
    people_view.show_new(actor)
elif st.query_params.get("new") == "role":
    people_roles.show_new(actor)
else:
    tab = people_list.choose_tab()
    {"people": people_list.show, "roles": people_roles.show, "tokens": people_tokens.show}[tab](actor)
