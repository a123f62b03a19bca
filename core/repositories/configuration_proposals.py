"""What is known of proposals about configurations: what waits for a second person, what was decided, what ran out of time."""

import uuid
from collections.abc import Collection, Mapping

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.models import ConfigurationProposal
from core.models.proposals import Decision


class ConfigurationProposals:
    def __init__(self, session: Session) -> None:
        self._session = session

    def numbered(self, number: int) -> ConfigurationProposal | None:
        return self._session.scalar(select(ConfigurationProposal).where(ConfigurationProposal.number == number))

    def locked(self, proposal_id: uuid.UUID) -> ConfigurationProposal | None:
        """The row, held until the unit of work ends. Its configuration is always held first: everybody takes the two in this order."""
        return self._session.get(ConfigurationProposal, proposal_id, populate_existing=True, with_for_update=True)

    def open_of(self, config_id: uuid.UUID) -> ConfigurationProposal | None:
        """What waits about this configuration: at most one."""
        return self._session.scalar(
            select(ConfigurationProposal).where(ConfigurationProposal.config_id == config_id, ConfigurationProposal.decision == Decision.OPEN.value)
        )

    def waiting(self) -> list[ConfigurationProposal]:
        """Everything that waits, the one that ends first in front."""
        found = select(ConfigurationProposal).where(ConfigurationProposal.decision == Decision.OPEN.value)
        return list(self._session.scalars(found.order_by(ConfigurationProposal.expires_at)))

    def by_id(self, ids: Collection[uuid.UUID]) -> Mapping[uuid.UUID, ConfigurationProposal]:
        found = self._session.scalars(select(ConfigurationProposal).where(ConfigurationProposal.id.in_(list(ids))))
        return {proposal.id: proposal for proposal in found}

    def overdue(self, most: int = 100) -> list[ConfigurationProposal]:
        """What nobody decided in time. What somebody holds just now is left for the next look."""
        return list(
            self._session.scalars(
                select(ConfigurationProposal)
                .where(ConfigurationProposal.decision == Decision.OPEN.value, ConfigurationProposal.expires_at <= func.clock_timestamp())
                .order_by(ConfigurationProposal.expires_at)
                .limit(most)
                .with_for_update(skip_locked=True)
                .execution_options(populate_existing=True)
            )
        )

    def is_over(self, proposal: ConfigurationProposal) -> bool:
        """By the database's clock, which set its end."""
        return bool(self._session.scalar(select(func.clock_timestamp() >= proposal.expires_at)))
