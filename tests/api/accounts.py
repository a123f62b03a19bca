"""Accounts that no two tests share. A module of its own: pytest knows conftest by another name than the tests do, and each would count for itself."""

from itertools import count

_numbers = count(1)


def new_account() -> str:
    """One that the sandbox's water boards know, that pays at once, and that no other test uses."""
    return f"7{next(_numbers):07d}"
