"""API tokens: everybody's, for whoever looks after people; and one's own, made, shown once and revoked."""

import uuid
from collections.abc import Sequence

import streamlit as st

from core.access import Actor
from core.services import api_tokens
from core.services.api_tokens import LONGEST_DAYS, LONGEST_DAYS_PROVED, LONGEST_NAME, Token
from core.ui.people_view import NOTICE, attempt, notices
from core.ui.people_words import rights, what
from core.ui.pieces import code
from core.ui.session import guarded
from core.ui.words import ago, day, plain

NAME, SCOPES, DAYS = "token-name", "token-scopes", "token-days"

# In this window's memory until it is put away: nobody can show it again.
MADE = "token-made"

USUAL_DAYS = 90

DAYS_HELP = f"At most {LONGEST_DAYS}, or {LONGEST_DAYS_PROVED} where it may configure billers; then a new one is made."

# What programs can ask, as a page.
DESCRIPTION = "/api/billers/docs"


def show(actor: Actor) -> None:
    """Everybody's."""
    found = api_tokens.everybodys(actor)
    st.caption(
        "What programs sign their requests with. Each may do a part of what its owner may do at that moment, and of what asks for a fresh proof nothing but"
        f" propose changes of billers. [What programs can ask]({DESCRIPTION})"
    )
    notices()
    if not found:
        st.info("No program has a token. Whoever may have one makes it under My account.", icon=":material/smart_toy:")
    _rows(found, may_revoke=actor.may("people:manage"), tell_owner=True)


def show_own(actor: Actor) -> None:
    """One's own: under My account."""
    _secret_once()
    _rows(api_tokens.own(actor), may_revoke=True, tell_owner=False)
    with st.popover("New token …", icon=":material/add:"), st.form("new-token", border=False):
        st.text_input("Which program is it for?", key=NAME, max_chars=LONGEST_NAME, placeholder="Nightly export")
        st.multiselect("What it may do", api_tokens.grantable(actor), format_func=what, key=SCOPES, help="Never more than you may do yourself at that moment.")
        st.number_input("Days it holds", 1, LONGEST_DAYS, USUAL_DAYS, key=DAYS, help=DAYS_HELP)
        st.form_submit_button("Make it", type="primary", icon=":material/key:", on_click=_make)


def _secret_once() -> None:
    made = st.session_state.get(MADE)
    if made is None:
        return
    with st.container(border=True):
        st.markdown("**Keep this token where the program reads it.** It is shown this once.")
        st.code(made.secret, language=None)
        st.caption(f"Sent with each request: Authorization: Bearer, and the token. [What programs can ask]({DESCRIPTION})")
        st.button("I have kept it", icon=":material/check:", key="token-kept", on_click=lambda: st.session_state.pop(MADE, None))


def _rows(found: Sequence[Token], *, may_revoke: bool, tell_owner: bool) -> None:
    for one in found:
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute", border=True):
            with st.container(gap=None):
                owner = f" :gray[of {plain(one.owner)}]" if tell_owner else ""
                st.markdown(f"**{plain(one.name)}**{owner} {code(one.prefix + '…')} {_state(one)}")
                used = f"used {ago(one.last_used_at)}" + (f" from {plain(one.last_address)}" if one.last_address else "") if one.last_used_at else "never used"
                st.caption(f"May {plain(rights(one.scopes))} · {used}")
            if may_revoke and one.is_alive:
                with st.popover("Revoke …", icon=":material/block:", width="content"):
                    st.markdown("Its program is turned away from this moment on.")
                    st.button("Revoke it", type="primary", icon=":material/block:", key=f"revoke-{one.id}", on_click=_revoke, args=(one.id,))


def _state(one: Token) -> str:
    if one.revoked_at is not None:
        return f":gray-badge[:material/block: Revoked {day(one.revoked_at)}]"
    if not one.is_alive:
        return ":gray-badge[:material/timer_off: Over]"
    return f":green-badge[:material/check_circle: Until {day(one.expires_at)}]"


@guarded("api:tokens")
def _make(actor: Actor) -> None:
    typed = st.session_state

    def make() -> None:
        typed[MADE] = api_tokens.make(actor, typed[NAME] or "", typed[SCOPES], int(typed[DAYS]))

    attempt(make)


@guarded("people:sign_in")
def _revoke(actor: Actor, token_id: uuid.UUID) -> None:
    if attempt(lambda: api_tokens.revoke(actor, token_id)):
        st.session_state[NOTICE] = "Revoked. It opens nothing any more."
