"""T24 (Temenos Transact) over its published REST interface. It knows one thing: the body tells whether money moved, and the HTTP code does not."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar
from urllib.parse import quote

from core.banking.contract import Balance, DryRun, Transfer
from core.banking.documents import LIVE, SUCCESS, Page, Screen, amount, document, page_of, record_of, screen_of
from core.banking.rooms import checked
from core.errors import BadInput
from core.wire.belief import Echo, mismatch, safely
from core.wire.contract import Exchange, Outcome, Payment, Receipt, Reply, Request, Terms
from core.wire.credentials import signed
from core.wire.letters import Unreadable
from core.wire.rest import Keys, Number, path, text

T = TypeVar("T")

NO_RECORDS = "TGVCP-007"
ALREADY_REVERSED = "FT-ALREADY.REVERSED"

# What became of a record that was put in, by its status or by the code of its error. The record statuses, "Live" and TGVCP-007 are T24's own words;
# the other codes are illustrative, and a bank certifies its own.
OUTCOMES: Mapping[str, Outcome] = {
    SUCCESS: Outcome.CONFIRMED,  # With no record status beside it: authorised.
    LIVE: Outcome.CONFIRMED,
    "IHLD": Outcome.ACCEPTED,  # Put in, on hold.
    "INAU": Outcome.ACCEPTED,  # Put in, not authorised.
    "INA2": Outcome.ACCEPTED,  # Authorised once, and a second authorisation is pending.
    "INAO": Outcome.ACCEPTED,  # Not authorised, with overrides that block it.
    "AC-INSUFFICIENT.FUNDS": Outcome.REJECTED,
    "AC-INVALID.ACCOUNT": Outcome.REJECTED,
    "AC-ACCOUNT.CLOSED": Outcome.REJECTED,
    "AC-ACCOUNT.BLOCKED": Outcome.REJECTED,
    "AC-POSTING.RESTRICT": Outcome.REJECTED,
    "AC-LIMIT.EXCEEDED": Outcome.REJECTED,
    "FT-INVALID.AMOUNT": Outcome.REJECTED,
    "FT-INVALID.CURRENCY": Outcome.REJECTED,
    NO_RECORDS: Outcome.NOT_FOUND,  # Believed of a list only.
}  # anything else reads as Outcome.UNKNOWN: ask, never resend.

# The same of a record that was taken back. "Live" is not here: a record that lives was not.
REVERSAL_OUTCOMES: Mapping[str, Outcome] = {
    SUCCESS: Outcome.CONFIRMED,
    "REVE": Outcome.CONFIRMED,
    ALREADY_REVERSED: Outcome.CONFIRMED,  # A failure that says yes.
    "RNAU": Outcome.ACCEPTED,  # Taken back, not authorised.
    "RNAO": Outcome.ACCEPTED,  # The same, with overrides that block it.
    "FT-REVERSAL.NOT.ALLOWED": Outcome.REJECTED,
}

MOVED = frozenset({Outcome.CONFIRMED, Outcome.ACCEPTED})
# What a body that says "success" may settle, by HTTP status: under an error's it contradicts itself, and on 202 the gateway says that it is not done.
# A body that says "failed" is believed under whatever status brought it here.
BELIEVED_OF_SUCCESS: Mapping[int, frozenset[Outcome]] = {200: MOVED, 202: frozenset({Outcome.ACCEPTED})}
# T24 refuses with 400.
ALSO_READS = frozenset({400})

# Nothing that could lead a path elsewhere.
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9;-]{0,34}", re.ASCII)

NOT_LISTED = "Core banking lists no transfer between the two accounts under our reference."
LIST_IS_SILENT = "Core banking's list cannot tell whether our transfer is in it: it is not whole, or does not show the debit reference."


class T24:
    """One bank's T24, as its terms say. Each verb makes an exchange; the line sends it.

    `company_id` is the branch whose books are meant, where the bank wants that said; `transaction_type` the kind of transfer ("AC": between accounts).
    The published paths differ in their version (`/v1.0.1/order/…`, `/v4.3.0/holdings/…`), so an endpoint may begin with its own.
    """

    outcomes = OUTCOMES
    reversal_outcomes = REVERSAL_OUTCOMES
    masked = frozenset({"credentials"})

    def __init__(self, terms: Terms, *, company_id: str | None = None, transaction_type: str = "AC") -> None:
        self.terms = terms
        self._company_id = company_id
        self._transaction_type = transaction_type

    def balance(self, account: str) -> Exchange[Balance]:
        if not account.strip():
            raise BadInput("Enter the number of the account.")
        target = path(self._endpoint("balances", "/holdings/accounts/balances"), query=[("accountId", account)])
        return self._get(target, safely(lambda reply: self._balance_in(reply, account), Balance))

    def debit(self, transfer: Transfer) -> Exchange[Receipt]:
        """Posts the transfer. Raises `BadInput` or `Misconfigured` where T24 has no room for what it says: then nothing is sent."""
        return Exchange(self._posting(transfer), safely(lambda reply: self._posted_in(reply, transfer), Receipt), ALSO_READS)

    def validate(self, transfer: Transfer) -> Exchange[DryRun]:
        """The same request as a dry run: T24 checks it and keeps nothing."""
        request = self._posting(transfer, ("validate_only", "true"))
        return Exchange(request, safely(lambda reply: self._dry_run_in(reply, transfer), DryRun), ALSO_READS)

    def inquire(self, transfer: Transfer) -> Exchange[Receipt]:
        """Asks for the transfers between the two accounts; ours is the one under our reference.

        The published list has no place for `debitReference` and none for the id. A bank must show both before its inquiry can be certified; until
        then an inquiry neither finds nor misses anything. A list that can be asked by reference is an endpoint with `?debitReference={reference}`.
        """
        checked(transfer, self._transaction_type)
        template = self._endpoint("transfers_between", "/order/transfers/{debit_account}/{credit_account}")
        names = {"debit_account": transfer.debit_account, "credit_account": transfer.credit_account, "reference": transfer.reference}
        return self._get(_filled(template, names), safely(lambda reply: self._found_in(reply, transfer), Receipt))

    def reverse(self, transfer_id: str, transfer: Transfer | None = None) -> Exchange[Receipt]:
        """Gives a transfer back by T24's own id. Repeatable: one that was given back before is CONFIRMED again.

        `transfer` is what was debited; with it, an answer about another one is noticed even where the id is right.
        """
        if not _ID.fullmatch(transfer_id):
            raise BadInput("This is no id of a core-banking transfer. Ask core banking what became of the debit first.")
        target = _filled(self._endpoint("transfer", "/order/transfers/{id}"), {"id": transfer_id})
        read = safely(lambda reply: self._reversed_in(reply, transfer_id, transfer), Receipt)
        return Exchange(Request("DELETE", target, self._headers()), read, ALSO_READS)

    def outcome_of(self, code: str, *, reversal: bool = False) -> Outcome:
        """A listed code's outcome; every other is UNKNOWN. A configuration may take codes off the list, never add to it."""
        if code in self.terms.removed_codes:
            return Outcome.UNKNOWN
        return (self.reversal_outcomes if reversal else self.outcomes).get(code, Outcome.UNKNOWN)

    def _posting(self, transfer: Transfer, *query: tuple[str, str]) -> Request:
        checked(transfer, self._transaction_type)
        body = {
            "transactionType": self._transaction_type,
            "debitAccountId": transfer.debit_account,
            "debitCurrency": transfer.amount.currency,
            # Published as a number. Written digit by digit, so that no float stands between.
            "debitAmount": Number(transfer.amount.text),
            "creditAccountId": transfer.credit_account,
            "debitReference": transfer.reference,
            **({"creditReference": transfer.credit_reference} if transfer.credit_reference else {}),
            **({"paymentDetails": [{"paymentDetail": line} for line in transfer.details]} if transfer.details else {}),
        }
        headers = {"Content-Type": "application/json", **self._headers()}
        return Request("POST", path(self._endpoint("transfers", "/order/transfers"), query=query), headers, document({"body": body}))

    def _get(self, target: str, read: Callable[[Reply], T]) -> Exchange[T]:
        # Of one page nobody knows what the others say.
        return Exchange(Request("GET", target, {**self._headers(), "disablePagination": "true"}), read, ALSO_READS)

    def _endpoint(self, name: str, usual: str) -> str:
        return self.terms.endpoints.get(name, usual)

    def _headers(self) -> Mapping[str, str]:
        """Who asks. T24 publishes its API key as the bare `Authorization`; gateways before it have headers of their own for it."""
        held = self.terms.credentials
        headers = dict(signed(held))
        if "api_key" in held:
            headers.setdefault("Authorization", held["api_key"])
        if "credentials" in held:
            headers["credentials"] = held["credentials"]
        return {**headers, "companyId": self._company_id} if self._company_id else headers

    def _posted_in(self, reply: Reply, transfer: Transfer) -> Receipt:
        said = screen_of(reply)
        receipt = self._understood(said, reply.status, _other_than(transfer, said.body, must_name=said.succeeded))
        if receipt.outcome in MOVED and not _is_id(said.id):
            # Nobody could ever give it back. The list may know its id.
            return replace(receipt, outcome=Outcome.UNKNOWN, external_id=None, message="Core banking's answer has no id of the transfer.")
        return receipt

    def _dry_run_in(self, reply: Reply, transfer: Transfer) -> DryRun:
        said = screen_of(reply)
        told = self._understood(said, reply.status, _other_than(transfer, said.body, must_name=said.succeeded))
        return DryRun(told.outcome, told.code, told.message, told.mismatch)

    def _reversed_in(self, reply: Reply, transfer_id: str, transfer: Transfer | None) -> Receipt:
        said = screen_of(reply)
        wrong = "id" if said.id not in ({transfer_id} if said.succeeded else {transfer_id, None}) else None
        if wrong is None and transfer is not None:
            wrong = _other_than(transfer, said.body, must_name=False)
        return self._understood(said, reply.status, wrong, reversal=True)

    def _understood(self, said: Screen, status: int, wrong: str | None, *, reversal: bool = False) -> Receipt:
        """What a screen says about the money. Success and failure are both listed; whatever lies between them is UNKNOWN."""
        code, outcome = self._of_success(said, reversal) if said.succeeded else self._of_failure(said, reversal)
        if wrong is not None:
            return Receipt(Outcome.UNKNOWN, code=code, message=said.message, mismatch=wrong)
        if said.succeeded and outcome not in BELIEVED_OF_SUCCESS.get(status, ()):
            outcome = Outcome.UNKNOWN
        return Receipt(outcome, code=code, message=said.message, external_id=said.id if _is_id(said.id) else None)

    def _of_success(self, said: Screen, reversal: bool) -> tuple[str, Outcome]:
        code = said.record or SUCCESS
        outcome = self.outcome_of(code, reversal=reversal)
        if said.errors or (said.overrides and said.record is None):
            # An override is a question. Only a record status tells whether it was answered and the record went on.
            return (*said.errors, *said.overrides)[0].code, Outcome.UNKNOWN
        return code, outcome if outcome in MOVED else Outcome.UNKNOWN

    def _of_failure(self, said: Screen, reversal: bool) -> tuple[str, Outcome]:
        """A refusal is one where each of its errors is. Overrides by themselves refuse nothing: the record may wait for their answer."""
        codes = [one.code for one in said.errors]
        if not codes:
            return next((one.code for one in said.overrides), ""), Outcome.UNKNOWN
        if reversal and codes == [ALREADY_REVERSED]:
            return ALREADY_REVERSED, self.outcome_of(ALREADY_REVERSED, reversal=True)
        doubtful = next((code for code in codes if self.outcome_of(code, reversal=reversal) is not Outcome.REJECTED), None)
        # What is said to have a record status is there, whatever else is said of it.
        return (codes[0], Outcome.REJECTED) if doubtful is None and said.record is None else (doubtful or codes[0], Outcome.UNKNOWN)

    def _found_in(self, reply: Reply, transfer: Transfer) -> Receipt:
        page = page_of(reply)
        if not page.succeeded:
            # A question that is refused says nothing of the transfer it was about; only "no records" does.
            code, message = (page.error.code, page.error.message) if page.error else ("", None)
            return Receipt(Outcome.NOT_FOUND if self.outcome_of(code) is Outcome.NOT_FOUND else Outcome.UNKNOWN, code=code, message=message)
        if reply.status != 200:
            return Receipt(Outcome.UNKNOWN, message=LIST_IS_SILENT)
        ours = [row for row in page.rows if text(row, "debitReference") == transfer.reference]
        return self._of_row(ours[0], transfer) if len(ours) == 1 else _of_rows(page, ours)

    def _of_row(self, row: Keys, transfer: Transfer) -> Receipt:
        code, number = record_of(row) or SUCCESS, _id_of(row)
        wrong = _other_than(transfer, row, must_name=True)
        if wrong is not None:
            return Receipt(Outcome.UNKNOWN, code=code, mismatch=wrong)
        outcome = self.outcome_of(code)
        return Receipt(outcome if outcome in MOVED else Outcome.UNKNOWN, code=code, external_id=number)

    def _balance_in(self, reply: Reply, account: str) -> Balance:
        page = page_of(reply)
        if not page.succeeded:
            code, message = (page.error.code, page.error.message) if page.error else ("", None)
            refused = self.outcome_of(code) in (Outcome.NOT_FOUND, Outcome.REJECTED)
            return Balance(Outcome.REJECTED if refused else Outcome.UNKNOWN, account, code=code, message=message)
        if reply.status != 200 or len(page.rows) > 1:
            raise Unreadable("The answer is not about one account.")
        if not page.rows:
            return Balance(Outcome.REJECTED if page.is_whole else Outcome.UNKNOWN, account, message="Core banking does not know this account.")
        [row] = page.rows
        if text(row, "accountId") != account:
            return Balance(Outcome.UNKNOWN, account, code=SUCCESS, mismatch="account")
        currency = text(row, "currencyId")
        useable = amount(row, "useableBalance", currency) if currency else None
        if currency is None or useable is None:
            raise Unreadable("The answer has no useable balance, or does not say in which currency it is.")
        return Balance(
            Outcome.CONFIRMED,
            account,
            name=text(row, "accountName"),
            useable=useable,
            working=amount(row, "workingBalance", currency),
            ledger=amount(row, "ledgerBalance", currency),
            cleared=amount(row, "clearedBalance", currency),
            locked=amount(row, "lockedAmount", currency),
            code=SUCCESS,
        )


