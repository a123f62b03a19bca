"""What the judge judges by: the ledgers of the billers and of core banking, read as files, and the rows, legs and intents, read by plain SQL."""

import json
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

LEDGER = ".ledger.jsonl"
REQUESTS = ".requests.jsonl"

# Core banking's book lies beside the billers', and is written in other words.
BANK = "T24"

# The operations of the sandbox's dialects that move a payment's money, and those that give it back.
PAYING_OPERATIONS = frozenset({"PostTransaction", "ConfirmInvoice", "post-payment", "recharge", "POST transfers"})
GIVING_BACK_OPERATIONS = frozenset({"ReverseTransaction", "DELETE transfers"})

# How a question about money is called among the attempts, of a biller and of core banking.
ASKING_VERBS = ("status", "inquire")


@dataclass(frozen=True, slots=True)
class Effect:
    """One line of a biller's ledger. `accounts` are those of the bank that the message named: debit and credit, None where it named none."""

    biller: str
    kind: str
    reference: str
    account: str
    amount: Decimal
    currency: str
    external_id: str
    at: datetime
    accounts: tuple[str | None, str | None]


@dataclass(frozen=True, slots=True)
class Transfer:
    """One line of core banking's ledger: money moved between two accounts, or that same transfer taken back."""

    kind: str
    id: str
    reference: str
    debit_account: str
    credit_account: str
    amount: Decimal
    currency: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request that moves money or gives it back, as the log of whom it reached has it."""

    biller: str
    operation: str
    reference: str
    # Core banking's own number of a transfer, where that is all a request names.
    id: str
    accounts: tuple[str | None, str | None]


@dataclass(frozen=True, slots=True)
class Row:
    """One payment as the database has it."""

    id: uuid.UUID
    biller: str
    reference: str
    account: str
    amount: Decimal
    currency: str
    topology: str
    debit_account: str | None
    credit_account: str | None
    stage: str
    status: str
    version: int
    external_id: str | None
    retry_of: uuid.UUID | None
    draft_id: uuid.UUID | None
    has_next_action: bool

    @property
    def name(self) -> str:
        return f"{self.reference} ({self.account}, {self.amount} {self.currency}, {self.stage})"


@dataclass(frozen=True, slots=True)
class Leg:
    """Whose a reference is, and what core banking's or the biller's number of that leg is said to be."""

    transaction_id: uuid.UUID
    kind: str
    external_id: str | None


@dataclass(frozen=True, slots=True)
class Books:
    """What all ledgers said at one moment."""

    effects: Sequence[Effect]
    transfers: Sequence[Transfer]


def books_in(directory: Path) -> Books:
    effects, transfers = [], []
    for code, line in _lines(directory, LEDGER):
        amount, at = Decimal(line["amount"]), datetime.fromisoformat(line["at"])
        if code == BANK:
            accounts = line["debit_account"], line["credit_account"]
            transfers.append(Transfer(line["kind"], line["id"], line["reference"], *accounts, amount, line["currency"], at))
        else:
            told = line["kind"], line["reference"], line["account"], amount, line["currency"], line["external_id"]
            effects.append(Effect(code, *told, at, _accounts_in(line)))
    return Books(effects, transfers)


def arrivals_in(directory: Path) -> list[Arrival]:
    """A dry run is not among them: it moves nothing."""
    return [
        Arrival(code, line["operation"], line["reference"] or "", line.get("id", ""), _accounts_in(line))
        for code, line in _lines(directory, REQUESTS)
        if line["operation"] in PAYING_OPERATIONS | GIVING_BACK_OPERATIONS and "dry_run" not in line
    ]


def _lines(directory: Path, suffix: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted(directory.glob(f"*{suffix}")):
        with path.open("rb") as file:
            for line in file:
                # A line without its end is still being written, and was answered to nobody.
                if line.endswith(b"\n"):
                    yield path.name.removesuffix(suffix), json.loads(line)


def _accounts_in(line: Mapping[str, Any]) -> tuple[str | None, str | None]:
    return line.get("debit_account"), line.get("credit_account")


def rows_in(database: psycopg.Connection) -> Sequence[Row]:
    with database.cursor(row_factory=dict_row) as cursor:
        cursor.execute(
            "SELECT id, biller_type AS biller, our_transaction_id AS reference, account_number AS account, amount, currency, topology, debit_account,"
            " credit_account, stage, status, version, external_transaction_id AS external_id, retry_of, draft_id,"
            " next_action_at IS NOT NULL AS has_next_action FROM transactions WHERE amount IS NOT NULL AND NOT demo ORDER BY created_at, id"
        )
        return [Row(**row) for row in cursor.fetchall()]


def legs_in(database: psycopg.Connection) -> Mapping[str, Leg]:
    """By reference: a reference belongs to one leg of one payment, for ever."""
    found = database.execute("SELECT reference, transaction_id, kind, external_id FROM legs")
    return {reference: Leg(*leg) for reference, *leg in found}


def intents_in(database: psycopg.Connection) -> Mapping[tuple[uuid.UUID, str], int]:
    """How often it was meant to send each leg; questions about it are none of those."""
    found = database.execute(
        "SELECT transaction_id, leg, count(*) FROM attempts WHERE leg IS NOT NULL AND verb <> ALL (%s) GROUP BY transaction_id, leg", [list(ASKING_VERBS)]
    )
    return Counter({(transaction, leg): count for transaction, leg, count in found})


def breaks_in(database: psycopg.Connection) -> int:
    [found] = database.execute("SELECT count(*) FROM breaks")
    return int(found[0])


def net(entries: Iterable[Effect] | Iterable[Transfer]) -> int:
    """How often money is there, what was given back taken off."""
    return sum(-1 if entry.kind == "REVERSAL" else 1 for entry in entries)
