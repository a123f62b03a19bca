"""Passwords: how they are kept, what they must be, and how the sandbox makes its own."""

import secrets

import bcrypt

from core.errors import BadInput

# 2^12 rounds: about a quarter of a second, which a person does not mind and a guesser does.
COST = 12
SHORTEST = 12
# bcrypt reads no further; refusing is better than two passwords that are one.
LONGEST_BYTES = 72

# Of random bytes that were thrown away, at our cost: an unknown name takes as long as a known one.
DUMMY_HASH = "$2b$12$PfN9spMC.n.RLtvA4NYZxOeaRVc0P8y/O.az6.0UdBH6z27e/Owqa"

# For the telephone: no letter that sounds or looks like another sign. 16 of 31 signs are 79 bits.
SPOKEN_SIGNS = "abcdefghjkmnpqrstuvwxyz23456789"
GROUPS, GROUP_LENGTH = 4, 4


class WeakPassword(BadInput):
    """This password is too easy to guess. Use at least 12 characters; four words in a row are good."""


def check_policy(password: str, username: str) -> None:
    """Raises WeakPassword with what to change."""
    if len(password) < SHORTEST:
        raise WeakPassword(f"A password has at least {SHORTEST} characters, this one {len(password)}. Four words in a row are good.")
    if len(password.encode()) > LONGEST_BYTES:
        raise WeakPassword(f"A password has at most {LONGEST_BYTES} bytes, this one {len(password.encode())}. Leave out the end.")
    if password != password.strip():
        # The sign-in form drops them, so it would never be accepted.
        raise WeakPassword("A password neither begins nor ends with a space. Leave it out.")
    if "\0" in password:
        raise WeakPassword("This password has a character that cannot be typed. Choose another.")
    if username.casefold() in password.casefold() and len(password) < len(username) + SHORTEST:
        raise WeakPassword("A password is not the user name with something added. Choose other words.")
    if len(set(password)) < SHORTEST // 2:
        raise WeakPassword("This password repeats the same few characters. Four words in a row are good.")


def hash_of(password: str) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(COST)).decode()


def matches(password: str, password_hash: str) -> bool:
    """Takes its time whatever is asked. What bcrypt would refuse to read matches nothing."""
    is_readable = len(password.encode()) <= LONGEST_BYTES
    return bcrypt.checkpw(password.encode() if is_readable else b"", password_hash.encode()) and is_readable


def generate() -> str:
    """Four groups of four, to be read out: `kfmt-2p8r-wxyq-7hnd`."""
    return "-".join("".join(secrets.choice(SPOKEN_SIGNS) for _ in range(GROUP_LENGTH)) for _ in range(GROUPS))
