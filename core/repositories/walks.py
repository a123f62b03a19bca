"""How a list of ten million rows is read. It knows one thing: which few rows a page or a count can be told from, so that nobody walks through the others.

A *lane* is one biller, one status and one type, kept in the order of the list by an index of its own. A filter that names nothing else is read from the head
of its lanes. Where more is asked for (an amount, a person, a reason, a part of a name), one of two things is true, and a short count says which: only few rows
come into question, and those are read and sorted; or so many do that a page is full after the first thousands of the list.
"""

import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, StrEnum, auto
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    DateTime,
    FromClause,
    Select,
    Subquery,
    Text,
    Uuid,
    bindparam,
    column,
    func,
    literal_column,
    select,
    text,
    true,
    tuple_,
    union,
)
from sqlalchemy.orm import Session

from core import db
from core.models import BillerType, Transaction
from core.models.transactions import HAS_GONE_WRONG, REASON_SAID
from core.repositories.filters import NO_REASON, SHORTEST_PART, TransactionFilter, in_numbers, references
from core.repositories.rollups import Rollups
from core.repositories.words import Found, Words
from core.states import Status, TransactionType

# So many rows are read and sorted within some milliseconds, where an index holds what is asked of them; fewer, where the row itself is looked at.
FEW, FEW_ROWS = 8_000, 8_000
# Two days of a busy bank.
FEW_OF_DAYS = 60_000
# The index of what went wrong is small, and holds everything that is asked beside a reason.
FEW_REASONS = 150_000

# Stretches of the clock on the wall (the Fridays, from eight to nine) that are looked at together, in turn.
STRETCHES = (8, 64)

# How deep into each lane the list is looked through for a page, in turn; a page of one in five hundred rows is full after the second.
DEPTHS = (500, 4_000, 32_000)
# Texts are compared, and that takes longer: whatever does not fill a page from the first of these is mostly rare, and the index of words has it.
DEPTHS_FOR_WORDS = (300, 4_000, 32_000)
# Those that come in question are one in some hundreds, or fewer than are read one by one.
DEPTHS_FOR_AMOUNTS = (1_500, 6_000, 32_000)
# Of amounts only some lanes have the largest or the smallest.
AMOUNTS_ARE_DEEPER = 3
# The index of amounts holds the numbers, too. The first of these tells cheaply in which lane the next one lies.
DEPTHS_FOR_NUMBERS = (300, 3_000, 20_000)
# The index of words is of little help where no three letters stand together.
DEPTHS_FOR_SYLLABLES = (1_500, 4_000, 32_000)
# So many rows with a word tell how many there are in all the others; for a page of them the list is looked through that many times as far as it should take.
TELLING, SURELY = 3, 2
# Of accounts with a name so many rows are looked at for each that is wanted.
LIKELY = 4
# The plain list is one lane that holds all.
PLAIN_IS_DEEPER = 10

# How deep a count goes that cannot be told in another way.
DEEPEST_COUNT = 2_500

# After every letter there is: what begins with a word lies before the word and this.
LAST_LETTER = "\U0010ffff"

# What the index of what went wrong holds: what a biller said something about, and what ended unpaid without a word.
WENT_WRONG: ColumnElement[bool] = literal_column(f"({HAS_GONE_WRONG})")
REASON: ColumnElement[str] = literal_column(f"({REASON_SAID})")
ENDED_UNPAID = frozenset({Status.FAILED.value, Status.CANCELLED.value, Status.REVERSED.value})

PAYING = tuple(kind.value for kind in TransactionType if kind.moves_money)
ASKING = tuple(kind.value for kind in TransactionType if not kind.moves_money)

Conditions = Sequence[ColumnElement[bool]]


