"""The record as people look through it: newest first, a page at a time. It knows one thing: no look reads further than its steps, however rare what it is for.

What is asked for is read along one index, the one with the fewest entries, and everything else is looked at entry by entry on the way.
"""

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Select, Text, and_, bindparam, cast, column, func, or_, select, text, true
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from core.models import AuditEntry, BillerConfig, Transaction, User
from core.repositories.exports import CELLS, Kind, Profile

# Entries that one statement looks at: some hundredths of a second.
STEP = 20_000

# An entry's number and its moment are of one instant, and so in one order, unless a clock was put back: by up to so much nothing is missed.
CLOCKS_DIFFER = timedelta(hours=1)

# Each action there is, by leaps along its index: some dozens among millions.
_ACTIONS = text("""
    WITH RECURSIVE one AS (
        (SELECT action FROM audit_entries ORDER BY action LIMIT 1)
        UNION ALL
        SELECT (SELECT e.action FROM audit_entries e WHERE e.action > one.action ORDER BY e.action LIMIT 1) FROM one WHERE one.action IS NOT NULL
    )
    SELECT action FROM one WHERE action IS NOT NULL
""")


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """`since` is included, `until` is not. Of people, actions and words: any of these people, any of these actions, each of these words."""

    people: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    subject_type: str = ""
    subject_id: str = ""
    address: str = ""
    since: datetime | None = None
    until: datetime | None = None
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """Beyond which entry a page goes on: to older ones, or back to newer ones."""

    seq: int
    to_newer: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """A stretch of the record that was looked through. `stopped_at` is the last entry that was looked at, None at the end of all there is."""

    entries: Sequence[AuditEntry]
    stopped_at: int | None


@dataclass(frozen=True, slots=True)
class Way:
    """An index to read along: where one of these stands in one of its columns."""

    where: InstrumentedAttribute[Any]
    values: tuple[str, ...]
    # Of a subject the type, too.
    also: str = ""


Span = tuple[int, int]


