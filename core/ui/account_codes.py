"""Setting up one's sign-in code: the picture for the app, the first code, and ten recovery codes that are shown once."""

import streamlit as st

from core.access import Actor
from core.documents.qr import svg
from core.errors import BillersError
from core.services import proofs
from core.services.proofs import Offer, Standing
from core.ui.pieces import code, complain
from core.ui.session import guarded

# In this window's memory, from the first look until they were put away.
OFFER, CODES, REFUSED, FIRST = "billers.code-offer", "billers.recovery-codes", "billers.code-refused", "billers.first-code"

QR_WIDTH = 240

# Fewer left than this, and it is time for new ones.
FEW = 3


def are_shown() -> bool:
    """Whether recovery codes are on the screen that nobody can show again: whatever page is asked for comes after them."""
    return CODES in st.session_state


def lead_through(actor: Actor) -> None:
    """In place of every page, for somebody whose role asks for a code and who has none; and until their recovery codes are put away."""
    st.title("Set up your sign-in code", anchor=False)
    if actor.must_enrol:
        st.markdown("Your role asks for a code beside the password. It takes a minute, once; then the console goes on where you wanted to be.")
    show(actor)


def show(actor: Actor) -> None:
    standing = proofs.standing(actor)
    if are_shown():
        _recovery_codes(st.session_state[CODES])
    elif standing.is_enrolled:
        _set_up(standing)
    elif OFFER in st.session_state:
        _offered(st.session_state[OFFER])
    else:
        _not_set_up()
    complain(st.session_state.pop(REFUSED, None))


def _not_set_up() -> None:
    st.markdown(
        "A code from an app on your phone, asked for beside your password: whoever learns your password alone cannot sign in as you, nor approve in your name."
        " Any authenticator app will do; it needs no network."
    )
    st.button("Set up a code", type="primary", icon=":material/qr_code_2:", key="code-offer", on_click=_offer)


def _offered(offer: Offer) -> None:
    st.markdown("**1.** Scan this with your authenticator app.")
    st.image(svg(offer.address), width=QR_WIDTH, alt="The secret as a picture, for the app's camera")
    st.caption(f"No camera? Type it in: {code(_grouped(offer.secret))}, by time, 6 digits.")
    with st.form("code-first", border=False):
        st.markdown("**2.** Type the code that the app shows now.")
        st.text_input("Code", key=FIRST, max_chars=7, placeholder="123 456", autocomplete="one-time-code", width=180)
        st.form_submit_button("Switch it on", type="primary", icon=":material/check:", on_click=_confirm)


def _set_up(standing: Standing) -> None:
    st.markdown(":green-badge[:material/verified_user: On] A code is asked for beside your password.")
    left = standing.recovery_codes
    told = f"{left} of your recovery codes still work." if left != 1 else "One of your recovery codes still works."
    if left <= FEW:
        st.warning(f"{told} Make new ones before you need them.", icon=":material/key:")
    else:
        st.caption(told)
    with st.container(horizontal=True):
        st.button("New recovery codes", icon=":material/autorenew:", key="code-renew", help="Those you have work no longer.", on_click=_renew)
        with st.popover("Remove the code …", icon=":material/phonelink_erase:", help="To set it up on another phone."):
            then = " Your role asks for one: you are led to set it up again at once." if standing.is_required else ""
            st.markdown(f"The app's codes and the recovery codes work no longer.{then}")
            st.button("Remove it", type="primary", icon=":material/phonelink_erase:", key="code-remove", on_click=_remove)


def _recovery_codes(codes: list[str]) -> None:
    st.success("The code is on. From now on it is asked for beside your password.", icon=":material/verified_user:")
    st.markdown("**Keep these recovery codes**, on paper or in a password safe. Each works once in place of a code, on a day without your phone.")
    st.code("\n".join(codes), language=None)
    st.caption("They are shown this once: nobody can show them again.")
    st.button("I have kept them", type="primary", icon=":material/check:", key="codes-kept", on_click=lambda: st.session_state.pop(CODES, None))


def _grouped(secret: str) -> str:
    return " ".join(secret[start : start + 4] for start in range(0, len(secret), 4))


# ---- Callbacks


@guarded("people:sign_in")
def _offer(actor: Actor) -> None:
    try:
        st.session_state[OFFER] = proofs.offer(actor)
    except BillersError as error:
        st.session_state[REFUSED] = error.sentence


@guarded("people:sign_in")
def _confirm(actor: Actor) -> None:
    try:
        st.session_state[CODES] = proofs.confirm(actor, st.session_state.get(FIRST))
    except BillersError as error:
        st.session_state[REFUSED] = error.sentence
    else:
        st.session_state.pop(OFFER, None)


@guarded("people:sign_in")
def _renew(actor: Actor) -> None:
    try:
        st.session_state[CODES] = proofs.renew_recovery_codes(actor)
    except BillersError as error:
        st.session_state[REFUSED] = error.sentence


@guarded("people:sign_in")
def _remove(actor: Actor) -> None:
    try:
        proofs.remove(actor)
    except BillersError as error:
        st.session_state[REFUSED] = error.sentence
