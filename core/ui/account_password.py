"""One's own password: the present one and a new one, twice."""

import streamlit as st

from core.access import Actor
from core.security.passwords import SHORTEST
from core.services import own_account
from core.ui import session
from core.ui.people_view import NOTICE, REFUSED, attempt
from core.ui.session import guarded
from core.ui.shell import NOT_THEIR_OWN

CURRENT, NEW, AGAIN = "account-password-current", "account-password-new", "account-password-again"


def show(_actor: Actor) -> None:
    with st.form("account-password", border=False):
        st.text_input("The password you have", type="password", key=CURRENT, autocomplete="current-password")
        st.text_input(
            "A new one",
            type="password",
            key=NEW,
            autocomplete="new-password",
            help=f"At least {SHORTEST} characters; four words that do not belong together are good.",
        )
        st.text_input("The new one again", type="password", key=AGAIN, autocomplete="new-password")
        st.form_submit_button("Change it", type="primary", icon=":material/key:", on_click=_change, help="Signs your other browsers out.")


@guarded("people:sign_in")
def _change(actor: Actor) -> None:
    typed = st.session_state
    current, new, again = (typed.get(field) or "" for field in (CURRENT, NEW, AGAIN))
    if new != again:
        typed[REFUSED] = "The new password was not typed the same twice. Type it again."
    elif attempt(lambda: own_account.change_password(actor, session.token() or "", current, new)):
        typed[NOTICE] = "Your password is changed. Your other browsers are signed out."
        typed[NOT_THEIR_OWN] = False
    # None of them stays in any memory of the page's.
    for field in (CURRENT, NEW, AGAIN):
        typed[field] = ""
