"""The words of an event in a medium: as the console brings them along or as the bank says it, with every name they may have, and how they would arrive."""

import streamlit as st

from core.access import Actor
from core.errors import BadInput
from core.models.notifications import Happening, Medium
from core.services import notifications
from core.services.notification_words import EVENTS, Words, names_of
from core.ui.notices import attempt
from core.ui.notification_log import MEDIA
from core.ui.pieces import FORM_WIDTH, complain
from core.ui.session import guarded
from core.ui.words import plain

EVENT, MEDIUM = "words-event", "words-medium"


def show(actor: Actor) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        event = st.selectbox("Event", list(Happening), format_func=lambda one: EVENTS[one].title, key=EVENT, width=260)
        media = [Medium.EMAIL, Medium.SMS]
        medium = st.segmented_control("Medium", media, default=Medium.EMAIL, format_func=lambda one: MEDIA[one], key=MEDIUM, required=True)
    medium = medium or Medium.EMAIL
    said, is_own = notifications.words(actor, event, medium)
    subject, body = _keys(event, medium)
    st.session_state.setdefault(subject, said.subject)
    st.session_state.setdefault(body, said.body)
    st.caption("These are the bank's own words." if is_own else "These are the words that the console brings along. Change them, and they are the bank's own.")
    with st.form(f"words-{event}-{medium}", width=FORM_WIDTH):
        if medium is Medium.EMAIL:
            st.text_input("Subject", key=subject)
        st.text_area("Text", key=body, height=260 if medium is Medium.EMAIL else 120)
        with st.container(horizontal=True):
            st.form_submit_button("Keep these words", icon=":material/check:", type="primary", on_click=_keep, args=(event, medium))
            st.form_submit_button("Show how it arrives", icon=":material/visibility:")
            if is_own:
                st.form_submit_button("Back to the usual words", icon=":material/undo:", on_click=_restore, args=(event, medium))
    _preview(actor, event, medium)
    with st.expander("What may stand in braces", icon=":material/data_object:"):
        st.table({f"{{{name}}}": what for name, what in names_of(event).items()}, border="horizontal", alt="Names, and what each stands for")


def _preview(actor: Actor, event: Happening, medium: Medium) -> None:
    st.markdown("**How it arrives**, with an example")
    try:
        shown = notifications.preview(actor, event, medium, _typed(event, medium))
    except BadInput as error:
        complain(error.sentence)
    else:
        st.code(f"{shown.subject}\n\n{shown.body}" if shown.subject else shown.body, language=None, wrap_lines=True)
        if medium is Medium.SMS:
            st.caption(plain(f"{len(shown.body)} characters. A text message has 160; longer ones cost several."))


def _keys(event: Happening, medium: Medium) -> tuple[str, str]:
    return f"words-{event}-{medium}-subject", f"words-{event}-{medium}-body"


def _typed(event: Happening, medium: Medium) -> Words:
    subject, body = _keys(event, medium)
    return Words(st.session_state.get(subject, ""), st.session_state.get(body, ""))


@guarded("notifications:manage")
def _keep(actor: Actor, event: Happening, medium: Medium) -> None:
    def act() -> str:
        notifications.change_words(actor, event, medium, _typed(event, medium))
        return "It is said so from now on."

    attempt(act)


@guarded("notifications:manage")
def _restore(actor: Actor, event: Happening, medium: Medium) -> None:
    def act() -> str:
        notifications.restore_words(actor, event, medium)
        for key in _keys(event, medium):
            st.session_state.pop(key, None)
        return "It is said in the usual words again."

    attempt(act)
