"""The search box's words: every filter has some, they lead back to it, and what is not understood is told."""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import TypeVar
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.money import LARGEST
from core.repositories.filters import NO_REASON
from core.repositories.transactions import Cursor, Sort
from core.services.asked import (
    COLUMNS,
    LONGEST_REASON,
    MOST_REASONS,
    NAMED_DAYS,
    PACES,
    WEEKDAYS,
    Asked,
    day_name,
    searchable,
)
from core.services.asked import read as read_address
from core.services.search_words import QUALIFIERS, TYPES, Known, Person, Qualifier, add, chips, read, write
from core.services.transactions import PAGE_SIZES
from core.states import Status, TransactionType

BILLERS = {
    "LWB_POSTPAID": "Lilongwe Water Board",
    "BWB_POSTPAID": "Blantyre Water Board",
    "SRWB_POSTPAID": "Southern Region Water Board",
    "SRWB_PREPAID": "Southern Region Water Board",
    "MASM": "Medical Aid Society of Malawi",
    "TNM_BUNDLES": "TNM",
    "TNM": "The longer code begins like this one",
}
GRACE, MPHATSO, MEE, SPACED = (uuid.UUID(int=number) for number in range(1, 5))
PEOPLE = {
    GRACE: Person("grace.b", "Grace Banda"),
    MPHATSO: Person("mphatso", "Mphatso Phiri"),
    MEE: Person("me", "Mee Lungu"),
    SPACED: Person('odd "name, \\ here', "Odd Banda"),
}
KNOWN = Known(BILLERS, PEOPLE)
ZONE = ZoneInfo("Africa/Blantyre")
ME = uuid.UUID(int=99)

T = TypeVar("T")

# Letters that mean something in the box, in an address or in a pattern stand beside others.
LETTERS = st.text(st.sampled_from("abzAZ09 \\\"“”:,.<>=()-_%é’'/~&?#\u00a0\u200b\n") | st.characters(), max_size=30)
SEARCHES = LETTERS.map(searchable) | st.sampled_from(["status:failed", "a b:c", '"', "“", "\\", ", x", "> 5", "me"])
CODES = st.text(st.characters(exclude_categories=("C", "Z")) | st.just(" "), min_size=1, max_size=LONGEST_REASON).filter(str.isprintable)
DAYS = st.dates(date(2000, 1, 1), date(2200, 12, 31))
DAY_NAMES = st.sampled_from([*NAMED_DAYS, *WEEKDAYS]) | st.integers(1, 999).map("{}d".format)
AMOUNTS = st.decimals(Decimal("0.01"), LARGEST, places=2) | st.sampled_from(
    [Decimal("50000.01"), Decimal("49999.99"), LARGEST, Decimal("0.99"), Decimal("0.01")]
)
PLACES = st.builds(
    Cursor,
    st.datetimes(timezones=st.just(UTC)).filter(lambda moment: moment.year >= 2000),
    st.uuids(),
    st.none() | AMOUNTS,
)


def several(values: Iterable[T] | st.SearchStrategy[T], most: int = 5) -> st.SearchStrategy[tuple[T, ...]]:
    strategy = values if isinstance(values, st.SearchStrategy) else st.sampled_from(list(values))
    return st.lists(strategy, unique=True, max_size=most).map(lambda found: tuple(found))


@st.composite
def filters(draw: st.DrawFn) -> Asked:
    first, last = draw(st.none() | DAYS), draw(st.none() | DAYS)
    last = first if draw(st.booleans()) else last
    name = draw(DAY_NAMES)
    return Asked(
        search=draw(SEARCHES),
        billers=draw(several(BILLERS)),
        statuses=draw(several([one.value for one in Status])),
        types=draw(several([one.value for one in TransactionType])),
        first_day=first,
        last_day=last,
        since="" if first else draw(st.just("") | st.just(name) | DAY_NAMES),
        until="" if last else draw(st.just("") | st.just(name) | DAY_NAMES),
        amount_min=draw(st.none() | AMOUNTS),
        amount_max=draw(st.none() | AMOUNTS),
        account=draw(SEARCHES),
        reference=draw(SEARCHES),
        mine=draw(st.booleans()),
        operators=draw(several(st.sampled_from(list(PEOPLE)) | st.uuids(version=4))),
        in_doubt=draw(st.booleans()),
        under_review=draw(st.sampled_from([None, True, False])),
        reasons=draw(several(CODES | st.sampled_from([NO_REASON, "none", "NONE", "a,b", ' "x" ', "LIMIT_EXCEEDED"]))),
        weekdays=draw(several(range(7), 7)),
        time_of_day=draw(st.none() | st.tuples(st.times(), st.times()).filter(lambda two: two[0] != two[1])),
        bank_open=draw(st.booleans()),
        sort=draw(st.sampled_from(Sort)),
    )


