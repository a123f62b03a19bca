"""The rows that come into question for a list, by what they are found by, and the statements that read them: each put together once for all who ask alike."""

import uuid
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum, auto
from functools import lru_cache
from typing import Any, ClassVar

from sqlalchemy import (
    ColumnElement,
    DateTime,
    FromClause,
    Select,
    Subquery,
    column,
    func,
    literal_column,
    select,
    true,
    union,
)

from core.models import BillerType, Transaction
from core.models.transactions import HAS_GONE_WRONG, REASON_SAID
from core.repositories.filters import Term, as_references, is_short, references
from core.repositories.values import Values
from core.repositories.ways import Lanes, Way

# After every letter there is: what begins with a word lies before the word and this.
LAST_LETTER = "\U0010ffff"

# What the index of what went wrong holds: what a biller said something about, and what ended unpaid without a word.
WENT_WRONG: ColumnElement[bool] = literal_column(f"({HAS_GONE_WRONG})")
REASON: ColumnElement[str] = literal_column(f"({REASON_SAID})")

# So many statements of each kind are kept: of what people ask in a day few differ in more than their values.
STATEMENTS = 128

# Of rows that lie in another order so many tell which amounts need not be looked at.
SAMPLED = 500

MOMENT = DateTime(timezone=True)
KEYS: tuple[Any, ...] = (Transaction.created_at, Transaction.id, Transaction.amount)

Conditions = Sequence[ColumnElement[bool]]
Terms = tuple[Term, ...]


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
class Source(ABC):
    """Rows that come into question, in pieces that have the order of a way."""

    way: Way
    says: ClassVar = Says.NOTHING

    @property
    def by_amount(self) -> bool:
        return self.way.by_amount

    @abstractmethod
    def placed(self, values: Values) -> "Source":
        """The same, with places for its values."""

    @abstractmethod
    def keys(self, conditions: Conditions, piece: Piece | None) -> Select[Any]:
        """Of those that meet further conditions; given a piece, that piece of each of its parts."""


@dataclass(frozen=True, slots=True)
class ByLane(Source):
    """Lane by lane, or the one list of all. `stretches`: from when to when, each of them by itself."""

    lanes: Lanes | None
    always: Terms = ()
    stretches: tuple[Sequence[datetime], Sequence[datetime]] | None = None
    says: ClassVar = Says.LANES

    @classmethod
    def of(cls, way: Way, lanes: Lanes, always: Terms = (), stretches: Sequence[tuple[datetime, datetime]] | None = None) -> "ByLane":
        from_to = None if stretches is None else ([start for start, _ in stretches], [end for _, end in stretches])
        return cls(way.whole, None if lanes.is_everything and not way.by_amount else lanes, always, from_to)

    def placed(self, values: Values) -> "ByLane":
        lanes = self.lanes and self.lanes.placed(values)
        stretches = self.stretches and tuple(values.array(moments, datetime) for moments in self.stretches)
        return replace(self, lanes=lanes, always=_placed(self.always, values), stretches=stretches)

    def keys(self, conditions: Conditions, piece: Piece | None) -> Select[Any]:
        parts: list[FromClause] = []
        always: list[ColumnElement[bool]] = []
        if self.lanes is not None:
            billers, statuses, types = _billers(self.lanes.billers), _each(self.lanes.statuses, "status"), _each(self.lanes.types, "type")
            parts += [billers, statuses, types]
            always += [Transaction.biller_type == billers.c.biller, Transaction.status == statuses.c.status, Transaction.transaction_type == types.c.type]
        always += [one.condition() for one in self.always]
        if self.by_amount:
            # Said aloud: the index of amounts holds no others.
            always.append(Transaction.amount.is_not(None))
        if self.stretches is not None:
            stretch = func.unnest(*self.stretches).table_valued(column("start", MOMENT), column("end", MOMENT)).render_derived()
            parts.append(stretch)
            always += [Transaction.created_at >= stretch.c.start, Transaction.created_at < stretch.c.end]
        one = _head(self.way, select(*KEYS).where(*always, *conditions), piece)
        return _for_each(parts, one) if parts else one


@dataclass(frozen=True, slots=True)
class ByPerson(Source):
    """What these people submitted, biller by biller."""

    people: Any
    # None of them: all.
    billers: Any

    def placed(self, values: Values) -> "ByPerson":
        return replace(self, people=values.array(self.people, uuid.UUID), billers=values.array(self.billers, str) if self.billers else None)

    def keys(self, conditions: Conditions, piece: Piece | None) -> Select[Any]:
        people, billers = _each(self.people, "person"), _billers(self.billers)
        theirs = (Transaction.initiated_by == people.c.person, Transaction.biller_type == billers.c.biller)
        return _for_each([people, billers], _head(self.way, select(*KEYS).where(*theirs, *conditions), piece))


