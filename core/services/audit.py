"""Looks after the record of who did what: finds entries on it, and walks the chain over it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.orm import Session

from core import clock
from core.access import Actor, needs
from core.db import glance, unit_of_work
from core.errors import BadInput, NotFound
from core.models import AuditEntry
from core.repositories.audit_entries import STEP, AuditEntries, EntryFilter, Found, Place
from core.security import audit
from core.security.audit import AuditVerdict, Head
from core.services import audit_words
from core.services.audit_words import Line
from core.services.statistics import business_zone

# For what one transaction wrote in bulk: each batch passes over the part of it that is sealed already, so there should be few.
BULK_ROWS = 100_000

PAGE_SIZE = 50

# How long a page goes on looking for something rare before it says how far it has come.
LOOK_SECONDS = 1.5

# So many entries are counted, no more: what is beyond is "more than".
MOST_COUNTED = 10_000


# ---- The chain


def verify(published: Sequence[Head] = (), tell: Callable[[int, int], None] | None = None) -> AuditVerdict:
    """Walk the audit chain: was anything changed, removed or slipped in? `published` are heads noted elsewhere; `tell` hears how far it is, and of how many."""
    with unit_of_work() as session:
        return audit.verify(session, published, tell)


def seal_all() -> int:
    """Seal everything that is ready, batch by batch. After a bulk load; the worker does it each second by itself."""
    total = 0
    while True:
        with unit_of_work() as session:
            sealed = audit.seal(session, BULK_ROWS)
        total += sealed
        if not sealed:
            return total


# ---- Looking entries up


@dataclass(frozen=True, slots=True)
class Asked:
    """What the page's address asks for: the line of its box, one object, and a place among what is found."""

    line: str = ""
    subject: str = ""
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of the record. `complaints` instead of entries, where the line is not understood."""

    entries: Sequence[AuditEntry]
    # What people call the subjects: user names, references, billers.
    names: Mapping[tuple[str, str], str]
    newer: Place | None = None
    older: Place | None = None
    # Up to there it was looked, and time was up; what is older was not looked at yet.
    looked_back_to: datetime | None = None
    # Up to MOST_COUNTED; None where nobody counted.
    count: int | None = None
    complaints: tuple[str, ...] = ()


@needs("audit:read")
def look(actor: Actor, /, asked: Asked) -> Page:
    """The page that is asked for, in bounded time: what is rare is looked for as far as that goes."""
    with glance() as session:
        entries = AuditEntries(session)
        wanted, complaints = _wanted(entries, asked)
        if complaints:
            return Page((), {}, complaints=complaints)
        found, stopped = _looked(entries, wanted, asked.place)
        to_newer = asked.place is not None and asked.place.to_newer
        if to_newer and len(found) < PAGE_SIZE:
            # Back at the beginning: a whole page of it, rather than what was left before the place.
            found, stopped = _looked(entries, wanted, None)
            to_newer = False
        is_all = asked.place is None and stopped is None
        return Page(
            found,
            entries.names([(entry.subject_type, entry.subject_id) for entry in found]),
            newer=Place(found[0].seq, to_newer=True) if found and (to_newer or asked.place is not None) else None,
            older=_older(found, stopped, to_newer),
            looked_back_to=_moment(entries, stopped) if stopped is not None and not to_newer and len(found) < PAGE_SIZE else None,
            count=len(found) if is_all else entries.count(wanted, MOST_COUNTED),
        )


def _looked(entries: AuditEntries, wanted: EntryFilter, place: Place | None) -> tuple[list[AuditEntry], int | None]:
    """A page's entries, step by step, until it is full, there is no more, or time is up."""
    found: list[AuditEntry] = []
    until, step = clock.monotonic_seconds() + LOOK_SECONDS, STEP
    to_newer = place is not None and place.to_newer
    while True:
        looked: Found = entries.look(wanted, place, PAGE_SIZE - len(found), step)
        found = [*looked.entries, *found] if to_newer else [*found, *looked.entries]
        if looked.stopped_at is None or len(found) >= PAGE_SIZE or clock.monotonic_seconds() > until:
            return found, looked.stopped_at
        place, step = Place(looked.stopped_at, to_newer), step * 2


def _older(found: Sequence[AuditEntry], stopped: int | None, to_newer: bool) -> Place | None:
    if to_newer:
        return Place(found[-1].seq)
    return Place(stopped) if stopped is not None else None


def _moment(entries: AuditEntries, seq: int) -> datetime | None:
    entry = entries.one(seq)
    return entry.at if entry else None


def _wanted(entries: AuditEntries, asked: Asked) -> tuple[EntryFilter, tuple[str, ...]]:
    """The filter of the line and the object, with names as the record has them; and what is not understood."""
    zone = business_zone()
    said = audit_words.read(asked.line, zone)
    complaints = list(said.complaints)
    wanted = replace(audit_words.days_of(said, zone), address=said.address, words=said.words)
    if asked.subject:
        if said.subject_type:
            complaints.append("The page is of one object already. Take “about:” out, or go back to the whole record.")
        kind, _, which = asked.subject.partition(":")
        if not kind or not which:
            complaints.append("This address leads nowhere: part of it is missing. Go back to the whole record.")
        said = replace(said, subject_type=kind, subject_id=which)
    if said.people:
        known = entries.usernames(said.people)
        wanted = replace(wanted, people=tuple(known.get(name.lower(), name) for name in said.people))
    if said.actions:
        try:
            wanted = replace(wanted, actions=_actions(entries, said))
        except BadInput as error:
            complaints.append(error.sentence)
    if said.subject_type:
        which = (entries.subject(said.subject_type, said.subject_id) or said.subject_id) if said.subject_id else ""
        wanted = replace(wanted, subject_type=said.subject_type, subject_id=which)
    return wanted, tuple(complaints)


def _actions(entries: AuditEntries, said: Line) -> tuple[str, ...]:
    known = entries.actions()
    return tuple(dict.fromkeys(action for typed in said.actions for action in audit_words.begins(known, typed)))


@needs("audit:read")
def wanted_by(actor: Actor, /, asked: Asked, session: Session) -> EntryFilter:
    """The filter alone, for a file of all that it holds. Raises `BadInput` with everything that is not understood."""
    wanted, complaints = _wanted(AuditEntries(session), asked)
    if complaints:
        raise BadInput(" ".join(complaints))
    return wanted


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry, with what people call its subject, and whether the chain covers it by now."""

    entry: AuditEntry
    name: str | None
    is_sealed: bool


@needs("audit:read")
def entry(actor: Actor, /, seq: int) -> Entry:
    """Raises `NotFound`."""
    with glance() as session:
        entries = AuditEntries(session)
        found = entries.one(seq)
        if found is None:
            raise NotFound(f"There is no entry {seq:,} on the record. Look for it in the list.")
        names = entries.names([(found.subject_type, found.subject_id)])
        return Entry(found, names.get((found.subject_type, found.subject_id)), entries.is_sealed(seq))


@needs("audit:read")
def name_of(actor: Actor, /, subject: str) -> str:
    """What people call this object, `user:…`; its id where there is nothing better."""
    kind, _, which = subject.partition(":")
    with glance() as session:
        return AuditEntries(session).names([(kind, which)]).get((kind, which), which)
