"""The words of the search box, `status:failed biller:lwb amount:>50000 grace`. It knows one thing: every filter has words, and they lead back to it.

What is not understood is told word by word, with what would be; nothing of it is guessed, and nothing that was typed is lost.
"""

import difflib
import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import date
from decimal import Decimal
from typing import Any

from core.errors import BadInput
from core.money import LARGEST, Money
from core.repositories.filters import NO_REASON
from core.repositories.transactions import Sort
from core.services.asked import (
    COIN,
    LONGEST_REASON,
    LONGEST_SEARCH,
    MOST_REASONS,
    WEEKDAYS,
    Asked,
    day_name,
    searchable,
    times,
    times_text,
    whole_bound,
)
from core.states import Status, TransactionType

# What each type is called in the box: the first word is the one we write, the others are understood, too.
TYPES: Mapping[TransactionType, Sequence[str]] = {
    TransactionType.POST_TRANSACTION: ("payment", "payments", "pay"),
    TransactionType.ACCOUNT_DETAILS: ("look-up", "lookup", "look-ups", "lookups"),
    TransactionType.CONFIRM_INVOICE: ("invoice-payment", "invoice-payments"),
    TransactionType.GET_INVOICE: ("invoice-look-up", "invoice-lookup", "invoice"),
    TransactionType.CONFIRM_BUNDLE: ("bundle-purchase", "bundle-purchases"),
    TransactionType.BUNDLE_DETAILS: ("bundle-list", "bundles"),
}

ME, NOTHING_SAID = "me", "none"

# Longer than the longest filter anybody types; a paste that went wrong is told so.
LONGEST_LINE = 2_000

PLAIN_LIST = Asked()

