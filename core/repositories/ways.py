"""In which order a list is gone along, from which place on, and in which lanes."""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, tuple_

from core.models import Transaction
from core.repositories.values import Values
from core.states import Status, TransactionType

PAYING = tuple(kind.value for kind in TransactionType if kind.moves_money)
ASKING = tuple(kind.value for kind in TransactionType if not kind.moves_money)


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

    def placed(self, values: Values) -> "Cursor":
        return Cursor(*map(values.place, (self.created_at, self.id, self.amount)))


@dataclass(frozen=True, slots=True)
class Way:
    """A way through the rows by one key: from the place `after` on, which is not part of it, down to `edge`, which is."""

    by_amount: bool
    descending: bool
    after: Cursor | None = None
    edge: Cursor | None = None
    # Past look-ups only: those that come behind the payments of a list by amount.
    asking: bool = False

    def placed(self, values: Values) -> "Way":
        return replace(self, after=self.after and self.after.placed(values), edge=self.edge and self.edge.placed(values))

    @property
    def whole(self) -> "Way":
        """From its beginning to its end: the order alone."""
        return Way(self.by_amount, self.descending)

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
            place = tuple_(*self.key(self.after))
            found.append(key < place if self.descending else key > place)
        if self.edge:
            place = tuple_(*self.key(self.edge))
            found.append(key >= place if self.descending else key <= place)
        return found


@dataclass(frozen=True, slots=True)
class Lanes:
    """The lanes of a filter; no billers: all of them."""

    billers: Sequence[str]
    statuses: Sequence[str]
    types: Sequence[str]

    def placed(self, values: Values) -> "Lanes":
        each: Any = (values.array(some, str) if some else None for some in (self.billers, self.statuses, self.types))
        return Lanes(*each)

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


def ways(sort: Sort, after: Cursor | None, back: bool) -> Iterator[tuple[Way, Sequence[str]]]:
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
