"""Channels: mail servers, SMS gateways and webhooks. What opens one is typed in and never shown; a webhook's key is shown once, when it is made."""

import uuid
from typing import Any

import streamlit as st

from core.access import Actor
from core.errors import BillersError
from core.models.notifications import Medium
from core.services import notifications
from core.services.notifications import ChannelCard, MailServer, SmsGateway
from core.ui.notices import attempt
from core.ui.notification_log import MEDIA
from core.ui.pieces import FORM_WIDTH
from core.ui.session import guarded
from core.ui.words import ago, moment_text, plain

ICONS = {Medium.EMAIL: ":material/mail:", Medium.SMS: ":material/sms:", Medium.WEBHOOK: ":material/webhook:"}
SECURITY = {"starttls": "STARTTLS (usual, port 587)", "ssl": "TLS from the start (port 465)", "insecure": "None (this machine only)"}
ADDRESS_OF = {Medium.EMAIL: ("To", "operations@example.mw"), Medium.SMS: ("To", "0999 123 456")}

# The key of a webhook, for the one run in which it is shown.
KEY = "notifications.key"


def show(actor: Actor) -> None:
    if key := st.session_state.pop(KEY, None):
        with st.container(border=True):
            st.markdown("**The webhook's signing key.** Hand it to whoever receives the messages: it is shown this once.")
            st.code(key, language=None)
    found = notifications.channels(actor)
    if not found:
        st.info("There is no channel yet: add the bank's mail server, an SMS gateway or a webhook below.", icon=":material/add_circle:")
    for one in found:
        _card(one)
    st.subheader("Add a channel", anchor=False)
    medium = st.segmented_control("Kind", list(Medium), default=Medium.EMAIL, format_func=lambda one: MEDIA[one], key="channel-kind", required=True)
    FORMS[medium or Medium.EMAIL]("new", None)


def _card(one: ChannelCard) -> None:
    with st.container(border=True, gap="small"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"{ICONS[one.medium]} **{plain(one.name)}**  \n{plain(one.shown)}")
            st.markdown(_badge(one))
        if one.down_since:
            st.caption(
                f"It cannot be reached since {moment_text(one.down_since)} ({ago(one.down_since)}). It is tried again by itself, and what waits follows:"
                f" next at {moment_text(one.next_try_at)}."
            )
        if one.waiting:
            st.caption(f"{one.waiting:,} {'waits' if one.waiting == 1 else 'wait'} to be told by it.")
        with st.container(horizontal=True, vertical_alignment="bottom"):
            if one.medium in ADDRESS_OF:
                label, example = ADDRESS_OF[one.medium]
                st.text_input(label, key=f"test-{one.id}", placeholder=example, width=260)
            st.button("Send a test", key=f"send-test-{one.id}", icon=":material/send:", on_click=_test, args=(one.id,), help="Now, and not by the outbox.")
            label, icon = ("Switch off", ":material/toggle_off:") if one.is_on else ("Switch on", ":material/toggle_on:")
            st.button(label, key=f"switch-{one.id}", icon=icon, on_click=_switch, args=(one.id, not one.is_on))
            if one.medium is Medium.WEBHOOK:
                st.button("New key", key=f"new-key-{one.id}", icon=":material/key:", on_click=_new_key, args=(one.id,), help="The old one signs nothing more.")
        if one.medium is not Medium.WEBHOOK:
            with st.expander("Change where it is", icon=":material/edit:"):
                st.caption("Where it is now is not shown in full. Enter all of it again; an empty password stays what it was, as long as the host does.")
                FORMS[one.medium](str(one.id), one)


def _badge(one: ChannelCard) -> str:
    if not one.is_on:
        return ":gray-badge[:material/toggle_off: Off]"
    return ":red-badge[:material/cloud_off: Out of reach]" if one.down_since else ":green-badge[:material/check_circle: On]"


def _mail_form(key: str, one: ChannelCard | None) -> None:
    with st.form(f"mail-{key}", width=FORM_WIDTH):
        st.text_input("Name", one.name if one else "", key=f"{key}-name", placeholder="Bank mail", help="How this channel is called here.")
        left, right = st.columns([3, 1])
        left.text_input("Mail server", key=f"{key}-host", placeholder="mail.example.mw", help="One of BILLERS_NOTIFICATION_HOSTS.")
        right.number_input("Port", 1, 65_535, 587, key=f"{key}-port")
        st.selectbox("Protection", list(SECURITY), format_func=SECURITY.__getitem__, key=f"{key}-security")
        st.text_input("From", key=f"{key}-sender", placeholder="billers@example.mw", help="The address that messages come from.")
        st.text_input("User name", key=f"{key}-username", autocomplete="off", help="Empty where the server takes messages without a sign-in.")
        st.text_input("Password", key=f"{key}-password", type="password", autocomplete="new-password")
        st.form_submit_button("Keep it", icon=":material/check:", type="primary", on_click=_keep_mail, args=(key, one.id if one else None))


