"""A payment with core banking, leg by leg: who is called next, with what, and where each answer leads."""

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest

from core import clock, db
from core.banking.contract import BankVerb, TakenBack, Transfer
from core.errors import Misconfigured, NotLegalNow
from core.ids import new_id
from core.models import Transaction
from core.repositories.transactions import Transactions
from core.repositories.work import Work
from core.security import audit
from core.services import claims, core_banking, drafts, payments, settlement, sweeps
from core.services.balances import BankAccount
from core.services.errands import Errand, Result, TheBank
from core.services.moves import Move, Stand, move
from core.services.policy import MOST_REPEATS, Reason
from core.settings import settings
from core.states import LegKind, Stage, Status
from core.wire.contract import Outcome, Payment, Receipt, Verb
from tests.payments.bench import CODE, CODES, Bench

S, Out = Stage, Outcome

CUSTOMER, SUSPENSE = "2910000001", "MWK1280600010001"
DEBIT_ID = "FT26329ABCDE"

Claim = Callable[[str, Mapping[str, int], int], list[Errand]]

LANES: Mapping[str, Claim] = {
    "debit": claims.claim_debits,
    "pay": claims.claim_sends,
    "ask the bank": claims.claim_bank_inquiries,
    "ask the biller": claims.claim_inquiries,
    "give back": claims.claim_returns,
    "take back": claims.claim_pay_reversals,
}


