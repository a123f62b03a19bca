"""What is asked of a biller and what it answers, before any dialect gives either a shape."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import Enum, StrEnum, auto


class Verb(StrEnum):
    LOOKUP = "lookup"
    PAY = "pay"
    STATUS = "status"
    REVERSE = "reverse"
    GET_INVOICE = "get_invoice"
    CONFIRM_INVOICE = "confirm_invoice"
    BUNDLES = "bundles"
    PURCHASE_BUNDLE = "purchase_bundle"


class Acts(Enum):
    """When the money moves, whatever is answered."""

    AT_ONCE = auto()
    NEVER = auto()
    LATER = auto()
    # Accepted: answered as PENDING, done once asked often enough, or never.
    WHEN_ASKED = auto()
    ACCEPTS_FOREVER = auto()


PAYS = frozenset({Verb.PAY, Verb.CONFIRM_INVOICE, Verb.PURCHASE_BUNDLE})
MOVES_MONEY = PAYS | {Verb.REVERSE}

# Questions that leave nothing behind. An invoice is made by asking for it, an accepted payment is brought on by asking about it.
LEAVES_NO_TRACE = frozenset({Verb.LOOKUP, Verb.BUNDLES})

SUCCESS = "SUCCESS"
PENDING = "PENDING"
REVERSED = "REVERSED"
NOT_FOUND = "NOT_FOUND"
DUPLICATE = "DUPLICATE"
ACCOUNT_NOT_FOUND = "ACCOUNT_NOT_FOUND"
ACCOUNT_BLOCKED = "ACCOUNT_BLOCKED"
INVALID_AMOUNT = "INVALID_AMOUNT"
LIMIT_EXCEEDED = "LIMIT_EXCEEDED"
UNPAID = "UNPAID"
INVOICE_PAID = "INVOICE_PAID"
INVOICE_EXPIRED = "INVOICE_EXPIRED"
INVALID_BUNDLE = "INVALID_BUNDLE"
EXCLUSIVE_BUNDLE = "EXCLUSIVE_BUNDLE"

# Deliberately in nobody's list of codes: whoever reads it must not guess.
UNLISTED = "E-9047"

# A reversal of something that is still pending. Unlisted too: neither done nor refused.
NOT_FINAL = "NOT_FINAL"


# What a payment may have beyond its reference, account and amount. The ledger has those that there are.
DETAILS = (
    "debit_account",
    "debit_account_type",
    "credit_account",
    "credit_account_type",
    "account_type",
    "invoice_number",
    "bundle_id",
    "token",
    "units",
    "charges",
    "recording",
)


@dataclass(frozen=True, slots=True)
class Ask:
    """One request, understood. `amount` is the text that arrived; `operation` is the dialect's own name of the verb."""

    verb: Verb
    operation: str
    reference: str = ""
    account: str = ""
    amount: str = ""
    currency: str = ""
    # What else a message named, by neutral name: rows of DETAILS. Empty where it named none.
    details: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Bundle:
    """One thing a biller sells at a fixed price. `data` and `validity` are the biller's own words."""

    id: str
    name: str
    price: Decimal
    data: str
    validity: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a biller says to an `Ask`.

    `said` has neutral names (status, external_id, reference, account, amount, message, name, balance, currency, due_date, and the DETAILS); each
    dialect has a table from those to its own. `bundles` are what a number is offered. `fault` is a code said as the dialect's error instead of an answer.
    `copies` is how often the answer stands in the reply: anything but 1 is a fault on the wire.
    """

    ask: Ask
    said: Mapping[str, str] = field(default_factory=dict)
    fault: str = ""
    message: str = ""
    copies: int = 1
    bundles: tuple[Bundle, ...] = ()

    @property
    def echoing(self) -> Mapping[str, str]:
        """What is said, over what was asked: some dialects echo the request in their errors too."""
        asked = {"reference": self.ask.reference, "account": self.ask.account, "amount": self.ask.amount}
        return {name: text for name, text in {**asked, **self.said}.items() if text}

    @property
    def code(self) -> str:
        """The one word that tells how it went."""
        return self.fault or self.said.get("status", "")

    def but(self, **said: str) -> "Answer":
        return replace(self, said={**self.said, **said})

    def as_fault(self, code: str, message: str) -> "Answer":
        return Answer(self.ask, fault=code, message=message)
