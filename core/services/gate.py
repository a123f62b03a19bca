"""The gate: while it is closed, nothing that moves money is sent. It closes when the database comes back without something it had confirmed (rule 12).

Restored from a backup, failed over to a standby that lagged, or without its last commits: what such a database takes for unsent may have been paid
already. So events are written down outside of it, an intent's before its first byte leaves, and each claim asks in its own transaction whether they are
still there. It opens again by a person's word only (`core.services.reopening`). Nor is anything sent while the server does not promise to keep what it
confirms: that needs no gate, since it is over once the settings are put right.
"""

import socket
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

import structlog
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from core import db
from core.access import SYSTEM
from core.clock import now
from core.durability import weakness
from core.errors import Misconfigured, NotLegalNow
from core.models import Gate
from core.repositories.gate import Gates, Look, Told
from core.security import audit
from core.services import mirror
from core.services.mirror import Bookmark, Memory
from core.settings import settings

log = structlog.get_logger(__name__)

NOTICE = (
    "Nothing is sent: the database came back without payments that it had confirmed, so what waits may have been paid already. "
    "A manager compares the billers' statements and signs it off."
)

HELD = (
    "The database was restored, and nobody knows yet whether this payment was sent before. "
    "It cannot be stopped until a manager has signed the restore gate off; then its biller is asked."
)


class NotDurable(Misconfigured):
    """The database does not promise to keep what it confirms."""


@dataclass(frozen=True, slots=True)
class Passage:
    """Leave to send, within one database transaction: of which database, and after which sign-off."""

    installation: uuid.UUID
    gate: int


@dataclass(frozen=True, slots=True)
class Witness:
    """An event of a commit that is about to be made: what to look for, should the database ever deny it."""

    passage: Passage
    event: Told

    def write_down(self) -> None:
        """On this machine's disk when it returns. A disk that cannot be written to costs the notice of a lost history, and not the payments."""
        _remember(self.passage.installation, self.passage.gate, self.event)


def passage(session: Session) -> Passage | None:
    """Leave to send what is claimed in this transaction; None while the gate is closed, or closes now, or the server does not keep what it confirms."""
    look, memory = _look(session)
    if look.closed is None and _is_lost(look, memory):
        _close(session, look, memory)
        return None
    if look.closed is not None or weakness(look.promises):
        return None
    return Passage(look.installation, look.reopened)


def is_closed(session: Session) -> bool:
    """May nothing that moves money be sent now? Asked in the transaction that would let it go."""
    return passage(session) is None


def witness(session: Session, found: Passage, transaction_id: uuid.UUID) -> Witness | None:
    """The last event of a transaction that was moved in this unit of work; written down once it is committed."""
    event = Gates(session).last_of(transaction_id)
    return Witness(found, event) if event else None


def watch() -> None:
    """Compares the database with what was written down, and writes down what it has now. At a worker's start, and every few seconds.

    Raises `NotDurable` where the server may lose what it confirms.
    """
    with db.unit_of_work() as session:
        look, memory = _look(session)
        is_lost = look.closed is None and _is_lost(look, memory)
        if is_lost:
            _close(session, look, memory)
        event = Gates(session).last_event()
    if not is_lost and look.closed is None and event:
        _remember(look.installation, look.reopened, event)
    if complaint := weakness(look.promises):
        raise NotDurable(f"Nothing is sent. {complaint}")


def why_nothing_is_sent(is_closed: bool, promises: Mapping[str, str]) -> str | None:
    """For whoever looks at a page; None while all is well."""
    if is_closed:
        return NOTICE
    complaint = weakness(promises)
    return f"Nothing is sent. {complaint}" if complaint else None


def refuse_ending(session: Session, transaction_id: uuid.UUID) -> None:
    """Raises `NotLegalNow` for a payment that would be called unsent although a lost history may tell otherwise."""
    if Gates(session).is_older_than_closed_gate(transaction_id):
        raise NotLegalNow(HELD)


def note_sign_off(installation: uuid.UUID, gate: int, event: Told | None) -> None:
    """From here on the history of this database is the one that counts."""
    _remember(installation, gate, event)


# ---- Comparing

# Which database each address last was: what is written down is found by it.
_last_seen: dict[str, uuid.UUID] = {}


def _look(session: Session) -> tuple[Look, Memory]:
    """What is written down is read before the database is asked: whatever it names has been committed by then."""
    dsn = settings().dsn
    known = _last_seen.get(dsn)
    memory = mirror.recall(known) if known else Memory()
    look = Gates(session).look([_told(one) for one in memory.bookmarks])
    if look.installation != known:
        _last_seen[dsn] = look.installation
        memory = mirror.recall(look.installation)
        look = Gates(session).look([_told(one) for one in memory.bookmarks])
    return look, memory


def _is_lost(look: Look, memory: Memory) -> bool:
    # What was written down before a sign-off that this machine has not heard of yet was looked into by it.
    return memory.gate > look.reopened or (memory.gate == look.reopened and look.found < len(memory.bookmarks))


def _close(session: Session, look: Look, memory: Memory) -> None:
    newest = max(memory.bookmarks, key=lambda one: one.seq, default=None)
    last = Gates(session).last_event()
    machine = socket.gethostname()
    if memory.gate > look.reopened:
        because = f"{machine} knows that gate {memory.gate} was signed off, and this database does not."
    else:
        missing = len(memory.bookmarks) - look.found
        because = f"{missing} of the last {len(memory.bookmarks)} events that {machine} had written down as confirmed are not in this database."
    made = session.execute(
        upsert(Gate)
        .values(
            id=max(memory.gate, look.reopened) + 1,
            because=because,
            noticed_by=machine,
            mirrored_seq=newest.seq if newest else 0,
            mirrored_at=newest.at if newest else now(),
            found_seq=last.seq if last else 0,
            found_at=last.at if last else None,
        )
        .on_conflict_do_nothing()
        .returning(Gate.id)
    ).scalar()
    if made is None:
        return
    # What we know as the last send need not have been the last: a "never seen it" has to wait anew.
    Gates(session).restart_quiet_windows()
    facts: Mapping[str, object] = {"mirrored": newest.seq if newest else 0, "found": last.seq if last else 0}
    audit.record(session, SYSTEM, "gate.closed", "gate", made, because=because, **facts)
    log.error("gate.closed", gate=made, because=because, **facts)


def _remember(installation: uuid.UUID, gate: int, event: Told | None) -> None:
    try:
        mirror.remember(installation, gate, [Bookmark(event.seq, event.at, event.transaction_id)] if event else [])
    except OSError as error:
        log.error("gate.not_written_down", reason=error.strerror, directory=str(settings().billers_data_dir))


def _told(one: Bookmark) -> Told:
    return Told(one.seq, one.at, one.transaction_id)