class Teller:
    """One payment at a time through every lane, each call answered as the test says."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench

    def pay(self) -> uuid.UUID:
        bench, operator = self.bench, self.bench.operator
        account = bench.account()
        form = {"biller": CODE, "account": account, "amount": "5475.50", "lookup": str(bench.look_up(account))}
        draft = drafts.begin(operator, form).id
        drafts.charge(operator, draft, BankAccount(CUSTOMER, "unknown", clock.now(), "The balance is not known."), "review")
        return payments.submit(operator, drafts.freeze(operator, draft).draft.id).transaction_id

    def claim(self, lane: str, most: int = 10) -> list[Errand]:
        return LANES[lane]("teller:1:x", {CODE: 10}, most)

    def answered(self, errand: Errand, outcome: Outcome, **more: Any) -> Result:
        said = {"external_id": DEBIT_ID if isinstance(errand.party, TheBank) else "LWB0000000001"} if outcome is Out.CONFIRMED else {}
        receipt = None if CODES[outcome] is None else Receipt(outcome, CODES[outcome], **{**said, **more})
        return Result(errand, new_id(), outcome, receipt=receipt)

    def step(self, lane: str, outcome: Outcome, **more: Any) -> Errand:
        """Claims the one row that is due in this lane, and has its call answered."""
        (errand,) = self.claim(lane)
        settlement.conclude([self.answered(errand, outcome, **more)])
        return errand

    def walk(self, *steps: tuple[str, Outcome]) -> uuid.UUID:
        paid = self.pay()
        for lane, outcome in steps:
            self.bench.due(paid)
            self.step(lane, outcome)
        return paid

    def idle(self) -> bool:
        """No lane has anything to do, however long one waits."""
        return not any(self.claim(lane) for lane in LANES)

    def leg(self, paid: uuid.UUID, kind: LegKind) -> dict[str, Any]:
        names = ("reference", "tainted", "accepted", "sends", "external_id")
        (row,) = self.bench.sql(f"SELECT {', '.join(names)} FROM legs WHERE transaction_id = %s AND kind = %s", paid, kind.value)
        return dict(zip(names, row, strict=True))

    def breaks(self, paid: uuid.UUID) -> list[tuple[Any, ...]]:
        return self.bench.sql("SELECT leg, kind FROM breaks WHERE transaction_id = %s", paid)


@pytest.fixture
def teller(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Iterator[Teller]:
    monkeypatch.setenv("T24_API_URL", "http://127.0.0.1:1/t24")
    monkeypatch.setenv("T24_INQUIRY_CERTIFIED", "true")
    monkeypatch.setenv("T24_MAX_PROCESSING_SECONDS", "60")
    settings.cache_clear()
    bench.configure(topology="SEPARATE", credit_account=SUSPENSE)
    yield Teller(bench)
    bench.configure(topology="NONE", credit_account=None)


# ---- Where answers lead

DEBITED = ("debit", Out.CONFIRMED)
PAID = (DEBITED, ("pay", Out.CONFIRMED))
REFUSED = (DEBITED, ("pay", Out.REJECTED))

# (what happens, the calls and their answers, where it stands, who is called next)
WAYS: Sequence[tuple[str, Sequence[tuple[str, Outcome]], Stage, str | None]] = [
    ("core banking comes first", (), S.QUEUED, "debit"),
    ("then the biller", (DEBITED,), S.DEBITED, "pay"),
    ("and that is all", PAID, S.COMPLETED, None),
    ("a refused debit ends it", (("debit", Out.REJECTED),), S.FAILED, None),
    ("a debit that was not sent is sent again", (("debit", Out.NOT_SENT),), S.DEBIT_RETRY, "debit"),
    ("a debit that was held is asked about", (("debit", Out.ACCEPTED),), S.DEBIT_ACCEPTED, "ask the bank"),
    ("and goes on once it is posted", (("debit", Out.ACCEPTED), ("ask the bank", Out.CONFIRMED)), S.DEBITED, "pay"),
    ("a debit in doubt is asked about, never sent again", (("debit", Out.UNKNOWN),), S.DEBIT_UNKNOWN, "ask the bank"),
    ("and goes on once it is found", (("debit", Out.UNKNOWN), ("ask the bank", Out.CONFIRMED)), S.DEBITED, "pay"),
    ("never seen before the window closed proves nothing", (("debit", Out.UNKNOWN), ("ask the bank", Out.NOT_FOUND)), S.DEBIT_UNKNOWN, "ask the bank"),
    ("a held debit that nobody knows any more is for people", (("debit", Out.ACCEPTED), ("ask the bank", Out.NOT_FOUND)), S.REVIEW, None),
    ("a refusing biller has the debit given back", REFUSED, S.PAY_REJECTED, "give back"),
    ("and then nothing has moved", (*REFUSED, ("give back", Out.CONFIRMED)), S.REVERSED, None),
    ("a biller in doubt is asked, and nothing is given back", (DEBITED, ("pay", Out.UNKNOWN)), S.PAY_UNKNOWN, "ask the biller"),
    ("a biller that was not reached is sent to again", (DEBITED, ("pay", Out.NOT_SENT)), S.PAY_RETRY, "pay"),
    ("a reversal in doubt is asked for again", (*REFUSED, ("give back", Out.UNKNOWN)), S.REVERSAL_UNKNOWN, "give back"),
    ("a refused one too", (*REFUSED, ("give back", Out.REJECTED)), S.REVERSAL_UNKNOWN, "give back"),
    ("one that was not sent too", (*REFUSED, ("give back", Out.NOT_SENT)), S.REVERSAL_UNKNOWN, "give back"),
    ("and one that waits for an authorisation", (*REFUSED, ("give back", Out.ACCEPTED)), S.REVERSAL_UNKNOWN, "give back"),
    ("refused first, then done", (*REFUSED, ("give back", Out.REJECTED), ("give back", Out.CONFIRMED)), S.REVERSED, None),
    ("six tries are enough", (*REFUSED, *[("give back", Out.UNKNOWN)] * MOST_REPEATS), S.REVIEW, None),
    ("five are not", (*REFUSED, *[("give back", Out.UNKNOWN)] * (MOST_REPEATS - 1)), S.REVERSAL_UNKNOWN, "give back"),
    ("what was never sent is no try", (*REFUSED, *[("give back", Out.NOT_SENT)] * (MOST_REPEATS + 2)), S.REVERSAL_UNKNOWN, "give back"),
]


@pytest.mark.parametrize(("steps", "stage", "following"), [way[1:] for way in WAYS], ids=[way[0] for way in WAYS])
def test_where_each_answer_leads(teller: Teller, steps: Sequence[tuple[str, Outcome]], stage: Stage, following: str | None) -> None:
    paid = teller.walk(*steps)
    assert teller.bench.stage(paid) is stage
    row = teller.bench.find(paid)
    if following is None:
        assert row.next_action_at is None
        assert teller.idle()
        return
    teller.bench.due(paid)
    assert [lane for lane in LANES if lane != following and teller.claim(lane)] == []
    assert [errand.stand.id for errand in teller.claim(following)] == [paid]


def test_what_core_banking_is_told_of_a_debit(teller: Teller) -> None:
    paid = teller.pay()
    (errand,) = teller.claim("debit")
    assert isinstance(errand.ask, Transfer)
    assert (errand.verb, errand.party.code) == (BankVerb.DEBIT, "T24")
    assert (errand.ask.debit_account, errand.ask.credit_account, errand.ask.amount.text) == (CUSTOMER, SUSPENSE, "5475.50")
    assert errand.ask.reference == teller.leg(paid, LegKind.DEBIT)["reference"]


def test_the_biller_is_not_told_whose_account_was_debited(teller: Teller) -> None:
    """Rule 1: it would be debited a second time."""
    teller.pay()
    teller.step(*DEBITED)
    (errand,) = teller.claim("pay")
    assert isinstance(errand.ask, Payment)
    assert (errand.ask.debit_account, errand.ask.credit_account) == (None, None)


def test_a_debit_is_given_back_by_core_bankings_own_id(teller: Teller) -> None:
    paid = teller.walk(*REFUSED)
    (errand,) = teller.claim("give back")
    assert isinstance(errand.ask, TakenBack)
    assert (errand.verb, errand.ask.id) == (BankVerb.REVERSE, DEBIT_ID)
    assert teller.leg(paid, LegKind.DEBIT)["external_id"] == DEBIT_ID


def test_a_debit_whose_id_nobody_told_is_for_people(teller: Teller) -> None:
    paid = teller.walk(("debit", Out.UNKNOWN))
    teller.bench.due(paid)
    teller.step("ask the bank", Out.CONFIRMED, external_id=None)
    teller.step("pay", Out.REJECTED)
    assert teller.claim("give back") == []
    assert teller.bench.stage(paid) is S.REVIEW
    assert teller.leg(paid, LegKind.REVERSAL)["sends"] == 0


def test_core_bankings_own_number_is_not_the_billers(teller: Teller) -> None:
    paid = teller.walk(DEBITED)
    assert teller.bench.find(paid).external_transaction_id is None
    teller.step("pay", Out.CONFIRMED)
    assert teller.bench.find(paid).external_transaction_id == "LWB0000000001"


def test_a_debit_is_sent_again_under_the_same_reference(teller: Teller) -> None:
    paid = teller.walk(("debit", Out.NOT_SENT))
    teller.bench.due(paid)
    (errand,) = teller.claim("debit")
    assert errand.reference == teller.leg(paid, LegKind.DEBIT)["reference"]
    assert teller.bench.sql("SELECT DISTINCT reference FROM attempts WHERE transaction_id = %s", paid) == [(errand.reference,)]


def test_a_debit_that_core_banking_never_saw_is_sent_again_once_that_is_certain(teller: Teller) -> None:
    """60 s core banking's longest, 60 s of margin and 10 s of deadline after the send, and then three times."""
    paid = teller.walk(("debit", Out.UNKNOWN))
    teller.bench.age(paid, timedelta(seconds=131))
    for _ in range(3):
        assert teller.bench.stage(paid) is S.DEBIT_UNKNOWN
        teller.step("ask the bank", Out.NOT_FOUND)
        teller.bench.age(paid, timedelta(seconds=20))
    assert teller.bench.stage(paid) is S.DEBIT_RETRY
    assert not teller.leg(paid, LegKind.DEBIT)["tainted"]


