"""What the bank's T24 did: every debit and every reversal, durable before it is told, and the balances that follow from them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from core.sandbox.book import arrival, now
from core.sandbox.journal import Journal, Log
from core.sandbox.words import Ask

CODE = "T24"
DEBIT, REVERSAL = "DEBIT", "REVERSAL"

# Record statuses of what is put in and not posted.
ON_HOLD, UNAUTHORISED = "IHLD", "INAU"

# What a transfer is kept with beyond its accounts, amount and references.
KEPT = ("credit_reference", "transaction_type")

Accounts = tuple[str, str]


@dataclass(slots=True)
class Transfer:
    """One record. `record` is its status while it is not posted, empty once it is; `asks_left` inquiries later it will be (None: never)."""

    id: str
    reference: str
    debit_account: str
    credit_account: str
    amount: Decimal
    currency: str
    at: datetime
    record: str = ""
    asks_left: int | None = None
    # The client was told of it as not posted first, so the list has shown it since.
    announced: bool = False
    given_back: bool = False
    details: Mapping[str, str] = field(default_factory=dict)

    @property
    def accounts(self) -> Accounts:
        return self.debit_account, self.credit_account


class T24Book:
    """Memory changes at once, the disk follows, and nobody is answered before `settled`, as with every book here."""

    def __init__(self, directory: Path, on_failure: Callable[[OSError], None]) -> None:
        self._ledger = Journal(directory / f"{CODE}.ledger.jsonl", on_failure)
        self._undone = Journal(directory / f"{CODE}.pending.jsonl", on_failure)
        self._requests = Log(directory / f"{CODE}.requests.jsonl")
        self.transfers: dict[str, Transfer] = {}
        self._by_reference: dict[str, list[Transfer]] = {}
        self._between: dict[Accounts, list[Transfer]] = {}
        self._posted: dict[str, Decimal] = {}
        self._unauthorised: dict[str, Decimal] = {}
        self._ids = 0
        self._read()

    @property
    def ledger_path(self) -> Path:
        return self._ledger.path

    async def settled(self) -> None:
        """Returns once everything this book says is on the disk."""
        await self._ledger.settled()
        await self._undone.settled()

    def post(self, ask: Ask, amount: Decimal) -> Transfer:
        transfer = self._remember(self._transfer(ask, amount))
        self._enter(DEBIT, transfer)
        return transfer

    def keep_unposted(self, ask: Ask, amount: Decimal, record: str, asks_until_posted: int | None) -> Transfer:
        transfer = self._transfer(ask, amount)
        transfer.record, transfer.asks_left, transfer.announced = record, asks_until_posted, True
        self._remember(transfer)
        self._count_unauthorised(transfer, +1)
        self._undone.append({"event": "KEPT", "record": record, "asks_until_posted": asks_until_posted, **_line(transfer, transfer.at)})
        return transfer

    def ask_about(self, transfers: Iterable[Transfer]) -> None:
        """Counts an inquiry about what is not posted yet, and posts what it was the last inquiry for."""
        for transfer in transfers:
            if transfer.record and transfer.asks_left is not None and not transfer.given_back:
                self._undone.append({"event": "ASKED", "at": _text(now()), "id": transfer.id})
                transfer.asks_left -= 1
                if transfer.asks_left <= 0:
                    self._count_unauthorised(transfer, -1)
                    transfer.record = ""
                    self._enter(DEBIT, transfer)

    def give_back(self, transfer: Transfer) -> None:
        """Once, however often it is asked for. What was never posted is only dropped."""
        if transfer.given_back:
            return
        transfer.given_back = True
        if transfer.record:
            self._count_unauthorised(transfer, -1)
            self._undone.append({"event": "DROPPED", "at": _text(now()), "id": transfer.id})
        else:
            self._enter(REVERSAL, transfer)

    def under(self, reference: str) -> Transfer | None:
        """The first transfer of a reference that moved money, or will."""
        return next(iter(self._by_reference.get(reference, ())), None)

    def between(self, accounts: Accounts) -> list[Transfer]:
        """The records that are there: what was given back is history, and not listed."""
        return [transfer for transfer in self._between.get(accounts, ()) if not transfer.given_back]

    def posted_to(self, account: str) -> Decimal:
        """What all postings together did to an account's balance."""
        return self._posted.get(account, Decimal(0))

    def unauthorised_of(self, account: str) -> Decimal:
        """Debits put in and not authorised. T24's working balance has them off already; a record on hold is nowhere yet."""
        return self._unauthorised.get(account, Decimal(0))

    def seconds_since(self, transfer: Transfer) -> float:
        return (now() - transfer.at).total_seconds()

    def account_of(self, ask: Ask) -> str:
        """The account a message is about; a reversal names a transfer, and means its debit account."""
        transfer = self.transfers.get(ask.details.get("id", ""))
        return ask.account or (transfer.debit_account if transfer else "")

    def note(self, ask: Ask | None, *, fault: str | None, behaviour: str | None, status: int | None) -> None:
        """Notes that a message arrived and what was answered to it. None: nothing that is an HTTP reply."""
        account = self.account_of(ask) if ask else ""
        self._requests.append(arrival(ask, account, fault=fault, behaviour=behaviour, status=status))

    def _transfer(self, ask: Ask, amount: Decimal) -> Transfer:
        details = {name: ask.details[name] for name in KEPT if name in ask.details}
        self._ids += 1
        return Transfer(f"FT{self._ids:010d}", ask.reference, ask.account, ask.details["credit_account"], amount, ask.currency, now(), details=details)

    def _remember(self, transfer: Transfer) -> Transfer:
        self._ids = max(self._ids, int(transfer.id.removeprefix("FT")))
        self.transfers[transfer.id] = transfer
        self._by_reference.setdefault(transfer.reference, []).append(transfer)
        self._between.setdefault(transfer.accounts, []).append(transfer)
        return transfer

    def _enter(self, kind: str, transfer: Transfer) -> None:
        self._move(kind, transfer)
        line = _line(transfer, now())
        self._ledger.append({"at": line["at"], "kind": kind, **line})

    def _move(self, kind: str, transfer: Transfer) -> None:
        amount = transfer.amount if kind == DEBIT else -transfer.amount
        self._posted[transfer.debit_account] = self.posted_to(transfer.debit_account) - amount
        self._posted[transfer.credit_account] = self.posted_to(transfer.credit_account) + amount

    def _count_unauthorised(self, transfer: Transfer, sign: int) -> None:
        if transfer.record == UNAUTHORISED:
            self._unauthorised[transfer.debit_account] = self.unauthorised_of(transfer.debit_account) + sign * transfer.amount

    def _read(self) -> None:
        """Reads the files back. What was kept unposted is posted when the ledger has its id; a crash between the two files leaves it to the next inquiry."""
        for line in self._undone:
            match line["event"]:
                case "KEPT":
                    kept = self._remember(_transfer_of(line))
                    kept.record, kept.announced = line["record"], True
                    kept.asks_left = None if line["asks_until_posted"] is None else int(line["asks_until_posted"])
                case "ASKED":
                    asked = self.transfers[line["id"]]
                    asked.asks_left = None if asked.asks_left is None else asked.asks_left - 1
                case _:
                    self.transfers[line["id"]].given_back = True
        for line in self._ledger:
            transfer = self.transfers.get(line["id"]) or self._remember(_transfer_of(line))
            transfer.record, transfer.given_back = "", line["kind"] == REVERSAL
            self._move(line["kind"], transfer)
        for transfer in self.transfers.values():
            if not transfer.given_back:
                self._count_unauthorised(transfer, +1)


def _transfer_of(line: Mapping[str, str]) -> Transfer:
    details = {name: line[name] for name in KEPT if name in line}
    amount, at = Decimal(line["amount"]), datetime.fromisoformat(line["at"])
    return Transfer(line["id"], line["reference"], line["debit_account"], line["credit_account"], amount, line["currency"], at, details=details)


def _line(transfer: Transfer, at: datetime) -> dict[str, object]:
    return {
        "at": _text(at),
        "id": transfer.id,
        "reference": transfer.reference,
        "debit_account": transfer.debit_account,
        "credit_account": transfer.credit_account,
        "amount": f"{transfer.amount:.2f}",
        "currency": transfer.currency,
        **transfer.details,
    }


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds")
