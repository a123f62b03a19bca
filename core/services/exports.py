"""Taking transactions away: exactly the rows of a filter, from one snapshot, written down before the first byte leaves and again when it is over.

A beginning in the audit without an end is an export whose process was stopped under it.
"""

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

import psycopg
from sqlalchemy.orm import Session

from core import db
from core.access import Actor, needs
from core.errors import BillersError
from core.ids import new_id
from core.repositories.billers import Billers
from core.repositories.exports import Profile, Snapshot, Sum
from core.security import audit
from core.services.asked import Asked, in_words
from core.settings import settings

# What goes to the reader at once: large enough that a row costs nothing, small enough to be flat.
BLOCK_BYTES = 64 * 1024

# Exports at once in this process. Each holds a connection for as long as its reader takes, and payments need theirs.
AT_ONCE = 4

# A spreadsheet takes a file without it for one in the code page of its own country.
BOM = b"\xef\xbb\xbf"

_free = threading.BoundedSemaphore(AT_ONCE)


class TooManyExports(BillersError):
    """Several exports are under way already. Wait until one of them has ended, and try again."""


class BrokenOff(BillersError):
    """The export broke off, and the file is not whole. Start it again."""


@dataclass(eq=False)
class Export:
    """One export under way. `next_block` until it is empty, then `end`; `end` alone whenever the reader is gone."""

    actor: Actor
    asked: Asked
    profile: Profile
    words: str
    sum: Sum
    _snapshot: Snapshot
    _lines: Iterator[bytes]
    id: str = field(default_factory=lambda: str(new_id()))
    # The header is one of them.
    lines: int = 0
    size_bytes: int = 0
    _hash: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    _ended: bool = False
    _over: bool = False

    def next_block(self) -> bytes:
        """The next bytes of the file, empty after the last. Raises `BrokenOff` where the database does not go on."""
        block = bytearray(BOM if self.profile is Profile.SPREADSHEET and not self.size_bytes else b"")
        try:
            while len(block) < BLOCK_BYTES and (line := next(self._lines, None)) is not None:
                block += line
                self.lines += 1
        except psycopg.Error as error:
            self.end(because="the database did not go on")
            raise BrokenOff from error
        self._over = not block
        self.size_bytes += len(block)
        self._hash.update(block)
        return bytes(block)

    def end(self, because: str = "the reader went away") -> None:
        """Lets go of the database and writes down what left the house. A second call does nothing."""
        if self._ended:
            return
        self._ended = True
        self._snapshot.close()
        _free.release()
        whole = self._over and self.rows == self.sum.rows
        result = {"complete": True} if whole else {"complete": False, "because": because}
        with db.unit_of_work() as session:
            self._record(session, "transactions.exported", rows=self.rows, size_bytes=self.size_bytes, sha256=self._hash.hexdigest(), **result)

    @property
    def rows(self) -> int:
        """So many have left."""
        return max(0, self.lines - 1)

    def begun(self) -> None:
        with db.unit_of_work() as session:
            self._record(session, "transactions.export_begun", rows=self.sum.rows)

    def _record(self, session: Session, action: str, **details: object) -> None:
        audit.record(session, self.actor, action, "export", self.id, filter=self.words, profile=self.profile.value, value=self.sum.value, **details)


@needs("transactions:export")
def begin(actor: Actor, /, asked: Asked, profile: Profile) -> Export:
    """An export of these rows as they are now. It is written down before anything of it can be read; the caller has to `end` it.

    Raises `TooManyExports`, `Unavailable`.
    """
    zone = ZoneInfo(settings().billers_timezone)
    wanted = asked.filter_only.wanted(zone, actor.id)
    with db.unit_of_work() as session:
        words = in_words(asked, Billers(session).names())
    if not _free.acquire(blocking=False):
        raise TooManyExports
    try:
        snapshot = Snapshot(zone if profile is Profile.SPREADSHEET else ZoneInfo("UTC"))
        try:
            export = Export(actor, asked, profile, words, snapshot.sum(wanted), snapshot, snapshot.lines(wanted, profile))
            export.begun()
        except BaseException:
            snapshot.close()
            raise
    except BaseException:
        _free.release()
        raise
    return export