@st.composite
def pages(draw: st.DrawFn) -> Asked:
    """A filter, and a way to look at what it holds."""
    return replace(
        draw(filters()),
        size=draw(st.sampled_from(PAGE_SIZES)),
        pace=draw(st.sampled_from(PACES)),
        columns=draw(several(COLUMNS, len(COLUMNS))),
        older=draw(st.none() | PLACES),
        newer=draw(st.none() | PLACES),
        page=draw(st.integers(0, 9_999_999)),
    )


def listed(address: Mapping[str, str | list[str]]) -> dict[str, list[str]]:
    return {name: value if isinstance(value, list) else [value] for name, value in address.items()}


# ---- One filter, three forms


@given(filters())
def test_every_filter_has_words_and_they_lead_back_to_it(asked: Asked) -> None:
    understood = read(write(asked, KNOWN), KNOWN)
    assert understood.complaints == ()
    assert understood.asked == asked


@given(pages())
def test_every_page_has_an_address_and_it_leads_back_to_it(asked: Asked) -> None:
    assert read_address(listed(asked.address()), BILLERS) == asked


@given(pages())
def test_words_address_and_sql_say_the_same_filter(asked: Asked) -> None:
    by_words = read(write(asked, KNOWN), KNOWN, asked).asked
    by_address = read_address(listed(asked.filter_only.address()), BILLERS)
    assert by_words.wanted(ZONE, ME) == by_address.wanted(ZONE, ME) == asked.wanted(ZONE, ME)


@given(pages())
def test_typing_keeps_how_the_list_is_looked_at_and_leaves_its_place(asked: Asked) -> None:
    assert read(write(asked, KNOWN), KNOWN, asked).asked == asked.at_the_top


@given(st.lists(LETTERS | st.sampled_from([*QUALIFIERS]).map("{}:".format) | SEARCHES, max_size=6).map(" ".join))
def test_whatever_is_typed_is_understood_or_told_of_and_what_is_understood_has_words(line: str) -> None:
    understood = read(line, KNOWN)
    assert all(sentence.endswith((".", "?")) for sentence in understood.complaints)
    if not understood.complaints:
        again = read(write(understood.asked, KNOWN), KNOWN)
        assert (again.asked, again.complaints) == (understood.asked, ())


def test_every_field_of_a_filter_is_drawn_by_these_tests() -> None:
    """A field that is added to the filter must get words, or be a way to look at it."""
    ways = {"size", "pace", "columns", "older", "newer", "page"}
    said = {name for qualifier in QUALIFIERS.values() for example in qualifier.examples for name in _said(example)} | {"search"}
    assert {one.name for one in fields(Asked)} - ways == said | {"last_day", "first_day"}


def _said(example: str) -> set[str]:
    asked = read(example, KNOWN).asked
    plain = Asked()
    return {one.name for one in fields(Asked) if getattr(asked, one.name) != getattr(plain, one.name)} | ({"sort"} if example.startswith("sort") else set())


# ---- What the words mean


