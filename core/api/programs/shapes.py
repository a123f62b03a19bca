"""What a program says and is told, as values. Amounts are text with two decimals, moments have their offset, and nothing is sent that does not stand here."""

import uuid
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, WithJsonSchema

from core.adapters import adapters
from core.api.problems import API
from core.models import Transaction as Row
from core.money import Money
from core.states import Stage, Status, TransactionType

# ---- Words


def _known(code: str) -> str:
    if code not in adapters():
        raise ValueError(f"there is no such biller; there are {', '.join(adapters())}")
    return code


def _text(pattern: str, longest: int, **more: Any) -> Any:
    return Annotated[str, StringConstraints(pattern=pattern, min_length=1, max_length=longest), Field(**more)]


Biller = Annotated[str, AfterValidator(_known), WithJsonSchema({"type": "string", "enum": list(adapters())}), Field(description="Which biller, by its code.")]
Amount = Annotated[
    str,
    StringConstraints(pattern=r"^(0|[1-9][0-9]{0,15})\.[0-9]{2}$"),
    Field(description="An amount of the biller's currency: digits, a point and two decimals.", examples=["5475.50"]),
]
Account = Annotated[
    str,
    StringConstraints(pattern=r"^[!-~]([ -~]{0,38}[!-~])?$"),
    Field(description="The account, meter, invoice's or mobile number at the biller, as printed on the bill.", examples=["100001"]),
]
AccountType = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Z0-9_]{1,20}$"),
    Field(description="Which kind of account, where a biller has kinds.", examples=["MEMBER"]),
]
BankAccount = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9A-Za-z]([0-9A-Za-z -]{0,38}[0-9A-Za-z])?$"),
    Field(description="The customer's account at the bank.", examples=["2010000001"]),
]
# One line: no control characters.
Words = Annotated[
    str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f-\x9f]{3,200}$"), Field(description="Why, in words.", examples=["Two bills of one customer."])
]
BundleId = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,60}$"), Field(description="One of the bundles that were offered.")]


class Said(BaseModel):
    """Nothing beside what stands here is taken."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Told(BaseModel):
    """Nothing beside what stands here is sent."""

    model_config = ConfigDict(extra="forbid", frozen=True)


# ---- What a program asks for


class LookupAsked(Said):
    """Whose account is it, and what is owed?"""

    biller: Biller
    account: Account
    account_type: AccountType | None = None


class PaymentAsked(Said):
    """A payment of any amount. `lookup` is the answered look-up of the account: what is confirmed is what the biller said."""

    biller: Biller
    account: Account
    account_type: AccountType | None = None
    amount: Amount
    lookup: uuid.UUID | None = Field(None, description="The transaction of the look-up; needed where the biller can be asked.")
    debit_account: BankAccount | None = Field(None, description="Whose account at the bank is debited; needed where the biller is paid from one.")
    reason: Words | None = Field(None, description="Why a second payment of the same amount to this account is meant. Not a part of what the key stands for.")


class InvoiceConfirmed(Said):
    """The invoice that was fetched, paid exactly: nobody sends its number or its amount."""

    invoice: uuid.UUID = Field(description="The transaction that fetched it.")
    lookup: uuid.UUID | None = Field(None, description="The transaction of the look-up; needed where the biller can be asked.")
    debit_account: BankAccount | None = None
    reason: Words | None = None


class BundlePurchased(Said):
    """One of the bundles that were offered to a number, at its price."""

    bundles: uuid.UUID = Field(description="The transaction that listed them.")
    bundle: BundleId
    lookup: uuid.UUID | None = Field(None, description="The transaction of the look-up; needed where the biller can be asked.")
    debit_account: BankAccount | None = None
    reason: Words | None = None


class RetryAsked(Said):
    """The same bill once more, as a new transaction."""

    reason: Words | None = Field(None, description="Why it is meant, where the same was paid a short while ago.")


class NewLookup(LookupAsked):
    type: Literal["ACCOUNT_DETAILS"]


class NewInvoiceFetch(Said):
    type: Literal["GET_INVOICE"]
    biller: Biller
    account: Account
    amount: Amount | None = Field(None, description="What the invoice is made for, where a biller wants that said.")


class NewBundleList(Said):
    type: Literal["BUNDLE_DETAILS"]
    biller: Biller
    account: Account


class NewPayment(PaymentAsked):
    type: Literal["POST_TRANSACTION"]


class NewInvoicePayment(InvoiceConfirmed):
    type: Literal["CONFIRM_INVOICE"]


class NewBundlePurchase(BundlePurchased):
    type: Literal["CONFIRM_BUNDLE"]


NewTransaction = Annotated[
    NewLookup | NewInvoiceFetch | NewBundleList | NewPayment | NewInvoicePayment | NewBundlePurchase,
    Field(discriminator="type"),
]


class DryRunAsked(Said):
    """What would become of a debit? The account that would be credited is the configured one: nobody names it."""

    biller: Biller
    debit_account: BankAccount
    amount: Amount


class DebitResumed(Said):
    """The debit of this payment, now instead of later."""

    payment: uuid.UUID


# ---- What a program is told


class Error(Told):
    """The biller's own code, or our name for what went wrong on the way, and what it means."""

    code: str | None
    message: str | None


