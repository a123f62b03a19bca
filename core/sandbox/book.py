"""What one biller did, by reference: its ledger, what it accepted and not yet did, what it refused, its invoices, and what arrived.

The only module that reads the clock.

Memory changes at once, so two requests never decide on the same old state; the disk follows, and nobody is answered before `settled`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from core.sandbox.journal import Journal, Log
from core.sandbox.words import DETAILS, Ask


@dataclass(frozen=True, slots=True)
class Payment:
    """One effect, or one to come. `announced`: the client was told PENDING first, so the inquiry has known it since."""

    reference: str
    account: str
    amount: Decimal
    currency: str
    external_id: str
    at: datetime
    announced: bool = False
    # What the ledger has of it beyond that, the token included: rows of words.DETAILS.
    details: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Accepted:
    """A payment to come, done once it was asked about so often. None: never."""

    payment: Payment
    asks_left: int | None


@dataclass(slots=True)
class Invoice:
    """An invoice that was made. `taken_by`: the reference that paid it, or that was accepted to; empty while it is open."""

    number: str
    account: str
    amount: Decimal
    currency: str
    due_date: date
    taken_by: str = ""


@dataclass(frozen=True, slots=True)
class Rejected:
    reference: str
    account: str
    amount: str
    code: str


class Book:
    def __init__(self, directory: Path, code: str, on_failure: Callable[[OSError], None]) -> None:
        self._prefix = code.partition("_")[0]
        self._ids = 0
        self._ledger = Journal(directory / f"{code}.ledger.jsonl", on_failure)
        self._undone = Journal(directory / f"{code}.pending.jsonl", on_failure)
        self._requests = Log(directory / f"{code}.requests.jsonl")
        self._accounts: dict[str, str] = {}
        self.paid: dict[str, Payment] = {}
        self.reversed: dict[str, Payment] = {}
        self.accepted: dict[str, list[Accepted]] = {}
        self.rejected: dict[str, Rejected] = {}
        self.invoices: dict[str, Invoice] = {}
        self._latest_invoices: dict[str, Invoice] = {}
        self._read()

    @property
    def ledger_path(self) -> Path:
        return self._ledger.path

    async def settled(self) -> None:
        """Returns once everything this book says is on the disk."""
        await self._ledger.settled()
        await self._undone.settled()

    def pay(self, ask: Ask, amount: Decimal, vended: Mapping[str, str], external_id: str = "") -> Payment:
        """`vended`: what the payer gets for the money, kept with the payment. `external_id`: the biller's number of it; empty: the next one."""
        payment = self._payment(ask, amount, vended, external_id)
        self._enter("PAY", payment)
        return payment

    def accept(self, ask: Ask, amount: Decimal, vended: Mapping[str, str], asks_until_done: int | None, external_id: str = "") -> Payment:
        payment = self._payment(ask, amount, vended, external_id, announced=True)
        self._remember_accepted(Accepted(payment, asks_until_done))
        self._undone.append({"event": "ACCEPTED", "asks_until_done": asks_until_done, **_line(payment)})
        return payment

    def ask_about(self, reference: str) -> None:
        """Counts an inquiry about an accepted payment, and does what it was the last inquiry for."""
        self._undone.append({"event": "ASKED", "at": _text(now()), "reference": reference})
        for accepted in self._count_ask(reference):
            self._enter("PAY", accepted.payment, at=now())

    def reject(self, ask: Ask, code: str) -> None:
        self.rejected[ask.reference] = Rejected(ask.reference, ask.account, ask.amount, code)
        self._undone.append({"event": "REJECTED", "at": _text(now()), "reference": ask.reference, "account": ask.account, "amount": ask.amount, "code": code})

    def reverse(self, paid: Payment) -> Payment:
        """Gives a payment back. A reference is reversed once, however often it was paid."""
        reversal = Payment(paid.reference, paid.account, paid.amount, paid.currency, self._next_id(), now())
        self._enter("REVERSAL", reversal)
        return reversal

    def make_invoice(self, account: str, amount: Decimal, currency: str, valid_days: int) -> Invoice:
        number = f"INV{len(self.invoices) + 1:010d}"
        invoice = Invoice(number, account, amount, currency, now().date() + timedelta(days=valid_days))
        self._remember_invoice(invoice)
        self._undone.append(
            {
                "event": "INVOICE",
                "at": _text(now()),
                "invoice_number": number,
                "account": account,
                "amount": f"{amount:.2f}",
                "currency": currency,
                "due_date": invoice.due_date.isoformat(),
            }
        )
        return invoice

    def open_invoice(self, account: str) -> Invoice | None:
        """The invoice of an account that nobody has paid yet."""
        invoice = self._latest_invoices.get(account)
        return None if invoice is None or invoice.taken_by or self.is_expired(invoice) else invoice

    def is_expired(self, invoice: Invoice) -> bool:
        return invoice.due_date < now().date()

    def seconds_since(self, payment: Payment) -> float:
        return (now() - payment.at).total_seconds()

    def account_of(self, ask: Ask) -> str:
        """The account a message is about; one that names none means that of its reference, if a payment of it was ever seen."""
        if ask.account and ask.reference:
            self._accounts[ask.reference] = ask.account
        return ask.account or self._accounts.get(ask.reference, "")

    def note(self, ask: Ask | None, *, fault: str | None, behaviour: str | None, status: int | None) -> None:
        """Notes that a message arrived and what was answered to it. None: nothing that is an HTTP reply."""
        account = self.account_of(ask) if ask else ""
        self._requests.append(arrival(ask, account, fault=fault, behaviour=behaviour, status=status))

    def _payment(self, ask: Ask, amount: Decimal, vended: Mapping[str, str], external_id: str, *, announced: bool = False) -> Payment:
        details = {**ask.details, **vended}
        return Payment(ask.reference, ask.account, amount, ask.currency, external_id or self._next_id(), now(), announced, details)

    def _next_id(self) -> str:
        self._ids += 1
        return f"{self._prefix}{self._ids:010d}"

    def _enter(self, kind: str, payment: Payment, at: datetime | None = None) -> None:
        self._remember(kind, payment)
        line = _line(payment, at)
        self._ledger.append({"at": line["at"], "kind": kind, **line})

    def _remember(self, kind: str, payment: Payment) -> None:
        """A reference paid twice is told as its first payment; the ledger has both."""
        (self.paid if kind == "PAY" else self.reversed).setdefault(payment.reference, payment)
        self._take_invoice(payment)

    def _remember_accepted(self, accepted: Accepted) -> None:
        self.accepted.setdefault(accepted.payment.reference, []).append(accepted)
        self._take_invoice(accepted.payment)

    def _remember_invoice(self, invoice: Invoice) -> None:
        self.invoices[invoice.number] = self._latest_invoices[invoice.account] = invoice

    def _take_invoice(self, payment: Payment) -> None:
        invoice = self.invoices.get(payment.details.get("invoice_number", ""))
        if invoice is not None and not invoice.taken_by:
            invoice.taken_by = payment.reference

    def _count_ask(self, reference: str) -> list[Accepted]:
        """What is done now. The rest goes on waiting."""
        waiting = self.accepted.get(reference, [])
        for accepted in waiting:
            if accepted.asks_left is not None:
                accepted.asks_left -= 1
        done = [accepted for accepted in waiting if accepted.asks_left is not None and accepted.asks_left <= 0]
        self._forget_accepted(reference, done)
        return done

    def _forget_accepted(self, reference: str, done: list[Accepted]) -> None:
        left = [accepted for accepted in self.accepted.get(reference, []) if accepted not in done]
        if left:
            self.accepted[reference] = left
        else:
            self.accepted.pop(reference, None)

    def _read(self) -> None:
        """Reads the files back. An accepted payment is done when the ledger has its id; a crash between the two files leaves it to the next inquiry."""
        # Replayed payments have the one id that was recorded, so the reference tells them apart.
        by_id: dict[tuple[str, str], list[Accepted]] = {}
        for line in self._undone:
            match line["event"]:
                case "ACCEPTED":
                    asks = line["asks_until_done"]
                    accepted = Accepted(self._payment_of(line, announced=True), None if asks is None else int(asks))
                    by_id.setdefault((line["reference"], line["external_id"]), []).append(accepted)
                    self._remember_accepted(accepted)
                case "ASKED":
                    for accepted in self.accepted.get(line["reference"], []):
                        accepted.asks_left = None if accepted.asks_left is None else accepted.asks_left - 1
                case "INVOICE":
                    due = date.fromisoformat(line["due_date"])
                    self._remember_invoice(Invoice(line["invoice_number"], line["account"], Decimal(line["amount"]), line["currency"], due))
                case _:
                    self.rejected[line["reference"]] = Rejected(line["reference"], line["account"], line["amount"], line["code"])
        for line in self._ledger:
            done = by_id.get((line["reference"], line["external_id"]), [])[:1]
            self._remember(line["kind"], self._payment_of(line, announced=bool(done)))
            if done:
                by_id[line["reference"], line["external_id"]].remove(done[0])
                self._forget_accepted(line["reference"], done)

    def _payment_of(self, line: Mapping[str, str], *, announced: bool) -> Payment:
        number = line["external_id"].removeprefix(self._prefix)
        if number.isascii() and number.isdigit():
            self._ids = max(self._ids, int(number))
        at = datetime.fromisoformat(line["at"])
        details = {name: line[name] for name in DETAILS if name in line}
        return Payment(line["reference"], line["account"], Decimal(line["amount"]), line["currency"], line["external_id"], at, announced, details)


def arrival(ask: Ask | None, account: str, *, fault: str | None, behaviour: str | None, status: int | None) -> dict[str, object]:
    """The line of the request log, the same in every book: who asked what about whom, and what was answered."""
    line: dict[str, object] = {
        "at": _text(now()),
        "operation": ask.operation if ask else None,
        "reference": ask.reference or None if ask else None,
        "account": account or None,
        "amount": ask.amount or None if ask else None,
        "fault": fault,
        "behaviour": behaviour,
        "status": status,
    }
    return {**line, **ask.details} if ask else line


def now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - the sandbox is another party, with a clock of its own


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds")


def _line(payment: Payment, at: datetime | None = None) -> dict[str, object]:
    return {
        "at": _text(at or payment.at),
        "reference": payment.reference,
        "account": payment.account,
        "amount": f"{payment.amount:.2f}",
        "currency": payment.currency,
        "external_id": payment.external_id,
        **payment.details,
    }
