"""Who configures a biller, and what becomes of it: each change is a version, an entry in the audit with before and after, and news to every process.

Whoever changes a configuration says which version was in front of them. If somebody else was faster, nothing is saved. What takes two people
(`core.services.four_eyes`) is not saved but proposed, once a configuration was approved; until then it is a draft that nobody is offered, and its activation
is what the second person approves.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import func
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from core import db
from core.access import Actor, needs
from core.adapters import adapter_for
from core.errors import BadInput, Conflict, NotFound, NotLegalNow
from core.ids import new_id
from core.models import AuditEntry, BillerConfig, BillerConfigVersion, BillerType, ConfigurationProposal
from core.models.configuration_proposals import ConfigurationStep, Fate
from core.models.snapshot import Snapshot
from core.repositories.billers import Billers
from core.repositories.configuration_proposals import ConfigurationProposals
from core.services import configuration_proposals as proposals
from core.services.billers import write_version
from core.services.configuration_changes import (
    CHANGED,
    NO_CREDENTIALS,
    AnotherIsActive,
    Change,
    carry_out,
    change_of,
    columns_of,
    existing,
    held,
    is_approved,
    restoring,
    sealed,
    switch_on,
    valid,
)
from core.services.configuration_rules import LONGEST_REASON, NOTHING, Content, differences
from core.services.connection_tests import Tried
from core.settings import credentials_text

State = Literal["active", "paused", "inactive"]

LONGEST_NAME = 60

# Who decided where no person of the console did.
OF_THE_MACHINE = "whoever runs the machine"


class NeverApproved(NotLegalNow):
    """Only one person has looked at this configuration yet. Propose its activation: another administrator approves it."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """A configuration as an administrator sees it: everything but its credentials, of which only whether there are some."""

    id: uuid.UUID
    version: int
    snapshot: Snapshot
    is_active: bool
    paused_at: datetime | None
    paused_because: str | None
    updated_at: datetime
    updated_by: str | None
    holds_credentials: bool
    # The environment's credentials go before the stored ones.
    environment_credentials: bool
    last_test: Tried | None
    # Whether two people said what it says, so that two people change it.
    is_approved: bool

    @property
    def state(self) -> State:
        if not self.is_active:
            return "inactive"
        return "paused" if self.paused_at else "active"

    @property
    def content(self) -> dict[str, Any]:
        """As JSON values: what a form begins with."""
        return self.snapshot.model_dump(mode="json")


@dataclass(frozen=True, slots=True)
class Saved:
    """`credentials_voided`: the host changed, so that the stored credentials were dropped and must be entered again.

    With the number of a `proposal` nothing was saved yet: a second person decides about it.
    """

    configuration: Configuration
    credentials_voided: bool = False
    proposal: int | None = None


@dataclass(frozen=True, slots=True)
class Version:
    """What a version says, and what it changed of the one before. Where two people made it, who approved it and why it was proposed."""

    number: int
    at: datetime
    by: str | None
    content: Content
    changes: Mapping[str, Mapping[str, Any]]
    approved_by: str | None = None
    proposal: int | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Preview:
    """What a change would differ in, before it is made: the fields, and of these those that take two people with what each decides."""

    changes: Mapping[str, Any]
    takes_two: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Act:
    """One entry of the audit about a configuration."""

    at: datetime
    by: str
    action: str
    version: int | None
    reason: str | None
    changes: Mapping[str, Any]
    details: Mapping[str, Any]


# ---- Asking


@needs("billers:configure")
def list_all(actor: Actor, /) -> list[Configuration]:
    """Every configuration by name, with its state and its last test."""
    with db.unit_of_work() as session:
        billers = Billers(session)
        configs, tests = billers.all(), billers.last_tests()
        people = billers.people([config.updated_by for config in configs])
        return [_seen(config, people, Tried.of(test) if (test := tests.get(config.id)) else None) for config in configs]


@needs("billers:configure")
def find(actor: Actor, /, config_id: uuid.UUID) -> Configuration:
    with db.unit_of_work() as session:
        return _view(session, existing(Billers(session).with_id(config_id)))


@needs("billers:configure")
def unsent(actor: Actor, /, config_id: uuid.UUID) -> int:
    """How many payments wait in the queue of this biller: what pausing keeps waiting, and deactivating fails."""
    with db.unit_of_work() as session:
        return Billers(session).unsent(existing(Billers(session).with_id(config_id)).biller_type)


@needs("billers:configure")
def versions(actor: Actor, /, config_id: uuid.UUID) -> list[Version]:
    """Newest first, each with what it changed."""
    with db.unit_of_work() as session:
        existing(Billers(session).with_id(config_id))
        rows = Billers(session).versions(config_id)
        made_by_two = ConfigurationProposals(session).by_id({row.proposal_id for row in rows if row.proposal_id})
        people = Billers(session).people([*(row.created_by for row in rows), *(proposal.decided_by for proposal in made_by_two.values())])
    older: list[BillerConfigVersion | None] = [*rows[1:], None]
    return [_version(row, before, made_by_two.get(row.proposal_id) if row.proposal_id else None, people) for row, before in zip(rows, older, strict=True)]


@needs("billers:configure")
def acts(actor: Actor, /, config_id: uuid.UUID) -> list[Act]:
    """Who did what to this configuration, newest first."""
    with db.unit_of_work() as session:
        existing(Billers(session).with_id(config_id))
        entries = Billers(session).acts(config_id)
        people = Billers(session).people([entry.actor_id for entry in entries])
    return [_act(entry, people) for entry in entries]


@needs("billers:configure")
def what_restoring_changes(actor: Actor, /, config_id: uuid.UUID, number: int) -> Preview:
    """What would differ if the configuration said again what it said at this version."""
    with db.unit_of_work() as session:
        config = existing(Billers(session).with_id(config_id))
        change = restoring(config, _version_numbered(session, config_id, number))
        return Preview(change.changes, change.takes_two if is_approved(config) else {})


# ---- Changing


@needs("billers:configure", fresh=True)
def create(actor: Actor, /, content: Content, credentials: Mapping[str, str] | None = None) -> Saved:
    """A new configuration, switched off until two people have it activated. Raises `Invalid` with what to correct."""
    entered = credentials or NO_CREDENTIALS
    snapshot = valid(content, entered)
    with db.unit_of_work() as session:
        return Saved(_added(session, actor, snapshot, entered, "biller.created"))


@needs("billers:configure", fresh=True)
def clone(actor: Actor, /, config_id: uuid.UUID) -> Configuration:
    """Another configuration that says the same: switched off, a draft, and without credentials."""
    with db.unit_of_work() as session:
        config = existing(Billers(session).with_id(config_id))
        snapshot = Snapshot.of(config).model_copy(update={"display_name": f"Copy of {config.display_name}"[:LONGEST_NAME]})
        return _added(session, actor, snapshot, NO_CREDENTIALS, "biller.cloned", cloned=str(config.id), cloned_version=config.version)


@needs("billers:configure", fresh=True)
def edit(actor: Actor, /, config_id: uuid.UUID, shown: int, content: Content, credentials: Mapping[str, str] | None = None, reason: str = "") -> Saved:
    """Saves what was typed over version `shown`, or proposes it where it takes two people: then with a reason.

    Credentials that were not entered stay, unless the host changed: then the stored ones are dropped.
    Raises `Invalid` with what to correct, `Conflict` where somebody else was faster, `BadInput` where nothing differs or the reason is missing.
    """
    entered = credentials or NO_CREDENTIALS
    with db.unit_of_work() as session:
        config = held(session, config_id, shown)
        snapshot = valid({**content, "biller_type": config.biller_type}, entered)
        return _saved(session, actor, config, change_of(config, snapshot, entered), reason)


@needs("billers:configure", fresh=True)
def forget_credentials(actor: Actor, /, config_id: uuid.UUID, shown: int, reason: str = "") -> Saved:
    """Drops the stored credentials, or proposes to. Whoever wants nothing sent at once pauses the biller meanwhile."""
    with db.unit_of_work() as session:
        config = held(session, config_id, shown)
        if config.authentication is None:
            raise BadInput("No credentials are stored here.")
        return _saved(session, actor, config, change_of(config, Snapshot.of(config), forget=True), reason)


@needs("billers:configure", fresh=True)
def restore(actor: Actor, /, config_id: uuid.UUID, shown: int, number: int, reason: str = "") -> Saved:
    """Has the configuration say again what it said at version `number`. Itself a change: a new version, and for two people where it touches what takes two.

    Stored credentials stay as long as the host does. A version of another host brings those back that were entered for that host, if it had any.
    """
    with db.unit_of_work() as session:
        config = held(session, config_id, shown)
        change = restoring(config, _version_numbered(session, config_id, number))
        valid(change.snapshot.model_dump(mode="json"))
        return _saved(session, actor, config, change, reason)


@needs("billers:configure", fresh=True)
def activate(actor: Actor, /, config_id: uuid.UUID, shown: int) -> Configuration:
    """Offers this biller to operators. Raises `NeverApproved`, `AnotherIsActive`, and `Invalid` where it could not be saved as it is."""
    try:
        with db.unit_of_work() as session:
            Billers(session).hold_type(existing(Billers(session).with_id(config_id)).biller_type)
            config = held(session, config_id, shown)
            if not is_approved(config):
                raise NeverApproved
            switch_on(session, config, actor)
            return _view(session, config)
    except IntegrityError as error:
        # The index is the last word: whoever did not come by here was faster.
        raise AnotherIsActive from error


@needs("billers:configure", fresh=True)
def propose_activation(actor: Actor, /, config_id: uuid.UUID, shown: int, reason: str) -> int:
    """Asks a second person to look at a draft, whole, and to have it offered to operators. Answers the proposal's number. Raises `Invalid`."""
    with db.unit_of_work() as session:
        config = held(session, config_id, shown)
        if is_approved(config):
            raise NotLegalNow("Two people have looked at this configuration already: it can be activated at once.")
        valid(Snapshot.of(config).model_dump(mode="json"))
        return proposals.propose(session, actor, config, ConfigurationStep.ACTIVATE, proposals.activation_of(config), reason).number


