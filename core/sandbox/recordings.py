"""Reads tests/fixtures/<biller>/ as something to replay: which recording a request is most like, and its reply with our values in place of the recorded ones.

A recording is a .toml with the verb, what was asked and what must be understood, a .request.* and a .response.*; tests/fixtures/README.md has the format.
"""

import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

from lxml import etree

from core.sandbox.documents import Malformed, read
from core.sandbox.messages import Reply, Request
from core.sandbox.words import DETAILS, Verb

FOLDER = re.compile(r"[a-z][a-z0-9_]{0,39}")

# What differs from call to call: these fields of [ask] are blanks in the recorded messages, each with what may stand there.
BLANKS: Mapping[str, str] = {
    "reference": r"[A-Za-z0-9._-]{1,64}",
    "account": r"[A-Za-z0-9+._-]{1,40}",
    "invoice_number": r"[A-Za-z0-9._/-]{1,64}",
    "bundle_id": r"[A-Za-z0-9._-]{1,64}",
    "amount": r"[0-9]{1,16}(?:\.[0-9]{1,2})?",
}

# Of several recordings that a request is equally like, the one that went well answers.
PREFERRED = ("CONFIRMED", "ACCEPTED", "REJECTED", "NOT_FOUND")


@dataclass(frozen=True, slots=True)
class Form:
    """A way to write an amount: as text with two decimals, with as few as will do, in whole kwacha, in tambala."""

    name: str

    def write(self, amount: Decimal) -> str:
        match self.name:
            case "tambala":
                return f"{amount * 100:.0f}"
            case "short":
                return f"{amount:.2f}".rstrip("0").rstrip(".")
        return f"{amount:.2f}"

    def read(self, text: str) -> Decimal:
        return Decimal(text) / 100 if self.name == "tambala" else Decimal(text)


FORMS = (Form("two decimals"), Form("short"), Form("tambala"))


# A number this short in a reply may well be a code.
MOST_DIGITS_OF_A_CODE = 3


@dataclass(frozen=True)
class Recording:
    verb: Verb
    stem: str
    ask: Mapping[str, str]
    outcome: str
    external_id: str
    understood: Mapping[str, str]
    method: str
    # None: the recording does not say, and none of its neighbours does.
    path: str | None
    headers: Mapping[str, str]
    body: bytes
    reply: Reply

    @cached_property
    def leaves(self) -> Mapping[str, str]:
        query = (self.path or "").partition("?")[2]
        return {**leaves(self.body), **_query_leaves(parse_qsl(query, keep_blank_values=True))}

    @cached_property
    def form(self) -> Form:
        """How this biller writes amounts: as the recorded one stands in the request."""
        texts, amount = [*self.leaves.values(), self.path or ""], _decimal(self.ask.get("amount", ""))
        found = (form for form in FORMS if amount is not None and any(_words([form.write(amount)]).search(text) for text in texts))
        return next(found, FORMS[0])

    @cached_property
    def literals(self) -> Mapping[str, str]:
        """What stands in the blanks of this recording: its text → the blank's name."""
        found = {self.ask[name]: name for name in BLANKS if self.ask.get(name)}
        amount = _decimal(self.ask.get("amount", ""))
        if amount is not None:
            found[self.form.write(amount)] = "amount"
        return found

    def likeness(self, request: Request, path: str, asked: Mapping[str, str]) -> tuple[int, Mapping[str, str]] | None:
        """How much a request differs from the recorded one, and what stands in the blanks. None: it is another kind of request."""
        blanks: dict[str, str] = {}
        if request.method != self.method or not self._fits_path(path, blanks):
            return None
        common = [name for name in self.leaves if name in asked]
        if 2 * len(common) < len(self.leaves) or (asked and not self.leaves and request.body):
            return None
        misses = len(self.leaves) + len(asked) - 2 * len(common)
        misses += sum(not self._fill(self.leaves[name], asked[name], blanks) for name in common)
        misses += sum(request.headers.get(name.lower()) != value for name, value in self.headers.items() if name.lower() == "soapaction")
        return misses, blanks

    def _fits_path(self, path: str, blanks: dict[str, str]) -> bool:
        return self.path is None or self._fill(unquote(self.path.partition("?")[0]), path, blanks)

    def _fill(self, recorded: str, given: str, blanks: dict[str, str]) -> bool:
        """Whether two texts are the same but for the blanks, which are filled in. A blank that was filled otherwise before is a difference."""
        found = self._template(recorded).fullmatch(given)
        if found is None:
            return False
        filled = {name: text for name, text in found.groupdict().items() if text}
        if "amount" in filled:
            filled["amount"] = f"{self.form.read(filled['amount']):.2f}"
        return all(blanks.setdefault(name, text) == text for name, text in filled.items())

    def _template(self, recorded: str) -> re.Pattern[str]:
        pattern, end, seen = "", 0, set[str]()
        for found in _words(self.literals).finditer(recorded):
            name = self.literals[found.group()]
            pattern += re.escape(recorded[end : found.start()]) + (f"(?P={name})" if name in seen else f"(?P<{name}>{BLANKS[name]})")
            seen.add(name)
            end = found.end()
        return re.compile(pattern + re.escape(recorded[end:]))

    def reply_with(self, ours: Mapping[str, str]) -> Reply:
        """The recorded reply with our values in it, in its own encoding."""
        codec = _codec(self.reply.body)
        text = self.reply.body.decode(codec, "surrogateescape")
        written = {self.external_id: ours.get("external_id", ""), **{recorded: ours.get(name, "") for recorded, name in self.literals.items()}}
        written |= self._amounts(ours.get("amount", ""))
        replaced = {recorded: value for recorded, value in written.items() if recorded and value}
        return replace(self.reply, body=_words(replaced).sub(lambda found: replaced[found.group()], text).encode(codec, "surrogateescape"))

    def _amounts(self, ours: str) -> Mapping[str, str]:
        """The recorded amount → ours, in every form that cannot be mistaken for something else: a reply may write it otherwise than its request."""
        recorded, amount = _decimal(self.ask.get("amount", "")), _decimal(ours)
        if recorded is None or amount is None:
            return {}
        told = (form for form in FORMS if form in (FORMS[0], self.form) or len(form.write(recorded)) > MOST_DIGITS_OF_A_CODE)
        return {form.write(recorded): form.write(amount) for form in told}


