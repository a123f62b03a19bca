"""Each biller's own flow: what is confirmed is what the biller said, an invoice is paid once, a token is kept sealed."""

import threading
import uuid
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

import pytest

from core.errors import BadInput, BillersError
from core.ids import new_id
from core.models.snapshot import Snapshot
from core.money import Money
from core.repositories.approval_rules import Scope
from core.security import vault
from core.services import approval_rules, claims, drafts, lookups, payments, settlement, tokens, wider_approvals
from core.services.errands import Errand, Result, terms_of
from core.services.payments import DuplicateSuspected, InvoiceTaken
from core.states import Stage
from core.wire.contract import Account, Bundle, Bundles, Invoice, Outcome, Payment, Query, Receipt, Told
from tests.payments.bench import WORKER, Bench

REGISTRAR, PREPAID, TNM, MASM, AIRTEL = "REGISTER_GENERAL", "SRWB_PREPAID", "TNM_BUNDLES", "MASM", "AIRTEL_VALIDATION"
METER = "37000000004"
NUMBER = "0881234567"
TOKEN = "12345678901234567890"


@pytest.fixture(autouse=True)
def all_billers(bench: Bench) -> Iterator[None]:
    """Switched on, and with a key ring for what they vend. What an earlier test paid is long ago."""
    vault.ensure_ring()
    bench.sql("UPDATE biller_configs SET is_active = true")
    yield
    bench.sql("UPDATE biller_configs SET is_active = biller_type = 'LWB_POSTPAID'")


def account_of(code: str, bench: Bench) -> str:
    """A new one, in the biller's own shape."""
    number = bench.account()
    if code == TNM:
        return f"0881{number[-6:]}"
    if code == PREPAID:
        stem = f"37{number[-8:]}"
        return next(f"{stem}{digit}" for digit in range(10) if _luhn(f"{stem}{digit}"))
    return number


def _luhn(number: str) -> bool:
    """Written anew, by the book: every second digit from the right is doubled, digits are summed."""
    digits = [int(digit) for digit in reversed(number)]
    doubled = [int(digit) for value in digits[1::2] for digit in str(2 * value)]
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0


def answered(code: str, told: Told) -> Errand:
    """The worker asks what was asked last, and the biller says this."""
    (errand,) = claims.claim_lookups(WORKER, {code: 1})
    settlement.conclude([Result(errand, new_id(), told.outcome, told=told)])
    return errand


def looked_up(bench: Bench, code: str, account: str, kind: str | None = None) -> uuid.UUID:
    asked = lookups.ask(bench.operator, code, account, kind)
    answered(code, Account(Outcome.CONFIRMED, account, "Grace Banda", state="ACTIVE"))
    return asked


def invoice(account: str, number: str = "INV-1", due: str = "10000.00", **more: Any) -> Invoice:
    return Invoice(Outcome.CONFIRMED, number, account, "Grace Banda", Money.from_text(due), date(2026, 12, 31), **more)


def invoice_form(bench: Bench, code: str, account: str, told: Invoice, amount: str | None = None) -> dict[str, Any]:
    lookup = looked_up(bench, code, account)
    asked = lookups.ask_invoice(bench.operator, code, account, amount)
    answered(code, told)
    return {"biller": code, "account": account, "lookup": str(lookup), "invoice": str(asked)}


def frozen(bench: Bench, form: Mapping[str, Any]) -> drafts.DraftView:
    return drafts.freeze(bench.operator, drafts.begin(bench.operator, form).id).draft


def paid(bench: Bench, form: Mapping[str, Any], reason: str | None = None) -> uuid.UUID:
    return payments.submit(bench.operator, frozen(bench, form).id, reason).transaction_id


def sent(code: str) -> Errand:
    (errand,) = claims.claim_sends(WORKER, {code: 1})
    return errand


def conclude(errand: Errand, receipt: Receipt) -> None:
    settlement.conclude([Result(errand, new_id(), receipt.outcome, receipt=receipt)])


# ---- Invoices