def test_core_banking_has_so_many_calls_over_all_billers(teller: Teller) -> None:
    for _ in range(3):
        teller.pay()
    assert len(teller.claim("debit", most=2)) == 2
    assert teller.claim("debit", most=0) == []


def test_a_refusal_says_why_to_the_end(teller: Teller) -> None:
    """The customer asks why the bill is not paid, not how the money came back."""
    paid = teller.walk(*REFUSED, ("give back", Out.CONFIRMED))
    assert teller.bench.find(paid).error_code == "ACCOUNT_BLOCKED"


def test_what_knows_no_account_at_the_bank_is_not_retried_out_of_one(teller: Teller) -> None:
    """It was paid at the counter, and its biller is paid out of an account by now: whose, nobody said."""
    teller.bench.configure(topology="NONE", credit_account=None)
    refused = teller.bench.paid_to(S.FAILED)
    teller.bench.configure(topology="SEPARATE", credit_account=SUSPENSE)
    with pytest.raises(NotLegalNow, match="Start a new payment"):
        payments.retry(teller.bench.operator, refused)


def test_one_that_cannot_be_said_does_not_stand_before_the_others(teller: Teller, monkeypatch: pytest.MonkeyPatch) -> None:
    bad, good = teller.pay(), teller.pay()
    original = core_banking.transfer_of

    def forgetful(row: Transaction, *more: Any, **named: Any) -> Transfer:
        if row.id == bad:
            raise Misconfigured("This payment names no accounts at the bank.")
        return original(row, *more, **named)

    monkeypatch.setattr(core_banking, "transfer_of", forgetful)
    assert [errand.stand.id for errand in teller.claim("debit")] == [good]
    assert teller.claim("debit") == []
    assert teller.bench.stage(bad) is S.QUEUED