def read_all(directory: Path, known: Iterable[str]) -> tuple[Mapping[str, Sequence[Recording]], Sequence[str]]:
    """The recordings of each biller that is not known otherwise, by its code; and a sentence for each file that cannot be used."""
    found: dict[str, Sequence[Recording]] = {}
    complaints: list[str] = []
    skipped = {code.lower() for code in known}
    for folder in sorted(directory.iterdir()) if directory.is_dir() else ():
        if folder.is_dir() and FOLDER.fullmatch(folder.name) and folder.name not in skipped:
            recordings = list(_recordings(folder, complaints))
            if recordings:
                found[folder.name.upper()] = _with_paths(recordings)
    return found, complaints


def _recordings(folder: Path, complaints: list[str]) -> Iterator[Recording]:
    """The shortest name first: a verb's plain case before its odd ones."""
    for path in sorted(folder.glob("*.toml"), key=lambda path: (len(path.stem), path.stem)):
        try:
            told = tomllib.loads(path.read_text(encoding="utf-8"))
            if told["verb"] in set(Verb):
                yield _recording(path, told)
        except OSError as error:
            complaints.append(f"{path} cannot be read: {error.strerror}. It is not replayed.")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            complaints.append(f"{path} is no recording ({error}). It is not replayed.")


def _recording(path: Path, told: Mapping[str, Any]) -> Recording:
    request, reply, understood = told.get("request", {}), told.get("reply", {}), told["understand"]
    sent, answered = _body(path, "request"), _body(path, "response")
    headers = {str(name).lower(): str(value) for name, value in reply.get("headers", {}).items()}
    content_type = headers.pop("content-type", "application/json" if answered.lstrip()[:1] in (b"{", b"[") else "text/xml; charset=utf-8")
    return Recording(
        verb=Verb(told["verb"]),
        stem=path.stem,
        ask=_texts(told["ask"]),
        outcome=str(understood["outcome"]),
        external_id=str(understood.get("external_id", "")),
        understood={name: text for name, text in _texts(understood).items() if name in DETAILS},
        method=str(request.get("method", "POST" if sent else "GET")),
        path=request.get("path"),
        headers={str(name): str(value) for name, value in request.get("headers", {}).items()},
        body=sent,
        reply=Reply(int(reply.get("status", 200)), answered, content_type, tuple((name, value) for name, value in headers.items() if name in KEPT_HEADERS)),
    )