def test_an_invoice_is_paid_as_the_biller_told_it_whatever_the_browser_sends(bench: Bench) -> None:
    account = account_of(REGISTRAR, bench)
    form = invoice_form(bench, REGISTRAR, account, invoice(account, f"INV-{account}", "50000.00"))
    made = bench.find(paid(bench, {**form, "amount": "1.00"}))
    assert (made.transaction_type, made.invoice_number, str(made.amount)) == ("CONFIRM_INVOICE", f"INV-{account}", "50000.00")
    ask = sent(REGISTRAR).ask
    assert isinstance(ask, Payment)
    assert (ask.invoice_number, ask.amount.text, ask.reference) == (f"INV-{account}", "50000.00", made.our_transaction_id)


def test_only_the_invoice_of_this_very_account_and_only_an_answered_one_is_confirmed(bench: Bench) -> None:
    account, other = account_of(REGISTRAR, bench), account_of(REGISTRAR, bench)
    form = invoice_form(bench, REGISTRAR, account, invoice(account, f"INV-{account}"))
    theirs = invoice_form(bench, REGISTRAR, other, invoice(other, f"INV-{other}"))
    unanswered = str(lookups.ask_invoice(bench.operator, REGISTRAR, account))
    for wrong in (theirs["invoice"], form["lookup"], unanswered, str(uuid.uuid4()), "x", None):
        with pytest.raises(BadInput, match="Fetch the invoice first"):
            frozen(bench, {**form, "invoice": wrong})
    answered(REGISTRAR, Invoice(Outcome.REJECTED, code="invoice-paid"))
    with pytest.raises(BadInput, match="Fetch the invoice first"):
        frozen(bench, {**form, "invoice": unanswered})


def test_an_invoice_in_another_currency_or_beyond_the_limits_is_refused_in_words(bench: Bench) -> None:
    account = account_of(REGISTRAR, bench)
    in_dollars = Invoice(Outcome.CONFIRMED, "INV-9", account, "Grace", Money.from_text("10.00", "USD"))
    with pytest.raises(BadInput, match="asks for USD, which is not set up"):
        frozen(bench, invoice_form(bench, REGISTRAR, account, in_dollars))
    with pytest.raises(BadInput, match="takes between"):
        frozen(bench, invoice_form(bench, REGISTRAR, account, invoice(account, due="999999999.00")))


def test_an_invoice_is_paid_once_whatever_stage_the_first_payment_is_in(bench: Bench) -> None:
    account = account_of(REGISTRAR, bench)
    told = invoice(account, f"INV-{account}")
    form = invoice_form(bench, REGISTRAR, account, told)
    drafted = [frozen(bench, form).id for _ in range(3)]
    payments.submit(bench.operator, drafted[0])
    with pytest.raises(InvoiceTaken, match="is being paid by"):
        payments.submit(bench.operator, drafted[1], "meant")
    conclude(sent(REGISTRAR), Receipt(Outcome.CONFIRMED, "success"))
    with pytest.raises(InvoiceTaken, match="is paid by"):
        payments.submit(bench.operator, drafted[2], "meant")
    review = drafts.freeze(bench.operator, drafted[2])
    assert review.invoice_taken is not None


def test_of_two_at_once_who_pay_one_invoice_one_does(bench: Bench) -> None:
    account = account_of(REGISTRAR, bench)
    form = invoice_form(bench, REGISTRAR, account, invoice(account, f"INV-{account}"))
    drafted = [frozen(bench, form).id for _ in range(6)]
    refused: list[BillersError] = []
    start = threading.Barrier(len(drafted))

    def submit(draft: uuid.UUID) -> None:
        start.wait()
        try:
            payments.submit(bench.operator, draft, "meant")
        except BillersError as error:
            refused.append(error)

    tills = [threading.Thread(target=submit, args=(draft,)) for draft in drafted]
    for till in tills:
        till.start()
    for till in tills:
        till.join()
    assert [type(error) for error in refused] == [InvoiceTaken] * 5
    assert bench.sql("SELECT count(*) FROM transactions WHERE invoice_number = %s", f"INV-{account}") == [(1,)]


