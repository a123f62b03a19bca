"""An amount is what somebody meant, to the last tambala, or it is refused with a sentence."""

from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import BadInput
from core.money import LARGEST, MINOR_UNITS, Money

amounts = st.decimals(min_value=-LARGEST, max_value=LARGEST, places=2, allow_nan=False, allow_infinity=False)
owed = st.decimals(min_value=Decimal("0.01"), max_value=LARGEST, places=2, allow_nan=False, allow_infinity=False)
currencies = st.sampled_from(sorted(MINOR_UNITS))


@pytest.mark.parametrize(
    ("typed", "text", "shown"),
    [
        ("5475.50", "5475.50", "MWK 5,475.50"),
        ("5475.5", "5475.50", "MWK 5,475.50"),
        ("5475", "5475.00", "MWK 5,475.00"),
        ("5,475.50", "5475.50", "MWK 5,475.50"),
        ("1,000", "1000.00", "MWK 1,000.00"),
        ("1,000,000", "1000000.00", "MWK 1,000,000.00"),
        ("1000000000", "1000000000.00", "MWK 1,000,000,000.00"),
        ("  5475.50\t", "5475.50", "MWK 5,475.50"),
        ("0005", "5.00", "MWK 5.00"),
        ("0.01", "0.01", "MWK 0.01"),
        ("10.500", "10.50", "MWK 10.50"),  # a nought more is no more precision
        ("9999999999999999.99", "9999999999999999.99", "MWK 9,999,999,999,999,999.99"),
    ],
)
def test_what_a_person_types_is_understood_in_one_way(typed: str, text: str, shown: str) -> None:
    money = Money.parse(typed)
    assert (money.text, str(money)) == (text, shown)


# H11: each with what the sentence must speak of.
REFUSED = {
    "": "Enter an amount",
    "   ": "Enter an amount",
    "\t\n": "Enter an amount",
    "0": "more than zero",
    "0.00": "more than zero",
    "0,000": "more than zero",
    "-5": "more than zero",
    "-0.01": "more than zero",
    "-": "more than zero",
    "10.005": "2 decimals",
    "0.001": "2 decimals",
    "1,00": "figures",
    "1,0000": "figures",
    "1000,000": "figures",
    ",100": "figures",
    "1,000,": "figures",
    "1.000,00": "figures",
    "5.475.50": "figures",
    "1e9": "figures",
    "1e-7": "figures",
    "1E5": "figures",
    "+5": "figures",
    "5 000": "figures",
    "5_000": "figures",
    ".5": "figures",
    "5.": "figures",
    "0x10": "figures",
    "NaN": "figures",
    "nan": "figures",
    "Infinity": "figures",
    "sNaN": "figures",
    "MWK 5": "figures",
    "5 --": "figures",
    "5;": "figures",
    "٥٠٠٠": "plain digit",
    "५०००": "plain digit",
    "５０００": "plain digit",
    "5\u200b000": "plain digit",
    "\u200b": "plain digit",
    "\ufeff5000": "plain digit",
    "5000\u200d": "plain digit",
    "\u202e5000": "plain digit",
    "5\u00a0000": "plain digit",
    "5\u2009000": "plain digit",
    "−5": "plain digit",  # a true minus sign
    "5²": "plain digit",
    "½": "plain digit",
    "10000000000000000": "larger than any",
    "9" * 400: "larger than any",
    "1," + "000," * 30 + "000": "larger than any",
}


@pytest.mark.parametrize("typed", REFUSED)
def test_what_could_be_meant_in_two_ways_or_in_none_is_refused_in_words(typed: str) -> None:
    with pytest.raises(BadInput, match=REFUSED[typed]):
        Money.parse(typed)


@given(owed, currencies)
def test_what_is_shown_or_sent_is_read_back_as_the_same_money(amount: Decimal, currency: str) -> None:
    money = Money(amount, currency)
    assert Money.from_text(money.text, currency) == money
    assert Money.parse(money.text, currency) == money
    assert Money.parse(str(money).removeprefix(currency), currency) == money


@given(amounts, currencies)
def test_what_a_machine_writes_is_read_back_with_its_sign(amount: Decimal, currency: str) -> None:
    money = Money(amount, currency)
    assert Money.from_text(money.text, currency) == money
    assert money.amount == amount
    assert money.amount.as_tuple().exponent == -MINOR_UNITS[currency]


@given(st.text())
def test_any_text_is_an_amount_or_a_sentence(typed: str) -> None:
    with suppress(BadInput):
        money = Money.parse(typed)
        assert money.amount > 0
        assert Money.parse(money.text) == money


@pytest.mark.parametrize("written", ["", "1,000.00", "1e3", " 1", "1 ", "1\n", "+1", "--1", "NaN", "-", "1.", ".1", "١", "1.2.3"])
def test_a_machine_has_one_way_of_writing(written: str) -> None:
    with pytest.raises(BadInput):
        Money.from_text(written)


@pytest.mark.parametrize("amount", [5475.5, 5475, "5475.50", True, None])
def test_money_is_made_of_decimals_only(amount: object) -> None:
    with pytest.raises(TypeError, match="Money is made of Decimal"):
        Money(amount)  # type: ignore[arg-type]


@pytest.mark.parametrize("amount", ["NaN", "sNaN", "Infinity", "-Infinity", "1e16", "-1e16", "1e999999", "10.005", "1e-7", "9999999999999999.994"])
def test_what_no_column_could_keep_is_refused(amount: str) -> None:
    with pytest.raises(BadInput):
        Money(Decimal(amount))


@pytest.mark.parametrize("currency", ["", "mwk", "XXX", "JPY", "MWK "])
def test_a_currency_is_listed_or_refused(currency: str) -> None:
    with pytest.raises(BadInput, match="not a currency"):
        Money(Decimal(1), currency)


def test_the_same_amount_of_another_currency_is_other_money() -> None:
    assert Money(Decimal("1.0")) == Money(Decimal("1.00"))
    assert hash(Money(Decimal("1.0"))) == hash(Money(Decimal("1.00")))
    assert Money(Decimal(1), "MWK") != Money(Decimal(1), "USD")


def test_nothing_is_neither_owed_nor_in_credit() -> None:
    assert Money(Decimal("-0.00")).text == "0.00"
    assert str(Money.from_text("-0")) == "MWK 0.00"
