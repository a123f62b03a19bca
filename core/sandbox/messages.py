"""HTTP/1.1, as little of it as one request on one connection needs. Nothing read from a client is unbounded."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote

MOST_HEAD_BYTES = 16 * 1024
MOST_BODY_BYTES = 1024 * 1024
SECONDS_TO_SEND_A_REQUEST = 30

TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Request:
    """One request. Header names are in small letters; of a repeated header, or a repeated name in the query, the last one counts."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    query: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: bytes
    content_type: str = TEXT
    headers: tuple[tuple[str, str], ...] = ()

    def head(self, *framing: tuple[str, str]) -> bytes:
        lines = [f"HTTP/1.1 {self.status} {reason(self.status)}", f"Content-Type: {self.content_type}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in (*self.headers, *framing)]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def encoded(self) -> bytes:
        return self.head(("Content-Length", str(len(self.body)))) + self.body


class Refused(Exception):
    """The request cannot be served as it came. `reply` says so to the client."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


def reason(status: int) -> str:
    return HTTPStatus(status).phrase


def plain(status: int, sentence: str) -> Reply:
    return Reply(status, sentence.encode() + b"\n")


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """The request, or None where the client left, or took too long, before it was complete. Raises Refused."""
    try:
        async with asyncio.timeout(SECONDS_TO_SEND_A_REQUEST):
            head = await reader.readuntil(b"\r\n\r\n")
            method, target, headers = _parse_head(head)
            body = await reader.readexactly(_body_length(headers))
    except asyncio.LimitOverrunError:
        raise Refused(plain(431, "The request's head is too long.")) from None
    except (asyncio.IncompleteReadError, TimeoutError):
        return None
    path, _, query = target.partition("?")
    return Request(method, unquote(path), headers, body, dict(parse_qsl(query, keep_blank_values=True)))


def _parse_head(head: bytes) -> tuple[str, str, dict[str, str]]:
    first, *rest = head[:-4].decode("latin-1").split("\r\n")
    parts = first.split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        raise Refused(plain(400, "The request line is not HTTP/1.1."))
    headers: dict[str, str] = {}
    for line in rest:
        name, colon, value = line.partition(":")
        if not colon:
            raise Refused(plain(400, "A header has no colon."))
        headers[name.lower()] = value.strip()
    return parts[0], parts[1], headers


def _body_length(headers: Mapping[str, str]) -> int:
    if "transfer-encoding" in headers:
        raise Refused(plain(411, "Send a Content-Length."))
    text = headers.get("content-length", "0")
    if not (text.isascii() and text.isdigit()):
        raise Refused(plain(400, "Content-Length is not a number."))
    # Compared by length first: int() of a very long text is slow.
    if len(text) > 9 or int(text) > MOST_BODY_BYTES:
        raise Refused(plain(413, "The request is too large."))
    return int(text)
