"""Somebody's server, which an attack wants reached: it remembers who came."""

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Listener:
    """`requests` are the request lines and headers of all visits, as they came."""

    port: int = 0
    requests: list[str] = field(default_factory=list)

    @property
    def visits(self) -> int:
        return len(self.requests)


class AnyAddress(ThreadingHTTPServer):
    """On every address of this machine, of both versions."""

    address_family = socket.AF_INET6

    def server_bind(self) -> None:
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


@contextmanager
def listening(
    address: str = "127.0.0.1", port: int = 0, *, body: bytes = b"inside", status: int = 200, headers: Mapping[str, str] | None = None
) -> Iterator[Listener]:
    """Answers everybody the same, at this address; at `::`, at every one that this machine has."""
    heard = Listener()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.requests.append(f"{self.requestline}\n{self.headers}")
            self.send_response(status)
            for name, value in {"Content-Type": "text/html; charset=utf-8", "Content-Length": str(len(body)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - the library's way of naming them

        def log_message(self, *_: object) -> None: ...

    server = (AnyAddress if address == "::" else ThreadingHTTPServer)((address, port), Handler)
    heard.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield heard
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