# ---- Time


def let_expire(teller: Teller, paid: uuid.UUID) -> None:
    teller.bench.sql("UPDATE transactions SET expires_at = now() - interval '1 s' WHERE id = %s", paid)


@pytest.mark.parametrize(
    ("steps", "stage"),
    [
        ((), S.FAILED),
        ((("debit", Out.NOT_SENT),), S.FAILED),
        ((DEBITED,), S.REVERSAL_SENDING),
        ((DEBITED, ("pay", Out.NOT_SENT)), S.REVERSAL_SENDING),
        ((("debit", Out.UNKNOWN),), S.DEBIT_UNKNOWN),
        ((DEBITED, ("pay", Out.UNKNOWN)), S.PAY_UNKNOWN),
        (REFUSED, S.PAY_REJECTED),
    ],
)
def test_what_cannot_be_sent_in_time_is_failed_or_given_back(teller: Teller, steps: Sequence[tuple[str, Outcome]], stage: Stage) -> None:
    paid = teller.walk(*steps)
    let_expire(teller, paid)
    assert teller.claim("debit") == teller.claim("pay") == []
    sweeps.give_up_overdue()
    assert teller.bench.stage(paid) is stage


def test_a_debit_is_given_back_however_late(teller: Teller) -> None:
    paid = teller.walk(DEBITED)
    let_expire(teller, paid)
    sweeps.give_up_overdue()
    teller.step("give back", Out.CONFIRMED)
    assert teller.bench.stage(paid) is S.REVERSED
    assert teller.leg(paid, LegKind.PAY)["sends"] == 0


def test_a_biller_that_is_switched_off_has_the_debit_given_back(teller: Teller) -> None:
    paid = teller.walk(DEBITED)
    teller.bench.configure(is_active=False)
    sweeps.give_up_overdue()
    assert teller.bench.stage(paid) is S.REVERSAL_SENDING
    (errand,) = teller.claim("give back")
    assert errand.stand.id == paid


def test_nobody_is_debited_for_a_paused_biller(teller: Teller) -> None:
    paid = teller.pay()
    teller.bench.configure(paused_at=clock.now(), paused_reason="Maintenance")
    assert teller.claim("debit") == []
    assert teller.bench.stage(paid) is S.QUEUED


@pytest.mark.parametrize(
    ("steps", "lane", "stage"),
    [
        ((), "debit", S.DEBIT_UNKNOWN),
        ((DEBITED,), "pay", S.PAY_UNKNOWN),
        (REFUSED, "give back", S.REVERSAL_UNKNOWN),
    ],
)
def test_a_call_whose_worker_is_gone_is_in_doubt(teller: Teller, steps: Sequence[tuple[str, Outcome]], lane: str, stage: Stage) -> None:
    paid = teller.walk(*steps)
    teller.claim(lane)
    teller.bench.let_lease_expire(paid)
    assert sweeps.settle_lost_leases() == 1
    assert teller.bench.stage(paid) is stage


# ---- Answers that come late


def lost(teller: Teller, paid: uuid.UUID, lane: str) -> Errand:
    """A call that its worker was thought to have taken to the grave."""
    (errand,) = teller.claim(lane)
    teller.bench.let_lease_expire(paid)
    sweeps.settle_lost_leases()
    return errand


def test_a_late_yes_of_a_debit_that_was_to_be_sent_again_stops_it(teller: Teller) -> None:
    paid = teller.pay()
    errand = lost(teller, paid, "debit")
    teller.bench.age(paid, timedelta(seconds=131))
    for _ in range(3):
        teller.step("ask the bank", Out.NOT_FOUND)
        teller.bench.age(paid, timedelta(seconds=20))
    assert teller.bench.stage(paid) is S.DEBIT_RETRY
    settlement.conclude([teller.answered(errand, Out.CONFIRMED)])
    assert teller.bench.stage(paid) is S.DEBIT_UNKNOWN
    assert teller.claim("debit") == []
    teller.step("ask the bank", Out.CONFIRMED)
    assert teller.bench.stage(paid) is S.DEBITED


