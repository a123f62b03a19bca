"""What is told of a transaction, by its stage: what happened, what it means for the money, what comes next. One table; a test walks all stages."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from core.banking.t24 import T24
from core.models import Transaction
from core.money import Money
from core.states import LegKind, Stage, Topology, TransactionType
from core.ui.words import clock_time, date_text, moment_text
from core.wire.accidents import ACCIDENTS

Tone = Literal["good", "bad", "waiting", "doubt", "review", "stopped"]
Escape = Callable[[object], str]


@dataclass(frozen=True, slots=True)
class Telling:
    """Three sentences at most, to be read to a customer on the phone. `tone` chooses colour and icon."""

    tone: Tone
    happened: str
    means: str
    next: str = ""

    @property
    def rest(self) -> str:
        return " ".join(part for part in (self.means, self.next) if part)


S = Stage

# `{next}` is a sentence about the next look, `{until}` one about the end of trying; both are empty where there is none.
PAYMENTS: Mapping[Stage, Telling] = {
    S.CREATED: Telling("waiting", "{amount} to {biller} was submitted.", "Nothing was sent yet.", "It is queued in a moment."),
    S.AWAITING_APPROVAL: Telling(
        "waiting", "{amount} to {biller} waits for a second person.", "Nothing was sent yet.", "It is sent once another person approves it."
    ),
    S.QUEUED: Telling("waiting", "Waiting to be sent to {biller}.", "Nothing was sent yet: it can still be cancelled.", "It is sent by itself. {until}"),
    S.DEBIT_SENDING: Telling("doubt", "The customer's account is being debited. Do not pay again.", "{biller} was not asked yet.", "{next}"),
    S.DEBIT_ACCEPTED: Telling("doubt", "Core banking has accepted the debit and decides later. Do not pay again.", "{biller} was not asked yet.", "{next}"),
    S.DEBIT_RETRY: Telling(
        "waiting", "Core banking could not be reached.", "Nothing was debited or paid. Do not pay again: it is tried by itself.", "{next} {until}"
    ),
    S.DEBIT_UNKNOWN: Telling(
        "doubt", "The debit is being confirmed with core banking. Do not pay again.", "It may or may not have been made; {biller} was not asked yet.", "{next}"
    ),
    S.DEBITED: Telling("doubt", "The customer was debited; {biller} is paid next. Do not pay again.", "The money is on its way.", "{next}"),
    S.PAY_SENDING: Telling("doubt", "Being confirmed with {biller}. Do not pay again.", "It was sent, and {biller} has not answered yet.", "{answer_until}"),
    S.PAY_ACCEPTED: Telling(
        "doubt", "{biller} has accepted the payment and decides later. Do not pay again.", "It counts as paid only once {biller} confirms it.", "{next}"
    ),
    S.PAY_UNKNOWN: Telling(
        "doubt", "Being confirmed with {biller}. Do not pay again.", "{biller} gave no clear answer: it may or may not have the payment.", "{next}"
    ),
    S.PAY_RETRY: Telling(
        "waiting",
        "{biller} could not be reached. Nothing was sent.",
        "No money moved. Do not pay again: it is sent by itself, under the same reference.",
        "{next} {until}",
    ),
    S.PAY_REJECTED: Telling("bad", "{biller} refused the payment.", "{why}", "It is being closed."),
    S.REVERSAL_SENDING: Telling(
        "doubt", "{biller} was not paid; the customer's account is given the money back. Do not pay again yet.", "The customer does not have it yet.", "{next}"
    ),
    S.REVERSAL_UNKNOWN: Telling(
        "doubt",
        "{biller} was not paid; giving the money back is being confirmed with core banking. Do not pay again yet.",
        "The customer may or may not have it.",
        "{next}",
    ),
    S.REVIEW: Telling(
        "review",
        "Two people decide about this payment. Do not pay again.",
        "Asking {biller} did not tell for certain whether it has the money.",
        "Two managers compare it with {biller}'s statement: give them our reference {reference}.",
    ),
    S.COMPLETED: Telling("good", "Paid: {amount} to {biller}.", "{biller} confirmed it for account {account}{of_name}. {debited}", "{references}"),
    S.REVERSAL_REQUESTED: Telling("review", "Paid: {amount} to {biller}. Giving it back was asked for.", "Until it is confirmed it counts as paid.", "{next}"),
    S.PAY_REVERSAL_SENDING: Telling("doubt", "{biller} is asked to give {amount} back.", "Until it is confirmed it counts as paid.", "{next}"),
    S.PAY_REVERSAL_UNKNOWN: Telling("doubt", "Giving {amount} back is being confirmed with {biller}.", "Until then it counts as paid.", "{next}"),
    S.REFUND_SENDING: Telling("doubt", "{biller} gave {amount} back; the customer is being credited.", "The customer does not have it yet.", "{next}"),
    S.REFUND_UNKNOWN: Telling(
        "doubt", "{biller} gave {amount} back; crediting the customer is being confirmed.", "The customer may or may not have it.", "{next}"
    ),
    S.REVIEW_REVERSAL: Telling(
        "review", "Two people decide about giving {amount} back.", "Until then it counts as paid.", "Give them our reference {reference}."
    ),
    S.FAILED: Telling("bad", "Not paid. No money moved.", "{why}", "{advice}"),
    S.CANCELLED: Telling(
        "stopped", "Cancelled. No money moved.", "It was stopped before anything was sent to {biller}.", "Retry it, or make a new payment, if it was meant."
    ),
    S.REVERSED: Telling("stopped", "Given back: {amount}.", "{biller} has nothing of it in the end. {given_back}", "{references}"),
}

# Where core banking was debited first, the same stages mean something else for the customer's money.
AFTER_A_DEBIT: Mapping[Stage, Telling] = {
    S.QUEUED: Telling(
        "waiting",
        "Waiting for the customer's account to be debited.",
        "Nothing was sent yet, to core banking or {biller}: it can still be cancelled.",
        "It is sent by itself. {until}",
    ),
    S.PAY_SENDING: Telling(
        "doubt", "Being confirmed with {biller}. Do not pay again.", "{debited} It was sent to {biller}, which has not answered yet.", "{answer_until}"
    ),
    S.PAY_ACCEPTED: Telling(
        "doubt",
        "{biller} has accepted the payment and decides later. Do not pay again.",
        "{debited} It counts as paid only once {biller} confirms it; if it refuses, the money is given back.",
        "{next}",
    ),
    S.PAY_UNKNOWN: Telling(
        "doubt", "Being confirmed with {biller}. Do not pay again.", "{debited} {biller} gave no clear answer: it may or may not have the payment.", "{next}"
    ),
    S.PAY_RETRY: Telling(
        "waiting",
        "{biller} could not be reached. Do not pay again.",
        "{debited} {biller} was sent nothing: it is tried by itself, under the same reference.",
        "{next} {until}",
    ),
    S.PAY_REJECTED: Telling("bad", "{biller} refused the payment. Do not pay again yet.", "{why}", "The customer's account is given the money back next."),
    S.REVIEW: Telling(
        "review",
        "Two people decide about this payment. Do not pay again.",
        "Asking did not tell for certain what became of the money, at the bank or at {biller}.",
        "Two managers compare it with both statements: give them our reference {reference}.",
    ),
}

QUESTIONS: Mapping[Stage, Telling] = {
    S.CREATED: Telling("waiting", "About to ask {biller} about account {account}.", "No money moves."),
    S.ASKING: Telling("waiting", "Asking {biller} about account {account}.", "No money moves.", "{answer_until}"),
    S.COMPLETED: Telling("good", "{biller} answered: account {account}{of_name}.", "No money moved."),
    S.FAILED: Telling("bad", "{biller} told nothing of account {account}.", "{why}", "{advice}"),
}

# Where the type says more than the stage alone; every other type and stage is told by the tables above.
T = TransactionType
OF_ITS_TYPE: Mapping[tuple[TransactionType, Stage], Telling] = {
    (T.GET_INVOICE, S.CREATED): Telling("waiting", "About to ask {biller} for the invoice of account {account}.", "No money moves."),
    (T.GET_INVOICE, S.ASKING): Telling("waiting", "Asking {biller} for the invoice of account {account}.", "No money moves.", "{answer_until}"),
    (T.GET_INVOICE, S.COMPLETED): Telling("good", "{biller} answered: {invoice} of account {account}{of_name}.", "{due} No money moved."),
    (T.GET_INVOICE, S.FAILED): Telling("bad", "{biller} gave no invoice for account {account}.", "{why}", "{advice}"),
    (T.BUNDLE_DETAILS, S.CREATED): Telling("waiting", "About to ask {biller} which bundles it offers to {account}.", "No money moves."),
    (T.BUNDLE_DETAILS, S.ASKING): Telling("waiting", "Asking {biller} which bundles it offers to {account}.", "No money moves.", "{answer_until}"),
    (T.BUNDLE_DETAILS, S.COMPLETED): Telling("good", "{biller} answered: it offers {bundles} to {account}.", "No money moved."),
    (T.BUNDLE_DETAILS, S.FAILED): Telling("bad", "{biller} told nothing of its bundles for {account}.", "{why}", "{advice}"),
    (T.CONFIRM_INVOICE, S.COMPLETED): Telling(
        "good", "Paid: {amount} to {biller}.", "{biller} confirmed {invoice} of account {account}{of_name}. {debited}", "{references}"
    ),
    (T.CONFIRM_BUNDLE, S.COMPLETED): Telling(
        "good", "Paid: {amount} to {biller}.", "{biller} confirmed {bundle} for {account}{of_name}. {debited}", "{references}"
    ),
}

DEMONSTRATION = "This is a demonstration: no biller was asked, and no money moved."


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a code means, and what the operator can do about it."""

    means: str
    advice: str


