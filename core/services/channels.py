"""What a channel's sealed destination says, and the one way to each medium: a mail server by SMTP, an SMS gateway and a webhook by the line."""

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from core import clock
from core.models import NotificationChannel
from core.models.notifications import Medium
from core.security import vault
from core.services.deployment import notification_policy
from core.wire.contract import Exchange, Terms
from core.wire.line import Line
from core.wire.notice import Gateway, Said, said_by, to_gateway, to_webhook

TABLE, COLUMN = "notification_channels", "destination"


@dataclass(frozen=True, slots=True)
class Message:
    """What is to be told: by which id, to whom, in which words, and the same as data."""

    id: uuid.UUID
    address: str
    subject: str
    body: str = field(repr=False)
    event: str
    event_id: uuid.UUID
    at: datetime
    biller: str | None
    data: Mapping[str, Any]


Send = Callable[[Message], Said]


def sealed(channel_id: uuid.UUID, destination: Mapping[str, Any]) -> str:
    return vault.seal_secret(destination, TABLE, channel_id, COLUMN)


def unsealed(channel: NotificationChannel) -> vault.Opened:
    return vault.open_secret(channel.destination, TABLE, channel.id, COLUMN)


@contextmanager
def open_way(medium: Medium, destination: Mapping[str, Any]) -> Iterator[Send]:
    """The way to this destination, for as many messages as there are. A mail server is spoken to once for all of them.

    Raises `OutOfReach`, at once or while something is sent, where a mail server cannot be spoken to.
    """
    if medium is Medium.EMAIL:
        # Here and not above: apprise takes a third of a second and 25 MB, and a worker or a page that sends no e-mail need not have it.
        from core.wire import mail

        server = mail.MailServer(
            host=destination["host"],
            port=destination["port"],
            security=mail.Security(destination["security"]),
            sender=destination["sender"],
            username=destination.get("username", ""),
            password=destination.get("password", ""),
        )
        with mail.opened(server, notification_policy()) as post:
            yield lambda message: post.send(str(message.id), message.address, message.subject, message.body)
    else:
        line, ask = Line(notification_policy()), _sms if medium is Medium.SMS else _webhook
        yield lambda message: said_by(line.perform_now(*ask(destination, message)))


def _sms(destination: Mapping[str, Any], message: Message) -> tuple[Terms, Exchange[Said]]:
    gateway = Gateway(
        url=destination["url"],
        as_json=destination["as_json"],
        to_field=destination["to_field"],
        text_field=destination["text_field"],
        more=destination.get("more", {}),
        header=destination.get("header", ""),
        header_value=destination.get("header_value", ""),
    )
    return to_gateway(gateway, str(message.id), message.address, message.body)


def _webhook(destination: Mapping[str, Any], message: Message) -> tuple[Terms, Exchange[Said]]:
    told = {
        "id": str(message.id),
        "event": message.event,
        "event_id": str(message.event_id),
        "at": message.at.isoformat(timespec="milliseconds"),
        "biller": message.biller,
        "data": dict(message.data),
    }
    return to_webhook(destination["url"], destination["key"], str(message.id), int(clock.now().timestamp()), told)
