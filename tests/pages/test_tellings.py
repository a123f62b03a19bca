"""The sentence on top of each transaction: every stage has one, and none promises more than its status does."""

import string
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from core.banking.contract import BankVerb
from core.banking.t24 import T24
from core.ids import new_id
from core.models import Transaction
from core.states import ASKING_PLACES, BANK_LEGS, PAYMENT_PLACES, Stage, Status, TransactionType, status_of
from core.ui.tellings import AFTER_A_DEBIT, ALIASES, BANK_OUTCOMES, BANK_VERBS, DEMONSTRATION, OF_ITS_TYPE, OUTCOMES, PAYMENTS, QUESTIONS, REFUSALS, VERBS, tell
from core.wire.contract import Outcome, Verb

MOMENT = datetime(2025, 11, 23, 12, 5, 10, tzinfo=UTC)


def payment(stage: Stage = Stage.COMPLETED, **more: object) -> Transaction:
    facts: dict[str, object] = {
        "id": new_id(),
        "biller_type": "LWB_POSTPAID",
        "biller_name": "Lilongwe Water Board",
        "our_transaction_id": "0123456789ABCDEF",
        "transaction_type": TransactionType.POST_TRANSACTION.value,
        "account_number": "100001",
        "customer_account_name": "Grace Banda",
        "amount": Decimal("5475.50"),
        "currency": "MWK",
        "stage": stage.value,
        "status": status_of(stage).value,
        "external_transaction_id": "LWB-77",
        "next_action_at": MOMENT,
        "expires_at": MOMENT,
        "completed_at": MOMENT,
    }
    return Transaction(**facts | more)


def question(stage: Stage, **more: object) -> Transaction:
    return payment(stage, transaction_type=TransactionType.ACCOUNT_DETAILS.value, amount=None, **more)


def debited(stage: Stage = Stage.COMPLETED, **more: object) -> Transaction:
    return payment(stage, **{"topology": "SEPARATE", "debit_account": "2010000001", "credit_account": "MWK1280600010001"} | more)


@pytest.mark.parametrize("make", [payment, debited])
@pytest.mark.parametrize("stage", PAYMENT_PLACES)
def test_every_stage_of_a_payment_is_told_in_whole_sentences(stage: Stage, make: Callable[..., Transaction]) -> None:
    told = tell(make(stage))
    for part in (told.happened, told.means, told.next):
        assert "{" not in part
        assert not part or part[-1] in ".”"
    assert told.happened
    assert told.means


@pytest.mark.parametrize("stage", ASKING_PLACES)
def test_every_stage_of_a_look_up_is_told(stage: Stage) -> None:
    assert tell(question(stage)).happened


def test_no_stage_is_told_that_does_not_exist() -> None:
    assert set(PAYMENTS) == set(PAYMENT_PLACES)
    assert set(QUESTIONS) == set(ASKING_PLACES)


@pytest.mark.parametrize("make", [payment, debited])
@pytest.mark.parametrize("stage", [stage for stage, place in PAYMENT_PLACES.items() if place.status is Status.PROCESSING])
def test_whatever_may_have_been_sent_says_not_to_pay_again(stage: Stage, make: Callable[..., Transaction]) -> None:
    told = tell(make(stage))
    assert "Do not pay again" in f"{told.happened} {told.means}" or (stage is Stage.PAY_REJECTED and make is payment)


@pytest.mark.parametrize("make", [payment, debited])
@pytest.mark.parametrize("stage", [stage for stage, place in PAYMENT_PLACES.items() if place.status is Status.PENDING])
def test_what_waits_says_that_nothing_was_sent(stage: Stage, make: Callable[..., Transaction]) -> None:
    assert "Nothing was sent yet" in tell(make(stage)).means


# Where the customer has been debited, and nothing has given it back yet.
HELD = (Stage.DEBITED, Stage.PAY_SENDING, Stage.PAY_ACCEPTED, Stage.PAY_UNKNOWN, Stage.PAY_RETRY, Stage.PAY_REJECTED)


@pytest.mark.parametrize("stage", HELD)
def test_while_the_bank_holds_the_customers_money_nobody_is_told_that_none_moved(stage: Stage) -> None:
    told = tell(debited(stage))
    text = f"{told.happened} {told.rest}"
    assert "o money moved" not in text
    assert "no money has moved" not in text
    assert "debited" in text or "given the money back" in text