@dataclass(frozen=True, slots=True)
class ByReason(Source):
    """What went wrong for these reasons, reason by reason."""

    reasons: Sequence[str]

    def placed(self, values: Values) -> "ByReason":
        return replace(self, reasons=values.array(self.reasons, str))

    def keys(self, conditions: Conditions, piece: Piece | None) -> Select[Any]:
        reasons = _each(self.reasons, "reason")
        return _for_each([reasons], _head(self.way, select(*KEYS).where(reasons.c.reason == REASON, WENT_WRONG, *conditions), piece))


@dataclass(frozen=True, slots=True)
class Waiting(Source):
    """What somebody has to do something about, or to ask about, at some time."""

    def placed(self, values: Values) -> "Waiting":
        return self

    def keys(self, conditions: Conditions, piece: Piece | None) -> Select[Any]:
        return select(*KEYS).where(Transaction.next_action_at.is_not(None), *conditions).offset(0)


@dataclass(frozen=True, slots=True)
class ByReference(Source):
    """A reference, or how one begins: in our letters and in others'. `ends`: what the last of those lies before; None: the whole of it is meant."""

    starts: tuple[str, str]
    ends: tuple[str, str] | None

    @classmethod
    def of(cls, way: Way, term: str, *, whole: bool) -> "ByReference":
        starts = as_references(term)
        return cls(way.whole, starts, None if whole or is_short(term) else (starts[0] + LAST_LETTER, starts[1] + LAST_LETTER))

    def placed(self, values: Values) -> "ByReference":
        starts = values.place(self.starts[0]), values.place(self.starts[1])
        return replace(self, starts=starts, ends=self.ends and (values.place(self.ends[0]), values.place(self.ends[1])))

    def keys(self, conditions: Conditions, piece: Piece | None) -> Select[Any]:
        arms = []
        for (place, start), (_, end) in zip(references(*self.starts), references(*(self.ends or self.starts)), strict=True):
            is_meant = (place == start,) if self.ends is None else begins(place, start, end)
            # Behind a fence: in the order of references there is nothing to go along, and all the list would be gone along instead.
            one = select(*KEYS).where(*is_meant, *conditions).offset(0).subquery()
            arms.append(select(*(_head(self.way, select(*one.c), piece, one.c) if piece else select(*one.c)).subquery().c))
        every = union(*arms).subquery()
        return select(*every.c)


@dataclass(frozen=True, slots=True)
class ByWords(Source):
    """The rows of the accounts that hold a word, and what has it as a reference. Of accounts that have it in a number and in a name other things are asked."""

    by_number: Sequence[str]
    of_numbers: Terms
    by_name: Sequence[str] = ()
    of_names: Terms = ()
    # None: only accounts are looked for.
    references: ByReference | None = None
    says: ClassVar = Says.EVERYTHING

    def placed(self, values: Values) -> "ByWords":
        return ByWords(
            self.way,
            *(values.array(self.by_number, str), _placed(self.of_numbers, values)),
            *(values.array(self.by_name, str), _placed(self.of_names, values)),
            self.references and self.references.placed(values),
        )

    def keys(self, conditions: Conditions, piece: Piece | None) -> Select[Any]:
        of_numbers, of_names = ([*conditions, *(one.condition() for one in terms)] for terms in (self.of_numbers, self.of_names))
        numbers = self._of(self.by_number, of_numbers, piece)
        if self.references is None:
            return numbers
        every = union(numbers, self._of(self.by_name, of_names, piece), self.references.keys(of_numbers, piece)).subquery()
        return select(*every.c)

    def _of(self, accounts: Sequence[str], conditions: Conditions, piece: Piece | None) -> Select[Any]:
        # An account's rows lie in the order of time, and in no other.
        each = _each(accounts, "account")
        theirs = select(*KEYS).where(Transaction.account_number == each.c.account, *conditions)
        one = _head(self.way, theirs, None if self.way.by_amount else piece).lateral()
        every = select(*one.c).select_from(each.join(one, true()))
        found = (_head(self.way, every, piece, one.c) if piece else every).subquery()
        return select(*found.c)


@dataclass(frozen=True, slots=True)
class Rows:
    """Those of a source of which these things hold, on a way."""

    source: Source
    terms: Terms
    way: Way

    def placed(self, values: Values) -> "Rows":
        return Rows(self.source.placed(values), _placed(self.terms, values), self.way.placed(values))

    def keys(self, piece: Piece | None = None) -> Select[Any]:
        return self.source.keys([*(one.condition() for one in self.terms), *self.way.conditions()], piece)


