"""Whether a configured account pattern may be used. It knows one thing: in how many ways a pattern can read 40 characters, before it is ever tried on any."""

import re
import warnings
from collections.abc import Iterable
from re import _constants as parts  # type: ignore[attr-defined] # The tree the standard library itself compiles: no second reader that could disagree with it.
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

from core import clock
from core.models.snapshot import LONGEST_ACCOUNT

LONGEST_PATTERN = 200

# Ways to divide 40 characters among the pattern's choices. Four free repeats are 2.8 million, some hundredths of a second; a fifth would be 40 times that.
MOST_WAYS = 3_000_000

# Measured as well, on what a pattern likes least: whatever the count above has overlooked shows here.
SLOWEST_SECONDS = 0.1

_SIMPLE = {parts.LITERAL, parts.NOT_LITERAL, parts.ANY, parts.IN, parts.AT}
_REPEATS = {parts.MAX_REPEAT, parts.MIN_REPEAT}


class _Unfit(Exception):
    """Carries the sentence that says why."""


def complaint(pattern: str) -> str | None:
    """What is wrong with this pattern, in a sentence, or None. Takes no longer than a blink, whatever it is given."""
    if not pattern:
        return "Write the pattern of an account number, for example [0-9]{6,12}."
    if len(pattern) > LONGEST_PATTERN:
        return f"A pattern has at most {LONGEST_PATTERN} characters. Write a shorter one."
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = parser.parse(pattern, re.ASCII)
            if tree.state.flags & ~(re.ASCII | re.UNICODE):
                return "A pattern has no flags, such as (?i). List the letters instead: [A-Za-z]."
            ways = _ways(tree, repeats=0)
            compiled = re.compile(pattern, re.ASCII)
    except (re.error, OverflowError, RecursionError, ValueError) as error:
        return f"This is no pattern that can be read ({str(error)[:80]}). Write it like [0-9]{{6,12}}."
    except _Unfit as unfit:
        return str(unfit)
    if ways > MOST_WAYS or _slowest(compiled) > SLOWEST_SECONDS:
        return "This pattern could take too long on some input. Use fewer + * ? and |, and say how often: [0-9]{6,12}."
    return None


def _ways(tree: Iterable[tuple[Any, Any]], repeats: int) -> int:
    """An upper bound of the ways this part can be read. Inside something that repeats nothing may vary: that is where the bound would be lost."""
    ways = 1
    for kind, told in tree:
        if kind in _SIMPLE:
            continue
        if kind is parts.SUBPATTERN:
            if told[1] or told[2]:
                raise _Unfit("A pattern has no flags, such as (?i). List the letters instead: [A-Za-z].")
            ways *= _ways(told[3], repeats)
        elif kind is parts.BRANCH:
            if repeats:
                raise _Unfit("A choice with | must not stand inside something that repeats. Write it out, or use [...].")
            ways *= sum(_ways(branch, repeats) for branch in told[1])
        elif kind in _REPEATS:
            ways *= _ways_of_repeat(told[0], told[1], told[2], repeats)
        else:
            raise _Unfit("A pattern has no look-arounds and no references to an earlier group. Use [...], {...}, ( ), | and ? only.")
    return ways


def _ways_of_repeat(least: int, most: int, inner: Iterable[tuple[Any, Any]], repeats: int) -> int:
    if most is not parts.MAXREPEAT and most > LONGEST_ACCOUNT:
        raise _Unfit(f"An account number has at most {LONGEST_ACCOUNT} characters. Write no larger number in {{...}}.")
    if repeats and least != most:
        raise _Unfit("A repeat must not vary inside another repeat, as in ([0-9]+)*. Say how often: ([0-9]{3}){1,4}.")
    if repeats > 1:
        raise _Unfit("Three repeats inside each other are too many. Write the pattern flatter.")
    longest = LONGEST_ACCOUNT if most is parts.MAXREPEAT else most
    return int(max(1, longest - least + 1)) * _ways(inner, repeats + 1 if longest > 1 else repeats)


def _slowest(compiled: re.Pattern[str]) -> float:
    slowest = 0.0
    for filling in ("0", "7", "A", "a", "-", "/", "0A", "01", "0-", "_"):
        began = clock.monotonic_seconds()
        # Everything fits, up to a last character that nothing fits: all ways are tried.
        compiled.fullmatch((filling * LONGEST_ACCOUNT)[: LONGEST_ACCOUNT - 1] + "\0")
        slowest = max(slowest, clock.monotonic_seconds() - began)
    return slowest
