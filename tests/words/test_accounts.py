"""What may be typed for an account: the biller's own rules, in the operator's words."""

import pytest

from core.errors import BadInput
from core.models.snapshot import AccountType, Snapshot, ValidationRules, national_number, passes_luhn

TYPES = (AccountType(code="M", label="Meter", is_meter=True), AccountType(code="MEMBER", label="Member"))


def snapshot(**rules: object) -> Snapshot:
    made = ValidationRules.model_validate({"account_help": "10 digits", "account_example": "0881234567", **rules})
    return Snapshot(biller_type="X", biller_name="TNM", display_name="TNM", base_url="https://x.test", endpoints={}, validation_rules=made)


PHONE = snapshot(account_label="Mobile number", account_pattern="0(88|31)[0-9]{7}", account_check="phone")
METER = snapshot(account_label="Meter number", account_pattern="[0-9]{11}|[0-9]{13}", account_check="luhn", account_is_meter=True)


@pytest.mark.parametrize("typed", ["0881234567", " 088 123 4567 ", "+265 88 123 4567", "+265881234567", "265881234567", "(0)88-123-4567"])
def test_a_number_is_taken_in_any_usual_spelling_and_sent_in_one(typed: str) -> None:
    assert PHONE.check_account(typed) == "0881234567"


@pytest.mark.parametrize(
    "typed", ["0991234567", "+27 88 123 4567", "088123456", "08812345678", "٠٨٨١٢٣٤٥٦٧", "0881234567 ext. 3", "call me", "088\u200b1234567"]
)
def test_another_networks_or_countrys_number_is_none_of_this_biller(typed: str) -> None:
    with pytest.raises(BadInput, match=r"This is not a mobile number of TNM\. It has 10 digits, for example 0881234567\."):
        PHONE.check_account(typed)


def test_an_empty_field_is_told_what_belongs_there() -> None:
    with pytest.raises(BadInput, match=r"Enter the mobile number: 10 digits\."):
        PHONE.check_account("  ")


# ISO/IEC 7812's own example, and each of its single-digit mistakes.
def test_a_meters_check_digit_finds_each_mistyped_digit() -> None:
    good = "79927398713"
    assert METER.check_account(good) == good
    for place, digit in enumerate(good):
        for other in set("0123456789") - {digit}:
            wrong = good[:place] + other + good[place + 1 :]
            assert not passes_luhn(wrong)
            with pytest.raises(BadInput, match="a digit was mistyped"):
                METER.check_account(wrong)


def test_what_is_no_number_has_no_check_digit() -> None:
    assert not passes_luhn("")
    assert not passes_luhn("7992739871X")
    assert national_number("") is None


def test_a_kind_of_account_must_be_chosen_where_there_are_kinds() -> None:
    kinds = snapshot(account_types=TYPES)
    assert kinds.check_account_type("MEMBER") == TYPES[1]
    for wrong in (None, "", "m", "GROUP"):
        with pytest.raises(BadInput, match=r"Choose the kind of account: Meter, Member\."):
            kinds.check_account_type(wrong)
    assert PHONE.check_account_type("MEMBER") is None, "where there are none, nothing is sent"


def test_a_meters_number_is_kept_as_one() -> None:
    kinds = snapshot(account_types=TYPES)
    assert kinds.meter_number("123", TYPES[0]) == "123"
    assert kinds.meter_number("123", TYPES[1]) is None
    assert METER.meter_number("79927398713", None) == "79927398713"
    assert PHONE.meter_number("0881234567", None) is None