def test_a_refused_invoice_may_be_paid_again_and_its_retry_pays_the_same_one(bench: Bench) -> None:
    account = account_of(REGISTRAR, bench)
    form = invoice_form(bench, REGISTRAR, account, invoice(account, f"INV-{account}"))
    first = paid(bench, form)
    conclude(sent(REGISTRAR), Receipt(Outcome.REJECTED, "rejected"))
    assert bench.stage(first) is Stage.FAILED
    again = bench.find(payments.retry(bench.operator, first).transaction_id)
    assert (again.invoice_number, again.transaction_type, again.retry_of) == (f"INV-{account}", "CONFIRM_INVOICE", first)


def test_two_invoices_of_one_account_and_amount_are_two_bills(bench: Bench) -> None:
    account = account_of(REGISTRAR, bench)
    for number in ("A", "B"):
        paid(bench, invoice_form(bench, REGISTRAR, account, invoice(account, f"{number}-{account}")))
        conclude(sent(REGISTRAR), Receipt(Outcome.CONFIRMED, "success"))


# ---- Prepaid


def test_a_prepaid_invoice_is_made_for_the_amount_that_was_said(bench: Bench) -> None:
    meter = account_of(PREPAID, bench)
    looked_up(bench, PREPAID, meter)
    asked = lookups.ask_invoice(bench.operator, PREPAID, meter, "5,000")
    ask = answered(PREPAID, invoice(meter, "P-1", "5000.00")).ask
    assert ask == Query(meter, None, Money.from_text("5000.00"))
    kept = bench.find(asked)
    assert kept.amount is None, "no money moves by asking"
    assert (kept.extra or {})["asked_amount"] == "5000.00"
    assert (kept.extra or {})["amount_due"] == "5000.00"
    for wrong in ("", "0", "-5", "10.005", "1e3", "٥٠٠"):
        with pytest.raises(BadInput):
            lookups.ask_invoice(bench.operator, PREPAID, meter, wrong)


def test_the_same_prepaid_purchase_shortly_after_asks_for_a_reason(bench: Bench) -> None:
    """Each fetch mints a new invoice, so its number alone would let a double click of two fetches through."""
    meter = account_of(PREPAID, bench)
    paid(bench, invoice_form(bench, PREPAID, meter, invoice(meter, f"1-{meter}", "5000.00"), "5000"))
    conclude(sent(PREPAID), Receipt(Outcome.CONFIRMED, "SUCCESS", token=TOKEN))
    second = invoice_form(bench, PREPAID, meter, invoice(meter, f"2-{meter}", "5000.00"), "5000")
    with pytest.raises(DuplicateSuspected):
        paid(bench, second)
    paid(bench, second, "for the neighbour's shared meter")


@pytest.mark.parametrize("by_inquiry", [False, True], ids=["answered", "recovered by asking"])
def test_a_token_is_kept_sealed_and_stands_nowhere_in_clear(bench: Bench, by_inquiry: bool) -> None:
    meter = account_of(PREPAID, bench)
    made = paid(bench, invoice_form(bench, PREPAID, meter, invoice(meter, f"T-{meter}", "5000.00"), "5000"))
    told = Receipt(Outcome.CONFIRMED, "SUCCESS", external_id="SRWB77", token=TOKEN, units="12.4", charges=Money.from_text("250.00"))
    if by_inquiry:
        conclude(sent(PREPAID), Receipt(Outcome.UNKNOWN))
        bench.due(made)
        (asked,) = claims.claim_inquiries(WORKER, {PREPAID: 1})
        conclude(asked, told)
    else:
        conclude(sent(PREPAID), told)
    row = bench.find(made)
    assert row.stage == Stage.COMPLETED
    assert row.meter_number == meter
    assert {name: (row.extra or {}).get(name) for name in ("units", "charges", "has_token")} == {"units": "12.4", "charges": "250.00", "has_token": True}
    columns = bench.sql("SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public' AND data_type IN ('text', 'jsonb')")
    assert ("vended_tokens", "envelope") in columns
    assert [(table, name) for table, name in columns if bench.sql(f"SELECT 1 FROM {table} WHERE {name}::text LIKE %s LIMIT 1", f"%{TOKEN}%")] == []
    assert tokens.reveal(bench.operator, made, "the customer lost the slip").replace(" ", "") == TOKEN


