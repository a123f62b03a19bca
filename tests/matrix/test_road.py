"""The road itself: what it carries arrives, and nothing of it stays behind."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.matrix.road import LOOPBACK, Road
from tests.wire.conftest import Certificates

SECONDS = 5.0
LONG = b"q" * 100_000 + b"\n"


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that says a line back, and closes."""
    listening = socket.create_server((LOOPBACK, 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                caller, _ = listening.accept()
                with caller, caller.makefile("rb") as lines:
                    caller.sendall(lines.readline())

    threading.Thread(target=serve, daemon=True).start()
    yield listening.getsockname()[1]
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()


@pytest.mark.parametrize("said", [b"pay\n", LONG])
@pytest.mark.parametrize("guarded", [False, True])
def test_the_end_of_the_reply_is_the_end_of_the_connection(certificates: Certificates, echo: int, guarded: bool, said: bytes) -> None:
    """Whoever calls does not hang up first. What is still listened to has not ended, and its number may be another file's by then."""
    way = Road(echo, tls=certificates.server("good") if guarded else None)
    with socket.create_connection((LOOPBACK, way.port), SECONDS) as plain:
        trusting = ssl.create_default_context(cafile=str(certificates.ca))
        caller = trusting.wrap_socket(plain, server_hostname="localhost") if guarded else plain
        caller.sendall(said)
        heard = b""
        while piece := caller.recv(1 << 16):
            heard += piece
        caller.close()
    way.close()
    assert heard == said
