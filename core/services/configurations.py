"""Who configures a biller, and what becomes of it: each change is a version, an entry in the audit with before and after, and news to every process.

Whoever changes a configuration says which version was in front of them. If somebody else was faster, nothing is saved.
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
from core.errors import BadInput, Conflict, NotFound
from core.ids import new_id
from core.models import AuditEntry, BillerConfig, BillerConfigVersion, BillerType
from core.models.snapshot import Snapshot
from core.repositories.billers import Billers
from core.security import vault
from core.services import configuration_rules as rules
from core.services import core_banking
from core.services.billers import write_version
from core.services.breakers import probe_now
from core.services.configuration_rules import LONGEST_REASON, NOTHING, Content, Invalid, differences, origin_of
from core.services.connection_tests import Tried
from core.services.deployment import line_policy
from core.settings import credentials_text

State = Literal["active", "paused", "inactive"]

# The one word an audit entry says about credentials.
CHANGED = "changed"


class AnotherIsActive(Conflict):
    """Another configuration of this biller is active, and there can be one only. Deactivate that one first."""


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
    """`credentials_voided`: the host changed, so that the stored credentials were dropped and must be entered again."""

    configuration: Configuration
    credentials_voided: bool = False


@dataclass(frozen=True, slots=True)
class Version:
    """What a version says, and what it changed of the one before."""

    number: int
    at: datetime
    by: str | None
    content: Content
    changes: Mapping[str, Mapping[str, Any]]


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
        return _view(session, _existing(Billers(session).with_id(config_id)))


@needs("billers:configure")
def unsent(actor: Actor, /, config_id: uuid.UUID) -> int:
    """How many payments wait in the queue of this biller: what pausing keeps waiting, and deactivating fails."""
    with db.unit_of_work() as session:
        return Billers(session).unsent(_existing(Billers(session).with_id(config_id)).biller_type)


@needs("billers:configure")
def versions(actor: Actor, /, config_id: uuid.UUID) -> list[Version]:
    """Newest first, each with what it changed."""
    with db.unit_of_work() as session:
        rows = Billers(session).versions(config_id)
        people = Billers(session).people([row.created_by for row in rows])
    older: list[BillerConfigVersion | None] = [*rows[1:], None]
    return [
        Version(row.version, row.created_at, people.get(row.created_by) if row.created_by else None, _content(row), _changes(before, row))
        for row, before in zip(rows, older, strict=True)
    ]


@needs("billers:configure")
def acts(actor: Actor, /, config_id: uuid.UUID) -> list[Act]:
    """Who did what to this configuration, newest first."""
    with db.unit_of_work() as session:
        entries = Billers(session).acts(config_id)
        people = Billers(session).people([entry.actor_id for entry in entries])
    return [_act(entry, people) for entry in entries]


# ---- Changing


@needs("billers:configure", fresh=True)
def create(actor: Actor, /, content: Content, credentials: Mapping[str, str] | None = None) -> Saved:
    """A new configuration, switched off until somebody activates it. Raises `Invalid` with what to correct."""
    snapshot = _valid(content, credentials or {})
    with db.unit_of_work() as session:
        if Billers(session).type_of(snapshot.biller_type) is None:
            session.add(BillerType(code=snapshot.biller_type, name=adapter_for(snapshot.biller_type).title))
            session.flush()
        config = BillerConfig(id=new_id(), is_active=False, version=0, created_by=actor.id, **_columns(snapshot))
        session.add(config)
        session.flush()
        session.refresh(config)
        changes: dict[str, Any] = differences(NOTHING, snapshot.model_dump(mode="json"))
        if credentials:
            config.authentication = _sealed(config.id, credentials)
            changes["authentication"] = CHANGED
        write_version(session, config, "biller.created", actor, changes=changes)
        return Saved(_view(session, config))


@needs("billers:configure", fresh=True)
def edit(actor: Actor, /, config_id: uuid.UUID, shown: int, content: Content, credentials: Mapping[str, str] | None = None) -> Saved:
    """Saves what was typed over version `shown`. Credentials that were not entered stay, unless the host changed: then the stored ones are dropped.

    Raises `Invalid` with what to correct, `Conflict` where somebody else was faster, `BadInput` where nothing differs.
    """
    entered = credentials or {}
    with db.unit_of_work() as session:
        config = _held(session, config_id, shown)
        content = {**content, "biller_type": config.biller_type}
        snapshot = _valid(content, entered)
        before = Snapshot.of(config)
        changes: dict[str, Any] = differences(before.model_dump(mode="json"), snapshot.model_dump(mode="json"))
        moved = origin_of(before.base_url) != origin_of(snapshot.base_url)
        voided = moved and config.authentication is not None
        if voided:
            config.authentication = None
            changes["authentication"] = "removed, since the host changed"
        if entered:
            config.authentication = _sealed(config.id, rules.merged(content, _kept(config), entered))
            changes["authentication"] = CHANGED
            probe_now(session, config.biller_type)
        if not changes:
            raise BadInput("Nothing was changed, so there is nothing to save.")
        for name, value in _columns(snapshot).items():
            setattr(config, name, value)
        write_version(session, config, "biller.changed", actor, changes=changes)
        return Saved(_view(session, config), credentials_voided=voided and not entered)


@needs("billers:configure", fresh=True)
def forget_credentials(actor: Actor, /, config_id: uuid.UUID, shown: int) -> Configuration:
    """Drops the stored credentials."""
    with db.unit_of_work() as session:
        config = _held(session, config_id, shown)
        if config.authentication is None:
            raise BadInput("No credentials are stored here.")
        config.authentication = None
        write_version(session, config, "biller.changed", actor, changes={"authentication": "removed"})
        return _view(session, config)


@needs("billers:configure", fresh=True)
def activate(actor: Actor, /, config_id: uuid.UUID, shown: int) -> Configuration:
    """Offers this biller to operators. Raises `AnotherIsActive`, and `Invalid` where it could not be saved as it is."""
    try:
        with db.unit_of_work() as session:
            Billers(session).hold_type(_existing(Billers(session).with_id(config_id)).biller_type)
            config = _held(session, config_id, shown)
            if config.is_active:
                raise Conflict("This configuration is active already.")
            other = Billers(session).active_of(config.biller_type)
            if other is not None:
                raise _another(other)
            _valid(Snapshot.of(config).model_dump(mode="json"), {})
            config.is_active = True
            config.paused_at = config.paused_reason = None
            write_version(session, config, "biller.activated", actor)
            return _view(session, config)
    except IntegrityError as error:
        # The index is the last word: whoever did not come by here was faster.
        raise AnotherIsActive from error


@needs("billers:configure", fresh=True)
def deactivate(actor: Actor, /, config_id: uuid.UUID, shown: int) -> Configuration:
    """Takes this biller off the offer. What waits in its queue fails, with nothing sent; what is with the biller is still asked about."""
    with db.unit_of_work() as session:
        config = _held(session, config_id, shown)
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
        config = _held(session, config_id, shown)
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
        config = _held(session, config_id, shown)
        if config.paused_at is None:
            raise Conflict("This configuration is not paused.")
        reason = config.paused_reason
        config.paused_at = config.paused_reason = None
        write_version(session, config, "biller.resumed", actor, was_paused_because=reason)
        return _view(session, config)


# ---- What these are made of


def _valid(content: Content, credentials: Mapping[str, str]) -> Snapshot:
    found = {**rules.complaints(content, line_policy(), core_banking=core_banking.is_on()), **rules.credential_complaints(content, credentials)}
    if found:
        raise Invalid(found)
    return Snapshot.model_validate(rules.tidy(content))


def _existing(config: BillerConfig | None) -> BillerConfig:
    if config is None:
        raise NotFound("There is no configuration under this address. Choose one from the list.")
    return config


def _held(session: Session, config_id: uuid.UUID, shown: int) -> BillerConfig:
    """The row, nobody else's until this unit of work ends, and as it was shown."""
    config = _existing(Billers(session).held(config_id))
    if config.version != shown:
        who = Billers(session).people([config.updated_by]).get(config.updated_by) if config.updated_by else None
        raise Conflict(
            f"{who or 'The system'} changed this configuration while it was open here: it was at version {shown}, and is at {config.version} now."
            " Nothing was saved. Look at what is saved now before you decide.",
            version=config.version,
        )
    return config


def _another(other: BillerConfig) -> AnotherIsActive:
    return AnotherIsActive(
        f"“{other.display_name}” is active for {other.biller_name}, and of one biller only one configuration can be. Deactivate that one first.",
        config_id=other.id,
    )


def _columns(snapshot: Snapshot) -> dict[str, Any]:
    return {**snapshot.model_dump(), "topology": snapshot.topology.value, "validation_rules": snapshot.validation_rules.model_dump(mode="json")}


def _sealed(config_id: uuid.UUID, credentials: Mapping[str, str]) -> str:
    return vault.seal_secret(credentials, "biller_configs", config_id, "authentication")


def _kept(config: BillerConfig) -> Mapping[str, str]:
    """The stored credentials, to change some of them. Those that cannot be opened any more are as good as gone."""
    if config.authentication is None:
        return {}
    try:
        return vault.open_secret(config.authentication, "biller_configs", config.id, "authentication")
    except vault.CannotOpen:
        return {}


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
    )


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