def test_that_a_token_cannot_be_kept_does_not_hold_back_what_became_of_the_money(bench: Bench) -> None:
    meter = account_of(PREPAID, bench)
    made = paid(bench, invoice_form(bench, PREPAID, meter, invoice(meter, f"L-{meter}", "5000.00"), "5000"))
    vault.ring_path().unlink()
    conclude(sent(PREPAID), Receipt(Outcome.CONFIRMED, "SUCCESS", token=TOKEN))
    assert bench.stage(made) is Stage.COMPLETED
    assert bench.sql("SELECT count(*) FROM audit_entries WHERE action = 'transaction.vended_unkept' AND subject_id = %s", str(made)) == [(1,)]


# ---- Bundles


def bundle_form(bench: Bench, account: str, *offered: Bundle) -> dict[str, Any]:
    lookup = looked_up(bench, TNM, account)
    asked = lookups.ask_bundles(bench.operator, TNM, account)
    answered(TNM, Bundles(Outcome.CONFIRMED, account, offered or (Bundle("D7", "Weekly", Money.from_text("2500.00"), "1.2 GB", "7 days"),)))
    return {"biller": TNM, "account": account, "lookup": str(lookup), "bundles": str(asked), "bundle": "D7"}


def test_a_bundle_is_bought_at_the_price_the_biller_offered_it_for(bench: Bench) -> None:
    number = account_of(TNM, bench)
    made = bench.find(paid(bench, {**bundle_form(bench, number), "amount": "1"}))
    assert (made.transaction_type, made.bundle_id, str(made.amount)) == ("CONFIRM_BUNDLE", "D7", "2500.00")
    assert (made.extra or {})["bundle_name"] == "Weekly · 1.2 GB · 7 days"
    ask = sent(TNM).ask
    assert isinstance(ask, Payment)
    assert (ask.bundle_id, ask.amount.text, ask.account) == ("D7", "2500.00", number)
    assert ask.requested_at == made.created_at


@pytest.mark.parametrize("bundle", ["D8", "", None])
def test_a_bundle_that_was_not_offered_cannot_be_bought(bench: Bench, bundle: str | None) -> None:
    form = bundle_form(bench, account_of(TNM, bench))
    with pytest.raises(BadInput, match="Choose one of the bundles"):
        frozen(bench, {**form, "bundle": bundle})


def test_a_purchase_in_doubt_goes_to_people_at_once_for_nobody_can_be_asked(bench: Bench) -> None:
    made = paid(bench, bundle_form(bench, account_of(TNM, bench)))
    conclude(sent(TNM), Receipt(Outcome.UNKNOWN))
    assert bench.stage(made) is Stage.REVIEW


# ---- Kinds of accounts, numbers, and what a configuration switches off


def test_a_kind_of_account_travels_with_the_question_and_the_payment(bench: Bench) -> None:
    account = account_of(MASM, bench)
    lookup = lookups.ask(bench.operator, MASM, account, "M")
    assert answered(MASM, Account(Outcome.CONFIRMED, account, "Grace Banda", state="active")).ask == Query(account, "M")
    form = {"biller": MASM, "account": account, "account_type": "M", "lookup": str(lookup), "amount": "5000"}
    with pytest.raises(BadInput, match="Look the account up first"):
        frozen(bench, {**form, "account_type": "MEMBER"})
    with pytest.raises(BadInput, match="Choose the kind of account"):
        frozen(bench, {**form, "account_type": None})
    made = bench.find(paid(bench, form))
    assert (made.account_type, made.meter_number) == ("M", account)
    ask = sent(MASM).ask
    assert isinstance(ask, Payment)
    assert ask.account_type == "M"


