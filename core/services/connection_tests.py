"""Tries a biller's configuration, stage by stage, and tells in plain words where it ends.

It really asks the biller about a test account, over the line that payments go by. It sends no verb that pays, and never a stored secret to a host
other than the one it was stored for.
"""

import asyncio
import re
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy.orm import Session

from core import clock, db
from core.access import Actor, needs
from core.adapters import adapter_for
from core.errors import BadInput, BillersError, Conflict, NotLegalNow
from core.ids import new_id
from core.models import BillerConfig, ConnectionTest
from core.models.snapshot import Snapshot
from core.money import Money
from core.repositories.billers import TYPED_ONLY, Billers
from core.repositories.configuration_proposals import ConfigurationProposals
from core.security import audit, vault
from core.services import bank_trial, core_banking
from core.services import configuration_rules as rules
from core.services.balances import number_of
from core.services.billers import verbs_of
from core.services.configuration_changes import existing
from core.services.configuration_proposals import entered_in, has_changed
from core.services.configuration_rules import QUESTIONS, Content, Invalid, origin_of
from core.services.deployment import line_policy
from core.services.errands import terms_of
from core.wire.accidents import OutcomeClass, accident
from core.wire.contract import Account, Bundles, Exchange, Invoice, Outcome, Query, Terms, Told, Verb
from core.wire.destination import LinePolicy, Refused, checked_addresses, destination, networks
from core.wire.line import Answer, Line

# Somebody waits in front of it; a biller that takes longer than this is told of as slow, whatever its configuration allows.
LONGEST_SECONDS = 30.0

LONGEST_TOLD = 300


class Stage(StrEnum):
    """The stages, in the order they are tried. The first that fails is the last."""

    TYPED = TYPED_ONLY  # Not a try, but a remark: what follows was done with values that nobody saved.
    ADDRESS = "address"
    CONNECTION = "connection"
    AUTHENTICATION = "authentication"
    LOOKUP = "lookup"
    # Where the biller's topology has a debit: the bank's side of it.
    BALANCE = "balance"
    DRY_RUN = "dry_run"


BANK_STAGES = (Stage.BALANCE, Stage.DRY_RUN)


# Which stage an accident of the line ends. One that is not listed ends the look-up, or the connection where nothing was sent.
FAILS_AT: Mapping[str, Stage] = {
    "base_url_refused": Stage.ADDRESS,
    "host_not_allowed": Stage.ADDRESS,
    "address_refused": Stage.ADDRESS,
    "request_malformed": Stage.ADDRESS,
    "name_not_resolved": Stage.ADDRESS,
    "connect_refused": Stage.CONNECTION,
    "connect_timeout": Stage.CONNECTION,
    "pool_timeout": Stage.CONNECTION,
    "tls_failed": Stage.CONNECTION,
    "deadline_connecting": Stage.CONNECTION,
    "refused_credentials": Stage.AUTHENTICATION,
}

# For the person who configures: what it most likely is, and what to do. Others are told in the line's own sentence.
ADVICE: Mapping[str, str] = {
    "base_url_refused": "This base URL may not be called: plain http is spoken to this machine only. Correct it.",
    "host_not_allowed": "The host is not on this deployment's list. Whoever runs this console can add it to BILLERS_ALLOWED_HOSTS.",
    "address_refused": "The host's name leads to an address of an internal network. Use its public name, or have BILLERS_ALLOWED_NETWORKS list it.",
    "request_malformed": "The request could not be written: an endpoint or a credential has a character that does not belong there.",
    "name_not_resolved": "The host's name could not be found. Check its spelling in the base URL, and that this machine has DNS.",
    "connect_refused": "Nothing accepts a connection there. Check host and port, and that the biller's firewall knows this machine.",
    "connect_timeout": "The host did not accept a connection in time. A firewall in between is the usual cause.",
    "tls_failed": "The host could not prove who it is: its certificate is expired, of another name, or of an unknown authority (BILLERS_CA_BUNDLE).",
    "deadline_connecting": "The host could not be reached within the time-out. Check host and port, or allow more time.",
    "refused_credentials": "The biller does not accept these credentials. Enter them again as the biller gave them.",
    "deadline": "The biller took the question and did not answer within the time-out. Try again, or allow more time.",
    "redirect": "The biller points to another address, which is never followed. Put the final address into the base URL.",
}