_OPENING = {'"': '"', "“": "”"}
_NAME = re.compile(r"(-?[A-Za-z][A-Za-z_-]*):")
_PLAIN = re.compile(r"[\w()./+@#&*'-]+")
_SIGNS = re.compile(r"[<>]=?|=")
_BETWEEN = re.compile(r"(?P<low>[^.]*(?:\.[0-9]+)?)\.\.(?P<high>.*)")
_LOCAL_DAY = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who submits: the name they sign in with, and the one they are called by."""

    username: str
    name: str


@dataclass(frozen=True, slots=True)
class Known:
    """Whom words can name: billers by code, people by id."""

    billers: Mapping[str, str] = field(default_factory=dict)
    people: Mapping[uuid.UUID, Person] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Value:
    """One value as it was typed. What stood in quotation marks is taken letter by letter."""

    text: str
    is_quoted: bool = False


Change = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Qualifier:
    """A word with a colon: what it is for, how it is read, and what it is written as. `read` raises `BadInput` with what is possible."""

    name: str
    help: str
    examples: Sequence[str]
    read: Callable[[Value, Known], Change]
    write: Callable[[Asked, Known], Iterable[str]]
    # Several may stand together, apart from each other by a comma: any of them.
    is_list: bool = False


@dataclass(frozen=True, slots=True)
class Understood:
    """What a line asks for. With complaints, only what was understood of it; nothing should be done by half a filter."""

    asked: Asked
    complaints: tuple[str, ...] = ()


# ---- Reading


def read(line: str, known: Known, onto: Asked = PLAIN_LIST) -> Understood:
    """The whole filter that the line says. What is no filter (columns, rows on a page, pace) stays as in `onto`; the place does not."""
    if len(line) > LONGEST_LINE:
        return Understood(onto, (f"This is longer than {LONGEST_LINE:,} characters. Search for less of it.",))
    changes, complaints = _changes(line, known)
    kept = Asked(size=onto.size, pace=onto.pace, columns=onto.columns)
    return Understood(replace(kept, **changes), complaints)


def add(line: str, known: Known, onto: Asked) -> Understood:
    """The same filter with these words besides: to what there are several of they are added, of what there is one they take the place."""
    changes, complaints = _changes(line, known)
    added: dict[str, Any] = {"search": onto.search}
    for name, value in changes.items():
        added |= {_OTHER_WAY[name]: PLAIN_FIELDS[_OTHER_WAY[name]]} if name in _OTHER_WAY else {}
        added[name] = tuple(dict.fromkeys((*getattr(onto, name), *value))) if name in _SEVERAL else value
    return Understood(replace(onto.at_the_top, **added), complaints)


def _changes(line: str, known: Known) -> tuple[Change, tuple[str, ...]]:
    reading = _Reading(known)
    for word in _words(line):
        reading.take(word)
    return reading.finished(), tuple(dict.fromkeys(reading.complaints))


@dataclass(frozen=True, slots=True)
class _Word:
    """What was typed, and what it came apart into: a qualifier with values, or free text."""

    typed: str
    name: str | None
    values: tuple[Value, ...]
    is_open: bool = False


class _Reading:
    """Collects what the words change, and what is wrong with them."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._changes: dict[str, Any] = {}
        self._free: list[str] = []
        self.complaints: list[str] = []

    def take(self, word: _Word) -> None:
        if word.is_open:
            self.complaints.append(f"“{word.typed}”: the quotation mark is opened and not closed. Close it, or take it out.")
        elif word.name is None:
            self._free += [value.text for value in word.values]
        elif (qualifier := QUALIFIERS.get(word.name)) is None:
            self.complaints.append(_unknown(word))
        else:
            self._take_values(qualifier, word)

    def _take_values(self, qualifier: Qualifier, word: _Word) -> None:
        try:
            if not word.values:
                raise BadInput(f"It wants a value: {_or(qualifier.examples)}.")
            for value in word.values:
                self._merge(qualifier.read(value, self._known))
        except BadInput as error:
            self.complaints.append(f"“{word.typed}”: {error.sentence}")

    def _merge(self, change: Change) -> None:
        for name, value in change.items():
            if name in _SEVERAL:
                self._changes[name] = tuple(dict.fromkeys((*self._changes.get(name, ()), *value)))
            elif _OTHER_WAY.get(name) in self._changes or self._changes.get(name, value) != value:
                raise BadInput("The same is asked for twice. Take one of them out.")
            else:
                self._changes[name] = value

    def finished(self) -> Change:
        free = " ".join(" ".join(self._free).split())
        if free and searchable(free) != free:
            too_long = len(free) > LONGEST_SEARCH
            why = (
                f"A search has up to {LONGEST_SEARCH} characters. Search for part of it"
                if too_long
                else "It has a character that cannot be seen. Type it again"
            )
            self.complaints.append(f"“{free[:LONGEST_SEARCH]}”: {why}.")
            return self._changes
        if len(self._changes.get("reasons", ())) > MOST_REASONS:
            self.complaints.append(f"“reason:”: up to {MOST_REASONS} codes can be asked for at once. Take some out.")
        return {**self._changes, "search": free} if free else self._changes


# Of these there can be several; everything else is one thing or another.
_SEVERAL = frozenset(one.name for one in fields(Asked) if getattr(PLAIN_LIST, one.name) == ())

# A date and a name are two ways to say the same bound.
_OTHER_WAY = {"since": "first_day", "first_day": "since", "until": "last_day", "last_day": "until"}
PLAIN_FIELDS: Mapping[str, Any] = {"first_day": None, "last_day": None, "since": "", "until": ""}


def _unknown(word: _Word) -> str:
    typed = word.typed.partition(":")[0]
    if typed.startswith("-"):
        return f"“{word.typed}”: what should be left out cannot be told here. Name what you want instead, or put it in quotation marks to search for it."
    near = difflib.get_close_matches(typed.lower(), QUALIFIERS, 1)
    hint = f"Did you mean “{near[0]}:”?" if near else f"Possible are {', '.join(f'{name}:' for name in QUALIFIERS)}."
    return f"“{word.typed}”: “{typed}:” is no word of this box. {hint} In quotation marks it is searched for as it stands."