def never_seen_and_expired(teller: Teller, paid: uuid.UUID) -> None:
    """The biller is asked until it is certain that it never saw the payment, and by then its time is up."""
    teller.bench.age(paid, timedelta(seconds=300))
    for _ in range(3):
        teller.step("ask the biller", Out.NOT_FOUND)
        teller.bench.age(paid, timedelta(seconds=20))
    assert teller.bench.stage(paid) is S.PAY_RETRY
    let_expire(teller, paid)
    sweeps.give_up_overdue()


def test_a_late_yes_of_the_biller_stops_the_reversal(teller: Teller) -> None:
    """Nothing goes out by itself any more: the biller has the money, and the customer must not get it back as well."""
    paid = teller.walk(DEBITED)
    errand = lost(teller, paid, "pay")
    never_seen_and_expired(teller, paid)
    assert teller.bench.stage(paid) is S.REVERSAL_SENDING
    settlement.conclude([teller.answered(errand, Out.CONFIRMED)])
    assert teller.bench.stage(paid) is S.REVIEW
    assert teller.claim("give back") == []
    assert teller.breaks(paid) == [("PAY", "LATE_SUCCESS")]


def test_a_late_yes_after_the_reversal_is_a_break_and_changes_nothing(teller: Teller) -> None:
    paid = teller.walk(DEBITED)
    errand = lost(teller, paid, "pay")
    never_seen_and_expired(teller, paid)
    teller.step("give back", Out.CONFIRMED)
    for _ in range(2):
        settlement.conclude([teller.answered(errand, Out.CONFIRMED)])
    assert teller.bench.stage(paid) is S.REVERSED
    assert teller.breaks(paid) == [("PAY", "LATE_SUCCESS")]
    entries = teller.bench.sql("SELECT count(*) FROM audit_entries WHERE action = 'transaction.contradicted' AND subject_id = %s", str(paid))
    assert entries == [(1,)]


@pytest.mark.parametrize(("asked_twice", "found"), [(False, 1), (True, 1)])
def test_what_ended_unseen_is_asked_about_again_and_a_yes_is_a_break(teller: Teller, asked_twice: bool, found: int) -> None:
    paid = teller.walk(DEBITED)
    lost(teller, paid, "pay")
    never_seen_and_expired(teller, paid)
    teller.step("give back", Out.CONFIRMED)
    assert teller.claim("ask the biller") == []
    if asked_twice:
        teller.bench.due(paid)
        teller.step("ask the biller", Out.NOT_FOUND)
        assert teller.breaks(paid) == []
    teller.bench.due(paid)
    errand = teller.step("ask the biller", Out.CONFIRMED)
    assert (errand.verb, errand.leg) == (Verb.STATUS, LegKind.PAY)
    assert teller.bench.stage(paid) is S.REVERSED
    assert len(teller.breaks(paid)) == found


def test_after_a_day_nobody_asks_any_more(teller: Teller) -> None:
    paid = teller.walk(DEBITED)
    lost(teller, paid, "pay")
    never_seen_and_expired(teller, paid)
    teller.step("give back", Out.CONFIRMED)
    teller.bench.sql("UPDATE transactions SET completed_at = now() - interval '25 hours' WHERE id = %s", paid)
    teller.bench.due(paid)
    teller.step("ask the biller", Out.NOT_FOUND)
    assert teller.bench.find(paid).next_action_at is None


# ---- A completed payment given back


def ask_back(teller: Teller, paid: uuid.UUID) -> None:
    """As two people do it."""
    with db.unit_of_work() as session:
        row = Transactions(session).locked(paid)
        assert row is not None
        move(session, Move(Stand.of(row), S.REVERSAL_REQUESTED, Reason.PAY_REVERSAL_SENDING, wait=timedelta(0)))


