"""Starts the sandbox as a process and speaks to it over plain sockets, so that every byte of an answer can be looked at."""

import base64
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from lxml import etree

CODE = "LWB_POSTPAID"
USER = "billers"
PASSWORD = "sandbox-lwb"
CHECKOUT = Path(__file__).resolve().parents[2]

# Nothing in these tests takes longer than this unless it is broken.
SECONDS = 20

_numbers = count(1)


@dataclass(frozen=True)
class Answered:
    """Everything that came back until the connection ended, and how it ended."""

    data: bytes
    reset: bool = False

    @property
    def status(self) -> int:
        return int(self.data.split(b" ", 2)[1])

    @property
    def head(self) -> str:
        return self.data.partition(b"\r\n\r\n")[0].decode("latin-1")

    @property
    def body(self) -> bytes:
        return self.data.partition(b"\r\n\r\n")[2]

    @property
    def announced(self) -> int:
        return int(self.header("Content-Length"))

    def header(self, name: str) -> str:
        for line in self.head.split("\r\n")[1:]:
            key, _, value = line.partition(": ")
            if key.lower() == name.lower():
                return value
        return ""

    @property
    def said(self) -> dict[str, str]:
        """The elements that have text, by local name."""
        return {etree.QName(element).localname: element.text for element in etree.fromstring(self.body).iter() if element.text}


def new_reference() -> str:
    return f"REF{next(_numbers):013d}"


def new_account() -> str:
    """An account that pays and that no other test uses."""
    return f"7{next(_numbers):07d}"


def post(operation: str, *, password: str = PASSWORD, path: str = "/lwb_postpaid/soap", **fields: str) -> bytes:
    inner = "".join(f"<{name}>{text}</{name}>" for name, text in fields.items())
    return request(
        f'<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
        f'<{operation} xmlns="http://billers.mw/lwb">{inner}</{operation}></s:Body></s:Envelope>'.encode(),
        operation=operation,
        password=password,
        path=path,
    )


def request(body: bytes, *, operation: str = "", password: str = PASSWORD, path: str = "/lwb_postpaid/soap") -> bytes:
    signed = base64.b64encode(f"{USER}:{password}".encode()).decode()
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Basic {signed}\r\nContent-Type: text/xml; charset=utf-8\r\n"
        f'SOAPAction: "{operation}"\r\nContent-Length: {len(body)}\r\n\r\n'
    ).encode() + body


class Sandbox:
    def __init__(self, directory: Path, *options: str) -> None:
        self.directory = directory
        self.options = options
        # Whatever it writes to stderr. In a test that is nothing.
        self.complaints = directory.with_suffix(".stderr")
        self.process: subprocess.Popen[bytes]
        self.port = 0
        self.control_port = 0

    def start(self) -> None:
        command = [sys.executable, "-m", "core.sandbox", "--port", "0", "--control-port", "0", "--dir", str(self.directory), *self.options]
        with self.complaints.open("ab") as stderr:
            self.process = subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=stderr)
        assert self.process.stdout is not None
        ready = json.loads(self.process.stdout.readline())
        self.port, self.control_port = ready["port"], ready["control_port"]

    def stop(self, with_signal: int = signal.SIGTERM) -> int:
        self.process.send_signal(with_signal)
        code = self.process.wait(SECONDS)
        assert self.complaints.read_text() == ""
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    @contextmanager
    def connected(self, sent: bytes, port: int | None = None) -> Iterator[socket.socket]:
        with socket.create_connection(("127.0.0.1", port or self.port), SECONDS) as connection:
            connection.sendall(sent)
            yield connection

    def exchange(self, sent: bytes, port: int | None = None) -> Answered:
        """Sends, and reads until the other side closes or resets."""
        with self.connected(sent, port) as connection:
            pieces: list[bytes] = []
            try:
                while piece := connection.recv(1 << 20):
                    pieces.append(piece)
            except ConnectionResetError:
                return Answered(b"".join(pieces), reset=True)
            return Answered(b"".join(pieces))

    def look_up(self, account: str) -> Answered:
        return self.exchange(post("GetAccountDetails", AccountNumber=account))

    def pay(self, account: str, reference: str, amount: str = "5475.50", **more: str) -> Answered:
        return self.exchange(payment(account, reference, amount, **more))

    def ask(self, reference: str) -> Answered:
        return self.exchange(post("GetTransactionStatus", OurTransactionId=reference))

    def reverse(self, reference: str) -> Answered:
        return self.exchange(post("ReverseTransaction", OurTransactionId=reference))

    def control(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Status and JSON of the control port; the sentence, where it is one."""
        data = b"" if body is None else json.dumps(body).encode()
        answered = self.exchange(f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data, self.control_port)
        return answered.status, json.loads(answered.body) if answered.status == 200 else answered.body.decode().strip()

    def set(self, biller: str = CODE, **settings: object) -> None:
        assert self.control("PUT", f"/billers/{biller}", settings)[0] == 200

    def pace(self, **seconds: object) -> None:
        assert self.control("PUT", "/settings", seconds)[0] == 200

    def next(self, fault: str, operation: str = "PostTransaction", *, biller: str = CODE, **more: object) -> None:
        status, said = self.control("POST", "/faults/next", {"biller": biller, "operation": operation, "fault": fault, **more})
        assert status == 200, said

    def ledger(self, reference: str, biller: str = CODE) -> list[dict[str, Any]]:
        """What the file says of a reference: the file itself, as the oracle reads it."""
        return [line for line in self.lines("ledger", biller) if line["reference"] == reference]

    def requests(self, biller: str = CODE, **wanted: object) -> list[dict[str, Any]]:
        return [line for line in self.lines("requests", biller) if all(line[name] == value for name, value in wanted.items())]

    def lines(self, what: str, biller: str = CODE) -> list[dict[str, Any]]:
        # A line without its end is still being written.
        whole = (self.directory / f"{biller}.{what}.jsonl").read_bytes().rpartition(b"\n")[0]
        return [json.loads(line) for line in whole.splitlines()]


def payment(account: str, reference: str, amount: str = "5475.50", **more: str) -> bytes:
    return post("PostTransaction", OurTransactionId=reference, AccountNumber=account, Amount=amount, Currency="MWK", **more)


def wait_until(condition: Callable[[], object]) -> None:
    """Asks again and again. Fails when it is still not so after far longer than it can take."""
    ends = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < ends, "It did not happen."
