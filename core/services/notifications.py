"""Who is told of what, by which way: what administrators say about it, and the log of what became of each telling.

A channel's destination is a credential: who has it can write in the bank's name, and whoever may change it decides where the console calls. So it is written
and never read again, its host is one of the deployment's, and each change is on the record.
"""

import re
import secrets
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import phonenumbers
from sqlalchemy import func
from sqlalchemy.orm import Session

from core import clock, db
from core.access import Actor, needs
from core.errors import BadInput, NotFound, NotLegalNow
from core.ids import new_id
from core.models import NotificationAddress, NotificationAttempt, NotificationChannel, NotificationSubscription, NotificationTemplate
from core.models.notifications import DeliveryState, Happening, Medium
from core.models.snapshot import HOME_REGION
from core.repositories.notifications import Addressee, Logged, Notifications
from core.security import audit
from core.services import channels as ways
from core.services import notification_words
from core.services.channels import Message
from core.services.deployment import notification_policy
from core.services.notification_words import EVENTS, Words
from core.services.scope import billers_of
from core.services.statistics import business_zone
from core.settings import settings
from core.wire.destination import Refused, destination
from core.wire.notice import TOLD, OutOfReach, Said, base_of, path_of

LONGEST_NAME, LONGEST_ADDRESS = 60, 254

LOG_PAGE = 50

# One address and nothing else: what would end it, or begin another one or another header, is no part of one.
_EMAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", re.ASCII)
_HOST = re.compile(r"[A-Za-z0-9.-]+|[0-9a-fA-F:]+", re.ASCII)
_FIELD = re.compile(r"[A-Za-z0-9_.-]{1,60}", re.ASCII)

# A webhook's signing key: as long as the hash that it keys.
KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class ChannelCard:
    """A channel as it is shown: never what opens it."""

    id: uuid.UUID
    name: str
    medium: Medium
    shown: str
    is_on: bool
    down_since: datetime | None
    next_try_at: datetime
    waiting: int


@dataclass(frozen=True, slots=True)
class Subscribed:
    """A subscription in words."""

    id: uuid.UUID
    event: Happening
    biller: str | None
    channel: str
    whom: str


@dataclass(frozen=True, slots=True)
class Page:
    """Some lines of the log; `more` where there are older ones."""

    lines: Sequence[Logged]
    more: bool
    counts: Mapping[DeliveryState, int]
    as_of: datetime


@dataclass(frozen=True, slots=True)
class MailServer:
    """What an administrator says of a mail server. An empty password stays what it was, as long as the host does."""

    host: str
    port: int
    security: str
    sender: str
    username: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class SmsGateway:
    """What an administrator says of a gateway. An empty header value stays what it was, as long as the host does."""

    url: str
    as_json: bool
    to_field: str
    text_field: str
    header: str = ""
    header_value: str = field(default="", repr=False)
    more: Mapping[str, str] | None = None


# ---- The log


@needs("notifications:read")
def log(
    actor: Actor,
    /,
    *,
    state: DeliveryState | None = None,
    event: Happening | None = None,
    channel_id: uuid.UUID | None = None,
    before: tuple[datetime, uuid.UUID] | None = None,
) -> Page:
    """What was told and is to be told, the newest first."""
    with db.unit_of_work() as session:
        found, billers = Notifications(session), billers_of(actor)
        lines = found.log(billers, LOG_PAGE, state=state, event=event.value if event else None, channel_id=channel_id, before=before)
        return Page(lines[:LOG_PAGE], len(lines) > LOG_PAGE, found.counts(billers), clock.now())


@needs("notifications:read")
def attempts(actor: Actor, /, delivery_id: uuid.UUID) -> tuple[Logged, Sequence[NotificationAttempt]]:
    """One delivery, and every try of it, the oldest first."""
    with db.unit_of_work() as session:
        line = _line(actor, session, delivery_id)
        return line, Notifications(session).attempts(delivery_id)