# The codes billers share, and our own for what ends by the clock. The biller's own code is always shown beside these words.
REFUSALS: Mapping[str, Refusal] = {
    "ACCOUNT_NOT_FOUND": Refusal("{biller} does not know this account.", "Check the number on the bill, and enter it again."),
    "ACCOUNT_BLOCKED": Refusal("This account is blocked at {biller}.", "The customer has to settle that with {biller} first."),
    "BLOCKED": Refusal("This account is blocked at {biller}.", "The customer has to settle that with {biller} first."),
    "INVALID_AMOUNT": Refusal("{biller} does not take this amount for this account.", "Agree on another amount with the customer, and pay that."),
    "LIMIT_EXCEEDED": Refusal("The amount is above what {biller} takes for this account.", "Pay a smaller amount."),
    "INVOICE_PAID": Refusal("This invoice is paid already.", "Nothing is left to do; show the customer the earlier payment."),
    "INVOICE_EXPIRED": Refusal("This invoice has expired.", "Fetch the invoice anew, and pay that one."),
    # Core banking's, of the customer's account.
    "AC-INSUFFICIENT.FUNDS": Refusal(
        "The customer's account at the bank does not have enough.", "Debit another account, or pay once there is enough on this one."
    ),
    "AC-INVALID.ACCOUNT": Refusal("The bank has no such account of the customer.", "Compare the number with the customer's card or book, and enter it again."),
    "AC-ACCOUNT.CLOSED": Refusal("The customer's account at the bank is closed.", "Debit another account."),
    "AC-ACCOUNT.BLOCKED": Refusal("The customer's account at the bank is blocked.", "Debit another account; the customer's branch knows why."),
    "AC-POSTING.RESTRICT": Refusal("The customer's account at the bank may not be debited.", "Debit another account; the customer's branch knows why."),
    "AC-LIMIT.EXCEEDED": Refusal("The amount is above what may be debited from the customer's account.", "Pay a smaller amount, or debit another account."),
    "FT-INVALID.AMOUNT": Refusal("Core banking does not take this amount.", "Agree on another amount with the customer, and pay that."),
    "FT-INVALID.CURRENCY": Refusal("The customer's account is kept in another currency.", "Debit an account in the currency of the bill."),
    "expired": Refusal("It could not be sent to {biller} in time.", "Retry it when {biller} can be reached again."),
    "deactivated": Refusal("{biller} was switched off before anything was sent.", "Ask an administrator when it will be back."),
    "not_with_biller": Refusal("Two people compared it with {biller}'s statement: it is not there.", "Retry it if it is still meant."),
    "not_debited": Refusal("Two people compared it with the bank's statement: nothing was debited.", "Retry it if it is still meant."),
    "lease_expired": Refusal("The call to {biller} was interrupted.", "Simply ask again."),
}


