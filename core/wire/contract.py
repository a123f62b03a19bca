"""What an adapter and the line promise each other. An adapter says what to send and how to read the answer; it never sends."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import ClassVar, Generic, TypeVar

from core.money import Money

T = TypeVar("T")


class Verb(StrEnum):
    """What can be asked of a biller. A biller has the verbs its class defines."""

    LOOKUP = "lookup"
    PAY = "pay"
    STATUS = "status"
    REVERSE = "reverse"
    GET_INVOICE = "get_invoice"
    CONFIRM_INVOICE = "confirm_invoice"
    BUNDLES = "bundles"
    PURCHASE_BUNDLE = "purchase_bundle"


class Flow(StrEnum):
    """What paying a biller takes beyond the account. It follows from the verbs a biller has."""

    PLAIN = "plain"  # An amount.
    INVOICE = "invoice"  # An invoice the biller makes, paid exactly.
    BUNDLE = "bundle"  # One of the bundles the biller offers, at its price.
    NONE = "none"  # Look-ups only: it takes no payments.


class Outcome(StrEnum):
    """What an answer says about the money."""

    CONFIRMED = "CONFIRMED"  # The biller has it.
    ACCEPTED = "ACCEPTED"  # The biller will decide later.
    REJECTED = "REJECTED"  # A listed code: the biller does not have it and will not take it.
    NOT_SENT = "NOT_SENT"  # Not one byte of the request can have been seen.
    UNKNOWN = "UNKNOWN"  # Anything else: ask, never resend.
    NOT_FOUND = "NOT_FOUND"  # Of an inquiry only: the biller says it has never seen the reference.


# No biller's reference, code or invoice number is longer; what is, is none, and could not be looked up by it.
LONGEST_WORD = 200


@dataclass(frozen=True, slots=True)
class Query:
    """A question that moves no money.

    `account_type` only where the biller has kinds of accounts; `amount` of an invoice that is made for an amount; `bundle_id` of a number that is
    validated for one bundle.
    """

    account: str
    account_type: str | None = None
    amount: Money | None = None
    bundle_id: str | None = None


@dataclass(frozen=True, slots=True)
class Payment:
    """One payment as the biller is told of it. The core-banking accounts are set in COMPOSITE topology only.

    `requested_at` is when it was submitted, the same in each attempt: some billers want a time in the message, and an adapter has no clock.
    """

    reference: str
    account: str
    amount: Money
    account_type: str | None = None
    customer_name: str | None = None
    invoice_number: str | None = None
    bundle_id: str | None = None
    debit_account: str | None = None
    debit_account_type: str | None = None
    credit_account: str | None = None
    credit_account_type: str | None = None
    requested_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """What a look-up tells: `outcome` is CONFIRMED (found), REJECTED (no such account, blocked) or UNKNOWN (not understood, or of another account)."""

    outcome: Outcome
    number: str = ""
    name: str | None = None
    balance: Money | None = None
    state: str | None = None
    code: str | None = None
    message: str | None = None
    mismatch: str | None = None


@dataclass(frozen=True, slots=True)
class Invoice:
    """What an invoice fetch tells: `outcome` is CONFIRMED (there is one to pay, `number` and `due` are set), REJECTED (none, paid, expired) or UNKNOWN.

    `charges` are the biller's own, already part of `due`.
    """

    outcome: Outcome
    number: str = ""
    account: str = ""
    name: str | None = None
    due: Money | None = None
    due_date: date | None = None
    charges: Money | None = None
    state: str | None = None
    code: str | None = None
    message: str | None = None
    mismatch: str | None = None


@dataclass(frozen=True, slots=True)
class Bundle:
    """One thing a biller sells. `data` and `validity` are its own words: "1.2 GB", "7 days"."""

    id: str
    name: str
    price: Money
    data: str | None = None
    validity: str | None = None


@dataclass(frozen=True, slots=True)
class Bundles:
    """What a bundle list tells: `outcome` is CONFIRMED (these are offered to this number), REJECTED or UNKNOWN."""

    outcome: Outcome
    account: str = ""
    items: tuple[Bundle, ...] = ()
    code: str | None = None
    message: str | None = None
    mismatch: str | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What an answer about a payment tells. `mismatch` names the echoed field that was not ours: then nothing else in it counts.

    `token` is a vended prepaid token, 20 digits: cash, so it is kept out of every text. `units` and `charges` are what the biller states with it.
    """

    outcome: Outcome
    code: str | None = None
    message: str | None = None
    external_id: str | None = None
    mismatch: str | None = None
    token: str | None = field(default=None, repr=False)
    units: str | None = None
    charges: Money | None = None