def _words(line: str) -> Iterator[_Word]:
    place = 0
    while (place := _skip_blanks(line, place)) < len(line):
        start = place
        named = _NAME.match(line, place)
        if named is None:
            value, place, is_open = _value(line, place, "")
            yield _Word(line[start:place], None, (value,), is_open)
        else:
            word, place = _qualified(line, start, named)
            yield word


def _qualified(line: str, start: int, named: re.Match[str]) -> tuple[_Word, int]:
    """`name:a,"b c"`; a blank after the colon, a comma or a sign is forgiven."""
    name, place = named[1].lower(), named.end()
    qualifier = QUALIFIERS.get(name)
    stops = "," if qualifier and qualifier.is_list else ""
    values: list[Value] = []
    while True:
        following = _skip_blanks(line, place)
        if following == len(line) or (following > place and _NAME.match(line, following)):
            break
        value, place, is_open = _value(line, following, stops)
        if not value.is_quoted and name == "amount" and _SIGNS.fullmatch(value.text) and (after := _skip_blanks(line, place)) < len(line):
            number, place, _ = _value(line, after, stops)
            value = Value(value.text + number.text)
        if value.text or value.is_quoted:
            values.append(value)
        if is_open:
            return _Word(line[start:place], name, tuple(values), is_open=True), place
        if not stops or line[place : place + 1] != ",":
            break
        place += 1
    return _Word(line[start:place].rstrip(), name, tuple(values)), place


def _value(line: str, place: int, stops: str) -> tuple[Value, int, bool]:
    """The value that begins here, where the line goes on, and whether a quotation mark was left open."""
    closing = _OPENING.get(line[place : place + 1])
    if closing is None:
        end = place
        while end < len(line) and not line[end].isspace() and line[end] not in stops:
            end += 1
        return Value(line[place:end]), end, False
    found, place = "", place + 1
    while place < len(line) and line[place] != closing:
        if line[place] == "\\" and line[place + 1 : place + 2] in ("\\", closing):
            place += 1
        found, place = found + line[place : place + 1], place + 1
    return Value(found, is_quoted=True), min(place + 1, len(line)), place >= len(line)


def _skip_blanks(line: str, place: int) -> int:
    while place < len(line) and line[place].isspace():
        place += 1
    return place


# ---- Writing


def write(asked: Asked, known: Known) -> str:
    """The words of a filter and its order, as `read` takes them: qualifiers in the order of the table, then what is searched for."""
    return " ".join([*chips(asked, known), *_free_words(asked.search)])


def chips(asked: Asked, known: Known) -> list[str]:
    """Each qualifier with its values, as one word."""
    written = ((qualifier, list(qualifier.write(asked, known))) for qualifier in QUALIFIERS.values())
    found = []
    for qualifier, values in written:
        together = [",".join(values)] if qualifier.is_list and values else values
        found += [f"{qualifier.name}:{value}" for value in together]
    return found


def _free_words(search: str) -> list[str]:
    if not search:
        return []
    would_be_read_otherwise = any(_NAME.match(word) or word[0] in _OPENING for word in search.split())
    return [quoted(search)] if would_be_read_otherwise else [search]