@needs("billers:configure", fresh=True)
def deactivate(actor: Actor, /, config_id: uuid.UUID, shown: int) -> Configuration:
    """Takes this biller off the offer. What waits in its queue fails, with nothing sent; what is with the biller is still asked about."""
    with db.unit_of_work() as session:
        config = held(session, config_id, shown)
        if not config.is_active:
            raise Conflict("This configuration is inactive already.")
        config.is_active = False
        config.paused_at = config.paused_reason = None
        write_version(session, config, "biller.deactivated", actor, unsent=Billers(session).unsent(config.biller_type))
        return _view(session, config)


@needs("billers:configure", fresh=True)
def pause(actor: Actor, /, config_id: uuid.UUID, shown: int, reason: str) -> Configuration:
    """Holds payments back for a while. Operators read the reason where they choose the biller."""
    told = _reason(reason)
    with db.unit_of_work() as session:
        config = held(session, config_id, shown)
        if not config.is_active:
            raise BadInput("This configuration is inactive: nobody is offered it, so there is nothing to pause.")
        if config.paused_at is not None:
            raise Conflict("This configuration is paused already. Resume it first to give another reason.")
        config.paused_at, config.paused_reason = func.clock_timestamp(), told
        write_version(session, config, "biller.paused", actor, reason=told)
        session.refresh(config)
        return _view(session, config)


