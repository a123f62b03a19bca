"""An errand is one call the worker makes for a transaction: everything it takes to say it, and everything that came of it."""

import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol, cast

import structlog

from core import logs
from core.adapters import adapter_for
from core.banking.contract import BankVerb, TakenBack, Transfer
from core.banking.t24 import T24
from core.errors import BillersError, Misconfigured
from core.ids import new_id
from core.models import Leg, Transaction
from core.models.snapshot import Snapshot
from core.money import Money
from core.security import vault
from core.services import core_banking
from core.services.moves import Stand
from core.settings import settings
from core.states import LegKind, Topology, TransactionType
from core.wire.accidents import OutcomeClass
from core.wire.contract import LONGEST_WORD, Account, Bundles, Exchange, Invoice, Outcome, Payment, Query, Receipt, Terms, Told, Verb
from core.wire.line import Answer, Line

log = structlog.get_logger(__name__)

# Beyond the call's own deadline, for concluding it: a lease that ends sooner would make every slow commit an inquiry.
LEASE_MARGIN = timedelta(seconds=10)

# Why the worker itself sent nothing: no accident of the wire, and nothing the biller had a part in.
CLAIM_TOO_OLD = "claim_too_old"
NOT_PREPARED = "not_prepared"


class CredentialsShut(Misconfigured):
    """The stored credentials of {biller} do not open: they were changed or moved, or their key is gone. Nothing was sent. Have an administrator enter them."""


Ask = Payment | Query | Transfer | TakenBack


