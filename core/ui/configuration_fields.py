"""How each field of a configuration is asked for: its name, what it means, how it is written, an example. One table; a test holds it to the model."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from core.adapters import adapter_for, adapters
from core.money import MINOR_UNITS
from core.services.configuration_rules import BALANCE_CHECK, RULES, codes_of
from core.states import Topology
from core.wire.contract import Verb

Content = Mapping[str, Any]
Kind = Literal["text", "area", "whole", "choice", "choices", "toggle"]


@dataclass(frozen=True, slots=True)
class Field:
    """`path` is where it stands in the configuration. `empty` is what is kept where nothing was typed; `words` name a choice for people."""

    path: str
    label: str
    help: str
    kind: Kind = "text"
    empty: Any = ""
    options: Callable[[Content], Sequence[str]] = lambda _: ()
    words: Mapping[str, str] = field(default_factory=dict)


def _rule(name: str) -> str:
    return f"{RULES}.{name}"


def type_names() -> dict[str, str]:
    """Every biller that this console has a class for."""
    return {code: adapter.title for code, adapter in adapters().items()}


TYPE = Field(
    "biller_type",
    "Biller",
    "Which biller this is. It decides the messages that are sent, and cannot be changed later. Example: Lilongwe Water Board (postpaid).",
    "choice",
    options=lambda _: list(adapters()),
)

IDENTITY = (
    Field("biller_name", "Name", "The company as operators and receipts name it. 2 to 60 characters. Example: Lilongwe Water Board."),
    Field("display_name", "Short name", "Tells two kinds of bills of one company apart. 2 to 60 characters. Example: LWB postpaid."),
    Field(
        "description",
        "What an operator should know",
        "Shown below the biller where it is chosen. Up to 200 characters. Example: The account number is on the bill, top right.",
        "area",
        empty=None,
    ),
)

API = (
    Field(
        "base_url",
        "Base URL",
        "Where the biller is reached; endpoints are added to it. https, and a host that this deployment allows. Example: https://api.lwb.example/v2.",
    ),
    Field(
        "dialect",
        "Dialect",
        "The kind of messages spoken there: the biller's own, or the bank's service bus (esb). Example: soap.",
        "choice",
        options=lambda content: adapter_for(content["biller_type"]).dialects,
    ),
)

TRANSACTIONS = (
    Field(
        "default_currency",
        "Usual currency",
        "What amounts are in where nothing else is said. A code of three letters. Example: MWK.",
        "choice",
        options=lambda _: list(MINOR_UNITS),
    ),
    Field(
        "supported_currencies",
        "Supported currencies",
        "What else the biller may ask to be paid in. The usual one is among them. Example: MWK.",
        "choices",
        options=lambda _: list(MINOR_UNITS),
    ),
    Field("timeout_ms", "Time-out in ms", "How long one call may take in all, from the name to the last byte. 100 to 120000 ms. Example: 30000.", "whole"),
    Field(
        "retry_attempts",
        "Quick attempts",
        "How often a request that cannot have left is tried again at short notice (1, 2, 4, 8 s); after that once a minute. 0 to 10. Example: 3.",
        "whole",
    ),
    Field("concurrency", "Calls at once", "How many calls to this biller may be out at the same time. 1 to 1000. Example: 16.", "whole"),
    Field(
        "expires_after_minutes",
        "Give up after, in minutes",
        "A payment that could not be sent for so long fails, with no money moved. 1 to 1440. Example: 60.",
        "whole",
    ),
    Field(
        "duplicate_window_minutes",
        "Duplicate window in minutes",
        "The same account and amount within this time asks for a reason. 0 to 1440; 0: never. Example: 10.",
        "whole",
    ),
    Field(
        "topology",
        "Core banking",
        "Whether the customer's account at the bank is debited before the biller is paid, and given back where the biller refuses. NONE: the counter takes "
        "the money. SEPARATE: core banking, then the biller. COMPOSITE: one call to the bank's service bus (dialect esb). Example: SEPARATE.",
        "choice",
        options=lambda _: [one.value for one in Topology],
        words={"NONE": "NONE: the biller alone", "SEPARATE": "SEPARATE: debit, then biller", "COMPOSITE": "COMPOSITE: the bank does both"},
    ),
    Field(
        "credit_account",
        "Account credited at the bank",
        "The bank's suspense account that debits for this biller go to; nobody types it at the counter. With a debit up to 16 letters and digits, and needed. "
        "Example: MWK1280600010001.",
        empty=None,
    ),
    Field(
        "credit_account_type",
        "Kind of that account",
        "As the bank's service bus calls it, where the topology is COMPOSITE. Up to 20 characters, or empty. Example: CASA.",
        empty=None,
    ),
    Field(
        "inquiry_certified",
        "“Never seen it” is certified",
        "On: the bank has certified that this biller's answer NOT FOUND to our reference is the truth, so that a lost payment may be sent again. "
        "Off: such a payment goes to two people. Example: off, until the certificate is signed.",
        "toggle",
    ),
    Field(
        "max_processing_seconds",
        "Longest processing in s",
        "After this long a payment that the biller does not know was certainly not taken. 1 to 86400, or empty: 15 minutes are assumed. Example: 120.",
        "whole",
        empty=None,
    ),
)

ACCOUNTS = (
    Field(_rule("account_label"), "What the number is called", "The name of the field where operators type. 2 to 40 characters. Example: Meter number."),
    Field(
        _rule("account_pattern"),
        "Pattern",
        "Which numbers are taken, as a regular expression over the whole number, up to 40 characters long. Example: [0-9]{6,12}.",
    ),
    Field(_rule("account_example"), "Example", "Shown where operators type, and tried on the pattern here. Example: 70000001."),
    Field(
        _rule("account_help"),
        "What it looks like",
        "Completes the sentence “It has …” when a number is refused. Up to 120 characters. Example: 6 to 12 digits, as printed on the bill.",
    ),
    Field(
        _rule("account_check"),
        "Further check",
        "Beyond the pattern: a meter's check digit (luhn), or a Malawian number in any usual spelling (phone). Example: none.",
        "choice",
        options=lambda _: ["none", "luhn", "phone"],
        words={"none": "none", "luhn": "luhn: check digit", "phone": "phone: Malawian number"},
    ),
    Field(
        _rule("account_is_meter"),
        "The number is a meter's",
        "On: it is kept as the meter number of each payment, too. Example: on for prepaid water.",
        "toggle",
    ),
)

LIMITS = (
    Field(_rule("amount_min"), "Least amount", "The smallest payment taken, in the usual currency. Figures with a point. Example: 100.00."),
    Field(_rule("amount_max"), "Largest amount", "The largest payment taken, in the usual currency. Figures with a point. Example: 1000000.00."),
    Field(
        _rule("second_person_above"),
        "Second person above",
        "A payment above this needs somebody else's consent. Figures with a point, or empty: never. Example: 500000.00.",
        empty=None,
    ),
    Field(
        _rule("removed_codes"),
        "Codes not believed",
        "Result codes that the biller's class lists and this bank does not believe: they read as “unknown”, and the payment is asked about. Example: PENDING.",
        "choices",
        options=codes_of,
    ),
)

SECTIONS: Mapping[str, tuple[Field, ...]] = {
    "Identity": IDENTITY,
    "API": API,
    "Transaction settings": TRANSACTIONS,
    "Account numbers": ACCOUNTS,
    "Amounts and answers": LIMITS,
}

# Edited by more than one widget: what each of their parts means.
ENDPOINT_HELP = "The path that this operation is sent to, below the base URL. It begins with /; empty: the biller's usual one. Example: {example}."
CREDENTIAL_HELP = "As the biller gave it. It is sealed at once, and never shown again by anybody. Example: none is shown here, on purpose."
KIND_CODE_HELP = "What the biller calls this kind in its messages. Capital letters, digits, underscores. Example: MEMBER."
KIND_LABEL_HELP = "What operators read where they choose. Up to 40 characters. Example: Member."
KIND_METER_HELP = "On: numbers of this kind are meters, and kept as such. Example: on for kind M."

FEATURES: Mapping[str, tuple[str, str]] = {
    Verb.LOOKUP: ("Look accounts up", "Operators see name and balance before they pay. Off: nobody asks. Example: on."),
    Verb.PAY: ("Take payments", "Off: look-ups only, and the payment page says so. Example: on."),
    Verb.STATUS: (
        "Ask what became of a payment",
        "Asks by our own reference whenever an answer was lost. Off: such a payment goes to two people at once. Example: on.",
    ),
    Verb.REVERSE: ("Give a completed payment back", "Two people may ask the biller to take a payment back. Off: never. Example: off for vended tokens."),
    Verb.GET_INVOICE: ("Fetch invoices", "The biller tells what is due, and it is paid exactly. Off: no invoice, and no payment by one. Example: on."),
    Verb.CONFIRM_INVOICE: ("Pay invoices", "Off: invoices can be looked at and not paid. Example: on."),
    Verb.BUNDLES: ("List bundles", "The biller tells what it sells to a number. Off: nothing is offered. Example: on."),
    Verb.PURCHASE_BUNDLE: ("Sell bundles", "Off: bundles can be looked at and not bought. Example: on."),
    BALANCE_CHECK: ("Show the balance", "Whether a look-up of this biller tells what is owed. Off: only the name counts. Example: on."),
}


def label_of(path: str) -> str:
    """What people call the field at this path."""
    for asked in (one for fields in SECTIONS.values() for one in fields):
        if asked.path == path:
            return asked.label
    head, _, rest = path.partition(".")
    if head == "features" and rest in FEATURES:
        return f"Feature: {FEATURES[rest][0].lower()}"
    known = {
        "endpoints": "Endpoint",
        "credentials": "Credential",
        "authentication": "Credentials",
        "biller_type": TYPE.label,
        "is_active": "Offered to operators",
        _rule("account_types"): "Kinds of accounts",
    }
    return known.get(path) or (f"{known[head]} {rest}" if head in known and rest else path)