def test_a_number_is_asked_about_as_the_network_writes_it(bench: Bench) -> None:
    asked = bench.find(lookups.ask(bench.operator, AIRTEL, "+265 99 100 0001"))
    assert asked.account_number == "0991000001"


def test_a_biller_that_only_validates_says_why_it_takes_no_payment(bench: Bench) -> None:
    lookup = looked_up(bench, AIRTEL, "0991000001")
    with pytest.raises(BadInput, match="takes no payments through this console: it only confirms whose number it is"):
        frozen(bench, {"biller": AIRTEL, "account": "0991000001", "lookup": str(lookup), "amount": "500"})


def test_a_configuration_may_switch_a_verb_off_and_never_one_on(bench: Bench) -> None:
    account = account_of(REGISTRAR, bench)
    config = ("UPDATE biller_configs SET features = features || %s::jsonb WHERE biller_type = %s", REGISTRAR)
    bench.sql(config[0], '{"get_invoice": false}', config[1])
    with pytest.raises(BadInput, match="makes no invoices"):
        lookups.ask_invoice(bench.operator, REGISTRAR, account)
    bench.sql(config[0], '{"get_invoice": true, "bundles": true}', config[1])
    lookups.ask_invoice(bench.operator, REGISTRAR, account)
    with pytest.raises(BadInput, match="sells no bundles"):
        lookups.ask_bundles(bench.operator, REGISTRAR, account)


@pytest.mark.parametrize(("check", "kept"), [("true", "150.00"), ("false", None)])
def test_a_bank_may_choose_not_to_show_what_is_owed(bench: Bench, check: str, kept: str | None) -> None:
    code = "BWB_POSTPAID"
    bench.sql("UPDATE biller_configs SET version = version + 1 WHERE biller_type = %s", code)
    bench.sql(
        "INSERT INTO biller_config_versions (config_id, version, snapshot)"
        " SELECT c.id, c.version, jsonb_set(v.snapshot, '{features,balance_check}', %s::jsonb) FROM biller_configs c"
        " JOIN biller_config_versions v ON v.config_id = c.id AND v.version = c.version - 1 WHERE c.biller_type = %s",
        check,
        code,
    )
    account = bench.account()
    asked = lookups.ask(bench.operator, code, account)
    answered(code, Account(Outcome.CONFIRMED, account, "Grace Banda", Money.from_text("150.00"), "ACTIVE"))
    assert (bench.find(asked).extra or {}).get("balance") == kept


def test_a_code_that_a_bank_does_not_believe_is_taken_off_for_the_call(bench: Bench) -> None:
    rules = {"removed_codes": ["COMPLETED"]}
    snapshot = Snapshot(biller_type=PREPAID, biller_name="S", display_name="S", base_url="https://x.test", endpoints={}, validation_rules=rules)
    assert terms_of(snapshot, {}).removed_codes == {"COMPLETED"}


def test_an_invoice_and_a_bundle_wait_for_a_second_person_by_the_rules_as_a_plain_payment_does(bench: Bench) -> None:
    one, another = bench.add_person("administrator"), bench.add_person("administrator")
    for biller in (REGISTRAR, TNM):
        rule = approval_rules.propose(one, Scope("operator", biller, "MWK"), approval_rules.Change(pays_alone="2000"), "The board asked for it.")
        wider_approvals.approve(another, rule.id)
    account, number = account_of(REGISTRAR, bench), account_of(TNM, bench)
    of_invoice = paid(bench, invoice_form(bench, REGISTRAR, account, invoice(account, f"INV-{account}", "2000.01")))
    of_bundle = paid(bench, bundle_form(bench, number))
    assert [bench.stage(one) for one in (of_invoice, of_bundle)] == [Stage.AWAITING_APPROVAL, Stage.AWAITING_APPROVAL]
    account = account_of(REGISTRAR, bench)
    assert bench.stage(paid(bench, invoice_form(bench, REGISTRAR, account, invoice(account, f"INV-{account}", "2000.00")))) is Stage.QUEUED
