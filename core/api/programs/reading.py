"""What a program sends, read strictly: a JSON object says each thing once, or it says nothing."""

import json
from decimal import Decimal
from typing import Any, NoReturn

from core.api.problems import Problem

# No request of ours is nested deeper.
DEEPEST = 16

# Digits of a whole number that is written with a point or an exponent; longer is none of ours.
LONGEST_WHOLE = 18


def object_in(body: bytes) -> dict[str, Any]:
    """The one object a body is. Raises `Problem`, saying where: a key that stands twice would silently win over its first one."""
    try:
        found = json.loads(body.decode(), object_pairs_hook=_said_once, parse_float=_number, parse_constant=_no_number)
    except UnicodeDecodeError:
        raise Problem("does-not-fit", "The body is not UTF-8.") from None
    except json.JSONDecodeError as error:
        raise Problem("does-not-fit", f"The body is not JSON: line {error.lineno}, column {error.colno}: {error.msg.lower()}.") from None
    except (RecursionError, ValueError):
        raise Problem("does-not-fit", "The body is nested too deeply, or has a number that is too long.") from None
    if not isinstance(found, dict):
        raise Problem("does-not-fit", "The body is one JSON object: it begins with { and ends with }.")
    if _depth(found) > DEEPEST:
        raise Problem("does-not-fit", "The body is nested too deeply.")
    return found


def _depth(value: Any) -> int:
    """Level by level, so that no depth overflows."""
    depth, level = 0, [value]
    while level and depth <= DEEPEST:
        depth += 1
        level = [inner for one in level for inner in (one.values() if isinstance(one, dict) else one) if isinstance(inner, dict | list)]
    return depth


def _said_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Problem("does-not-fit", f"The key {twice[:40]!r} stands twice in one object. Say it once.")
    return found


def _number(written: str) -> int | Decimal:
    """JSON knows one kind of number: 3.0 is the whole number 3. Never a float."""
    number = Decimal(written)
    return int(number) if number.adjusted() < LONGEST_WHOLE and number == number.to_integral_value() else number


def _no_number(name: str) -> NoReturn:
    raise Problem("does-not-fit", f"{name} is no number here.")