class Party(Protocol):
    """Whom an errand goes to: a biller, or core banking."""

    @property
    def code(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def deadline(self) -> timedelta: ...

    @property
    def masked(self) -> Collection[str]: ...

    def terms(self) -> Terms:
        """What the call is made under, credentials opened for it. Raises what makes a call impossible."""

    def exchange(self, terms: Terms, verb: Verb | BankVerb, ask: Ask) -> Exchange[Receipt | Told]:
        """The request to make. A verb the party does not have is a defect of whoever made the errand."""

    def meaning_of(self, code: str | None) -> Outcome | None:
        """What the party's dialect lists this code as; None for one it does not list."""


@dataclass(frozen=True, slots=True)
class TheBiller:
    """A biller, as one version of its configuration has it."""

    code: str
    config_id: uuid.UUID
    snapshot: Snapshot
    # The vault's envelope: opened for the call, and not kept.
    authentication: str | None

    @property
    def name(self) -> str:
        return self.snapshot.biller_name

    @property
    def deadline(self) -> timedelta:
        return self.snapshot.deadline

    @property
    def masked(self) -> Collection[str]:
        return adapter_for(self.code).masked

    def terms(self) -> Terms:
        return terms_of(self.snapshot, self._credentials())

    def exchange(self, terms: Terms, verb: Verb | BankVerb, ask: Ask) -> Exchange[Receipt | Told]:
        say = getattr(adapter_for(self.code)(terms), verb.value)
        made: Exchange[Receipt | Told] = say(ask)
        return made

    def meaning_of(self, code: str | None) -> Outcome | None:
        return adapter_for(self.code)(terms_of(self.snapshot, {})).listed.get(code or "")

    def _credentials(self) -> Mapping[str, str]:
        """What the biller asks for: from the environment where it is set there, else opened from the row's envelope, for one call."""
        given = vault.credentials_from_environment(self.code)
        if given is not None:
            return given
        if self.authentication is None:
            return {}
        try:
            return vault.open_secret(self.authentication, "biller_configs", self.config_id, "authentication")
        except vault.CannotOpen as error:
            # Somebody may have put another biller's in their place: whoever watches the log is to know of each try.
            log.error("errand.credentials_do_not_open", biller=self.code, config=str(self.config_id))
            raise CredentialsShut(biller=self.name) from error


@dataclass(frozen=True, slots=True)
class TheBank:
    """Core banking, as this deployment has it: no configuration of a biller has a say in it."""

    code: str = core_banking.CODE
    name: str = core_banking.NAME

    @property
    def deadline(self) -> timedelta:
        return core_banking.deadline()

    @property
    def masked(self) -> Collection[str]:
        return T24.masked

    def terms(self) -> Terms:
        return core_banking.terms()

    def exchange(self, terms: Terms, verb: Verb | BankVerb, ask: Ask) -> Exchange[Receipt | Told]:
        bank = core_banking.speaker(terms)
        made: Exchange[Receipt]
        if isinstance(ask, TakenBack):
            made = bank.reverse(ask.id, ask.transfer)
        elif isinstance(ask, Transfer):
            made = bank.inquire(ask) if verb is BankVerb.INQUIRE else bank.debit(ask)
        else:
            raise TypeError(f"Core banking is not asked for a {type(ask).__name__}.")
        return cast(Exchange[Receipt | Told], made)

    def meaning_of(self, code: str | None) -> Outcome | None:
        return T24.outcomes.get(code or "")


@dataclass(frozen=True, slots=True)
class Errand:
    """One intent, committed. `stand` is the row as this worker holds it."""

    attempt_id: uuid.UUID
    stand: Stand
    verb: Verb | BankVerb
    party: Party
    biller_type: str
    config_version: int
    snapshot: Snapshot
    ask: Ask
    leg: LegKind | None = None
    # Core banking took the money first.
    debited: bool = False
    # The act that asked for the transaction, as the log calls it; none for those from before acts had names.
    act: str | None = None

    @property
    def is_inquiry(self) -> bool:
        return self.verb in (Verb.STATUS, BankVerb.INQUIRE)

    @property
    def lease(self) -> timedelta:
        return lease_for(self.party)

    @property
    def reference(self) -> str:
        """What the attempt is known by: the leg's wire reference, or the account a question is about."""
        return self.ask.account if isinstance(self.ask, Query) else self.ask.reference

    def exchange(self, terms: Terms) -> Exchange[Receipt | Told]:
        return self.party.exchange(terms, self.verb, self.ask)


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
        """As it is looked up by. The whole of one without end is in the answer, which is kept as it came."""
        said = self.receipt or self.told
        return said.code[:LONGEST_WORD] if said and said.code else None

    @property
    def message(self) -> str | None:
        said = self.receipt or self.told
        return (said.message if said else None) or self.sentence


def lease_for(party: Party) -> timedelta:
    """How long a call may keep its row: its deadline, and time to conclude it (never less than 3 s of that)."""
    return party.deadline + max(LEASE_MARGIN * float(settings().billers_time_factor), timedelta(seconds=3))


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


def ask_of(transaction: Transaction, legs: Mapping[LegKind, Leg], kind: LegKind) -> Ask:
    """What is said for this leg. What is given back is named as it was taken: at the biller by the payment's reference, at the bank by its own id."""
    if kind is LegKind.PAY:
        return payment_of(transaction, legs[kind])
    if kind is LegKind.PAY_REVERSAL:
        return payment_of(transaction, legs[LegKind.PAY])
    if kind is LegKind.REVERSAL:
        debit = legs[LegKind.DEBIT]
        return TakenBack(debit.external_id or "", core_banking.transfer_of(transaction, debit))
    return core_banking.transfer_of(transaction, legs[kind], back=kind is LegKind.REFUND)


# Which verb each leg is sent by, and asked about; a PAY leg is sent by what its intent says.
LEG_VERBS: Mapping[LegKind, Verb | BankVerb] = {
    LegKind.DEBIT: BankVerb.DEBIT,
    LegKind.REVERSAL: BankVerb.REVERSE,
    LegKind.PAY_REVERSAL: Verb.REVERSE,
    LegKind.REFUND: BankVerb.DEBIT,
}


def verb_of(transaction: Transaction, kind: LegKind) -> Verb | BankVerb:
    """What this leg is sent by."""
    return VERBS[TransactionType(transaction.transaction_type)] if kind is LegKind.PAY else LEG_VERBS[kind]


# Which verb each intent is carried out by.
VERBS: Mapping[TransactionType, Verb] = {
    TransactionType.ACCOUNT_DETAILS: Verb.LOOKUP,
    TransactionType.POST_TRANSACTION: Verb.PAY,
    TransactionType.GET_INVOICE: Verb.GET_INVOICE,
    TransactionType.CONFIRM_INVOICE: Verb.CONFIRM_INVOICE,
    TransactionType.BUNDLE_DETAILS: Verb.BUNDLES,
    TransactionType.CONFIRM_BUNDLE: Verb.PURCHASE_BUNDLE,
}


async def perform(line: Line, errand: Errand, may_leave: Callable[[], bool] | None = None) -> Result:
    """Makes the call. What makes it impossible is an answer, too: then nothing was sent. What is written on the way is under the act that asked for it."""
    with logs.under(errand.act, transaction=str(errand.stand.id), attempt=str(errand.attempt_id)):
        result = await _made(line, errand, may_leave)
        log.info(
            "attempt.made",
            party=errand.party.code,
            verb=str(errand.verb),
            leg=str(errand.leg) if errand.leg else None,
            outcome=str(result.outcome),
            code=result.code,
            failure=result.failure,
            http_status=result.http_status,
            duration_ms=result.duration_ms,
        )
        return result


async def _made(line: Line, errand: Errand, may_leave: Callable[[], bool] | None) -> Result:
    answer_id = new_id()
    try:
        terms = errand.party.terms()
        exchange = errand.exchange(terms)
    except BillersError as error:
        return Result(errand, answer_id, Outcome.NOT_SENT, failure=NOT_PREPARED, sentence=error.sentence)
    except Exception as error:  # noqa: BLE001 - a defect of ours, and proof that nothing left: the line was not asked yet
        log.error("errand.not_prepared", party=errand.party.code, verb=errand.verb, error=type(error).__name__)
        return Result(errand, answer_id, Outcome.NOT_SENT, failure=NOT_PREPARED, sentence="The request could not be made. Tell an administrator.")
    return result_of(errand, answer_id, await line.perform(terms, exchange, errand.party.masked, may_leave=may_leave))


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
