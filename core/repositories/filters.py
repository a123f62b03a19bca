"""Which transactions: the one definition behind the list, the counts, the figures, the charts and the export."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Time, and_, cast, extract, func, or_
from sqlalchemy.orm import InstrumentedAttribute

from core.models import Transaction
from core.states import ASKS_ABOUT, BANK_LEGS, MONEY_TYPES, SENDS_FROM, LegKind, Stage, Status

# From so many letters on, a part of a number or of a name is searched for; fewer would find everything.
SHORTEST_PART = 3

# Stands for a payment without any code, where reasons are asked for; no biller's code is in brackets.
NO_REASON = "(none)"

# Where a payment stands while the customer's account was or may have been debited and that is not settled, or while something is owed back to it.
BANK_OPEN = frozenset(
    {stage for stage, leg in ASKS_ABOUT.items() if leg in BANK_LEGS} | {stage for stage, leg in SENDS_FROM.items() if leg in (LegKind.REVERSAL, LegKind.REFUND)}
)


@dataclass(frozen=True, slots=True)
class TransactionFilter:
    """`since` is included, `until` is not; both are UTC moments. Amounts are included on both sides, in whatever currency; what has no amount fits neither."""

    billers: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    amount_min: Decimal | None = None
    amount_max: Decimal | None = None
    # Part of an account number, from three characters on; shorter: the whole of it.
    account: str = ""
    # A whole reference: ours, the biller's, an invoice's.
    reference: str = ""
    # Anything a person may have in hand: a reference or how it begins, an account or a meter (or part of it), part of a customer's name.
    search: str = ""
    initiated_by: uuid.UUID | None = None
    # Submitted by any of these people.
    operators: tuple[uuid.UUID, ...] = ()
    # Payments that were or may have been sent and are not settled.
    in_doubt: bool = False
    # Of payments that two people decide about: only those, or none of them; None: both.
    under_review: bool | None = None
    # What the biller said last, or our name for what went wrong on the way; NO_REASON: nothing was said.
    reasons: tuple[str, ...] = ()
    # On these days of the week only (Monday is 0), and only from the first time of day up to the second, by the clock on the wall in `zone`.
    # Midnight as the second is the day's end; a second before the first is one of the next day.
    weekdays: tuple[int, ...] = ()
    time_of_day: tuple[time, time] | None = None
    zone: str = "UTC"
    # Payments whose debit, or what is to be given back of it, is not settled with core banking.
    bank_open: bool = False

    def conditions(self) -> list[ColumnElement[bool]]:
        found: list[ColumnElement[bool]] = []
        if self.billers:
            found.append(Transaction.biller_type.in_(list(self.billers)))
        if self.statuses:
            found.append(Transaction.status.in_(list(self.statuses)))
        if self.types:
            found.append(Transaction.transaction_type.in_(list(self.types)))
        if self.since is not None:
            found.append(Transaction.created_at >= self.since)
        if self.until is not None:
            found.append(Transaction.created_at < self.until)
        if self.amount_min is not None:
            found.append(Transaction.amount >= self.amount_min)
        if self.amount_max is not None:
            found.append(Transaction.amount <= self.amount_max)
        if term := self.account.strip():
            found.append(_part(Transaction.account_number, term))
        if term := self.reference.strip():
            found.append(_reference(term))
        if term := self.search.strip():
            found.append(or_(_reference(term), *_beginnings(term), in_numbers(term), _part(Transaction.customer_account_name, term)))
        if self.initiated_by:
            found.append(Transaction.initiated_by == self.initiated_by)
        if self.operators:
            found.append(Transaction.initiated_by.in_(list(self.operators)))
        if self.in_doubt:
            found += [Transaction.status == Status.PROCESSING.value, Transaction.transaction_type.in_([kind.value for kind in MONEY_TYPES])]
        if self.under_review is not None:
            is_review = Transaction.stage == Stage.REVIEW.value
            found.append(is_review if self.under_review else ~is_review)
        if self.reasons:
            found.append(func.coalesce(Transaction.error_code, NO_REASON).in_(list(self.reasons)))
        found += self.on_the_wall(Transaction.created_at)
        if self.bank_open:
            found += [Transaction.next_action_at.is_not(None), Transaction.stage.in_([stage.value for stage in BANK_OPEN])]
        return found

    def on_the_wall(self, moment: Any) -> list[ColumnElement[bool]]:
        """Of these days of the week, and of this time of day."""
        local = func.timezone(self.zone, moment)
        found = self.on_days(local)
        if self.time_of_day:
            first, second = self.time_of_day
            both = and_ if first < second else or_
            found.append(both(cast(local, Time) >= first, cast(local, Time) < second))
        return found

    def on_days(self, day: Any) -> list[ColumnElement[bool]]:
        return [(extract("isodow", day) - 1).in_(list(self.weekdays))] if self.weekdays else []


def _reference(term: str) -> ColumnElement[bool]:
    return or_(*(column == whole for column, whole in references(term)))


def _beginnings(term: str) -> list[ColumnElement[bool]]:
    """How a reference begins, in the letters it is written in; ours knows no small ones."""
    if len(term) < SHORTEST_PART:
        return []
    return [column.startswith(start, autoescape=True) for column, start in references(term)]


def references(term: str) -> Sequence[tuple[InstrumentedAttribute[Any], str]]:
    """Where a reference may stand, and what it is there."""
    return (Transaction.our_transaction_id, term.upper()), (Transaction.external_transaction_id, term), (Transaction.invoice_number, term)


def in_numbers(term: str) -> ColumnElement[bool]:
    """What a search finds by the numbers of accounts and meters alone."""
    return or_(_part(Transaction.account_number, term), _part(Transaction.meter_number, term))


def _part(column: InstrumentedAttribute[Any], term: str) -> ColumnElement[bool]:
    """`%` and `_` in what was typed are letters, not wild cards."""
    return column == term if len(term) < SHORTEST_PART else column.icontains(term, autoescape=True)