TAKEN_BACK = ("take back", Out.CONFIRMED)
BACK_WAYS: Sequence[tuple[str, Sequence[tuple[str, Outcome]], Stage, str | None]] = [
    ("the biller is asked first", (), S.REVERSAL_REQUESTED, "take back"),
    ("then the customer is credited", (TAKEN_BACK,), S.REFUND_SENDING, "give back"),
    ("and then it is reversed", (TAKEN_BACK, ("give back", Out.CONFIRMED)), S.REVERSED, None),
    ("a biller that refuses keeps it", (("take back", Out.REJECTED),), S.COMPLETED, None),
    ("a biller in doubt is asked for it again", (("take back", Out.UNKNOWN),), S.PAY_REVERSAL_UNKNOWN, "take back"),
    ("and its refusal then proves nothing", (("take back", Out.UNKNOWN), ("take back", Out.REJECTED)), S.PAY_REVERSAL_UNKNOWN, "take back"),
    ("a biller that is not reached is sent to again", (("take back", Out.NOT_SENT),), S.PAY_REVERSAL_UNKNOWN, "take back"),
    ("six tries are enough", [("take back", Out.UNKNOWN)] * MOST_REPEATS, S.REVIEW_REVERSAL, None),
    ("a refund in doubt is asked about, never sent again", (TAKEN_BACK, ("give back", Out.UNKNOWN)), S.REFUND_UNKNOWN, "ask the bank"),
    ("and found", (TAKEN_BACK, ("give back", Out.UNKNOWN), ("ask the bank", Out.CONFIRMED)), S.REVERSED, None),
    ("a refund that was not sent is sent again", (TAKEN_BACK, ("give back", Out.NOT_SENT)), S.REFUND_SENDING, "give back"),
    ("a refused refund is for people", (TAKEN_BACK, ("give back", Out.REJECTED)), S.REVIEW_REVERSAL, None),
    ("a held refund is asked about", (TAKEN_BACK, ("give back", Out.ACCEPTED)), S.REFUND_UNKNOWN, "ask the bank"),
    ("a held refund nobody knows is for people", (TAKEN_BACK, ("give back", Out.ACCEPTED), ("ask the bank", Out.NOT_FOUND)), S.REVIEW_REVERSAL, None),
]


@pytest.mark.parametrize(("steps", "stage", "following"), [way[1:] for way in BACK_WAYS], ids=[way[0] for way in BACK_WAYS])
def test_where_each_answer_leads_when_it_is_given_back(teller: Teller, steps: Sequence[tuple[str, Outcome]], stage: Stage, following: str | None) -> None:
    paid = teller.walk(*PAID)
    ask_back(teller, paid)
    for lane, outcome in steps:
        teller.bench.due(paid)
        teller.step(lane, outcome)
    row = teller.bench.find(paid)
    assert (Stage(row.stage), row.status) == (stage, Status.REVERSED if stage is S.REVERSED else Status.COMPLETED)
    if following is None:
        assert teller.idle()
        return
    teller.bench.due(paid)
    assert [errand.stand.id for errand in teller.claim(following)] == [paid]


def test_a_refund_goes_the_other_way_under_its_own_reference(teller: Teller) -> None:
    paid = teller.walk(*PAID)
    ask_back(teller, paid)
    taken = teller.step(*TAKEN_BACK)
    assert (taken.verb, taken.reference) == (Verb.REVERSE, teller.leg(paid, LegKind.PAY)["reference"])
    (errand,) = teller.claim("give back")
    assert isinstance(errand.ask, Transfer)
    assert (errand.ask.debit_account, errand.ask.credit_account) == (SUSPENSE, CUSTOMER)
    assert errand.reference == teller.leg(paid, LegKind.REFUND)["reference"]


@pytest.mark.parametrize(
    ("steps", "lane", "stage"),
    [((), "take back", S.PAY_REVERSAL_UNKNOWN), ((TAKEN_BACK,), "give back", S.REFUND_UNKNOWN)],
)
def test_a_lost_call_that_gives_back_is_in_doubt(teller: Teller, steps: Sequence[tuple[str, Outcome]], lane: str, stage: Stage) -> None:
    paid = teller.walk(*PAID)
    ask_back(teller, paid)
    for each in steps:
        teller.step(*each)
    teller.claim(lane)
    teller.bench.let_lease_expire(paid)
    sweeps.settle_lost_leases()
    assert teller.bench.stage(paid) is stage


def test_the_story_of_two_legs_verifies(teller: Teller) -> None:
    paid = teller.walk(*REFUSED, ("give back", Out.CONFIRMED))
    with db.unit_of_work() as session:
        assert set(Work(session).legs_of([paid])[paid]) == set(LegKind)
        audit.seal(session)
    assert teller.bench.sql("SELECT from_stage, to_stage FROM events WHERE transaction_id = %s ORDER BY seq", paid)[-3:] == [
        ("PAY_SENDING", "PAY_REJECTED"),
        ("PAY_REJECTED", "REVERSAL_SENDING"),
        ("REVERSAL_SENDING", "REVERSED"),
    ]
