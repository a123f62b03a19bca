"""Exports and reports as files, for scripts: what a person would take away from the page, in that person's name, and on the record as that."""

import hashlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import parse_qs

from core.access import Actor
from core.errors import BadInput
from core.models.reports import ReportFormat, ReportKind
from core.repositories.exports import Kept, Profile
from core.services import billers, exports, reports
from core.services.asked import Asked, contradiction, read_and_tell

STANDARD_OUTPUT = Path("-")


def export(actor: Actor, line: str, profile: Profile, zone: str | None, into: Path) -> Kept:
    """The rows of the list that this address shows, all of them, written into the file; what is kept of it afterwards.

    A file is there once it is whole, and not before. Raises `BadInput` for a filter that is not understood, and what exports raise.
    """
    running = exports.begin(actor, _asked(actor, line), profile, zone)
    try:
        with _whole(into) as file:
            while block := running.next_block():
                file.write(block)
    finally:
        running.end()
    return exports.kept(actor, running.id)


@dataclass(frozen=True, slots=True)
class Taken:
    """A report that was taken away: where it is, how it knows itself again, and the moment up to which it knows."""

    file: Path
    sha256: str
    format: ReportFormat
    as_of: datetime


def report(actor: Actor, kind: ReportKind, period: str, form: ReportFormat, into: Path | None) -> Taken:
    """The report of that period; into a file of its own name where none is said."""
    made = reports.take(actor, kind, period, form)
    path = into or Path(made.name)
    with _whole(path) as file:
        file.write(made.content)
    return Taken(path, hashlib.sha256(made.content).hexdigest(), made.format, made.as_of)


class _Noted(dict[str, list[str]]):
    """An address that notes which of its names anybody has asked for."""

    def __init__(self, address: Mapping[str, list[str]]) -> None:
        super().__init__(address)
        self.asked_for: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.asked_for.add(name)
        return super().get(name, default)


def _asked(actor: Actor, line: str) -> Asked:
    address = _Noted(parse_qs(line.removeprefix("?"), keep_blank_values=True))
    asked, left_out = read_and_tell(address, billers.biller_names(actor))
    # A name with a slip in it would be no filter at all, and the file would hold everything.
    if unknown := sorted({*left_out, *(set(address) - address.asked_for)}):
        raise BadInput(f"The list does not understand {', '.join(unknown)}. Copy what stands behind the ? of the list's address in the browser.")
    if against := contradiction(asked):
        raise BadInput(against)
    return asked


@contextmanager
def _whole(path: Path) -> Iterator[BinaryIO]:
    """Written beside its place and put there when it is whole: what reads the place never finds half of it."""
    if path == STANDARD_OUTPUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    _or_say(path, lambda: beside.touch(mode=0o600, exist_ok=False))
    try:
        with beside.open("wb") as file:
            yield file
        _or_say(path, lambda: beside.replace(path))
    finally:
        beside.unlink(missing_ok=True)


def _or_say(path: Path, act: Callable[[], object]) -> None:
    try:
        act()
    except OSError as error:
        raise BadInput(f"{path} cannot be written ({error.strerror}). Choose another place with --output.") from None
