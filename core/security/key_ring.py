"""How the key ring's file changes: whole, or not at all. Running processes look at the file for each secret, so they have the new one from then on."""

import base64
import json
import os
import re
import secrets
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path

from core.errors import Misconfigured
from core.security.vault import KEY_BYTES, Ring, load_ring, ring_path
from core.settings import settings

# Beside the ring, while BILLERS_VAULT_KEYS has the last word: what is to be put there.
NEXT_FILE = "vault-keys.next.json"


def is_in_environment() -> bool:
    return bool(settings().billers_vault_keys)


def next_path() -> Path:
    return settings().billers_data_dir / NEXT_FILE


def fresh_name(taken: Collection[str]) -> str:
    """`k3`, after `k1` and `k2`. A name is never given twice: an envelope says by it which key opens it."""
    numbers = [int(found[1]) for name in taken if (found := re.fullmatch(r"k([0-9]{1,9})", name))]
    return f"k{max(numbers, default=0) + 1}"


def with_fresh_key(ring: Ring, name: str) -> Ring:
    return Ring({**ring.keys, name: secrets.token_bytes(KEY_BYTES)})


def keep(ring: Ring) -> None:
    """The ring's file from now on. Raises `Misconfigured` where it cannot be written."""
    path = ring_path()
    try:
        _write(path, ring.keys, like=path.stat())
    except OSError as error:
        raise Misconfigured(f"The key ring {path} cannot be written ({error.strerror}). Run this as its owner; nothing was changed.") from error


def suggest(ring: Ring) -> Path:
    """Writes down, for its reader alone, what BILLERS_VAULT_KEYS is to be: a key has no business on a terminal or in a log."""
    path = next_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, ring.keys)
    except OSError as error:
        raise Misconfigured(f"{path} cannot be written ({error.strerror}): the new key ring has to be handed over in it. Nothing was changed.") from error
    return path


def suggested() -> bool:
    """Whether a suggestion waits to be followed; one that was followed is thrown away."""
    path = next_path()
    try:
        wanted = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return False
    except (OSError, ValueError):
        return True
    held = {name: base64.b64encode(key).decode() for name, key in load_ring().keys.items()}
    followed = all(held.get(name) == key for name, key in wanted.items())
    if followed:
        path.unlink()
    return not followed


def _write(path: Path, keys: Mapping[str, bytes], like: os.stat_result | None = None) -> None:
    """In place of what is there, on the disk before this returns, and its owner's alone: the console's, even where root has called."""
    fresh = path.with_suffix(f".new-{os.getpid()}")
    with suppress(FileNotFoundError):
        fresh.unlink()
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            if like is not None and (like.st_uid, like.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(file.fileno(), like.st_uid, like.st_gid)
            file.write(json.dumps({name: base64.b64encode(key).decode() for name, key in keys.items()}) + "\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    finally:
        with suppress(FileNotFoundError):
            fresh.unlink()
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
