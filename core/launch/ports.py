"""Knows whether a port is free, and which variable moves the program that wants it."""

import errno
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from core.errors import BillersError


@dataclass(frozen=True, slots=True)
class Port:
    """A port that one of our programs is about to listen on."""

    number: int
    variable: str
    purpose: str
    address: str = "127.0.0.1"


class PortTaken(BillersError):
    """A port that is needed is in use. Stop the program that uses it, or choose another port."""


def check(ports: Sequence[Port]) -> None:
    """Raise PortTaken, naming each port that cannot be had, before anything is started."""
    if complaints := [complaint for port in ports if (complaint := complaint_about(port))] or _shared(ports):
        raise PortTaken(" ".join(complaints))


def complaint_about(port: Port) -> str | None:
    """Why this port cannot be had, and what to do; None when it can."""
    family = socket.AF_INET6 if ":" in port.address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As servers do: connections of yesterday's server that linger are no hindrance.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((port.address, port.number))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return f"Port {port.number}, for {port.purpose}, is in use. Stop the program that uses it, or choose another port with {port.variable}."
            return f"Port {port.number}, for {port.purpose}, cannot be opened ({error.strerror}). Choose another port with {port.variable}."
    return None


def _shared(ports: Sequence[Port]) -> list[str]:
    taken: dict[int, Port] = {}
    complaints = []
    for port in ports:
        other = taken.setdefault(port.number, port)
        if other is not port:
            complaints.append(f"{other.variable} and {port.variable} both name port {port.number}. Choose another port with one of them.")
    return complaints
