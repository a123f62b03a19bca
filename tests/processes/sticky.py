"""A small proxy in front of several consoles, as a bank has one: whoever is known by a cookie comes to the same console each time, while it is there."""

import hashlib
import re
import socket
import threading
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress

from tests.front_door.conftest import free_port

# Who somebody is to the proxy: the session, else the visit of whoever has none yet. The nginx of core/launch/running.md goes by the same.
KNOWN_BY = (re.compile(rb"billers=([^;\s]+)"), re.compile(rb"billers-visit=([^;\s]+)"))

LARGEST_HEAD = 64 * 1024


class StickyProxy:
    """Listens until it is closed. One connection carries one request, or one websocket for as long as it is open."""

    def __init__(self, backends: Sequence[int]) -> None:
        self.port = free_port()
        self._backends = tuple(backends)
        # Connections that each console was given.
        self.given: Counter[int] = Counter()
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=256)
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def order_for(self, key: bytes) -> list[int]:
        """The consoles in the order in which somebody is brought to them: the first is theirs, the next stands in while that is away."""
        return sorted(self._backends, key=lambda port: hashlib.sha256(key + str(port).encode()).digest())

    def _accept(self) -> None:
        while True:
            try:
                browser, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(browser,), daemon=True).start()

    def _serve(self, browser: socket.socket) -> None:
        with browser:
            head, rest = _head_of(browser)
            if not head:
                return
            known = next(filter(None, (pattern.search(head) for pattern in KNOWN_BY)), None)
            console = self._connected(known[1] if known else b"")
            if console is None:
                with suppress(OSError):
                    browser.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                return
            with console, suppress(OSError):
                console.sendall(_passed_on(head) + rest)
                back = threading.Thread(target=_pump, args=(console, browser), daemon=True)
                back.start()
                _pump(browser, console)
                back.join()

    def _connected(self, key: bytes) -> socket.socket | None:
        for port in self.order_for(key):
            with suppress(OSError):
                console = socket.create_connection(("127.0.0.1", port), timeout=5)
                console.settimeout(None)
                self.given[port] += 1
                return console
        return None


def _head_of(browser: socket.socket) -> tuple[bytes, bytes]:
    read = b""
    with suppress(OSError):
        while b"\r\n\r\n" not in read and len(read) < LARGEST_HEAD:
            piece = browser.recv(16 * 1024)
            if not piece:
                break
            read += piece
    head, found, rest = read.partition(b"\r\n\r\n")
    return (head + found, rest) if found else (b"", b"")


def _passed_on(head: bytes) -> bytes:
    """As it came, with the address it came from; and but for a websocket the connection ends with the answer, so that the next request is placed anew."""
    lines = [line for line in head.split(b"\r\n") if line]
    if not any(line.lower().startswith(b"upgrade:") for line in lines):
        lines = [line for line in lines if not line.lower().startswith(b"connection:")] + [b"Connection: close"]
    return b"\r\n".join([*lines, b"X-Forwarded-For: 127.0.0.1", b"", b""])


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(64 * 1024):
            sink.sendall(piece)
    # Whoever of the two ends, the other is told.
    for end in (source, sink):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
