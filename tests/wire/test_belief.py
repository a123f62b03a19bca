"""What must be true before an answer counts, whatever the dialect."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from core.money import Money
from core.wire.belief import UNVENDED, Echo, checked_invoice, day, mismatch, token_in, vended
from core.wire.contract import Invoice, Outcome, Payment, Query, Receipt
from core.wire.credentials import signed
from core.wire.letters import Unreadable

FIVE_THOUSAND = Money(Decimal("5000.00"))
PAYMENT = Payment("7K3M", "37000000010", FIVE_THOUSAND, invoice_number="INV-1")
TOKEN = "04912345678901234563"


@pytest.mark.parametrize(
    ("said", "token"),
    [
        (TOKEN, TOKEN),
        ("0491 2345 6789 0123 4563", TOKEN),
        ("0491-2345-6789-0123-4563", TOKEN),
        ("00000000000000000000", "00000000000000000000"),
        ("73786976294838206463", "73786976294838206463"),  # 2^66 - 1
        ("73786976294838206464", None),
        ("99999999999999999999", None),
        (TOKEN[:-1], None),
        (TOKEN + "0", None),
        ("0491 23456789 0123 4563", None),
        ("0491  2345 6789 0123 4563", None),
        ("0491234567890123456X", None),
        ("-4912345678901234563", None),
        ("٠" * 20, None),
        ("", None),
        (None, None),
    ],
)
def test_a_token_is_twenty_digits_that_a_meter_can_hold(said: str | None, token: str | None) -> None:
    assert token_in(said) == token


@pytest.mark.parametrize("outcome", [one for one in Outcome if one is not Outcome.CONFIRMED])
def test_no_token_comes_of_a_payment_that_is_not_confirmed(outcome: Outcome) -> None:
    assert vended(Receipt(outcome), PAYMENT, TOKEN, "13.57", "250.00") == Receipt(outcome)


def test_what_is_no_token_leaves_the_payment_confirmed_and_is_told() -> None:
    receipt = vended(Receipt(Outcome.CONFIRMED), PAYMENT, TOKEN[:-1], "13.57", "250.00")
    assert receipt == Receipt(Outcome.CONFIRMED, message=UNVENDED, units="13.57", charges=Money(Decimal("250.00")))


@pytest.mark.parametrize("said", [TOKEN, "0491 2345 6789 0123 4563", "0491-2345-6789-0123-4563"])
def test_the_billers_own_words_do_not_carry_the_token(said: str) -> None:
    receipt = vended(Receipt(Outcome.CONFIRMED, message=f"Token: {said}."), PAYMENT, TOKEN, None, None)
    assert receipt.message == "Token: ***."
    assert TOKEN not in repr(receipt)


@pytest.mark.parametrize("units", ["", "12,4", "1e3", "-1", "13.57 m3", "1" * 13])
@pytest.mark.parametrize("charges", ["", "none", "2.505", "1e3"])
def test_what_comes_with_a_token_decides_nothing(units: str, charges: str) -> None:
    receipt = vended(Receipt(Outcome.CONFIRMED), PAYMENT, TOKEN, units, charges)
    assert (receipt.outcome, receipt.token, receipt.units, receipt.charges) == (Outcome.CONFIRMED, TOKEN, None, None)


@pytest.mark.parametrize(
    ("echo", "wrong"),
    [
        (Echo("7K3M"), None),
        (Echo("7K3M", "37000000010", "5000", "MWK", "INV-1"), None),
        (Echo(None), "reference"),
        (Echo("7K3N"), "reference"),
        (Echo("7K3M", account="37000000028"), "account"),
        (Echo("7K3M", amount="500000"), "amount"),
        (Echo("7K3M", amount="sNaN"), "amount"),
        (Echo("7K3M", currency="ZMW"), "currency"),
        (Echo("7K3M", invoice_number="INV-2"), "invoice number"),
    ],
)
def test_an_answer_about_something_else_is_told_by_what_is_not_ours(echo: Echo, wrong: str | None) -> None:
    assert mismatch(echo, PAYMENT) == wrong


def test_a_payment_without_an_invoice_has_none_to_compare() -> None:
    assert mismatch(Echo("7K3M", invoice_number="INV-2"), Payment("7K3M", "1", FIVE_THOUSAND)) is None


@pytest.mark.parametrize("said", ["31/12/2026", "20261231", "2026-13-01", "2026-02-30", "2026-12-31Z", "2026-W01-1", "٢٠٢٦-12-31", ""])
def test_a_day_is_written_in_one_way(said: str) -> None:
    with pytest.raises(Unreadable, match="is not a day"):
        day(said)


def test_a_day_that_is_written_so_is_read() -> None:
    assert day("2026-12-31") == date(2026, 12, 31)
    assert day(None) is None


UNPAID = Invoice(Outcome.CONFIRMED, number="INV-1", account="37000000010", due=FIVE_THOUSAND)


@pytest.mark.parametrize(
    ("invoice", "asked", "wrong"),
    [
        (UNPAID, None, None),
        (UNPAID, FIVE_THOUSAND, None),
        (UNPAID, Money(Decimal("5000.01")), "amount"),
        (UNPAID, Money(Decimal("5000.00"), "ZMW"), "currency"),
        (Invoice(Outcome.CONFIRMED, number="INV-1", account="37000000010", due=Money(Decimal("5000.00"), "ZMW")), None, "currency"),
        (Invoice(Outcome.CONFIRMED, number="INV-1", account="37000000028", due=FIVE_THOUSAND), None, "account"),
        (Invoice(Outcome.CONFIRMED, number="INV-1", due=FIVE_THOUSAND), None, "account"),
        (Invoice(Outcome.REJECTED, account="37000000028"), None, "account"),
        # What a refused invoice was once for is of no matter.
        (Invoice(Outcome.REJECTED, number="INV-1", account="37000000010", due=Money(Decimal("0.00"))), FIVE_THOUSAND, None),
    ],
)
def test_an_invoice_is_the_one_asked_for_or_it_is_unknown(invoice: Invoice, asked: Money | None, wrong: str | None) -> None:
    said = checked_invoice(invoice, Query("37000000010", amount=asked), "MWK")
    assert said == (invoice if wrong is None else Invoice(Outcome.UNKNOWN, mismatch=wrong))


def test_a_refusal_need_not_repeat_the_account() -> None:
    assert checked_invoice(Invoice(Outcome.REJECTED), Query("37000000010"), "MWK").account == "37000000010"


@pytest.mark.parametrize("due", [None, Money(Decimal("0.00")), Money(Decimal("-5.00"))])
def test_an_invoice_that_nobody_could_pay_is_none(due: Money | None) -> None:
    with pytest.raises(Unreadable, match="no amount to pay"):
        checked_invoice(Invoice(Outcome.CONFIRMED, number="INV-1", account="1", due=due), Query("1"), "MWK")


def test_an_invoice_whose_number_has_no_end_is_none() -> None:
    endless = Invoice(Outcome.CONFIRMED, number="7" * 201, account="1", due=FIVE_THOUSAND)
    assert checked_invoice(replace(endless, number="7" * 200), Query("1"), "MWK").due == FIVE_THOUSAND
    with pytest.raises(Unreadable, match="201 letters"):
        checked_invoice(endless, Query("1"), "MWK")


@pytest.mark.parametrize(
    ("credentials", "headers"),
    [
        ({}, {}),
        ({"username": "console", "password": "geheim"}, {"Authorization": "Basic Y29uc29sZTpnZWhlaW0="}),
        ({"username": "console"}, {"Authorization": "Basic Y29uc29sZTo="}),
        ({"token": "t"}, {"Authorization": "Bearer t"}),
        ({"api_key": "k"}, {"apikey": "k", "X-API-Key": "k"}),
        ({"api_key": "k", "token": "t"}, {"Authorization": "Bearer t"}),
    ],
)
def test_who_asks_is_said_in_the_way_the_credentials_hold(credentials: dict[str, str], headers: dict[str, str]) -> None:
    assert signed(credentials) == headers
