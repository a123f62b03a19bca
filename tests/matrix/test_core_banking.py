"""W29 to W34, C04: core banking, where the customer is debited before the biller is paid, and given back what was taken in vain."""

import uuid

import pytest

from core.banking.t24 import ALREADY_REVERSED
from core.services import payments
from core.states import Stage
from tests.campaign.evidence import BANK
from tests.campaign.harness import until
from tests.matrix.bank import GIVE_BACK, LIST, REFUSED_ACCOUNT, BankTown, new_bank_account
from tests.matrix.town import SRWB, Bill, new_account

DEBITED = [Stage.CREATED, Stage.QUEUED, Stage.DEBIT_SENDING, Stage.DEBITED, Stage.PAY_SENDING]
GIVEN_BACK = [*DEBITED, Stage.PAY_REJECTED, Stage.REVERSAL_SENDING, Stage.REVERSED]

# A day of asking, shrunk as every wait, and a little.
A_DAY = 86_400 * 0.01 + 10

ENDS = frozenset({Stage.COMPLETED, Stage.FAILED, Stage.REVERSED, Stage.REVIEW})


@pytest.fixture(scope="module", autouse=True)
def worker(shared_bank_town: BankTown) -> None:
    with pytest.MonkeyPatch.context() as patch:
        shared_bank_town.enter(patch)
        shared_bank_town.start_worker()


def ends_paid(town: BankTown, paid: uuid.UUID, *, debits: int = 1) -> None:
    """One debit, then one payment, and nothing given back."""
    town.watch(paid, stages=ENDS)
    town.expect(paid, Stage.COMPLETED, effects=1)
    assert town.at_bank(paid) == ["DEBIT"], town.tell(paid)
    assert town.debits_arrived(paid) == debits
    town.judge().assert_all_well()


def ends_given_back(town: BankTown, paid: uuid.UUID) -> None:
    town.watch(paid, stages=ENDS)
    town.expect(paid, Stage.REVERSED, effects=0)
    assert town.at_bank(paid) == ["DEBIT", "REVERSAL"], town.tell(paid)
    town.judge().assert_all_well()


# ---- Posted, or not yet


def test_w29_a_debit_that_is_not_authorised_yet_is_asked_about_and_the_biller_waits(bank_town: BankTown) -> None:
    """INAU: HTTP 200, success, and nothing was debited. It is posted later."""
    paid = bank_town.pay_debited("2030000002")
    ends_paid(bank_town, paid)
    assert bank_town.stages(paid) == [*DEBITED[:3], Stage.DEBIT_ACCEPTED, *DEBITED[3:], Stage.COMPLETED]


def test_w29_a_debit_on_hold_is_for_people_after_a_day_and_the_biller_is_never_paid(bank_town: BankTown) -> None:
    """IHLD: it stays as it is."""
    paid = bank_town.pay_debited("2030000001")
    bank_town.watch(paid, stages=frozenset({Stage.DEBIT_ACCEPTED}))
    until(lambda: bank_town.leg(paid, "DEBIT")["inquiries"] >= 2, "it is asked about")
    assert bank_town.stage(paid) is Stage.DEBIT_ACCEPTED
    bank_town.age(paid, A_DAY)
    bank_town.watch(paid, stages=ENDS)
    bank_town.expect(paid, Stage.REVIEW, effects=0)
    assert (bank_town.arrived(paid), bank_town.at_bank(paid), bank_town.debits_arrived(paid)) == (0, [], 1)
    bank_town.judge().assert_all_well()


@pytest.mark.parametrize("fault", ["act_then_close", "act_then_reset", "act_then_hang", "act_then_500", "act_late", "html_page_200"])
def test_w30_a_debit_whose_answer_is_lost_is_asked_about_and_never_made_twice(bank_town: BankTown, fault: str) -> None:
    account = new_bank_account()
    bank_town.trouble(fault, account=account)
    paid = bank_town.pay_debited(account)
    # A page in the place of an answer, and nothing behind it: proven unseen, it is made again under the same reference.
    ends_paid(bank_town, paid, debits=2 if fault == "html_page_200" else 1)
    assert Stage.DEBIT_UNKNOWN in bank_town.stages(paid)