@needs("notifications:manage")
def replay(actor: Actor, /, delivery_id: uuid.UUID) -> None:
    """Tells it again, under the same id, as if it had never been tried. Raises `NotLegalNow` where it waits anyway."""
    with db.unit_of_work() as session:
        line, held = _line(actor, session, delivery_id), Notifications(session).held_delivery(delivery_id)
        if held is None or held.state == DeliveryState.WAITING.value:
            raise NotLegalNow("It waits to be told already. Its next try is on the page.")
        before = held.state
        held.state, held.tries, held.claim, held.ended_at, held.next_try_at = DeliveryState.WAITING.value, 0, held.claim + 1, None, func.clock_timestamp()
        # `OLD_NEWS` counts from here: somebody wants it told today.
        held.created_at = func.clock_timestamp()
        audit.record(session, actor, "notification.replayed", "notification", delivery_id, was=before, event=line.event, channel=line.channel, to=line.address)


def _line(actor: Actor, session: Session, delivery_id: uuid.UUID) -> Logged:
    line = Notifications(session).line(billers_of(actor), delivery_id)
    if line is None:
        raise NotFound("There is no such notification. Open the log again.")
    return line


# ---- Channels


@needs("notifications:read")
def channels(actor: Actor, /) -> Sequence[ChannelCard]:
    """By which ways people are told."""
    with db.unit_of_work() as session:
        found = Notifications(session)
        waiting = found.waiting_by_channel()
        return [
            ChannelCard(one.id, one.name, Medium(one.medium), one.shown, one.is_on, one.down_since, one.next_try_at, waiting.get(one.id, 0))
            for one in found.channels()
        ]


@needs("notifications:manage", fresh=True)
def keep_mail_server(actor: Actor, /, name: str, server: MailServer, channel_id: uuid.UUID | None = None) -> uuid.UUID:
    """A new channel, or another destination of one there is. Raises `BadInput`."""
    from core.wire.mail import Security

    host = server.host.strip().lower()
    if not _HOST.fullmatch(host):
        raise BadInput("Write the mail server's name without anything around it, for example mail.example.mw.")
    if not {host, f"{host}:{server.port}"} & {one.lower() for one in notification_policy().allowed_hosts}:
        raise BadInput(TOLD["host_not_allowed"])
    if not 1 <= server.port <= 65_535:
        raise BadInput("A port is between 1 and 65535. Most mail servers listen at 587.")
    if server.security not in list(Security):
        raise BadInput("Choose how the conversation is protected: STARTTLS, TLS, or not at all.")
    wanted = {
        "host": host,
        "port": server.port,
        "security": server.security,
        "sender": email_of(server.sender),
        "username": server.username.strip(),
        "password": server.password,
    }
    shown = f"{host}:{server.port}, from {wanted['sender']}"
    return _keep_channel(actor, channel_id, name, Medium.EMAIL, wanted, shown, kept_if_same="host", secret="password")  # noqa: S106 - a field's name


@needs("notifications:manage", fresh=True)
def keep_gateway(actor: Actor, /, name: str, gateway: SmsGateway, channel_id: uuid.UUID | None = None) -> uuid.UUID:
    """A new channel, or another destination of one there is. Raises `BadInput`."""
    url = _url_of(gateway.url)
    for said in (gateway.to_field, gateway.text_field, *(gateway.more or {})):
        if not _FIELD.fullmatch(said):
            raise BadInput("A field's name is letters, digits and _ . - only, as the gateway's own description has it.")
    if gateway.header and not _FIELD.fullmatch(gateway.header):
        raise BadInput("A header's name is letters, digits and - only, for example Authorization.")
    wanted = {
        "host": base_of(url),
        "url": url,
        "as_json": gateway.as_json,
        "to_field": gateway.to_field,
        "text_field": gateway.text_field,
        "more": dict(gateway.more or {}),
        "header": gateway.header,
        "header_value": gateway.header_value,
    }
    return _keep_channel(actor, channel_id, name, Medium.SMS, wanted, base_of(url), kept_if_same="host", secret="header_value")  # noqa: S106 - a field's name


@needs("notifications:manage", fresh=True)
def add_webhook(actor: Actor, /, name: str, url: str) -> tuple[uuid.UUID, str]:
    """A new channel, and the key that its messages are signed with: it is told this once. Raises `BadInput`."""
    address, key = _url_of(url), secrets.token_urlsafe(KEY_BYTES)
    made = _keep_channel(actor, None, name, Medium.WEBHOOK, {"url": address, "key": key}, base_of(address))
    return made, key