@dataclass(frozen=True, slots=True)
class StageResult:
    """`milliseconds` is None where a stage took no time of its own: the biller checks credentials while it answers the look-up."""

    stage: Stage
    passed: bool
    milliseconds: int | None
    told: str


@dataclass(frozen=True, slots=True)
class Tried:
    """One test of a configuration. `version` is the one that was saved at that time."""

    id: uuid.UUID
    at: datetime
    by: str
    version: int
    passed: bool
    stages: tuple[StageResult, ...]

    @property
    def typed_only(self) -> bool:
        return bool(self.stages) and self.stages[0].stage is Stage.TYPED

    @property
    def failed_at(self) -> StageResult | None:
        return next((one for one in self.stages if not one.passed), None)

    @property
    def milliseconds(self) -> int:
        return sum(one.milliseconds or 0 for one in self.stages)

    @classmethod
    def of(cls, row: ConnectionTest) -> "Tried":
        stages = tuple(StageResult(Stage(one["stage"]), one["passed"], one["milliseconds"], one["told"]) for one in row.stages)
        return cls(row.id, row.at, row.actor_name, row.config_version, row.passed, stages)


@dataclass(frozen=True, slots=True)
class Trial:
    """Everything a test needs, read before it begins: no database transaction is open while it waits for the biller."""

    config_id: uuid.UUID
    version: int
    snapshot: Snapshot
    credentials: Mapping[str, str] = field(repr=False)
    question: Verb
    query: Query
    remark: StageResult | None
    # The customer's account that a debit is tried on; None where this biller's topology has none.
    bank_account: str | None = None


@needs("billers:configure")
def run(
    actor: Actor,
    /,
    config_id: uuid.UUID,
    account: str,
    account_type: str | None = None,
    *,
    bank_account: str = "",
    typed: Content | None = None,
    credentials: Mapping[str, str] | None = None,
    proposal: int | None = None,
) -> Tried:
    """Tries the saved configuration; with `typed`, the values in a form that nobody saved, and the credentials that were typed with them; with the number
    of a `proposal`, what waits for a second person, and the credentials that wait with it.

    `bank_account` is asked for where the topology has a debit: core banking tries it on that account, and posts nothing.
    Raises `BadInput` for an account that this biller cannot have, `Invalid` for values that could not be saved either.
    """
    with db.unit_of_work() as session:
        config = existing(Billers(session).with_id(config_id))
        entered, told = credentials or {}, "With values that are not saved"
        if proposal is not None:
            typed, entered, told = _proposed(session, config, proposal)
        trial = _trial(config, account, account_type, bank_account, typed, entered, told)
    stages = ([trial.remark] if trial.remark else []) + asyncio.run(_stages(trial, line_policy()))
    passed = all(one.passed for one in stages)
    with db.unit_of_work() as session:
        kept = ConnectionTest(
            id=new_id(),
            config_id=config_id,
            config_version=trial.version,
            at=clock.now(),
            actor_name=actor.display_name,
            passed=passed,
            stages=[asdict(one) for one in stages],
        )
        session.add(kept)
        failed = next((one.stage.value for one in stages if not one.passed), None)
        audit.record(
            session, actor, "biller.tested", "biller", config_id, version=trial.version, passed=passed, failed_at=failed, typed_only=bool(trial.remark)
        )
    return Tried.of(kept)


@needs("billers:configure")
def history(actor: Actor, /, config_id: uuid.UUID) -> list[Tried]:
    """The tests of a configuration, newest first."""
    with db.unit_of_work() as session:
        return [Tried.of(row) for row in Billers(session).tests(config_id)]


def _proposed(session: Session, config: BillerConfig, number: int) -> tuple[Content, Mapping[str, str], str]:
    """What a change proposes that waits. Its credentials were entered for the host in it, and go nowhere else; of an older version nobody tries it."""
    found = ConfigurationProposals(session).open_of(config.id)
    if found is None or found.number != number:
        raise NotLegalNow("It was decided meanwhile. The configuration's history tells how.")
    if has_changed(config, found):
        raise Conflict("The configuration has changed since this was proposed, so there is nothing to try. Reject it, or have it proposed anew.")
    return found.content, entered_in(found), f"As change {number} proposes it"


