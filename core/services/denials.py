"""Refusals on the record. It knows two things: the act was refused already, whatever becomes of the entry; and nobody fills the record by asking again."""

import threading
import uuid
from collections import OrderedDict

import structlog

from core import clock
from core.access import Actor, tell_of_refusals
from core.db import unit_of_work
from core.security import audit

log = structlog.get_logger(__name__)

# One entry for each person and right (or biller) in so long, from each process. A page left open is refused every other second.
APART_SECONDS = 60.0

# More people than a process has in front of it; beyond, who was refused longest ago is forgotten.
MOST_REMEMBERED = 10_000

Key = tuple[uuid.UUID | str, str]


class Denials:
    """Remembers whom it wrote down when, and how often they were refused since."""

    def __init__(self) -> None:
        self._written: OrderedDict[Key, tuple[float, int]] = OrderedDict()
        self._lock = threading.Lock()

    def witness(self, actor: Actor, permission: str) -> None:
        """Of a right that somebody does not hold."""
        self._write(actor, permission, "permission", permission, role=actor.role)

    def another_biller(self, actor: Actor, transaction_id: uuid.UUID, biller: str) -> None:
        """Of a transaction that is, for somebody who sees some billers, not there."""
        self._write(actor, biller, "transaction", transaction_id, biller=biller)

    def _write(self, actor: Actor, what: str, subject_type: str, subject_id: object, **facts: object) -> None:
        """Writes `access.denied` unless it has just done so. Never raises: the refusal itself is what the person is to see."""
        unwritten = self._due((actor.id or actor.username, what))
        if unwritten is None:
            return
        more = {"refused_since_the_last_entry": unwritten} if unwritten else {}
        try:
            with unit_of_work() as session:
                audit.record(session, actor, "access.denied", subject_type, subject_id, **facts, **more)
        except Exception as error:  # noqa: BLE001 - the refusal stands, and is what the person is told
            log.error("denials.unwritten", refused=what, actor=str(actor.id), error=type(error).__name__)

    def _due(self, key: Key) -> int | None:
        """How many refusals went unwritten before this one, or None where this one does, too."""
        now = clock.monotonic_seconds()
        with self._lock:
            written = self._written.get(key)
            if written is not None and now - written[0] < APART_SECONDS:
                self._written[key] = (written[0], written[1] + 1)
                return None
            self._written[key] = (now, 0)
            self._written.move_to_end(key)
            while len(self._written) > MOST_REMEMBERED:
                self._written.popitem(last=False)
            return written[1] if written else 0

    def forget(self) -> None:
        """As if this process had just begun."""
        with self._lock:
            self._written.clear()


DENIALS = Denials()
tell_of_refusals(DENIALS.witness)
