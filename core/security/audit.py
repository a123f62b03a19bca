"""The record of who did what, and the chain over it. It knows one thing: a row may be sealed once no transaction can still slip in before it."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy.orm import Session

from core.access import Actor
from core.models import AuditEntry
from core.repositories.audit import AFTER_ALL, BEFORE_ALL, SOURCES, Audit, Horizon, Link, Row

# Rows of one sealing: some tenths of a second, so that a sealer holds neither its lock nor much memory for long.
SEAL_ROWS = 20_000
VERIFY_ROWS = 20_000

# What the first link is chained to.
GENESIS = bytes(32)

FROM_THE_START = dict.fromkeys(SOURCES, BEFORE_ALL)

# A detail whose name says it is a secret is a defect of the caller; better no entry and no act than a secret kept for ever.
SECRET_WORDS = ("password", "secret", "token", "pin", "credential", "authorization", "cookie", "ticket")


def record(session: Session, actor: Actor, action: str, subject_type: str, subject_id: object, **details: object) -> None:
    """Write one act down, in the act's own transaction: both are kept or neither.

    `action` is a past participle with its subject, `user.disabled`. Secrets never; `details` is JSON.
    """
    for name in details:
        if any(word in name.lower().split("_") for word in SECRET_WORDS):
            raise ValueError(f"{name} looks like a secret, and an audit entry is for ever")
    session.add(
        AuditEntry(
            actor_id=actor.id,
            actor_name=actor.username,
            address=actor.address,
            action=action,
            subject_type=subject_type,
            subject_id=str(subject_id),
            details={name: _plain(value) for name, value in details.items()},
        )
    )


def _plain(value: object) -> object:
    """JSON of it. Amounts become text: a float in between would round them."""
    match value:
        case Decimal() | UUID():
            return str(value)
        case dict():
            return {str(name): _plain(item) for name, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_plain(item) for item in value]
        case None | bool() | int() | str() | float():
            return value
        case _:
            return str(value)


@dataclass(frozen=True, slots=True)
class FirstBad:
    """Where the chain breaks: the seal's number (None where a row has none), and the row by table and number."""

    number: int | None
    table: str
    seq: int | None
    sentence: str


@dataclass(frozen=True, slots=True)
class Head:
    """The chain as it was at a moment: so many seals, and the newest one's hash in hex. Noted elsewhere, it proves a tail that was cut or written anew."""

    number: int
    hash: str
    at: datetime


@dataclass(frozen=True, slots=True)
class AuditVerdict:
    """What a walk along the chain found. `head_hash` is for publishing outside: who holds an old one can prove a rewritten tail."""

    ok: bool
    sealed: int
    unsealed: int
    sentence: str
    first_bad: FirstBad | None
    head_hash: str


def seal(session: Session, limit: int = SEAL_ROWS) -> int:
    """Chain up to `limit` rows that are ready. Returns how many; 0 also when somebody else is sealing."""
    audit = Audit(session)
    if not audit.may_seal():
        return 0
    head = audit.head()
    rows = _ready(audit, head, audit.horizon(), limit)
    if rows:
        audit.keep(list(_chain(rows, head)))
    return len(rows)


def _ready(audit: Audit, head: Link | None, horizon: Horizon, limit: int) -> Sequence[Row]:
    """Rows whose writers have ended, and before which none can come any more."""
    if head is not None and head.xid < horizon.next_xid:
        return audit.unsealed(head.xid, horizon.lowest_running, _places_after(head), limit)
    # The chain is ahead of the counter: a dump was restored, and the counter started anew. First what was unsealed when the dump was made.
    floor, after = (head.xid, _places_after(head)) if head else (0, FROM_THE_START)
    return audit.unsealed_from_another_counter(floor, after, limit) or audit.unsealed(0, horizon.lowest_running, FROM_THE_START, limit)


def _places_after(head: Link) -> Mapping[int, int]:
    """For each source, after which row to go on among those of the head's own transaction."""
    return {source: BEFORE_ALL if source > head.source else head.seq if source == head.source else AFTER_ALL for source in SOURCES}


def _chain(rows: Iterable[Row], head: Link | None) -> Iterable[Link]:
    number, previous = (head.number, head.hash) if head else (0, GENESIS)
    for row in rows:
        number, previous = number + 1, _hash(previous, row)
        yield Link(number, row.source, row.seq, row.xid, previous)


def _hash(previous: bytes, row: Row) -> bytes:
    return hashlib.sha256(previous + row.canonical.encode()).digest()


