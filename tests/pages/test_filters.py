"""The list's address: what it says is what is listed, and rubbish in it is nobody's problem."""

import uuid
from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal

import pytest

from core.clock import BUSINESS_ZONE
from core.errors import BadInput
from core.repositories.transactions import Cursor, Sort
from core.services.asked import TYPE_WORDS, business_today, conditions, contradiction, in_words, read_and_tell, searchable
from core.states import TransactionType
from core.ui.filters import Asked, cursor, cursor_text, read

BILLERS = ("LWB_POSTPAID", "TNM_BUNDLES")
PLACE = Cursor(datetime(2025, 11, 23, 12, 5, 10, 123456, tzinfo=UTC), uuid.UUID(int=7))
FULL = Asked(
    search="100001",
    billers=("LWB_POSTPAID",),
    statuses=("FAILED", "COMPLETED"),
    types=("POST_TRANSACTION",),
    first_day=date(2025, 11, 1),
    last_day=date(2025, 11, 30),
    size=50,
    pace=15,
    older=PLACE,
    amount_min=Decimal("5000.00"),
    amount_max=Decimal("250000.50"),
    account="0001",
    reference="LWB-77",
    mine=True,
    in_doubt=True,
    under_review=False,
    reasons=("ACCOUNT_BLOCKED", "(none)"),
    operators=(uuid.UUID(int=6),),
    weekdays=(0, 6),
    time_of_day=(time(8), time(10, 30)),
    bank_open=True,
    sort=Sort.LARGEST,
    columns=("amount", "reference"),
    page=3,
)


ME = uuid.UUID(int=5)


def listed(address: dict[str, str | list[str]]) -> dict[str, list[str]]:
    return {name: value if isinstance(value, list) else [value] for name, value in address.items()}


def test_an_address_says_the_whole_filter_and_is_read_back_as_it_was() -> None:
    assert read(listed(FULL.address()), BILLERS) == FULL


def test_the_plain_list_has_a_plain_address() -> None:
    assert Asked().address() == {}
    assert not Asked(size=100, pace=0, sort=Sort.OLDEST, columns=("amount",)).is_filtered
    assert FULL.is_filtered


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("biller", "NOBODY"),
        ("status", "DONE"),
        ("type", "*"),
        ("from", "yesterday"),
        ("to", "2025-02-30"),
        ("from", "0001-01-01"),
        ("size", "1000000"),
        ("size", "٢٥"),
        ("every", "0.1"),
        ("older", "x~y"),
        ("newer", "20251123T120510.123456Z~"),
        ("min", "-5"),
        ("min", "1e3"),
        ("min", "0.001"),
        ("max", "٥٠٠"),
        ("max", "99999999999999999999"),
        ("mine", "yes"),
        ("doubt", "0"),
        ("review", "maybe"),
        ("reason", "x" * 61),
        ("reason", "a\nb"),
        ("q", "\0"),
        ("since", "someday"),
        ("until", "2026-10-31"),
        ("by", "grace"),
        ("weekday", "0"),
        ("time", "8"),
        ("time", "08:00..08:00"),
        ("bank", "yes"),
        ("sort", "best"),
        ("columns", "amount,password"),
        ("columns", "amount,amount"),
        ("page", "1"),
        ("page", "-1"),
        ("newer", "20251123T120510.123456Z~00000000-0000-0000-0000-000000000007~lots"),
    ],
)
def test_what_an_address_cannot_mean_is_left_out(name: str, value: str) -> None:
    assert read_and_tell({name: [value]}, BILLERS) == (Asked(), (name,))


def test_a_place_in_the_list_survives_the_address() -> None:
    assert cursor(cursor_text(PLACE)) == PLACE
    assert cursor(cursor_text(replace(PLACE, amount=Decimal("5475.50")))) == replace(PLACE, amount=Decimal("5475.50"))


@pytest.mark.parametrize(
    ("address", "left_out"),
    [
        ({"status": ["FAILED", "DONE"]}, ("status",)),
        ({"q": ["x" * 61]}, ("q",)),
        ({"from": ["2025-11-01", "2025-11-02"]}, ("from",)),
        ({"min": ["5,000"]}, ()),
        ({"q": ["  two   words "]}, ()),
        ({"from": [""]}, ()),
        ({"from": ["2025-11-01"], "since": ["yesterday"]}, ("since",)),
        ({"id": ["anything"]}, ()),
    ],
)
def test_it_is_told_which_part_was_left_out(address: dict[str, list[str]], left_out: tuple[str, ...]) -> None:
    assert read_and_tell(address, BILLERS)[1] == left_out


def test_days_are_business_days_and_the_last_one_is_included() -> None:
    wanted = FULL.wanted(BUSINESS_ZONE, ME)
    assert wanted.since == datetime(2025, 10, 31, 22, tzinfo=UTC)
    assert wanted.until == datetime(2025, 11, 30, 22, tzinfo=UTC)