@pytest.mark.parametrize(
    ("line", "asked"),
    [
        (
            "status:failed biller:lwb amount:>50000 since:yesterday",
            Asked(statuses=("FAILED",), billers=("LWB_POSTPAID",), amount_min=Decimal("50000.01"), since="yesterday"),
        ),
        ("grace banda", Asked(search="grace banda")),
        ("  Grace   status:failed Banda ", Asked(search="Grace Banda", statuses=("FAILED",))),
        ('"status:failed"', Asked(search="status:failed")),
        ("“status:failed”", Asked(search="status:failed")),
        ("STATUS:Failed,pending status:completed", Asked(statuses=("FAILED", "PENDING", "COMPLETED"))),
        ("status: failed", Asked(statuses=("FAILED",))),
        ("status:failed, pending grace", Asked(statuses=("FAILED", "PENDING"), search="grace")),
        ("biller:srwb", Asked(billers=("SRWB_POSTPAID", "SRWB_PREPAID"))),
        ("biller:srwb-prepaid", Asked(billers=("SRWB_PREPAID",))),
        ("biller:tnm", Asked(billers=("TNM",))),
        ("biller:medical", Asked(billers=("MASM",))),
        ('biller:"blantyre water"', Asked(billers=("BWB_POSTPAID",))),
        ("type:payment,lookup", Asked(types=("POST_TRANSACTION", "ACCOUNT_DETAILS"))),
        ("amount:5,000", Asked(amount_min=Decimal(5000), amount_max=Decimal(5000))),
        ("amount:>=5000", Asked(amount_min=Decimal(5000))),
        ("amount:< 5000", Asked(amount_max=Decimal("4999.99"))),
        ("amount:5000..9000.50", Asked(amount_min=Decimal(5000), amount_max=Decimal("9000.50"))),
        ("amount:5000.25..", Asked(amount_min=Decimal("5000.25"))),
        ("amount:..9000", Asked(amount_max=Decimal(9000))),
        ("amount:>5000 amount:<9000", Asked(amount_min=Decimal("5000.01"), amount_max=Decimal("8999.99"))),
        ("since:31/10/2026", Asked(first_day=date(2026, 10, 31))),
        ("until:2026-10-31", Asked(last_day=date(2026, 10, 31))),
        ("on:last-month", Asked(since="last-month", until="last-month")),
        ("on:31/10/2026", Asked(first_day=date(2026, 10, 31), last_day=date(2026, 10, 31))),
        ("by:me", Asked(mine=True)),
        ('by:"me"', Asked(operators=(MEE,))),
        ("by:grace", Asked(operators=(GRACE,))),
        ("by:me,mphatso", Asked(mine=True, operators=(MPHATSO,))),
        ("account:700 ref:lwb-77", Asked(account="700", reference="lwb-77")),
        ("reason:LIMIT_EXCEEDED,none", Asked(reasons=("LIMIT_EXCEEDED", NO_REASON))),
        ('reason:"none"', Asked(reasons=("none",))),
        ("doubt:yes review:no bank:open", Asked(in_doubt=True, under_review=False, bank_open=True)),
        ("weekday:monday time:08:00..10:30", Asked(weekdays=(0,), time_of_day=(time(8), time(10, 30)))),
        ("sort:largest", Asked(sort=Sort.LARGEST)),
        ("", Asked()),
    ],
)
def test_words_mean(line: str, asked: Asked) -> None:
    understood = read(line, KNOWN)
    assert (understood.asked, understood.complaints) == (asked, ())


@pytest.mark.parametrize(
    ("line", "word", "possible"),
    [
        ("stauts:failed", "“stauts:failed”", "Did you mean “status:”?"),
        ("colour:red", "“colour:red”", "Possible are status:, biller:"),
        ("-status:failed", "“-status:failed”", "Name what you want instead"),
        ("status:", "“status:”", "status:failed"),
        ("status: biller:lwb", "“status:”", "It wants a value"),
        ("status:done", "“status:done”", "pending, processing, completed, failed, cancelled or reversed"),
        ("status:failed,done", "“status:failed,done”", "Write one of"),
        ("biller:escom", "“biller:escom”", "lwb, bwb, srwb_postpaid, srwb_prepaid, masm"),
        ("type:gift", "“type:gift”", "payment, look-up"),
        ("amount:lots", "“amount:lots”", "for example 5475.50"),
        ("amount:>", "“amount:>”", "amount"),
        ("amount:..", "“amount:..”", "5000..9000"),
        ("amount:<0.01", "“amount:<0.01”", "There is no such amount"),
        ("amount:>9999999999999999.99", "“amount:>9999999999999999.99”", "There is no such amount"),
        ("since:someday", "“since:someday”", "today, yesterday, monday, 7d, last-month, 2026-10-31 or 31/10/2026"),
        ("since:31/02/2026", "“since:31/02/2026”", "This is no day"),
        ("since:1999-12-31", "“since:1999-12-31”", "between 2000 and 2200"),
        ("on:7d", "“on:7d”", "since:"),
        ("since:today since:2026-01-01", "“since:2026-01-01”", "asked for twice"),
        ("on:today until:monday", "“until:monday”", "asked for twice"),
        ("sort:newest sort:oldest", "“sort:oldest”", "asked for twice"),
        ("by:nobody", "“by:nobody”", "“me”"),
        ("by:banda", "“by:banda”", "Several people"),
        ("doubt:no", "“doubt:no”", "Write one of yes"),
        ("time:8", "“time:8”", "08:00..10:00"),
        ("time:08:00..08:00", "“time:08:00..08:00”", "08:00..10:00"),
        ("account:" + "7" * 61, "7777", "up to 60 characters"),
        ("reason:" + "R" * 61, "RRRR", "up to 60 characters"),
        ("x" * 61, "“xxxx", "up to 60 characters"),
        ('"grace', '“"grace”', "opened and not closed"),
        ('reason:"a', '“reason:"a”', "opened and not closed"),
        ("x " * 1_001, "", "longer than 2,000"),
    ],
)
def test_what_is_not_understood_is_told_with_what_is_possible(line: str, word: str, possible: str) -> None:
    sentences = read(line, KNOWN).complaints
    assert len(sentences) == 1, sentences
    assert word in sentences[0]
    assert possible in sentences[0]


