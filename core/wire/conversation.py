"""One request and one answer in HTTP/1.1, over a connection that was made for them. It knows one thing: when an answer is whole.

asyncio carries the bytes and h11 reads them. There is no client in between: nothing is pooled, followed, retried, decompressed or taken from the
environment, because nothing here could.
"""

import asyncio
from collections.abc import Mapping

import h11

from core.wire.accidents import Broken

LARGEST_REPLY = 1024 * 1024
LARGEST_HEAD = 32 * 1024
MOST_HEADERS = 100

# What may come before the end of the headers; more is no answer.
LONGEST_WAIT_FOR_HEAD = 100 * 1024


# Heard at once: a biller that talks without end must not keep the others' calls waiting while it is listened to.
MOUTHFUL = 16 * 1024


class Conversation(asyncio.BufferedProtocol):
    """Says one request on the connection it is given, and hears one answer: what came of it is there even if the rest never comes.

    `answered` ends when the answer is whole, or with what broke it.
    """

    def __init__(self) -> None:
        self.status: int | None = None
        self.headers: Mapping[str, str] = {}
        self.body = bytearray()
        self.answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=LONGEST_WAIT_FOR_HEAD)
        self._transport: asyncio.Transport | None = None
        # Not asked of `answered`: whoever stops waiting for that has cancelled it, and the connection still stands.
        self._is_over = False
        self._ear = memoryview(bytearray(MOUTHFUL))

    def say(self, request: bytes) -> None:
        """Hands the whole request over: from now on it may have been seen."""
        if self._transport is not None:
            self._transport.write(request)

    def written(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> bytes:
        """The request as bytes. Nothing leaves yet. Raises `h11.LocalProtocolError` for what is no request."""
        lines = list(headers.items())
        if body or method not in ("GET", "HEAD", "DELETE"):
            lines.append(("Content-Length", str(len(body))))
        head = self._http.send(h11.Request(method=method, target=target, headers=lines)) or b""
        said = self._http.send(h11.Data(data=body)) if body else b""
        return head + (said or b"") + (self._http.send(h11.EndOfMessage()) or b"")

    def hang_up(self) -> None:
        """At once, whatever was still to come. Nothing happens where the answer is whole, or broke."""
        if not self._is_over and self._transport is not None:
            self._transport.abort()
        self._is_over = True

    # ---- What asyncio tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a stream's protocol is given a stream
        self._transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._ear

    def buffer_updated(self, nbytes: int) -> None:
        self._hear(bytes(self._ear[:nbytes]))

    def eof_received(self) -> None:
        self._hear(b"")

    def connection_lost(self, error: Exception | None) -> None:
        self._end(error or Broken("read_failed"))

    # ---- What it means

    def _hear(self, data: bytes) -> None:
        if self._is_over:
            return
        try:
            self._http.receive_data(data)
            while not self._is_whole(event := self._http.next_event()):
                if event is h11.NEED_DATA:
                    return
        except h11.RemoteProtocolError:
            self._end(Broken("broken_head" if self.status is None else "cut_short"))
        except Exception as error:  # noqa: BLE001 - whoever waits for the answer is told, and names it
            self._end(error)
        else:
            self._end(None)

    def _is_whole(self, event: object) -> bool:
        match event:
            case h11.Response():
                self._read_head(event)
            case h11.Data():
                if len(self.body) + len(event.data) > LARGEST_REPLY:
                    raise Broken("reply_too_large")
                self.body += event.data
            case h11.PAUSED | h11.ConnectionClosed():
                raise Broken("broken_head" if self.status is None else "cut_short")
        return isinstance(event, h11.EndOfMessage)

    def _read_head(self, response: h11.Response) -> None:
        self.status = response.status_code
        found: dict[str, str] = {}
        for raw_name, raw_value in response.headers:
            name, value = raw_name.decode("ascii"), _text(raw_value)
            found[name] = f"{found[name]}, {value}" if name in found else value
        self.headers = found
        if len(response.headers) > MOST_HEADERS or sum(len(name) + len(value) for name, value in response.headers) > LARGEST_HEAD:
            raise Broken("headers_too_large")
        if found.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
            raise Broken("encoded_reply")

    def _end(self, error: Exception | None) -> None:
        if self._is_over:
            return
        self._is_over = True
        if not self.answered.done():
            if error is None:
                self.answered.set_result(None)
            else:
                self.answered.set_exception(error)
                # Who hung up meanwhile does not ask for it any more, and nobody is to be warned of that.
                self.answered.exception()
        if self._transport is not None:
            # A whole answer is thanked for by a proper farewell; of a broken one nothing more is wanted.
            if error is None:
                self._transport.close()
            else:
                self._transport.abort()


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("iso-8859-1")