def _sms_form(key: str, one: ChannelCard | None) -> None:
    with st.form(f"sms-{key}", width=FORM_WIDTH):
        st.text_input("Name", one.name if one else "", key=f"{key}-name", placeholder="SMS", help="How this channel is called here.")
        st.text_input("Address", key=f"{key}-url", placeholder="https://sms.example.mw/send", help="Where the gateway takes messages, by POST.")
        st.segmented_control("It wants", ["form", "json"], default="form", format_func={"form": "A form", "json": "JSON"}.get, key=f"{key}-as", required=True)
        left, right = st.columns(2)
        left.text_input("Field of the number", "to", key=f"{key}-to")
        right.text_input("Field of the text", "message", key=f"{key}-text")
        st.text_input("Header", "Authorization", key=f"{key}-header", help="Empty where it wants none.")
        st.text_input("The header's value", key=f"{key}-value", type="password", autocomplete="new-password")
        st.text_input("Further fields", key=f"{key}-more", placeholder="from=BANK, route=1", help="The same each time: name=value, separated by commas.")
        st.form_submit_button("Keep it", icon=":material/check:", type="primary", on_click=_keep_sms, args=(key, one.id if one else None))


def _webhook_form(key: str, _one: ChannelCard | None) -> None:
    with st.form(f"webhook-{key}", width=FORM_WIDTH):
        st.text_input("Name", key=f"{key}-name", placeholder="Core systems", help="How this channel is called here.")
        st.text_input("Address", key=f"{key}-url", placeholder="https://hooks.example.mw/billers", help="It gets JSON, signed. README says how it is checked.")
        st.form_submit_button("Add it", icon=":material/check:", type="primary", on_click=_add_webhook, args=(key,))


FORMS = {Medium.EMAIL: _mail_form, Medium.SMS: _sms_form, Medium.WEBHOOK: _webhook_form}


def _typed(key: str, name: str) -> Any:
    return st.session_state[f"{key}-{name}"]


def _forget(key: str, *names: str) -> None:
    """What was kept need not stay in the window."""
    for name in names:
        st.session_state[f"{key}-{name}"] = ""


@guarded("notifications:manage")
def _keep_mail(actor: Actor, key: str, channel_id: uuid.UUID | None) -> None:
    said = MailServer(*(_typed(key, name) for name in ("host", "port", "security", "sender", "username", "password")))

    def act() -> str:
        notifications.keep_mail_server(actor, _typed(key, "name"), said, channel_id)
        _forget(key, "password")
        return f"{plain(_typed(key, 'name'))} is kept. Send a test before you rely on it."

    attempt(act)


@guarded("notifications:manage")
def _keep_sms(actor: Actor, key: str, channel_id: uuid.UUID | None) -> None:
    pairs = [pair.partition("=") for pair in _typed(key, "more").split(",") if pair.strip()]
    more = {name.strip(): value.strip() for name, _, value in pairs}
    said = SmsGateway(_typed(key, "url"), _typed(key, "as") == "json", *(_typed(key, name) for name in ("to", "text", "header", "value")), more)

    def act() -> str:
        notifications.keep_gateway(actor, _typed(key, "name"), said, channel_id)
        _forget(key, "value")
        return f"{plain(_typed(key, 'name'))} is kept. Send a test before you rely on it."

    attempt(act)


@guarded("notifications:manage")
def _add_webhook(actor: Actor, key: str) -> None:
    def act() -> str:
        _, st.session_state[KEY] = notifications.add_webhook(actor, _typed(key, "name"), _typed(key, "url"))
        return f"{plain(_typed(key, 'name'))} is added. Its key is below."

    attempt(act)


@guarded("notifications:manage")
def _new_key(actor: Actor, channel_id: uuid.UUID) -> None:
    def act() -> str:
        st.session_state[KEY] = notifications.new_key(actor, channel_id)
        return "It has another key, which is below. What is told from now on is signed with it."

    attempt(act)


@guarded("notifications:manage")
def _switch(actor: Actor, channel_id: uuid.UUID, is_on: bool) -> None:
    def act() -> str:
        notifications.switch_channel(actor, channel_id, is_on=is_on)
        return "It is on: what happens from now on is told by it." if is_on else "It is off: nobody is told by it."

    attempt(act)


@guarded("notifications:manage")
def _test(actor: Actor, channel_id: uuid.UUID) -> None:
    def act() -> str:
        said = notifications.send_test(actor, channel_id, st.session_state.get(f"test-{channel_id}", ""))
        if not said.taken:
            raise BillersError(f"The test did not arrive: {plain(said.answer)}")
        return f"The test was taken: {plain(said.answer)}"

    attempt(act)
