"""The list's address: what it says is what is listed, and rubbish in it is nobody's problem."""

import uuid
from datetime import UTC, date, datetime

import pytest

from core.clock import BUSINESS_ZONE
from core.repositories.transactions import Cursor
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
)


def listed(address: dict[str, str | list[str]]) -> dict[str, list[str]]:
    return {name: value if isinstance(value, list) else [value] for name, value in address.items()}


def test_an_address_says_the_whole_filter_and_is_read_back_as_it_was() -> None:
    assert read(listed(FULL.address()), BILLERS) == FULL


def test_the_plain_list_has_a_plain_address() -> None:
    assert Asked().address() == {}
    assert not Asked(size=100, pace=0).is_filtered
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
    ],
)
def test_what_an_address_cannot_mean_is_left_out(name: str, value: str) -> None:
    assert read({name: [value]}, BILLERS) == Asked()


def test_a_place_in_the_list_survives_the_address() -> None:
    assert cursor(cursor_text(PLACE)) == PLACE


def test_days_are_business_days_and_the_last_one_is_included() -> None:
    wanted = FULL.wanted(BUSINESS_ZONE)
    assert wanted.since == datetime(2025, 10, 31, 22, tzinfo=UTC)
    assert wanted.until == datetime(2025, 11, 30, 22, tzinfo=UTC)