@needs("notifications:manage", fresh=True)
def new_key(actor: Actor, /, channel_id: uuid.UUID) -> str:
    """Another signing key for a webhook, from its next message on: it is told this once."""
    with db.unit_of_work() as session:
        channel = _channel(session, channel_id, held=True)
        if channel.medium != Medium.WEBHOOK.value:
            raise NotLegalNow("Only a webhook's messages are signed.")
        key = secrets.token_urlsafe(KEY_BYTES)
        channel.destination = ways.sealed(channel.id, {**ways.unsealed(channel), "key": key})
        channel.changed_at, channel.changed_by = func.clock_timestamp(), actor.id
        audit.record(session, actor, "notification_channel.signed_anew", "notification_channel", channel_id, name=channel.name)
        return key


@needs("notifications:manage")
def switch_channel(actor: Actor, /, channel_id: uuid.UUID, *, is_on: bool) -> None:
    """By a channel that is off nobody is told; what waited for it waits on, and what happens meanwhile is not told by it afterwards."""
    with db.unit_of_work() as session:
        channel = _channel(session, channel_id, held=True)
        if channel.is_on == is_on:
            return
        channel.is_on, channel.changed_at, channel.changed_by = is_on, func.clock_timestamp(), actor.id
        action = "notification_channel.switched_on" if is_on else "notification_channel.switched_off"
        audit.record(session, actor, action, "notification_channel", channel_id, name=channel.name)


@needs("notifications:manage")
def send_test(actor: Actor, /, channel_id: uuid.UUID, address: str = "") -> Said:
    """Tells somebody now that this is a test, and answers what came of it. Nothing of it goes by the outbox."""
    with db.unit_of_work() as session:
        channel = _channel(session, channel_id)
        session.expunge(channel)
    medium = Medium(channel.medium)
    whom = "" if medium is Medium.WEBHOOK else address_of(medium, address)
    bank, test = settings().billers_bank_name, new_id()
    said = f"This is a test of the channel {channel.name}, asked for by {actor.display_name}. Nothing happened."
    message = Message(test, whom, f"{bank}: a test", f"{bank}: {said}" if medium is Medium.SMS else said, "test", test, clock.now(), None, {"test": True})
    try:
        with ways.open_way(medium, ways.unsealed(channel)) as send:
            came = send(message)
    except OutOfReach as error:
        came = Said(False, str(error), reached=False)
    with db.unit_of_work() as session:
        audit.record(session, actor, "notification_channel.tested", "notification_channel", channel_id, to=whom, taken=came.taken, answer=came.answer)
    return came


def _keep_channel(
    actor: Actor,
    channel_id: uuid.UUID | None,
    name: str,
    medium: Medium,
    wanted: dict[str, Any],
    shown: str,
    *,
    kept_if_same: str = "",
    secret: str = "",
) -> uuid.UUID:
    called = " ".join(name.split())
    if not 1 <= len(called) <= LONGEST_NAME:
        raise BadInput(f"Give the channel a name, of {LONGEST_NAME} characters at most.")
    with db.unit_of_work() as session:
        found = Notifications(session)
        other = found.channel_named(called)
        if other is not None and other.id != channel_id:
            raise BadInput("There is a channel of this name already. Give this one another.")
        if channel_id is None:
            channel = NotificationChannel(id=new_id(), name=called, medium=medium.value, shown=shown, changed_by=actor.id)
            channel.destination = ways.sealed(channel.id, wanted)
            found.add(channel)
            audit.record(session, actor, "notification_channel.added", "notification_channel", channel.id, name=called, medium=medium.value, shown=shown)
            return channel.id
        channel = _channel(session, channel_id, held=True)
        if channel.medium != medium.value:
            raise NotLegalNow("A channel stays of its kind. Add another one.")
        before, earlier = {"name": channel.name, "shown": channel.shown}, ways.unsealed(channel)
        # A credential goes to the host that it was entered for, and to no other.
        if secret and not wanted[secret] and earlier.get(kept_if_same) == wanted[kept_if_same]:
            wanted[secret] = earlier.get(secret, "")
        channel.name, channel.shown, channel.destination = called, shown, ways.sealed(channel.id, wanted)
        channel.failures, channel.down_since, channel.next_try_at = 0, None, func.clock_timestamp()
        channel.changed_at, channel.changed_by = func.clock_timestamp(), actor.id
        after = {"name": called, "shown": shown}
        audit.record(session, actor, "notification_channel.changed", "notification_channel", channel_id, before=before, after=after)
        return channel_id


