"""The only module that hands e-mail over, by way of apprise. It knows one thing about failures: whether the server was there, and said no for good.

SMTP is not HTTP, and the line does not speak it. Where it goes is held to the same rule: a host of the deployment's list, at an address that may be called.
"""

import asyncio
import smtplib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

from apprise.common import NotifyFormat
from apprise.plugins.email.base import NotifyEmail
from apprise.plugins.email.smtp import AppriseSMTPController

from core.wire.destination import Destination, LinePolicy, Refused, checked_addresses, networks
from core.wire.notice import ID_HEADER, TOLD, OutOfReach, Said

# Of each step: the connection, each line of the conversation.
STEP_SECONDS = 10

# RFC 5321: "service not available, closing transmission channel", whatever it was asked.
GOING_DOWN = 421


class Security(StrEnum):
    """How the conversation with a mail server is kept from others. Values are apprise's."""

    STARTTLS = "starttls"
    TLS = "ssl"
    # On this machine, or in a network that nobody else listens in.
    NONE = "insecure"


@dataclass(frozen=True, slots=True)
class MailServer:
    host: str
    port: int
    security: Security
    sender: str
    username: str = ""
    password: str = ""


class Post(AppriseSMTPController):
    """An open conversation with a mail server: as many messages as there are, one after the other."""

    sender = ""
    _socket: smtplib.SMTP  # type: ignore[assignment]

    def send(self, notification: str, address: str, subject: str, body: str) -> Said:
        """One message to one address. Raises `OutOfReach` where the conversation broke."""
        (message,) = NotifyEmail.prepare_emails(
            subject,
            body,
            (False, self.sender),
            [(False, address)],
            cc=set(),
            bcc=set(),
            reply_to=set(),
            smtp_host=self.host,
            notify_format=NotifyFormat.TEXT,
            headers={ID_HEADER: notification},
            names={},
        )
        try:
            self._socket.sendmail(self.sender, message.to_addrs, message.body)
        except smtplib.SMTPRecipientsRefused as refused:
            return _no(*refused.recipients[address])
        except smtplib.SMTPServerDisconnected as error:
            raise OutOfReach("The mail server hung up.") from error
        except smtplib.SMTPResponseException as error:
            if error.smtp_code == GOING_DOWN:
                raise OutOfReach("The mail server is shutting down.") from error
            return _no(error.smtp_code, error.smtp_error)
        except (smtplib.SMTPException, OSError) as error:
            raise OutOfReach(_in_words(error)) from error
        return Said(True, "Taken by the mail server.")


def _no(code: int, why: bytes | str) -> Said:
    """A mail server's five hundreds are for good; its four hundreds ask for patience."""
    words = why.decode(errors="replace") if isinstance(why, bytes) else why
    return Said(False, f"SMTP {code}: {' '.join(words.split())}"[:300], for_good=500 <= code < 600)


@contextmanager
def opened(server: MailServer, policy: LinePolicy) -> Iterator[Post]:
    """A conversation with this server, for a `with` block. Raises `OutOfReach`."""
    _refuse_foreign(server, policy)
    post = Post(server.host, server.port, server.security.value, server.username or None, server.password or None, socket_connect_timeout=STEP_SECONDS)
    post.sender = server.sender
    try:
        post.__enter__()
    except (OSError, smtplib.SMTPException, RuntimeError) as error:
        raise OutOfReach(_in_words(error)) from error
    try:
        yield post
    finally:
        post.__exit__(None, None, None)


def _refuse_foreign(server: MailServer, policy: LinePolicy) -> None:
    if not {server.host.lower(), f"{server.host.lower()}:{server.port}"} & {one.lower() for one in policy.allowed_hosts}:
        raise OutOfReach(TOLD["host_not_allowed"])
    try:
        asyncio.run(checked_addresses(Destination("smtp", server.host, server.port, "/"), networks(policy)))
    except Refused as refusal:
        raise OutOfReach(TOLD.get(refusal.failure, refusal.sentence)) from refusal


def _in_words(error: Exception) -> str:
    """Never what it says itself: a server's complaint about a sign-in may quote it."""
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return "The mail server did not accept the user name and password."
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return "The mail server does not offer what the channel asks for (STARTTLS, or a sign-in)."
    if isinstance(error, TimeoutError):
        return f"The mail server did not answer within {STEP_SECONDS} seconds."
    if isinstance(error, ConnectionRefusedError):
        return TOLD["connect_refused"]
    if isinstance(error, smtplib.SMTPServerDisconnected | ConnectionError):
        return "The mail server hung up."
    return "The mail server could not be spoken to."
