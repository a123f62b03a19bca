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
from functools import cached_property
from math import sqrt
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Select, func, select, text
from sqlalchemy.orm import Session

from core import db
from core.models import BillerType, Transaction
from core.repositories.filters import NO_REASON, Term, TransactionFilter, in_numbers
from core.repositories.rollups import Rollups
from core.repositories.sources import (
    ByLane,
    ByPerson,
    ByReason,
    ByReference,
    ByWords,
    Likely,
    Rows,
    Says,
    Source,
    Terms,
    Waiting,
    billers_of,
    count_of,
    edge_of,
    likely_page_of,
    page_of,
)
from core.repositories.values import put_together
from core.repositories.ways import EVERYTHING, PAYING, Cursor, Lanes, Sort, Way, ways
from core.repositories.words import Found, Words
from core.states import Status, TransactionType

# So many rows are read and sorted within some milliseconds, where an index holds what is asked of them; fewer, where the row itself is looked at.
FEW, FEW_ROWS = 8_000, 8_000
# Two days of a busy bank.
FEW_OF_DAYS = 60_000
# The index of what went wrong is small, and holds everything that is asked beside a reason.
FEW_REASONS = 150_000

# All rows, the newest first.
ANY_WAY = Way(by_amount=False, descending=True)
# A payment has an amount.
_PAYS = Term(lambda: Transaction.amount.is_not(None))

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
# So many rows with a word tell how many there are in all the others; the list is looked through further than a page of them should take, by so many deviations.
TELLING, SURELY = 3, 1.5
# Of accounts with a name so many rows are looked at for each that is wanted.
LIKELY = 4
# The plain list is one lane that holds all.
PLAIN_IS_DEEPER = 10

# How deep a count goes that cannot be told in another way.
DEEPEST_COUNT, DEEPEST_COUNT_OF_WORDS = 2_500, 1_000

ENDED_UNPAID = frozenset({Status.FAILED.value, Status.CANCELLED.value, Status.REVERSED.value})

# In `Session.info`: it was said for all of the unit of work.
_IS_BY_INDEX = "by index"
_BY_INDEX, _AS_BEFORE = (text(f"SET LOCAL enable_sort = {is_on}; SET LOCAL enable_seqscan = {is_on}") for is_on in ("off", "on"))
_ENDS = select(func.min(Transaction.created_at), func.max(Transaction.created_at))
_BILLERS = select(BillerType.code)


def read_by_index(session: Session) -> None:
    """From here on to the end of the unit of work, which does nothing but read lists."""
    session.execute(_BY_INDEX)
    session.info[_IS_BY_INDEX] = True


@contextmanager
def by_index(session: Session) -> Iterator[None]:
    """What is in order already is not sorted again: the planner, who takes lanes for short, would rather read one whole than go along it."""
    if session.info.get(_IS_BY_INDEX):
        yield
        return
    session.execute(_BY_INDEX)
    yield
    session.execute(_AS_BEFORE)


@dataclass(frozen=True, slots=True)
class Reckoned:
    """A count that stops somewhere. Not exact: there are at least so many."""

    rows: int
    is_exact: bool


@dataclass(frozen=True, slots=True)
class Narrow:
    """Rows that all of the filter's are among, and how many of such are read and sorted at once."""

    source: Source
    few: int = FEW_ROWS
    # Where it is everything that a filter holds which sums can tell of: that filter.
    holds: TransactionFilter | None = None


