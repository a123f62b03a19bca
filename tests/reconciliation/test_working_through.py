"""What a person does about a difference: it is settled by two people, kept as a break, paired, handed on or explained, each while it still stands so."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from core.errors import BadInput, Conflict, NotAllowed, NotFound, NotLegalNow, ProveAgain
from core.models.reconciliation import Act, Result, Rule
from core.repositories.reconciliation import Item
from core.services import approvals, day_closes, reconciliation
from core.services.reconciliation import About, StandsOtherwise
from core.states import Stage, Topology
from tests.payments.bench import CODE
from tests.payments.conftest import bench, shared_bench  # noqa: F401 - fixtures
from tests.reconciliation.conftest import House, Paid


def about(item: Item) -> About:
    return About.of(CODE, item)


def approve(house: House, paid: Paid) -> None:
    (waiting,) = [one for one in approvals.about(house.manager, paid.id) if one.proposal.decision == "open"]
    approvals.approve(house.colleague, waiting.proposal.id)


def test_a_payment_under_review_is_completed_from_its_line_by_two_people(house: House) -> None:
    one = house.paid(stage=Stage.REVIEW)
    house.load(house.line(one))
    reconciliation.propose(house.manager, about(house.only()))
    (waiting,) = approvals.about(house.manager, one.id)
    assert (waiting.proposal.choice, waiting.proposal.reference) == ("BILLER_HAS_IT", one.external_id)
    assert "row 2: payment MWK 5,475.50, reference" in (waiting.proposal.evidence or "")
    assert house.results() == {Result.UNDER_REVIEW: 1}
    with pytest.raises(NotAllowed):
        approvals.approve(house.manager, waiting.proposal.id)
    approve(house, one)
    assert house.bench.stage(one.id) is Stage.COMPLETED
    assert house.results() == {Result.MATCHED: 1}


def test_a_payment_under_review_that_the_statement_does_not_have_is_closed_by_two_people(house: House) -> None:
    one, other = house.paid(stage=Stage.REVIEW), house.paid()
    item = house.items(Result.UNDER_REVIEW)[0]
    with pytest.raises(NotLegalNow, match="no statement of this day"):
        reconciliation.propose(house.manager, about(item))
    house.load(house.line(other), name="lwb of the day.csv")
    reconciliation.propose(house.manager, about(item))
    (waiting,) = approvals.about(house.manager, one.id)
    assert waiting.proposal.choice == "BILLER_HAS_IT_NOT"
    assert "lwb of the day.csv, 1 lines, SHA-256" in (waiting.proposal.evidence or "")
    approve(house, one)
    assert house.bench.stage(one.id) is Stage.FAILED
    assert house.results() == {Result.MATCHED: 1}


@pytest.mark.parametrize("stage", [Stage.PAY_UNKNOWN, Stage.PAY_ACCEPTED])
def test_an_unknown_payment_is_taken_out_of_the_asking_and_settled_from_its_line(house: House, stage: Stage) -> None:
    one = house.paid(stage=stage)
    house.load(house.line(one))
    reconciliation.propose(house.manager, about(house.only()))
    assert house.bench.stage(one.id) is Stage.REVIEW
    approve(house, one)
    assert house.bench.stage(one.id) is Stage.COMPLETED


@pytest.mark.parametrize(("stage", "with_line"), [(Stage.PAY_UNKNOWN, False), (Stage.QUEUED, True), (Stage.QUEUED, False)])
def test_what_may_still_settle_by_itself_is_left_alone(house: House, stage: Stage, with_line: bool) -> None:
    one, other = house.paid(stage=stage), house.paid()
    house.load(house.line(other), *([house.line(one)] if with_line else []))
    with pytest.raises(NotLegalNow, match="still being asked"):
        reconciliation.propose(house.manager, about(house.only()))
    assert house.bench.stage(one.id) is stage


def test_what_is_in_doubt_about_the_debit_is_not_settled_from_a_statement_and_says_so_beforehand(house: House) -> None:
    debited, paid = house.paid(stage=Stage.REVIEW, topology=Topology.SEPARATE), house.paid(stage=Stage.REVIEW)
    house.bench.sql("UPDATE legs SET sends = 0, tainted = false WHERE transaction_id = %s AND kind = 'PAY'", debited.id)
    house.bench.sql("UPDATE legs SET tainted = true WHERE transaction_id = %s AND kind = 'DEBIT'", debited.id)
    house.load(house.line(house.paid()))
    items = {item.transaction_id: item for item in house.items(Result.UNDER_REVIEW)}
    assert reconciliation.why_no_proposal(house.analyst, items[paid.id]) is None
    assert reconciliation.why_no_proposal(house.analyst, items[debited.id]) == reconciliation.NOT_WITH_THE_BILLER
    with pytest.raises(NotLegalNow, match="is not with the biller"):
        reconciliation.propose(house.manager, about(items[debited.id]))


def test_all_under_review_are_proposed_as_the_statement_says_and_none_twice(house: House) -> None:
    with_line, without = house.paid(stage=Stage.REVIEW), house.paid(stage=Stage.REVIEW)
    house.load(house.line(with_line))
    assert reconciliation.propose_all(house.manager, CODE, house.day) == (2, [])
    choices = {paid.reference: approvals.about(house.manager, paid.id)[0].proposal.choice for paid in (with_line, without)}
    assert choices == {with_line.reference: "BILLER_HAS_IT", without.reference: "BILLER_HAS_IT_NOT"}
    made, refused = reconciliation.propose_all(house.manager, CODE, house.day)
    assert (made, len(refused)) == (0, 2)
    assert "It was proposed already" in refused[0]


def test_a_difference_tells_that_it_was_proposed_until_it_is_decided(house: House) -> None:
    one, other = house.paid(stage=Stage.REVIEW), house.paid(stage=Stage.REVIEW)
    house.load(house.line(one), house.line(other))
    proposed = {item.transaction_id: item for item in house.items(Result.UNDER_REVIEW)}[one.id]
    assert not proposed.is_proposed
    reconciliation.propose(house.manager, about(proposed))
    assert {item.transaction_id: item.is_proposed for item in house.items(Result.UNDER_REVIEW)} == {one.id: True, other.id: False}
    (waiting,) = approvals.about(house.manager, one.id)
    approvals.reject(house.colleague, waiting.proposal.id, "Their cashier says otherwise.")
    assert not any(item.is_proposed for item in house.items(Result.UNDER_REVIEW))


def test_an_analyst_does_not_propose_and_an_open_window_does_not_either(house: House) -> None:
    house.load(house.line(house.paid(stage=Stage.REVIEW)))
    item = about(house.only())
    with pytest.raises(NotAllowed):
        reconciliation.propose(house.analyst, item)
    with pytest.raises(ProveAgain):
        reconciliation.propose(replace(house.manager, proved_at=None), item)


@pytest.mark.parametrize(
    ("result", "kind"),
    [
        (Result.LATE_SUCCESS, "LATE_SUCCESS"),
        (Result.AMOUNT_DIFFERS, "OTHER_AMOUNT"),
        (Result.DUPLICATE, "PAID_TWICE"),
        (Result.OURS_ONLY, "NOT_PAID"),
        (Result.GIVEN_BACK, "NOT_PAID"),
    ],
)
def test_a_contradiction_is_kept_with_its_payment_and_the_payment_stays_as_it_is(house: House, result: Result, kind: str) -> None:
    one = house.paid(stage=Stage.FAILED if result is Result.LATE_SUCCESS else Stage.COMPLETED)
    other = house.paid()
    lines = {
        Result.LATE_SUCCESS: [house.line(one)],
        Result.AMOUNT_DIFFERS: [house.line(one, Amount="1.00")],
        Result.DUPLICATE: [house.line(one), house.line(one)],
        Result.OURS_ONLY: [],
        Result.GIVEN_BACK: [house.line(one), house.line(one, Type="refund")],
    }[result]
    house.load(house.line(other), *lines)
    stood = house.bench.stage(one.id)
    item = about(house.only())
    reconciliation.keep_as_break(house.analyst, item)
    assert house.bench.sql("SELECT kind, closed_at FROM breaks WHERE transaction_id = %s", one.id) == [(kind, None)]
    assert house.bench.stage(one.id) is stood
    assert (house.only().act, house.only().is_open) == (Act.BREAK, False)
    reconciliation.keep_as_break(house.analyst, item)
    assert len(house.bench.sql("SELECT 1 FROM breaks WHERE transaction_id = %s", one.id)) == 1


def test_what_no_payment_of_ours_fits_is_no_contradiction_of_one(house: House) -> None:
    house.load(house.line(house.paid()), house.line(house.paid(biller_type="MASM")))
    with pytest.raises(NotLegalNow, match="hand it on"):
        reconciliation.keep_as_break(house.analyst, about(house.only()))


@pytest.mark.parametrize(("act", "kept"), [(reconciliation.explain, Act.EXPLAINED), (reconciliation.hand_on, Act.HANDED_ON)])
def test_a_difference_with_words_is_not_open_and_the_words_are_kept_and_on_the_record(house: House, act: Callable[..., None], kept: Act) -> None:
    house.load(house.line(house.paid(biller_type="MASM")))
    item = house.only()
    with pytest.raises(BadInput):
        act(house.analyst, about(item), " ")
    assert house.only().is_open
    act(house.analyst, about(item), "Paid at the  board's own counter; told Mr Phiri.")
    told = house.only()
    assert (told.act, told.told, told.noted_by) == (kept, "Paid at the board's own counter; told Mr Phiri.", house.analyst.display_name)
    (details,) = house.bench.sql(
        "SELECT details FROM audit_entries WHERE action = %s AND subject_id = %s", f"difference.{kept.value.lower()}", str(item.line_id)
    )[0]
    assert details["reason"] == "Paid at the board's own counter; told Mr Phiri."


def test_an_explanation_counts_for_the_difference_it_was_given_for_and_no_other(house: House) -> None:
    one = house.paid(stage=Stage.PAY_UNKNOWN)
    item = house.only()
    reconciliation.explain(house.analyst, about(item), "Told by phone: it comes tomorrow.")
    assert not house.only().is_open
    house.by_hand("transactions", "UPDATE transactions SET stage = 'COMPLETED', status = 'COMPLETED', next_action_at = NULL WHERE id = %s", one.id)
    assert (house.only().result, house.only().is_open) == (Result.OURS_ONLY, True)
    with pytest.raises(StandsOtherwise):
        reconciliation.explain(house.analyst, about(item), "Still the same.")


def test_all_of_a_kind_are_explained_with_one_word_and_the_others_stay_open(house: House) -> None:
    for _ in range(3):
        house.paid()
    house.load(house.line(house.paid(biller_type="MASM")))
    assert reconciliation.explain_all(house.analyst, CODE, house.day, Result.OURS_ONLY, "The board closes its books at 17:00.") == 3
    assert [item.result for item in house.items() if item.is_open] == [Result.THEIRS_ONLY]
    assert reconciliation.explain_all(house.analyst, CODE, house.day, Result.OURS_ONLY, "Once more.") == 0


def test_all_of_a_kind_are_kept_as_breaks_each_with_its_own_payment(house: House) -> None:
    paid = [house.paid() for _ in range(3)]
    house.load(house.line(house.paid(biller_type="MASM")))
    assert reconciliation.keep_all_as_breaks(house.analyst, CODE, house.day, Result.OURS_ONLY) == 3
    assert [item.result for item in house.items() if item.is_open] == [Result.THEIRS_ONLY]
    of_the_day = "JOIN difference_notes n USING (transaction_id) WHERE n.biller_type = %s AND n.day = %s"
    kept = house.bench.sql(f"SELECT transaction_id FROM breaks b {of_the_day} AND b.kind = 'NOT_PAID'", CODE, house.day)
    assert {transaction for (transaction,) in kept} == {one.id for one in paid}
    assert reconciliation.keep_all_as_breaks(house.analyst, CODE, house.day, Result.OURS_ONLY) == 0
    with pytest.raises(NotLegalNow, match="no contradiction"):
        reconciliation.keep_all_as_breaks(house.analyst, CODE, house.day, Result.THEIRS_ONLY)


def test_a_line_is_paired_by_hand_where_nothing_tells_it_alone_and_not_with_a_payment_that_has_one(house: House) -> None:
    first = house.paid("700.00")
    second = house.paid("700.00", account=first.account)
    taken = house.paid("700.00", account=first.account)
    house.load(house.line(taken), house.line(first, **{"Our reference": "", "Receipt": "UNKNOWN"}))
    # The two that no line has are both what it may be.
    (line,) = house.items(Result.THEIRS_ONLY)
    assert line.line_id is not None
    assert [one.id for one in reconciliation.candidates(house.analyst, line.line_id)] == [first.id, second.id]
    with pytest.raises(Conflict):
        reconciliation.pair(house.analyst, line.line_id, taken.id, "It is that one.")
    reconciliation.pair(house.analyst, line.line_id, second.id, "The customer's slip has this reference.")
    assert house.results() == {Result.MATCHED: 2, Result.OURS_ONLY: 1}
    assert next(item.rule for item in house.items(Result.MATCHED) if item.our_transaction_id == second.reference) is Rule.PERSON
    with pytest.raises(Conflict):
        reconciliation.pair(house.analyst, line.line_id, first.id, "No, that one.")


@pytest.mark.parametrize("written", ["90032951", "70032957", "70023951", "7032951", "700322951"], ids=["first", "last", "swapped", "left out", "twice"])
def test_of_many_payments_of_one_amount_the_likest_is_the_one_whose_account_was_mistyped(house: House, written: str) -> None:
    """A fee is the same for everybody: who was there first tells nothing."""
    others = [house.paid("1000.00", account=account, stage=stage) for account, stage in (("70017411", Stage.CANCELLED), ("70021041", Stage.COMPLETED))]
    meant = house.paid("1000.00", account="70032951")
    house.load(house.line(meant, **{"Our reference": "", "Receipt": "UNKNOWN", "Account": written}))
    (line,) = house.items(Result.THEIRS_ONLY)
    assert line.line_id is not None
    likest, *rest = [one.id for one in reconciliation.candidates(house.analyst, line.line_id)]
    assert likest == meant.id
    assert set(rest) == {one.id for one in others}


def test_where_no_account_tells_it_what_was_paid_comes_before_what_was_not(house: House) -> None:
    cancelled, paid = house.paid("1000.00", stage=Stage.CANCELLED), house.paid("1000.00")
    house.load(house.line(paid, **{"Our reference": "", "Receipt": "UNKNOWN", "Account": ""}))
    (line,) = house.items(Result.THEIRS_ONLY)
    assert line.line_id is not None
    assert [one.id for one in reconciliation.candidates(house.analyst, line.line_id)] == [paid.id, cancelled.id]


def test_who_is_limited_to_other_billers_finds_no_day_no_line_and_no_file_of_this_one(house: House) -> None:
    house.load(house.line(house.paid(biller_type="MASM")))
    item = house.only()
    limited = replace(house.manager, billers=frozenset({"MASM"}))
    of_theirs = replace(item, result=Result.UNDER_REVIEW, transaction_id=house.paid(stage=Stage.REVIEW).id)
    assert item.line_id is not None
    for ask in (
        lambda: reconciliation.of_day(limited, CODE, house.day),
        lambda: reconciliation.items(limited, CODE, house.day),
        lambda: reconciliation.candidates(limited, item.line_id),
        lambda: reconciliation.why_no_proposal(limited, of_theirs),
        lambda: reconciliation.explain(limited, about(item), "Not mine."),
        lambda: reconciliation.hand_on(limited, about(item), "Not mine."),
        lambda: reconciliation.keep_as_break(limited, about(item)),
        lambda: reconciliation.explain_all(limited, CODE, house.day, Result.THEIRS_ONLY, "Not mine."),
        lambda: reconciliation.keep_all_as_breaks(limited, CODE, house.day, Result.OURS_ONLY),
        lambda: reconciliation.pair(limited, item.line_id, house.paid().id, "Not mine."),
        lambda: reconciliation.propose(limited, about(item)),
        lambda: reconciliation.propose_all(limited, CODE, house.day),
        lambda: reconciliation.of_file(limited, item.statement_id),
        lambda: day_closes.sign_off(limited, CODE, house.day),
        lambda: day_closes.reopen(limited, CODE, house.day, "Not mine."),
        lambda: day_closes.differences(limited, CODE, house.day),
    ):
        with pytest.raises(NotFound):
            ask()
    seen = reconciliation.overview(limited, last=house.day)
    assert CODE not in seen.billers
    assert all(statement.biller_type == "MASM" for statement, _ in seen.files)
