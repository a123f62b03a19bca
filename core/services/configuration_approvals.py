"""Two administrators: one proposes a change of a configuration, another looks at exactly the same and decides. Never one's own, never something since changed.

Where a bank has one administrator only, whoever runs the machine is the second person, on its command line.
"""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from core import db
from core.access import SYSTEM, Actor, needs
from core.errors import NotFound, NotLegalNow
from core.models import BillerConfig, ConfigurationProposal
from core.models.configuration_proposals import ConfigurationStep
from core.models.proposals import Decision
from core.repositories.billers import Billers
from core.repositories.configuration_proposals import ConfigurationProposals
from core.services import configuration_proposals as proposals
from core.services import four_eyes
from core.services.approvals import ChangedSince, OneOfTheTwo
from core.services.configuration_changes import AnotherIsActive, carry_out, existing, switch_on, valid
from core.services.configuration_rules import NOTHING, Content, differences
from core.services.proposals import words_of
from core.settings import credentials_text


@dataclass(frozen=True, slots=True)
class Waiting:
    """A proposal that waits, as it was shown to whoever made it. `why_not` is why this person cannot decide; `changed`, why nobody can approve it any more."""

    number: int
    step: ConfigurationStep
    config_id: uuid.UUID
    name: str
    biller_name: str
    version: int
    content: Content
    changes: Mapping[str, Any]
    # Of the fields that differ, those that take two people, with what each decides.
    takes_two: Mapping[str, str]
    holds_credentials: bool
    brings_credentials: bool
    # The name of the environment's, which go before the stored ones and to whatever host is configured; empty where there are none.
    environment_variable: str
    restores: int | None
    reason: str
    by: str
    created_at: datetime
    expires_at: datetime
    shown_hash: str
    is_own: bool
    why_not: str | None
    changed: bool

    @property
    def why_no_approval(self) -> str | None:
        return self.why_not or (str(ChangedSince()) if self.changed else None)

    def in_lines(self) -> list[str]:
        """What would change, for whoever reads it on a terminal; of a first activation everything it says."""
        of = self.changes if self.step is ConfigurationStep.CHANGE else differences(NOTHING, self.content)
        return [f"{path}: {_told(change)}" for path, change in of.items()]


def _told(change: Any) -> str:
    """JSON, in which nothing moves a terminal's cursor."""
    if not isinstance(change, Mapping):
        return str(change)
    before, after = (json.dumps(change.get(name), ensure_ascii=True) for name in ("before", "after"))
    return f"{before} → {after}"


# ---- Reading


@needs("billers:configure")
def waiting(actor: Actor, /) -> list[Waiting]:
    """What waits for a second person, the one that ends first in front."""
    with db.unit_of_work() as session:
        billers, found = Billers(session), ConfigurationProposals(session).waiting()
        people = billers.people([proposal.proposed_by for proposal in found])
        configs = {config.id: config for config in billers.all()}
        return [_seen(actor, configs[proposal.config_id], proposal, people) for proposal in found]


@needs("billers:configure")
def about(actor: Actor, /, config_id: uuid.UUID) -> Waiting | None:
    """What waits about one configuration: at most one change at a time."""
    with db.unit_of_work() as session:
        config = existing(Billers(session).with_id(config_id))
        proposal = ConfigurationProposals(session).open_of(config_id)
        return _seen(actor, config, proposal, Billers(session).people([proposal.proposed_by])) if proposal else None


def _seen(actor: Actor, config: BillerConfig, proposal: ConfigurationProposal, people: Mapping[uuid.UUID, str]) -> Waiting:
    shown = proposal.shown
    return Waiting(
        number=proposal.number,
        step=ConfigurationStep(proposal.kind),
        config_id=config.id,
        name=config.display_name,
        biller_name=config.biller_name,
        version=proposal.version,
        content=shown["content"],
        changes=shown["changes"],
        takes_two=four_eyes.takes_two(shown["changes"]),
        holds_credentials=shown["configuration"]["credentials"],
        brings_credentials=proposal.authentication is not None,
        environment_variable=f"BILLERS_CREDENTIALS_{config.biller_type}" if credentials_text(config.biller_type) else "",
        restores=proposal.restores,
        reason=proposal.reason,
        by=people.get(proposal.proposed_by, "somebody"),
        created_at=proposal.created_at,
        expires_at=proposal.expires_at,
        shown_hash=proposal.shown_hash.hex(),
        is_own=proposal.proposed_by == actor.id,
        why_not=_why_not(actor, proposal),
        changed=proposals.has_changed(config, proposal),
    )


