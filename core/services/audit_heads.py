"""The chain's heads, told where the database cannot reach. It knows one thing: what was written here once can only be added to, line by line.

Whoever may write to the database's tables can write the chain's tail anew, and each row of it would fit. A head that was noted elsewhere does not.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO

import orjson
import structlog

from core import clock
from core.db import glance
from core.errors import BadInput
from core.repositories.audit import Audit
from core.security.audit import Head
from core.services.statistics import business_zone
from core.settings import settings

log = structlog.get_logger(__name__)

FILE_NAME = "audit-heads.jsonl"

# More than a line has.
LAST_BYTES = 4_096


def path() -> Path:
    """Where heads are published: best a disk, or a share, that whoever looks after the database cannot write to."""
    return settings().billers_audit_heads or settings().billers_data_dir / FILE_NAME


def publish_due() -> Head | None:
    """Writes the chain's head down where the last one is old enough, or of another business day. A job; of two at once one writes."""
    with _alone() as file:
        before, now = _last(file), clock.now()
        if before is not None and not _is_due(before, now):
            return None
        with glance() as session:
            audit = Audit(session)
            newest = audit.head()
            lost = before is not None and audit.hashes([before.number]).get(before.number, b"").hex() != before.hash
        if lost:
            log.error("audit.head_does_not_hold", number=before and before.number, hash=before and before.hash, file=str(path()))
        if newest is None or (before is not None and newest.number == before.number and _is_same_day(before, now)):
            return None
        head = Head(newest.number, newest.hash.hex(), now)
        _append(file, head)
    log.info("audit.head_published", number=head.number, hash=head.hash, at=now.isoformat(timespec="seconds"), file=str(path()))
    return head


def published(file: Path | None = None) -> list[Head]:
    """Every head that was published, the oldest first; none where there is no file yet. Raises `BadInput` for a file that holds something else."""
    where = file or path()
    try:
        text = where.read_bytes()
    except FileNotFoundError:
        if file is None:
            return []
        raise BadInput(f"There is no file {where}. Name the file that heads were published in.") from None
    except OSError as error:
        raise BadInput(f"{where} cannot be read ({error.strerror}). Name the file that heads were published in.") from None
    return [_head(line, f"Line {number} of {where.name}") for number, line in enumerate(text.splitlines(), 1) if line.strip() and not _is_torn(line)]


def _is_torn(line: bytes) -> bool:
    """A machine that loses its power while it writes a line leaves the beginning of it: that head was not published."""
    return line.startswith(b"{") and not line.rstrip().endswith(b"}")


def _is_due(before: Head, now: datetime) -> bool:
    return now - before.at >= timedelta(minutes=settings().billers_audit_heads_minutes) or not _is_same_day(before, now)


def _is_same_day(before: Head, now: datetime) -> bool:
    return clock.business_day(before.at, business_zone()) == clock.business_day(now, business_zone())


@contextmanager
def _alone() -> Iterator[IO[bytes]]:
    """The file, to read and to add to, while no other worker of this machine does."""
    where = path()
    where.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(where, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o640), "r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file


def _last(file: IO[bytes]) -> Head | None:
    """The newest line that is whole; None where there is none that could be one."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - LAST_BYTES))
    return next((head for line in reversed(file.read().splitlines()) if (head := _or_none(line)) is not None), None)


def _append(file: IO[bytes], head: Head) -> None:
    size = file.seek(0, os.SEEK_END)
    if size:
        file.seek(size - 1)
    # After half a line of a machine that lost its power.
    torn = b"\n" if size and file.read(1) != b"\n" else b""
    file.write(torn + orjson.dumps({"number": head.number, "hash": head.hash, "at": head.at}) + b"\n")
    file.flush()
    os.fsync(file.fileno())


def _or_none(line: bytes) -> Head | None:
    try:
        return _head(line, "")
    except BadInput:
        return None


def _head(line: bytes, which: str) -> Head:
    try:
        said = orjson.loads(line)
        number, digest, at = said["number"], said["hash"], datetime.fromisoformat(said["at"])
        is_one = isinstance(number, int) and number > 0 and len(bytes.fromhex(digest)) == 32 and at.tzinfo is not None
    except (ValueError, KeyError, TypeError):
        is_one = False
    if not is_one:
        raise BadInput(f"{which} is no head that was published. Name the file that the worker writes, as it is.")
    return Head(number, digest, at)
