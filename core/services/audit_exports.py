"""Taking the record away as CSV: what was searched for, from one snapshot, written down before the first byte leaves and again when it is over."""

import hashlib
import threading
import uuid
from collections.abc import Generator
from dataclasses import dataclass, field

import psycopg

from core import clock, db
from core.access import Actor, needs
from core.ids import new_id
from core.repositories import audit_entries
from core.repositories.snapshots import Snapshot, Stopped
from core.security import audit as record
from core.services import audit
from core.services.audit import Asked
from core.services.exports import BOM, BrokenOff, TooManyExports
from core.services.statistics import business_zone

# At once in this process: each holds a connection for as long as its reader takes.
AT_ONCE = 2

_free = threading.BoundedSemaphore(AT_ONCE)


@dataclass(eq=False)
class Running:
    """One under way, as a download takes it: `next_block` until it is empty, then `end`; `end` alone whenever the reader is gone."""

    actor: Actor
    asked: Asked
    file_name: str
    _snapshot: Snapshot
    _blocks: Generator[bytes, None, None]
    id: uuid.UUID = field(default_factory=new_id)
    _hash: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    _size_bytes: int = 0
    _begun: bool = False
    _whole: bool = False
    _ended: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def next_block(self) -> bytes:
        """The next bytes of the file, empty after the last. Raises `BrokenOff` where the database does not go on."""
        with self._lock:
            if self._ended:
                return b""
            try:
                block = next(self._blocks, b"")
            except (Stopped, psycopg.Error) as error:
                raise BrokenOff from error
            self._whole = not block
            if block and not self._begun:
                # A spreadsheet takes a file without it for one in the code page of its own country.
                self._begun, block = True, BOM + block
            self._size_bytes += len(block)
            self._hash.update(block)
            return block

    def look(self) -> bool:
        """Whether it is still wanted: nobody cancels it but its reader."""
        return True

    def end(self) -> None:
        """Lets go of the database and writes down what left the house. A second call does nothing."""
        self._snapshot.stop()
        with self._lock:
            if self._ended:
                return
            self._ended = True
            try:
                self._blocks.close()
                self._snapshot.close()
            finally:
                _free.release()
            self.record("audit.exported", rows=self._snapshot.rows, size_bytes=self._size_bytes, sha256=self._hash.hexdigest(), complete=self._whole)

    def record(self, action: str, **details: object) -> None:
        with db.unit_of_work() as session:
            record.record(session, self.actor, action, "export", self.id, search=self.asked.line, object=self.asked.subject, **details)


@needs("audit:read")
def begin(actor: Actor, /, asked: Asked) -> Running:
    """A file of everything that is found, newest first. The caller has to `end` it. Raises `BadInput`, `TooManyExports`, `Unavailable`."""
    with db.glance() as session:
        wanted = audit.wanted_by(actor, asked, session)
    if not _free.acquire(blocking=False):
        raise TooManyExports
    try:
        zone = business_zone()
        snapshot = Snapshot(zone)
        try:
            blocks = snapshot.copied(audit_entries.rows(wanted, zone))
            name = f"audit-{clock.now().astimezone(zone):%Y-%m-%d-%H%M%S}.csv"
            running = Running(actor, asked, name, snapshot, blocks)
            running.record("audit.export_begun")
        except BaseException:
            snapshot.close()
            raise
    except BaseException:
        _free.release()
        raise
    return running