def test_every_field_reaches_the_filter() -> None:
    wanted = FULL.wanted(BUSINESS_ZONE, ME)
    assert (wanted.account, wanted.reference, wanted.search) == ("0001", "LWB-77", "100001")
    assert (wanted.amount_min, wanted.amount_max) == (Decimal("5000.00"), Decimal("250000.50"))
    assert (wanted.operators, wanted.initiated_by, wanted.in_doubt) == ((uuid.UUID(int=6), ME), None, True)
    assert Asked(mine=True).wanted(BUSINESS_ZONE, ME).initiated_by == ME
    assert (wanted.under_review, wanted.reasons) == (False, ("ACCOUNT_BLOCKED", "(none)"))
    assert (wanted.weekdays, wanted.time_of_day, wanted.zone, wanted.bank_open) == ((0, 6), (time(8), time(10, 30)), "Africa/Blantyre", True)
    assert Asked().wanted(BUSINESS_ZONE, ME).initiated_by is None


def test_by_me_and_by_somebody_else_is_either_of_us() -> None:
    assert Asked(mine=True, operators=(uuid.UUID(int=6),)).wanted(BUSINESS_ZONE, ME).operators == (uuid.UUID(int=6), ME)


def test_a_name_of_days_means_the_days_it_means_when_the_rows_are_asked_for() -> None:
    today = business_today()
    by_name, by_date = Asked(since="today", until="today"), Asked(first_day=today, last_day=today)
    assert by_name.wanted(BUSINESS_ZONE) == by_date.wanted(BUSINESS_ZONE)
    assert by_name.address() == {"since": "today", "until": "today"}


def test_mine_only_never_becomes_everybodys() -> None:
    with pytest.raises(BadInput):
        Asked(mine=True).wanted(BUSINESS_ZONE)


def test_an_export_has_no_place_and_no_pace() -> None:
    assert not {"older", "newer", "size", "every", "page"} & set(FULL.filter_only.address())
    assert (FULL.filter_only.sort, FULL.filter_only.columns) == (FULL.sort, FULL.columns)
    assert FULL.filter_only.wanted(BUSINESS_ZONE, ME) == FULL.wanted(BUSINESS_ZONE, ME)


# ---- In words

NAMES = {"LWB_POSTPAID": "Lilongwe Water Board", str(uuid.UUID(int=6)): "Grace Banda"}


def test_a_filter_is_told_in_words() -> None:
    assert in_words(FULL, NAMES) == (
        "“100001”, failed or completed, payments, Lilongwe Water Board, from 1 Nov 2025, until 30 Nov 2025,"
        " 5,000.00 or more, 250,000.50 or less, account with “0001”, reference “LWB-77”, mine or by Grace Banda, on Mondays or on Sundays,"
        " from 08:00 to 10:30 o'clock, in doubt, open in core banking, not under review,"
        " code “ACCOUNT_BLOCKED” or without a code"
    )
    assert in_words(Asked(account="12"), NAMES) == "account “12”"
    assert in_words(Asked(size=100), NAMES) == "every transaction"
    assert in_words(Asked(mine=True), NAMES) == "mine only"
    assert in_words(Asked(amount_min=Decimal("50000.01"), amount_max=Decimal("89999.99")), NAMES) == "more than 50,000.00, less than 90,000.00"


def test_a_name_of_days_is_told_with_the_date_it_means() -> None:
    today = business_today()
    told = f"{today.day} {today:%b %Y}"
    assert in_words(Asked(since="today", until="today"), NAMES) == f"from {told} (today), until {told} (today)"
    assert "(last 7 days)" in in_words(Asked(since="7d"), NAMES)
    assert "(older than 7 days)" in in_words(Asked(until="7d"), NAMES)


def test_what_a_person_typed_is_escaped_and_nothing_else() -> None:
    assert in_words(Asked(search="*x*", account="*y*"), NAMES, lambda text: str(text).replace("*", "#")) == "“#x#”, account with “#y#”"


def test_taking_out_every_condition_leaves_the_plain_list() -> None:
    asked, steps = FULL.filter_only, 0
    while found := conditions(asked, NAMES):
        without = found[-1][-1].without
        assert len(conditions(without, NAMES)) <= len(found)
        asked, steps = without, steps + 1
    assert asked == Asked(sort=Sort.LARGEST, columns=("amount", "reference"))
    assert steps == 21


def test_every_type_has_its_word() -> None:
    assert set(TYPE_WORDS) == set(TransactionType)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (Asked(first_day=date(2025, 11, 2), last_day=date(2025, 11, 1)), "first day is after"),
        (Asked(amount_min=Decimal(2), amount_max=Decimal(1)), "least amount is above"),
        (Asked(first_day=date(2025, 11, 1), last_day=date(2025, 11, 1), amount_min=Decimal(1), amount_max=Decimal(1)), ""),
    ],
)
def test_a_filter_that_cannot_match_is_told_so(asked: Asked, told: str) -> None:
    assert told in (contradiction(asked) or "")
    assert bool(contradiction(asked)) == bool(told)


def test_a_search_is_one_printable_line_of_bounded_length() -> None:
    assert searchable(" a\n\tb\0\u200bc ") == "a bc"
    assert len(searchable("x " * 100)) <= 60
