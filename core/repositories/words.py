"""Which accounts a word may be of. It knows one thing: an account that is paid every day stands once among the known ones, with each name it had, and a name
that a thousand customers have stands once among the names."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

from sqlalchemy import ColumnElement, CompoundSelect, Select, func, literal, literal_column, or_, select, true, union, union_all
from sqlalchemy.orm import Session

from core.models import BillerType, Transaction, known_accounts, known_names
from core.models.lists import ODD, ODD_NAME, TAG_DIGITS, TAG_LETTERS
from core.repositories.filters import SHORTEST_PART, TransactionFilter, escaped, holds, is_short
from core.repositories.values import Values, put_together

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
IS_ODD_NAME: ColumnElement[bool] = literal_column(f"(known_names.{ODD_NAME})")

# So many statements of each kind are kept.
STATEMENTS = 64

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
        self._looks: dict[int, Found] = {}

    def __bool__(self) -> bool:
        return bool(self.term)

    @cached_property
    def _word(self) -> "Word":
        return Word.of(self.term, self._wanted.billers, is_account=self.is_account)

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

    @property
    def found(self) -> Found:
        return self.up_to(SOME_ACCOUNTS if self._are_common else MOST_ACCOUNTS)

    @property
    def first(self) -> Found:
        return self.up_to(FIRST_ACCOUNTS)

    @property
    def some(self) -> Found:
        """Of so many accounts each row can be looked at."""
        return self.up_to(SOME_ACCOUNTS)

    def up_to(self, most: int) -> Found:
        """The accounts with the word, or so many of them. An earlier look that told all of them is as good."""
        for known in self._looks.values():
            if known.are_all and len(known.by_number) + len(known.by_name) <= most:
                return known
        if most not in self._looks:
            self._looks[most] = self._look(most)
        return self._looks[most]

    def _look(self, most: int) -> Found:
        count, by_number, by_name, billers = self._session.execute(*put_together(found_of, self._word, most + 1)).one()
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

    @cached_property
    def are_in_no_name(self) -> bool:
        return self._session.execute(*put_together(name_of, self._word)).first() is None

    def billers(self) -> Collection[str]:
        """The filter's billers that have such an account at all: of the others nobody need look for one."""
        meant = self._wanted.billers or self._session.scalars(select(BillerType.code)).all()
        if self.are_few:
            return [biller for biller in meant if biller in self.found.billers]
        unseen = [Word.of(self.term, (biller,), is_account=self.is_account) for biller in meant if biller not in self._sampled]
        found = set(self._session.scalars(*put_together(billers_of, *unseen))) if unseen else set()
        return [biller for biller in meant if biller in self._sampled or biller in found]

    @cached_property
    def _sampled(self) -> Mapping[str, tuple[int, int]]:
        """By biller, how many of a part of the accounts have the word, on how many pages of the table; none where it may not be asked of the words alone."""
        if is_short(self.term):
            return {}
        found = self._session.execute(*put_together(sampled_of, self._word, SAMPLED))
        return {biller: (accounts, places) for biller, accounts, places in found}

    def meant(self, most: int) -> Sequence[Any]:
        """Of the first so many of them, the one used last first: biller, account, meter, name, when."""
        return self._session.execute(*put_together(meant_of, self._word, most)).all()


# ---- Statements: each put together once for all words of its kind