def _trial(
    config: BillerConfig, account: str, account_type: str | None, bank_account: str, typed: Content | None, entered: Mapping[str, str], told: str
) -> Trial:
    saved = Snapshot.of(config)
    snapshot, remark = saved, None
    if typed is not None:
        content = {**typed, "biller_type": config.biller_type}
        if found := {**rules.complaints(content, line_policy(), core_banking=core_banking.is_on()), **rules.credential_complaints(content, entered)}:
            raise Invalid(found)
        snapshot = Snapshot.model_validate(rules.tidy(content))
        remark = StageResult(Stage.TYPED, passed=True, milliseconds=None, told=f"{told}: {snapshot.base_url}")
    moved = origin_of(snapshot.base_url) != origin_of(saved.base_url)
    if moved and remark and not entered:
        remark = replace(remark, told=f"{remark.told}. Without credentials: the stored ones belong to {origin_of(saved.base_url)}")
    question = next((verb for verb in QUESTIONS if verb in verbs_of(config.biller_type, snapshot)), None)
    if question is None:
        raise BadInput("All that this biller could be asked is switched off under Features. Switch the look-up on to test it.")
    return Trial(
        config_id=config.id,
        version=config.version,
        snapshot=snapshot,
        credentials=dict(entered) if moved else rules.merged(snapshot.model_dump(mode="json"), _stored(config), entered),
        question=question,
        query=_query(config.biller_type, snapshot, question, account, account_type),
        remark=remark,
        bank_account=number_of(bank_account) if snapshot.debits_customer else None,
    )


def _stored(config: BillerConfig) -> Mapping[str, str]:
    """What a worker would send: the environment's credentials, else the row's."""
    given = vault.credentials_from_environment(config.biller_type)
    if given is not None:
        return given
    return vault.open_secret(config.authentication, "biller_configs", config.id, "authentication") if config.authentication else {}


def _query(biller_type: str, snapshot: Snapshot, question: Verb, account: str, account_type: str | None) -> Query:
    number = snapshot.check_account(account)
    kind = snapshot.check_account_type(account_type)
    asks_amount = question is Verb.GET_INVOICE and adapter_for(biller_type).invoice_asks_amount
    least = Money(snapshot.validation_rules.amount_min, snapshot.default_currency)
    return Query(number, kind.code if kind else None, least if asks_amount else None)


# ---- On the wire


async def _stages(trial: Trial, policy: LinePolicy) -> list[StageResult]:
    terms = terms_of(trial.snapshot, trial.credentials)
    terms = replace(terms, deadline_seconds=min(terms.deadline_seconds, LONGEST_SECONDS))
    adapter = adapter_for(trial.snapshot.biller_type)
    try:
        exchange: Exchange[Told] = getattr(adapter(terms), trial.question.value)(trial.query)
    except BillersError as error:
        return [StageResult(Stage.ADDRESS, passed=False, milliseconds=None, told=f"The question could not be written: {error.sentence}")]
    address = await _address(terms, exchange, policy)
    if not address.passed:
        return [address]
    line = Line(policy)
    began = clock.now()
    answer = await line.perform(terms, exchange, adapter.masked)
    stages = [address, *_told(trial, answer, began)]
    if trial.bank_account is not None and all(one.passed for one in stages):
        stages += await _at_the_bank(line, trial.snapshot, trial.bank_account)
    return stages


async def _at_the_bank(line: Line, snapshot: Snapshot, account: str) -> list[StageResult]:
    """The suspense account's balance, and the dry run of the least payment: core banking checks it and keeps nothing."""
    least = Money(snapshot.validation_rules.amount_min, snapshot.default_currency)
    tried = bank_trial.run(line, account, snapshot.credit_account or "", least, LONGEST_SECONDS)
    return [StageResult(Stage(one.stage), one.passed, one.milliseconds, " ".join(one.told.split())[:LONGEST_TOLD]) async for one in tried]


async def _address(terms: Terms, exchange: Exchange[Told], policy: LinePolicy) -> StageResult:
    """Is it allowed, and where does its name lead? The line asks both again before it connects."""
    began = clock.monotonic_seconds()
    try:
        async with asyncio.timeout(terms.deadline_seconds):
            place = destination(terms.base_url, exchange.request.path, policy)
            addresses = await checked_addresses(place, networks(policy))
    except (Refused, TimeoutError) as error:
        failure = error.failure if isinstance(error, Refused) else "deadline_connecting"
        return StageResult(Stage.ADDRESS, passed=False, milliseconds=_since(began), told=_advice(failure))
    told = f"{place.netloc} may be called and leads to {', '.join(map(str, addresses[:3]))}."
    return StageResult(Stage.ADDRESS, passed=True, milliseconds=_since(began), told=told)


