"""Which accounts a word may be of. It knows one thing: an account that is paid every day stands once among the known ones, with each name it had."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import ColumnElement, Select, func, literal, literal_column, or_, select, true
from sqlalchemy.orm import Session

from core.models import BillerType, Transaction, known_accounts
from core.models.lists import ODD, TAG_DIGITS, TAG_LENGTH, TAG_LETTERS
from core.repositories.filters import SHORTEST_PART, TransactionFilter

# So many accounts with a word are looked up one by one.
MOST_ACCOUNTS = 5_000

# Part of the known accounts, in per cent, in which a word is looked for first: of ten million rows' accounts some milliseconds. Always the same part.
SAMPLED, PART = 0.5, 0
# With so many in there a word is of more accounts than are looked up, unless it were chance upon chance. A few of those tell that there are many rows.
COMMON_IN_SAMPLE = 1.5 * MOST_ACCOUNTS * SAMPLED / 100
# And in so many places of it at least: numbers of one street lie side by side, and a part that happens to hold them holds all there are.
COMMON_PLACES = 8
SOME_ACCOUNTS = 1_000
# What a count begins with: the rows of so few accounts are often more than anybody counts.
FIRST_ACCOUNTS = 200

# The shortest number of an account that billers give.
WHOLE_NUMBER = 8

# What the index of words cannot know is in an index of its own; said in the same words, so that the server knows it again.
IS_ODD: ColumnElement[bool] = literal_column(f"({ODD})")

# Where in the file a row of the sample lies.
PAGE_OF_TABLE: ColumnElement[int] = literal_column("(sample.ctid::text::point)[0]")


@dataclass(frozen=True, slots=True)
class Found:
    """The accounts with a word, or the first so many of them. Those whose number holds it need no second look at each of their rows."""

    by_number: Sequence[str]
    by_name: Sequence[str]
    billers: frozenset[str]
    are_all: bool


class Words:
    """What a filter searches for, inside the caller's unit of work. Of two searches, for an account and for anything, the account is looked up."""

    def __init__(self, session: Session, wanted: TransactionFilter) -> None:
        self._session = session
        self._wanted = wanted
        self.is_account = bool(wanted.account.strip())
        self.term = wanted.account.strip() or wanted.search.strip()

    def __bool__(self) -> bool:
        return bool(self.term)

    @property
    def are_solid(self) -> bool:
        """Do three letters or digits stand together somewhere?"""
        return any(self.term[start : start + SHORTEST_PART].isalnum() for start in range(len(self.term) - SHORTEST_PART + 1))

    @property
    def is_whole_number(self) -> bool:
        """So many digits are one account's number, or of few: nobody need look how common they are."""
        return len(self.term) >= WHOLE_NUMBER and self.term.isdecimal()

    @property
    def said_by_number(self) -> TransactionFilter:
        """What is left to ask of the rows of an account whose number holds the word."""
        return TransactionFilter(search=self._wanted.search) if self.is_account else TransactionFilter()

    @cached_property
    def found(self) -> Found:
        if "first" in vars(self) and self.first.are_all:
            return self.first
        return self._look(SOME_ACCOUNTS if self._are_common else MOST_ACCOUNTS)

    @cached_property
    def first(self) -> Found:
        return self._look(FIRST_ACCOUNTS)

    def _look(self, most: int) -> Found:
        known = known_accounts.c
        is_number = (known.account_number == self.term) if len(self.term) < SHORTEST_PART else known.account_number.icontains(self.term, autoescape=True)
        some = self.known().add_columns(is_number.label("is_number"), known.biller_type).limit(most + 1).subquery().c
        accounts = func.array_agg(some.account_number.distinct())
        row = self._session.execute(
            select(func.count(), accounts.filter(some.is_number), accounts.filter(~some.is_number), func.array_agg(some.biller_type.distinct()))
        ).one()
        count, by_number, by_name, billers = row
        return Found(by_number or (), by_name or (), frozenset(billers or ()), are_all=count <= most)

    @property
    def are_few(self) -> bool:
        """Are all accounts with the word at hand? Of a common one the index would read the places of all of them, to tell that there are too many."""
        return not self._are_common and self.found.are_all

    @cached_property
    def _are_common(self) -> bool:
        if self.is_whole_number:
            return False
        accounts, places = (sum(each) for each in zip(*self._sampled.values(), strict=True)) if self._sampled else (0, 0)
        return accounts > COMMON_IN_SAMPLE and places >= COMMON_PLACES

    def known(self) -> Select[Any]:
        """The numbers of all of them; as often as they have names."""
        known, billers = known_accounts.c, self._wanted.billers
        found = select(known.account_number).where(self._is_there())
        if len(billers) == 1:
            found = found.where(_is_of(billers[0]))
        return found.where(known.biller_type.in_(list(billers))) if billers else found

    def _is_there(self) -> ColumnElement[bool]:
        term, known = self.term, known_accounts.c
        if len(term) < SHORTEST_PART:
            return or_(known.account_number == term, IS_ODD & or_(known.meter_number == term, known.customer_name == term))
        is_there = known.words.icontains(term, autoescape=True)
        # Nothing in it that the index of words knows?
        return IS_ODD & is_there if term.isascii() and not any(letter.isalnum() for letter in term) else is_there

    def billers(self) -> Collection[str]:
        """The filter's billers that have such an account at all: of the others nobody need look for one."""
        meant = self._wanted.billers or self._session.scalars(select(BillerType.code)).all()
        if self.are_few:
            return [biller for biller in meant if biller in self.found.billers]
        return [biller for biller in meant if biller in self._sampled or self._is_known_of(biller)]

    @cached_property
    def _sampled(self) -> Mapping[str, tuple[int, int]]:
        """By biller, how many of a part of the accounts have the word, on how many pages of the table; none where it may not be asked of the words alone."""
        if len(self.term) < SHORTEST_PART:
            return {}
        sample = known_accounts.tablesample(func.system(SAMPLED), "sample", seed=literal(PART))
        some = sample.c
        there = some.words.icontains(self.term, autoescape=True), *([some.biller_type.in_(list(self._wanted.billers))] if self._wanted.billers else [])
        counts = (func.count(), func.count(PAGE_OF_TABLE.distinct()))
        found = self._session.execute(select(some.biller_type, *counts).select_from(sample).where(*there).group_by(some.biller_type))
        return {biller: (accounts, places) for biller, accounts, places in found}

    def _is_known_of(self, biller: str) -> bool:
        there = select(known_accounts.c.account_number).where(self._is_there(), _is_of(biller), known_accounts.c.biller_type == biller)
        return self._session.execute(there.limit(1)).first() is not None

    def meant(self, most: int) -> Sequence[Any]:
        """Of the first so many of them, the one used last first: biller, account, meter, name, when."""
        some = self.known().add_columns(*(known_accounts.c[name] for name in ("biller_type", "meter_number", "customer_name"))).limit(most).subquery()
        theirs = (Transaction.account_number == some.c.account_number, Transaction.biller_type == some.c.biller_type)
        last = select(Transaction.created_at).where(*theirs).order_by(Transaction.created_at.desc(), Transaction.id.desc()).limit(1).lateral()
        columns = (some.c.biller_type, some.c.account_number, some.c.meter_number, some.c.customer_name, last.c.created_at)
        return self._session.execute(select(*columns).select_from(some.join(last, true())).order_by(last.c.created_at.desc())).all()


def _is_of(biller: str) -> ColumnElement[bool]:
    """By the index of words, where each account's words begin with a mark of its biller."""
    mark = func.translate(func.left(func.md5(biller), TAG_LENGTH), TAG_DIGITS, TAG_LETTERS)
    return known_accounts.c.words.ilike(mark.concat("\n%"))