class Bundle(Told):
    id: str
    name: str
    price: str
    currency: str
    data: str | None
    validity: str | None


class Balance(Told):
    amount: str
    currency: str


# What each status promises, for a program's reader.
MEANS = {
    Status.PENDING: "Nothing was sent yet; it may be cancelled.",
    Status.PROCESSING: "Something was or may have been sent. Do not pay again: it is asked about until it is certain.",
    Status.COMPLETED: "The biller confirmed it.",
    Status.FAILED: "It is proven that no money moved.",
    Status.CANCELLED: "It was stopped before anything was sent.",
    Status.REVERSED: "What was taken was given back.",
}
WAITS_FOR_A_SECOND_PERSON = "Nothing is sent until a second person approves it in the console, on the page that `approval` names."

APPROVALS_PAGE = "/approvals"


class Transaction(Told):
    """One intent against one biller: a question, or a payment. `status` keeps the promise that `means` says."""

    id: uuid.UUID
    reference: str = Field(description="What the biller and everybody calls it by.")
    type: TransactionType
    status: Status
    stage: Stage
    means: str
    biller: str
    biller_name: str
    account: str
    account_type: str | None
    customer_name: str | None
    amount: str | None = Field(description="Text with two decimals; null for what moves no money.")
    currency: str
    invoice_number: str | None
    bundle: str | None
    meter_number: str | None
    debit_account: str | None
    biller_reference: str | None
    error: Error | None
    retry_of: uuid.UUID | None
    approval: str | None = Field(description="Where a second person decides, while one is waited for.")
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None

    @classmethod
    def of(cls, row: Row) -> "Transaction":
        status, stage = Status(row.status), Stage(row.stage)
        waits = stage is Stage.AWAITING_APPROVAL
        return cls(
            id=row.id,
            reference=row.our_transaction_id,
            type=TransactionType(row.transaction_type),
            status=status,
            stage=stage,
            means=WAITS_FOR_A_SECOND_PERSON if waits else MEANS[status],
            biller=row.biller_type,
            biller_name=row.biller_name,
            account=row.account_number,
            account_type=row.account_type,
            customer_name=row.customer_account_name,
            amount=_text_of(row.amount, row.currency),
            currency=row.currency,
            invoice_number=row.invoice_number,
            bundle=row.bundle_id,
            meter_number=row.meter_number,
            debit_account=row.debit_account,
            biller_reference=row.external_transaction_id,
            error=Error(code=row.error_code, message=row.error_message) if row.error_code or row.error_message else None,
            retry_of=row.retry_of,
            approval=f"{APPROVALS_PAGE}?id={row.id}" if waits else None,
            created_at=row.created_at,
            updated_at=row.updated_at,
            completed_at=row.completed_at,
        )


