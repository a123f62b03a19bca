"""How the bytes of a reply travel: in one piece, one by one, cut short, without end, or not at all."""

import asyncio
import gzip
import socket
import struct
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import lru_cache

from core.sandbox.messages import Reply

KIB = 1024
MIB = 1024 * KIB

MOST_ENDLESS_BYTES = 64 * MIB
OVERSIZED_BYTES = 50 * MIB
BOMB_BYTES = 200 * MIB


@dataclass(slots=True)
class Pace:
    """How long the sandbox makes others wait. Set on the control port."""

    hang_seconds: float = 120
    slow_seconds: float = 2
    drip_seconds: float = 0.25
    late_seconds: float = 20
    # So many inquiries about an accepted payment are answered PENDING; with the last of them it is done.
    asks_until_done: int = 2

    def with_seconds(self, name: str, seconds: float) -> "Pace":
        paced = replace(self)
        setattr(paced, name, seconds)
        return paced


class Wire:
    """One client's connection. Any method may raise ConnectionError: the client left, which is the client's affair."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def left_within(self, seconds: float) -> bool:
        """Waits so long, or until the client has left. Says whether it did."""
        try:
            async with asyncio.timeout(seconds):
                while await self._reader.read(4 * KIB):
                    pass
        except TimeoutError:
            return False
        return True

    def reset(self) -> None:
        """Closes with RST instead of FIN: to linger for no time at all means just that."""
        connection = self._writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


Delivery = Callable[[Wire, Reply, Pace], Awaitable[None]]


async def whole(wire: Wire, reply: Reply, pace: Pace) -> None:
    await wire.send(reply.encoded())


async def slowly(wire: Wire, reply: Reply, pace: Pace) -> None:
    if not await wire.left_within(pace.slow_seconds):
        await wire.send(reply.encoded())


async def nothing(wire: Wire, reply: Reply, pace: Pace) -> None:
    """The server closes the connection afterwards, as after every delivery."""


async def reset(wire: Wire, reply: Reply, pace: Pace) -> None:
    wire.reset()


async def hang(wire: Wire, reply: Reply, pace: Pace) -> None:
    await wire.left_within(pace.hang_seconds)


async def drip(wire: Wire, reply: Reply, pace: Pace) -> None:
    for byte in reply.encoded():
        await wire.send(bytes([byte]))
        if await wire.left_within(pace.drip_seconds):
            return


async def truncated_status_line(wire: Wire, reply: Reply, pace: Pace) -> None:
    await wire.send(b"HTTP/1.1 2")


async def short_body(wire: Wire, reply: Reply, pace: Pace) -> None:
    await wire.send(reply.encoded()[: -len(reply.body) // 2])


async def endless_chunks(wire: Wire, reply: Reply, pace: Pace) -> None:
    """Begins like a valid reply and goes on with blanks, which XML allows after its end. Nobody is told that it ends."""
    await wire.send(reply.head(("Transfer-Encoding", "chunked")) + _chunk(reply.body))
    blanks = _chunk(b" " * 64 * KIB)
    for _ in range(MOST_ENDLESS_BYTES // (64 * KIB)):
        await wire.send(blanks)


async def oversized(wire: Wire, reply: Reply, pace: Pace) -> None:
    """A valid reply with 50 MB of blanks after it, all of it announced."""
    await wire.send(reply.head(("Content-Length", str(len(reply.body) + OVERSIZED_BYTES))) + reply.body)
    for _ in range(OVERSIZED_BYTES // (64 * KIB)):
        await wire.send(b" " * 64 * KIB)


async def gzip_bomb(wire: Wire, reply: Reply, pace: Pace) -> None:
    body = await asyncio.to_thread(bomb)
    await wire.send(replace(gzipped(reply), body=body).encoded())


def gzipped(reply: Reply) -> Reply:
    return replace(reply, body=gzip.compress(reply.body, 6), headers=(*reply.headers, ("Content-Encoding", "gzip")))


@lru_cache(maxsize=1)
def bomb() -> bytes:
    """200 MiB of zeros as valid gzip. After a full flush the compressor begins afresh, so one mebibyte's block serves for all."""
    zeros = bytes(MIB)
    compressor = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    block = compressor.compress(zeros) + compressor.flush(zlib.Z_FULL_FLUSH)
    end = compressor.flush(zlib.Z_FINISH)
    checksum = 0
    for _ in range(BOMB_BYTES // MIB):
        checksum = zlib.crc32(zeros, checksum)
    head = b"\x1f\x8b\x08\x00" + bytes(5) + b"\xff"
    return head + block * (BOMB_BYTES // MIB) + end + struct.pack("<II", checksum, BOMB_BYTES)


def _chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"