def quoted(text: str) -> str:
    """A value, letter by letter."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _plainly(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else quoted(text)


# ---- What each qualifier means


def _one_of(words: Mapping[str, Any], value: Value) -> Any:
    found = words.get(value.text.lower())
    if found is None:
        raise BadInput(f"Write one of {_or(tuple(words))}.")
    return found


def _or(words: Sequence[str]) -> str:
    return " or ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


_STATUSES = {status.value.lower(): status.value for status in Status}
_TYPE_WORDS = {word: kind.value for kind, words in TYPES.items() for word in words}
_TYPE_NAMES = {words[0]: kind.value for kind, words in TYPES.items()}
_YES, _YES_NO, _OPEN = {"yes": True}, {"yes": True, "no": False}, {"open": True}
_SORTS = {sort.value: sort for sort in Sort}
_WEEKDAYS = {name: place for place, name in enumerate(WEEKDAYS)}


def _read_type(value: Value, _known: Known) -> Change:
    return {"types": (_TYPE_WORDS.get(value.text.lower()) or _one_of(_TYPE_NAMES, value),)}


def _read_biller(value: Value, known: Known) -> Change:
    """A code, the beginning of one (then all that begin so), or a word of a name."""
    said = value.text.upper().replace("-", "_").replace(" ", "_")
    exact = [code for code in known.billers if code.upper() == said]
    begins = exact or [code for code in known.billers if said and code.upper().startswith(f"{said}_")]
    word = value.text.lower()
    named = begins or [code for code, name in known.billers.items() if word and any(part.startswith(word) for part in (name.lower(), *name.lower().split()))]
    if not named:
        raise BadInput(f"No biller is called so. Write one of {_or([_biller_word(code, known) for code in known.billers])}.")
    return {"billers": tuple(named)}


def _biller_word(code: str, known: Known) -> str:
    """The shortest beginning of its code that no other biller has."""
    parts = code.split("_")
    for count in range(1, len(parts)):
        beginning = "_".join(parts[:count])
        if [other for other in known.billers if other == beginning or other.startswith(f"{beginning}_")] == [code]:
            return beginning.lower()
    return code.lower()


def _read_person(value: Value, known: Known) -> Change:
    said = value.text.lower()
    if said == ME and not value.is_quoted:
        return {"mine": True}
    exact = [one for one, person in known.people.items() if person.username.lower() == said] or _id(value.text)
    found = exact or [one for one, person in known.people.items() if said and any(part.startswith(said) for part in _called(person))]
    if not found:
        raise BadInput("Nobody who has submitted anything is called so. Write the name they sign in with, or “me”.")
    if len(found) > 1:
        raise BadInput(f"Several people are called so. Write {_or([known.people[one].username for one in found[:5]])}.")
    return {"operators": (found[0],)}


def _id(text: str) -> list[uuid.UUID]:
    """Somebody of whom only the id is known here."""
    try:
        return [uuid.UUID(text)]
    except ValueError:
        return []


def _called(person: Person) -> tuple[str, ...]:
    return (person.name.lower(), *person.name.lower().split())


def _write_people(asked: Asked, known: Known) -> Iterator[str]:
    if asked.mine:
        yield ME
    for one in asked.operators:
        username = known.people[one].username if one in known.people else str(one)
        yield quoted(username) if username.lower() == ME else _plainly(username)


def _read_amount(value: Value, _known: Known) -> Change:
    text = value.text
    if between := _BETWEEN.fullmatch(text):
        bounds = {"amount_min": between["low"], "amount_max": between["high"]}
        if not any(bounds.values()):
            raise BadInput("Say an amount, for example 5000..9000.")
        return {name: _amount(bound) for name, bound in bounds.items() if bound}
    sign = match[0] if (match := _SIGNS.match(text)) else "="
    amount = _amount(text.removeprefix(sign))
    least = {">": amount + COIN, ">=": amount, "=": amount}.get(sign)
    largest = {"<": amount - COIN, "<=": amount, "=": amount}.get(sign)
    if (least is not None and least > LARGEST) or (largest is not None and largest <= 0):
        raise BadInput("There is no such amount. Take it out, or write another.")
    return {name: bound for name, bound in (("amount_min", least), ("amount_max", largest)) if bound is not None}


def _amount(text: str) -> Decimal:
    return Money.parse(text).amount


def _write_amount(asked: Asked, _known: Known) -> Iterator[str]:
    least, largest = asked.amount_min, asked.amount_max
    if least is not None and least == largest:
        yield _figure(least)
        return
    above = None if least is None else whole_bound(least, COIN)
    below = None if largest is None else whole_bound(largest, -COIN)
    if least is not None and largest is not None and above is None and below is None:
        yield f"{_figure(least)}..{_figure(largest)}"
        return
    if least is not None:
        yield f">={_figure(least)}" if above is None else f">{_figure(above)}"
    if largest is not None:
        yield f"<={_figure(largest)}" if below is None else f"<{_figure(below)}"


def _figure(amount: Decimal) -> str:
    return f"{amount:.0f}" if amount == amount.to_integral_value() else f"{amount:f}"


def _day(value: Value) -> date | str:
    """A date, or a name of days."""
    if name := day_name(value.text):
        return name
    local = _LOCAL_DAY.fullmatch(value.text)
    try:
        day = date(int(local[3]), int(local[2]), int(local[1])) if local else date.fromisoformat(value.text)
    except ValueError:
        raise BadInput(f"This is no day. Write {_or(('today', 'yesterday', 'monday', '7d', 'last-month', '2026-10-31', '31/10/2026'))}.") from None
    if not 2000 <= day.year <= 2200:
        raise BadInput("The year must lie between 2000 and 2200.")
    return day


def _read_since(value: Value, _known: Known) -> Change:
    day = _day(value)
    return {"since": day} if isinstance(day, str) else {"first_day": day}


def _read_until(value: Value, _known: Known) -> Change:
    day = _day(value)
    return {"until": day} if isinstance(day, str) else {"last_day": day}


def _read_on(value: Value, known: Known) -> Change:
    """One day, or all that a name of days means."""
    if value.text.lower().endswith("d") and day_name(value.text):
        raise BadInput("So many days are no single day. Write since: for the last ones, until: for what is older.")
    return {**_read_since(value, known), **_read_until(value, known)}


def _is_on(asked: Asked) -> bool:
    one_name = asked.since and asked.since == asked.until and asked.since[0].isalpha()
    return bool(one_name or (asked.first_day and asked.first_day == asked.last_day))


def _write_on(asked: Asked, _known: Known) -> Iterator[str]:
    if _is_on(asked):
        yield asked.since or f"{asked.first_day}"


def _write_since(asked: Asked, _known: Known) -> Iterator[str]:
    if not _is_on(asked) and (asked.since or asked.first_day):
        yield asked.since or f"{asked.first_day}"


def _write_until(asked: Asked, _known: Known) -> Iterator[str]:
    if not _is_on(asked) and (asked.until or asked.last_day):
        yield asked.until or f"{asked.last_day}"


def _read_times(value: Value, _known: Known) -> Change:
    try:
        found = times(value.text)
    except ValueError:
        found = None
    if found is None:
        raise BadInput("Write two times of the day, for example 08:00..10:00.")
    return {"time_of_day": found}


def _read_text(name: str, value: Value) -> Change:
    text = " ".join(value.text.split())
    if not text or searchable(text) != text:
        raise BadInput(f"Write up to {LONGEST_SEARCH} characters that can be seen.")
    return {name: text}


def _read_reason(value: Value, _known: Known) -> Change:
    if value.text.lower() == NOTHING_SAID and not value.is_quoted:
        return {"reasons": (NO_REASON,)}
    if not value.text or len(value.text) > LONGEST_REASON or not value.text.isprintable():
        raise BadInput(f"A code has up to {LONGEST_REASON} characters. Write it as it stands beside a failed payment, or “none”.")
    return {"reasons": (value.text,)}


def _write_reasons(asked: Asked, _known: Known) -> Iterator[str]:
    for one in asked.reasons:
        yield NOTHING_SAID if one == NO_REASON else quoted(one) if one.lower() == NOTHING_SAID else _plainly(one)


_TABLE = (
    Qualifier(
        "status",
        "How it stands. Several with a comma: any of them.",
        ("status:failed", "status:completed", "status:pending,processing"),
        lambda value, _known: {"statuses": (_one_of(_STATUSES, value),)},
        lambda asked, _known: (one.lower() for one in asked.statuses),
        is_list=True,
    ),
    Qualifier(
        "biller",
        "Who is paid or asked: its code, the beginning of it, or a word of its name.",
        ("biller:lwb", "biller:srwb", "biller:tnm,masm"),
        _read_biller,
        lambda asked, known: (_biller_word(one, known) for one in asked.billers),
        is_list=True,
    ),
    Qualifier(
        "type",
        f"What was asked for: {_or(tuple(_TYPE_NAMES))}.",
        ("type:payment", "type:look-up", "type:invoice-payment,bundle-purchase"),
        _read_type,
        lambda asked, _known: (TYPES[TransactionType(one)][0] for one in asked.types),
        is_list=True,
    ),
    Qualifier(
        "amount",
        "More or less than so much, or between two amounts, both included.",
        ("amount:>50000", "amount:<=1000", "amount:5000..9000"),
        _read_amount,
        _write_amount,
    ),
    Qualifier(
        "on",
        "A business day, or all days of a week or a month.",
        ("on:today", "on:yesterday", "on:last-month"),
        _read_on,
        _write_on,
    ),
    Qualifier(
        "since",
        "From this business day on: a date, or a name that moves on with the calendar. 7d: the last seven days.",
        ("since:yesterday", "since:7d", "since:monday"),
        _read_since,
        _write_since,
    ),
    Qualifier(
        "until",
        "Up to this business day, included. 7d: what is older than seven days.",
        ("until:yesterday", "until:31/10/2026", "until:7d"),
        _read_until,
        _write_until,
    ),
    Qualifier(
        "weekday",
        "On this day of every week.",
        ("weekday:monday", "weekday:saturday,sunday"),
        lambda value, _known: {"weekdays": (_one_of(_WEEKDAYS, value),)},
        lambda asked, _known: (WEEKDAYS[one] for one in asked.weekdays),
        is_list=True,
    ),
    Qualifier(
        "time",
        "From one time of the day up to another, by the bank's clock.",
        ("time:08:00..10:00", "time:17:30..00:00"),
        _read_times,
        lambda asked, _known: [times_text(asked.time_of_day)] if asked.time_of_day else [],
    ),
    Qualifier(
        "by",
        "Who submitted it: the name they sign in with, their name, or “me”.",
        ("by:me", "by:grace"),
        _read_person,
        _write_people,
        is_list=True,
    ),
    Qualifier(
        "account",
        "The account number, or from three characters on a part of it.",
        ("account:700",),
        lambda value, _known: _read_text("account", value),
        lambda asked, _known: [_plainly(asked.account)] if asked.account else [],
    ),
    Qualifier(
        "ref",
        "A reference, whole: ours, the biller's, an invoice's.",
        ("ref:LWB-77",),
        lambda value, _known: _read_text("reference", value),
        lambda asked, _known: [_plainly(asked.reference)] if asked.reference else [],
    ),
    Qualifier(
        "reason",
        "The code of what the biller said, letter by letter; “none”: no code.",
        ("reason:LIMIT_EXCEEDED", "reason:none"),
        _read_reason,
        _write_reasons,
        is_list=True,
    ),
    Qualifier(
        "doubt",
        "Payments that were or may have been sent and are not settled.",
        ("doubt:yes",),
        lambda value, _known: {"in_doubt": _one_of(_YES, value)},
        lambda asked, _known: ["yes"] if asked.in_doubt else [],
    ),
    Qualifier(
        "bank",
        "Payments whose debit, or what is to be given back of it, is not settled with core banking.",
        ("bank:open",),
        lambda value, _known: {"bank_open": _one_of(_OPEN, value)},
        lambda asked, _known: ["open"] if asked.bank_open else [],
    ),
    Qualifier(
        "review",
        "Payments that two people decide about: only those, or none of them.",
        ("review:yes", "review:no"),
        lambda value, _known: {"under_review": _one_of(_YES_NO, value)},
        lambda asked, _known: [] if asked.under_review is None else ["yes" if asked.under_review else "no"],
    ),
    Qualifier(
        "sort",
        "What stands first.",
        ("sort:newest", "sort:oldest", "sort:largest", "sort:smallest"),
        lambda value, _known: {"sort": _one_of(_SORTS, value)},
        lambda asked, _known: [] if asked.sort is Sort.NEWEST else [asked.sort.value],
    ),
)

# Every qualifier by its name, in the order they are written and offered.
QUALIFIERS: Mapping[str, Qualifier] = {qualifier.name: qualifier for qualifier in _TABLE}
