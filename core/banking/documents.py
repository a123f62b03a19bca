"""The shapes T24 writes in. It knows one thing: which part of a document says what, on a record's screen and in a list, and not what that means."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from core.money import Money
from core.wire.contract import Reply
from core.wire.letters import Unreadable
from core.wire.rest import Keys, Number, object_of, objects, text

SUCCESS, FAILED = "success", "failed"
LIVE = "Live"

# What an enquiry makes of an amount, depending on how the bank has set it up: 5475.5, 5475.50, 5,475.50.
_GROUPED = re.compile(r"-?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Remark:
    """One error, or one override: a question that T24 wants answered before it goes on."""

    code: str
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Screen:
    """An answer about one record. `record` is its status, None where T24 states none."""

    succeeded: bool
    id: str | None
    record: str | None
    body: Keys
    errors: tuple[Remark, ...]
    overrides: tuple[Remark, ...]

    @property
    def message(self) -> str | None:
        return " ".join(one.message for one in (*self.errors, *self.overrides) if one.message) or None


@dataclass(frozen=True, slots=True)
class Page:
    """An answer with a list. `is_whole`: nothing that was asked for is on another page."""

    succeeded: bool
    rows: tuple[Keys, ...] = ()
    is_whole: bool = True
    error: Remark | None = None


def screen_of(reply: Reply) -> Screen:
    answer = _answer(reply)
    header, body = _part(answer, "header"), _part(answer, "body")
    error, override = _part(answer, "error"), _part(answer, "override")
    return Screen(
        succeeded=_succeeded(header),
        id=text(header, "id"),
        record=_record(header, body),
        body=body,
        errors=_remarks(error, "errorDetails", "message") or _lone(error),
        overrides=_remarks(override, "overrideDetails", "description"),
    )


def page_of(reply: Reply) -> Page:
    answer = _answer(reply)
    header, error = _part(answer, "header"), _part(answer, "error")
    if not _succeeded(header):
        return Page(False, error=next(iter(_lone(error) or _remarks(error, "errorDetails", "message")), None))
    if error:
        raise Unreadable("The answer says success and has an error.")
    rows = tuple(objects(answer, "body"))
    return Page(True, rows, _is_whole(header, len(rows)))


def record_of(row: Keys) -> str | None:
    """The record status that a row of a list states."""
    return _record(row, {})


def amount(said: Keys, name: str, currency: str) -> Money | None:
    written = text(said, name)
    if written is None:
        return None
    return Money.from_text(written.replace(",", "") if _GROUPED.fullmatch(written) else written, currency)


def document(value: object) -> bytes:
    """JSON, with each `Number` as it is written."""
    return _written(value).encode()


def _written(value: object) -> str:
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{json.dumps(name)}:{_written(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_written, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _answer(reply: Reply) -> Keys:
    return object_of(reply.body, reply.headers.get("content-type", ""))


def _part(answer: Keys, name: str) -> Keys:
    found = answer.get(name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise Unreadable(f"{name} is no object.")
    return found


def _succeeded(header: Keys) -> bool:
    status = text(header, "status")
    if status not in (SUCCESS, FAILED):
        raise Unreadable("The answer says neither success nor failed.")
    return status == SUCCESS


def _record(*places: Keys) -> str | None:
    """Published as the header's transactionStatus and, in sister services, as the body's recordStatus. Where they differ, "Live" gives way."""
    said = {word for place in places for name in ("transactionStatus", "recordStatus") if (word := text(place, name))}
    waiting = said - {LIVE}
    if len(waiting) > 1:
        raise Unreadable("The answer states two record statuses.")
    return next(iter(waiting or said), None)


def _remarks(part: Keys, name: str, message: str) -> tuple[Remark, ...]:
    return tuple(Remark(text(one, "code") or "", text(one, message)) for one in objects(part, name)) if part.get(name) is not None else ()


def _lone(error: Keys) -> tuple[Remark, ...]:
    """A list's error stands by itself, without details."""
    return (Remark(text(error, "code") or "", text(error, "message")),) if error.get("code") is not None else ()


def _is_whole(header: Keys, count: int) -> bool:
    total, size = _count(header, "total_size"), _count(header, "page_size")
    if _count(header, "page_start") not in (None, 0, 1):
        return False
    return total <= count if total is not None else size is None or count < size


def _count(header: Keys, name: str) -> int | None:
    said = text(header, name)
    if said is None:
        return None
    if not (said.isascii() and said.isdigit()):
        raise Unreadable(f"{name} is no count.")
    return int(said)
