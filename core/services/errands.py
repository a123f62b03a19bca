"""An errand is one call the worker makes for a transaction: everything it takes to say it, and everything that came of it."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from core.adapters import adapter_for
from core.models import Leg, Transaction
from core.models.snapshot import Snapshot
from core.money import Money
from core.security import vault
from core.services.moves import Stand
from core.settings import settings
from core.states import LegKind, Topology, TransactionType
from core.wire.accidents import OutcomeClass
from core.wire.contract import Account, Biller, Bundles, Exchange, Invoice, Outcome, Payment, Query, Receipt, Terms, Told, Verb
from core.wire.line import Answer

# Beyond the call's own deadline, for concluding it: a lease that ends sooner would make every slow commit an inquiry.
LEASE_MARGIN = timedelta(seconds=10)

# Why the worker itself sent nothing: no accident of the wire, and nothing the biller had a part in.
CLAIM_TOO_OLD = "claim_too_old"
NOT_PREPARED = "not_prepared"


@dataclass(frozen=True, slots=True)
class Errand:
    """One intent, committed. `stand` is the row as this worker holds it."""

    attempt_id: uuid.UUID
    stand: Stand
    verb: Verb
    biller_type: str
    config_id: uuid.UUID
    config_version: int
    snapshot: Snapshot
    # The vault's envelope: opened for the call, and not kept.
    authentication: str | None
    ask: Payment | Query
    leg: LegKind | None = None

    @property
    def lease(self) -> timedelta:
        return lease_for(self.snapshot)

    @property
    def adapter(self) -> type[Biller]:
        return adapter_for(self.biller_type)

    def exchange(self, terms: Terms) -> Exchange[Receipt | Told]:
        """The request to make. A verb the adapter does not have is a defect of whoever made the errand."""
        verb = getattr(self.adapter(terms), self.verb.value)
        made: Exchange[Receipt | Told] = verb(self.ask)
        return made

    def meaning_of(self, code: str | None) -> Outcome | None:
        """What the biller's dialect lists this code as; None for one it does not list."""
        return self.adapter(terms_of(self.snapshot, {})).listed.get(code or "")


@dataclass(frozen=True, slots=True)
class Result:
    """What came of an errand. `answer_id` is minted once, so that writing it twice is seen."""

    errand: Errand
    answer_id: uuid.UUID
    outcome: Outcome
    failure: str | None = None
    sentence: str | None = None
    http_status: int | None = None
    duration_ms: int | None = None
    request: str | None = None
    response: str | None = None
    # What a payment, and what a question, was answered with: one of them at most.
    receipt: Receipt | None = None
    told: Told | None = None

    @property
    def code(self) -> str | None:
        said = self.receipt or self.told
        return said.code if said else None

    @property
    def message(self) -> str | None:
        said = self.receipt or self.told
        return (said.message if said else None) or self.sentence


def lease_for(snapshot: Snapshot) -> timedelta:
    """How long a call may keep its row: its deadline, and time to conclude it (never less than 3 s of that)."""
    return snapshot.deadline + max(LEASE_MARGIN * float(settings().billers_time_factor), timedelta(seconds=3))


def credentials_of(errand: Errand) -> Mapping[str, str]:
    """What the biller asks for: from the environment where it is set there, else opened from the row's envelope, for one call."""
    given = vault.credentials_from_environment(errand.biller_type)
    if given is not None:
        return given
    if errand.authentication is None:
        return {}
    return vault.open_secret(errand.authentication, "biller_configs", errand.config_id, "authentication")


def terms_of(snapshot: Snapshot, credentials: Mapping[str, str]) -> Terms:
    return Terms(
        base_url=snapshot.base_url,
        endpoints=snapshot.endpoints,
        credentials=credentials,
        currency=snapshot.default_currency,
        deadline_seconds=snapshot.timeout_ms / 1000,
        dialect=snapshot.dialect,
        removed_codes=frozenset(snapshot.validation_rules.removed_codes),
    )


def payment_of(transaction: Transaction, leg: Leg) -> Payment:
    """The payment as the biller is told of it. Accounts of core banking travel in COMPOSITE topology only (rule 1)."""
    composite = transaction.topology == Topology.COMPOSITE.value
    if transaction.amount is None:
        raise ValueError("A look-up has no payment.")
    return Payment(
        reference=leg.reference,
        account=transaction.account_number,
        amount=Money(transaction.amount, transaction.currency),
        account_type=transaction.account_type,
        customer_name=transaction.customer_account_name,
        invoice_number=transaction.invoice_number,
        bundle_id=transaction.bundle_id,
        debit_account=transaction.debit_account if composite else None,
        debit_account_type=transaction.debit_account_type if composite else None,
        credit_account=transaction.credit_account if composite else None,
        credit_account_type=transaction.credit_account_type if composite else None,
        requested_at=transaction.created_at,
    )


def query_of(transaction: Transaction) -> Query:
    """The question as the biller is asked it. The amount is the one an invoice is made for."""
    asked = (transaction.extra or {}).get("asked_amount")
    return Query(transaction.account_number, transaction.account_type, Money.from_text(asked, transaction.currency) if asked else None)


# Which verb each intent is carried out by.
VERBS: Mapping[TransactionType, Verb] = {
    TransactionType.ACCOUNT_DETAILS: Verb.LOOKUP,
    TransactionType.POST_TRANSACTION: Verb.PAY,
    TransactionType.GET_INVOICE: Verb.GET_INVOICE,
    TransactionType.CONFIRM_INVOICE: Verb.CONFIRM_INVOICE,
    TransactionType.BUNDLE_DETAILS: Verb.BUNDLES,
    TransactionType.CONFIRM_BUNDLE: Verb.PURCHASE_BUNDLE,
}


def result_of(errand: Errand, answer_id: uuid.UUID, answer: Answer[Receipt | Told]) -> Result:
    """The line's answer in the words of an outcome. A question that was answered is what its reader says it is."""
    said = answer.value
    line_says = {OutcomeClass.NOT_SENT: Outcome.NOT_SENT, OutcomeClass.UNKNOWN: Outcome.UNKNOWN}
    outcome = said.outcome if said is not None else line_says[answer.outcome_class]
    return Result(
        errand=errand,
        answer_id=answer_id,
        outcome=outcome,
        failure=answer.failure,
        sentence=answer.failure_sentence,
        http_status=answer.http_status,
        duration_ms=answer.duration_ms,
        request=answer.transcript.request,
        response=answer.transcript.response,
        receipt=said if isinstance(said, Receipt) else None,
        told=said if isinstance(said, Account | Invoice | Bundles) else None,
    )
