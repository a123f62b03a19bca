"""A road to the sandbox that can be closed, blocked, guarded by a certificate, or whose traffic comes back changed: real sockets, one port."""

import selectors
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress

LOOPBACK = "127.0.0.1"
SECONDS = 20.0
PIECE = 1 << 16


def as_it_is(reply: bytes) -> bytes:
    return reply


class Road:
    """Listens on a port of its own and leads to another. `change` is done to each whole reply on its way back."""

    def __init__(self, leads_to: int, tls: ssl.SSLContext | None = None, change: Callable[[bytes], bytes] = as_it_is) -> None:
        self._leads_to = leads_to
        self._tls = tls
        self.change = change
        self._listening: socket.socket | None = None
        self._waiting: list[socket.socket] = []
        self.port = 0
        # How many came along.
        self.travelled = 0
        self.open()

    def open(self) -> None:
        listening = self._listen(64)
        threading.Thread(target=self._serve, args=(listening,), daemon=True).start()

    def close(self) -> None:
        """From now on whoever connects is refused."""
        if self._listening is not None:
            # Wakes whoever waits in accept().
            with suppress(OSError):
                self._listening.shutdown(socket.SHUT_RDWR)
            self._listening.close()
            self._listening = None
        for waiting in self._waiting:
            waiting.close()
        self._waiting.clear()

    def block(self) -> None:
        """Nobody accepts any more, and the queue before the door is full: further connections are never answered."""
        self.close()
        self._listen(0)
        for _ in range(3):
            waiting = socket.socket()
            waiting.setblocking(False)
            waiting.connect_ex((LOOPBACK, self.port))
            self._waiting.append(waiting)

    def _listen(self, backlog: int) -> socket.socket:
        self._listening = socket.socket()
        self._listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listening.bind((LOOPBACK, self.port))
        self._listening.listen(backlog)
        self.port = self._listening.getsockname()[1]
        return self._listening

    def _serve(self, listening: socket.socket) -> None:
        with suppress(OSError):
            while True:
                traveller, _ = listening.accept()
                self.travelled += 1
                threading.Thread(target=self._carry, args=(traveller,), daemon=True).start()

    def _carry(self, traveller: socket.socket) -> None:
        """There and back. The console's calls have a connection each, so the biller's end of it is the end of the reply."""
        with suppress(OSError), traveller:
            traveller.settimeout(SECONDS)
            client = self._tls.wrap_socket(traveller, server_side=True) if self._tls else traveller
            with client, socket.create_connection((LOOPBACK, self._leads_to), SECONDS) as biller:
                client.sendall(self.change(_exchange(client, biller)))


def _exchange(client: socket.socket, biller: socket.socket) -> bytes:
    """Hands on what the client says until the biller has closed, and answers all that the biller said.

    By one thread: if another still read from the client when it is closed, it would read on from whatever file gets that number next,
    which has been a connection to the database.
    """
    reply = b""
    with selectors.DefaultSelector() as ready:
        for end in (client, biller):
            ready.register(end, selectors.EVENT_READ)
        while speaking := [key.fileobj for key, _ in ready.select(SECONDS)]:
            if client in speaking:
                said = _read(client)
                biller.sendall(said)
                if not said:
                    ready.unregister(client)
            if biller in speaking:
                piece = biller.recv(PIECE)
                reply += piece
                if not piece:
                    return reply
    raise TimeoutError


def _read(client: socket.socket) -> bytes:
    """What is there: of a TLS record all of it, as the rest of one that was begun makes no socket ready."""
    said = client.recv(PIECE)
    while said and isinstance(client, ssl.SSLSocket) and client.pending():
        said += client.recv(PIECE)
    return said


def with_body(reply: bytes, encode: Callable[[str], bytes], charset: str) -> bytes:
    """The reply with its body written in other letters, and its head saying so."""
    head, _, body = reply.partition(b"\r\n\r\n")
    written = encode(body.decode())
    kept = [line for line in head.split(b"\r\n") if not line.lower().startswith((b"content-length:", b"content-type:"))]
    lines = [*kept, f"Content-Type: text/xml; charset={charset}".encode(), b"Content-Length: %d" % len(written)]
    return b"\r\n".join(lines) + b"\r\n\r\n" + written