@dataclass(frozen=True, slots=True)
class Word:
    """What is looked for, and of which billers (None: of all)."""

    whole: str
    # None: it is too short to be a part of anything.
    part: Any
    # There is nothing in it that the indexes of words know.
    is_of_signs: bool
    # In numbers only.
    is_account: bool
    billers: Any
    # Of one biller: which.
    biller: Any

    @classmethod
    def of(cls, term: str, billers: tuple[str, ...], *, is_account: bool) -> "Word":
        is_of_signs = term.isascii() and not any(letter.isalnum() for letter in term)
        return cls(term, None if is_short(term) else escaped(term), is_of_signs, is_account, billers or None, billers[0] if len(billers) == 1 else None)

    def placed(self, values: Values) -> "Word":
        whole, part, billers, biller = map(values.place, (self.whole, self.part, self.billers, self.biller))
        return replace(self, whole=whole, part=part, billers=billers, biller=biller)

    def of_its_billers(self, known: Any) -> list[ColumnElement[bool]]:
        return [known.biller_type.in_(self.billers)] if self.billers is not None else []

    def is_in_number(self) -> ColumnElement[bool]:
        known = known_accounts.c
        if self.part is None:
            return or_(known.account_number == self.whole, IS_ODD & (known.meter_number == self.whole))
        is_there = holds(known.numbers, self.part)
        return IS_ODD & is_there if self.is_of_signs else is_there

    def is_in_name(self) -> ColumnElement[bool]:
        names = known_names.c
        if self.part is None:
            return names.name_key == self.whole
        is_there = holds(names.customer_name, self.part)
        return IS_ODD_NAME & is_there if self.is_of_signs else is_there

    def known(self, *columns: ColumnElement[Any]) -> Sequence[Select[Any]]:
        """The accounts with the word in a number, and, of a search for anything, those with it in a name; as often as they have names."""
        known, of_billers = known_accounts.c, self.of_its_billers(known_accounts.c)
        by_number = select(*columns).where(self.is_in_number(), *of_billers, *([_is_of(self.biller)] if self.biller is not None else []))
        # Said aloud: the index of names holds no others. And behind a fence: one name after the other, each by that index.
        theirs = select(*columns).where(known.name_key == known_names.c.name_key, known.name_key != "", *of_billers).offset(0).lateral()
        by_name = select(*theirs.c).select_from(known_names.join(theirs, true())).where(self.is_in_name())
        return [by_number] if self.is_account else [by_number, by_name]


@lru_cache(STATEMENTS)
def found_of(word: Word, most: int) -> Select[Any]:
    """How many there are, up to so many in a number and in a name; the accounts of either, and their billers."""
    known = known_accounts.c
    is_number = (known.account_number == word.whole) if word.part is None else holds(known.account_number, word.part)
    arms = word.known(known.account_number, known.biller_type, is_number.label("is_number"))
    some = union_all(*(select(arm.limit(most).subquery()) for arm in arms)).subquery().c
    accounts = func.array_agg(some.account_number.distinct())
    columns: Sequence[Any] = (accounts.filter(some.is_number), accounts.filter(~some.is_number), func.array_agg(some.biller_type.distinct()))
    return select(func.count(), *columns)


@lru_cache(STATEMENTS)
def sampled_of(word: Word, share: float) -> Select[Any]:
    sample = known_accounts.tablesample(func.system(share), "sample", seed=literal(PART))
    there = holds(sample.c.numbers, word.part), *word.of_its_billers(sample.c)
    counts = (func.count(), func.count(PAGE_OF_TABLE.distinct()))
    return select(sample.c.biller_type, *counts).select_from(sample).where(*there).group_by(sample.c.biller_type)


@lru_cache(STATEMENTS)
def billers_of(*words: Word) -> CompoundSelect[Any]:
    """Of these, each of another biller, which billers have such an account."""
    arms = ((word.biller, word.known(known_accounts.c.account_number)) for word in words)
    return union_all(*(select(biller.label("biller")).where(or_(*(arm.exists() for arm in known))) for biller, known in arms))


@lru_cache(STATEMENTS)
def name_of(word: Word) -> Select[Any]:
    """One of the names that have it."""
    return select(known_names.c.name_key).where(word.is_in_name()).limit(1)


@lru_cache(STATEMENTS)
def meant_of(word: Word, most: int) -> Select[Any]:
    columns = (known_accounts.c[name] for name in ("biller_type", "account_number", "meter_number", "customer_name"))
    some = union(*(select(arm.limit(most).subquery()) for arm in word.known(*columns))).limit(most).subquery()
    theirs = (Transaction.account_number == some.c.account_number, Transaction.biller_type == some.c.biller_type)
    last = select(Transaction.created_at).where(*theirs).order_by(Transaction.created_at.desc(), Transaction.id.desc()).limit(1).lateral()
    return select(*some.c, last.c.created_at).select_from(some.join(last, true())).order_by(last.c.created_at.desc())


def _is_of(biller: Any) -> ColumnElement[bool]:
    """By the index of numbers, where each account's begin with a mark of its biller: three letters of it are one look-up, and hardly another's."""
    mark = func.translate(func.left(func.md5(biller), SHORTEST_PART), TAG_DIGITS, TAG_LETTERS)
    return known_accounts.c.numbers.icontains(mark)
