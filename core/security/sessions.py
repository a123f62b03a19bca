"""The rules of being signed in: how long, on what proof, and how often somebody may try. The table `THROTTLES` is the whole throttle."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from core.settings import settings

# A till left alone is signed out; a day's work at the counter is not.
IDLE = timedelta(minutes=30)
LONGEST = timedelta(hours=12)

# From the form to the route that sets the cookie: one redirect.
TICKET_LIFE = timedelta(seconds=60)

# `last_seen_at` is written at most this often: each rerun of each page would be a write otherwise.
TOUCH_EVERY = timedelta(minutes=1)

# What a stranger types is kept only this far.
LONGEST_USERNAME = 100
LONGEST_USER_AGENT = 300


class Scope(StrEnum):
    """Whose failures are counted."""

    USERNAME = "username"
    ADDRESS = "address"


@dataclass(frozen=True, slots=True)
class Throttle:
    """After `failures` within `window`, wait until the oldest of them is out of it. Nobody is locked out for ever."""

    scope: Scope
    failures: int
    window: timedelta


THROTTLES = (
    Throttle(Scope.USERNAME, 5, timedelta(minutes=15)),
    # A branch shares one address, so it has room for several people's bad mornings.
    Throttle(Scope.ADDRESS, 30, timedelta(minutes=15)),
)


def hash_of(secret: str) -> bytes:
    """What is stored of a cookie's token or a ticket. They are 256 random bits: a plain hash cannot be guessed back."""
    return hashlib.sha256(secret.encode()).digest()


def cookie_name() -> str:
    """The browser itself holds `__Host-` to its promise: set by this host alone, over HTTPS, for all of it."""
    return "__Host-billers" if settings().billers_secure_cookies else "billers"