class AuditEntries:
    def __init__(self, session: Session) -> None:
        self._session = session

    def look(self, wanted: EntryFilter, place: Place | None, most: int, step: int = STEP) -> Found:
        """The next `most` entries from the place on, or fewer: what one step of the way has. In the order of the record, newest first."""
        span = self._span(wanted, place)
        if span is None:
            return Found((), None)
        way, to_newer = self._way(wanted, span), place is not None and place.to_newer
        near = _near(way, span, to_newer, step).subquery()
        entry = aliased(AuditEntry, near)
        order = entry.seq.asc() if to_newer else entry.seq.desc()
        rows = list(self._session.scalars(select(entry).where(*_conditions(entry, wanted)).order_by(order).limit(most)))
        stopped_at = rows[-1].seq if len(rows) == most else self._end_of(near, to_newer, step)
        return Found(rows[::-1] if to_newer else rows, stopped_at)

    def _end_of(self, near: Any, to_newer: bool, step: int) -> int | None:
        last = func.max(near.c.seq) if to_newer else func.min(near.c.seq)
        count, seq = self._session.execute(select(func.count(), last).select_from(near)).one()
        return seq if count == step else None

    def count(self, wanted: EntryFilter, most: int) -> int | None:
        """How many there are, or `most` where there are more; None where telling would mean to look at more than so many."""
        span = self._span(wanted, None)
        if span is None:
            return 0
        near = _near(self._way(wanted, span), span, False, most).subquery()
        entry = aliased(AuditEntry, near)
        looked_at, found = self._session.execute(select(select(func.count()).select_from(near).scalar_subquery(), _counted(entry, wanted))).one()
        return None if looked_at == most and found < most else int(found)

    def one(self, seq: int) -> AuditEntry | None:
        return self._session.get(AuditEntry, seq)

    def is_sealed(self, seq: int) -> bool:
        return bool(self._session.execute(text("SELECT EXISTS (SELECT 1 FROM seals WHERE source = 2 AND source_seq = :seq)"), {"seq": seq}).scalar_one())

    def last(self, action: str) -> AuditEntry | None:
        return self._session.scalars(select(AuditEntry).where(AuditEntry.action == action).order_by(AuditEntry.seq.desc()).limit(1)).one_or_none()

    def actions(self) -> Sequence[str]:
        """Every action on the record, by name."""
        return self._session.execute(_ACTIONS).scalars().all()

    # ---- By whose names things go

    def usernames(self, typed: Sequence[str]) -> Mapping[str, str]:
        """How people's names are written on the record, by what was typed of them in small letters."""
        wanted = [name.lower() for name in typed]
        return {name.lower(): name for name in self._session.scalars(select(User.username).where(func.lower(User.username).in_(wanted)))}

    def subject(self, kind: str, name: str) -> str | None:
        """The id that the record has for somebody's user name, a payment's reference, a biller's code; None where it is no name of one."""
        queries: Mapping[str, Select[uuid.UUID]] = {
            "user": select(User.id).where(func.lower(User.username) == name.lower()),
            "transaction": select(Transaction.id).where(Transaction.our_transaction_id == name.upper()),
            "biller": select(BillerConfig.id).where(func.lower(BillerConfig.biller_type) == name.lower()).order_by(BillerConfig.is_active.desc()).limit(1),
        }
        found = self._session.scalars(queries[kind]).one_or_none() if kind in queries else None
        return str(found) if found else None

    def names(self, subjects: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], str]:
        """What people call these: for those of which there is something better to read than an id."""
        queries: Mapping[str, Callable[[Sequence[uuid.UUID]], Select[uuid.UUID, str]]] = {
            "user": lambda ids: select(User.id, User.username).where(User.id.in_(ids)),
            "transaction": lambda ids: select(Transaction.id, Transaction.our_transaction_id).where(Transaction.id.in_(ids)),
            "biller": lambda ids: select(BillerConfig.id, BillerConfig.display_name).where(BillerConfig.id.in_(ids)),
        }
        found: dict[tuple[str, str], str] = {}
        for kind, query in queries.items():
            ids = [known for one, text_id in set(subjects) if one == kind and (known := _uuid(text_id)) is not None]
            if ids:
                found |= {(kind, str(known)): str(name) for known, name in self._session.execute(query(ids))}
        return found

    # ---- Along which way, and how far

    def _span(self, wanted: EntryFilter, place: Place | None) -> Span | None:
        """Between which numbers, both included, the days and the place lie. None: there is nothing."""
        low: int | None
        high: int | None
        low, high = self._session.execute(select(func.min(AuditEntry.seq), func.max(AuditEntry.seq))).one()
        if wanted.since is not None:
            first = select(AuditEntry.seq).where(AuditEntry.at >= wanted.since - CLOCKS_DIFFER).order_by(AuditEntry.at).limit(1)
            low = self._session.scalars(first).one_or_none()
        if wanted.until is not None:
            last = select(AuditEntry.seq).where(AuditEntry.at < wanted.until + CLOCKS_DIFFER).order_by(AuditEntry.at.desc()).limit(1)
            high = self._session.scalars(last).one_or_none()
        if low is None or high is None:
            return None
        if place is not None:
            low, high = (max(low, place.seq + 1), high) if place.to_newer else (low, min(high, place.seq - 1))
        return (low, high) if low <= high else None

    def _way(self, wanted: EntryFilter, span: Span) -> Way | None:
        """The way with the fewest entries. Where there is a choice it is counted, as far as a step goes."""
        ways = _ways(wanted)
        if len(ways) < 2:
            return ways[0] if ways else None
        counted = [(self._session.execute(select(func.count()).select_from(_near(way, span, False, STEP).subquery())).scalar_one(), way) for way in ways]
        return min(counted, key=lambda one: one[0])[1]