def _channel(session: Session, channel_id: uuid.UUID, *, held: bool = False) -> NotificationChannel:
    channel = Notifications(session).channel(channel_id, held=held)
    if channel is None:
        raise NotFound("There is no such channel. Open Notifications again.")
    return channel


def _url_of(text: str) -> str:
    url = text.strip()
    try:
        destination(base_of(url), path_of(url), notification_policy())
    except (Refused, ValueError) as error:
        failure = error.failure if isinstance(error, Refused) else "base_url_refused"
        raise BadInput(TOLD.get(failure, "This address may not be called.")) from error
    return url


# ---- Subscriptions


@needs("notifications:manage")
def subscriptions(actor: Actor, /) -> Sequence[Subscribed]:
    """Who is told of what."""
    with db.unit_of_work() as session:
        found = Notifications(session)
        names, roles = {one.id: one.name for one in found.channels()}, found.roles()
        return [
            Subscribed(
                one.id, Happening(one.event), one.biller_type, names[one.channel_id], f"everybody of {roles[one.role]}" if one.role else one.address or ""
            )
            for one in found.subscriptions()
        ]


@needs("notifications:manage")
def choices(actor: Actor, /) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """What a subscription may be limited to: billers by code, and roles by code."""
    with db.unit_of_work() as session:
        return Notifications(session).billers(), Notifications(session).roles()


@needs("notifications:manage")
def subscribe(
    actor: Actor, /, event: Happening, channel_id: uuid.UUID, *, biller: str | None = None, role: str | None = None, address: str | None = None
) -> uuid.UUID:
    """Has somebody told of an event from now on. Raises `BadInput` where nobody is named, or nobody could be."""
    with db.unit_of_work() as session:
        found, channel = Notifications(session), _channel(session, channel_id)
        medium = Medium(channel.medium)
        if medium is Medium.WEBHOOK and (role or address):
            raise BadInput("A webhook tells whoever receives it: it takes no address and no role.")
        if medium is not Medium.WEBHOOK and bool(role) == bool((address or "").strip()):
            raise BadInput("Say who is told: a role, or an address.")
        if role is not None and role not in found.roles():
            raise BadInput("There is no such role. Choose one of the list.")
        if biller is not None and biller not in found.billers():
            raise BadInput("There is no such biller. Choose one of the list.")
        whom = address_of(medium, address) if address and medium is not Medium.WEBHOOK else None
        if found.is_subscribed(event.value, channel_id, biller, role, whom):
            raise BadInput("They are told of this already, by this channel.")
        made = NotificationSubscription(id=new_id(), event=event.value, channel_id=channel_id, biller_type=biller, role=role, address=whom, changed_by=actor.id)
        found.add(made)
        what = {"event": event.value, "biller": biller, "channel": channel.name, "role": role, "address": whom}
        audit.record(session, actor, "notification_subscription.added", "notification_subscription", made.id, **what)
        return made.id


@needs("notifications:manage")
def unsubscribe(actor: Actor, /, subscription_id: uuid.UUID) -> None:
    """From now on they are not told any more."""
    with db.unit_of_work() as session:
        found = Notifications(session)
        one = found.subscription(subscription_id)
        if one is None:
            raise NotFound("It was taken away meanwhile. Open Notifications again.")
        what = {"event": one.event, "biller": one.biller_type, "role": one.role, "address": one.address}
        found.take_away(one)
        audit.record(session, actor, "notification_subscription.removed", "notification_subscription", subscription_id, **what)


# ---- People's addresses


