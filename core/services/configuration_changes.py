"""What a change makes of a biller's configuration: worked out first, carried out by whoever may, with its version and its audit entry. It asks nobody.

Credentials belong to the host they were entered for. Whatever way another host is saved, the stored ones do not go with it.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from sqlalchemy.orm import Session

from core.access import Actor
from core.errors import Conflict, NotFound
from core.models import BillerConfig, BillerConfigVersion, ConfigurationProposal
from core.models.configuration_proposals import Fate
from core.models.snapshot import Snapshot
from core.repositories.billers import Billers
from core.security import vault
from core.services import configuration_rules as rules
from core.services import core_banking, four_eyes
from core.services.billers import write_version
from core.services.breakers import probe_now
from core.services.configuration_rules import Content, Invalid, differences, origin_of
from core.services.deployment import line_policy

# What an audit entry, and whoever approves, is told of credentials: never what they say.
CHANGED = "changed"
TOLD: Mapping[Fate, str] = MappingProxyType(
    {
        Fate.CHANGED: CHANGED,
        Fate.REMOVED: "removed",
        Fate.VOIDED: "removed, since the host changed",
        Fate.RESTORED: "those of version {restores}",
    }
)

NO_CREDENTIALS: Mapping[str, str] = MappingProxyType({})

# Another configuration of this biller may not be active beside it: what is switched on goes by the same words wherever that is found out.
SWITCHED_ON: Mapping[str, Any] = MappingProxyType({"is_active": {"before": False, "after": True}})


class AnotherIsActive(Conflict):
    """Another configuration of this biller is active, and there can be one only. Deactivate that one first."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a configuration would say, and what that differs in. `entered` are credentials: they are shown by nothing."""

    snapshot: Snapshot
    fate: Fate
    changes: Mapping[str, Any]
    entered: Mapping[str, str] = field(default_factory=dict, repr=False)
    restores: int | None = None

    @property
    def takes_two(self) -> dict[str, str]:
        """The fields in it that take two people, each with what it decides."""
        return four_eyes.takes_two(self.changes)


# ---- The row


def existing(config: BillerConfig | None) -> BillerConfig:
    """The configuration that was asked for. Raises `NotFound`."""
    if config is None:
        raise NotFound("There is no configuration under this address. Choose one from the list.")
    return config


def held(session: Session, config_id: uuid.UUID, shown: int) -> BillerConfig:
    """The row, nobody else's until this unit of work ends, and as it was shown."""
    config = existing(Billers(session).held(config_id))
    if config.version != shown:
        who = Billers(session).people([config.updated_by]).get(config.updated_by) if config.updated_by else None
        raise Conflict(
            f"{who or 'The system'} changed this configuration while it was open here: it was at version {shown}, and is at {config.version} now."
            " Nothing was saved. Look at what is saved now before you decide.",
            version=config.version,
        )
    return config


def is_approved(config: BillerConfig) -> bool:
    """Whether two people said what it says. One that never was is one person's draft, and nobody is offered it."""
    return config.approved_version is not None or config.is_active


def columns_of(snapshot: Snapshot) -> dict[str, Any]:
    return {**snapshot.model_dump(), "topology": snapshot.topology.value, "validation_rules": snapshot.validation_rules.model_dump(mode="json")}


def sealed(config_id: uuid.UUID, credentials: Mapping[str, str]) -> str:
    return vault.seal_secret(credentials, "biller_configs", config_id, "authentication")


# ---- Working it out


def valid(content: Content, credentials: Mapping[str, str] = NO_CREDENTIALS) -> Snapshot:
    """The configuration as values. Raises `Invalid` with every complaint there is."""
    found = {**rules.complaints(content, line_policy(), core_banking=core_banking.is_on()), **rules.credential_complaints(content, credentials)}
    if found:
        raise Invalid(found)
    return Snapshot.model_validate(rules.tidy(content))