def _ways(wanted: EntryFilter) -> list[Way]:
    found = []
    if wanted.subject_id:
        found.append(Way(AuditEntry.subject_id, (wanted.subject_id,), also=wanted.subject_type))
    if wanted.address:
        found.append(Way(AuditEntry.address, (wanted.address,)))
    if wanted.people:
        found.append(Way(AuditEntry.actor_name, wanted.people))
    if wanted.actions:
        found.append(Way(AuditEntry.action, wanted.actions))
    return found


def _near(way: Way | None, span: Span, to_newer: bool, step: int) -> Select[Any]:
    """The first so many entries on the way. Of several values each is gone along by itself: together they would be read to their end, and sorted."""
    order = AuditEntry.seq.asc() if to_newer else AuditEntry.seq.desc()
    plain = select(AuditEntry).where(AuditEntry.seq.between(*span)).order_by(order).limit(step)
    if way is None:
        return plain
    values = func.unnest(bindparam(None, list(way.values), type_=ARRAY(Text))).table_valued(column("value", Text)).render_derived()
    also = [AuditEntry.subject_type == way.also] if way.also else []
    each = plain.where(way.where == values.c.value, *also).lateral()
    joined = select(*each.c).select_from(values.join(each, true()))
    return joined.order_by(each.c.seq.asc() if to_newer else each.c.seq.desc()).limit(step)


def _conditions(entry: Any, wanted: EntryFilter) -> list[Any]:
    found = []
    if wanted.people:
        found.append(entry.actor_name.in_(list(wanted.people)))
    if wanted.actions:
        found.append(entry.action.in_(list(wanted.actions)))
    if wanted.subject_type:
        found.append(entry.subject_type == wanted.subject_type)
    if wanted.subject_id:
        found.append(entry.subject_id == wanted.subject_id)
    if wanted.address:
        found.append(entry.address == wanted.address)
    if wanted.since is not None:
        found.append(entry.at >= wanted.since)
    if wanted.until is not None:
        found.append(entry.at < wanted.until)
    return [*found, *(_has(entry, word) for word in wanted.words)]


def _has(entry: Any, word: str) -> Any:
    """`%` and `_` in what was typed are letters, not wild cards; and a quotation mark stands in the details as JSON writes it."""
    written = json.dumps(word, ensure_ascii=False)[1:-1]
    return or_(cast(entry.details, Text).icontains(written, autoescape=True), entry.subject_id.icontains(word, autoescape=True))


def _counted(entry: Any, wanted: EntryFilter) -> Any:
    return select(func.count()).select_from(entry).where(and_(true(), *_conditions(entry, wanted))).scalar_subquery()


def _uuid(said: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(said)
    except ValueError:
        return None


# ---- As a file


def rows(wanted: EntryFilter, zone: ZoneInfo) -> Select[Any]:
    """What a file holds, newest first: what would be a formula in a spreadsheet is neutralised as in the export of transactions."""
    cells = CELLS[Profile.SPREADSHEET]
    kinds: Mapping[str, tuple[Kind, Any]] = {
        "number": (Kind.WORD, AuditEntry.seq),
        "at": (Kind.MOMENT, AuditEntry.at.expression),
        "who": (Kind.TEXT, AuditEntry.actor_name.expression),
        "from": (Kind.TEXT, AuditEntry.address.expression),
        "action": (Kind.TEXT, AuditEntry.action.expression),
        "subject_type": (Kind.TEXT, AuditEntry.subject_type.expression),
        "subject_id": (Kind.TEXT, AuditEntry.subject_id.expression),
        "details": (Kind.TEXT, cast(AuditEntry.details, Text)),
    }
    columns = [cells[kind](value, zone).label(name) for name, (kind, value) in kinds.items()]
    return select(*columns).where(*_conditions(AuditEntry, wanted)).order_by(AuditEntry.seq.desc())