@needs("billers:configure", fresh=True)
def resume(actor: Actor, /, config_id: uuid.UUID, shown: int) -> Configuration:
    """Ends a pause: what waited is sent, as far as its time is not up."""
    with db.unit_of_work() as session:
        config = held(session, config_id, shown)
        if config.paused_at is None:
            raise Conflict("This configuration is not paused.")
        reason = config.paused_reason
        config.paused_at = config.paused_reason = None
        write_version(session, config, "biller.resumed", actor, was_paused_because=reason)
        return _view(session, config)


# ---- What these are made of


def _saved(session: Session, actor: Actor, config: BillerConfig, change: Change, reason: str) -> Saved:
    if not change.changes:
        raise BadInput("Nothing was changed, so there is nothing to save.")
    if is_approved(config) and change.takes_two:
        made = proposals.propose(session, actor, config, ConfigurationStep.CHANGE, change, reason)
        return Saved(_view(session, config), proposal=made.number)
    carry_out(session, config, change, actor)
    return Saved(_view(session, config), credentials_voided=change.fate is Fate.VOIDED)


def _added(session: Session, actor: Actor, snapshot: Snapshot, entered: Mapping[str, str], action: str, **details: object) -> Configuration:
    if Billers(session).type_of(snapshot.biller_type) is None:
        session.add(BillerType(code=snapshot.biller_type, name=adapter_for(snapshot.biller_type).title))
        session.flush()
    config = BillerConfig(id=new_id(), is_active=False, version=0, created_by=actor.id, **columns_of(snapshot))
    session.add(config)
    session.flush()
    session.refresh(config)
    changes: dict[str, Any] = differences(NOTHING, snapshot.model_dump(mode="json"))
    if entered:
        config.authentication = sealed(config.id, entered)
        changes["authentication"] = CHANGED
    write_version(session, config, action, actor, None, changes=changes, **details)
    return _view(session, config)


