"""Receipts: what they say, of what there are any, and which one is the original."""

import re
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from core.access import Actor
from core.errors import BadInput, NotAllowed, NotFound, NotLegalNow
from core.services import receipts
from core.states import Stage
from tests.conftest import SetEnvironment
from tests.receipts.conftest import GROUPED, Counter
from tests.receipts.reading import words_of


def printed(actor: Actor, one: uuid.UUID, reason: str | None = None, paper: str = "a5") -> str:
    return words_of(receipts.print_receipt(actor, one, reason, paper).pdf)


# ---- What it says


@pytest.mark.parametrize("paper", ["a5", "roll"])
def test_a_receipt_says_everything_a_customer_may_ask(counter: Counter, paper: str) -> None:
    one = counter.sell()
    row, said = counter.find(one), printed(counter.grace, one, paper=paper)
    for words in (
        *("Billers", "Lilongwe Water Board", "Grace Banda", row.account_number, "MWK 5,475.50", "MWK 150.00, part of the", "12.3", GROUPED),
        *("Five thousand four hundred and seventy-five kwacha and fifty tambala", row.our_transaction_id, "SRWB-77", counter.grace.display_name),
        *("Completed: confirmed by the biller", f"To check this receipt, name our reference {row.our_transaction_id}", "original"),
    ):
        assert words in said
    assert "COPY" not in said
    assert "REVERSED" not in said


def test_it_is_headed_by_the_bank_whose_console_it_is(counter: Counter, set_environment: SetEnvironment) -> None:
    set_environment(billers_bank_name="Lake Shore Bank <plc>")
    said = printed(counter.grace, counter.sell())
    assert "Lake Shore Bank <plc>" in said
    assert "Billers" not in said


def test_its_times_are_the_banks_and_say_so(counter: Counter) -> None:
    one = counter.sell()
    counter.rewrite(one, "created_at = '2025-11-22 22:30:00+00', completed_at = '2025-11-22 22:30:07+00'")
    said = printed(counter.grace, one)
    assert "Submitted 23 Nov 2025, 00:30:00 CAT" in said
    assert "Confirmed 23 Nov 2025, 00:30:07 CAT" in said


def test_a_debited_account_is_told_by_its_end_only(counter: Counter) -> None:
    one = counter.sell()
    counter.rewrite(one, "debit_account = '1001234567890'")
    said = printed(counter.grace, one)
    assert "Debited account" in said
    assert "7890" in said.replace(GROUPED, "")
    assert "1001234567890" not in said


def test_a_reversed_payment_and_a_demonstration_are_marked(counter: Counter) -> None:
    one = counter.sell(token=None)
    assert "REVERSED" not in printed(counter.grace, one)
    counter.rewrite(one, "stage = 'REVERSED', status = 'REVERSED', demo = true")
    said = printed(counter.grace, one)
    assert "REVERSED: THE MONEY WAS GIVEN BACK" in said
    assert "DEMONSTRATION: NO MONEY WAS PAID" in said
    assert "confirmed by the biller" not in said


