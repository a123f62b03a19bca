"""Knows who is attached to the embedded server. Locks belong to open files, so the kernel lets go of them whichever way a process ends."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold `path` alone; wait while somebody else does."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


class Attendance:
    """A file that everybody attached holds shared. To be alone with it is to be the last."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle: int | None = None

    @property
    def is_held(self) -> bool:
        return self._handle is not None

    def enter(self) -> None:
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(handle, fcntl.LOCK_SH)
        self._handle = handle

    def leave(self) -> bool:
        """Let go; true if nobody else was there. Call it under the start lock, or somebody may come in between."""
        handle, self._handle = self._handle, None
        if handle is None:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        else:
            return True
        finally:
            # A forked child may share the open file: closing alone would leave the lock with it.
            fcntl.flock(handle, fcntl.LOCK_UN)
            os.close(handle)
