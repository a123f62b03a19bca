"""Under which names the console answers. A page of somebody's that points its own name at this machine is another site, and stays one."""

import re
import socket
from collections.abc import Collection
from ipaddress import ip_address

_HOST = re.compile(r"(?P<name>[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?", re.ASCII | re.IGNORECASE)


def names_of_ours(public: Collection[str]) -> frozenset[str]:
    """`public` is what the deployment calls the console; this machine's own names are always among them."""
    return frozenset(_plain(name) for name in ("localhost", socket.gethostname(), *public))


def is_ours(host: str | None, names: Collection[str]) -> bool:
    """Whether a request's Host is the console. An address is: whoever names one means the machine that has it, and no DNS comes between."""
    match = _HOST.fullmatch(host or "")
    if match is None:
        return False
    return _plain(match["name"]) in names or _is_address(match["name"].strip("[]"))


def _plain(name: str) -> str:
    return name.lower().rstrip(".")


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