@dataclass(frozen=True, slots=True)
class Likely:
    """Rows that most likely are what is asked, and what is asked of each of them."""

    rows: Rows
    terms: Terms

    def placed(self, values: Values) -> "Likely":
        return Likely(self.rows.placed(values), _placed(self.terms, values))


# ---- Statements


@lru_cache(STATEMENTS)
def page_of(rows: Rows, count: int, of_each: int | None, behind: int | None) -> Select[Any]:
    """`count` of them in order, behind so many others; of each part of the source so many are looked at (None: all)."""
    way = rows.way
    keys = rows.keys(None if of_each is None else Piece(of_each, of=way)).subquery()
    some = select(keys).order_by(*way.order(keys.c)).limit(count)
    chosen = (some if behind is None else some.offset(behind)).subquery()
    return select(Transaction).join(chosen, chosen.c.id == Transaction.id).order_by(*way.order(chosen.c))


@lru_cache(STATEMENTS)
def likely_page_of(likely: Likely, count: int, looked_at: int) -> Select[Any]:
    """`count` of the first so many of which the rest holds, too."""
    way = likely.rows.way
    keys = likely.rows.keys(Piece(looked_at, of=way)).subquery()
    first = select(keys).order_by(*way.order(keys.c)).limit(looked_at).subquery()
    asked = (one.condition() for one in likely.terms)
    return select(Transaction).join(first, first.c.id == Transaction.id).where(*asked).order_by(*way.order(first.c)).limit(count)


@lru_cache(STATEMENTS)
def edge_of(rows: Rows, behind: int) -> Select[Any]:
    """The first place that so many rows of one part of the source stand before."""
    keys = rows.keys(Piece(1, behind=behind)).subquery()
    return select(keys).order_by(*rows.way.order(keys.c)).limit(1)


@lru_cache(STATEMENTS)
def count_of(rows: Rows, most: int | None) -> Select[Any]:
    """How many there are, up to so many."""
    keys = rows.keys() if most is None else rows.keys(Piece(most, in_order=False)).limit(most)
    return select(func.count()).select_from(keys.subquery())


@lru_cache(STATEMENTS)
def billers_of(rows: Rows) -> Select[Any]:
    keys = rows.keys().subquery()
    return select(Transaction.biller_type).join(keys, keys.c.id == Transaction.id).distinct()


def begins(column: Any, start: Any, end: Any) -> Conditions:
    """Text from the start on that lies before the end, letter by letter, as the indexes of references have it."""
    return column.op("~>=~")(start), column.op("~<~")(end)


def _placed(terms: Terms, values: Values) -> Terms:
    return tuple(one.placed(values) for one in terms)


def _head(way: Way, keys: Select[Any], piece: Piece | None, columns: Any = Transaction) -> Select[Any]:
    """That piece of them, which lie in the order of a way; all, in no order, without one."""
    # A fence: merged with what stands around it, the planner would join where it is to look up, or go along where it is to sort.
    fenced = keys.offset(0)
    if piece is None:
        return fenced
    if piece.of is not None and piece.of.by_amount is not way.by_amount:
        outside = [one for one in keys.get_final_froms() if one is not Transaction.__table__]
        every = fenced.correlate(*outside).lateral()
        found = select(*every.c)
        if piece.of.by_amount and not outside:
            found = found.where(_may_be_among(every.c.amount, piece, piece.of, keys.order_by(*way.order(columns))))
        return found.order_by(*piece.of.order(every.c)).offset(piece.behind).limit(piece.count)
    ordered = keys.order_by(*way.order(columns)) if piece.in_order else keys
    return ordered.offset(piece.behind).limit(piece.count)


def _may_be_among(amount: Any, piece: Piece, way: Way, ordered: Select[Any]) -> Any:
    """No further than the last of that piece would be among the first rows alone: most need not be sorted. Where those are too few, any amount may be."""
    some = ordered.limit(SAMPLED).subquery().c
    last = select(some.amount).order_by(some.amount.desc() if way.descending else some.amount).offset(piece.behind + piece.count - 1).limit(1)
    furthest = func.coalesce(last.scalar_subquery(), literal_column("'-Infinity'::numeric" if way.descending else "'Infinity'::numeric"))
    return amount >= furthest if way.descending else amount <= furthest


def _for_each(parts: Sequence[FromClause], keys: Select[Any]) -> Select[Any]:
    """The keys of each combination of the parts."""
    one, every = keys.lateral(), parts[0]
    for part in parts[1:]:
        every = every.join(part, true())
    return select(*one.c).select_from(every.join(one, true()))


def _billers(meant: Any) -> Subquery:
    """Those; all, where none are named."""
    return select(BillerType.code.label("biller")).subquery() if meant is None else _each(meant, "biller")


def _each(values: Any, name: str) -> Subquery:
    """Each of the values, as rows."""
    return select(func.unnest(values).label(name)).subquery()
