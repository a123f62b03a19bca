"""What is asked of a biller and what it answers, before any dialect gives either a shape."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, StrEnum, auto


class Verb(StrEnum):
    LOOKUP = "lookup"
    PAY = "pay"
    STATUS = "status"
    REVERSE = "reverse"


class Acts(Enum):
    """When the money moves, whatever is answered."""

    AT_ONCE = auto()
    NEVER = auto()
    LATER = auto()
    # Accepted: answered as PENDING, done once asked often enough, or never.
    WHEN_ASKED = auto()
    ACCEPTS_FOREVER = auto()


MOVES_MONEY = frozenset({Verb.PAY, Verb.REVERSE})

SUCCESS = "SUCCESS"
PENDING = "PENDING"
REVERSED = "REVERSED"
NOT_FOUND = "NOT_FOUND"
DUPLICATE = "DUPLICATE"
ACCOUNT_NOT_FOUND = "ACCOUNT_NOT_FOUND"
ACCOUNT_BLOCKED = "ACCOUNT_BLOCKED"
INVALID_AMOUNT = "INVALID_AMOUNT"
LIMIT_EXCEEDED = "LIMIT_EXCEEDED"

# Deliberately in nobody's list of codes: whoever reads it must not guess.
UNLISTED = "E-9047"

# A reversal of something that is still pending. Unlisted too: neither done nor refused.
NOT_FINAL = "NOT_FINAL"


@dataclass(frozen=True, slots=True)
class Ask:
    """One request, understood. `amount` is the text that arrived; `operation` is the dialect's own name of the verb."""

    verb: Verb
    operation: str
    reference: str = ""
    account: str = ""
    amount: str = ""
    currency: str = ""
    # The debit and credit accounts that a message named, by neutral name (debit_account, …). Empty where it named none.
    bank_accounts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a biller says to an `Ask`.

    `said` has neutral names (status, external_id, reference, account, amount, message, name, balance, currency); each dialect
    has a table from those to its own. `fault` is a code said as the dialect's error instead of an answer.
    `copies` is how often the answer stands in the reply: anything but 1 is a fault on the wire.
    """

    ask: Ask
    said: Mapping[str, str] = field(default_factory=dict)
    fault: str = ""
    message: str = ""
    copies: int = 1

    def but(self, **said: str) -> "Answer":
        return replace(self, said={**self.said, **said})

    def as_fault(self, code: str, message: str) -> "Answer":
        return Answer(self.ask, fault=code, message=message)
