"""The billers as people meet them, and how they come into the database."""

import tomllib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy.orm import Session

from core import clock, db
from core.access import SYSTEM, Actor, needs
from core.adapters import adapter_for, adapters
from core.errors import BadInput, Misconfigured, NotFound
from core.ids import new_id
from core.models import BillerConfig, BillerConfigVersion, BillerType, Breaker, ConfigurationProposal
from core.models.snapshot import Snapshot
from core.repositories.billers import Billers
from core.security import audit, vault
from core.services import core_banking
from core.services.biller_cache import CACHE, tell_everybody
from core.services.scope import theirs, within
from core.settings import CHECKOUT, settings
from core.wire.contract import Flow, Verb, flow_of

# What seeds/billers.toml says beyond the columns of a configuration.
_NOT_COLUMNS = frozenset({"code", "name", "sandbox_path", "sandbox_credit_account", "base_url"})


@dataclass(frozen=True, slots=True)
class BillerCard:
    """A biller an operator may choose, with what it can do and whether it can be sent to just now."""

    code: str
    snapshot: Snapshot
    version: int
    verbs: frozenset[Verb]
    paused_because: str | None
    trouble: str | None

    @property
    def name(self) -> str:
        return self.snapshot.biller_name

    @property
    def label(self) -> str:
        """The name as it is offered: of a company with two kinds of bills it also says which."""
        return f"{self.snapshot.biller_name} · {self.snapshot.display_name}"

    @property
    def flow(self) -> Flow:
        return flow_of(self.verbs)

    @property
    def takes_payments(self) -> bool:
        return self.flow is not Flow.NONE

    @property
    def asks_amount_for_invoice(self) -> bool:
        return adapter_for(self.code).invoice_asks_amount


@dataclass(frozen=True, slots=True)
class SandboxAccount:
    """A test account and what happens when it is paid; of core banking (`biller` is its code), when it is debited."""

    biller: str
    number: str
    name: str
    balance: str
    behaviour: str
    what: str


def verbs_of(biller_type: str, snapshot: Snapshot) -> frozenset[Verb]:
    """What may be asked of this biller: what its class can do, less what its configuration switches off."""
    return frozenset(verb for verb in adapter_for(biller_type).verbs(snapshot.dialect) if snapshot.features.get(verb.value) is not False)


def _card(config: BillerConfig, breaker: Breaker | None) -> BillerCard:
    snapshot = Snapshot.of(config)
    return BillerCard(
        code=config.biller_type,
        snapshot=snapshot,
        version=config.version,
        verbs=verbs_of(config.biller_type, snapshot),
        paused_because=config.paused_reason,
        trouble=breaker.reason if breaker else None,
    )


@needs("billers:read")
def list_billers(actor: Actor, /) -> list[BillerCard]:
    """The active billers, by name: kept between reruns while no configuration changes."""
    return theirs(actor, CACHE.answer("active", _active_cards), "code")


def _active_cards() -> tuple[BillerCard, ...]:
    with db.unit_of_work() as session:
        billers = Billers(session)
        breakers = billers.open_breakers()
        return tuple(_card(config, breakers.get(config.biller_type)) for config in billers.active())


@needs("billers:read")
def biller_names(actor: Actor, /) -> dict[str, str]:
    """Every biller's name by its code, those switched off included: what a filter offers."""
    return within(actor, CACHE.answer("names", _names))


@needs("billers:read")
def short_names(actor: Actor, /) -> Mapping[str, str]:
    """What each biller is called in a table: "SRWB prepaid"."""
    return within(actor, CACHE.answer("short names", _short_names))


def _short_names() -> Mapping[str, str]:
    with db.unit_of_work() as session:
        return Billers(session).short_names()


def _names() -> Mapping[str, str]:
    with db.unit_of_work() as session:
        return Billers(session).names()


def version_of(session: Session, config_id: uuid.UUID, version: int) -> Snapshot | None:
    """What a version says. It never says anything else, so it is kept as long as the billers are; its credentials are not kept, not even sealed."""

    def read() -> Snapshot | None:
        found = Billers(session).version(config_id, version)
        return None if found is None else Snapshot.model_validate(found.snapshot)

    return CACHE.answer((config_id, version), read)


@needs("billers:read")
def sandbox_accounts(actor: Actor, /) -> list[SandboxAccount]:
    """The test accounts, in sandbox mode; outside it there are none."""
    if not settings().billers_sandbox:
        return []
    return [one for one in test_accounts() if one.biller == core_banking.CODE or actor.serves(one.biller)]


@cache
def test_accounts() -> Sequence[SandboxAccount]:
    """All there are, and core banking's. Read once: the sandbox reads them when it starts, too."""
    told = tomllib.loads((CHECKOUT / "seeds" / "sandbox.toml").read_text())
    fields = [name for name in SandboxAccount.__dataclass_fields__ if name != "biller"]
    rows = [(biller, row) for row in told.get("account", []) for biller in row.get("billers", [row.get("biller")])]
    rows += [(core_banking.CODE, row) for row in told.get("core_banking", {}).get("account", [])]
    return [SandboxAccount(biller=biller, **{name: str(row.get(name, "")) for name in fields}) for biller, row in rows]


