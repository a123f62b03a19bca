"""Which accounts a word may be of. It knows one thing: an account that is paid every day stands once among the known ones, with each name it had, and a name
that a thousand customers have stands once among the names."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from sqlalchemy import ColumnElement, Select, func, literal, literal_column, or_, select, true, union, union_all
from sqlalchemy.orm import Session

from core.models import BillerType, Transaction, known_accounts, known_names
from core.models.lists import ODD, ODD_NAME, TAG_DIGITS, TAG_LETTERS
from core.repositories.filters import SHORTEST_PART, TransactionFilter

# So many accounts with a word are looked up one by one.
MOST_ACCOUNTS = 5_000

# Part of the known accounts, in per cent, in which a word is looked for first: of ten million rows' accounts some milliseconds. Always the same part.
SAMPLED, PART = 0.5, 0
# With so many in there a word is perhaps of more accounts than are looked up, and the list itself is as quick. A few of those tell that there are many rows.
COMMON_IN_SAMPLE = 0.6 * MOST_ACCOUNTS * SAMPLED / 100
# And in so many places of it at least: numbers of one street lie side by side, and a part that happens to hold them holds all there are.
COMMON_PLACES = 8
SOME_ACCOUNTS = 1_000
# What a count begins with: the rows of so few accounts are often more than anybody counts.
FIRST_ACCOUNTS = 300

# The shortest number of an account that billers give.
WHOLE_NUMBER = 8

# What the indexes of words cannot know is in indexes of their own; said in the same words, so that the server knows it again.
IS_ODD: ColumnElement[bool] = literal_column(f"({ODD})")
IS_ODD_NAME: ColumnElement[bool] = literal_column(f"({ODD_NAME})")

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
        if "found" in vars(self) and self.found.are_all and len(self.found.by_number) + len(self.found.by_name) <= FIRST_ACCOUNTS:
            return self.found
        return self._look(FIRST_ACCOUNTS)

    def _look(self, most: int) -> Found:
        known = known_accounts.c
        is_number = (known.account_number == self.term) if len(self.term) < SHORTEST_PART else known.account_number.icontains(self.term, autoescape=True)
        arms = self._known(known.account_number, known.biller_type, is_number.label("is_number"))
        some = union_all(*(select(arm.limit(most + 1).subquery()) for arm in arms)).subquery().c
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

    def _known(self, *columns: ColumnElement[Any]) -> Sequence[Select[Any]]:
        """The accounts with the word in a number, and, of a search for anything, those with it in a name; as often as they have names."""
        known, billers = known_accounts.c, self._wanted.billers
        of_billers = [known.biller_type.in_(list(billers))] if billers else []
        by_number = select(*columns).where(self._is_in_number(), *of_billers, *([_is_of(billers[0])] if len(billers) == 1 else []))
        # Said aloud: the index of names holds no others. And behind a fence: one name after the other, each by that index.
        theirs = select(*columns).where(known.name_key == known_names.c.name_key, known.name_key != "", *of_billers).offset(0).lateral()
        by_name = select(*theirs.c).select_from(known_names.join(theirs, true())).where(self._is_in_name())
        return [by_number] if self.is_account else [by_number, by_name]

    def _is_in_number(self) -> ColumnElement[bool]:
        term, known = self.term, known_accounts.c
        if len(term) < SHORTEST_PART:
            return or_(known.account_number == term, IS_ODD & (known.meter_number == term))
        is_there = known.numbers.icontains(term, autoescape=True)
        return IS_ODD & is_there if self._is_of_signs else is_there

    def _is_in_name(self) -> ColumnElement[bool]:
        names = known_names.c
        if len(self.term) < SHORTEST_PART:
            return names.name_key == self.term
        is_there = names.customer_name.icontains(self.term, autoescape=True)
        return IS_ODD_NAME & is_there if self._is_of_signs else is_there

    @property
    def _is_of_signs(self) -> bool:
        """Is there nothing in it that the indexes of words know?"""
        return self.term.isascii() and not any(letter.isalnum() for letter in self.term)

    @cached_property
    def are_in_no_name(self) -> bool:
        return self._session.execute(select(known_names.c.name_key).where(self._is_in_name()).limit(1)).first() is None

    def billers(self) -> Collection[str]:
        """The filter's billers that have such an account at all: of the others nobody need look for one."""
        meant = self._wanted.billers or self._session.scalars(select(BillerType.code)).all()
        if self.are_few:
            return [biller for biller in meant if biller in self.found.billers]
        unseen = [biller for biller in meant if biller not in self._sampled]
        asked = [select(literal(biller).label("biller")).where(or_(*(arm.exists() for arm in self._known_of(biller)))) for biller in unseen]
        found = set(self._session.scalars(union_all(*asked))) if asked else set()
        return [biller for biller in meant if biller in self._sampled or biller in found]

    @cached_property
    def _sampled(self) -> Mapping[str, tuple[int, int]]:
        """By biller, how many of a part of the accounts have the word, on how many pages of the table; none where it may not be asked of the words alone."""
        if len(self.term) < SHORTEST_PART:
            return {}
        sample = known_accounts.tablesample(func.system(SAMPLED), "sample", seed=literal(PART))
        some = sample.c
        there = some.numbers.icontains(self.term, autoescape=True), *([some.biller_type.in_(list(self._wanted.billers))] if self._wanted.billers else [])
        counts = (func.count(), func.count(PAGE_OF_TABLE.distinct()))
        found = self._session.execute(select(some.biller_type, *counts).select_from(sample).where(*there).group_by(some.biller_type))
        return {biller: (accounts, places) for biller, accounts, places in found}

    def _known_of(self, biller: str) -> Sequence[Select[Any]]:
        return Words(self._session, replace(self._wanted, billers=(biller,)))._known(known_accounts.c.account_number)

    def meant(self, most: int) -> Sequence[Any]:
        """Of the first so many of them, the one used last first: biller, account, meter, name, when."""
        columns = (known_accounts.c[name] for name in ("biller_type", "account_number", "meter_number", "customer_name"))
        some = union(*(select(arm.limit(most).subquery()) for arm in self._known(*columns))).limit(most).subquery()
        theirs = (Transaction.account_number == some.c.account_number, Transaction.biller_type == some.c.biller_type)
        last = select(Transaction.created_at).where(*theirs).order_by(Transaction.created_at.desc(), Transaction.id.desc()).limit(1).lateral()
        found = select(*some.c, last.c.created_at).select_from(some.join(last, true()))
        return self._session.execute(found.order_by(last.c.created_at.desc())).all()


def _is_of(biller: str) -> ColumnElement[bool]:
    """By the index of numbers, where each account's begin with a mark of its biller: three letters of it are one look-up, and hardly another's."""
    mark = func.translate(func.left(func.md5(biller), SHORTEST_PART), TAG_DIGITS, TAG_LETTERS)
    return known_accounts.c.numbers.icontains(mark)
