"""The vault's keys, from the first to the last secret that is sealed with them. Payments go on meanwhile: each row is sealed anew by itself.

A rotation adds a key, waits until every worker holds it, and then seals everything anew with it, a few rows at a time. Killed at any point, and called
again, it goes on. An old key goes out of the ring when the database says that nothing is sealed with it, and lets nothing be sealed with it after that.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import structlog

from core import clock, db
from core.access import SYSTEM
from core.errors import Busy, Conflict, Misconfigured, NotFound
from core.models.vault import PLACES, Place
from core.repositories.sealed import Envelopes, Sealed
from core.security import audit, key_ring, vault
from core.security.vault import CannotOpen, Ring

log = structlog.get_logger(__name__)

# Rows of one unit of work: some hundredths of a second that a concurrent edit may have to wait.
BATCH = 200

# A worker tells of its keys with each heartbeat, and one that was killed is no longer waited for after four of them.
WORKERS_TELL_WITHIN_SECONDS = 30.0
LOOK_AGAIN_SECONDS = 0.25

# In a row: somebody holds a row of the batch for longer than the database waits.
TRIES = 10

# Of rows that no key opens, in the record; each of them is told to whoever called.
MOST_NAMED = 50

Tell = Callable[[str], None]


class SomebodyElse(Conflict):
    """Keys are being changed by another `billers keys`. Wait until it has ended; it goes on where it was if it is killed."""


class StillNeeded(Conflict):
    """This key is still needed."""


@dataclass(frozen=True, slots=True)
class KeyCard:
    """One key by its name: where it is, and what is sealed with it."""

    name: str
    is_newest: bool
    in_ring: bool
    sealed: Mapping[Place, int]
    retired_at: datetime | None

    @property
    def is_missing(self) -> bool:
        """Something is sealed with it, and nothing opens it."""
        return not self.in_ring and self.retired_at is None

    @property
    def state(self) -> str:
        if self.retired_at is not None:
            return f"retired {self.retired_at:%d %b %Y %H:%M} UTC" + (", still in the ring" if self.in_ring else "")
        if self.is_missing:
            return "MISSING"
        return "seals" if self.is_newest else "opens"


@dataclass(slots=True)
class Rotation:
    """What came of a rotation. `shut` are rows that no key opens: they were changed or moved, and stay as they are."""

    key: str
    added: bool = False
    resealed: dict[str, int] = field(default_factory=dict)
    shut: list[str] = field(default_factory=list)
    # What BILLERS_VAULT_KEYS has to be first; then nothing was sealed anew yet.
    waits_for: Path | None = None

    @property
    def rows(self) -> int:
        return sum(self.resealed.values())


# ---- Asking


def list_keys() -> list[KeyCard]:
    """Every key that is in the ring, was retired, or has something sealed with it; the oldest first."""
    ring = vault.load_ring()
    with db.unit_of_work() as session:
        envelopes = Envelopes(session)
        envelopes.may_take_long()
        sealed, retired = envelopes.by_key(), envelopes.retired()
    names = [*(name for name in (*retired, *sealed) if name not in ring.keys), *ring.keys]
    return [KeyCard(name, name == ring.newest[0], name in ring.keys, sealed.get(name, {}), retired.get(name)) for name in dict.fromkeys(names)]


# ---- Changing


def add(tell: Tell) -> str | None:
    """Puts a new key into the ring: from the next secret on it seals, and the older ones go on opening. Answers its name; None where a person has to put it
    into BILLERS_VAULT_KEYS first. A first one makes the ring, where nothing was ever sealed.
    """
    with _alone():
        if not key_ring.is_in_environment() and not vault.ring_path().exists():
            return _begin_ring(tell)
        if key_ring.suggested():
            _ask_for_the_environment(tell)
            return None
        return _add(tell)


def rotate(tell: Tell) -> Rotation:
    """Seals everything anew with the newest key: one that is not used up to now, else a new one. Raises `Misconfigured` where a worker does not hold it."""
    with _alone():
        if key_ring.suggested():
            _ask_for_the_environment(tell)
            return Rotation(vault.load_ring().newest[0], waits_for=key_ring.next_path())
        ring = vault.load_ring()
        added = None
        if _is_older_somewhere(ring):
            tell(f"Going on with key {ring.newest[0]}, which does not seal everything yet.")
        else:
            added = _add(tell)
            if added is None:
                return Rotation(ring.newest[0], waits_for=key_ring.next_path())
            ring = vault.load_ring()
        done = _seal_anew(ring, tell)
        done.added = added is not None
        return done


def retire(key_id: str, *, no_backup_needs_it: bool = False) -> str:
    """Takes a key out of use for good. Raises `StillNeeded` while anything, or anybody, may need it. Answers what is left to do, in lines."""
    with _alone():
        ring = vault.load_ring()
        if key_id not in ring.keys:
            raise NotFound(f"There is no key {key_id} in the ring. `billers keys list` shows which there are.")
        if key_id == ring.newest[0]:
            raise StillNeeded(f"{key_id} is the newest key: what is sealed now is sealed with it. `billers keys rotate` puts another in its place.")
        with db.unit_of_work() as session:
            _refuse_while_needed(Envelopes(session), ring, key_id, no_backup_needs_it)
        with db.unit_of_work() as session:
            envelopes = Envelopes(session)
            envelopes.may_take_long()
            # Nobody is half way through sealing from here to the commit: what is counted is all there ever will be.
            envelopes.hold_all()
            _refuse_while_sealed(envelopes, key_id)
            if key_id not in envelopes.retired():
                envelopes.retire(key_id)
                audit.record(session, SYSTEM, "vault.key_retired", "key", key_id)
        if key_ring.is_in_environment():
            return f"Key {key_id} is retired. Take it out of BILLERS_VAULT_KEYS where the console and its workers are started."
        key_ring.keep(Ring({name: key for name, key in ring.keys.items() if name != key_id}))
        return f"Key {key_id} is retired and out of {vault.ring_path()}. Replace your copy of the ring by it."


# ---- What these are made of


@contextmanager
def _alone() -> Iterator[None]:
    with db.glance() as session, Envelopes(session).alone() as taken:
        if not taken:
            raise SomebodyElse
        yield


def _begin_ring(tell: Tell) -> str:
    """Raises `Misconfigured` where something is sealed already: its ring is in a backup, and another one would open none of it."""
    with db.unit_of_work() as session:
        envelopes = Envelopes(session)
        envelopes.may_take_long()
        if envelopes.by_key() or envelopes.retired():
            raise Misconfigured(f"Something is sealed already. Put {vault.ring_path()} back from its backup: a new ring would open none of it.")
        name = vault.ensure_ring().newest[0]
        audit.record(session, SYSTEM, "vault.key_added", "key", name, beside=[])
    tell(f"Key {name} is in {vault.ring_path()}. Back that file up now: without it nothing that is sealed can be read.")
    return name


def _add(tell: Tell) -> str | None:
    ring = vault.load_ring()
    with db.unit_of_work() as session:
        envelopes = Envelopes(session)
        envelopes.may_take_long()
        name = key_ring.fresh_name({*ring.keys, *envelopes.retired(), *envelopes.by_key()})
    wider = key_ring.with_fresh_key(ring, name)
    if key_ring.is_in_environment():
        key_ring.suggest(wider)
        _ask_for_the_environment(tell)
        return None
    # Written down before it is in use: a key that the record does not know would be a riddle, one that was never used is none.
    with db.unit_of_work() as session:
        audit.record(session, SYSTEM, "vault.key_added", "key", name, beside=list(ring.keys))
    key_ring.keep(wider)
    tell(f"Key {name} is in {vault.ring_path()}. Back that file up now: without it nothing that is sealed can be read.")
    return name


def _ask_for_the_environment(tell: Tell) -> None:
    path = key_ring.next_path()
    tell(f"The keys come from BILLERS_VAULT_KEYS. What it is to be from now on is in {path}, which only you can read.")
    tell("Put it there for the console, the workers and this command, restart them, and call this again: it goes on from there, and removes the file.")


def _is_older_somewhere(ring: Ring) -> bool:
    """Whether something that this ring opens is sealed with an older key."""
    newest = ring.newest[0]
    with db.unit_of_work() as session:
        envelopes = Envelopes(session)
        envelopes.may_take_long()
        for place in PLACES:
            after = None
            while rows := envelopes.older(place, newest, after, BATCH):
                if any(_fresh(place, row, ring) for row in rows):
                    return True
                after = rows[-1].row
    return False


def _seal_anew(ring: Ring, tell: Tell) -> Rotation:
    newest = ring.newest[0]
    _await_workers(ring, tell)
    with db.unit_of_work() as session:
        audit.record(session, SYSTEM, "vault.rotation_began", "key", newest)
    done = Rotation(newest)
    # Again until nothing was found to do: who had read the ring a moment before the key was added may have sealed a moment after a walk.
    while _walk(ring, done):
        pass
    with db.unit_of_work() as session:
        envelopes = Envelopes(session)
        envelopes.may_take_long()
        left = {key: sum(places.values()) for key, places in envelopes.by_key().items() if key != newest}
        audit.record(session, SYSTEM, "vault.rotated", "key", newest, resealed=done.resealed, left=left, shut=done.shut[:MOST_NAMED])
    tell(f"{done.rows:,} secrets were sealed anew with key {newest}; {sum(left.values()):,} are sealed with another.")
    return done


def _walk(ring: Ring, done: Rotation) -> bool:
    """Once over every place. Answers whether anything was to be done."""
    done.shut.clear()
    acted = [_walk_along(place, ring, done) for place in PLACES]
    return any(acted)


def _walk_along(place: Place, ring: Ring, done: Rotation) -> bool:
    after, acted = None, False
    while rows := _insist(lambda after=after: _batch(place, after, ring, done)):  # type: ignore[misc]
        batch, found = rows
        acted = acted or found
        after = batch[-1].row
    return acted


def _batch(place: Place, after: tuple[object, ...] | None, ring: Ring, done: Rotation) -> tuple[list[Sealed], bool] | None:
    with db.unit_of_work() as session:
        envelopes = Envelopes(session)
        envelopes.may_take_long()
        rows = list(envelopes.older(place, ring.newest[0], after, BATCH))
        fresh = [(row, envelope) for row in rows if (envelope := _fresh(place, row, ring))]
        resealed = envelopes.replace(place, fresh)
    # Kept, so that it counts.
    done.resealed[str(place)] = done.resealed.get(str(place), 0) + resealed
    opened = {row.row for row, _ in fresh}
    done.shut += [f"{place} {' '.join(map(str, row.row))}" for row in rows if row.row not in opened]
    return (rows, bool(fresh)) if rows else None


def _fresh(place: Place, row: Sealed, ring: Ring) -> str | None:
    table, _, column = place.bound_to
    try:
        return vault.resealed(row.envelope, table, row.bound_id, column, ring)
    except CannotOpen:
        return None


def _insist(act: Callable[[], tuple[list[Sealed], bool] | None]) -> tuple[list[Sealed], bool] | None:
    """A row that somebody holds for long is waited for."""
    for _ in range(TRIES):
        try:
            return act()
        except Busy:
            log.info("vault.row_is_held")
    raise Busy("Somebody holds a row for longer than is waited for. What was sealed anew stays so: call this again.")


def _await_workers(ring: Ring, tell: Tell) -> None:
    """A worker without the new key could open nothing that is sealed with it, and its payments would wait."""
    key = ring.told.rpartition(", ")[2]
    ends = clock.monotonic_seconds() + WORKERS_TELL_WITHIN_SECONDS
    told = False
    while waiting := _without(key):
        if clock.monotonic_seconds() > ends:
            raise Misconfigured(
                f"{', '.join(waiting)} {'does' if len(waiting) == 1 else 'do'} not hold key {ring.newest[0]}, and could open nothing that is sealed with it."
                f" Give {'that worker' if len(waiting) == 1 else 'those workers'} this key ring and call this again; nothing was sealed anew."
            )
        if not told:
            tell(f"Waiting until every worker tells that it holds key {ring.newest[0]}.")
            told = True
        threading.Event().wait(LOOK_AGAIN_SECONDS)


def _without(key: str) -> list[str]:
    with db.unit_of_work() as session:
        return [name for name, keys in Envelopes(session).workers().items() if key not in (keys or "").split(", ")]


def _refuse_while_needed(envelopes: Envelopes, ring: Ring, key_id: str, no_backup_needs_it: bool) -> None:
    envelopes.may_take_long()
    _refuse_while_sealed(envelopes, key_id)
    behind = [name for name, keys in envelopes.workers().items() if (keys or "").rpartition(", ")[2] != ring.told.rpartition(", ")[2]]
    if behind:
        raise StillNeeded(f"{', '.join(behind)} may still seal with {key_id}: the newest key there is another than here. Give it this key ring first.")
    if not no_backup_needs_it:
        rotated = envelopes.last_rotation()
        when = f"before {rotated:%d %b %Y %H:%M} UTC" if rotated else "up to now"
        raise StillNeeded(
            f"Backups of the database that were made {when} cannot be read without {key_id}. Once none of them will be restored any more, or a copy of the"
            f" ring is kept with them, call this again with --no-backup-needs-it."
        )


def _refuse_while_sealed(envelopes: Envelopes, key_id: str) -> None:
    sealed = envelopes.by_key().get(key_id, {})
    if sealed:
        raise StillNeeded(f"{in_words(sealed)} sealed with {key_id}. `billers keys rotate` seals them anew; then call this again.")


def in_words(sealed: Mapping[Place, int]) -> str:
    """`3 in biller_configs.authentication, 12 in vended_tokens.envelope are`."""
    told = ", ".join(f"{count:,} in {place}" for place, count in sealed.items())
    return f"{told} {'is' if sum(sealed.values()) == 1 else 'are'}"
