"""Where a call may go. It knows one thing: whether an address is a biller's, or a way into somebody's network."""

import asyncio
import re
import socket
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path
from urllib.parse import unquote

from core.errors import BillersError, Misconfigured

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# One spelling only, so that no two parsers can disagree about the host: no userinfo, query, fragment, backslash or blank.
_BASE_URL = re.compile(r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?(?P<path>/[!-~]*)?", re.ASCII)
_TARGET = re.compile(r"/[!-~]*", re.ASCII)
_PORTS = {"https": 443, "http": 80}

# Python's own idea of "global" differs between releases and lets some of these pass; what they are stands beside each.
FORBIDDEN_NETWORKS: tuple[Network, ...] = tuple(
    ip_network(network)
    for network in (
        "0.0.0.0/8",  # "this" network: reaches loopback on Linux
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier NAT; one cloud's metadata at 100.100.100.200
        "127.0.0.0/8",
        "168.63.129.16/32",  # a cloud's host agent, on a public-looking address
        "169.254.0.0/16",  # link-local, with the metadata of most clouds
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "198.18.0.0/15",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/96",  # unspecified, loopback and IPv4-compatible
        "::ffff:0:0/96",  # IPv4-mapped
        "::ffff:0:0:0/96",  # IPv4-translated
        "64:ff9b::/96",  # NAT64
        "64:ff9b:1::/48",
        "100::/64",
        "2001::/23",  # Teredo among them
        "2002::/16",  # 6to4
        "fc00::/7",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
    )
)

# A name with more answers than this is not a biller's.
MOST_ADDRESSES = 16


class Refused(BillersError):
    """This address may not be called."""

    def __init__(self, failure: str, sentence: str) -> None:
        self.failure = failure
        super().__init__(sentence)


@dataclass(frozen=True, slots=True)
class LinePolicy:
    """What the deployment allows, from its settings and never from a panel.

    `allowed_hosts` are exact names, with `:port` where only that one is meant; `allowed_networks` are CIDRs that may be reached although they are
    private. Plain http is spoken to loopback only, and only where a network here holds it. `ca_bundle` adds a private authority to the public ones.
    """

    allowed_hosts: Collection[str] = ()
    allowed_networks: Collection[str] = ()
    ca_bundle: Path | None = None


@dataclass(frozen=True, slots=True)
class Destination:
    """A checked address to be. `target` is path and query."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def netloc(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.netloc}{self.target}"


def networks(policy: LinePolicy) -> tuple[Network, ...]:
    try:
        return tuple(ip_network(network) for network in policy.allowed_networks)
    except ValueError as error:
        raise Misconfigured(f"BILLERS_ALLOWED_NETWORKS has an entry that is not a network: {error}.") from error


def destination(base_url: str, path: str, policy: LinePolicy) -> Destination:
    """Joins and checks, without asking the network anything. Raises `Refused`; good for a configuration form too."""
    match = _BASE_URL.fullmatch(base_url)
    if match is None or any(mark in (match["path"] or "") for mark in "?#\\@"):
        raise Refused("base_url_refused", "A base URL is https://host/path, without user name, query or fragment.")
    scheme, host = match["scheme"], match["host"].strip("[]").lower()
    port = int(match["port"] or _PORTS[scheme])
    if not 1 <= port <= 65535:
        raise Refused("base_url_refused", "The base URL's port is not between 1 and 65535.")
    allowed = {entry.lower() for entry in policy.allowed_hosts}
    if not {host, f"{match['host'].lower()}:{port}"} & allowed:
        raise Refused("host_not_allowed", f"The host {host!r} is not on the list of allowed hosts.")
    return Destination(scheme, host, port, _joined((match["path"] or "").rstrip("/"), path))


def _joined(base_path: str, path: str) -> str:
    target = base_path + path
    segments = target.partition("?")[0].split("/")
    if not path.startswith("/") or not _TARGET.fullmatch(target) or "#" in target or "\\" in unquote(target):
        raise Refused("request_malformed", "The request's path has a character that does not belong there.")
    # An account number "../../transfers" must not choose another operation.
    if any(unquote(part) in (".", "..") or "/" in unquote(part) for part in segments):
        raise Refused("request_malformed", "The request's path leads outside the biller's base URL.")
    return target


async def checked_addresses(place: Destination, allowed: Iterable[Network]) -> list[Address]:
    """Resolves once; every answer must be allowed, so that a name with one good and one bad address is refused whole."""
    addresses = _stated(place.host) or await _resolved(place)
    if not addresses:
        raise Refused("name_not_resolved", f"The host {place.host!r} has no address.")
    allowed = tuple(allowed)
    if len(addresses) > MOST_ADDRESSES or not all(may_connect(address, allowed) for address in addresses):
        raise Refused("address_refused", f"The host {place.host!r} leads to an address that may not be called.")
    if place.scheme == "http" and not all(address.is_loopback for address in addresses):
        raise Refused("base_url_refused", "Plain http is spoken to this machine only. Use https.")
    return addresses


def _stated(host: str) -> list[Address]:
    """The address that the host is, if it is one: nobody need be asked."""
    try:
        return [ip_address(host)]
    except ValueError:
        return []


async def _resolved(place: Destination) -> list[Address]:
    try:
        answers = await asyncio.get_running_loop().getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Refused("name_not_resolved", f"The host {place.host!r} could not be found.") from error
    return list(dict.fromkeys(ip_address(answer[4][0]) for answer in answers))


def may_connect(address: Address, allowed: Iterable[Network]) -> bool:
    if any(address in network for network in allowed):
        return True
    return address.is_global and not address.is_multicast and not any(address in network for network in FORBIDDEN_NETWORKS)