def _told(trial: Trial, answer: Answer[Told], began: datetime) -> list[StageResult]:
    """The line's one answer, taken apart: up to the first byte it was the connection, after it the biller."""
    failing = _stage_of(answer.failure) if answer.failure else None
    if failing in (Stage.ADDRESS, Stage.CONNECTION):
        return [StageResult(failing, passed=False, milliseconds=answer.duration_ms, told=_advice(answer.failure or ""))]
    connecting = min(answer.duration_ms, max(0, round((answer.sent_at - began).total_seconds() * 1000)))
    secured = "with a certificate that proves its name" if trial.snapshot.base_url.lower().startswith("https") else "on this machine, without TLS"
    connection = StageResult(Stage.CONNECTION, passed=True, milliseconds=connecting, told=f"Connected {secured}.")
    answering = answer.duration_ms - connecting
    if failing is Stage.AUTHENTICATION:
        told = _advice(answer.failure or "") if trial.credentials else "The biller asks for credentials, and none were sent. Enter them."
        return [connection, StageResult(Stage.AUTHENTICATION, passed=False, milliseconds=answering, told=f"{told} (HTTP {answer.http_status})")]
    if answer.http_status is None:
        # Nothing came back: who knows whether we would have been let in.
        return [connection, StageResult(Stage.LOOKUP, passed=False, milliseconds=answering, told=_advice(answer.failure or ""))]
    sent = "accepted" if trial.credentials else "not asked for"
    authentication = StageResult(Stage.AUTHENTICATION, passed=True, milliseconds=None, told=f"Credentials were {sent} (HTTP {answer.http_status}).")
    passed, told = _understood(answer)
    return [connection, authentication, StageResult(Stage.LOOKUP, passed, answering, _without(trial.credentials, told))]


def _stage_of(failure: str) -> Stage:
    unsent = accident(failure).outcome_class is OutcomeClass.NOT_SENT
    return FAILS_AT.get(failure, Stage.CONNECTION if unsent else Stage.LOOKUP)


def _understood(answer: Answer[Told]) -> tuple[bool, str]:
    value = answer.value
    if value is None:
        return False, _advice(answer.failure or "")
    said = f" The biller says: {value.message}" if value.message else ""
    code = f" ({value.code})" if value.code else ""
    if value.outcome is Outcome.CONFIRMED:
        return True, _found(value)
    if value.outcome is Outcome.REJECTED:
        return False, f"The biller answered properly, and refuses this account{code}. Enter a test account that it knows.{said}"
    if value.mismatch:
        return False, f"The biller answered about another {value.mismatch} than it was asked about. Tell the biller."
    return False, f"The answer is not one of this biller's dialect{code}. Check base URL, endpoints and dialect.{said}"


def _found(value: Told) -> str:
    match value:
        case Account():
            parts = [value.name or f"Account {value.number}", str(value.balance) if value.balance is not None else "", value.state or ""]
        case Invoice():
            parts = [f"Invoice {value.number}", value.name or "", str(value.due) if value.due is not None else ""]
        case Bundles():
            parts = [f"{len(value.items)} bundles offered"]
    return f"Found: {', '.join(part for part in parts if part)}."


def _advice(failure: str) -> str:
    """A question moves no money, so the line's remark that the biller may have acted would only frighten."""
    if failure in ADVICE:
        return ADVICE[failure]
    return re.sub(r" (?:It|The biller) may have acted(?:\.|; tell an administrator\.)", "", accident(failure).sentence)


def _without(credentials: Mapping[str, Any], told: str) -> str:
    """A biller may repeat what it was sent; what is kept of a test has no secret in it."""
    for value in sorted((str(one) for one in credentials.values()), key=len, reverse=True):
        if len(value) > 3:
            told = told.replace(value, "***")
    return " ".join(told.split())[:LONGEST_TOLD]


def _since(began: float) -> int:
    return round((clock.monotonic_seconds() - began) * 1000)