def test_a_roll_is_80_mm_wide_and_a5_is_a5(counter: Counter) -> None:
    one = counter.sell()
    boxes = {
        paper: re.search(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", receipts.print_receipt(counter.grace, one, paper=paper).pdf) for paper in ("a5", "roll")
    }
    widths = {paper: round(float(box.group(1)) / 72 * 25.4) for paper, box in boxes.items() if box}
    assert widths == {"a5": 148, "roll": 80}
    with pytest.raises(BadInput, match="a5 or roll"):
        receipts.print_receipt(counter.grace, one, paper="a0")


# ---- Of what there is one


@pytest.mark.parametrize("stage", [Stage.QUEUED, Stage.PAY_SENDING, Stage.PAY_UNKNOWN, Stage.PAY_ACCEPTED, Stage.REVIEW, Stage.FAILED, Stage.CANCELLED])
def test_what_the_biller_has_not_confirmed_has_no_receipt(counter: Counter, stage: Stage) -> None:
    one = counter.bench.paid_to(stage)
    assert receipts.standing(counter.grace, counter.find(one)) is None
    with pytest.raises(NotLegalNow, match="once the biller has confirmed"):
        receipts.print_receipt(counter.grace, one)
    assert counter.audited(one, "receipt.printed") == []


def test_a_look_up_has_no_receipt(counter: Counter) -> None:
    one = counter.bench.look_up(counter.bench.account())
    assert receipts.standing(counter.grace, counter.find(one)) is None
    with pytest.raises(NotLegalNow, match="moves no money"):
        receipts.print_receipt(counter.grace, one)
    with pytest.raises(NotFound):
        receipts.print_receipt(counter.grace, counter.grace.id)


@pytest.mark.parametrize(("role", "may"), [("operator", True), ("manager", True), ("analyst", False), ("administrator", False)])
def test_receipts_are_printed_by_the_roles_that_serve_customers(counter: Counter, role: str, may: bool) -> None:
    one, somebody = counter.sell(), counter.bench.add_person(role)
    if may:
        assert "MWK 5,475.50" in printed(somebody, one)
        return
    with pytest.raises(NotAllowed, match="print receipts"):
        receipts.print_receipt(somebody, one)
    with pytest.raises(NotAllowed):
        receipts.standing(somebody, counter.find(one))
    assert counter.audited(one, "receipt.printed") == []


# ---- The original and its copies


def test_the_first_print_is_the_original_and_each_later_one_a_numbered_copy(counter: Counter) -> None:
    one = counter.sell(token=None)
    marks = []
    for actor in (counter.grace, counter.grace, counter.limbani):
        foretold = receipts.standing(actor, counter.find(one))
        made = receipts.print_receipt(actor, one)
        assert foretold is not None
        assert foretold.copy == made.copy
        marks += re.findall(r"COPY \d+|original", words_of(made.pdf))
    assert marks == ["original", "COPY 1", "COPY 2"]
    entries = counter.audited(one, "receipt.printed")
    assert [(name, details["count"], details["copy"]) for name, details in entries] == [
        (counter.grace.username, 1, 0),
        (counter.grace.username, 2, 1),
        (counter.limbani.username, 3, 2),
    ]


def test_whoever_did_not_sell_it_never_prints_the_original(counter: Counter) -> None:
    one = counter.sell(token=None)
    assert "COPY 1" in printed(counter.chisomo, one)
    assert "COPY 2" in printed(counter.grace, one)


def test_two_prints_at_once_are_not_both_the_original(counter: Counter) -> None:
    one = counter.sell(token=None)
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: receipts.print_receipt(counter.grace, one).copy, range(4)))
    assert sorted(made) == [0, 1, 2, 3]


# ---- The token on it


def test_the_token_is_on_the_original_and_on_no_copy_without_a_reason(counter: Counter) -> None:
    one = counter.sell()
    assert GROUPED in printed(counter.grace, one)
    said = printed(counter.grace, one)
    assert GROUPED not in said
    assert "The token is not on this copy." in said
    assert [details["on"] for _, details in counter.audited(one, "token.revealed")] == ["receipt"]


def test_with_a_reason_a_copy_carries_the_token_and_both_are_written_down(counter: Counter) -> None:
    one = counter.sell()
    assert GROUPED in printed(counter.limbani, one, "the customer lost the slip")
    ((_, revealed),) = counter.audited(one, "token.revealed")
    ((_, print_),) = counter.audited(one, "receipt.printed")
    assert (revealed["reason"], revealed["on"]) == ("the customer lost the slip", "receipt")
    assert (print_["reason"], print_["copy"]) == ("the customer lost the slip", 1)


def test_an_original_printed_on_a_later_day_has_no_token_without_a_reason(counter: Counter) -> None:
    one = counter.sell()
    counter.rewrite(one, "completed_at = completed_at - interval '2 days'")
    said = printed(counter.grace, one)
    assert "original" in said
    assert GROUPED not in said


def test_who_may_print_but_not_see_tokens_gets_none_whatever_the_reason(counter: Counter) -> None:
    one = counter.sell()
    printer = replace(counter.grace, permissions=counter.grace.permissions - {"tokens:reveal"})
    assert GROUPED not in printed(printer, one)
    assert GROUPED not in printed(printer, one, "the customer lost the slip")
    assert counter.audited(one, "token.revealed") == []


def test_a_token_that_cannot_be_opened_does_not_hold_the_receipt_back(counter: Counter, without_keys: Callable[[], None]) -> None:
    one = counter.sell()
    without_keys()
    said = printed(counter.grace, one)
    assert "MWK 5,475.50" in said
    assert "it cannot be opened" in said
    assert "vault-keys" not in said


def test_what_the_next_print_will_be_is_told_beforehand(counter: Counter) -> None:
    one = counter.sell()
    row = counter.find(one)
    before, others = receipts.standing(counter.grace, row), receipts.standing(counter.limbani, row)
    assert (before.printed, before.copy, before.has_token, before.shows_token) == (0, 0, True, True)  # type: ignore[union-attr]
    assert (others.copy, others.shows_token) == (1, False)  # type: ignore[union-attr]
    receipts.print_receipt(counter.grace, one)
    after = receipts.standing(counter.grace, row)
    assert (after.printed, after.copy, after.shows_token) == (1, 1, False)  # type: ignore[union-attr]


def test_a_customers_name_is_printed_letter_by_letter(counter: Counter) -> None:
    one = counter.sell()
    name = "<b>Grace</b> (a\\) Tj <img src=x> {{7*7}} %s"
    counter.rewrite(one, "customer_account_name = %s", name)
    assert name in printed(counter.grace, one)
