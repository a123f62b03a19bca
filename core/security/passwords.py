"""Passwords: how they are kept, what they must be, and how the sandbox makes its own."""

import secrets
import string
from functools import lru_cache
from pathlib import Path

import bcrypt

from core.errors import BadInput
from core.settings import settings

# Where it comes from, and under which licence, stands at its head.
COMMON = Path(__file__).with_name("common_passwords.txt")

PRODUCT = "Billers"

# What people write for a letter, when a form wants a sign.
SIGNS_FOR_LETTERS = str.maketrans("@4310$5!7", "aaeiossit")
AT_THE_ENDS = string.digits + string.punctuation + string.whitespace

# Parts of a bank's name shorter than this are in too many words to be held against a password.
SHORTEST_NAME = 5

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
    if (name := _name_in(password)) is not None:
        raise WeakPassword(f"“{name}” is what everybody here would try first. Leave it out.")
    if is_common(password):
        raise WeakPassword("This password is one that many people have, with something added. Four words that do not belong together are good.")


def is_common(password: str) -> bool:
    """Whether it is one of those that are tried first, or that one twice: whatever its case, the digits and signs at its ends, and signs for its letters."""
    known = _common()
    plain = password.casefold().strip(AT_THE_ENDS)
    return not plain or any(word in known or _half_of(word) in known for word in (plain, plain.translate(SIGNS_FOR_LETTERS).strip(AT_THE_ENDS)))


def _half_of(word: str) -> str:
    half = word[: len(word) // 2]
    return half if half * 2 == word else word


@lru_cache(maxsize=1)
def _common() -> frozenset[str]:
    return frozenset(line for line in COMMON.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))


def _name_in(password: str) -> str | None:
    """The product's or the bank's name, where the password is hardly more than that."""
    bank = settings().billers_bank_name
    folded = _letters(password)
    names = [name for name in (PRODUCT, bank, *bank.split()) if len(_letters(name)) >= SHORTEST_NAME]
    return next((name for name in names if _letters(name) in folded and len(folded) < len(_letters(name)) + SHORTEST), None)


def _letters(text: str) -> str:
    return "".join(letter for letter in text.casefold() if letter.isalnum())


def hash_of(password: str) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(COST)).decode()


def matches(password: str, password_hash: str) -> bool:
    """Takes its time whatever is asked. What bcrypt would refuse to read matches nothing."""
    is_readable = len(password.encode()) <= LONGEST_BYTES
    return bcrypt.checkpw(password.encode() if is_readable else b"", password_hash.encode()) and is_readable


def generate() -> str:
    """Four groups of four, to be read out: `kfmt-2p8r-wxyq-7hnd`."""
    return "-".join("".join(secrets.choice(SPOKEN_SIGNS) for _ in range(GROUP_LENGTH)) for _ in range(GROUPS))
