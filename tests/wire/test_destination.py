"""Where a call may go. A base URL is typed by a person, and a name is answered by somebody's DNS: neither is trusted."""

import asyncio
import socket
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from core.errors import Misconfigured
from core.wire.accidents import OutcomeClass
from core.wire.contract import Exchange, Request, Terms
from core.wire.destination import LinePolicy, Refused, destination, may_connect
from core.wire.line import Answer, Line

from .sockets import LOOPBACK, answers, biller, reply

# How one writes an address of somebody's inside. Each is put on the allow-list first: the list of hosts is not what saves us here.
INSIDE = (
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0177.0.0.1",
    "017700000001",
    "0",
    "0.0.0.0",  # noqa: S104 - called, not bound
    "localhost",
    "LOCALHOST",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::]",
    "[::127.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]",
    "[2001::1]",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "192.0.0.8",
    "169.254.169.254",
    "[fe80::1]",
    "[fd00:ec2::254]",
    "[fec0::1]",
    "100.100.100.200",
    "168.63.129.16",
    "198.18.0.1",
    "224.0.0.1",
    "[ff02::1]",
    "255.255.255.255",
    "240.0.0.1",
)

# What is no base URL at all.
MISSPELT = (
    "",
    "biller.test",
    "//biller.test",
    "https:/biller.test",
    "https://",
    "https:///soap",
    "ftp://biller.test",
    "file:///etc/passwd",
    "HTTPS://biller.test",
    "https://user@biller.test",
    "https://user:pass@biller.test",
    "https://@biller.test",
    "https://biller.test@127.0.0.1",
    "https://biller.test#@127.0.0.1",
    "https://biller.test/#fragment",
    "https://biller.test/?a=b",
    "https://biller.test\\@127.0.0.1",
    "https://biller.test/\\evil",
    "https://biller.test /",
    " https://biller.test",
    "https://biller.test\n",
    "https://biller\t.test",
    "https://biller.test:0",
    "https://biller.test:65536",
    "https://biller.test:443:80",
    "https://biller.test:４４３",
    "https://biller。test",
    "https://[fe80::1%25eth0]",
    "https://[::1",
)


def _asked(base_url: str, policy: LinePolicy, resolve: Any = None, monkeypatch: pytest.MonkeyPatch | None = None) -> Answer[Any]:
    async def run() -> Answer[Any]:
        if monkeypatch is not None:
            monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
        return await Line(policy).perform(Terms(base_url, {}, deadline_seconds=5), Exchange(Request("GET", "/"), lambda reply: reply))

    return asyncio.run(run())


@pytest.mark.parametrize("host", INSIDE)
def test_an_address_inside_is_refused_however_it_is_written(host: str) -> None:
    answer = _asked(f"https://{host}:8443", LinePolicy(allowed_hosts=[host.strip("[]")]))
    assert (answer.outcome_class, answer.failure) == (OutcomeClass.NOT_SENT, "address_refused")


@pytest.mark.parametrize("address", ["8.8.8.8", "196.216.8.1", "2a00:1450:4009::8", "1.1.1.1", "2606:4700::1111"])
def test_an_address_of_the_world_may_be_called(address: str) -> None:
    assert may_connect(ip_address(address), ())


def test_a_network_is_reached_only_where_the_deployment_names_it() -> None:
    ours = (ip_network("10.20.0.0/16"), ip_network("fd12::/32"))
    assert may_connect(ip_address("10.20.3.4"), ours)
    assert may_connect(ip_address("fd12::5"), ours)
    assert not may_connect(ip_address("10.21.3.4"), ours)
    assert not may_connect(ip_address("::ffff:10.20.3.4"), ours), "the mapped spelling stays refused"


@pytest.mark.parametrize("base_url", MISSPELT)
def test_what_two_parsers_could_read_in_two_ways_is_no_base_url(base_url: str) -> None:
    everything = LinePolicy(allowed_hosts=["biller.test", "127.0.0.1", "fe80::1", "::1", "user", ""], allowed_networks=["0.0.0.0/0", "::/0"])
    with pytest.raises(Refused) as refusal:
        destination(base_url, "/soap", everything)
    assert refusal.value.failure in {"base_url_refused", "host_not_allowed"}
    assert _asked(base_url, everything).outcome_class is OutcomeClass.NOT_SENT


@pytest.mark.parametrize("host", ["biller.test.evil.test", "evil-biller.test", "biller.test.", "sub.biller.test", "biller", "b%69ller.test"])
def test_a_host_is_allowed_by_its_whole_name(host: str) -> None:
    assert _asked(f"https://{host}", LinePolicy(allowed_hosts=["biller.test"])).failure in {"host_not_allowed", "base_url_refused"}


def test_nothing_is_allowed_by_default() -> None:
    assert _asked("https://biller.test", LinePolicy()).failure == "host_not_allowed"


