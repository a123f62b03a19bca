"""Which transactions: the one definition behind the list, the counts, the figures, the charts and the export."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Time, and_, cast, extract, func, or_, true
from sqlalchemy.orm import InstrumentedAttribute

from core.models import Transaction
from core.repositories.values import Values
from core.states import ASKS_ABOUT, BANK_LEGS, MONEY_TYPES, SENDS_FROM, LegKind, Stage, Status

# From so many letters on, a part of a number or of a name is searched for; fewer would find everything.
SHORTEST_PART = 3

# What makes a wild card a letter.
ESCAPE = "/"

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
        return [one.condition() for one in self.terms()]

    def terms(self) -> "list[Term]":
        """What it asks, one by one, with the values apart: whoever asks the same of others asks the same statement."""
        found = [Term(form, (value,)) for name, form in FORMS.items() if _is_said(value := getattr(self, name))]
        if term := self.account.strip():
            found.append(_account(term))
        if term := self.reference.strip():
            found.append(Term(_is_reference, as_references(term)))
        if term := self.search.strip():
            found.append(_anything(term))
        if self.in_doubt:
            found.append(Term(_in_doubt))
        if self.under_review is not None:
            found.append(Term(_under_review if self.under_review else _not_under_review))
        if self.weekdays or self.time_of_day:
            found.append(Term(OnTheWall(self.weekdays, self.time_of_day, self.zone)))
        if self.bank_open:
            found.append(Term(_bank_open))
        return found

    def on_the_wall(self, moment: Any) -> list[ColumnElement[bool]]:
        return OnTheWall(self.weekdays, self.time_of_day, self.zone).conditions(moment)

    def on_days(self, day: Any) -> list[ColumnElement[bool]]:
        return _on_days(self.weekdays, day)


@dataclass(frozen=True, slots=True)
class Term:
    """One thing that is asked: its form, and the values in it."""

    form: Callable[..., ColumnElement[bool]]
    values: tuple[Any, ...] = ()

    def condition(self) -> ColumnElement[bool]:
        return self.form(*self.values)

    def placed(self, values: Values) -> "Term":
        return Term(self.form, tuple(map(values.place, self.values)))


@dataclass(frozen=True, slots=True)
class OnTheWall:
    """Of these days of the week, and of this time of day, by the clock on the wall in `zone`."""

    weekdays: tuple[int, ...]
    time_of_day: tuple[time, time] | None
    zone: str

    def __call__(self) -> ColumnElement[bool]:
        return and_(true(), *self.conditions(Transaction.created_at))

    def conditions(self, moment: Any) -> list[ColumnElement[bool]]:
        local = func.timezone(self.zone, moment)
        found = _on_days(self.weekdays, local)
        if self.time_of_day:
            first, second = self.time_of_day
            both = and_ if first < second else or_
            found.append(both(cast(local, Time) >= first, cast(local, Time) < second))
        return found


def _on_days(weekdays: tuple[int, ...], day: Any) -> list[ColumnElement[bool]]:
    return [(extract("isodow", day) - 1).in_(list(weekdays))] if weekdays else []


# What is asked by a field that has one value, or some of which any will do.
FORMS: Mapping[str, Callable[[Any], ColumnElement[bool]]] = {
    "billers": lambda billers: Transaction.biller_type.in_(billers),
    "statuses": lambda statuses: Transaction.status.in_(statuses),
    "types": lambda types: Transaction.transaction_type.in_(types),
    "since": lambda moment: Transaction.created_at >= moment,
    "until": lambda moment: Transaction.created_at < moment,
    "amount_min": lambda amount: Transaction.amount >= amount,
    "amount_max": lambda amount: Transaction.amount <= amount,
    "initiated_by": lambda person: Transaction.initiated_by == person,
    "operators": lambda people: Transaction.initiated_by.in_(people),
    "reasons": lambda codes: func.coalesce(Transaction.error_code, NO_REASON).in_(codes),
}


def _is_said(value: Any) -> bool:
    return bool(value) if isinstance(value, tuple) else value is not None


def _in_doubt() -> ColumnElement[bool]:
    return and_(Transaction.status == Status.PROCESSING.value, Transaction.transaction_type.in_([kind.value for kind in MONEY_TYPES]))


def _under_review() -> ColumnElement[bool]:
    return Transaction.stage == Stage.REVIEW.value


def _not_under_review() -> ColumnElement[bool]:
    return Transaction.stage != Stage.REVIEW.value


def _bank_open() -> ColumnElement[bool]:
    return and_(Transaction.next_action_at.is_not(None), Transaction.stage.in_([stage.value for stage in BANK_OPEN]))


# ---- Words: of a number, of a name, of a reference


def is_short(term: str) -> bool:
    """Too short to be looked for as a part of anything."""
    return len(term) < SHORTEST_PART


def escaped(term: str) -> str:
    """`%` and `_` in what was typed are letters, not wild cards."""
    return term.replace(ESCAPE, ESCAPE * 2).replace("%", f"{ESCAPE}%").replace("_", f"{ESCAPE}_")


def holds(column: Any, word: Any) -> ColumnElement[bool]:
    """Is the word, escaped, a part of it, in large letters or small ones?"""
    return column.icontains(word, escape=ESCAPE)  # type: ignore[no-any-return]


def in_numbers(term: str) -> Term:
    """What a search finds by the numbers of accounts and meters alone."""
    return Term(_are_numbers, (term,)) if is_short(term) else Term(_hold_numbers, (escaped(term),))


def references(ours: Any, theirs: Any) -> Sequence[tuple[InstrumentedAttribute[Any], Any]]:
    """Where a reference may stand, and what it is there."""
    return (Transaction.our_transaction_id, ours), (Transaction.external_transaction_id, theirs), (Transaction.invoice_number, theirs)


def as_references(term: str) -> tuple[str, str]:
    """In the letters it is written in; ours knows no small ones."""
    return term.upper(), term


def _account(term: str) -> Term:
    return Term(_is_account, (term,)) if is_short(term) else Term(_holds_account, (escaped(term),))


def _anything(term: str) -> Term:
    if is_short(term):
        return Term(_is_anything, as_references(term))
    return Term(_holds_anything, (*as_references(term), *map(escaped, as_references(term))))


def _is_account(number: str) -> ColumnElement[bool]:
    return Transaction.account_number == number


def _holds_account(word: Any) -> ColumnElement[bool]:
    return holds(Transaction.account_number, word)


def _are_numbers(number: Any) -> ColumnElement[bool]:
    return or_(Transaction.account_number == number, Transaction.meter_number == number)


def _hold_numbers(word: Any) -> ColumnElement[bool]:
    return or_(holds(Transaction.account_number, word), holds(Transaction.meter_number, word))


def _is_reference(ours: Any, theirs: Any) -> ColumnElement[bool]:
    return or_(*(column == whole for column, whole in references(ours, theirs)))


def _is_anything(ours: Any, theirs: Any) -> ColumnElement[bool]:
    return or_(_is_reference(ours, theirs), _are_numbers(theirs), Transaction.customer_account_name == theirs)


def _holds_anything(ours: Any, theirs: Any, our_word: Any, word: Any) -> ColumnElement[bool]:
    begin = [column.startswith(start, escape=ESCAPE) for column, start in references(our_word, word)]
    return or_(_is_reference(ours, theirs), *begin, _hold_numbers(word), holds(Transaction.customer_account_name, word))
