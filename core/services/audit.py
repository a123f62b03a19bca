"""Looks after the record of who did what."""

from core.db import unit_of_work
from core.security import audit
from core.security.audit import AuditVerdict

# For what one transaction wrote in bulk: each batch passes over the part of it that is sealed already, so there should be few.
BULK_ROWS = 100_000


def verify(published: tuple[int, str] | None = None) -> AuditVerdict:
    """Walk the audit chain: was anything changed, removed or slipped in? `published` is a head noted elsewhere: (seals, hash)."""
    with unit_of_work() as session:
        return audit.verify(session, published)


def seal_all() -> int:
    """Seal everything that is ready, batch by batch. After a bulk load; the worker does it each second by itself."""
    total = 0
    while True:
        with unit_of_work() as session:
            sealed = audit.seal(session, BULK_ROWS)
        total += sealed
        if not sealed:
            return total