class Sort(StrEnum):
    """What stands first in the list."""

    NEWEST = "newest"
    OLDEST = "oldest"
    # Look-ups have no amount and stand last.
    LARGEST = "largest"
    SMALLEST = "smallest"

    @property
    def by_amount(self) -> bool:
        return self in (Sort.LARGEST, Sort.SMALLEST)

    @property
    def descending(self) -> bool:
        return self in (Sort.NEWEST, Sort.LARGEST)

    def order(self) -> list[ColumnElement[Any]]:
        """The same order for a query of one's own: of equal amounts the newer is the larger."""
        columns: list[ColumnElement[Any]] = [Transaction.created_at.expression, Transaction.id.expression]
        ways = [column.desc() if self.descending else column.asc() for column in columns]
        if not self.by_amount:
            return list(ways)
        amount = Transaction.amount.desc() if self.descending else Transaction.amount.asc()
        return [amount.nulls_last(), *ways]


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in the list, by key: pages stay where they are while rows arrive above them. In a list by amount the amount is part of it."""

    created_at: datetime
    id: uuid.UUID
    amount: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Way:
    """A way through the rows by one key: from the place `after` on, which is not part of it, down to `edge`, which is."""

    by_amount: bool
    descending: bool
    after: Cursor | None = None
    edge: Cursor | None = None
    # Past look-ups only: those that come behind the payments of a list by amount.
    asking: bool = False

    def key(self, columns: Any) -> list[ColumnElement[Any]]:
        return [columns.amount, columns.created_at, columns.id] if self.by_amount else [columns.created_at, columns.id]

    def order(self, columns: Any) -> list[ColumnElement[Any]]:
        return [column.desc() if self.descending else column.asc() for column in self.key(columns)]

    def conditions(self) -> list[ColumnElement[bool]]:
        key = tuple_(*self.key(Transaction))
        found: list[ColumnElement[bool]] = []
        if self.by_amount:
            # Said aloud: the index of amounts holds no others.
            found.append(Transaction.amount.is_not(None))
        if self.asking:
            found.append(Transaction.amount.is_(None))
        if self.after:
            place = self._place(self.after)
            found.append(key < place if self.descending else key > place)
        if self.edge:
            place = self._place(self.edge)
            found.append(key >= place if self.descending else key <= place)
        return found

    def _place(self, cursor: Cursor) -> Any:
        return (cursor.amount, cursor.created_at, cursor.id) if self.by_amount else (cursor.created_at, cursor.id)


@dataclass(frozen=True, slots=True)
class Reckoned:
    """A count that stops somewhere. Not exact: there are at least so many."""

    rows: int
    is_exact: bool


@dataclass(frozen=True, slots=True)
class Lanes:
    """The lanes of a filter; no billers: all of them."""

    billers: Sequence[str]
    statuses: Sequence[str]
    types: Sequence[str]

    @property
    def is_everything(self) -> bool:
        return self._are_of_everybody and len(self.types) == len(TransactionType)

    @property
    def are_all_payments(self) -> bool:
        return self._are_of_everybody and set(self.types) == set(PAYING)

    @property
    def _are_of_everybody(self) -> bool:
        return not self.billers and len(self.statuses) == len(Status)


EVERYTHING = Lanes((), tuple(Status), tuple(TransactionType))

KEYS: tuple[Any, ...] = (Transaction.created_at, Transaction.id, Transaction.amount)


@dataclass(frozen=True, slots=True)
class Piece:
    """So many rows, behind so many others; for a count it does not matter which."""

    count: int
    behind: int = 0
    in_order: bool = True
    # The way whose order is meant; None: the one that they lie in.
    of: Way | None = None


class Says(Enum):
    """What a source has said of the filter already."""

    NOTHING = auto()
    LANES = auto()
    EVERYTHING = auto()


@dataclass(frozen=True, slots=True)
class Source:
    """Rows that come into question. `keys` are those of them that meet further conditions; given a piece, that piece of each of its parts."""

    keys: Callable[[Conditions, Piece | None], Select[Any]]
    says: Says
    # The order in which it gives pieces.
    by_amount: bool
    # How many of them are read and sorted at once.
    few: int = FEW
    # Where it is everything that a filter holds which sums can tell of: that filter.
    holds: TransactionFilter | None = None


class Walk:
    """The rows of one filter, inside the caller's unit of work. `beside`: what must hold of them that no filter says."""

    def __init__(self, session: Session, wanted: TransactionFilter, beside: Conditions = ()) -> None:
        self._session = session
        self._wanted = wanted
        self._beside = beside
        self._words = Words(session, wanted)

    @classmethod
    def over(cls, session: Session, wanted: TransactionFilter) -> "Walk":
        """One for all who ask where the session sees one moment: what was looked up of a word for the page holds for the count."""
        if not session.info.get(db.ONE_MOMENT):
            return cls(session, wanted)
        kept: dict[TransactionFilter, Walk] = session.info.setdefault("walks", {})
        return kept.setdefault(wanted, cls(session, wanted))

    # ---- Pages

    def rows(self, sort: Sort, count: int, after: Cursor | None = None, *, back: bool = False) -> list[Transaction]:
        """Up to `count` rows behind a place, in the order of the list; `back`: those before it, the nearest first."""
        found: list[Transaction] = []
        with self._by_index():
            for way, types in _ways(sort, after, back):
                found += self._rows(way, self._lanes(types), count - len(found))
                if len(found) == count:
                    break
        return found

    def skipped(self, sort: Sort, count: int) -> Transaction | None:
        """The row that `count` others stand before, where so few come into question that they can be counted through."""
        with self._by_index():
            for way, types in _ways(sort, None, back=False):
                lanes = self._lanes(types)
                if lanes is None:
                    continue
                few = self._few(way, lanes)
                if few is None:
                    return None
                keys = self._keys(few, way).subquery()
                if found := self._fetch(select(keys).order_by(*way.order(keys.c)).offset(count).limit(1), way):
                    return found[0]
                count -= self._session.scalar(select(func.count()).select_from(keys)) or 0
        return None

    def behind(self, until: datetime, count: int) -> Transaction | None:
        """Of those before a moment, newest first, the row that `count` others stand before: for some thousands of them."""
        way, lanes = Way(by_amount=False, descending=True), Walk(self._session, replace(self._wanted, until=until))
        here = lanes._lanes(())
        if here is None:
            return None
        with self._by_index():
            keys = lanes._keys(lanes._by_lane(way, here), way, count + 1).subquery()
            found = self._fetch(select(keys).order_by(*way.order(keys.c)).offset(count).limit(1), way)
        return found[0] if found else None

    @contextmanager
    def _by_index(self) -> Iterator[None]:
        """What is in order already is not sorted again: the planner, who takes lanes for short, would rather read one whole than go along it."""
        self._session.execute(text("SET LOCAL enable_sort = off; SET LOCAL enable_seqscan = off"))
        yield
        self._session.execute(text("SET LOCAL enable_sort = on; SET LOCAL enable_seqscan = on"))

    def _rows(self, way: Way, lanes: Lanes | None, count: int) -> list[Transaction]:
        if lanes is None:
            return []
        if not self._needs_more_than_lanes(way):
            return self._first(self._by_lane(way, lanes), way, count)
        if self._has_reasons and self._asks_for_reasons_only:
            return self._first(self._by_reason(way), way, count)
        if (few := self._few(way, lanes)) is not None:
            return self._first(few, way, count)
        if self._has_reasons and not way.by_amount and not self._words:
            return self._first(self._by_reason(way), way, count)
        if self._words:
            return self._with_words(way, lanes, count)
        if self._by_the_clock and not way.by_amount:
            return self._on_the_wall(way, lanes, count)
        if way.by_amount and not self._asks_beside_the_index:
            # The index of amounts has days and times, too: each lane stops when it has a page of them.
            return self._first(self._by_lane(way, lanes), way, count)
        depths = DEPTHS_FOR_AMOUNTS if self._has_amounts else DEPTHS
        return self._along(way, lanes, count, depths)

    def _along(self, way: Way, lanes: Lanes, count: int, depths: Sequence[int]) -> list[Transaction]:
        """The page from the first rows of the lanes, or from all of them."""
        rows = self._looked_through(way, lanes, count, depths)
        return self._first(self._by_lane(way, lanes), way, count) if rows is None else rows

    def _looked_through(self, way: Way, lanes: Lanes, count: int, depths: Sequence[int]) -> list[Transaction] | None:
        """The page from the first rows of the lanes; None where they do not fill it, and there are more."""
        edge, deeper = None, [*depths]
        while deeper:
            depth = deeper.pop(0)
            rows, edge = self._down_to(way, lanes, count, depth, edge)
            if len(rows) == count or edge is None:
                return rows
            if deeper and len(rows) >= TELLING and (likely := depth * count * SURELY // len(rows)) < deeper[0]:
                deeper.insert(0, likely)
        return None

    def _down_to(self, way: Way, lanes: Lanes, count: int, depth: int, before: Cursor | None = None) -> tuple[list[Transaction], Cursor | None]:
        """What a page has of the rows down to a depth, and where that is; None: that was all there is. `before`: where a lesser depth was."""
        edge = self._edge(way, lanes, depth, before)
        within = replace(way, edge=edge)
        return self._first(self._by_lane(within, lanes), within, count), edge

    def _with_words(self, way: Way, lanes: Lanes, count: int) -> list[Transaction]:
        if self._words.is_whole_number and self._words_are_rare:
            return self._of_accounts(way, count)
        first, *deeper = DEPTHS_FOR_WORDS if self._words.are_solid else DEPTHS_FOR_SYLLABLES
        # Newer and older rows are of all billers alike; small amounts are of some only, and those may not have the word at all.
        if not way.by_amount:
            some, edge = self._down_to(way, lanes, count, first)
            if TELLING <= len(some) < count and edge is not None:
                # They tell how far the page reaches, and that is nearer than all accounts with the word.
                some, edge = self._down_to(way, lanes, count, first * count * SURELY // len(some), edge)
            if len(some) == count or edge is None:
                return some
        if self._words_are_rare or (way.by_amount and self._words.are_few):
            return self._of_accounts(way, count)
        if way.by_amount:
            billers = self._billers_with_words()
            if not billers:
                return []
            lanes = replace(lanes, billers=billers)
            if not self._words.is_account and self._words.are_in_no_name and self._begins_few:
                return self._of_numbers(way, lanes, count)
            deeper = [first * AMOUNTS_ARE_DEEPER, *deeper]
        rows = self._looked_through(way, lanes, count, deeper)
        if rows is not None:
            return rows
        return self._of_accounts(way, count) if self._words.are_few else self._first(self._by_lane(way, lanes), way, count)

    def _of_numbers(self, way: Way, lanes: Lanes, count: int) -> list[Transaction]:
        """By amount, what has the word in a number, which the lanes tell without a look at a row, and what few have it as a reference."""
        walk = Walk(self._session, self._wanted_without_words(), (in_numbers(self._words.term),))
        rows = walk._along(way, lanes, count, DEPTHS_FOR_NUMBERS)
        begun = self._first(self._by_reference(way, self._words.term, whole=False), way, count)
        every = {row.id: row for row in (*rows, *begun)}.values()
        return sorted(every, key=lambda row: (row.amount, row.created_at, row.id), reverse=way.descending)[:count]

    def _of_accounts(self, way: Way, count: int) -> list[Transaction]:
        """Nearly every row of an account has the name that the account is known by: the first ones are looked at, and the rest only where those do not do."""
        likely = self._keys(self._by_words(way, likely=True), way, count * LIKELY).subquery()
        first = select(likely).order_by(*way.order(likely.c)).limit(count * LIKELY).subquery()
        found = select(Transaction).join(first, first.c.id == Transaction.id).where(*self._wanted.conditions()).order_by(*way.order(first.c)).limit(count)
        rows = list(self._session.scalars(found))
        return rows if len(rows) == count else self._first(self._by_words(way), way, count)

    def _on_the_wall(self, way: Way, lanes: Lanes, count: int) -> list[Transaction]:
        """Stretch by stretch, each of them whole: what lies between the Fridays is not gone through."""
        stretches, done = self._stretches(way), 0
        for size in (*STRETCHES, len(stretches)):
            some = stretches[done:] if size == len(stretches) else stretches[done : done + size]
            done += len(some)
            rows = self._first(self._by_lane(way, lanes, stretches=stretches[:done]), way, count)
            if len(rows) == count or done >= len(stretches):
                return rows
        return []

    def _first(self, source: Source, way: Way, count: int) -> list[Transaction]:
        keys = self._keys(source, way, count).subquery()
        return self._fetch(select(keys).order_by(*way.order(keys.c)).limit(count), way)

    def _fetch(self, keys: Select[Any], way: Way) -> list[Transaction]:
        chosen = keys.subquery()
        found = select(Transaction).join(chosen, chosen.c.id == Transaction.id).order_by(*way.order(chosen.c))
        return list(self._session.scalars(found))

    def _keys(self, source: Source, way: Way, count: int | None = None) -> Select[Any]:
        """All of them, or at least the first so many on this way."""
        return source.keys(self._conditions(source, way), None if count is None else Piece(count, of=way))

    def _conditions(self, source: Source, way: Way) -> Conditions:
        """What must hold besides for a row to be one of the filter's. Nothing is said twice: the planner would take rows that are many for few."""
        if source.says is Says.EVERYTHING:
            return way.conditions()
        wanted = replace(self._wanted, billers=(), statuses=(), types=(), in_doubt=False) if source.says is Says.LANES else self._wanted
        return [*_without_days_behind(wanted, way).conditions(), *self._beside, *way.conditions()]

    def _is_within(self, source: Source, most: int) -> bool:
        """Do no more than so many rows come into question?"""
        # Along the amounts rows of other days are gone past as well: they count, or a month would be looked for in a year.
        some = source.keys(() if source.by_amount else self._days(), Piece(most + 1, in_order=False)).limit(most + 1).subquery()
        return (self._session.scalar(select(func.count()).select_from(some)) or 0) <= most

    # ---- Counts

    def reckoned(self, most: int) -> Reckoned:
        """How many rows there are, up to `most`, without reading much more than that."""
        with self._by_index():
            return self._reckon(most)

    def _reckon(self, most: int) -> Reckoned:
        way, lanes = Way(by_amount=False, descending=True), self._lanes(())
        if lanes is None:
            return Reckoned(0, is_exact=True)
        if not self._needs_more_than_lanes(way):
            return self._reckoned(self._by_lane(way, lanes), way, most)
        if self._has_reasons and self._asks_for_reasons_only:
            return self._reckoned(self._by_reason(way), way, most)
        if self._asks_for_words_only and not self._words.first.are_all:
            found = self._reckoned(self._by_words(way, self._words.first), way, most)
            if not found.is_exact:
                return found
        if (few := self._few(way, lanes)) is not None:
            return self._reckoned(few, way, most)
        if self._words and (self._words.are_few or (lanes.is_everything and not self._has_days)):
            found = self._reckoned(self._by_words(way), way, most)
            return Reckoned(found.rows, found.is_exact and self._words_are_rare)
        edge = self._edge(way, lanes, DEEPEST_COUNT)
        within = replace(way, edge=edge)
        found = self._reckoned(self._by_lane(within, lanes), within, most)
        return Reckoned(found.rows, found.is_exact and edge is None)

    def _reckoned(self, source: Source, way: Way, most: int) -> Reckoned:
        some = source.keys(self._conditions(source, way), Piece(most + 1, in_order=False)).limit(most + 1).subquery()
        rows = self._session.scalar(select(func.count()).select_from(some)) or 0
        return Reckoned(min(rows, most), rows <= most)

    # ---- Which rows come into question

    @property
    def _has_reasons(self) -> bool:
        """Reasons that the index of what went wrong knows: of what went well it holds only what a biller said something about."""
        wanted = self._wanted
        return bool(wanted.reasons) and (NO_REASON not in wanted.reasons or (bool(wanted.statuses) and set(wanted.statuses) <= ENDED_UNPAID))

    @property
    def _asks_for_reasons_only(self) -> bool:
        return replace(self._wanted, reasons=()) == TransactionFilter()

    @property
    def _asks_for_words_only(self) -> bool:
        return bool(self._words) and self._wanted_without_words() == TransactionFilter()

    @property
    def _people(self) -> Sequence[uuid.UUID]:
        one = self._wanted.initiated_by
        return (*self._wanted.operators, *((one,) if one else ()))

    @property
    def _has_amounts(self) -> bool:
        return self._wanted.amount_min is not None or self._wanted.amount_max is not None

    @property
    def _has_days(self) -> bool:
        return self._wanted.since is not None or self._wanted.until is not None

    def _needs_more_than_lanes(self, way: Way) -> bool:
        """Is there anything that the lanes of this way are not in the order of?"""
        unordered = self._has_days if way.by_amount else self._has_amounts
        return bool(self._asks_beside_the_index or self._by_the_clock or unordered)

    @property
    def _asks_beside_the_index(self) -> bool:
        """Is anything asked for but lanes, amounts, days, and the clock?"""
        wanted = self._wanted
        return bool(self._words or self._people or wanted.reference.strip() or wanted.reasons or wanted.bank_open or wanted.under_review)

    def _lanes(self, types: Sequence[str]) -> Lanes | None:
        """The filter's lanes of these types (none: of all); None where no row can be in any."""
        wanted = self._wanted
        statuses, kinds = wanted.statuses or tuple(Status), wanted.types or tuple(TransactionType)
        if wanted.in_doubt or wanted.under_review:
            statuses = tuple(status for status in statuses if status == Status.PROCESSING)
        paying_only = wanted.in_doubt or self._has_amounts
        kinds = tuple(kind for kind in kinds if (not types or kind in types) and (kind in PAYING or not paying_only))
        return Lanes(wanted.billers, statuses, kinds) if statuses and kinds else None

    def _few(self, way: Way, lanes: Lanes) -> Source | None:
        """Some rows, few enough to be read and sorted, that all of the filter's are among."""
        return next((source for source in self._narrow(way, lanes) if self._is_few(source)), None)

    def _is_few(self, source: Source) -> bool:
        if source.holds is None:
            return self._is_within(source, source.few)
        return Rollups(self._session).count(source.holds) <= source.few

    def _narrow(self, way: Way, lanes: Lanes) -> Iterator[Source]:
        """What may come down to few rows, the likeliest first."""
        wanted = self._wanted
        if wanted.reference.strip():
            yield self._by_reference(way, wanted.reference.strip(), whole=True)
        if wanted.bank_open:
            yield self._where(Transaction.next_action_at.is_not(None))
        if self._has_reasons:
            yield self._by_reason(replace(way, by_amount=False))
        if self._people:
            yield self._by_person(way)
        if self._has_amounts and not way.by_amount:
            yield replace(self._by_lane(Way(by_amount=True, descending=way.descending), lanes, self._amounts()), few=FEW)
        if not lanes.is_everything or self._has_days:
            # How many there are of some days is known without looking at one of them.
            holds = TransactionFilter(tuple(lanes.billers), tuple(lanes.statuses), tuple(lanes.types), wanted.since, wanted.until) if self._has_days else None
            # Everybody's are read from the one list, and not in pieces from each lane.
            along, always = (EVERYTHING, [Transaction.amount.is_not(None)]) if lanes.are_all_payments else (lanes, [])
            yield replace(self._by_lane(replace(way, by_amount=False, after=None), along, always), holds=holds)

    def _days(self) -> Conditions:
        return TransactionFilter(since=self._wanted.since, until=self._wanted.until).conditions()

    def _amounts(self) -> Conditions:
        return TransactionFilter(amount_min=self._wanted.amount_min, amount_max=self._wanted.amount_max).conditions()

    # ---- By what they are found

    def _by_lane(self, way: Way, lanes: Lanes, always: Conditions = (), stretches: Sequence[tuple[datetime, datetime]] | None = None) -> Source:
        parts: list[FromClause] = []
        if not lanes.is_everything or way.by_amount:
            billers = _each(lanes.billers, Text, "biller") if lanes.billers else select(BillerType.code.label("biller")).subquery()
            statuses, types = _each(lanes.statuses, Text, "status"), _each(lanes.types, Text, "type")
            lane = (Transaction.biller_type == billers.c.biller, Transaction.status == statuses.c.status, Transaction.transaction_type == types.c.type)
            parts, always = [billers, statuses, types], (*lane, *always)
        if way.by_amount:
            # Said aloud: the index of amounts holds no others.
            always = (*always, Transaction.amount.is_not(None))
        if stretches is not None:
            moments = DateTime(timezone=True)
            both = func.unnest(*(bindparam(None, list(ends), type_=ARRAY(moments)) for ends in (zip(*stretches, strict=True) if stretches else ((), ()))))
            stretch = both.table_valued(column("start", moments), column("end", moments)).render_derived()
            parts.append(stretch)
            always = (*always, Transaction.created_at >= stretch.c.start, Transaction.created_at < stretch.c.end)

        def keys(conditions: Conditions, piece: Piece | None) -> Select[Any]:
            one = _head(way, select(*KEYS).where(*always, *conditions), piece)
            return _for_each(parts, one) if parts else one

        is_read = self._words or self._wanted.reasons or self._wanted.under_review or self._wanted.bank_open
        few = FEW_ROWS if is_read else FEW_OF_DAYS if self._has_days else FEW
        return Source(keys, says=Says.LANES, by_amount=way.by_amount, few=few)

    def _by_person(self, way: Way) -> Source:
        way = replace(way, by_amount=False)
        people = _each(self._people, Uuid, "person")
        billers = _each(self._wanted.billers, Text, "biller") if self._wanted.billers else select(BillerType.code.label("biller")).subquery()

        def keys(conditions: Conditions, piece: Piece | None) -> Select[Any]:
            theirs = (Transaction.initiated_by == people.c.person, Transaction.biller_type == billers.c.biller)
            one = _head(way, select(*KEYS).where(*theirs, *conditions), piece).lateral()
            return select(*one.c).select_from(people.join(billers, true()).join(one, true()))

        return Source(keys, says=Says.NOTHING, by_amount=False, few=FEW_ROWS)

    def _by_reason(self, way: Way) -> Source:
        reasons = _each(self._wanted.reasons, Text, "reason")

        def keys(conditions: Conditions, piece: Piece | None) -> Select[Any]:
            one = _head(way, select(*KEYS).where(reasons.c.reason == REASON, WENT_WRONG, *conditions), piece).lateral()
            return select(*one.c).select_from(reasons.join(one, true()))

        return Source(keys, says=Says.NOTHING, by_amount=way.by_amount, few=FEW_REASONS)

    def _where(self, *which: ColumnElement[bool]) -> Source:
        return Source(lambda conditions, _piece: select(*KEYS).where(*which, *conditions).offset(0), says=Says.NOTHING, by_amount=False, few=FEW_ROWS)

    def _by_reference(self, way: Way, term: str, *, whole: bool) -> Source:
        """A reference, or how one begins."""

        def keys(conditions: Conditions, piece: Piece | None) -> Select[Any]:
            arms = []
            for place, start in references(term):
                begins = (place.op("~>=~")(start), place.op("~<~")(start + LAST_LETTER))
                is_meant = (place == start,) if whole or len(term) < SHORTEST_PART else begins
                # Behind a fence: in the order of references there is nothing to go along, and all the list would be gone along instead.
                one = select(*KEYS).where(*is_meant, *conditions).offset(0).subquery()
                arms.append(select(*(_head(way, select(*one.c), piece, one.c) if piece else select(*one.c)).subquery().c))
            every = union(*arms).subquery()
            return select(*every.c)

        return Source(keys, says=Says.NOTHING, by_amount=way.by_amount, few=FEW_ROWS)

    def _by_words(self, way: Way, found: Found | None = None, *, likely: bool = False) -> Source:
        """The accounts that hold a word, and what has it as a reference. `likely`: rows of accounts that a name is known of, whether they have it or not."""
        words, found = self._words, found or self._words.found
        by_number, by_name = (_each(some, Text, "account") for some in (found.by_number, found.by_name))

        def of(accounts: Subquery, conditions: Conditions, piece: Piece | None) -> Select[Any]:
            # An account's rows lie in the order of time, and in no other.
            theirs = select(*KEYS).where(Transaction.account_number == accounts.c.account, *conditions)
            one = _head(way, theirs, None if way.by_amount else piece).lateral()
            every = select(*one.c).select_from(accounts.join(one, true()))
            found = (_head(way, every, piece, one.c) if piece else every).subquery()
            return select(*found.c)

        def keys(conditions: Conditions, piece: Piece | None) -> Select[Any]:
            unread = [*conditions, *self._wanted_without_words().conditions(), *words.said_by_number.conditions()]
            conditions = [*conditions, *self._wanted.conditions()]
            if words.is_account:
                return of(by_number, unread, piece)
            by_reference = self._by_reference(way, words.term, whole=False).keys(unread, piece)
            every = union(of(by_number, unread, piece), of(by_name, unread if likely else conditions, piece), by_reference).subquery()
            return select(*every.c)

        return Source(keys, says=Says.EVERYTHING, by_amount=way.by_amount)

    def _wanted_without_words(self) -> TransactionFilter:
        return replace(self._wanted, account="", search="")

    @cached_property
    def _words_are_rare(self) -> bool:
        """Are there so few accounts and references with the word that all of them can be looked up?"""
        return self._words.are_few and (self._words.is_account or self._begins_few)

    @cached_property
    def _begins_few(self) -> bool:
        """Are there few references that begin with the word?"""
        return self._is_within(self._beginning(), FEW_ROWS)

    def _beginning(self) -> Source:
        return self._by_reference(Way(by_amount=False, descending=True), self._words.term, whole=False)

    def _billers_with_words(self) -> Sequence[str]:
        """Whose payments may have the word; no biller is left out whose references begin with it."""
        known = set(self._words.billers())
        if self._words.is_account:
            return sorted(known)
        if not self._begins_few:
            return self._wanted.billers or self._session.scalars(select(BillerType.code)).all()
        keys = self._beginning().keys((), None).subquery()
        begun = self._session.scalars(select(Transaction.biller_type).join(keys, keys.c.id == Transaction.id).distinct())
        return sorted(known | {biller for biller in begun if not self._wanted.billers or biller in self._wanted.billers})

    # ---- The clock on the wall

    @property
    def _by_the_clock(self) -> bool:
        return bool(self._wanted.weekdays or self._wanted.time_of_day)

    def _stretches(self, way: Way) -> list[tuple[datetime, datetime]]:
        """From when to when the days and times last that the filter means, in the order of the way. None is left out; some are too long."""
        wanted, zone = self._wanted, ZoneInfo(self._wanted.zone)
        oldest, newest = self._session.execute(select(func.min(Transaction.created_at), func.max(Transaction.created_at))).one()
        if oldest is None:
            return []
        since, until = max(oldest, wanted.since or oldest), min(newest, wanted.until or newest)
        if way.after is not None:
            since, until = (since, min(until, way.after.created_at)) if way.descending else (max(since, way.after.created_at), until)
        first, last = since.astimezone(zone).date(), until.astimezone(zone).date()
        days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
        found = [_on_day(day, wanted.time_of_day, zone) for day in days if not wanted.weekdays or day.weekday() in wanted.weekdays]
        return found[::-1] if way.descending else found

    def _edge(self, way: Way, lanes: Lanes, depth: int, before: Cursor | None = None) -> Cursor | None:
        """The place down to which no lane has more than so many rows, and one has. None: no lane has so many.

        `before` is such a place of less depth. The lane that it lies in likely has the next one, too: no other lane is gone along beyond that.
        """
        everything = lanes.is_everything and not way.by_amount
        # The plain list is one lane that holds all, and goes deeper than any of those it is made of.
        if before is not None and not everything and (near := self._edge(way, self._lane_of(before), depth)) is not None:
            way = replace(way, edge=near)
        skip = depth * PLAIN_IS_DEEPER if everything else depth
        source = self._by_lane(way, lanes)
        days = _without_days_behind(TransactionFilter(since=self._wanted.since, until=self._wanted.until), way).conditions()
        within = [*days, *(self._amounts() if way.by_amount else ()), *way.conditions()]
        keys = source.keys(within, Piece(1, behind=skip - 1)).subquery()
        row = self._session.execute(select(keys).order_by(*way.order(keys.c)).limit(1)).one_or_none()
        return None if row is None else Cursor(row.created_at, row.id, row.amount if way.by_amount else None)

    def _lane_of(self, place: Cursor) -> Lanes:
        one = self._session.get_one(Transaction, place.id)
        return Lanes((one.biller_type,), (one.status,), (one.transaction_type,))


def _without_days_behind(wanted: TransactionFilter, way: Way) -> TransactionFilter:
    """A day that the place lies behind need not be said: the server would begin at the day, and go along the list up to the place."""
    if way.after is None or way.by_amount:
        return wanted
    if way.descending and wanted.until and way.after.created_at < wanted.until:
        return replace(wanted, until=None)
    if not way.descending and wanted.since and way.after.created_at > wanted.since:
        return replace(wanted, since=None)
    return wanted


def _ways(sort: Sort, after: Cursor | None, back: bool) -> Iterator[tuple[Way, Sequence[str]]]:
    """By time there is one, through all types; by amount look-ups come behind all payments, in the order of time."""
    descending = sort.descending is not back
    if not sort.by_amount:
        yield Way(by_amount=False, descending=descending, after=after), ()
        return
    is_behind = after is not None and after.amount is None
    paying = Way(by_amount=True, descending=descending, after=None if is_behind else after), PAYING
    asking = Way(by_amount=False, descending=descending, after=after if is_behind else None, asking=True), ASKING
    if back:
        yield from (asking, paying) if is_behind else (paying,)
    else:
        yield from (asking,) if is_behind else (paying, asking)


def _head(way: Way, keys: Select[Any], piece: Piece | None, columns: Any = Transaction) -> Select[Any]:
    """That piece of them, which lie in the order of a way; all, in no order, without one."""
    # A fence: merged with what stands around it, the planner would join where it is to look up, or go along where it is to sort.
    fenced = keys.offset(0)
    if piece is None:
        return fenced
    if piece.of is not None and piece.of.by_amount is not way.by_amount:
        outside = [one for one in keys.get_final_froms() if one is not Transaction.__table__]
        every = fenced.correlate(*outside).lateral()
        return select(*every.c).order_by(*piece.of.order(every.c)).offset(piece.behind).limit(piece.count)
    ordered = keys.order_by(*way.order(columns)) if piece.in_order else keys
    return ordered.offset(piece.behind).limit(piece.count)


def _for_each(parts: Sequence[FromClause], keys: Select[Any]) -> Select[Any]:
    """The keys of each combination of the parts."""
    one, every = keys.lateral(), parts[0]
    for part in parts[1:]:
        every = every.join(part, true())
    return select(*one.c).select_from(every.join(one, true()))


def _on_day(day: date, times: tuple[time, time] | None, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The day, or the times of it. Whole where they go beyond midnight; where a clock was set back, from its first hour to its second."""
    first, second = times if times and times[0] < times[1] else (time.min, None)
    start = datetime.combine(day, first, zone)
    end = datetime.combine(day, second, zone).replace(fold=1) if second else datetime.combine(day + timedelta(days=1), time.min, zone).replace(fold=1)
    return start.astimezone(UTC), end.astimezone(UTC)


def _each(values: Sequence[Any], kind: Any, name: str) -> Subquery:
    """Each of the values, as rows."""
    every = func.unnest(bindparam(None, [str(one) if kind is Text else one for one in values], type_=ARRAY(kind)))
    return select(every.label(name)).subquery()