def change_of(config: BillerConfig, snapshot: Snapshot, entered: Mapping[str, str] = NO_CREDENTIALS, *, forget: bool = False) -> Change:
    """What was typed over what is saved. Credentials that were not entered stay, unless the host is another one, or they are to be forgotten."""
    if entered:
        fate = Fate.CHANGED
    elif config.authentication is not None and (forget or moves(config, snapshot)):
        fate = Fate.REMOVED if forget else Fate.VOIDED
    else:
        fate = Fate.KEPT
    return Change(snapshot, fate, changes_of(config, snapshot, fate), entered)


def restoring(config: BillerConfig, version: BillerConfigVersion) -> Change:
    """What an older version said, over what is saved. Stored credentials stay as long as the host does; with another host come those entered for it."""
    snapshot = Snapshot.model_validate(version.snapshot)
    if not moves(config, snapshot) or not (entered := _opened(version.authentication, config.id)):
        change = change_of(config, snapshot)
        return Change(snapshot, change.fate, change.changes, restores=version.version)
    return Change(snapshot, Fate.RESTORED, changes_of(config, snapshot, Fate.RESTORED, version.version), entered, version.version)


def changes_of(config: BillerConfig, snapshot: Snapshot, fate: Fate, restores: int | None = None) -> dict[str, Any]:
    """Path of each field that differs → before and after; of credentials one word."""
    changes: dict[str, Any] = differences(Snapshot.of(config).model_dump(mode="json"), snapshot.model_dump(mode="json"))
    if fate in TOLD:
        changes["authentication"] = TOLD[fate].format(restores=restores)
    return changes


def moves(config: BillerConfig, snapshot: Snapshot) -> bool:
    """To another host than the stored credentials were entered for."""
    return origin_of(config.base_url) != origin_of(snapshot.base_url)


# ---- Carrying it out


def carry_out(session: Session, config: BillerConfig, change: Change, by: Actor, proposal: ConfigurationProposal | None = None) -> None:
    """Makes the next version of what the caller holds. With a `proposal` it is what two people said."""
    if change.fate is not Fate.KEPT:
        config.authentication = _authentication(config, change)
    if change.entered:
        probe_now(session, config.biller_type)
    for name, value in columns_of(change.snapshot).items():
        setattr(config, name, value)
    details = {"changes": dict(change.changes)} | ({"restores": change.restores} if change.restores else {})
    write_version(session, config, "biller.changed", by, proposal, **details)
    if proposal is not None:
        config.approved_version = config.version


def switch_on(session: Session, config: BillerConfig, by: Actor, proposal: ConfigurationProposal | None = None) -> None:
    """The caller holds the type, too. Raises `AnotherIsActive`, and `Invalid` where it could not be saved as it is."""
    if config.is_active:
        raise Conflict("This configuration is active already.")
    if other := Billers(session).active_of(config.biller_type):
        raise AnotherIsActive(
            f"“{other.display_name}” is active for {other.biller_name}, and of one biller only one configuration can be. Deactivate that one first.",
            config_id=other.id,
        )
    valid(Snapshot.of(config).model_dump(mode="json"))
    config.is_active = True
    config.paused_at = config.paused_reason = None
    write_version(session, config, "biller.activated", by, proposal)
    if proposal is not None:
        config.approved_version = config.version


def _authentication(config: BillerConfig, change: Change) -> str | None:
    match change.fate:
        case Fate.CHANGED:
            stored = NO_CREDENTIALS if moves(config, change.snapshot) else _opened(config.authentication, config.id)
            return sealed(config.id, rules.merged(change.snapshot.model_dump(mode="json"), stored, change.entered))
        case Fate.RESTORED:
            return sealed(config.id, change.entered)
    return None


def _opened(envelope: str | None, config_id: uuid.UUID) -> Mapping[str, str]:
    """Stored credentials, to change some of them. Those that cannot be opened any more are as good as gone."""
    if envelope is None:
        return NO_CREDENTIALS
    try:
        return vault.open_secret(envelope, "biller_configs", config_id, "authentication")
    except vault.CannotOpen:
        return NO_CREDENTIALS