def verify(session: Session, published: Sequence[Head] = (), tell: Callable[[int, int], None] | None = None) -> AuditVerdict:
    """Walk the whole chain, in batches. `published` are heads that were noted elsewhere; `tell` hears after each batch how far it is, and of how many."""
    audit = Audit(session)
    audit.may_take_long()
    sealed, head_hash, newest = 0, GENESIS, audit.head()
    while (found := _next_stretch(audit, sealed, head_hash)) is not None:
        bad, sealed, head_hash = found
        if tell is not None and newest is not None:
            tell(sealed, max(newest.number, sealed))
        if bad is not None:
            unsealed, _ = audit.loose()
            return AuditVerdict(False, sealed, unsealed, f"The audit chain is broken after {sealed:,} entries. {bad.sentence}", bad, head_hash.hex())
    unsealed, stranger = audit.loose()
    if stranger is not None:
        table = SOURCES[stranger.source].table
        bad = FirstBad(None, table, stranger.seq, f"Row {stranger.seq} of {table} was slipped in: it claims to be older than the chain that lacks it.")
    else:
        bad = _head_that_does_not_hold(audit, published, sealed)
    if bad is not None:
        return AuditVerdict(False, sealed, unsealed, f"The audit chain cannot be trusted. {bad.sentence}", bad, head_hash.hex())
    return AuditVerdict(True, sealed, unsealed, _praise(sealed, unsealed, head_hash), None, head_hash.hex())


def _next_stretch(audit: Audit, sealed: int, previous: bytes) -> tuple[FirstBad | None, int, bytes] | None:
    """How far and to which hash the chain holds after the next seals, and what is wrong with the first bad one; None at its end.

    All of them at once, in the database; where they do not hold together, or one is missing, each by itself.
    """
    stretch = audit.stretch_after(sealed, VERIFY_ROWS)
    if stretch is not None and stretch.number == sealed + stretch.count and audit.holds(stretch, previous):
        return None, stretch.number, stretch.hash
    links = audit.links_after(sealed, VERIFY_ROWS)
    return _walk(audit, links, sealed, previous) if links else None


def _walk(audit: Audit, links: Sequence[Link], sealed: int, previous: bytes) -> tuple[FirstBad | None, int, bytes]:
    """One batch: what is wrong with its first bad link, and how far and to which hash the chain holds."""
    rows = list(audit.rows_of(links))
    found = {(row.source, row.seq): row for row in rows}
    # As a rule each is there once, and nobody need count.
    times = Counter((row.source, row.seq) for row in rows) if len(found) < len(rows) else None
    for link in links:
        place = (link.source, link.seq)
        if sentence := _complaint(link, sealed, previous, found.get(place), times[place] if times else 1):
            table = SOURCES[link.source].table if link.source in SOURCES else "?"
            missing = link.number != sealed + 1
            return FirstBad(sealed + 1, table, None if missing else link.seq, sentence), sealed, previous
        sealed, previous = link.number, link.hash
    return None, sealed, previous


def _complaint(link: Link, sealed: int, previous: bytes, row: Row | None, times: int) -> str | None:
    if link.number != sealed + 1:
        return f"Seal {sealed + 1} was removed."
    if link.source not in SOURCES:
        return f"Seal {link.number} names a source that does not exist: it was changed."
    name = f"Row {link.seq} of {SOURCES[link.source].table}"
    if row is None:
        return f"{name} was deleted: seal {link.number} still names it."
    if times > 1:
        return f"{name} is there {times} times: one was slipped in under the other's number."
    if link.xid != row.xid or link.hash != _hash(previous, row):
        return f"{name} does not match seal {link.number}: it, its seal or their place in the order was changed."
    return None


def _head_that_does_not_hold(audit: Audit, published: Sequence[Head], sealed: int) -> FirstBad | None:
    """The first of them. Behind it everything may have been written anew; what is before one that holds is as it was."""
    noted = sorted((head for head in published if head.number), key=lambda head: head.number)
    hashes = audit.hashes([head.number for head in noted])
    for head in noted:
        when = f" on {head.at.astimezone(UTC):%d %b %Y at %H:%M:%S} UTC"
        if head.number not in hashes:
            cut = f"It ends at seal {sealed:,}, but one up to seal {head.number:,} was published{when}: its tail was cut off."
            return FirstBad(sealed + 1, "seals", None, cut)
        if hashes[head.number].hex() != head.hash.lower():
            return FirstBad(head.number, "seals", None, f"Seal {head.number:,} is not the one that was published{when}: the chain was written anew.")
    return None


def _praise(sealed: int, unsealed: int, head_hash: bytes) -> str:
    tail = f"{unsealed:,} more wait to be sealed" if unsealed else "none waits to be sealed"
    return f"The audit chain is whole: {sealed:,} entries, {tail}. Head {head_hash.hex()}."