def test_w30_an_inquiry_that_fails_too_changes_nothing(bank_town: BankTown) -> None:
    account = new_bank_account()
    bank_town.trouble("act_then_close", account=account)
    for fault in ("hang_without_acting", "html_page_200", "wrong_reference", "500_without_acting"):
        bank_town.trouble(fault, LIST, account=account)
    ends_paid(bank_town, bank_town.pay_debited(account))


@pytest.mark.parametrize("account", ["2020000002", "2020000003"])
def test_w31_without_funds_nothing_is_paid_and_nothing_has_moved(bank_town: BankTown, account: str) -> None:
    """With HTTP 400, and inside HTTP 200."""
    paid = bank_town.pay_debited(account)
    bank_town.watch(paid, stages=ENDS)
    bank_town.expect(paid, Stage.FAILED, effects=0)
    assert (bank_town.at_bank(paid), bank_town.arrived(paid)) == ([], 0)
    assert "insufficient funds" in str(bank_town.find(paid).error_message).lower()
    bank_town.judge().assert_all_well()


# ---- Giving back


def test_w32_what_the_biller_refuses_is_given_back_by_the_banks_own_number(bank_town: BankTown) -> None:
    paid = bank_town.pay_debited(account=REFUSED_ACCOUNT)
    ends_given_back(bank_town, paid)
    assert bank_town.stages(paid) == GIVEN_BACK
    [debit] = [line for line in bank_town.sandbox.lines("ledger", BANK) if line["kind"] == "DEBIT" and line["reference"] == reference_of(bank_town, paid)]
    assert given_back(bank_town, paid) == [debit["id"]]


def reference_of(town: BankTown, paid: uuid.UUID) -> str:
    return str(town.leg(paid, "DEBIT")["reference"])


def given_back(town: BankTown, paid: uuid.UUID) -> list[str]:
    reference = reference_of(town, paid)
    return [str(line["id"]) for line in town.sandbox.lines("ledger", BANK) if line["kind"] == "REVERSAL" and line["reference"] == reference]


@pytest.mark.parametrize("fault", ["act_then_close", "act_then_hang", "close_on_accept", "act_then_500"])
def test_w33_a_reversal_whose_answer_is_lost_is_asked_for_again(bank_town: BankTown, fault: str) -> None:
    account = new_bank_account()
    bank_town.trouble(fault, GIVE_BACK, account=account)
    paid = bank_town.pay_debited(account, REFUSED_ACCOUNT)
    ends_given_back(bank_town, paid)
    assert Stage.REVERSAL_UNKNOWN in bank_town.stages(paid)


def test_w33_a_reversal_refused_six_times_is_for_people(bank_town: BankTown) -> None:
    paid = bank_town.pay_debited("2050000001", "10020003")
    bank_town.watch(paid, stages=ENDS)
    bank_town.expect(paid, Stage.REVIEW, effects=0)
    asked = bank_town.rows("SELECT count(*) FROM attempts WHERE transaction_id = %s AND leg = 'REVERSAL'", paid)
    assert asked == [(6,)]
    assert bank_town.at_bank(paid) == ["DEBIT"]
    bank_town.judge().assert_all_well()


def test_w33_what_was_given_back_already_is_no_failure(bank_town: BankTown) -> None:
    """The first answer is lost, and to the second request core banking says what has become of it: as a failure."""
    assert bank_town.road is not None
    bank_town.sandbox.next("slow", biller=SRWB, account=REFUSED_ACCOUNT, seconds=1.5)
    paid = bank_town.pay_debited(account=REFUSED_ACCOUNT)
    bank_town.watch(paid, stages=frozenset({Stage.PAY_SENDING}))
    said = f'{{"header":{{"status":"failed"}},"error":{{"errorDetails":[{{"code":"{ALREADY_REVERSED}","message":"ALREADY REVERSED"}}]}}}}'.encode()
    lost = iter([b""])
    done = b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(said), said)
    bank_town.road.change = lambda _: next(lost, done)
    bank_town.watch(paid, stages=ENDS)
    bank_town.road.change = bytes
    ends_given_back(bank_town, paid)
    assert bank_town.answers(paid, "reverse") == ["UNKNOWN", "CONFIRMED"]