def test_a_host_may_be_allowed_on_one_port_only() -> None:
    policy = LinePolicy(allowed_hosts=["biller.test:8443"])
    assert destination("https://Biller.Test:8443/base/", "/soap?x=1", policy).url == "https://biller.test:8443/base/soap?x=1"
    with pytest.raises(Refused, match="not on the list"):
        destination("https://biller.test", "/soap", policy)


def test_a_default_port_is_not_said() -> None:
    assert destination("https://biller.test:443", "/", LinePolicy(["biller.test"])).netloc == "biller.test"


def _answering(*rounds: list[str]) -> tuple[Any, list[str]]:
    """A DNS that answers something else each time it is asked, and the list of what it was asked."""
    asked: list[str] = []

    async def resolve(host: str, port: int, **_: object) -> list[Any]:
        asked.append(host)
        addresses = rounds[min(len(asked), len(rounds)) - 1]
        return [(socket.AF_INET6 if ":" in one else socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in addresses]

    return resolve, asked


@pytest.mark.parametrize("inside", ["10.0.0.5", "127.0.0.1", "::1", "169.254.169.254", "::ffff:10.0.0.5", "fe80::1%lo"])
def test_one_address_inside_spoils_the_whole_answer(inside: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for answer in (["8.8.8.8", inside], [inside, "2606:4700::1111"]):
        resolve, _ = _answering(answer)
        assert _asked("https://biller.test", LinePolicy(["biller.test"]), resolve, monkeypatch).failure == "address_refused"


def test_a_name_with_no_address_or_with_too_many_is_not_called(monkeypatch: pytest.MonkeyPatch) -> None:
    for answer, failure in (([], "name_not_resolved"), ([f"8.8.8.{n}" for n in range(17)], "address_refused")):
        resolve, _ = _answering(answer)
        assert _asked("https://biller.test", LinePolicy(["biller.test"]), resolve, monkeypatch).failure == failure


def test_a_name_is_resolved_once_and_the_checked_address_is_the_one_called(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rebinding: a DNS that answers well when asked first and badly when asked again is asked once."""

    async def run() -> tuple[Answer[Any], bytes, list[str], int]:
        async with biller(answers(reply(b"ok"))) as heard:
            resolve, asked = _answering([LOOPBACK], ["127.0.0.2"])
            monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
            line = Line(LinePolicy(["biller.test"], [f"{LOOPBACK}/32"]))
            answer = await line.perform(Terms(f"http://biller.test:{heard.port}", {}), Exchange(Request("GET", "/"), lambda reply: reply))
            return answer, bytes(heard.request), asked, heard.port

    answer, request, asked, port = asyncio.run(run())
    assert answer.outcome_class is OutcomeClass.ANSWERED
    assert asked == ["biller.test"]
    assert f"host: biller.test:{port}".encode() in request.lower()


def test_a_biller_with_a_dead_address_is_reached_at_its_other_one(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> tuple[Answer[Any], int]:
        async with biller(answers(reply(b"ok"))) as heard:
            resolve, _ = _answering(["127.0.0.2", LOOPBACK])  # nobody listens at the first
            monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
            line = Line(LinePolicy(["biller.test"], ["127.0.0.0/8"]))
            answer = await line.perform(Terms(f"http://biller.test:{heard.port}", {}), Exchange(Request("GET", "/"), lambda reply: reply))
            return answer, heard.connections

    answer, connections = asyncio.run(run())
    assert (answer.outcome_class, connections) == (OutcomeClass.ANSWERED, 1)


def test_a_request_that_left_is_not_sent_again_to_another_address(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> tuple[Answer[Any], int]:
        async def acts_then_closes(talk: Any) -> None:
            await talk.listen()

        async with biller(acts_then_closes) as heard:
            resolve, _ = _answering([LOOPBACK, "127.0.0.2"])
            monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
            line = Line(LinePolicy(["biller.test"], ["127.0.0.0/8"]))
            answer = await line.perform(Terms(f"http://biller.test:{heard.port}", {}), Exchange(Request("GET", "/"), lambda reply: reply))
            return answer, heard.connections

    answer, connections = asyncio.run(run())
    assert (answer.outcome_class, connections) == (OutcomeClass.UNKNOWN, 1)


@pytest.mark.parametrize("address", ["8.8.8.8", "10.0.0.5"])
def test_plain_http_is_spoken_to_this_machine_only(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    resolve, _ = _answering([address])
    answer = _asked("http://biller.test", LinePolicy(["biller.test"], ["10.0.0.0/8"]), resolve, monkeypatch)
    assert (answer.outcome_class, answer.failure) == (OutcomeClass.NOT_SENT, "base_url_refused")


def test_a_network_that_is_none_stops_the_start() -> None:
    with pytest.raises(Misconfigured, match="BILLERS_ALLOWED_NETWORKS"):
        Line(LinePolicy(allowed_networks=["10.0.0.1/8"]))