# The others are the connection's own affair: a length, an encoding that the recorded body no longer has.
KEPT_HEADERS = frozenset({"location", "retry-after", "www-authenticate", "x-request-id"})


def _texts(table: Mapping[str, Any]) -> dict[str, str]:
    return {str(name): str(value) for name, value in table.items() if isinstance(value, str | int | Decimal)}


def _body(path: Path, what: str) -> bytes:
    return next((file.read_bytes() for file in sorted(path.parent.glob(f"{path.stem}.{what}.*"))), b"")


def _with_paths(recordings: Sequence[Recording]) -> Sequence[Recording]:
    """A recording that names no path was sent where the first of its verb was, with its own account and reference in it."""
    first: dict[tuple[Verb, str], Recording] = {}
    for recording in recordings:
        if recording.path is not None:
            first.setdefault((recording.verb, recording.method), recording)
    return [_with_path_of(first.get((recording.verb, recording.method)), recording) if recording.path is None else recording for recording in recordings]


def _with_path_of(neighbour: Recording | None, recording: Recording) -> Recording:
    if neighbour is None or neighbour.path is None:
        return recording
    names = neighbour.literals
    return replace(recording, path=_words(names).sub(lambda found: recording.ask.get(names[found.group()], found.group()), neighbour.path))


def most_like(recordings: Sequence[Recording], request: Request, path: str) -> tuple[Recording, Mapping[str, str]] | None:
    """The recording that a request is most like, and what it has in the blanks. An account that was recorded itself gets its own recording."""
    asked = {**leaves(request.body), **_query_leaves(request.query.items())}
    best: tuple[tuple[int, bool, int], Recording, Mapping[str, str]] | None = None
    for recording in recordings:
        likeness = recording.likeness(request, path, asked)
        if likeness is not None:
            misses, blanks = likeness
            other_account = "account" in blanks and blanks["account"] != recording.ask.get("account")
            rank = (misses, other_account, PREFERRED.index(recording.outcome) if recording.outcome in PREFERRED else len(PREFERRED))
            if best is None or rank < best[0]:
                best = (rank, recording, blanks)
    return None if best is None else best[1:]


def leaves(body: bytes) -> dict[str, str]:
    """The texts of a message by where they stand: XML however it is prefixed, JSON in whatever order, anything else as one text."""
    if not body.strip():
        return {}
    try:
        return dict(_xml_leaves(read(body), ""))
    except Malformed:
        pass
    try:
        return dict(_json_leaves(json.loads(body, parse_float=str, parse_int=str), ""))
    except (ValueError, RecursionError):
        return {"": body.decode("utf-8", "replace").strip()}


def _xml_leaves(element: etree._Element, above: str) -> Iterator[tuple[str, str]]:
    here = f"{above}/{element.tag}"
    children = [child for child in element if isinstance(child.tag, str)]
    if not children:
        yield here, (element.text or "").strip()
    counts: dict[object, int] = {}
    for child in children:
        counts[child.tag] = counts.get(child.tag, 0) + 1
        yield from _xml_leaves(child, f"{here}[{counts[child.tag]}]")


def _json_leaves(value: Any, here: str) -> Iterator[tuple[str, str]]:
    match value:
        case dict():
            for name, inner in value.items():
                yield from _json_leaves(inner, f"{here}/{name}")
        case list():
            for number, inner in enumerate(value):
                yield from _json_leaves(inner, f"{here}/{number}")
        case str():
            yield here, value
        case _:
            yield here, json.dumps(value)


def _query_leaves(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    return {f"?{name}": value for name, value in pairs}


def _words(texts: Iterable[str]) -> re.Pattern[str]:
    """Any of the texts where it stands by itself, the longest first."""
    either = "|".join(re.escape(text) for text in sorted(texts, key=len, reverse=True)) or r"(?!)"
    return re.compile(rf"(?<![A-Za-z0-9.])(?:{either})(?![A-Za-z0-9])")


def _decimal(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def _codec(body: bytes) -> str:
    """UTF-16 shows in the first two bytes, with or without a mark; everything else is treated as UTF-8."""
    if body[:2] in (b"\xff\xfe", b"<\0"):
        return "utf-16-le"
    return "utf-16-be" if body[:2] in (b"\xfe\xff", b"\0<") else "utf-8"