def test_each_word_that_is_wrong_is_told_of() -> None:
    assert len(read("status:done grace since:someday foo:bar", KNOWN).complaints) == 3


def test_more_codes_than_a_filter_holds_are_told_of() -> None:
    assert not read(f"reason:{','.join(f'C{number}' for number in range(MOST_REASONS))}", KNOWN).complaints
    assert "Take some out" in read(f"reason:{','.join(f'C{number}' for number in range(MOST_REASONS + 1))}", KNOWN).complaints[0]


@pytest.mark.parametrize("qualifier", QUALIFIERS.values(), ids=QUALIFIERS)
def test_what_the_box_suggests_it_understands(qualifier: Qualifier) -> None:
    for example in qualifier.examples:
        assert read(example, KNOWN).complaints == ()


def test_every_type_has_words_of_its_own() -> None:
    words = [word for several_words in TYPES.values() for word in several_words]
    assert set(TYPES) == set(TransactionType)
    assert len(words) == len(set(words))


def test_what_is_clicked_is_added_to_the_filter_or_takes_the_place_of_the_same() -> None:
    asked = Asked(search="grace", statuses=("FAILED",), first_day=date(2026, 10, 1), size=50, older=Cursor(datetime(2026, 1, 1, tzinfo=UTC), GRACE), page=3)
    more = add("status:pending since:yesterday review:no", KNOWN, asked).asked
    assert more == Asked(search="grace", statuses=("FAILED", "PENDING"), since="yesterday", under_review=False, size=50)
    assert add("since:2026-10-02", KNOWN, more).asked == replace(more, since="", first_day=date(2026, 10, 2))
    assert add("banda", KNOWN, more).asked.search == "banda"


def test_each_qualifier_is_written_as_one_word() -> None:
    asked = Asked(search="x y", statuses=("FAILED", "PENDING"), amount_min=Decimal("5000.01"), amount_max=Decimal(9000), reasons=("a b",))
    assert chips(asked, KNOWN) == ["status:failed,pending", "amount:>5000", "amount:<=9000", 'reason:"a b"']


# ---- Days that have names

TUESDAY = date(2026, 3, 31)


@pytest.mark.parametrize(
    ("name", "since", "until"),
    [
        ("today", TUESDAY, TUESDAY),
        ("yesterday", date(2026, 3, 30), date(2026, 3, 30)),
        ("tuesday", TUESDAY, TUESDAY),
        ("wednesday", date(2026, 3, 25), date(2026, 3, 25)),
        ("this-week", date(2026, 3, 30), date(2026, 4, 5)),
        ("last-week", date(2026, 3, 23), date(2026, 3, 29)),
        ("this-month", date(2026, 3, 1), date(2026, 3, 31)),
        ("last-month", date(2026, 2, 1), date(2026, 2, 28)),
        ("this-year", date(2026, 1, 1), date(2026, 12, 31)),
        ("last-year", date(2025, 1, 1), date(2025, 12, 31)),
        ("1d", TUESDAY, date(2026, 3, 30)),
        ("7d", date(2026, 3, 25), date(2026, 3, 24)),
    ],
)
def test_a_name_of_days_means(name: str, since: date, until: date) -> None:
    settled = Asked(since=name, until=name).settled(TUESDAY)
    assert (settled.first_day, settled.last_day) == (since, until)
    assert (settled.since, settled.until) == ("", "")


def test_what_is_no_name_of_days_is_none() -> None:
    assert [day_name(text) for text in ("someday", "0d", "1000d", "7 d", "", "lastmonth")] == [None] * 6
    assert day_name(" Yesterday ") == "yesterday"


@given(DAYS, DAY_NAMES)
def test_since_and_until_so_many_days_share_no_day_and_miss_none(today: date, name: str) -> None:
    settled = Asked(since=name, until=name).settled(today)
    assert settled.first_day is not None
    assert settled.last_day is not None
    gap = (settled.first_day - settled.last_day).days
    assert gap == 1 if name[0].isdigit() else gap <= 0
