"""Verifying the chain while people wait: in a thread of this process, one at a time, whose progress every window sees and whose verdict is on the record."""

import threading
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from core import clock
from core.access import Actor, needs
from core.db import glance, unit_of_work
from core.errors import BillersError
from core.models import AuditEntry
from core.repositories.audit_entries import AuditEntries
from core.security import audit
from core.security.audit import AuditVerdict
from core.services import audit as audit_service
from core.services import audit_heads

log = structlog.get_logger(__name__)

VERIFIED = "audit.verified"


@dataclass(eq=False)
class Check:
    """One verification: how far it is, of how many; then what it found, or why it came to nothing."""

    by: Actor
    begun_at: datetime = field(default_factory=clock.now)
    done: int = 0
    of: int = 0
    heads: int = 0
    verdict: AuditVerdict | None = None
    failed: str | None = None
    _over: threading.Event = field(default_factory=threading.Event)

    @property
    def is_over(self) -> bool:
        return self._over.is_set()

    def wait(self, seconds: float) -> bool:
        """For somebody who has nothing else to do. False: it is not over yet."""
        return self._over.wait(seconds)

    def end(self) -> None:
        self._over.set()

    @property
    def share(self) -> float:
        return min(1.0, self.done / self.of) if self.of else 0.0

    def tell(self, done: int, of: int) -> None:
        self.done, self.of = done, of


_lock = threading.Lock()
_latest: list[Check] = []


@needs("audit:verify")
def begin(actor: Actor, /) -> Check:
    """Begins to verify, unless that is under way already: then that one is everybody's."""
    with _lock:
        if _latest and not _latest[0].is_over:
            return _latest[0]
        check = Check(actor)
        _latest[:] = [check]
    # A window that is closed, and a rerun that is given up, leave it alone.
    threading.Thread(target=_carry_out, args=(check,), name="audit-check", daemon=True).start()
    return check


@needs("audit:verify")
def standing(actor: Actor, /) -> Check | None:
    """The latest of this process, under way or over."""
    return _latest[0] if _latest else None


@needs("audit:read")
def last(actor: Actor, /) -> AuditEntry | None:
    """The newest verdict on the record, whoever asked for it and wherever."""
    with glance() as session:
        return AuditEntries(session).last(VERIFIED)


def _carry_out(check: Check) -> None:
    try:
        heads = audit_heads.published()
        check.heads = len(heads)
        verdict = audit_service.verify(heads, check.tell)
        with unit_of_work() as session:
            bad = {"table": verdict.first_bad.table, "row": verdict.first_bad.seq, "seal": verdict.first_bad.number} if verdict.first_bad else None
            audit.record(
                session,
                check.by,
                VERIFIED,
                "audit",
                "chain",
                whole=verdict.ok,
                sealed=verdict.sealed,
                unsealed=verdict.unsealed,
                head=verdict.head_hash,
                published_heads=len(heads),
                sentence=verdict.sentence,
                first_bad=bad,
            )
        check.verdict = verdict
    except BillersError as error:
        check.failed = error.sentence
    except Exception as error:  # noqa: BLE001 - nobody is there to raise it to: whoever waits is told
        log.error("audit.check_failed", error=type(error).__name__)
        check.failed = "The chain could not be verified just now. Try again; if it stays so, tell an administrator."
    finally:
        check.end()
