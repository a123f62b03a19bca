"""What each row's own version of its biller's configuration says: a payment keeps the version it was drafted under, but for a corrected password."""

import uuid
from collections.abc import Mapping, Sequence

from sqlalchemy.orm import Session

from core.models import BillerConfigVersion, Transaction
from core.models.snapshot import Snapshot, parse_snapshot
from core.repositories.billers import Billers
from core.services.configuration_rules import origin_of


def pinned_versions(session: Session, rows: Sequence[Transaction]) -> Mapping[uuid.UUID, tuple[Snapshot, str | None]]:
    """Each row's configuration, with its sealed credentials, by the row's id."""
    versions = {_pinned(row) for row in rows}
    found = {}
    for config_id, number in versions:
        version = Billers(session).version(config_id, number)
        if version is None:
            raise LookupError(f"Configuration {config_id} has no version {number}.")
        found[config_id, number] = (parse_snapshot(version.snapshot), _credentials(session, version))
    return {row.id: found[_pinned(row)] for row in rows}


def _credentials(session: Session, pinned: BillerConfigVersion) -> str | None:
    """Sealed, of the newest version: what an administrator has corrected is for what waits, too. Only for the host that they are meant for."""
    config = Billers(session).with_id(pinned.config_id)
    if config is None or origin_of(config.base_url) != origin_of(str(pinned.snapshot["base_url"])):
        return pinned.authentication
    return config.authentication


def _pinned(row: Transaction) -> tuple[uuid.UUID, int]:
    if row.biller_config_id is None or row.config_version is None:
        raise LookupError(f"Transaction {row.our_transaction_id} has no configuration to go by.")
    return row.biller_config_id, row.config_version
