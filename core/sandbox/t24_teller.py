"""What the bank's T24 does when it is asked: tells balances, debits, holds, refuses, takes back, and lists what is between two accounts."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from core.sandbox.behaviours import Behaviour, Refusal
from core.sandbox.delivery import Pace
from core.sandbox.t24_accounts import BEHAVIOURS, KEEPS, NO_ACCOUNT, NO_FUNDS, Account, Bank
from core.sandbox.t24_book import ON_HOLD, UNAUTHORISED, T24Book, Transfer
from core.sandbox.teller import BAD_AMOUNT, Settings, amount_of
from core.sandbox.words import DUPLICATE, NOT_FOUND, PENDING, SUCCESS, Acts, Answer, Ask, Verb

# What stands in an ask for a dry run.
DRY_RUN = "dry_run"

# What is said of a transfer that is not given back, and of an id that nothing has.
NOT_GIVEN_BACK, NO_RECORD = "NOT_GIVEN_BACK", "NO_RECORD"

Said = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Listed(Answer):
    """A list: `said` is its last row, so that whatever a fault does to an answer is done to the newest; `before` are the others."""

    before: tuple[Said, ...] = ()


class T24Teller:
    def __init__(self, bank: Bank, book: T24Book, settings: Settings, pace: Pace) -> None:
        self._bank = bank
        self._book = book
        self._settings = settings
        self._pace = pace

    def behaviour(self, ask: Ask) -> tuple[str, Behaviour] | None:
        """The behaviour that the account to debit was given, by name."""
        account = self._bank.find(ask.account) if ask.account else None
        return (account.behaviour, BEHAVIOURS[account.behaviour]) if account else None

    def answer(self, ask: Ask, acts: Acts) -> Answer:
        match ask.verb:
            case Verb.PAY:
                return self._post(ask, acts)
            case Verb.STATUS:
                return self._list(ask)
            case Verb.REVERSE:
                return self._take_back(ask)
        return self._try(ask) if DRY_RUN in ask.details else self._tell_balance(ask)

    def _tell_balance(self, ask: Ask) -> Answer:
        account = self._bank.find(ask.account)
        if account is None or not BEHAVIOURS[account.behaviour].exists:
            return Answer(ask).as_fault(NOT_FOUND, "No records were found that matched the selection criteria")
        ledger = account.balance + self._book.posted_to(account.number)
        working = ledger - self._book.unauthorised_of(account.number)
        amounts = {"ledger": ledger, "cleared": ledger, "working": working, "locked": account.locked, "balance": working - account.locked}
        told = {name: f"{amount:.2f}" for name, amount in amounts.items()}
        return Answer(ask, {"account": account.number, "name": account.name, "currency": account.currency, **told, "status": SUCCESS})

    def _try(self, ask: Ask) -> Answer:
        """Everything that posting would say, and nothing that it would do."""
        refusal = self._objection(ask)
        if refusal is not None:
            return _refused(ask, refusal)
        return Answer(ask, {**_asked(ask), "status": SUCCESS})

    def _post(self, ask: Ask, acts: Acts) -> Answer:
        earlier = self._book.under(ask.reference) if ask.reference and self._settings.deduplicates != "no" else None
        if earlier is not None:
            answer = Answer(ask, _told(earlier))
            return answer if self._settings.deduplicates == "answers_original" else duplicate_of(answer)
        refusal = self._objection(ask)
        if refusal is not None:
            return _refused(ask, refusal)
        if acts is Acts.AT_ONCE:
            return Answer(ask, _told(self._book.post(ask, amount_of(ask))))
        forever = acts is Acts.ACCEPTS_FOREVER
        record, asks = (ON_HOLD, None) if forever else (UNAUTHORISED, self._pace.asks_until_done)
        return Answer(ask, _told(self._book.keep_unposted(ask, amount_of(ask), record, asks)))

    def _objection(self, ask: Ask) -> Refusal | None:
        """Why this is not posted."""
        debited, credited = self._bank.find(ask.account), self._bank.find(ask.details["credit_account"])
        if debited is None or credited is None or not BEHAVIOURS[credited.behaviour].exists:
            return NO_ACCOUNT
        refusal = BEHAVIOURS[debited.behaviour].refuses
        if refusal is not None:
            return refusal
        amount = amount_of(ask)
        if amount <= 0 or {ask.currency} != {debited.currency, credited.currency}:
            return replace(BAD_AMOUNT, as_fault=True)
        return NO_FUNDS if amount > self._useable(debited) else None

    def _useable(self, account: Account) -> Decimal:
        return account.balance + self._book.posted_to(account.number) - self._book.unauthorised_of(account.number) - account.locked

    def _list(self, ask: Ask) -> Answer:
        between = self._book.between((ask.account, ask.details["credit_account"]))
        asked = [one for one in between if ask.reference in ("", one.reference)]
        shown = [] if self._settings.inquiry_lies else [one for one in asked if self._is_shown(one)]
        rows = [_told(one) for one in shown]
        # What an inquiry posts it still tells as it was: the next one sees it.
        self._book.ask_about(shown)
        if not rows:
            return Answer(ask).as_fault(NOT_FOUND, "No records were found that matched the selection criteria")
        return Listed(ask, rows[-1], before=tuple(rows[:-1]))

    def _is_shown(self, transfer: Transfer) -> bool:
        return transfer.announced or self._book.seconds_since(transfer) >= self._settings.inquiry_lag_seconds

    def _take_back(self, ask: Ask) -> Answer:
        transfer = self._book.transfers.get(ask.details["id"])
        if transfer is None:
            return Answer(ask).as_fault(NO_RECORD, "RECORD MISSING")
        account = self._bank.find(transfer.debit_account)
        if account is not None and account.behaviour == KEEPS:
            return replace(Answer(ask, {"external_id": transfer.id}), fault=NOT_GIVEN_BACK, message="REVERSAL NOT ALLOWED")
        self._book.give_back(transfer)
        return Answer(ask, {**_told(transfer), "status": SUCCESS, "record": ""})


def duplicate_of(answer: Answer) -> Answer:
    """The reference was used before; the id is of what it was used for. A failure all the same."""
    return replace(answer, fault=DUPLICATE, message="DUPLICATE DEBIT REFERENCE")


def _refused(ask: Ask, refusal: Refusal) -> Answer:
    if refusal.as_fault:
        return Answer(ask).as_fault(refusal.code, refusal.message)
    return Answer(ask, {"status": refusal.code, "message": refusal.message})


def _asked(ask: Ask) -> dict[str, str]:
    return {
        "reference": ask.reference,
        "account": ask.account,
        "amount": f"{amount_of(ask):.2f}",
        "currency": ask.currency,
        "credit_account": ask.details["credit_account"],
        **{name: ask.details[name] for name in ("credit_reference", "transaction_type") if name in ask.details},
    }


def _told(transfer: Transfer) -> dict[str, str]:
    return {
        "status": PENDING if transfer.record else SUCCESS,
        "record": transfer.record or "Live",
        "external_id": transfer.id,
        "reference": transfer.reference,
        "account": transfer.debit_account,
        "amount": f"{transfer.amount:.2f}",
        "currency": transfer.currency,
        "credit_account": transfer.credit_account,
        **transfer.details,
    }
