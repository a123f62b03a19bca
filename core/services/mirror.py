"""What is remembered of the database outside of it: bookmarks of events it has confirmed, in a small file that outlives a restored copy.

A number alone could be passed again, unnoticed, by what a restored copy goes on to write. A bookmark is the event itself: its number, its moment, its
transaction. Several are kept, since numbers are not given out in the order in which commits are kept.
"""

import fcntl
import hashlib
import os
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import orjson

from core.settings import settings

# More than there are lanes that send at once.
MOST_BOOKMARKS = 8

# Written in turn, so that one is whole whatever happens while the other is written. In place: nothing but the words themselves has to reach the disk.
SLOTS = 2
SLOT_BYTES = 2048


@dataclass(frozen=True, slots=True)
class Bookmark:
    """One event that the database has confirmed."""

    seq: int
    at: datetime
    transaction_id: uuid.UUID


@dataclass(frozen=True, slots=True)
class Memory:
    """What was written down about one database, the newest bookmark first. `gate`: the last sign-off that it knew of; `turn` counts the writings."""

    gate: int = 0
    bookmarks: tuple[Bookmark, ...] = ()
    turn: int = 0


def recall(database: uuid.UUID) -> Memory:
    """What this machine knows of that database; nothing where it never saw it."""
    try:
        with _held(database, os.O_RDONLY, fcntl.LOCK_SH) as file:
            return _newest(file)
    except FileNotFoundError:
        return Memory()


def remember(database: uuid.UUID, gate: int, bookmarks: Iterable[Bookmark]) -> None:
    """Adds what was confirmed now; on the disk when this returns. What was known before a sign-off is forgotten by it. Raises OSError."""
    _directory().mkdir(mode=0o700, parents=True, exist_ok=True)
    with _held(database, os.O_RDWR | os.O_CREAT, fcntl.LOCK_EX) as file:
        known = _newest(file)
        if gate < known.gate:
            return
        kept = known.bookmarks if gate == known.gate else ()
        added = [one for one in bookmarks if one not in kept]
        if not added and gate == known.gate:
            return
        is_new = os.fstat(file).st_size == 0
        memory = Memory(gate, (*reversed(added), *kept)[:MOST_BOOKMARKS], known.turn + 1)
        if is_new:
            os.ftruncate(file, SLOTS * SLOT_BYTES)
        os.pwrite(file, _as_bytes(memory), memory.turn % SLOTS * SLOT_BYTES)
        if is_new:
            os.fsync(file)
            _sync_directory()
        else:
            os.fdatasync(file)


def _directory() -> Path:
    return settings().billers_data_dir / "history"


@contextmanager
def _held(database: uuid.UUID, flags: int, lock: int) -> Iterator[int]:
    file = os.open(_directory() / f"{database}.json", flags | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, lock)
        yield file
    finally:
        os.close(file)


def _newest(file: int) -> Memory:
    found = [memory for slot in range(SLOTS) if (memory := _parsed(os.pread(file, SLOT_BYTES, slot * SLOT_BYTES)))]
    return max(found, key=lambda memory: memory.turn, default=Memory())


def _as_bytes(memory: Memory) -> bytes:
    events = [[one.seq, one.at.isoformat(), str(one.transaction_id)] for one in memory.bookmarks]
    told = orjson.dumps({"turn": memory.turn, "gate": memory.gate, "events": events})
    line = hashlib.sha256(told).hexdigest().encode() + b" " + told + b"\n"
    return line.ljust(SLOT_BYTES)


def _parsed(slot: bytes) -> Memory | None:
    """None: never written, or torn by a crash while it was."""
    digest, _, told = slot.partition(b"\n")[0].partition(b" ")
    if hashlib.sha256(told).hexdigest().encode() != digest:
        return None
    read = orjson.loads(told)
    events = tuple(Bookmark(seq, datetime.fromisoformat(at), uuid.UUID(transaction)) for seq, at, transaction in read["events"])
    return Memory(read["gate"], events, read["turn"])


def _sync_directory() -> None:
    for directory in (_directory(), _directory().parent):
        handle = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
