"""Having the console call somebody's inside: a real listener that plain httpx reaches each time, and the line never."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from core.wire.accidents import OutcomeClass
from core.wire.contract import Exchange, Request, Terms
from core.wire.destination import LinePolicy, Refused, destination
from core.wire.line import Answer, Line
from tests.attacks.listener import listening
from tests.attacks.report import ControlFired
from tests.attacks.report import Refused as WasRefused

# What stands where a base URL has its host. Plain httpx gets to this machine by each of them.
SPELLINGS = (
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "127.0.0.2",
    "127.255.255.254",
    "2130706433",
    "017700000001",
    "0177.0x0.0.1",
    "0x7f000001",
    "0x7f.1",
    "0x7f.0x0.0x0.0x1",
    "0",
    "0.0.0.0",  # noqa: S104 - called, not bound
    "localhost",
    "LOCALHOST",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "127。0。0。1",
    "biller.test@127.0.0.1",
    "biller.test:443@127.0.0.1",
    "biller.test\\@127.0.0.1",
)

# A name of somebody's own that leads inside, as nip.io's do.
NAMES = ("127.0.0.1.nip.test", "inside.biller.test")

GOOD, INSIDE = "127.0.0.1", "127.0.0.66"


def ask(base_url: str, policy: LinePolicy, resolve: Any = None) -> Answer[bytes]:
    async def run() -> Answer[bytes]:
        if resolve is not None:
            asyncio.get_running_loop().getaddrinfo = resolve  # type: ignore[method-assign]
        return await Line(policy).perform(Terms(base_url, {}, deadline_seconds=5), Exchange(Request("GET", "/"), lambda reply: reply.body))

    return asyncio.run(run())


def answering(*addresses: str) -> tuple[Callable[..., list[Any]], list[str]]:
    """A DNS that gives these one after the other, the last for ever, and the list of what it was asked."""
    asked: list[str] = []

    def resolve(host: str, port: int, *_: object, **__: object) -> list[Any]:
        asked.append(host)
        address = addresses[min(len(asked), len(addresses)) - 1]
        return [(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    return resolve, asked


def at_once(resolve: Callable[..., list[Any]]) -> Any:
    async def resolved(*arguments: object, **named: object) -> list[Any]:
        return resolve(*arguments, **named)

    return resolved


@pytest.mark.attack("ssrf-spellings")
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_the_inside_is_not_called_however_it_is_spelt(spelling: str, control_fired: ControlFired, refused: WasRefused) -> None:
    with listening("::") as inside:
        httpx.get(f"http://{spelling}:{inside.port}/", trust_env=False, timeout=5)
        assert inside.visits == 1
        control_fired("plain httpx reached the listener")

        # Whoever keeps the list of hosts was talked into this one.
        fooled = LinePolicy(allowed_hosts=[spelling.strip("[]"), spelling.rpartition("@")[2], "biller.test"])
        for scheme in ("http", "https"):
            answer = ask(f"{scheme}://{spelling}:{inside.port}", fooled)
            assert answer.outcome_class is OutcomeClass.NOT_SENT
            assert answer.failure in {"address_refused", "base_url_refused", "host_not_allowed"}
        assert inside.visits == 1
        refused("the line refused it, and the listener heard nothing")


@pytest.mark.attack("ssrf-spellings")
@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_leads_inside_is_not_called(name: str, monkeypatch: pytest.MonkeyPatch, control_fired: ControlFired, refused: WasRefused) -> None:
    resolve, _ = answering(GOOD)
    with listening() as inside:
        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        httpx.get(f"http://{name}:{inside.port}/", trust_env=False, timeout=5)
        monkeypatch.undo()
        assert inside.visits == 1
        control_fired("plain httpx reached the listener by a name of the attacker's")

        answer = ask(f"https://{name}:{inside.port}", LinePolicy(allowed_hosts=[name]), at_once(resolve))
        assert (answer.outcome_class, answer.failure, inside.visits) == (OutcomeClass.NOT_SENT, "address_refused", 1)
        refused("the line refused the address behind the name")


@pytest.mark.attack("ssrf-rebinding")
def test_a_name_that_moves_inside_after_it_was_checked_is_called_where_it_was(
    monkeypatch: pytest.MonkeyPatch, control_fired: ControlFired, refused: WasRefused
) -> None:
    policy = LinePolicy(["biller.test"], [f"{GOOD}/32"])
    with listening(GOOD, body=b"biller") as biller, listening(INSIDE, biller.port) as inside:
        url = f"http://biller.test:{biller.port}"

        # What checks the name first and calls it by its name asks twice.
        resolve, asked = answering(GOOD, INSIDE)
        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        assert socket.getaddrinfo("biller.test", biller.port)[0][4][0] == GOOD
        assert httpx.get(url, trust_env=False, timeout=5).text == "inside"
        monkeypatch.undo()
        assert (asked, inside.visits) == (["biller.test"] * 2, 1)
        control_fired("checked first and called by name, the listener inside was reached")

        resolve, asked = answering(GOOD, INSIDE)
        answer = ask(url, policy, at_once(resolve))
        assert (answer.value, asked, inside.visits) == (b"biller", ["biller.test"], 1)
        resolve, asked = answering(INSIDE)
        assert ask(url, policy, at_once(resolve)).failure == "address_refused"
        assert inside.visits == 1
        refused("the name was asked for once, and the address that was checked is the one that was called")


@pytest.mark.attack("ssrf-redirect")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_biller_that_redirects_inside_is_not_followed(status: int, control_fired: ControlFired, refused: WasRefused) -> None:
    with listening(INSIDE) as inside, listening(GOOD, status=status, headers={"Location": f"http://{INSIDE}:{inside.port}/keys"}) as biller:
        url = f"http://{GOOD}:{biller.port}"
        assert httpx.get(url, follow_redirects=True, trust_env=False, timeout=5).text == "inside"
        assert inside.visits == 1
        control_fired("a client that follows redirects reached the listener")

        answer = ask(url, LinePolicy([GOOD], [f"{GOOD}/32"]))
        assert (answer.value, answer.http_status, inside.visits) == (None, status, 1)
        refused("the redirect is an answer that is not believed, and is not followed")


@pytest.mark.attack("ssrf-spellings")
def test_the_form_refuses_it_before_anybody_is_called(refused: WasRefused) -> None:
    for spelling in (one for one in SPELLINGS if "@" in one or not one.isascii()):
        with pytest.raises(Refused):
            destination(f"https://{spelling}/soap", "/", LinePolicy(allowed_hosts=[spelling, "biller.test", GOOD]))
    refused("a base URL that two parsers could read in two ways cannot be saved")