@needs("notifications:manage")
def addressees(actor: Actor, /) -> Sequence[Addressee]:
    """Everybody who uses the console, and where they are told."""
    with db.unit_of_work() as session:
        return Notifications(session).addressees()


@needs("notifications:manage")
def change_address(actor: Actor, /, user_id: uuid.UUID, *, email: str, phone: str) -> None:
    """Where somebody is told as one of their role. Empty: nowhere. Raises `BadInput`."""
    mail, number = email_of(email) if email.strip() else None, phone_of(phone) if phone.strip() else None
    with db.unit_of_work() as session:
        found = Notifications(session)
        if user_id not in {one.user_id for one in found.addressees()}:
            raise NotFound("There is no such person. Open Notifications again.")
        row = found.address_of(user_id)
        before = {"email": row.email if row else None, "phone": row.phone if row else None}
        if before == (after := {"email": mail, "phone": number}):
            return
        if row is None:
            found.add(NotificationAddress(user_id=user_id, email=mail, phone=number))
        else:
            row.email, row.phone = mail, number
        audit.record(session, actor, "user.told_elsewhere", "user", user_id, before=before, after=after)


def address_of(medium: Medium, text: str | None) -> str:
    return phone_of(text or "") if medium is Medium.SMS else email_of(text or "")


def email_of(text: str) -> str:
    """One e-mail address. Raises `BadInput`."""
    found = text.strip()
    if len(found) > LONGEST_ADDRESS or not _EMAIL.fullmatch(found):
        raise BadInput("Write one e-mail address, for example operations@example.mw.")
    return found


def phone_of(text: str) -> str:
    """One telephone number with its country: +265999123456. Raises `BadInput`."""
    try:
        number = phonenumbers.parse(text.strip(), HOME_REGION)
    except phonenumbers.NumberParseException:
        number = None
    if number is None or not phonenumbers.is_valid_number(number):
        raise BadInput("Write one telephone number, for example 0999 123 456 or +265 999 123 456.")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


# ---- Words


@needs("notifications:manage")
def words(actor: Actor, /, event: Happening, medium: Medium) -> tuple[Words, bool]:
    """What is said of an event in a medium, and whether that is the bank's own."""
    with db.unit_of_work() as session:
        own = Notifications(session).template(event.value, medium.value)
        return (Words(own.subject, own.body), True) if own else (notification_words.usual(event, medium), False)


@needs("notifications:manage")
def preview(actor: Actor, /, event: Happening, medium: Medium, said: Words) -> Words:
    """The words with an example's facts, as they would arrive. Raises `BadInput` as keeping them would."""
    kept = notification_words.checked(event, medium, said)
    values = notification_words.values_of(event, EVENTS[event].example, clock.now(), business_zone(), settings().billers_bank_name)
    return notification_words.filled(kept, values, medium)


@needs("notifications:manage")
def change_words(actor: Actor, /, event: Happening, medium: Medium, said: Words) -> None:
    """From now on it is said so. Raises `BadInput` for a name in braces that stands for nothing."""
    kept = notification_words.checked(event, medium, said)
    with db.unit_of_work() as session:
        found = Notifications(session)
        own = found.template(event.value, medium.value)
        before = {"subject": own.subject, "body": own.body} if own else None
        if own is None:
            found.add(NotificationTemplate(event=event.value, medium=medium.value, subject=kept.subject, body=kept.body, changed_by=actor.id))
        else:
            own.subject, own.body, own.changed_at, own.changed_by = kept.subject, kept.body, func.clock_timestamp(), actor.id
        after = {"subject": kept.subject, "body": kept.body}
        audit.record(session, actor, "notification_words.changed", "notification_words", f"{event}/{medium}", before=before, after=after)


@needs("notifications:manage")
def restore_words(actor: Actor, /, event: Happening, medium: Medium) -> None:
    """Back to the words that the console brings along."""
    with db.unit_of_work() as session:
        found = Notifications(session)
        if own := found.template(event.value, medium.value):
            before = {"subject": own.subject, "body": own.body}
            found.take_away(own)
            audit.record(session, actor, "notification_words.restored", "notification_words", f"{event}/{medium}", before=before)