def _version_numbered(session: Session, config_id: uuid.UUID, number: int) -> BillerConfigVersion:
    found = Billers(session).version(config_id, number)
    if found is None:
        raise NotFound(f"This configuration has no version {number}. Choose one from its versions.")
    return found


def _reason(typed: str) -> str:
    """One sentence for operators, with its full stop."""
    told = " ".join(typed.split())
    if len(told) < 3 or len(told) > LONGEST_REASON or not told.isprintable():
        raise BadInput(f"Say why in one sentence of up to {LONGEST_REASON} characters: operators read it to customers.")
    return told if told[-1] in ".!?…" else f"{told}."


def _view(session: Session, config: BillerConfig) -> Configuration:
    session.flush()
    test = Billers(session).last_tests().get(config.id)
    return _seen(config, Billers(session).people([config.updated_by]), Tried.of(test) if test else None)


def _seen(config: BillerConfig, people: Mapping[uuid.UUID, str], last_test: Tried | None) -> Configuration:
    return Configuration(
        id=config.id,
        version=config.version,
        snapshot=Snapshot.of(config),
        is_active=config.is_active,
        paused_at=config.paused_at,
        paused_because=config.paused_reason,
        updated_at=config.updated_at,
        updated_by=people.get(config.updated_by) if config.updated_by else None,
        holds_credentials=config.authentication is not None,
        environment_credentials=bool(credentials_text(config.biller_type)),
        last_test=last_test,
        is_approved=is_approved(config),
    )


def _version(row: BillerConfigVersion, before: BillerConfigVersion | None, proposal: ConfigurationProposal | None, people: Mapping[uuid.UUID, str]) -> Version:
    by = people.get(row.created_by) if row.created_by else None
    if proposal is None:
        return Version(row.version, row.created_at, by, _content(row), _changes(before, row))
    approved_by = people.get(proposal.decided_by) if proposal.decided_by else OF_THE_MACHINE
    return Version(row.version, row.created_at, by, _content(row), _changes(before, row), approved_by, proposal.number, proposal.reason)


def _content(row: BillerConfigVersion) -> Content:
    return Snapshot.model_validate(row.snapshot).model_dump(mode="json")


def _changes(before: BillerConfigVersion | None, row: BillerConfigVersion) -> dict[str, dict[str, Any]]:
    """Of the credentials only that they changed: each sealing of the same secret looks different."""
    changes = differences(_content(before), _content(row)) if before else {}
    had, has = (before.authentication if before else None), row.authentication
    if before and had != has:
        changes["authentication"] = {"before": "stored" if had else None, "after": (CHANGED if had else "stored") if has else None}
    return changes


def _act(entry: AuditEntry, people: Mapping[uuid.UUID, str]) -> Act:
    details = dict(entry.details)
    return Act(
        at=entry.at,
        by=(people.get(entry.actor_id) if entry.actor_id else None) or entry.actor_name,
        action=entry.action,
        version=details.pop("version", None),
        reason=details.pop("reason", None),
        changes=details.pop("changes", {}),
        details=details,
    )