def chosen(actor: Actor, session: Session, biller_type: str) -> BillerConfig:
    """The active configuration of a biller that this person may use now. Raises `NotFound` or `BadInput` with what to do."""
    config = Billers(session).active_of(biller_type) if actor.serves(biller_type) else None
    if config is None:
        raise NotFound("This biller is not switched on. Choose another, or ask an administrator.")
    if config.paused_at is not None:
        raise BadInput(f"{config.biller_name} is paused: {config.paused_reason} Try again later.")
    return config


# ---- Seeds


def load_seeds() -> list[str]:
    """Adds the billers of `seeds/billers.toml` that are not there yet; what a person changed since stays. Answers what it did, in lines."""
    entries = tomllib.loads((CHECKOUT / "seeds" / "billers.toml").read_text())["biller"]
    lines = []
    with db.unit_of_work() as session:
        for entry in entries:
            if entry["code"] not in adapters():
                raise Misconfigured(f"seeds/billers.toml names {entry['code']}, which has no module in core/adapters.")
            if Billers(session).type_of(entry["code"]) is None:
                session.add(BillerType(code=entry["code"], name=entry["name"]))
                session.flush()
            config = Billers(session).any_of(entry["code"])
            if config is None:
                _add(session, entry)
                lines.append(f"{entry['name']}: added.")
            elif settings().billers_sandbox and _moved_sandbox(config, entry):
                write_version(session, config, "biller.sandbox_moved")
                lines.append(f"{entry['name']}: follows the sandbox to its new port.")
    return lines


def _base_url(entry: dict[str, Any]) -> str:
    if settings().billers_sandbox:
        return f"http://127.0.0.1:{settings().billers_sandbox_port}{entry['sandbox_path']}"
    return str(entry.get("base_url", f"https://{entry['code'].lower().replace('_', '-')}.invalid"))


def _add(session: Session, entry: dict[str, Any]) -> None:
    config = BillerConfig(
        id=new_id(),
        biller_type=entry["code"],
        biller_name=entry["name"],
        base_url=_base_url(entry),
        # Outside the sandbox nobody has said yet where this biller lives: a person switches it on once they have.
        is_active=settings().billers_sandbox,
        # So that a biller is switched to a topology with a debit by that one choice.
        credit_account=entry.get("sandbox_credit_account") if settings().billers_sandbox else None,
        version=0,
        **{name: value for name, value in entry.items() if name not in _NOT_COLUMNS},
    )
    session.add(config)
    session.flush()
    session.refresh(config)
    if settings().billers_sandbox and (credentials := _sandbox_credentials(entry["code"])):
        config.authentication = vault.seal_secret(credentials, "biller_configs", config.id, "authentication")
    write_version(session, config, "biller.added")
    # Whoever loads it runs the machine: what two people would have to say was said.
    config.approved_version = config.version


def _sandbox_credentials(code: str) -> dict[str, str]:
    """What the sandbox's own biller asks for; public, and good nowhere else."""
    told = tomllib.loads((CHECKOUT / "seeds" / "sandbox.toml").read_text())
    for biller in told.get("biller", []):
        if biller["code"] == code:
            return {name: str(value) for name, value in biller.items() if name != "code"}
    return {}


def _moved_sandbox(config: BillerConfig, entry: dict[str, Any]) -> bool:
    """A configuration that points at a sandbox on another port than today's is pointed at today's."""
    if not config.base_url.startswith("http://127.0.0.1:") or config.base_url == _base_url(entry):
        return False
    config.base_url = _base_url(entry)
    return True


def write_version(
    session: Session, config: BillerConfig, action: str, by: Actor = SYSTEM, proposal: ConfigurationProposal | None = None, **details: object
) -> None:
    """Each change is a new version; a payment drafted under an older one keeps it. Who keeps billers in mind is told, and the worker looks again.

    Of two people the version is by the one who proposed it, and the entry in the audit by the one who approved it.
    """
    config.version += 1
    config.updated_at = clock.now()
    config.updated_by = by.id if proposal is None else proposal.proposed_by
    session.flush()
    session.add(
        BillerConfigVersion(
            config_id=config.id,
            version=config.version,
            snapshot=Snapshot.of(config).model_dump(mode="json"),
            authentication=config.authentication,
            created_by=config.updated_by,
            proposal_id=None if proposal is None else proposal.id,
        )
    )
    if proposal is not None:
        details["proposal"] = proposal.number
    audit.record(session, by, action, "biller", config.id, biller=config.biller_type, version=config.version, **details)
    tell_everybody(session)
