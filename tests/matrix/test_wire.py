"""W05 to W28: the biller is reached, and what comes of it cannot be trusted. One effect each, and the truth in the end.

All of the module's payments are made at once and settled side by side by one worker; each test then looks at its own.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from core.services import tokens
from core.states import Stage
from tests.matrix.town import ASKING, BWB, LWB, MASM, PAYING, PREPAID, REGISTRAR, SRWB, TNM, Bill, Town, new_account

# One day and an hour, shrunk as every wait: by then the schedule of inquiries has ended.
MORE_THAN_A_DAY = 25 * 3_600 * 0.01

# Long after our deadline of 2 s, and long before the window of (540 s + 60 s) × 0.01 + 2 s closes: a busy machine is no fault of this matrix.
ACTS_LATE, LATE_SECONDS, LONG_PROCESSING = "act_late", 5.0, 540

A_DAY_GOES_BY, NEVER_SEEN = "a day goes by", "it has never seen it"


@dataclass(frozen=True)
class Case:
    """One payment, and what its calls meet. `inquiries` are faults of the questions about it, in turn; `slow` is a true answer that takes its time."""

    biller: str
    fault: str = ""
    inquiries: tuple[str, ...] = ()
    # An account of the sandbox whose behaviour is the accident.
    account: str = ""
    # What happens once the biller has accepted it and leaves it at that: a day goes by, or it has never seen it.
    later: str = ""

    def __str__(self) -> str:
        return "-".join([self.biller.lower(), *filter(None, (self.fault or self.account,)), *self.inquiries])


def meets(*cases: Case) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=str)


@pytest.fixture(scope="module")
def aftermath(shared_town: Town, request: pytest.FixtureRequest) -> Mapping[Case, uuid.UUID]:
    """Every case of the tests that run, paid and come to rest. The worker goes on."""
    town = shared_town
    town.start_worker()
    asked = [getattr(item, "callspec", None) for item in request.session.items if item.module is request.module]  # type: ignore[attr-defined]
    cases = list(dict.fromkeys(spec.params["case"] for spec in asked if spec and "case" in spec.params))
    bills = [Bill(case.biller, case.account or new_account(case.biller)) for case in cases]
    for case, bill in zip(cases, bills, strict=True):
        if case.fault:
            late = {"seconds": LATE_SECONDS} if case.fault == ACTS_LATE else {}
            town.sandbox.next(case.fault, PAYING[case.biller], biller=case.biller, account=bill.account, **late)
        for fault in case.inquiries:
            town.sandbox.next(fault, ASKING[case.biller], biller=case.biller, account=bill.account)
    forms = dict(zip(cases, town.ask_all(bills), strict=True))
    acting_late = [case for case in cases if case.fault == ACTS_LATE]
    for biller in {case.biller for case in acting_late}:
        town.open(biller, max_processing_seconds=LONG_PROCESSING)
    drafted = {case: town.freeze(forms[case]) for case in acting_late}
    for biller in {case.biller for case in acting_late}:
        town.open(biller)
    drafted |= {case: town.freeze(forms[case]) for case in cases if case not in drafted}
    paid = {case: town.submit(draft) for case, draft in drafted.items()}
    town.watch(*(paid[case] for case in cases if not case.later))
    town.watch(*(paid[case] for case in cases if case.later), stages=frozenset({Stage.PAY_ACCEPTED}))
    days_later = [paid[case] for case in cases if case.later == A_DAY_GOES_BY]
    for one in days_later:
        town.age(one, MORE_THAN_A_DAY)
    town.watch(*days_later)
    for lies in (True, False):
        for biller in {case.biller for case in cases if case.later == NEVER_SEEN}:
            town.sandbox.set(biller, inquiry_lies=lies)
        town.watch(*(paid[case] for case in cases if case.later))
    return paid


@pytest.fixture
def paid(town: Town, aftermath: Mapping[Case, uuid.UUID], case: Case) -> uuid.UUID:
    return aftermath[case]


def was_asked_about(town: Town, paid: uuid.UUID, case: Case, *, effects: int = 1) -> None:
    """It was in doubt, and nobody sent it again: an inquiry settled it, or people must where nobody can be asked."""
    town.expect(paid, Stage.REVIEW if case.biller == TNM else Stage.COMPLETED, effects=effects, sends=1)
    assert town.arrived(paid) == 1
    assert town.answers(paid)[0] == "UNKNOWN"
    assert Stage.PAY_UNKNOWN in town.stages(paid)
    town.judge().assert_all_well()


def was_sent_again(town: Town, paid: uuid.UUID) -> None:
    """The biller never acted, said so three times, and was sent the same reference once more."""
    town.expect(paid, Stage.COMPLETED, effects=1, sends=2)
    assert town.arrived(paid) == 2
    assert town.answers(paid, "status").count("NOT_FOUND") >= 3
    assert town.stages(paid).count(Stage.PAY_RETRY) == 1
    town.judge().assert_all_well()


# ---- Silence


@meets(Case(LWB, "close_on_accept"), Case(BWB, "close_on_accept"))
def test_w05_it_accepts_and_closes_and_is_paid_once_it_is_sure_that_nothing_was_taken(town: Town, paid: uuid.UUID, case: Case) -> None:
    was_sent_again(town, paid)


@meets(Case(LWB, "act_then_reset"), Case(MASM, "act_then_reset"))
def test_w06_it_acts_and_resets_and_is_asked(town: Town, paid: uuid.UUID, case: Case) -> None:
    was_asked_about(town, paid, case)


@meets(Case(LWB, "act_then_close"), Case(BWB, "act_then_close"), Case(REGISTRAR, "act_then_close"), Case(TNM, "act_then_close"))
def test_w07_it_acts_and_closes_and_is_asked(town: Town, paid: uuid.UUID, case: Case) -> None:
    was_asked_about(town, paid, case)


@meets(Case(PREPAID, "act_then_close"))
def test_w07_a_token_whose_answer_was_lost_is_recovered_by_asking(town: Town, paid: uuid.UUID, case: Case) -> None:
    (booked,) = town.booked(paid)
    assert tokens.reveal(town.operator, paid).replace(" ", "") == booked["token"]
    was_asked_about(town, paid, case)


@meets(Case(LWB, "act_then_hang"), Case(MASM, "act_then_hang"), Case(TNM, "act_then_hang"))
def test_w08_it_acts_and_hangs_and_is_asked_after_our_deadline(town: Town, paid: uuid.UUID, case: Case) -> None:
    assert town.failures(paid) == ["deadline"]
    was_asked_about(town, paid, case)


@meets(Case(LWB, "act_late"), Case(MASM, "act_late"))
def test_w09_a_never_seen_it_before_the_biller_acts_is_not_believed(town: Town, paid: uuid.UUID, case: Case) -> None:
    told = town.answers(paid, "status")
    assert told[0] == "NOT_FOUND", "it was asked before it acted, or this test shows nothing"
    assert told[-1] == "CONFIRMED"
    was_asked_about(town, paid, case)


# ---- Valid, and delivered badly


@meets(Case(LWB, "drip"), Case(REGISTRAR, "drip"))
def test_w11_a_dripping_answer_ends_at_our_deadline(town: Town, paid: uuid.UUID, case: Case) -> None:
    assert town.failures(paid) == ["deadline"]
    was_asked_about(town, paid, case)


@meets(Case(LWB, "truncated_status_line"), Case(BWB, "truncated_status_line"))
def test_w12_a_status_line_cut_short_is_no_answer(town: Town, paid: uuid.UUID, case: Case) -> None:
    was_asked_about(town, paid, case)


@meets(Case(LWB, "short_body"), Case(LWB, "endless_chunks"), Case(MASM, "short_body"), Case(TNM, "short_body"))
def test_w13_a_body_cut_short_or_without_end_is_no_answer(town: Town, paid: uuid.UUID, case: Case) -> None:
    was_asked_about(town, paid, case)


# ---- An error of a server between us


@meets(Case(SRWB, "act_then_500"), Case(SRWB, "502_after"), Case(SRWB, "503_after"), Case(SRWB, "504_after"), Case(BWB, "act_then_500"))
def test_w14_a_server_error_after_acting_is_doubt(town: Town, paid: uuid.UUID, case: Case) -> None:
    was_asked_about(town, paid, case)


@meets(Case(SRWB, "500_without_acting"), Case(MASM, "500_without_acting"))
def test_w15_a_server_error_without_acting_is_doubt_all_the_same(town: Town, paid: uuid.UUID, case: Case) -> None:
    was_sent_again(town, paid)


@meets(Case(TNM, "500_without_acting"))
def test_w15_where_nobody_can_be_asked_people_decide_and_nothing_is_sent_again(town: Town, paid: uuid.UUID, case: Case) -> None:
    was_asked_about(town, paid, case, effects=0)


@meets(Case(SRWB, "html_page_200"), Case(BWB, "html_page_200"), Case(PREPAID, "html_page_200"))
def test_w16_a_web_page_is_no_receipt(town: Town, paid: uuid.UUID, case: Case) -> None:
    was_sent_again(town, paid)


# ---- An answer that must not be believed


@meets(Case(SRWB, account="10020003"), Case(MASM, account="10020003"), Case(TNM, account="0881000005"))
def test_w17_a_refusal_with_a_listed_code_is_believed(town: Town, paid: uuid.UUID, case: Case) -> None:
    town.expect(paid, Stage.FAILED, effects=0, sends=1)
    assert town.answers(paid) == ["REJECTED"]
    assert town.find(paid).error_code
    town.judge().assert_all_well()


@meets(Case(SRWB, "fault_unknown_code"), Case(BWB, "fault_unknown_code"))
def test_w17_a_refusal_with_a_code_of_no_list_is_doubt(town: Town, paid: uuid.UUID, case: Case) -> None:
    was_sent_again(town, paid)


@meets(Case(TNM, "fault_unknown_code"))
def test_w17_a_code_of_no_list_goes_to_people_where_nobody_can_be_asked(town: Town, paid: uuid.UUID, case: Case) -> None:
    was_asked_about(town, paid, case, effects=0)


@meets(
    *(Case(SRWB, "wrong_reference"), Case(SRWB, "wrong_amount"), Case(BWB, "wrong_reference"), Case(BWB, "wrong_amount")),
    *(Case(REGISTRAR, "wrong_amount"), Case(TNM, "wrong_reference")),
)
def test_w18_a_success_for_something_else_is_doubt(town: Town, paid: uuid.UUID, case: Case) -> None:
    was_asked_about(town, paid, case)


@meets(Case(SRWB, "success_twice"), Case(MASM, "success_twice"))
def test_w19_two_successes_in_one_answer_are_doubt(town: Town, paid: uuid.UUID, case: Case) -> None:
    was_asked_about(town, paid, case)


@meets(Case(LWB, account="10050002", later=A_DAY_GOES_BY), Case(BWB, account="10050002", later=A_DAY_GOES_BY))
def test_w20_what_was_accepted_and_is_never_final_goes_to_people_after_a_day(town: Town, paid: uuid.UUID, case: Case) -> None:
    town.expect(paid, Stage.REVIEW, effects=0, sends=1)
    assert town.stages(paid)[-2:] == [Stage.PAY_ACCEPTED, Stage.REVIEW]
    assert set(town.answers(paid)) == {"ACCEPTED"}
    town.judge().assert_all_well()


@meets(Case(LWB, "accepted_then_done"), Case(MASM, "accepted_then_done"), Case(PREPAID, "accepted_then_done"))
def test_w20_what_was_accepted_is_asked_about_until_it_is_done(town: Town, paid: uuid.UUID, case: Case) -> None:
    town.expect(paid, Stage.COMPLETED, effects=1, sends=1)
    assert Stage.PAY_ACCEPTED in town.stages(paid)
    assert town.answers(paid)[0] == "ACCEPTED"
    town.judge().assert_all_well()


@meets(Case(LWB, "duplicate_409"), Case(BWB, "duplicate_409"))
def test_w21_a_409_proves_an_attempt_and_not_its_end(town: Town, paid: uuid.UUID, case: Case) -> None:
    was_sent_again(town, paid)


@meets(Case(LWB, account="10050003"), Case(MASM, account="10050003"), Case(TNM, account="0881000018"))
def test_w21_the_reference_was_used_before_by_ourselves(town: Town, paid: uuid.UUID, case: Case) -> None:
    """Something between us delivered it twice: the answer to the second copy says duplicate, and the money moved."""
    was_asked_about(town, paid, case)


@meets(Case(SRWB, "status_429"), Case(MASM, "status_429"))
def test_w22_too_many_requests_is_no_proof_that_nothing_was_taken(town: Town, paid: uuid.UUID, case: Case) -> None:
    was_sent_again(town, paid)


@meets(Case(SRWB, "redirect"), Case(BWB, "redirect"))
def test_w23_a_redirect_is_not_followed(town: Town, paid: uuid.UUID, case: Case) -> None:
    assert town.failures(paid) == ["redirect"]
    was_sent_again(town, paid)


# ---- An answer that cannot be read


@meets(Case(SRWB, "gzip_valid"), Case(SRWB, "gzip_corrupt"), Case(SRWB, "gzip_bomb"), Case(REGISTRAR, "gzip_valid"))
def test_w24_a_compressed_answer_is_refused_whatever_is_in_it(town: Town, paid: uuid.UUID, case: Case) -> None:
    assert town.failures(paid) == ["encoded_reply"]
    was_asked_about(town, paid, case)


@meets(Case(LWB, "oversized"), Case(MASM, "oversized"))
def test_w25_an_answer_of_50_mb_is_not_read_to_its_end(town: Town, paid: uuid.UUID, case: Case) -> None:
    assert town.failures(paid) == ["reply_too_large"]
    was_asked_about(town, paid, case)


@meets(Case(LWB, "wrong_charset"), Case(LWB, "nul_bytes"), Case(REGISTRAR, "nul_bytes"), Case(TNM, "wrong_charset"))
def test_w26_letters_that_are_none_are_no_receipt(town: Town, paid: uuid.UUID, case: Case) -> None:
    was_asked_about(town, paid, case)


# ---- The inquiry


@meets(
    *(Case(LWB, "act_then_close", ("hang_without_acting",)), Case(LWB, "act_then_close", ("500_without_acting", "act_then_reset", "502_after"))),
    *(Case(LWB, "act_then_close", ("nul_bytes", "html_page_200", "short_body", "wrong_reference")), Case(MASM, "act_then_close", ("nul_bytes", "gzip_valid"))),
)
def test_w27_an_inquiry_that_fails_changes_nothing_and_is_made_again(town: Town, paid: uuid.UUID, case: Case) -> None:
    told = town.answers(paid, "status")
    assert told[: len(case.inquiries)] == ["UNKNOWN"] * len(case.inquiries)
    was_asked_about(town, paid, case)


@meets(Case(LWB, "act_then_close", ("wrong_amount",)), Case(BWB, "act_then_close", ("wrong_amount",)))
def test_w27_paid_with_another_amount_goes_to_people(town: Town, paid: uuid.UUID, case: Case) -> None:
    town.expect(paid, Stage.REVIEW, effects=1, sends=1)
    assert town.stages(paid)[-2:] == [Stage.PAY_UNKNOWN, Stage.REVIEW]
    town.judge().assert_all_well()


@meets(Case(LWB, "act_late", ("slow", "500_without_acting", "slow", "fault_unknown_code")), Case(MASM, "act_late", ("slow", "nul_bytes")))
def test_w28_an_inquiry_that_flaps_is_asked_until_it_is_clear(town: Town, paid: uuid.UUID, case: Case) -> None:
    """Never seen it, an error, never seen it, nonsense, and then: paid."""
    told = town.answers(paid, "status")
    assert {"NOT_FOUND", "UNKNOWN"} <= set(told)
    assert told[-1] == "CONFIRMED"
    was_asked_about(town, paid, case)


@meets(Case(SRWB, account="10050002", later=NEVER_SEEN), Case(MASM, account="10050002", later=NEVER_SEEN))
def test_w28_accepted_and_then_never_seen_is_a_contradiction_for_people(town: Town, paid: uuid.UUID, case: Case) -> None:
    town.expect(paid, Stage.REVIEW, effects=0, sends=1)
    assert town.answers(paid, "status")[-1] == "NOT_FOUND"
    assert town.stages(paid)[-2:] == [Stage.PAY_ACCEPTED, Stage.REVIEW]
    town.judge().assert_all_well()


def test_w28_paid_once_seen_is_never_taken_back(town: Town, aftermath: Mapping[Case, uuid.UUID]) -> None:
    """Nobody asks about what is paid; a biller that forgets it afterwards is not even heard."""
    paid = town.pay_bill(LWB)
    town.watch(paid)
    town.sandbox.set(LWB, inquiry_lies=True)
    town.watch(paid)
    town.sandbox.set(LWB, inquiry_lies=False)
    town.expect(paid, Stage.COMPLETED, effects=1, sends=1)
    assert town.answers(paid, "status") == []
    town.judge().assert_all_well()


# ---- Against the biller's own promise


def test_w10_a_biller_that_acts_after_its_window_makes_a_break_and_no_silent_change(own_town: Town) -> None:
    town = own_town
    town.start_worker()
    # It promises to be done at once. Then 0.6 s and our deadline of 1 s are the whole window, and it acts long after.
    town.open(LWB, timeout_ms=1_000)
    account = new_account()
    town.sandbox.next("act_late", account=account, seconds=5.0)
    paid = town.pay_bill(LWB, account)
    town.watch(paid, stages=frozenset({Stage.PAY_UNKNOWN}))
    town.expire(paid)
    town.watch(paid, stages=frozenset({Stage.FAILED}))
    told = town.stages(paid)
    report = town.judge()
    town.expect(paid, Stage.FAILED, effects=1, sends=1)
    assert town.stages(paid) == told
    assert (report.double, report.lost) == ([], [])
    (wrong,) = report.wrong
    assert "is told as unpaid, and the biller has it 1 times" in wrong
