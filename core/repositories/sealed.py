"""What is sealed where, and with which key? It knows envelopes by their names, and opens none."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, insert, select, text
from sqlalchemy.orm import Session

from core.models import AuditEntry, RetiredKey, Worker
from core.models.vault import PLACES, Place

# Four heartbeats: a worker that was not heard of for so long is gone.
HEARD_OF_WITHIN = timedelta(seconds=20)


@dataclass(frozen=True, slots=True)
class Sealed:
    """One envelope: its row's key, the id it is bound to, and itself."""

    row: tuple[Any, ...]
    bound_id: object
    envelope: str


class Envelopes:
    def __init__(self, session: Session) -> None:
        self._session = session

    # ---- Taking turns

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Whether nobody else changes keys or seals anew, until the block ends or this process does. On a connection that commits by itself."""
        taken = bool(self._session.execute(text("SELECT pg_try_advisory_lock(hashtext('billers.keys'))")).scalar_one())
        try:
            yield taken
        finally:
            if taken:
                self._session.execute(text("SELECT pg_advisory_unlock(hashtext('billers.keys'))"))

    def hold_all(self) -> None:
        """Until this transaction ends nobody seals; who is about to is waited for, and what they sealed is seen. The other half is `hold_the_keys`."""
        self._session.execute(text("SELECT pg_advisory_xact_lock(hashtext('billers.keys.used'))"))

    def may_take_long(self) -> None:
        """Every token ever sold is looked at."""
        self._session.execute(text("SET LOCAL statement_timeout = '30min'"))

    # ---- Which keys

    def by_key(self) -> Mapping[str, Mapping[Place, int]]:
        """How much is sealed with each key, and where."""
        found: dict[str, dict[Place, int]] = {}
        for place in PLACES:
            counts = self._session.execute(
                text(f"SELECT split_part({place.column}, '.', 2), count(*) FROM {place.table} WHERE {place.column} IS NOT NULL GROUP BY 1")  # noqa: S608 - constants of the vault
            )
            for key, count in counts:
                found.setdefault(key, {})[place] = count
        return found

    def retired(self) -> Mapping[str, datetime]:
        return dict(self._session.execute(select(RetiredKey.key_id, RetiredKey.retired_at)).all())

    def retire(self, key_id: str) -> None:
        self._session.execute(insert(RetiredKey).values(key_id=key_id))

    def last_rotation(self) -> datetime | None:
        return self._session.scalar(select(func.max(AuditEntry.at)).where(AuditEntry.action == "vault.rotated"))

    # ---- Sealing anew

    def older(self, place: Place, newest: str, after: tuple[Any, ...] | None, limit: int) -> Sequence[Sealed]:
        """The next rows, in the order of their key, whose envelopes an older key sealed."""
        keys = ", ".join(place.row)
        beyond = f"AND ({keys}) > ({', '.join(f':after_{number}' for number in range(len(place.row)))})" if after else ""
        rows = self._session.execute(
            text(
                f"SELECT {keys}, {place.bound_to[1]} AS bound_id, {place.column} AS envelope FROM {place.table}"  # noqa: S608 - constants of the vault
                f" WHERE {place.column} IS NOT NULL AND split_part({place.column}, '.', 2) <> :newest {beyond} ORDER BY {keys} LIMIT :limit"
            ),
            {"newest": newest, "limit": limit, **{f"after_{number}": value for number, value in enumerate(after or ())}},
        )
        width = len(place.row)
        return [Sealed(tuple(row[:width]), row.bound_id, row.envelope) for row in rows]

    def replace(self, place: Place, fresh: Collection[tuple[Sealed, str]]) -> int:
        """Each new envelope in the place of the one that was read, and of no other: who changed a row meanwhile has changed it. Answers how many."""
        same = " AND ".join([*(f"{column} = :row_{number}" for number, column in enumerate(place.row)), f"{place.column} = :old"])
        statement = text(f"UPDATE {place.table} SET {place.column} = :new WHERE {same}")  # noqa: S608 - constants of the vault
        done = 0
        for old, new in fresh:
            values = {f"row_{number}": value for number, value in enumerate(old.row)}
            done += self._session.execute(statement, {**values, "old": old.envelope, "new": new}).rowcount  # type: ignore[attr-defined]
        return done

    # ---- Who else holds keys

    def workers(self) -> Mapping[str, str | None]:
        """The keys that each worker which is at work has told of, by the worker's name."""
        at_work = (Worker.stopped_at.is_(None), Worker.seen_at > func.clock_timestamp() - HEARD_OF_WITHIN)
        return dict(self._session.execute(select(Worker.name, Worker.vault_keys).where(*at_work).order_by(Worker.name)).all())
