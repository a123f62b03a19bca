"""Asks a person to prove again who they are. What they had typed stays where it is: afterwards they press again what asked for it."""

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from core.access import Actor
from core.errors import BillersError
from core.services import proofs
from core.ui import session
from core.ui.session import PROOF_ASKED, PROOF_WANTED, guarded, guarded_dialog

PASSWORD, CODE, REFUSED, GIVEN = "billers.proof-password", "billers.proof-code", "billers.proof-refused", "billers.proof-given"

TITLE = "Prove that it is you"
THANKS = "Thank you. Press the button again."


def ask_if_wanted() -> None:
    """In a dialog over the page, as the last thing of its run. Where the page opened a dialog itself, that one asks."""
    if st.session_state.pop(GIVEN, False):
        st.toast(THANKS, icon=":material/lock_open:")
    context = get_script_run_ctx()
    if _is_wanted() and not (context is not None and context.has_dialog_opened):
        guarded_dialog(TITLE, "people:sign_in", icon=":material/lock:", on_dismiss=_let_be)(_whole)()


def _whole(_actor: Actor) -> None:
    if not _is_wanted():
        # Proven: the page below is drawn anew, and this is not.
        st.rerun()


def ask_here_if_wanted() -> None:
    """In the dialog that is open."""
    if not _is_wanted() and st.session_state.pop(GIVEN, False):
        st.success(THANKS, icon=":material/lock_open:")
    actor = session.current() if _is_wanted() else None
    if actor is not None:
        _form(actor)


def _is_wanted() -> bool:
    state = st.session_state
    if state.pop(PROOF_WANTED, False):
        state[PROOF_ASKED] = True
    return PROOF_ASKED in state


def _let_be() -> None:
    for name in (PROOF_WANTED, PROOF_ASKED, REFUSED):
        st.session_state.pop(name, None)


def _form(actor: Actor) -> None:
    """The password; and the code, of whoever has one."""
    has_code = proofs.standing(actor).is_enrolled
    with st.form("prove", border=False):
        st.markdown("What you asked for needs a fresh proof. Nothing you typed is lost: afterwards, press the same button again.")
        # Not what the browser has kept: it would prove who the window belongs to, not who sits before it.
        st.text_input("Your password", type="password", key=PASSWORD, autocomplete="new-password")
        if has_code:
            st.text_input("Code", key=CODE, autocomplete="one-time-code", help="Six digits from your authenticator app, or a recovery code.")
        if refused := st.session_state.pop(REFUSED, None):
            st.error(refused, icon=":material/error:")
        st.form_submit_button("Prove it", type="primary", icon=":material/lock_open:", on_click=_prove, width="stretch")


@guarded("people:sign_in")
def _prove(_actor: Actor) -> None:
    typed = st.session_state
    try:
        proofs.prove(session.token(), typed.get(PASSWORD) or "", typed.get(CODE))
    except BillersError as error:
        typed[REFUSED] = error.sentence
    else:
        _let_be()
        # Said by whoever draws next: what a callback draws in a dialog takes the place of the whole page.
        typed[GIVEN] = True
    # Neither stays in any memory of the page's.
    typed[PASSWORD] = ""
    if CODE in typed:
        typed[CODE] = ""
