"""Which payment a line is of, and how the two stand to each other: each result of the table once, and that the sums always close."""

from datetime import timedelta
from decimal import Decimal

import pytest

from core.models.reconciliation import LineKind, Result, Rule
from core.services import reconciliation
from core.states import Stage
from tests.payments.bench import CODE
from tests.payments.conftest import bench, shared_bench  # noqa: F401 - fixtures
from tests.reconciliation.conftest import House


def test_a_line_is_found_by_our_reference_then_theirs_then_account_amount_and_day(house: House) -> None:
    ours, theirs, account = house.paid(), house.paid(), house.paid("1200.00")
    done = house.load(
        house.line(ours, Receipt="SOMETHING", Account="else"),
        house.line(theirs, **{"Our reference": "THEIRS-OWN", "Account": "else"}),
        house.line(account, **{"Our reference": "", "Receipt": ""}),
    )
    assert (done.lines, done.new_lines, done.matched) == (3, 3, 3)
    rules = {item.our_transaction_id: item.rule for item in house.items(Result.MATCHED)}
    assert rules == {ours.reference: Rule.OUR_REFERENCE, theirs.reference: Rule.THEIR_REFERENCE, account.reference: Rule.ACCOUNT}
    assert house.items() == []


def test_our_reference_goes_before_theirs(house: House) -> None:
    one, other = house.paid(), house.paid()
    house.load(house.line(one, Receipt=other.external_id), house.line(other, Receipt=one.external_id))
    assert {(item.our_transaction_id, item.account) for item in house.items(Result.MATCHED)} == {(one.reference, one.account), (other.reference, other.account)}


@pytest.mark.parametrize("ambiguous", ["lines", "payments"])
def test_account_amount_and_day_match_only_where_both_sides_have_one(house: House, ambiguous: str) -> None:
    one = house.paid("700.00")
    bare = {"Our reference": "", "Receipt": ""}
    if ambiguous == "lines":
        house.load(house.line(one, **bare), house.line(one, **bare))
        assert house.results() == {Result.OURS_ONLY: 1, Result.THEIRS_ONLY: 1, Result.DUPLICATE: 1}
    else:
        house.paid("700.00", account=one.account)
        house.load(house.line(one, **bare))
        assert house.results() == {Result.OURS_ONLY: 2, Result.THEIRS_ONLY: 1}


@pytest.mark.parametrize("other", ["account", "amount", "day"])
def test_account_amount_and_day_have_to_agree_all_three(house: House, other: str) -> None:
    one = house.paid("810.00")
    changed = {"account": {"Account": "999"}, "amount": {"Amount": "811.00"}, "day": {"Date": f"{house.day + timedelta(days=1):%d/%m/%Y}"}}[other]
    house.load(house.line(one, **{"Our reference": "", "Receipt": "", **changed}))
    assert [item.result for item in house.items()] == ([Result.OURS_ONLY] if other == "day" else [Result.OURS_ONLY, Result.THEIRS_ONLY])


@pytest.mark.parametrize(
    ("stage", "with_line", "without"),
    [
        (Stage.COMPLETED, Result.MATCHED, Result.OURS_ONLY),
        (Stage.REVERSAL_REQUESTED, Result.MATCHED, Result.OURS_ONLY),
        (Stage.REVIEW, Result.UNDER_REVIEW, Result.UNDER_REVIEW),
        (Stage.PAY_UNKNOWN, Result.IN_DOUBT, Result.IN_DOUBT),
        (Stage.QUEUED, Result.IN_DOUBT, Result.IN_DOUBT),
        (Stage.FAILED, Result.LATE_SUCCESS, None),
        (Stage.CANCELLED, Result.LATE_SUCCESS, None),
        (Stage.REVERSED, Result.LATE_SUCCESS, None),
    ],
)
def test_what_stands_here_decides_what_a_line_means(house: House, stage: Stage, with_line: Result, without: Result | None) -> None:
    one = house.paid(stage=stage)
    assert house.results() == ({without: 1} if without else {})
    house.load(house.line(one))
    assert house.results() == {with_line: 1}


def test_another_amount_is_told_whatever_the_payment_has_become(house: House) -> None:
    paid, lost = house.paid("500.00"), house.paid("600.00", Stage.FAILED)
    house.load(house.line(paid, Amount="5,000.00"), house.line(lost, Amount="60.00"))
    assert house.results() == {Result.AMOUNT_DIFFERS: 2}
    assert {(item.our_amount, item.their_amount) for item in house.items()} == {(Decimal("500.00"), Decimal("5000.00")), (Decimal("600.00"), Decimal("60.00"))}