def _why_not(actor: Actor, proposal: ConfigurationProposal) -> str | None:
    if not actor.may("billers:approve"):
        return "Your role does not include deciding about changes of configurations."
    if proposal.proposed_by == actor.id:
        return "You proposed it: another administrator decides."
    return None if actor.id is not None or actor is SYSTEM else "A person decides, not a program."


# ---- Deciding


@needs("billers:approve", fresh=True)
def approve(actor: Actor, /, number: int) -> int:
    """Does what was proposed, if everything is still as it was shown; answers which version it became.

    Raises `OneOfTheTwo` for one's own, `ChangedSince`, and what stands in its way by now (`Invalid`, `AnotherIsActive`).
    """
    try:
        with db.unit_of_work() as session:
            config, proposal = _to_decide(session, actor, number)
            if ConfigurationProposals(session).is_over(proposal):
                raise NotLegalNow("Its time is over. Have it proposed anew if it is still meant.")
            if proposals.has_changed(config, proposal):
                raise ChangedSince
            change = proposals.change_in(config, proposal, proposals.entered_in(proposal))
            valid(change.snapshot.model_dump(mode="json"), change.entered)
            proposals.end(session, actor, proposal, Decision.APPROVED)
            if proposal.kind == ConfigurationStep.ACTIVATE.value:
                switch_on(session, config, actor, proposal)
            else:
                carry_out(session, config, change, actor, proposal)
            return config.version
    except IntegrityError as error:
        # The index of active ones is the last word: whoever did not come by here was faster.
        raise AnotherIsActive from error


@needs("billers:approve", fresh=True)
def reject(actor: Actor, /, number: int, reason: str | None) -> None:
    """Turns a proposal down. The configuration stays as it is, and the credentials that waited are gone."""
    because = words_of(reason, "A reason")
    with db.unit_of_work() as session:
        _, proposal = _to_decide(session, actor, number)
        proposals.end(session, actor, proposal, Decision.REJECTED, because)


@needs("billers:configure")
def withdraw(actor: Actor, /, number: int) -> None:
    """Takes one's own proposal back."""
    with db.unit_of_work() as session:
        _, proposal = _both(session, number)
        if proposal.proposed_by != actor.id:
            raise OneOfTheTwo("Only whoever proposed it takes it back. Another administrator can reject it.")
        proposals.end(session, actor, proposal, Decision.WITHDRAWN)


def expire_old() -> int:
    """Ends what nobody decided in time, on the database's clock. Called by the worker at each sweep; answers how many there were."""
    with db.unit_of_work() as session:
        overdue = ConfigurationProposals(session).overdue()
        for proposal in overdue:
            proposals.expire(session, proposal)
        return len(overdue)


def _both(session: Session, number: int) -> tuple[BillerConfig, ConfigurationProposal]:
    """The configuration and the proposal, both held: the type first where something is to be switched on, then in this order."""
    billers, found = Billers(session), ConfigurationProposals(session)
    asked = found.numbered(number)
    if asked is None:
        raise NotFound(f"There is no change {number}. What waits stands on the Configurations page.")
    if asked.kind == ConfigurationStep.ACTIVATE.value:
        billers.hold_type(existing(billers.with_id(asked.config_id)).biller_type)
    config = existing(billers.held(asked.config_id))
    proposal = found.locked(asked.id)
    if proposal is None or proposal.decision != Decision.OPEN.value:
        raise NotLegalNow("It was decided meanwhile. The configuration's history tells how.")
    return config, proposal


def _to_decide(session: Session, actor: Actor, number: int) -> tuple[BillerConfig, ConfigurationProposal]:
    config, proposal = _both(session, number)
    if why := _why_not(actor, proposal):
        raise OneOfTheTwo(why)
    return config, proposal