# What a question is answered with; a payment is answered with a Receipt.
Told = Account | Invoice | Bundles


@dataclass(frozen=True, slots=True)
class Request:
    """What goes out. `path` begins with "/", is joined to the biller's base URL and may have a query. Credentials may travel in all but the method."""

    method: str
    path: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back, whole: a reply cut short or beyond a bound never becomes one. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Exchange(Generic[T]):
    """One request and the function that reads its answer. The reader never raises: what it cannot read is UNKNOWN.

    `also_reads` are HTTP statuses that this reader understands beyond those that every reader is asked about.
    """

    request: Request
    read: Callable[[Reply], T]
    also_reads: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Terms:
    """What one version of a biller's configuration tells its adapter and the line.

    `credentials` are decrypted for one call and never kept; `narrowed` maps result codes to the outcome a bank allows them.
    """

    base_url: str
    endpoints: Mapping[str, str]
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    currency: str = "MWK"
    deadline_seconds: float = 30.0
    dialect: str = "soap"
    removed_codes: frozenset[str] = frozenset()


class Biller:
    """A biller's dialect. Subclasses state facts, then verbs; the presence of a verb's method is the capability."""

    code: ClassVar[str]
    title: ClassVar[str]
    masked: ClassVar[frozenset[str]] = frozenset()
    # Result codes of the biller's first dialect; one that speaks several answers `listed` by the dialect of its terms.
    outcomes: ClassVar[Mapping[str, Outcome]] = {}
    # The dialects a configuration may choose from, the usual one first.
    dialects: ClassVar[tuple[str, ...]] = ("soap",)
    # An invoice is made for an amount that the operator says (a prepaid meter), not for what is owed.
    invoice_asks_amount: ClassVar[bool] = False
    # A payment buys a token: an answer without one is told as such.
    vends_tokens: ClassVar[bool] = False
    # By dialect, the verbs that have no words in it.
    unspoken: ClassVar[Mapping[str, frozenset[Verb]]] = {}

    def __init__(self, terms: Terms) -> None:
        self.terms = terms

    @classmethod
    def verbs(cls, dialect: str | None = None) -> frozenset[Verb]:
        """What may be asked of it; in one dialect, where that is named."""
        return frozenset(verb for verb in Verb if hasattr(cls, verb.value)) - cls.unspoken.get(dialect or "", frozenset())

    @property
    def listed(self) -> Mapping[str, Outcome]:
        """The result codes of the dialect that is spoken."""
        return self.outcomes

    def outcome_of(self, code: str) -> Outcome:
        """A listed code's outcome; every other is UNKNOWN. A configuration may take codes off the list, never add to it here."""
        if code in self.terms.removed_codes:
            return Outcome.UNKNOWN
        return self.listed.get(code, Outcome.UNKNOWN)


def flow_of(verbs: Collection[Verb]) -> Flow:
    """How a biller with these verbs is paid."""
    ways = ((Flow.INVOICE, {Verb.GET_INVOICE, Verb.CONFIRM_INVOICE}), (Flow.BUNDLE, {Verb.BUNDLES, Verb.PURCHASE_BUNDLE}), (Flow.PLAIN, {Verb.PAY}))
    return next((flow for flow, needed in ways if needed <= set(verbs)), Flow.NONE)
