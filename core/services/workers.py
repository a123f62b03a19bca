"""The register of workers: who is at work, and since when nothing was heard of them."""

import uuid

from sqlalchemy import func, insert, text, update

from core import db
from core.errors import Misconfigured
from core.models import Worker
from core.security import audit, vault

# Months whose parts exist ahead of time; a worker that never runs for that long has other worries.
MONTHS_AHEAD = 4


def sign_on(worker_id: uuid.UUID, name: str) -> None:
    with db.unit_of_work() as session:
        session.execute(insert(Worker).values(id=worker_id, name=name, vault_keys=_keys()))
        session.execute(text("SELECT ensure_partitions(now(), :months)"), {"months": MONTHS_AHEAD})


def still_here(worker_id: uuid.UUID) -> None:
    with db.unit_of_work() as session:
        session.execute(update(Worker).where(Worker.id == worker_id).values(seen_at=func.clock_timestamp(), vault_keys=_keys()))


def sign_off(worker_id: uuid.UUID) -> None:
    with db.unit_of_work() as session:
        session.execute(update(Worker).where(Worker.id == worker_id).values(stopped_at=func.clock_timestamp()))


def look_ahead() -> None:
    """Makes the coming months' parts."""
    with db.unit_of_work() as session:
        session.execute(text("SELECT ensure_partitions(now(), :months)"), {"months": MONTHS_AHEAD})


def seal() -> int:
    """Chains what was written since the last time. Answers how many rows."""
    with db.unit_of_work() as session:
        return audit.seal(session)


def _keys() -> str | None:
    """Which keys of the vault this worker holds, by name and fingerprint: a rotation waits until it has the new one."""
    try:
        return vault.load_ring().told
    except Misconfigured:
        return None
