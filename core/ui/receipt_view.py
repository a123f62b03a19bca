"""The paper of a payment and its token: the buttons, wherever a payment is shown. A token is on the screen for one run and in no memory of the page's."""

from urllib.parse import urlencode

import streamlit as st

from core.access import Actor
from core.errors import BillersError
from core.models import Transaction
from core.services import receipts, tokens
from core.services.receipts import Standing
from core.services.tokens import LONGEST_REASON, REASONS
from core.ui.pieces import complain
from core.ui.session import want_proof
from core.ui.words import plain

OWN_WORDS = "Another reason …"


def offer(actor: Actor, transaction: Transaction) -> None:
    """Draws nothing for who may not print, and of what is not proven. Of the same payment once a page."""
    standing = receipts.standing(actor, transaction) if actor.may("receipts:print") else None
    if standing is None:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.link_button(
            "Receipt (PDF)",
            _address(transaction),
            icon=":material/print:",
            help="In a window of its own, on A5. Each print is counted and kept with your name.",
        )
        st.link_button("Slip, 80 mm", _address(transaction, paper="roll"), icon=":material/receipt:", help="The same for a roll printer.")
        asked = standing.has_token and actor.may("tokens:reveal") and _token_buttons(actor, transaction)
    if asked:
        _show_token(actor, transaction, None)
    st.caption(_next_print(standing))


def _address(transaction: Transaction, **more: str) -> str:
    return f"/receipt/{transaction.id}.pdf" + (f"?{urlencode(more)}" if more else "")


def _next_print(standing: Standing) -> str:
    """What the buttons will do, before anybody presses one."""
    unprinted = "Not printed yet by whoever took the payment" if standing.copy else "Not printed yet"
    before = {0: unprinted, 1: "Printed once", 2: "Printed twice"}.get(standing.printed, f"Printed {standing.printed} times")
    what = f"the next print is marked COPY {standing.copy}" if standing.copy else "the first print is the original"
    if standing.has_token:
        what += ", with the token on it" if standing.shows_token else ", without the token unless a reason is given"
    return f"{before}; {what}."


def _token_buttons(actor: Actor, transaction: Transaction) -> bool:
    """Whether the token is asked for without a reason. With one, it is shown where the reason was given."""
    asked = False
    if not tokens.wants_reason(actor, transaction):
        asked = st.button(
            "Show token", key=f"token-{transaction.id}", icon=":material/key:", help="It is cash to whoever reads it. Each look is kept with your name."
        )
    with st.popover("Token with a reason …", icon=":material/key:", help="To show it, or to print it on a copy."):
        reason = _reason(transaction)
        if st.button("Show the token", key=f"token-shown-{transaction.id}", icon=":material/visibility:"):
            _show_token(actor, transaction, reason)
        _copy_with_token(actor, transaction, reason)
    return asked


def _reason(transaction: Transaction) -> str:
    """Chosen, or in one's own words; empty until then."""
    chosen = st.selectbox(
        "Why is it needed?",
        (*REASONS, OWN_WORDS),
        index=None,
        key=f"token-why-{transaction.id}",
        placeholder="Choose a reason",
        help="Kept with your name, for whoever checks who saw tokens.",
    )
    if chosen != OWN_WORDS:
        return chosen or ""
    typed = st.text_input(
        "In your own words",
        key=f"token-reason-{transaction.id}",
        max_chars=LONGEST_REASON,
        placeholder="The customer's meter was changed",
        icon=":material/edit_note:",
        help="A few words, as whoever checks it later has to understand them.",
    )
    return typed.strip()


def _copy_with_token(actor: Actor, transaction: Transaction, reason: str) -> None:
    """A window of its own could not ask who somebody is: that is asked here, before there is a link."""
    label, icon = "Copy with the token (PDF)", ":material/print:"
    if reason and tokens.wants_reason(actor, transaction) and not actor.proved_lately():
        st.button(label, key=f"token-copy-{transaction.id}", icon=icon, on_click=want_proof, help="Asks first that you prove who you are.")
        return
    st.link_button(
        label,
        _address(transaction, reason=reason),
        icon=icon,
        disabled=not reason,
        help="Enter the reason first." if not reason else "In a window of its own, on A5.",
    )


def _show_token(actor: Actor, transaction: Transaction, reason: str | None) -> None:
    try:
        token = tokens.reveal(actor, transaction.id, reason)
    except BillersError as error:
        complain(error.sentence)
        return
    with st.container(border=True, width="content"):
        st.caption("Token: type it into the meter")
        st.header(plain(token), anchor=False)
        st.caption("It is gone from the screen at your next click.")
        st.button("Hide it", key=f"token-hidden-{transaction.id}", icon=":material/visibility_off:", type="tertiary")
