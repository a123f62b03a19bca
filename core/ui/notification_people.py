"""Who is told of what: subscriptions, and where people are told who are told as one of their role."""

import uuid
from collections.abc import Mapping, Sequence

import streamlit as st

from core.access import Actor
from core.models.notifications import Happening
from core.repositories.notifications import Addressee
from core.services import notifications
from core.services.notification_words import EVENTS
from core.services.notifications import ChannelCard, Subscribed
from core.ui.notices import attempt
from core.ui.notification_log import MEDIA
from core.ui.pieces import FORM_WIDTH
from core.ui.session import guarded
from core.ui.words import plain

EVENT, BILLER, CHANNEL, ROLE, ADDRESS = (f"subscribe-{name}" for name in ("event", "biller", "channel", "role", "address"))
PERSON, EMAIL, PHONE = (f"addressee-{name}" for name in ("person", "email", "phone"))


def show(actor: Actor) -> None:
    billers, roles = notifications.choices(actor)
    channels = notifications.channels(actor)
    found = notifications.subscriptions(actor)
    if not found:
        st.info("Nobody is told of anything yet. A customer is never told by this: it is for the bank's own people and systems.", icon=":material/group:")
    for event in Happening:
        of_event = [one for one in found if one.event is event]
        if of_event:
            _told(event, of_event, billers)
    if not channels:
        st.caption("Add a channel first, under Channels.")
        return
    _form(channels, billers, roles)
    _people(notifications.addressees(actor), roles)


def _told(event: Happening, of_event: Sequence[Subscribed], billers: Mapping[str, str]) -> None:
    with st.container(border=True, gap="xsmall"):
        st.markdown(f"**{EVENTS[event].title}**")
        for one in of_event:
            with st.container(horizontal=True, vertical_alignment="center"):
                whom = f"{plain(one.whom)}, by " if one.whom else ""
                of = plain(billers.get(one.biller, one.biller)) if one.biller else "all billers"
                st.markdown(f"{whom}{plain(one.channel)} · {of}")
                st.button("Take away", key=f"unsubscribe-{one.id}", icon=":material/close:", type="tertiary", on_click=_unsubscribe, args=(one.id,))


def _form(channels: Sequence[ChannelCard], billers: Mapping[str, str], roles: Mapping[str, str]) -> None:
    st.subheader("Have somebody told", anchor=False)
    with st.form("subscribe", width=FORM_WIDTH):
        st.selectbox("Of what", list(Happening), format_func=lambda one: EVENTS[one].title, key=EVENT)
        st.selectbox("Of which biller", ["", *billers], format_func=lambda code: billers[code] if code else "All billers", key=BILLER)
        names = {str(one.id): f"{one.name} ({MEDIA[one.medium]})" for one in channels}
        st.selectbox("By which channel", list(names), format_func=names.__getitem__, key=CHANNEL)
        st.selectbox(
            "Everybody of a role",
            ["", *roles],
            format_func=lambda code: roles[code] if code else "–",
            key=ROLE,
            help="Those of the role who serve the biller, where they are told: see below.",
        )
        st.text_input("Or one address", key=ADDRESS, placeholder="operations@example.mw", help="A telephone number for SMS. Neither for a webhook.")
        st.form_submit_button("Have them told", icon=":material/notifications:", type="primary", on_click=_subscribe)


def _people(people: Sequence[Addressee], roles: Mapping[str, str]) -> None:
    st.subheader("Where people are told", anchor=False, help="For what goes to everybody of a role. Who has no address here is not told by it.")
    known = [one for one in people if one.email or one.phone]
    if known:
        st.dataframe(
            [{"Name": one.display_name, "Role": roles.get(one.role, one.role), "E-mail": one.email or "", "Telephone": one.phone or ""} for one in known],
            hide_index=True,
            alt="Where people are told",
        )
    by_id = {str(one.user_id): one for one in people}
    with st.form("addressee", width=FORM_WIDTH):
        st.selectbox("Person", list(by_id), format_func=lambda one: f"{by_id[one].display_name} ({by_id[one].username})", key=PERSON)
        st.text_input("E-mail", key=EMAIL, placeholder="grace@example.mw")
        st.text_input("Telephone", key=PHONE, placeholder="0999 123 456")
        st.form_submit_button("Keep these", icon=":material/check:", on_click=_keep, help="Both as they stand here: an empty one is taken away.")


@guarded("notifications:manage")
def _subscribe(actor: Actor) -> None:
    event, asked = st.session_state[EVENT], {name: st.session_state[name] or None for name in (BILLER, ROLE, ADDRESS)}

    def act() -> str:
        notifications.subscribe(actor, event, uuid.UUID(st.session_state[CHANNEL]), biller=asked[BILLER], role=asked[ROLE], address=asked[ADDRESS])
        return f"They are told from now on: {EVENTS[event].title.lower()}."

    attempt(act)


@guarded("notifications:manage")
def _unsubscribe(actor: Actor, subscription_id: uuid.UUID) -> None:
    def act() -> str:
        notifications.unsubscribe(actor, subscription_id)
        return "They are not told of it any more."

    attempt(act)


@guarded("notifications:manage")
def _keep(actor: Actor) -> None:
    def act() -> str:
        notifications.change_address(actor, uuid.UUID(st.session_state[PERSON]), email=st.session_state[EMAIL], phone=st.session_state[PHONE])
        return "It is kept where they are told."

    attempt(act)