class Walk:
    """The rows of one filter, inside the caller's unit of work. `beside`: what must hold of them that no filter says."""

    def __init__(self, session: Session, wanted: TransactionFilter, beside: Terms = ()) -> None:
        self._session = session
        self._wanted = wanted
        self._beside = beside
        self._words = Words(session, wanted)
        # How many rows filters have that sums tell of.
        self._held: dict[TransactionFilter, int] = {}

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
        with by_index(self._session):
            for way, types in ways(sort, after, back):
                found += self._rows(way, self._lanes(types), count - len(found))
                if len(found) == count:
                    break
        return found

    def skipped(self, sort: Sort, count: int) -> Transaction | None:
        """The row that `count` others stand before, where so few come into question that they can be counted through."""
        with by_index(self._session):
            for way, types in ways(sort, None, back=False):
                lanes = self._lanes(types)
                if lanes is None:
                    continue
                few = self._few(way, lanes)
                if few is None:
                    return None
                rows = self._rows_of(few, way)
                if found := self._read(page_of, rows, 1, None, count):
                    return found[0]
                count -= self._count(rows)
        return None

    def behind(self, until: datetime, count: int) -> Transaction | None:
        """Of those before a moment, newest first, the row that `count` others stand before: for some thousands of them."""
        way, walk = ANY_WAY, Walk(self._session, replace(self._wanted, until=until))
        lanes = walk._lanes(())
        if lanes is None:
            return None
        with by_index(self._session):
            found = self._read(page_of, walk._rows_of(ByLane.of(way, lanes), way), 1, count + 1, count)
        return found[0] if found else None

    def _rows(self, way: Way, lanes: Lanes | None, count: int) -> list[Transaction]:
        if lanes is None:
            return []
        if not self._needs_more_than_lanes(way):
            return self._first(ByLane.of(way, lanes), way, count)
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
            return self._first(ByLane.of(way, lanes), way, count)
        depths = DEPTHS_FOR_AMOUNTS if self._has_amounts else DEPTHS
        return self._along(way, lanes, count, depths)

    def _along(self, way: Way, lanes: Lanes, count: int, depths: Sequence[int]) -> list[Transaction]:
        """The page from the first rows of the lanes, or from all of them."""
        rows = self._looked_through(way, lanes, count, depths)
        return self._first(ByLane.of(way, lanes), way, count) if rows is None else rows

    def _looked_through(self, way: Way, lanes: Lanes, count: int, depths: Sequence[int]) -> list[Transaction] | None:
        """The page from the first rows of the lanes; None where they do not fill it, and there are more."""
        edge, deeper = None, [*depths]
        while deeper:
            depth = deeper.pop(0)
            rows, edge = self._down_to(way, lanes, count, depth, edge)
            if len(rows) == count or edge is None:
                return rows
            if deeper and len(rows) >= TELLING and (likely := _likely_depth(depth, len(rows), count)) < deeper[0]:
                deeper.insert(0, likely)
        return None

    def _down_to(self, way: Way, lanes: Lanes, count: int, depth: int, before: Cursor | None = None) -> tuple[list[Transaction], Cursor | None]:
        """What a page has of the rows down to a depth, and where that is; None: that was all there is. `before`: where a lesser depth was."""
        edge = self._edge(way, lanes, depth, before)
        within = replace(way, edge=edge)
        return self._first(ByLane.of(within, lanes), within, count), edge

    def _with_words(self, way: Way, lanes: Lanes, count: int) -> list[Transaction]:
        if self._words.is_whole_number and self._words_are_rare:
            return self._of_accounts(way, count)
        first, *deeper = DEPTHS_FOR_WORDS if self._words.are_solid else DEPTHS_FOR_SYLLABLES
        # Newer and older rows are of all billers alike; small amounts are of some only, and those may not have the word at all.
        if not way.by_amount:
            some, edge = self._down_to(way, lanes, count, first)
            if TELLING <= len(some) < count and edge is not None:
                # They tell how far the page reaches, and that is nearer than all accounts with the word.
                some, edge = self._down_to(way, lanes, count, _likely_depth(first, len(some), count), edge)
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
        return self._of_accounts(way, count) if self._words.are_few else self._first(ByLane.of(way, lanes), way, count)

    def _of_numbers(self, way: Way, lanes: Lanes, count: int) -> list[Transaction]:
        """By amount, what has the word in a number, which the lanes tell without a look at a row, and what few have it as a reference."""
        walk = Walk(self._session, self._wanted_without_words, (in_numbers(self._words.term),))
        rows = walk._along(way, lanes, count, DEPTHS_FOR_NUMBERS)
        begun = self._first(ByReference.of(way, self._words.term, whole=False), way, count)
        every = {row.id: row for row in (*rows, *begun)}.values()
        return sorted(every, key=lambda row: (row.amount, row.created_at, row.id), reverse=way.descending)[:count]

    def _of_accounts(self, way: Way, count: int) -> list[Transaction]:
        """Nearly every row of an account has the name that the account is known by: the first ones are looked at, and the rest only where those do not do."""
        likely = Likely(self._rows_of(self._by_words(way, likely=True), way), self._terms)
        rows = self._read(likely_page_of, likely, count, count * LIKELY)
        return rows if len(rows) == count else self._first(self._by_words(way), way, count)

    def _on_the_wall(self, way: Way, lanes: Lanes, count: int) -> list[Transaction]:
        """Stretch by stretch, each of them whole: what lies between the Fridays is not gone through."""
        stretches, done = self._stretches(way), 0
        for size in (*STRETCHES, len(stretches)):
            some = stretches[done:] if size == len(stretches) else stretches[done : done + size]
            done += len(some)
            rows = self._first(ByLane.of(way, lanes, stretches=stretches[:done]), way, count)
            if len(rows) == count or done >= len(stretches):
                return rows
        return []

    def _first(self, source: Source, way: Way, count: int) -> list[Transaction]:
        return self._read(page_of, self._rows_of(source, way), count, count, None)

    def _read(self, build: Callable[..., Select[Any]], *asked: Any) -> list[Transaction]:
        return list(self._session.scalars(*put_together(build, *asked)))

    def _count(self, rows: Rows, most: int | None = None) -> int:
        return self._session.scalar(*put_together(count_of, rows, most)) or 0

    def _rows_of(self, source: Source, way: Way) -> Rows:
        """The filter's rows among them. Nothing is said twice: the planner would take rows that are many for few."""
        if source.says is Says.EVERYTHING:
            return Rows(source, (), way)
        wanted = replace(self._wanted, billers=(), statuses=(), types=(), in_doubt=False) if source.says is Says.LANES else self._wanted
        return Rows(source, (*_without_days_behind(wanted, way).terms(), *self._beside), way)

    def _is_within(self, source: Source, most: int) -> bool:
        """Do no more than so many rows come into question?"""
        # Along the amounts rows of other days are gone past as well: they count, or a month would be looked for in a year.
        return self._count(Rows(source, () if source.by_amount else self._days, ANY_WAY), most + 1) <= most

    # ---- Counts

    def reckoned(self, most: int) -> Reckoned:
        """How many rows there are, up to `most`, without reading much more than that."""
        with by_index(self._session):
            return self._reckon(most)

    def _reckon(self, most: int) -> Reckoned:
        way, lanes = ANY_WAY, self._lanes(())
        if lanes is None:
            return Reckoned(0, is_exact=True)
        if not self._needs_more_than_lanes(way):
            return self._reckoned(ByLane.of(way, lanes), way, most)
        if self._has_reasons and self._asks_for_reasons_only:
            return self._reckoned(self._by_reason(way), way, most)
        if self._asks_for_words_only and not self._words.first.are_all:
            found = self._reckoned(self._by_words(way, self._words.first), way, most)
            if not found.is_exact:
                return found
        if (few := self._few(way, lanes)) is not None:
            return self._reckoned(few, way, most)
        if self._words and lanes.is_everything and not self._has_days:
            found = self._reckoned(self._by_words(way), way, most)
            return Reckoned(found.rows, found.is_exact and self._words_are_rare)
        if self._words and self._words.some.are_all and (self._words.is_account or self._begins_few):
            # Few of their rows may be left by what else is asked, and so all of them are looked at.
            return self._reckoned(self._by_words(way, self._words.some), way, most)
        edge = self._edge(way, lanes, DEEPEST_COUNT_OF_WORDS if self._words else DEEPEST_COUNT)
        within = replace(way, edge=edge)
        found = self._reckoned(ByLane.of(within, lanes), within, most)
        return Reckoned(found.rows, found.is_exact and edge is None)

    def _reckoned(self, source: Source, way: Way, most: int) -> Reckoned:
        rows = self._count(self._rows_of(source, way), most + 1)
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
        return bool(self._words) and self._wanted_without_words == TransactionFilter()

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
        return next((narrow.source for narrow in self._narrow(way, lanes) if self._is_few(narrow)), None)

    def _is_few(self, narrow: Narrow) -> bool:
        if narrow.holds is None:
            return self._is_within(narrow.source, narrow.few)
        if narrow.holds not in self._held:
            self._held[narrow.holds] = Rollups(self._session).count(narrow.holds)
        return self._held[narrow.holds] <= narrow.few

    def _narrow(self, way: Way, lanes: Lanes) -> Iterator[Narrow]:
        """What may come down to few rows, the likeliest first."""
        wanted, by_time = self._wanted, replace(way, by_amount=False)
        if term := wanted.reference.strip():
            yield Narrow(ByReference.of(way, term, whole=True))
        if wanted.bank_open:
            yield Narrow(Waiting(by_time.whole))
        if self._has_reasons:
            yield Narrow(self._by_reason(by_time), FEW_REASONS)
        if self._people:
            yield Narrow(ByPerson(by_time.whole, self._people, wanted.billers))
        if self._has_amounts and not way.by_amount:
            yield Narrow(ByLane.of(Way(by_amount=True, descending=way.descending), lanes, self._amounts), FEW)
        if not lanes.is_everything or self._has_days:
            # How many there are of some days is known without looking at one of them.
            holds = TransactionFilter(tuple(lanes.billers), tuple(lanes.statuses), tuple(lanes.types), wanted.since, wanted.until) if self._has_days else None
            # Everybody's are read from the one list, and not in pieces from each lane.
            along, always = (EVERYTHING, (_PAYS,)) if lanes.are_all_payments else (lanes, ())
            is_read = self._words or wanted.reasons or wanted.under_review or wanted.bank_open
            yield Narrow(ByLane.of(by_time, along, always), FEW_ROWS if is_read else FEW_OF_DAYS if self._has_days else FEW, holds)

    @cached_property
    def _terms(self) -> Terms:
        return tuple(self._wanted.terms())

    @cached_property
    def _days(self) -> Terms:
        return tuple(TransactionFilter(since=self._wanted.since, until=self._wanted.until).terms())

    @cached_property
    def _amounts(self) -> Terms:
        return tuple(TransactionFilter(amount_min=self._wanted.amount_min, amount_max=self._wanted.amount_max).terms())

    # ---- By what they are found

    def _by_reason(self, way: Way) -> ByReason:
        return ByReason(way.whole, self._wanted.reasons)

    def _by_words(self, way: Way, found: Found | None = None, *, likely: bool = False) -> ByWords:
        """The accounts that hold a word, and what has it as a reference. `likely`: rows of accounts that a name is known of, whether they have it or not."""
        words, found = self._words, found or self._words.found
        unread = (*self._wanted_without_words.terms(), *words.said_by_number.terms())
        if words.is_account:
            return ByWords(way.whole, found.by_number, unread)
        reference = ByReference.of(way, words.term, whole=False)
        return ByWords(way.whole, found.by_number, unread, found.by_name, unread if likely else self._terms, reference)

    @cached_property
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

    def _beginning(self) -> ByReference:
        return ByReference.of(ANY_WAY, self._words.term, whole=False)

    def _billers_with_words(self) -> Sequence[str]:
        """Whose payments may have the word; no biller is left out whose references begin with it."""
        known = set(self._words.billers())
        if self._words.is_account:
            return sorted(known)
        if not self._begins_few:
            return self._wanted.billers or self._session.scalars(_BILLERS).all()
        begun = self._session.scalars(*put_together(billers_of, Rows(self._beginning(), (), ANY_WAY)))
        return sorted(known | {biller for biller in begun if not self._wanted.billers or biller in self._wanted.billers})

    # ---- The clock on the wall

    @property
    def _by_the_clock(self) -> bool:
        return bool(self._wanted.weekdays or self._wanted.time_of_day)

    def _stretches(self, way: Way) -> list[tuple[datetime, datetime]]:
        """From when to when the days and times last that the filter means, in the order of the way. None is left out; some are too long."""
        wanted, zone = self._wanted, ZoneInfo(self._wanted.zone)
        oldest, newest = self._session.execute(_ENDS).one()
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
        days = _without_days_behind(TransactionFilter(since=self._wanted.since, until=self._wanted.until), way).terms()
        rows = Rows(ByLane.of(way, lanes), (*days, *(self._amounts if way.by_amount else ())), way)
        row = self._session.execute(*put_together(edge_of, rows, skip - 1)).one_or_none()
        return None if row is None else Cursor(row.created_at, row.id, row.amount if way.by_amount else None)

    def _lane_of(self, place: Cursor) -> Lanes:
        one = self._session.get_one(Transaction, place.id)
        return Lanes((one.biller_type,), (one.status,), (one.transaction_type,))


def _likely_depth(depth: int, found: int, count: int) -> int:
    """How deep a page lies of which so many rows were found down to a depth: the fewer, the less they tell, and the further it may be."""
    return int(depth * count / found * (1 + SURELY * sqrt(1 / found + 1 / count)))


def _without_days_behind(wanted: TransactionFilter, way: Way) -> TransactionFilter:
    """A day that the place lies behind need not be said: the server would begin at the day, and go along the list up to the place."""
    if way.after is None or way.by_amount:
        return wanted
    if way.descending and wanted.until and way.after.created_at < wanted.until:
        return replace(wanted, until=None)
    if not way.descending and wanted.since and way.after.created_at > wanted.since:
        return replace(wanted, since=None)
    return wanted


def _on_day(day: date, times: tuple[time, time] | None, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The day, or the times of it. Whole where they go beyond midnight; where a clock was set back, from its first hour to its second."""
    first, second = times if times and times[0] < times[1] else (time.min, None)
    start = datetime.combine(day, first, zone)
    end = datetime.combine(day, second, zone).replace(fold=1) if second else datetime.combine(day + timedelta(days=1), time.min, zone).replace(fold=1)
    return start.astimezone(UTC), end.astimezone(UTC)
