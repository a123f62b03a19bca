"""The biller of the bench: takes every payment, answers 300 ms later, and keeps a ledger. Lean, because its processor time is the workers' loss.

It speaks the water board's SOAP and nothing else; whatever is odd goes into the ledger as such. For right and wrong there is the sandbox.
"""

import argparse
import asyncio
import re
import signal
from pathlib import Path
from typing import TextIO

# Who calls at once waits here, not at a closed door.
BACKLOG = 4096

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_ASKED = re.compile(
    rb"<PostTransaction xmlns=\"(?P<namespace>[^\"]+)\"><OurTransactionId>(?P<reference>\w+)</OurTransactionId>"
    rb"<AccountNumber>(?P<account>\d+)</AccountNumber><Amount>(?P<amount>[\d.]+)</Amount>"
)
_ANSWER = (
    b'<?xml version="1.0" encoding="utf-8"?>\n'
    b'<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body><PostTransactionResponse xmlns="%b"><Status>SUCCESS</Status>'
    b"<TransactionId>BENCH-%09d</TransactionId><OurTransactionId>%b</OurTransactionId><AccountNumber>%b</AccountNumber><Amount>%b</Amount>"
    b"<Message>Thank you</Message></PostTransactionResponse></soap:Body></soap:Envelope>"
)
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml; charset=utf-8\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
_REFUSED = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Biller:
    """What all conversations share: the time an answer takes, and the ledger, one line a payment."""

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float, ledger: TextIO) -> None:
        self.loop = loop
        self.seconds = seconds
        self._ledger = ledger
        self._count = 0

    def act(self, request: bytes) -> bytes:
        """Takes the money, and answers what will be said about it."""
        asked = _ASKED.search(request)
        if asked is None:
            self._ledger.write("odd\n")
            return _REFUSED
        self._count += 1
        self._ledger.write(f"{asked['reference'].decode()} {asked['amount'].decode()}\n")
        body = _ANSWER % (asked["namespace"], self._count, asked["reference"], asked["account"], asked["amount"])
        return _HEAD % len(body) + body


class Conversation(asyncio.Protocol):
    """One connection, one request, one answer."""

    def __init__(self, biller: Biller) -> None:
        self._biller = biller
        self._heard = b""
        self._wanted: int | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._heard += data
        if self._wanted is None:
            head = self._heard.find(b"\r\n\r\n")
            if head < 0:
                return
            length = _LENGTH.search(self._heard, 0, head)
            self._wanted = head + 4 + (int(length[1]) if length else 0)
        if len(self._heard) >= self._wanted:
            self._biller.loop.call_later(self._biller.seconds, self._say, self._biller.act(self._heard))

    def _say(self, answer: bytes) -> None:
        self._transport.write(answer)  # type: ignore[attr-defined]
        self._transport.close()


async def serve(port: int, seconds: float, ledger: Path) -> None:
    """Until SIGTERM; then the ledger is whole."""
    loop, stopping = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    with ledger.open("w", encoding="ascii", buffering=1 << 16) as lines:
        biller = Biller(loop, seconds, lines)
        async with await loop.create_server(lambda: Conversation(biller), "127.0.0.1", port, backlog=BACKLOG):
            print("ready", flush=True)
            await stopping.wait()


if __name__ == "__main__":
    told = argparse.ArgumentParser()
    told.add_argument("--port", type=int, required=True)
    told.add_argument("--seconds", type=float, required=True)
    told.add_argument("--ledger", type=Path, required=True)
    asyncio.run(serve(**vars(told.parse_args())))
