"""Lines forged in the log: whoever reads it after an attack must not read what the attacker wrote there as ours."""

import json
import logging
import re
import socket
from collections.abc import Iterator

import httpx
import pytest
import structlog

from core import logs
from tests.attacks.report import ControlFired, Refused
from tests.front_door.conftest import Console

FORGED = '{"event": "signed in", "level": "info", "username": "chief"}'

# What would begin a line, or have a terminal show something else than stands there.
VALUES = (
    f"x\n{FORGED}",
    f"x\r\n{FORGED}",
    f"x\r{FORGED}",
    f"x\x0b{FORGED}",
    f"x\x0c{FORGED}",
    f"x\x85{FORGED}",
    f"x\u2028{FORGED}",
    f"x\u2029{FORGED}",
    "x\x1b[2K\x1b[1A\x1b[32mall is well\x1b[0m",
    "x\x9b2Kx",
    "x\x1b]0;title\x07",
    "x\x08\x08\x08\x7f",
    "x\u202egnp.exe",
)

# Everything that a terminal acts on or a reader splits at.
MARKS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    before = logging.getLogRecordFactory()
    yield
    structlog.reset_defaults()
    logging.setLogRecordFactory(before)


def in_the_log(capsys: pytest.CaptureFixture[str], **facts: object) -> str:
    capsys.readouterr()
    structlog.get_logger().warning("turned away", **facts)
    return capsys.readouterr().err


@pytest.mark.attack("log-injection")
@pytest.mark.parametrize("form", ["json", "text"])
@pytest.mark.parametrize("value", VALUES)
def test_no_value_begins_a_line_or_moves_a_cursor(
    form: logs.Form, value: str, capsys: pytest.CaptureFixture[str], control_fired: ControlFired, refused: Refused
) -> None:
    print(f"WARNING turned away host={value}")
    naive = capsys.readouterr().out
    assert MARKS.search(naive.removesuffix("\n"))
    control_fired("put together as text, the line was two, or moved the cursor")

    logs.configure("INFO", form)
    for written in (in_the_log(capsys, host=value), in_the_log(capsys, nested={"deep": [value]}), in_the_log(capsys, **{value: "as a name"})):
        (line,) = written.splitlines()
        assert MARKS.search(line) is None
        assert not line.startswith(FORGED)
        if form == "json":
            assert json.loads(line)["event"] == "turned away"
    refused("one line, in which what came is escaped", record="the line itself says what came")


@pytest.mark.attack("log-injection")
@pytest.mark.parametrize("form", ["json", "text"])
def test_nor_does_what_a_library_says(form: logs.Form, capsys: pytest.CaptureFixture[str], control_fired: ControlFired, refused: Refused) -> None:
    value = f"x\n{FORGED}\x1b[2J"

    def said() -> str:
        library = logging.Logger("library")
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(message)s"))
        library.addHandler(handler)
        try:
            raise ValueError(value)
        except ValueError:
            library.exception("Rejected: origin=%s", value)
        return capsys.readouterr().err

    assert FORGED in said().splitlines()[1]
    control_fired("a library's own handler wrote the attacker's line")

    logs.configure("INFO", form)
    (line,) = said().splitlines()
    assert MARKS.search(line) is None
    assert "in said" in line
    refused("what libraries say is one line of ours as well, trace included")


@pytest.mark.attack("log-injection")
def test_the_running_console_writes_one_object_a_line(console: Console, refused: Refused) -> None:
    """By a raw socket: no client of ours would send such headers."""
    marked = "evil.example\x1b[2J{}"
    for number, target in enumerate(("/", "/payment?x=%0a%1b[2J", "/%0d%0a%1b[2J")):
        with socket.create_connection(("127.0.0.1", console.port), timeout=20) as attacker:
            head = f"GET {target} HTTP/1.1\r\nHost: {marked.format(number)}\r\nOrigin: {FORGED}\r\nConnection: close\r\n\r\n"
            attacker.sendall(head.encode("latin-1"))
            assert attacker.recv(64).startswith((b"HTTP/1.1 421", b"HTTP/1.1 400"))
    httpx.get(console.url, headers={"Host": "evil.example"}, trust_env=False)

    lines = console.log.read_text(encoding="utf-8").split("\n")
    said = [json.loads(line) for line in lines if line.startswith("{")]
    assert "not under this name" in {one.get("because") for one in said}
    assert all(MARKS.search(line) is None for line in lines)
    assert not any(one.get("event") == "signed in" for one in said)
    refused("the server's own log has one object a line, and no mark in it", record="log: not under this name")
