"""Codes that change each half minute (RFC 6238), as every authenticator app makes them. It knows how a code is made, and that none counts twice."""

import base64
import secrets
from urllib.parse import quote, urlencode

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.hotp import HOTP

# What the apps take for granted. SHA-1 is no weakness here: an HMAC does not need it to be without collisions.
STEP_SECONDS = 30
DIGITS = 6
ALGORITHM = SHA1()  # noqa: S303 - the standard's own

# A phone's clock may be so many steps off, and a person needs some seconds to type.
WINDOW = 1

# As long as the hash: what RFC 4226 recommends.
SECRET_BYTES = 20

ISSUER = "Billers"


def new_secret() -> bytes:
    return secrets.token_bytes(SECRET_BYTES)


def step_at(epoch_seconds: float) -> int:
    """The half-minute that this moment is in, counted since 1970."""
    return int(epoch_seconds) // STEP_SECONDS


def code_of(secret: bytes, step: int) -> str:
    """What the app shows in this half-minute."""
    return HOTP(secret, DIGITS, ALGORITHM).generate(step).decode()


def step_of(secret: bytes, code: str, now: int, last: int | None) -> int | None:
    """The step whose code this is, near `now` and after the `last` one that was accepted; None for any other code, and for one that was used."""
    found = None
    for step in range(now - WINDOW, now + WINDOW + 1):
        # Each is compared, whichever fits: how long it takes tells nothing.
        fits = secrets.compare_digest(code_of(secret, step).encode(), code.encode())
        if fits and (last is None or step > last):
            found = step
    return found


def as_text(secret: bytes) -> str:
    """For typing it into an app that cannot read the picture."""
    return base64.b32encode(secret).decode()


def address(secret: bytes, username: str) -> str:
    """What the picture says: `otpauth://totp/Billers:grace?secret=…`, which every app reads."""
    asked = {"secret": as_text(secret), "issuer": ISSUER, "algorithm": "SHA1", "digits": DIGITS, "period": STEP_SECONDS}
    return f"otpauth://totp/{quote(ISSUER)}:{quote(username)}?{urlencode(asked)}"