def test_what_was_given_back_says_where_the_customer_has_it() -> None:
    assert "account 2010000001 at the bank has the money again" in tell(debited(Stage.REVERSED)).means
    assert "over the counter" in tell(payment(Stage.REVERSED)).means


def test_a_refused_debit_is_told_as_the_banks_and_not_the_billers() -> None:
    told = tell(debited(Stage.FAILED, error_code="AC-INSUFFICIENT.FUNDS", error_message="raw"))
    assert told.means == "The customer's account at the bank does not have enough."
    assert "Lilongwe" not in told.rest


@pytest.mark.parametrize("code", [code for code, outcome in T24.outcomes.items() if outcome is Outcome.REJECTED])
def test_every_refusal_of_core_banking_has_words(code: str) -> None:
    assert code in REFUSALS


def test_only_what_is_paid_is_told_in_green() -> None:
    assert [stage for stage in PAYMENT_PLACES if tell(payment(stage)).tone == "good"] == [Stage.COMPLETED]


STAGES_AND_WORDS = [
    (Stage.QUEUED, "Waiting to be sent to Lilongwe Water Board."),
    (Stage.PAY_SENDING, "Being confirmed with Lilongwe Water Board. Do not pay again."),
    (Stage.PAY_UNKNOWN, "Being confirmed with Lilongwe Water Board. Do not pay again."),
    (Stage.PAY_ACCEPTED, "Lilongwe Water Board has accepted the payment and decides later. Do not pay again."),
    (Stage.PAY_RETRY, "Lilongwe Water Board could not be reached. Nothing was sent."),
    (Stage.REVIEW, "Two people decide about this payment. Do not pay again."),
    (Stage.COMPLETED, "Paid: MWK 5,475.50 to Lilongwe Water Board."),
    (Stage.FAILED, "Not paid. No money moved."),
    (Stage.CANCELLED, "Cancelled. No money moved."),
]


@pytest.mark.parametrize(("stage", "words"), STAGES_AND_WORDS)
def test_a_stage_is_told_in_these_words(stage: Stage, words: str) -> None:
    assert tell(payment(stage)).happened == words


def test_a_payment_in_doubt_names_the_next_check_with_its_zone() -> None:
    assert "Next check 14:05:10 CAT." in tell(payment(Stage.PAY_UNKNOWN)).next


def test_a_paid_bill_names_both_references_and_the_time() -> None:
    assert tell(payment()).next == "Biller's reference LWB-77, our reference 0123456789ABCDEF, 23 Nov 2025, 14:05:10 CAT."


def test_a_payment_that_nobody_looks_at_again_promises_no_check() -> None:
    assert tell(payment(Stage.PAY_UNKNOWN, next_action_at=None)).next == ""


@pytest.mark.parametrize("code", [*REFUSALS, *ALIASES])
def test_a_known_refusal_says_why_and_what_to_do(code: str) -> None:
    told = tell(payment(Stage.FAILED, error_code=code, error_message="raw"))
    assert "raw" not in told.rest
    assert told.means
    assert told.next


def test_a_refusal_nobody_listed_is_told_in_the_billers_own_words() -> None:
    assert "says: “Meter is upside down”" in tell(payment(Stage.FAILED, error_code="E77", error_message="Meter is upside down")).means


def test_words_from_outside_are_escaped_and_braces_in_them_stay() -> None:
    told = tell(payment(customer_account_name="*{amount}*", biller_name="{0}"), escape=lambda text: str(text).replace("*", "\\*"))
    assert "\\*{amount}\\*" in told.means
    assert "{0}" in told.happened


def test_a_look_up_without_an_answer_never_says_that_the_biller_may_have_acted() -> None:
    told = tell(question(Stage.FAILED, error_code="deadline", error_message="The biller did not answer in time. It may have acted."))
    assert "acted" not in told.rest


def test_every_outcome_and_verb_has_its_words() -> None:
    assert set(OUTCOMES) == {outcome.value for outcome in Outcome}
    assert set(VERBS) == {verb.value for verb in Verb}
    assert set(BANK_OUTCOMES) == set(OUTCOMES)
    assert {verb for _, verb in BANK_VERBS} == {verb.value for verb in BankVerb}
    assert {leg for leg, _ in BANK_VERBS} == BANK_LEGS