def _text_of(amount: Decimal | None, currency: str) -> str | None:
    return None if amount is None else Money(amount, currency).text


def address_of(transaction_id: uuid.UUID) -> str:
    return f"{API}/transactions/{transaction_id}"


class Step(Told):
    """One change of stage. `number` is what `Last-Event-ID` goes on from."""

    number: int
    at: datetime
    stage: Stage
    status: Status
    by: str
    because: str


class Movement(Told):
    """One movement of money in a payment. `in_doubt`: one request of it ended without an answer that can be used, and nothing has settled that yet."""

    kind: str
    reference: str
    sends: int
    inquiries: int
    in_doubt: bool
    last_sent_at: datetime | None
    external_id: str | None


class TransactionStory(Transaction):
    """The same with its story."""

    steps: list[Step]
    movements: list[Movement]
    retried_as: uuid.UUID | None


class TransactionPage(Told):
    """Some of the list. `next` and `previous` are places in it: `cursor` of the next request, and the same as addresses in `Link`."""

    items: list[Transaction]
    next: str | None
    previous: str | None
    as_of: datetime


class AccountDetails(Told):
    number: str
    name: str | None
    state: str | None
    balance: Balance | None


class LookupAnswer(Told):
    """`account` is null while the biller has not answered: ask for the transaction again."""

    transaction: Transaction
    account: AccountDetails | None


class InvoiceDetails(Told):
    number: str
    name: str | None
    state: str | None
    due: Balance
    due_date: str | None
    charges: str | None


class InvoiceAnswer(Told):
    """`invoice` is null while the biller has not answered: ask for the transaction again."""

    transaction: Transaction
    invoice: InvoiceDetails | None


class BundlesAnswer(Told):
    """`bundles` is null while the biller has not answered: ask for the transaction again."""

    transaction: Transaction
    bundles: list[Bundle] | None


def account_in(row: Row) -> AccountDetails:
    told = row.extra or {}
    return AccountDetails(number=row.account_number, name=row.customer_account_name or told.get("name"), state=told.get("state"), balance=_balance(told))


def _balance(told: dict[str, Any]) -> Balance | None:
    return Balance(amount=told["balance"], currency=told["balance_currency"]) if "balance" in told else None


def invoice_in(row: Row) -> InvoiceDetails:
    told = row.extra or {}
    return InvoiceDetails(
        number=told["invoice_number"],
        name=told.get("name"),
        state=told.get("state"),
        due=Balance(amount=told["amount_due"], currency=told["amount_currency"]),
        due_date=told.get("due_date"),
        charges=told.get("charges"),
    )


def bundles_in(row: Row) -> list[Bundle]:
    names = ("id", "name", "price", "currency", "data", "validity")
    return [Bundle(**{name: one.get(name) for name in names}) for one in (row.extra or {}).get("bundles", [])]


class StatisticsOf(Told):
    """What the rows of a filter come to. `value` is what was paid, by currency; `success_rate` of what ended, from 0 to 1, null where nothing has."""

    rows: int
    payments: int
    lookups: int
    in_doubt: int
    by_status: dict[Status, int]
    value: dict[str, str]
    success_rate: float | None
    answer_ms_average: float | None
    answer_ms_p50: float | None
    answer_ms_p95: float | None
    by_biller: dict[str, "BillerStatistics"]
    as_of: datetime


class BillerStatistics(Told):
    payments: int
    value: dict[str, str]
    success_rate: float | None


class BankBalance(Told):
    account: str
    name: str | None
    useable: Balance
    at: datetime


class DryRun(Told):
    """`would_be`: posted, held for somebody to release, or refused. Nothing moved."""

    debit_account: str
    credit_account: str
    amount: str
    currency: str
    would_be: Literal["posted", "held", "refused"]
    code: str | None
    message: str | None


class Resumed(Told):
    """`looked_at` is false where a call is out already, or it was asked about a moment ago."""

    transaction: Transaction
    looked_at: bool
