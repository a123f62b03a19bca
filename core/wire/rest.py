"""Documents of keys, and the paths that fetch them. It knows one thing: a JSON object says each thing once, as it was written, or it is no answer."""

import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from urllib.parse import quote, urlencode

from core.money import Money
from core.wire.letters import Unreadable, written

Keys = Mapping[str, object]

DEEPEST = 32
MOST_VALUES = 20_000
# Longer than any amount or id; bounds what arithmetic is ever tried on.
LONGEST_NUMBER = 40


class Number(str):
    """A JSON number as it was written: no float ever stands between a biller's digits and ours."""

    __slots__ = ()


def path(template: str, *, account: str = "", reference: str = "", query: Iterable[tuple[str, str | None]] = ()) -> str:
    """`/v1/accounts/{account}` filled in and percent-encoded; a parameter that is None is left out, and the last one stays the last."""
    filled = template.replace("{account}", quote(account, safe="")).replace("{reference}", quote(reference, safe=""))
    given = [(name, value) for name, value in query if value is not None]
    return filled + (("&" if "?" in filled else "?") + urlencode(given, quote_via=quote, safe="") if given else "")


def object_of(reply: bytes, content_type: str = "") -> Keys:
    """The one object a document is. Raises `Unreadable`: a key that is said twice, NaN, or anything after the object makes it no answer."""
    said = written(reply, content_type)
    try:
        found = json.loads(said, object_pairs_hook=_said_once, parse_int=_number, parse_float=_number, parse_constant=_no_number)
    except RecursionError as error:
        raise Unreadable("The answer is nested deeper than is read.") from error
    except ValueError as error:
        raise Unreadable("The answer is not well-formed JSON.") from error
    if not isinstance(found, dict):
        raise Unreadable("The answer is no JSON object.")
    _bounded(found)
    return found


def text(answer: Keys, *names: str) -> str | None:
    """What the first of these keys that says anything says, without surrounding blanks. A number is its text, as written."""
    for name in names:
        said = answer.get(name)
        if said is not None and not isinstance(said, str):
            raise Unreadable(f"{name} holds more than text.")
        if said and said.strip():
            return str(said).strip()
    return None


def money(answer: Keys, currency: str, *names: str) -> Money | None:
    """An amount, be it text or number. Raises `Unreadable` or `BadInput` for what is none."""
    said = next((answer[name] for name in names if answer.get(name) is not None), None)
    if not isinstance(said, Number):
        plain = text(answer, *names)
        return None if plain is None else Money.from_text(plain, currency)
    try:
        # A number may be written 1.0E7, as Java does with ten millions; in a text nobody does.
        return Money(Decimal(said), currency)
    except ArithmeticError as error:  # 1e999999999 is beyond what can even be compared
        raise Unreadable(f"{said} is not an amount.") from error


def objects(answer: Keys, name: str) -> list[Keys]:
    """The list of objects under this key."""
    found = answer.get(name)
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise Unreadable(f"{name} is no list of objects.")
    return found


def _said_once(pairs: list[tuple[str, object]]) -> Keys:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Unreadable("The answer says a key twice.")
    return found


def _number(digits: str) -> Number:
    if len(digits) > LONGEST_NUMBER:
        raise Unreadable("The answer has a number longer than is read.")
    return Number(digits)


def _no_number(name: str) -> Number:
    raise Unreadable(f"The answer has {name} for a number.")


def _bounded(root: Keys) -> None:
    """Level by level: how deep, how many, and no text that could not be kept (NUL, half a surrogate pair)."""
    level: list[object] = [root]
    seen = 0
    for _ in range(DEEPEST):
        seen += len(level)
        if seen > MOST_VALUES:
            raise Unreadable("The answer has more values than are read.")
        level = [part for one in level for part in _parts(one)]
    if level:
        raise Unreadable("The answer is nested deeper than is read.")


def _parts(value: object) -> Iterable[object]:
    if isinstance(value, str) and any(letter == "\x00" or "\ud800" <= letter <= "\udfff" for letter in value):
        raise Unreadable("The answer has a character that is none.")
    if isinstance(value, dict):
        return (*value.keys(), *value.values())
    return value if isinstance(value, list) else ()
