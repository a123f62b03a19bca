"""What billers that answer look-ups in JSON have in common: the question is a path, the answer an object, and a 404 can refuse."""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import ClassVar, TypeVar

from core.wire.belief import ACCOUNT_STATES, BELIEVED_OF_QUESTION, BELIEVED_OF_REFUSAL, INVOICE_STATES, believed, checked_invoice, day, safely
from core.wire.contract import Account, Biller, Exchange, Invoice, Outcome, Query, Reply, Request
from core.wire.rest import Keys, money, object_of, path, text

T = TypeVar("T")

# What an answer may settle, by HTTP status. A 404 is a refusal only where its body says one that is listed.
BELIEVED_OF_STATUS: Mapping[int, frozenset[Outcome]] = {200: BELIEVED_OF_QUESTION, 404: BELIEVED_OF_REFUSAL}

# Each service has a name of its own for what it tells people.
MESSAGE = ("message", "error", "description")
NAME = ("customerName", "name")
BALANCE = ("balance", "amount")


class RestBiller(Biller):
    """Questions over GET. Subclasses say the paths; `_told_account` and `_told_invoice` make the readers."""

    # The key under which an answer names the account that was asked about.
    account_key: ClassVar[str] = "accountNumber"

    def _get(
        self,
        endpoint: str,
        default_path: str,
        read: Callable[[Reply], T],
        *,
        account: str = "",
        reference: str = "",
        query: Iterable[tuple[str, str | None]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> Exchange[T]:
        target = path(self.terms.endpoints.get(endpoint, default_path), account=account, reference=reference, query=query)
        return Exchange(Request("GET", target, headers or {}), read)

    def _told_account(self, query: Query) -> Callable[[Reply], Account]:
        """The reader of a look-up's answer."""
        return safely(lambda reply: self._account_told_in(reply, query), Account)

    def _told_invoice(self, query: Query) -> Callable[[Reply], Invoice]:
        """The reader of the invoice that was asked for."""
        return safely(lambda reply: self._invoice_told_in(reply, query), Invoice)

    def _account_told_in(self, reply: Reply, query: Query) -> Account:
        answer = keys_in(reply)
        number, state, message = text(answer, self.account_key), text(answer, "status"), text(answer, *MESSAGE)
        outcome = self._of_state(reply, state, ACCOUNT_STATES, BELIEVED_OF_QUESTION)
        if not self.names_the_account(number, query, outcome):
            return Account(Outcome.UNKNOWN, code=state, message=message, mismatch="account")
        return Account(
            outcome,
            number=query.account,
            name=text(answer, *NAME),
            balance=money(answer, text(answer, "currency") or self.terms.currency, *BALANCE),
            state=state,
            code=state,
            message=message,
        )

    def _invoice_told_in(self, reply: Reply, query: Query) -> Invoice:
        answer = keys_in(reply)
        state, currency = text(answer, "status"), text(answer, "currency") or self.terms.currency
        said = Invoice(
            self._of_state(reply, state, INVOICE_STATES, BELIEVED_OF_REFUSAL),
            number=text(answer, "invoiceNumber") or "",
            account=text(answer, self.account_key) or "",
            name=text(answer, *NAME),
            due=money(answer, currency, "amountDue"),
            due_date=day(text(answer, "dueDate")),
            charges=money(answer, currency, "charges"),
            state=state,
            code=state,
            message=text(answer, *MESSAGE),
        )
        return checked_invoice(said, query, self.terms.currency)

    def _of_state(self, reply: Reply, state: str | None, own: Mapping[str, Outcome], listed: Collection[Outcome]) -> Outcome:
        """JSON services write the same word in any case; result codes are codes, and compared as they are."""
        outcome = own.get((state or "").upper()) or believed(self, state, listed)
        return outcome if outcome in BELIEVED_OF_STATUS.get(reply.status, ()) else Outcome.UNKNOWN

    @staticmethod
    def names_the_account(number: str | None, query: Query, outcome: Outcome) -> bool:
        """Whoever says yes must say to whom; a refusal or an accident need not."""
        return number == query.account or (number is None and outcome is not Outcome.CONFIRMED)


def keys_in(reply: Reply) -> Keys:
    return object_of(reply.body, reply.headers.get("content-type", ""))
