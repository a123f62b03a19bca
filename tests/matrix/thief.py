"""A road to the database on which a chosen COMMIT is lost, before or after the server heard it, and which can be closed. Real sockets, the real protocol."""

import socket
import threading
from contextlib import suppress
from pathlib import Path

from sqlalchemy.engine import URL

COMMIT = b"COMMIT\x00"
PORT = 5432
SECONDS = 20.0


class CommitThief:
    """Sits between one client and the server. `steal` waits for the transaction in which all its marks travelled towards the server."""

    def __init__(self, server: URL, directory: Path) -> None:
        self._server = server
        directory.mkdir()
        # The server's own doorstep, as seen from the client.
        self.url = server.set(host=None, port=None, query={**server.query, "host": str(directory), "port": str(PORT)})
        self._marks: tuple[bytes, ...] = ()
        self._kept = False
        self.stolen = 0
        self.turned_away = 0
        self._is_open = True
        self._travelling: set[socket.socket] = set()
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(directory / f".s.PGSQL.{PORT}"))
        self._listening.listen(64)
        threading.Thread(target=self._serve, daemon=True).start()

    def steal(self, *marks: str, kept: bool) -> None:
        """Once. `kept`: the server does as it is told, and only its word is lost."""
        self._kept, self._marks = kept, tuple(mark.encode() for mark in marks)

    def close_the_road(self) -> None:
        """Cuts who is on the way, and turns away who comes."""
        self._is_open = False
        for one in list(self._travelling):
            _cut(one)

    def open_the_road(self) -> None:
        self._is_open = True

    def end(self) -> None:
        self.close_the_road()
        self._listening.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                if self._is_open:
                    threading.Thread(target=self._carry, args=(client,), daemon=True).start()
                else:
                    self.turned_away += 1
                    client.close()

    def _carry(self, client: socket.socket) -> None:
        with suppress(OSError), client, self._connected() as server:
            self._travelling |= {client, server}
            way_back = _WayBack(server, client)
            said = b""
            while piece := client.recv(1 << 16):
                said += piece
                if COMMIT in piece:
                    if self._marks and all(mark in said for mark in self._marks):
                        self._marks = ()
                        if self._kept:
                            way_back.withhold()
                            server.sendall(piece)
                            way_back.has_come.wait(SECONDS)
                        self.stolen += 1
                        break
                    said = b""
                server.sendall(piece)
            _cut(server)
            _cut(client)

    def _connected(self) -> socket.socket:
        host = str(self._server.query.get("host") or self._server.host or "")
        if host.startswith("/"):
            made = socket.socket(socket.AF_UNIX)
            made.connect(f"{host}/.s.PGSQL.{self._server.query.get('port', PORT)}")
            return made
        return socket.create_connection((host, self._server.port or PORT))


class _WayBack:
    """What the server says, brought to the client; or withheld from it."""

    def __init__(self, server: socket.socket, client: socket.socket) -> None:
        self._withheld = False
        self.has_come = threading.Event()
        threading.Thread(target=self._bring, args=(server, client), daemon=True).start()

    def withhold(self) -> None:
        self._withheld = True

    def _bring(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while piece := server.recv(1 << 16):
                if self._withheld:
                    self.has_come.set()
                else:
                    client.sendall(piece)
        _cut(client)


def _cut(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