# The bank's ESB and the networks say the same in words of their own.
ALIASES: Mapping[str, str] = {
    "invalid-account": "ACCOUNT_NOT_FOUND",
    "not-found": "ACCOUNT_NOT_FOUND",
    "blocked": "ACCOUNT_BLOCKED",
    "barred": "ACCOUNT_BLOCKED",
    "amount-not-allowed": "INVALID_AMOUNT",
    "invoice-paid": "INVOICE_PAID",
    "invoice-expired": "INVOICE_EXPIRED",
}


def is_refusal(transaction: Transaction) -> bool:
    """A code that says no, and why."""
    return _listed(transaction) in REFUSALS


def _listed(transaction: Transaction) -> str:
    code = transaction.error_code or ""
    return ALIASES.get(code, code)


def lost_on_the_way(transaction: Transaction) -> bool:
    """Its code is our name for an accident, not a biller's."""
    code = transaction.error_code or ""
    return code in ACCIDENTS or code.startswith("http_") or code == "lease_expired"


def of_the_bank(transaction: Transaction) -> bool:
    """Its code is core banking's."""
    return transaction.error_code in T24.outcomes


def refusal_of(transaction: Transaction) -> Refusal:
    """Why it failed. A code nobody listed is told in the biller's own words, which stand in quotation marks."""
    if known := REFUSALS.get(_listed(transaction)):
        return known
    if lost_on_the_way(transaction) or not transaction.error_message:
        return Refusal("{biller} gave no answer that can be used.", "Wait a moment, and try again.")
    return Refusal("{biller} says: “{message}”", "Tell the customer, and try again once that is settled.")