def test_every_placeholder_of_the_tables_is_filled() -> None:
    known = {"biller", "amount", "account", "of_name", "reference", "references", "why", "advice", "next", "answer_until", "until"}
    known |= {"invoice", "due", "bundle", "bundles", "debited", "given_back"}
    for table in (PAYMENTS, AFTER_A_DEBIT, QUESTIONS, OF_ITS_TYPE):
        for row in table.values():
            for part in (row.happened, row.means, row.next):
                assert {name for _, name, _, _ in string.Formatter().parse(part) if name} <= known


# ---- Invoices, bundles, demonstrations

INVOICE = {"invoice_number": "INV-7", "amount_due": "5475.50", "amount_currency": "MWK", "due_date": "2025-11-30"}
BUNDLES = {"bundles": [{"id": "D30", "name": "Daily 30 MB", "price": "350.00", "currency": "MWK"}, {"id": "W1", "name": "Weekly", "price": "900.00"}]}

ANSWERS: list[tuple[TransactionType, dict[str, object] | None, str]] = [
    (TransactionType.GET_INVOICE, INVOICE, "Lilongwe Water Board answered: invoice INV-7 of account 100001 of Grace Banda."),
    (TransactionType.GET_INVOICE, None, "Lilongwe Water Board answered: the invoice of account 100001 of Grace Banda."),
    (TransactionType.BUNDLE_DETAILS, BUNDLES, "Lilongwe Water Board answered: it offers 2 bundles to 100001."),
    (TransactionType.BUNDLE_DETAILS, {"bundles": []}, "Lilongwe Water Board answered: it offers no bundle to 100001."),
]


@pytest.mark.parametrize(("kind", "extra", "words"), ANSWERS)
def test_a_question_is_answered_in_the_words_of_its_kind(kind: TransactionType, extra: dict[str, object] | None, words: str) -> None:
    told = tell(payment(transaction_type=kind.value, amount=None, extra=extra))
    assert told.happened == words
    assert told.means.endswith("No money moved.")


def test_an_invoice_says_what_is_due_and_when() -> None:
    told = tell(payment(transaction_type=TransactionType.GET_INVOICE.value, amount=None, extra=INVOICE))
    assert told.means == "MWK 5,475.50 is due by 30 Nov 2025. No money moved."


@pytest.mark.parametrize("kind", [TransactionType.GET_INVOICE, TransactionType.BUNDLE_DETAILS])
@pytest.mark.parametrize("stage", ASKING_PLACES)
def test_every_stage_of_every_question_is_told_in_whole_sentences(kind: TransactionType, stage: Stage) -> None:
    told = tell(payment(stage, transaction_type=kind.value, amount=None))
    for part in (told.happened, told.means, told.next):
        assert "{" not in part
        assert not part or part[-1] in ".”"
    assert told.tone == ("good" if stage is Stage.COMPLETED else "bad" if stage is Stage.FAILED else "waiting")


@pytest.mark.parametrize(
    ("kind", "more", "words"),
    [
        (TransactionType.CONFIRM_INVOICE, {"invoice_number": "INV-7"}, "confirmed invoice INV-7 of account 100001 of Grace Banda."),
        (TransactionType.CONFIRM_BUNDLE, {"bundle_id": "D30", "extra": {"bundle_name": "Daily 30 MB"}}, "confirmed the bundle Daily 30 MB for 100001"),
        (TransactionType.CONFIRM_BUNDLE, {"bundle_id": "D30"}, "confirmed the bundle D30 for 100001"),
    ],
)
def test_a_payment_says_what_was_bought(kind: TransactionType, more: dict[str, object], words: str) -> None:
    told = tell(payment(transaction_type=kind.value, **more))
    assert told.happened == "Paid: MWK 5,475.50 to Lilongwe Water Board."
    assert words in told.means


def test_nobody_is_told_of_a_made_up_payment_as_if_it_were_one() -> None:
    assert tell(payment(demo=True)).means.startswith(DEMONSTRATION)
    assert DEMONSTRATION not in tell(payment(demo=False)).means
