"""The restore gate as a manager sees it: what the database has forgotten, what to compare, and the sign-off."""

import streamlit as st

from core.access import Actor
from core.errors import BillersError
from core.services import reopening
from core.services.reopening import LONGEST_REASON, Closing
from core.ui.figure_words import counted
from core.ui.pieces import FORM_WIDTH, show_facts
from core.ui.session import guarded
from core.ui.words import moment_text, plain

REASON = "gate.reason"
DONE = "gate.done"


def show(actor: Actor) -> None:
    if done := st.session_state.pop(DONE, None):
        st.success(done, icon=":material/check_circle:")
    found = reopening.closings(actor)
    if not found or found[0].reopened_at is not None:
        st.info("The gate is open: the database has everything that was written down of it.", icon=":material/check_circle:")
    else:
        _ask(found.pop(0))
    for one in found:
        _tell(one)


def _ask(one: Closing) -> None:
    """What was found, what to do, and the word that opens it."""
    st.error(f"{plain(one.because)} Nothing is sent until this is signed off.", title=f"Gate {one.number} is closed", icon=":material/front_hand:")
    show_facts(_facts(one), alt="What was written down, and what the database has")
    st.markdown(
        f"1. Compare the statements of every biller, and of core banking, from **{moment_text(one.found_at)}** on: payments of that time may be missing here.\n"
        f"2. {counted(one.doubted, 'payment')} that waited before may have been sent in that time. Signing off sends none of them: their billers are asked, "
        "and what is proven unseen ends as failed.\n"
        "3. What was submitted after the gate closed is sent once it is open."
    )
    with st.form("gate", width=FORM_WIDTH):
        st.text_area("What was compared, and what came of it", key=REASON, max_chars=LONGEST_REASON)
        st.form_submit_button("Sign off, and send again", type="primary", on_click=_sign_off)


@guarded("gate:sign_off")
def _sign_off(actor: Actor) -> None:
    try:
        doubted = reopening.sign_off(actor, st.session_state.get(REASON, ""))
    except BillersError as error:
        st.error(error.sentence, icon=":material/error:")
    else:
        st.session_state[DONE] = f"The gate is open. {counted(doubted, 'payment')} that waited may have been sent before: their billers are asked."


def _tell(one: Closing) -> None:
    """One that was signed off."""
    with st.expander(f"Gate {one.number}, closed {moment_text(one.closed_at)}", icon=":material/history:"):
        st.write(plain(one.because))
        signed = {"Signed off": f"{moment_text(one.reopened_at)}, {plain(one.reopened_by)}", "What came of it": plain(one.reopened_because)}
        show_facts({**_facts(one), **signed, "Asked about": counted(one.doubted, "payment")}, alt="How this gate was closed and signed off")


def _facts(one: Closing) -> dict[str, str]:
    return {
        "Closed": moment_text(one.closed_at),
        "Written down": f"event {one.mirrored_seq:,} of {moment_text(one.mirrored_at)}",
        "Last in the database": f"event {one.found_seq:,} of {moment_text(one.found_at)}",
    }