def tell(transaction: Transaction, escape: Escape = str) -> Telling:
    """The sentences of this transaction at this stage. `escape` is applied to whatever came from outside."""
    kind, stage = TransactionType(transaction.transaction_type), Stage(transaction.stage)
    debits_first = AFTER_A_DEBIT if transaction.topology == Topology.SEPARATE.value and kind.moves_money else {}
    row = OF_ITS_TYPE.get((kind, stage)) or debits_first.get(stage) or (PAYMENTS if kind.moves_money else QUESTIONS)[stage]
    words = _words(transaction, escape)
    happened, means, then = (" ".join(part.format(**words).split()) for part in (row.happened, row.means, row.next))
    # Before anything that sounds like money: nobody is to believe in a payment that was made up.
    return Telling(row.tone, happened, f"{DEMONSTRATION} {means}" if transaction.demo else means, then)


def _words(transaction: Transaction, escape: Escape) -> dict[str, str]:
    biller = escape(transaction.biller_name)
    refusal = refusal_of(transaction)
    said = {"biller": biller, "message": escape((transaction.error_message or "").strip())}
    return {
        "biller": biller,
        "amount": "–" if transaction.amount is None else str(Money(transaction.amount, transaction.currency)),
        "account": escape(transaction.account_number),
        "of_name": f" of {escape(transaction.customer_account_name)}" if transaction.customer_account_name else "",
        "reference": transaction.our_transaction_id,
        "references": _references(transaction, escape),
        "why": refusal.means.format(**said),
        "advice": refusal.advice.format(**said),
        "next": _at("Next check {}.", transaction.next_action_at),
        "answer_until": _at("The answer is waited for until {} at the longest; after that we ask by ourselves.", transaction.next_action_at)
        if transaction.amount is not None
        else "",
        "invoice": _invoice(transaction, escape),
        "due": _due(transaction),
        "bundle": _bundle(transaction, escape),
        "bundles": _bundles(transaction),
        "until": _at(_given_up(transaction), transaction.expires_at),
        "debited": _debited(transaction, escape),
        "given_back": _given_back(transaction, escape),
    }


def _given_up(transaction: Transaction) -> str:
    """What a payment comes to that could not be sent in time."""
    took = transaction.topology == Topology.SEPARATE.value and transaction.stage == S.PAY_RETRY.value
    return "It is given up at {}, and then the customer's account is given the money back." if took else "It is given up at {}, and then no money has moved."