def test_w34_while_core_banking_is_down_what_waits_can_be_cancelled_and_what_is_owed_is_given_back_after(own_bank_town: BankTown) -> None:
    town = own_bank_town
    assert town.road is not None
    worker = town.start_worker()
    town.sandbox.next("slow", biller=SRWB, account=REFUSED_ACCOUNT, seconds=2.0)
    forms = town.ask_all([Bill(SRWB, new_account(SRWB)) for _ in range(14)])
    waiting = [town.charged(form, new_bank_account()) for form in forms]
    # Debited, and refused by the biller when the bank is gone.
    owed = town.pay_debited(account=REFUSED_ACCOUNT)
    town.watch(owed, stages=frozenset({Stage.PAY_SENDING}))
    town.road.close()
    paid = [town.submit(draft) for draft in waiting[:10]]
    until(lambda: town.value("SELECT count(*) FROM breakers WHERE biller_type = %s", BANK), "core banking's circuit opens")
    paid += [town.submit(draft) for draft in waiting[10:]]
    other = town.pay_bill()
    town.watch(other)
    # One at a time tries whether the bank is back.
    assert {town.stage(one) for one in paid} <= {Stage.QUEUED, Stage.DEBIT_RETRY, Stage.DEBIT_SENDING}
    cancelled = paid.pop()
    assert town.stage(cancelled) is Stage.QUEUED
    payments.cancel(town.operator, cancelled)
    until(lambda: town.stage(owed) is Stage.REVERSAL_UNKNOWN, "it is asked for again and again")
    assert town.arrived(owed) == 1
    town.road.open()
    town.watch(owed, *paid, stages=ENDS)
    for one in paid:
        town.expect(one, Stage.COMPLETED, effects=1)
        assert town.at_bank(one) == ["DEBIT"]
    town.expect(owed, Stage.REVERSED, effects=0)
    assert town.at_bank(owed) == ["DEBIT", "REVERSAL"]
    town.expect(cancelled, Stage.CANCELLED, effects=0)
    assert worker.is_running
    town.judge().assert_all_well()


# ---- Its date


def test_c04_the_banks_business_date_is_its_own_affair(bank_town: BankTown) -> None:
    """On a Sunday core banking books under Friday's date, and at its end of day under tomorrow's. Our day is the calendar's; an inquiry finds either."""
    assert bank_town.road is not None
    for date in (b"2026-02-27", b"2031-12-31"):
        told = b'"debitValueDate":"%s","creditValueDate":"%s","debitReference"' % (date, date)
        bank_town.road.change = lambda reply, told=told, date=date: dated(reply, told, date)
        account = new_bank_account()
        bank_town.trouble("act_then_close", account=account)
        paid = bank_town.pay_debited(account)
        ends_paid(bank_town, paid)
        assert bank_town.value("SELECT completed_at BETWEEN now() - interval '5 min' AND now() FROM transactions WHERE id = %s", paid)
        assert bank_town.value("SELECT bool_and(at BETWEEN now() - interval '5 min' AND now()) FROM events WHERE transaction_id = %s", paid)
    bank_town.road.change = bytes


def dated(reply: bytes, told: bytes, date: bytes) -> bytes:
    """The bank's answer with its business date in it, and on its envelope."""
    head, _, body = reply.partition(b"\r\n\r\n")
    body = body.replace(b'"debitReference"', told)
    kept = [line for line in head.split(b"\r\n") if not line.lower().startswith((b"content-length:", b"date:"))]
    day = b"Fri, 27 Feb 2026 17:00:00 GMT" if date.startswith(b"2026") else b"Wed, 31 Dec 2031 22:00:00 GMT"
    return b"\r\n".join([*kept, b"Date: " + day, b"Content-Length: %d" % len(body)]) + b"\r\n\r\n" + body
