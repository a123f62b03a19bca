"""Amounts in words: what the operator reads out before the customer's money moves."""

from decimal import Decimal

import pytest

from core.documents.amount_words import in_words
from core.money import LARGEST, MINOR_UNITS, Money

SAID = [
    ("0.00", "Zero kwacha"),
    ("0.01", "Zero kwacha and one tambala"),
    ("1.00", "One kwacha"),
    ("1.10", "One kwacha and ten tambala"),
    ("13.00", "Thirteen kwacha"),
    ("20.00", "Twenty kwacha"),
    ("21.21", "Twenty-one kwacha and twenty-one tambala"),
    ("100.00", "One hundred kwacha"),
    ("101.00", "One hundred and one kwacha"),
    ("999.99", "Nine hundred and ninety-nine kwacha and ninety-nine tambala"),
    ("1000.00", "One thousand kwacha"),
    ("1001.00", "One thousand and one kwacha"),
    ("1100.00", "One thousand one hundred kwacha"),
    ("5475.50", "Five thousand four hundred and seventy-five kwacha and fifty tambala"),
    ("10000.00", "Ten thousand kwacha"),
    ("100000.00", "One hundred thousand kwacha"),
    ("845300.25", "Eight hundred and forty-five thousand three hundred kwacha and twenty-five tambala"),
    ("1000000.00", "One million kwacha"),
    ("1000015.00", "One million and fifteen kwacha"),
    ("2050300.00", "Two million fifty thousand three hundred kwacha"),
    ("3000000000.00", "Three billion kwacha"),
]


@pytest.mark.parametrize(("figures", "words"), SAID)
def test_an_amount_is_said_as_a_person_says_it(figures: str, words: str) -> None:
    assert in_words(Money(Decimal(figures))) == words


def test_the_largest_amount_that_can_be_kept_can_be_said() -> None:
    words = in_words(Money(LARGEST))
    assert words.startswith("Nine quadrillion nine hundred and ninety-nine trillion")
    assert words.endswith("nine hundred and ninety-nine kwacha and ninety-nine tambala")


@pytest.mark.parametrize("currency", MINOR_UNITS)
def test_every_currency_the_console_knows_can_be_said(currency: str) -> None:
    one, many = in_words(Money(Decimal("1.01"), currency)), in_words(Money(Decimal("2.02"), currency))
    assert one.startswith("One ")
    assert many.startswith("Two ")


def test_a_balance_in_credit_is_said_to_be_below_nothing() -> None:
    assert in_words(Money(Decimal("-250.00"))) == "Minus two hundred and fifty kwacha"
