"""What the customer's account at the bank has, asked of core banking while somebody waits. It moves no money, and every way it can end has words."""

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Self

import structlog

from core import clock, db
from core.access import Actor, needs
from core.banking.contract import Balance
from core.banking.rooms import ROOM
from core.errors import BadInput, BillersError
from core.money import Money
from core.security import audit
from core.services import core_banking
from core.services.deployment import line_policy
from core.wire.contract import Outcome
from core.wire.line import Answer, Line

# Somebody stands at the counter. Who has no answer by then goes on without one: core banking decides about the debit anyway.
LONGEST_SECONDS = 3.5

# As `core.banking.rooms` has it for what a transfer says; a number is also put in order here, as it was read out.
_NUMBER = re.compile(r"[0-9A-Za-z]+", re.ASCII)

Told = Literal["known", "refused", "unknown"]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class BankAccount:
    """One answer about one account.

    `known`: name and useable balance are those of core banking. `refused`: it knows no such account. `unknown`: nobody could tell, and `sentence` says why.
    """

    number: str
    told: Told
    at: datetime
    sentence: str
    name: str | None = None
    useable: Money | None = None
    code: str | None = None

    def covers(self, amount: Money) -> bool:
        """False only where the balance is known and too small, or in another currency."""
        return self.useable is None or (self.useable.currency == amount.currency and self.useable.amount >= amount.amount)

    def as_json(self) -> dict[str, Any]:
        """As a draft keeps it."""
        told = self.useable
        balance = {"useable": told.text, "currency": told.currency} if told else {}
        return {"number": self.number, "told": self.told, "at": self.at.isoformat(), "sentence": self.sentence, "name": self.name, "code": self.code, **balance}

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Self:
        useable = Money.from_text(kept["useable"], kept["currency"]) if kept.get("useable") else None
        moment = datetime.fromisoformat(kept["at"])
        return cls(kept["number"], kept["told"], moment, kept["sentence"], kept.get("name"), useable, kept.get("code"))


# What a question that got lost means at a counter: the line's own sentences speak of payments, and would frighten here.
LOST: Mapping[str, str] = {
    "connect_refused": "Core banking cannot be reached",
    "connect_timeout": "Core banking cannot be reached",
    "deadline_connecting": "Core banking cannot be reached",
    "name_not_resolved": "Core banking cannot be reached",
    "tls_failed": "Core banking could not prove who it is",
    "refused_credentials": "Core banking does not accept this console's key",
    "deadline": "Core banking does not answer in time",
}
NO_USE = "Core banking gave no answer that can be used"


@needs("accounts:lookup")
def ask(actor: Actor, /, account: str) -> BankAccount:
    """Asks for name and useable balance, and answers within four seconds whatever core banking does. Raises `BadInput` for what can be no account.

    That somebody asked is kept in the audit; what the account has is not.
    """
    number = number_of(account)
    found = _asked(number)
    with db.unit_of_work() as session:
        audit.record(session, actor, "balance.asked", "bank_account", number, told=found.told, code=found.code)
    log.info("balance asked", told=found.told, code=found.code)
    return found


def number_of(typed: str) -> str:
    """The account as core banking is told of it; blanks and dashes are how people read it out."""
    number = re.sub(r"[\s-]", "", typed).upper()
    if not number:
        raise BadInput("Enter the number of the customer's account at the bank.")
    if not _NUMBER.fullmatch(number) or len(number) > ROOM["debitAccountId"]:
        raise BadInput(f"This is no account at the bank: it has up to {ROOM['debitAccountId']} letters and digits. Check it and type it again.")
    return number


def _asked(number: str) -> BankAccount:
    try:
        terms = core_banking.terms()
        terms = dataclasses.replace(terms, deadline_seconds=min(terms.deadline_seconds, LONGEST_SECONDS))
        speaker = core_banking.speaker(terms)
        answer = Line(line_policy()).perform_now(terms, speaker.balance(number), speaker.masked)
    except BillersError as error:
        # Core banking is off, or its set-up cannot be used.
        return BankAccount(number, "unknown", clock.now(), error.sentence)
    return _told(number, answer)


def _told(number: str, answer: Answer[Balance]) -> BankAccount:
    moment, found = clock.now(), answer.value
    if found is None:
        failure = answer.failure or ""
        return BankAccount(number, "unknown", moment, f"{LOST.get(failure, NO_USE)}: the balance is not known.", code=failure or None)
    if found.outcome is Outcome.CONFIRMED and found.useable is not None:
        return BankAccount(number, "known", moment, f"{found.useable} can be used.", found.name, found.useable, found.code)
    if found.outcome is Outcome.REJECTED:
        return BankAccount(number, "refused", moment, "The bank has no such account. Compare the number with the customer's card or book.", code=found.code)
    return BankAccount(number, "unknown", moment, f"{NO_USE}: the balance is not known.", code=found.code)
