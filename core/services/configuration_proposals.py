"""How a change of a configuration is proposed and ended, inside another service's unit of work: what is shown, its hash, and credentials that wait sealed.

It never decides: `configuration_approvals` asks for the second person, and does what was approved.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import func
from sqlalchemy.orm import Session

from core.access import SYSTEM, Actor
from core.errors import NotAllowed, NotLegalNow
from core.ids import new_id
from core.models import BillerConfig, ConfigurationProposal
from core.models.configuration_proposals import ConfigurationStep, Fate
from core.models.notifications import Happening
from core.models.proposals import Decision
from core.models.snapshot import Snapshot
from core.repositories.configuration_proposals import ConfigurationProposals
from core.security import audit, vault
from core.services import outbox
from core.services.configuration_changes import NO_CREDENTIALS, SWITCHED_ON, Change, changes_of
from core.services.drafts import hash_of
from core.services.proposals import tell_maker, words_of

# A biller's new address is announced days ahead, and weekends lie between.
LASTS = timedelta(days=4)

TABLE, COLUMN = "configuration_proposals", "authentication"

# What people are told is proposed.
PROPOSED: Mapping[ConfigurationStep, str] = {
    ConfigurationStep.CHANGE: "a change of a configuration",
    ConfigurationStep.ACTIVATE: "that a configuration is switched on",
}


def what_is_shown(config: BillerConfig, step: ConfigurationStep, change: Change, reason: str) -> dict[str, Any]:
    """Everything a proposal is about, as JSON: where the configuration stands, what it would say, what of it differs. Of credentials what becomes of them."""
    return {
        "step": step.value,
        "configuration": {"id": str(config.id), "version": config.version, "is_active": config.is_active, "credentials": config.authentication is not None},
        "content": change.snapshot.model_dump(mode="json"),
        "changes": dict(change.changes),
        "credentials": change.fate.value,
        "restores": change.restores,
        "reason": reason,
    }


def activation_of(config: BillerConfig) -> Change:
    return Change(Snapshot.of(config), Fate.KEPT, SWITCHED_ON)


def propose(session: Session, by: Actor, config: BillerConfig, step: ConfigurationStep, change: Change, reason: str) -> ConfigurationProposal:
    """Freezes what is shown now under its hash. The caller holds the configuration. Raises `NotLegalNow` where something waits about it already."""
    if by.id is None:
        raise NotAllowed("A person proposes this, under their own name, and another decides.")
    said = words_of(reason, "A reason")
    if waiting := ConfigurationProposals(session).open_of(config.id):
        raise NotLegalNow(
            f"Change {waiting.number} of this configuration waits for a second person already. Have it decided or withdrawn first: once it is approved,"
            " this one would be of a version that is gone."
        )
    shown = what_is_shown(config, step, change, said)
    proposal_id = new_id()
    made = ConfigurationProposal(
        id=proposal_id,
        kind=step.value,
        config_id=config.id,
        version=config.version,
        content=shown["content"],
        authentication=vault.seal_secret(change.entered, TABLE, proposal_id, COLUMN) if change.entered else None,
        fate=change.fate.value,
        restores=change.restores,
        shown=shown,
        shown_hash=hash_of(shown),
        reason=said,
        proposed_by=by.id,
        expires_at=func.clock_timestamp() + LASTS,
    )
    session.add(made)
    session.flush()
    session.refresh(made)
    _record(session, by, "biller.change_proposed", made, step=step, reason=said, changes=shown["changes"], shown=made.shown_hash.hex())
    outbox.note(session, Happening.APPROVAL_WAITING, *_told(config, made, by=by.display_name, reason=said), biller=config.biller_type)
    return made


def change_in(config: BillerConfig, proposal: ConfigurationProposal, entered: Mapping[str, str] = NO_CREDENTIALS) -> Change:
    """What it proposes, worked out again from what is saved now."""
    if proposal.kind == ConfigurationStep.ACTIVATE.value:
        return activation_of(config)
    snapshot, fate = Snapshot.model_validate(proposal.content), Fate(proposal.fate)
    return Change(snapshot, fate, changes_of(config, snapshot, fate, proposal.restores), entered, proposal.restores)


def has_changed(config: BillerConfig, proposal: ConfigurationProposal) -> bool:
    """Whether anything of what the proposer saw is another today, the proposal's own record included."""
    again = what_is_shown(config, ConfigurationStep(proposal.kind), change_in(config, proposal), proposal.reason)
    return config.version != proposal.version or not hash_of(proposal.shown) == proposal.shown_hash == hash_of(again)


def entered_in(proposal: ConfigurationProposal) -> Mapping[str, str]:
    """The credentials that wait with it, for the one call they are opened for. Raises `vault.CannotOpen`."""
    return NO_CREDENTIALS if proposal.authentication is None else vault.open_secret(proposal.authentication, TABLE, proposal.id, COLUMN)


def end(session: Session, by: Actor, proposal: ConfigurationProposal, decision: Decision, because: str | None = None) -> None:
    """Writes the decision down; the caller holds the row. Whatever it was, the credentials that waited are gone from here."""
    proposal.decision = decision.value
    proposal.decided_by = by.id
    proposal.decided_at = func.clock_timestamp()
    proposal.decided_because = because
    proposal.authentication = None
    session.flush()
    _record(session, by, f"biller.change_{decision.value}", proposal, reason=because)
    config = session.get_one(BillerConfig, proposal.config_id)
    subject_type, subject_id, told = _told(config, proposal)
    tell_maker(session, by, decision, proposal.proposed_by, (subject_type, subject_id), told, because, biller=config.biller_type)


def expire(session: Session, proposal: ConfigurationProposal) -> None:
    end(session, SYSTEM, proposal, Decision.EXPIRED)


def _told(config: BillerConfig, proposal: ConfigurationProposal, **more: str) -> tuple[str, object, dict[str, Any]]:
    """What it is about, for whoever is told of it: of what, and which facts. Never what would change, which may be an address or a name to sign in with."""
    what = {"reference": f"Change {proposal.number}", "biller": config.display_name, "what": PROPOSED[ConfigurationStep(proposal.kind)]}
    return "biller", config.id, {**what, **more}


def _record(session: Session, by: Actor, action: str, proposal: ConfigurationProposal, **details: object) -> None:
    audit.record(session, by, action, "biller", proposal.config_id, proposal=proposal.number, **details)
