"""Receivers of notifications, made of real sockets: a mail server that can be switched off and on, and whatever takes HTTP."""

import email
import json
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    with socket.socket() as found:
        found.bind((LOOPBACK, 0))
        return int(found.getsockname()[1])


class MailHost:
    """A mail server at one port, on and off. `refuses` are addresses that it does not know; `busy` those it asks patience for."""

    def __init__(self) -> None:
        self.port = free_port()
        self.letters: list[tuple[str, Message]] = []
        self.refuses: set[str] = set()
        self.busy: set[str] = set()
        self._running: Controller | None = None

    def start(self) -> None:
        self._running = Controller(self, hostname=LOOPBACK, port=self.port)
        self._running.start()

    def stop(self) -> None:
        if self._running is not None:
            self._running.stop()
            self._running = None

    async def handle_RCPT(self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]) -> str:  # noqa: N802 - aiosmtpd's name
        if address in self.refuses:
            return "550 no such user here"
        if address in self.busy:
            return "451 try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        assert isinstance(envelope.content, bytes)
        letter = email.message_from_bytes(envelope.content)
        self.letters += [(address, letter) for address in envelope.rcpt_tos]
        return "250 taken"

    def ids(self) -> list[str]:
        """Of each letter the id that it is told by."""
        return [str(letter["Billers-Notification"]) for _, letter in self.letters]


def text_of(letter: Message) -> str:
    payload = letter.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode()


@dataclass(frozen=True)
class Heard:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def told(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    """Whatever takes HTTP. `status` is what it answers; while `hangs` is set it answers nothing at all."""

    status: int = 200
    heard: list[Heard] = field(default_factory=list)
    hangs: threading.Event = field(default_factory=threading.Event)
    is_asked: threading.Event = field(default_factory=threading.Event)
    lets_go: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.is_asked.set()
                if receiver.hangs.is_set():
                    receiver.lets_go.wait(60)
                    return
                receiver.heard.append(Heard(self.path, dict(self.headers.items()), body))
                self.send_response(receiver.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self._server.server_port}/hooks/billers?to=us"

    def stop(self) -> None:
        self.lets_go.set()
        self._server.shutdown()
        self._server.server_close()


def until(holds: Callable[[], bool], seconds: float = 20) -> None:
    """Waits for a condition."""
    waiting = threading.Event()
    for _ in range(round(seconds / 0.02)):
        if holds():
            return
        waiting.wait(0.02)
    raise AssertionError("It did not come to that.")


def quietly(act: Callable[[], object]) -> None:
    with suppress(OSError):
        act()
