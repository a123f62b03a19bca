"""The only module that hands e-mail over, by way of apprise. It knows one thing about failures: whether the server was there, and said no for good.

SMTP is not HTTP, and the line does not speak it. Where it goes is held to the same rule: a host of the deployment's list, at an address that may be called,
and that address is the one that is connected to: a name which leads elsewhere a moment later is not asked again.
"""

import asyncio
import smtplib
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum

from apprise.common import NotifyFormat
from apprise.plugins.email.base import NotifyEmail
from apprise.plugins.email.smtp import AppriseSMTPController

from core.wire.destination import Address, Destination, LinePolicy, Refused, checked_addresses, networks
from core.wire.line import verifying
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
    password: str = field(default="", repr=False)


class _Plain(smtplib.SMTP):
    """Speaks to addresses that were checked, under the name that the server must prove by certificate."""

    def __init__(self, host: str, port: int, addresses: Sequence[Address]) -> None:
        self._addresses = addresses
        super().__init__(host, port, timeout=STEP_SECONDS)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:  # smtplib's own place to connect
        for address in self._addresses[:-1]:
            with suppress(OSError):
                return socket.create_connection((str(address), port), timeout)
        return socket.create_connection((str(self._addresses[-1]), port), timeout)


class _Wrapped(_Plain):
    """The same, in TLS from the first byte."""

    def __init__(self, host: str, port: int, addresses: Sequence[Address], context: ssl.SSLContext) -> None:
        self._context, self._name = context, host
        super().__init__(host, port, addresses)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        return self._context.wrap_socket(super()._get_socket(host, port, timeout), server_hostname=self._name)


class Post(AppriseSMTPController):
    """An open conversation with a mail server: as many messages as there are, one after the other."""

    _socket: smtplib.SMTP  # type: ignore[assignment]

    def __init__(self, server: MailServer, addresses: Sequence[Address], context: ssl.SSLContext) -> None:
        super().__init__(server.host, server.port, server.security.value, server.username or None, server.password or None)
        self.sender = server.sender
        self._addresses = addresses
        self._context = context

    def __enter__(self) -> "Post":
        """Apprise would ask for the name's address a second time: this connects to those that were checked. Raises what `smtplib` raises."""
        is_wrapped = self.secure_mode == Security.TLS.value
        self._socket = _Wrapped(self.host, self.port, self._addresses, self._context) if is_wrapped else _Plain(self.host, self.port, self._addresses)
        try:
            if self.secure_mode == Security.STARTTLS.value:
                self._socket.starttls(context=self._context)
            if self.user and self.password:
                self._socket.login(self.user, self.password)
        except BaseException:
            self._socket.close()
            raise
        return self

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
    post = Post(server, _checked(server, policy), verifying(policy))
    try:
        post.__enter__()
    except (OSError, smtplib.SMTPException, RuntimeError) as error:
        raise OutOfReach(_in_words(error)) from error
    try:
        yield post
    finally:
        post.__exit__(None, None, None)


def _checked(server: MailServer, policy: LinePolicy) -> Sequence[Address]:
    """Where it may be spoken to. Raises `OutOfReach`."""
    if not {server.host.lower(), f"{server.host.lower()}:{server.port}"} & {one.lower() for one in policy.allowed_hosts}:
        raise OutOfReach(TOLD["host_not_allowed"])
    try:
        return asyncio.run(checked_addresses(Destination("smtp", server.host, server.port, "/"), networks(policy)))
    except Refused as refusal:
        raise OutOfReach(TOLD.get(refusal.failure, refusal.sentence)) from refusal


def _in_words(error: Exception) -> str:
    """Never what it says itself: a server's complaint about a sign-in may quote it."""
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return "The mail server did not accept the user name and password."
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return "The mail server does not offer what the channel asks for (STARTTLS, or a sign-in)."
    if isinstance(error, ssl.SSLError):
        return TOLD["tls_failed"]
    if isinstance(error, TimeoutError):
        return f"The mail server did not answer within {STEP_SECONDS} seconds."
    if isinstance(error, ConnectionRefusedError):
        return TOLD["connect_refused"]
    if isinstance(error, smtplib.SMTPServerDisconnected | ConnectionError):
        return "The mail server hung up."
    return "The mail server could not be spoken to."