def _debited(transaction: Transaction, escape: Escape) -> str:
    return f"Account {escape(transaction.debit_account)} at the bank was debited." if transaction.debit_account else ""


def _given_back(transaction: Transaction, escape: Escape) -> str:
    if transaction.debit_account:
        return f"The customer's account {escape(transaction.debit_account)} at the bank has the money again."
    return "The customer gets it back over the counter."


def _references(transaction: Transaction, escape: Escape) -> str:
    theirs = f"Biller's reference {escape(transaction.external_transaction_id)}, " if transaction.external_transaction_id else ""
    ours = f"our reference {transaction.our_transaction_id}"
    when = f", {moment_text(transaction.completed_at)}" if transaction.completed_at else ""
    sentence = f"{theirs}{ours}{when}."
    return sentence[0].upper() + sentence[1:]


def _told(transaction: Transaction, name: str) -> str:
    return str((transaction.extra or {}).get(name) or "")


def _invoice(transaction: Transaction, escape: Escape) -> str:
    number = transaction.invoice_number or _told(transaction, "invoice_number")
    return f"invoice {escape(number)}" if number else "the invoice"


def _due(transaction: Transaction) -> str:
    amount, day = _told(transaction, "amount_due"), _told(transaction, "due_date")
    if not amount:
        return ""
    owed = Money.from_text(amount, _told(transaction, "amount_currency") or transaction.currency)
    return f"{owed} is due{f' by {date_text(day)}' if day else ''}."


def _bundle(transaction: Transaction, escape: Escape) -> str:
    name = _told(transaction, "bundle_name") or transaction.bundle_id
    return f"the bundle {escape(name)}" if name else "the bundle"


def _bundles(transaction: Transaction) -> str:
    count = len((transaction.extra or {}).get("bundles") or ())
    return {0: "no bundle", 1: "one bundle"}.get(count, f"{count} bundles")


def _at(sentence: str, moment: datetime | None) -> str:
    return sentence.format(clock_time(moment)) if moment else ""


# ---- What came of one request

# `{party}` is whoever was asked: "The biller", "Core banking".
SAID: Mapping[str, str] = {
    "CONFIRMED": "{party} has it.",
    "ACCEPTED": "{party} will decide later.",
    "REJECTED": "{party} does not have it and will not take it.",
    "NOT_SENT": "Nothing was sent: {party} cannot have seen it.",
    "UNKNOWN": "It does not tell whether {party} acted: it is asked about, never sent again.",
    "NOT_FOUND": "{party} says it has never seen this reference.",
}


def _by(party: str) -> Mapping[str, str]:
    """A sentence begins large, and the party's name inside one does not."""
    inner = party[0].lower() + party[1:]
    return {outcome: words.format(party=party if words.startswith("{party}") else inner) for outcome, words in SAID.items()}


OUTCOMES: Mapping[str, str] = _by("The biller")
BANK_OUTCOMES: Mapping[str, str] = _by("Core banking")
QUESTION_OUTCOMES: Mapping[str, str] = {
    **OUTCOMES,
    "CONFIRMED": "The biller answered what it was asked.",
    "REJECTED": "The biller refuses the question.",
    "UNKNOWN": "No answer that can be used. No money moves by asking.",
}
VERBS: Mapping[str, str] = {
    "lookup": "Account asked about",
    "pay": "Payment sent",
    "status": "Asked what became of it",
    "reverse": "Asked to give it back",
    "get_invoice": "Invoice asked for",
    "confirm_invoice": "Invoice paid",
    "bundles": "Bundles asked for",
    "purchase_bundle": "Bundle bought",
}
BANK_VERBS: Mapping[tuple[LegKind, str], str] = {
    (LegKind.DEBIT, "debit"): "Debit sent to core banking",
    (LegKind.DEBIT, "inquire"): "Core banking asked about the debit",
    (LegKind.REVERSAL, "reverse"): "Core banking asked to give the debit back",
    (LegKind.REVERSAL, "inquire"): "Core banking asked about the debit",
    (LegKind.REFUND, "debit"): "Refund sent to core banking",
    (LegKind.REFUND, "inquire"): "Core banking asked about the refund",
}
