"""Keeps secrets in the database unreadable to whoever has only the database. A ciphertext opens in its own place and nowhere else."""

import base64
import binascii
import hashlib
import json
import os
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from core.errors import Misconfigured
from core.models.vault import PLACES
from core.settings import credentials_text, settings

VERSION = "v1"
KEY_BYTES = 32
# The size GCM is defined for. Random: with one key, 2^32 secrets may be sealed before two nonces could plausibly meet.
NONCE_BYTES = 12
RING_FILE = "vault-keys.json"
# What an envelope may be bound to.
_BOUND = frozenset((table, column) for table, _, column in (place.bound_to for place in PLACES))


class CannotOpen(Misconfigured):
    """This secret cannot be opened: it was changed, moved from another row, or sealed with a key that is gone. Enter it again."""


@dataclass(frozen=True, slots=True)
class Ring:
    """Keys by id, oldest first. The newest seals, all of them open."""

    keys: Mapping[str, bytes]

    @property
    def newest(self) -> tuple[str, bytes]:
        return list(self.keys.items())[-1]

    @property
    def told(self) -> str:
        """Which keys these are, for others to compare: `k1:5f0c…, k2:9a41…`. Two machines may each have a k1 of their own."""
        return ", ".join(f"{name}:{hashlib.sha256(b'billers vault key ' + key).hexdigest()[:16]}" for name, key in self.keys.items())

    def __repr__(self) -> str:
        return f"Ring({', '.join(self.keys)})"


class Opened(dict[str, Any]):
    """What was in an envelope, for the one call it was opened for. It shows which words it holds, and never what they say."""

    def __repr__(self) -> str:
        return f"Opened({', '.join(self)})"

    __str__ = __repr__


def ring_path() -> Path:
    return settings().billers_data_dir / RING_FILE


def load_ring() -> Ring:
    """The key ring of the environment, else of the data directory. Raises Misconfigured, saying what to do."""
    if given := settings().billers_vault_keys:
        return _parse(given, "BILLERS_VAULT_KEYS")
    path = ring_path()
    try:
        found = path.stat()
        mode = stat.S_IMODE(found.st_mode)
        version = (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        ring = _ring_in(path, *version) if not mode & 0o077 else None
    except FileNotFoundError:
        raise Misconfigured(
            f"There is no key ring for stored credentials. Set BILLERS_VAULT_KEYS, or put {path} back from its backup. `billers keys add` makes a first one."
        ) from None
    except OSError as error:
        raise Misconfigured(f"The key ring {path} cannot be read ({error.strerror}). Its owner must be the user that runs the console.") from error
    if ring is None:
        raise Misconfigured(f"Others may read the key ring {path}. Close it with: chmod 600 {path}")
    return ring


@lru_cache(maxsize=1)
def _ring_in(path: Path, *_version: int) -> Ring:
    """Read once for as long as it is the same file. A key that was added is there from the next secret on."""
    return _parse(path.read_text(encoding="utf-8"), str(path))


def ensure_ring() -> Ring:
    """The key ring; a first one is made where none ever was. Two at once make one."""
    if settings().billers_vault_keys:
        return load_ring()
    path = ring_path()
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(f".new-{os.getpid()}")
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(json.dumps({"k1": base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()}) + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(fresh, path)  # Unlike a rename, it never takes the place of a ring that somebody else just made.
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return load_ring()


def _parse(text: str, source: str) -> Ring:
    """Never quotes what it read: it is keys."""
    wish = f'{source} must be JSON like {{"k1": "<base64 of {KEY_BYTES} bytes>"}}, the newest key last.'
    try:
        pairs = json.loads(text, object_pairs_hook=lambda found: found)
        keys = {name: base64.b64decode(value, validate=True) for name, value in pairs}
        is_whole = len(keys) == len(pairs) > 0 and all(len(key) == KEY_BYTES for key in keys.values())
    except (ValueError, TypeError, binascii.Error):
        raise Misconfigured(f"{wish} It cannot be read as that. Put it back from its backup.") from None
    if not is_whole or any(not name.isalnum() or not name.isascii() for name in keys):
        raise Misconfigured(f"{wish} Each key has a name of its own in letters and digits, and is exactly {KEY_BYTES} bytes long. Correct it.")
    return Ring(keys)


def seal_secret(secret: Mapping[str, Any], table: str, row_id: object, column: str, ring: Ring | None = None) -> str:
    """The envelope `v1.<key id>.<base64 of nonce and ciphertext>`, which only opens at this table, row and column. Raises `LookupError` for a place that no
    rotation would find.
    """
    if (table, column) not in _BOUND:
        raise LookupError(f"Nothing is sealed for {table}.{column}: add the column that holds it to core.models.vault.PLACES.")
    key_id, key = (ring or load_ring()).newest
    nonce = secrets.token_bytes(NONCE_BYTES)
    sealed = AESGCM(key).encrypt(nonce, json.dumps(secret, sort_keys=True).encode(), _place(key_id, table, row_id, column))
    return f"{VERSION}.{key_id}.{base64.b64encode(nonce + sealed).decode()}"


def open_secret(envelope: str, table: str, row_id: object, column: str, ring: Ring | None = None) -> Opened:
    """What was sealed. Raises CannotOpen, whatever the cause."""
    ring = ring or load_ring()
    try:
        version, key_id, encoded = envelope.split(".")
        raw = base64.b64decode(encoded, validate=True)
        if version != VERSION or key_id not in ring.keys:
            raise CannotOpen
        opened = AESGCM(ring.keys[key_id]).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], _place(key_id, table, row_id, column))
    except (ValueError, InvalidTag):
        raise CannotOpen from None
    return Opened(json.loads(opened))


def credentials_from_environment(biller_type: str) -> Opened | None:
    """What BILLERS_CREDENTIALS_<CODE> says, which goes before the database's; None when it is unset. Raises Misconfigured, quoting nothing."""
    text = credentials_text(biller_type)
    if not text:
        return None
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Misconfigured(f"BILLERS_CREDENTIALS_{biller_type.upper()} must be a JSON object. Correct it where the console is started.") from None
    return Opened(found)


def resealed(envelope: str, table: str, row_id: object, column: str, ring: Ring) -> str:
    """The same secret for the same place, sealed with the newest key. Raises `CannotOpen`."""
    fresh = seal_secret(open_secret(envelope, table, row_id, column, ring), table, row_id, column, ring)
    # Before the old one is written over: what a defect or a bad chip made of it would be gone for good.
    open_secret(fresh, table, row_id, column, ring)
    return fresh


def _place(key_id: str, table: str, row_id: object, column: str) -> bytes:
    return json.dumps([VERSION, key_id, table, str(row_id), column]).encode()