def _of_rows(page: Page, ours: list[Keys]) -> Receipt:
    """None under our reference, or several. Two are another amount than ours, whatever each of them is of: people decide."""
    if ours:
        ids = ", ".join(_id_of(row) or "?" for row in ours)
        return Receipt(Outcome.UNKNOWN, code=SUCCESS, message=f"Core banking has {len(ours)} transfers under our reference: {ids}.", mismatch="amount")
    if page.is_whole and all(text(row, "debitReference") for row in page.rows):
        return Receipt(Outcome.NOT_FOUND, code=SUCCESS, message=NOT_LISTED)
    return Receipt(Outcome.UNKNOWN, code=SUCCESS, message=LIST_IS_SILENT)


def _other_than(transfer: Transfer, said: Keys, *, must_name: bool) -> str | None:
    """The first thing said back that is not the transfer's own. Whoever says yes must name our reference; a refusal need not."""
    reference = text(said, "debitReference")
    echo = Echo(
        reference=reference if reference is not None or must_name else transfer.reference,
        account=text(said, "debitAccountId"),
        amount=text(said, "debitAmount"),
        currency=text(said, "debitCurrency"),
    )
    wrong = mismatch(echo, Payment(transfer.reference, transfer.debit_account, transfer.amount))
    if wrong is not None:
        return wrong
    return None if text(said, "creditAccountId") in (None, transfer.credit_account) else "credit account"


def _id_of(row: Keys) -> str | None:
    number = text(row, "id", "fundsTransferId")
    return number if _is_id(number) else None


def _is_id(said: str | None) -> bool:
    return said is not None and _ID.fullmatch(said) is not None


def _filled(template: str, names: Mapping[str, str]) -> str:
    """`{id}` and its like, percent-encoded, in one pass: what is filled in is never looked into again."""
    return re.sub(r"\{([a-z_]+)\}", lambda found: quote(names[found[1]], safe="") if found[1] in names else found[0], template)
