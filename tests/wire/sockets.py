"""Billers made of real sockets, each misbehaving in its own way."""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

LOOPBACK = "127.0.0.1"


@dataclass
class Heard:
    """What one fake biller noticed."""

    port: int = 0
    connections: int = 0
    request: bytearray = field(default_factory=bytearray)
    sent: int = 0
    was_asked: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class Conversation:
    """One connection as a misbehaviour sees it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    heard: Heard

    async def listen(self) -> bytes:
        """Reads one whole request."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        self.heard.request += head
        length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
        self.heard.request += await self.reader.readexactly(length)
        self.heard.was_asked.set()
        return bytes(self.heard.request)

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        self.heard.sent += len(data)
        await self.writer.drain()

    def reset(self) -> None:
        """Closes so that the other side gets RST instead of FIN."""
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Misbehaviour = Callable[[Conversation], Awaitable[None]]


@asynccontextmanager
async def biller(behave: Misbehaviour, tls: ssl.SSLContext | None = None) -> AsyncIterator[Heard]:
    heard = Heard()
    conversations: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        conversations.add(task)
        heard.connections += 1
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                await behave(Conversation(reader, writer, heard))
        except asyncio.CancelledError:
            # What it still had to say, nobody waits for: a close would.
            writer.transport.abort()
        finally:
            writer.close()

    server = await asyncio.start_server(serve, LOOPBACK, 0, ssl=tls)
    heard.port = server.sockets[0].getsockname()[1]
    try:
        yield heard
    finally:
        server.close()
        for task in conversations:
            task.cancel()
        await asyncio.gather(*conversations, return_exceptions=True)


def reply(body: bytes = b"", status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def answers(data: bytes) -> Misbehaviour:
    async def behave(talk: Conversation) -> None:
        await talk.listen()
        await talk.say(data)

    return behave


async def hangs(talk: Conversation) -> None:
    await talk.listen()
    await asyncio.Event().wait()


async def closes_at_once(talk: Conversation) -> None:
    return


async def closes_after_acting(talk: Conversation) -> None:
    await talk.listen()


async def resets_after_acting(talk: Conversation) -> None:
    await talk.listen()
    talk.reset()


def drips(start: bytes) -> Misbehaviour:
    """A byte every 20 ms: each single read is quick, and the answer never ends."""

    async def behave(talk: Conversation) -> None:
        await talk.listen()
        await talk.say(start)
        while True:
            await talk.say(b"x")
            await asyncio.sleep(0.02)

    return behave


def repeats(start: bytes, piece: bytes) -> Misbehaviour:
    """As fast as the other side reads, for ever."""

    async def behave(talk: Conversation) -> None:
        await talk.listen()
        await talk.say(start)
        while True:
            await talk.say(piece)

    return behave