def test_the_same_payment_twice_in_a_statement_is_one_match_and_one_duplicate(house: House) -> None:
    one = house.paid()
    house.load(house.line(one), house.line(one, Receipt="R-SECOND"))
    assert house.results() == {Result.MATCHED: 1, Result.DUPLICATE: 1}
    assert house.only().their_reference == "R-SECOND"


def test_two_of_ours_to_one_line_are_one_match_and_one_duplicate(house: House) -> None:
    one = house.paid("900.00")
    second = house.paid("900.00", external_transaction_id=one.external_id)
    house.load(house.line(one, **{"Our reference": ""}))
    assert house.results() == {Result.MATCHED: 1, Result.DUPLICATE: 1}
    assert house.only().our_transaction_id == second.reference


def test_money_given_back_on_both_sides_agrees_and_on_one_it_does_not(house: House) -> None:
    both, theirs = house.paid(stage=Stage.REVERSED), house.paid()
    house.load(house.line(both), house.line(both, Type="Reversal"), house.line(theirs), house.line(theirs, Amount=f"-{theirs.amount}"))
    assert house.results() == {Result.MATCHED: 3, Result.GIVEN_BACK: 1}
    assert (house.only().our_transaction_id, house.only().kind) == (theirs.reference, LineKind.REVERSAL)


def test_a_payment_just_before_midnight_is_found_in_the_next_days_statement(house: House) -> None:
    late = house.paid("333.00", at=house.at(24) - timedelta(seconds=2))
    tomorrow = house.day + timedelta(days=1)
    assert house.results() == {Result.OURS_ONLY: 1}
    house.load(house.line(late, Date=f"{tomorrow:%d/%m/%Y}"))
    assert house.results() == {Result.OTHER_DAY: 1}
    assert house.results(tomorrow) == {Result.MATCHED: 1}


def test_no_biller_has_lines_of_anothers_payments_and_demonstrations_are_none(house: House) -> None:
    other = house.paid(biller_type="MASM")
    house.paid(demo=True)
    house.load(house.line(other))
    assert house.results() == {Result.THEIRS_ONLY: 1}


def test_a_line_finds_its_payment_once_that_has_learnt_the_billers_number(house: House) -> None:
    one = house.paid(stage=Stage.PAY_UNKNOWN)
    house.load(house.line(one, **{"Our reference": "", "Account": ""}))
    assert house.results() == {Result.THEIRS_ONLY: 1, Result.IN_DOUBT: 1}
    house.by_hand(
        "transactions",
        "UPDATE transactions SET external_transaction_id = %s, stage = 'COMPLETED', status = 'COMPLETED' WHERE id = %s",
        one.external_id,
        one.id,
    )
    assert house.results() == {Result.MATCHED: 1}


def test_theirs_is_always_ours_and_what_lies_between(house: House) -> None:
    """Every kind of difference at once: the sums on the sheet close to the tambala."""
    late = house.paid("10.01", at=house.at(24) - timedelta(seconds=1))
    twice, gone, wrong, lost, doubt, back = (
        house.paid("100.00"),
        house.paid("200.00"),
        house.paid("300.00"),
        house.paid("400.00", Stage.FAILED),
        house.paid("500.00", Stage.REVIEW),
        house.paid("600.00"),
    )
    house.load(
        *(house.line(twice), house.line(twice, Receipt="R-2"), house.line(wrong, Amount="350.00"), house.line(lost), house.line(doubt)),
        *(house.line(back), house.line(back, Type="Reversal")),
        {**house.line(gone), "Our reference": "", "Receipt": "STRANGER", "Account": "12"},
        house.line(late, Date=f"{house.day + timedelta(days=1):%d/%m/%Y}"),
    )
    figures = reconciliation.of_day(house.analyst, CODE, house.day).figures
    assert figures.ours == Decimal("1210.01")
    assert figures.theirs == Decimal("1650.00")
    gaps = {result: one.gap for result, one in figures.tallies.items() if one.gap}
    assert gaps == {
        Result.OTHER_DAY: Decimal("-10.01"),
        Result.DUPLICATE: Decimal("100.00"),
        Result.OURS_ONLY: Decimal("-200.00"),
        Result.AMOUNT_DIFFERS: Decimal("50.00"),
        Result.LATE_SUCCESS: Decimal("400.00"),
        Result.UNDER_REVIEW: Decimal("500.00"),
        Result.GIVEN_BACK: Decimal("-600.00"),
        Result.THEIRS_ONLY: Decimal("200.00"),
    }
    assert figures.ours + sum(gaps.values()) == figures.theirs
