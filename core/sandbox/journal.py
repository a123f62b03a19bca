"""A file that only grows. Whoever awaits `settled` knows that every line appended before is on the disk; waiting callers share one fsync."""

import asyncio
import fcntl
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path


class Unusable(Exception):
    """A file of the sandbox cannot be used. The message is for the operator."""


class Journal:
    """One file, one writer: the lock says so to other processes, and lasts as long as this one."""

    def __init__(self, path: Path, on_failure: Callable[[OSError], None]) -> None:
        self.path = path
        self._on_failure = on_failure
        self._lines: list[bytes] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._flushing: asyncio.Task[None] | None = None
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Unusable(f"{path.parent} is in use by another sandbox. Stop that one, or choose another --dir.") from None
        self._cut_off_unfinished_line()
        _keep_name(path.parent)

    def _cut_off_unfinished_line(self) -> None:
        """A line without its end was never answered for: the process died while writing it."""
        finished = self.path.read_bytes().rfind(b"\n") + 1
        if finished != os.fstat(self._file).st_size:
            os.ftruncate(self._file, finished)
            os.fsync(self._file)

    def __iter__(self) -> Iterator[dict[str, str]]:
        with self.path.open("rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    yield json.loads(line)
                except ValueError:
                    raise Unusable(f"{self.path}, line {number} is not JSON. Restore the file, or start on another --dir.") from None

    def append(self, line: dict[str, object]) -> None:
        self._lines.append(encode(line))
        if self._flushing is None:
            self._flushing = asyncio.get_running_loop().create_task(self._flush())

    async def settled(self) -> None:
        """Returns once every line appended so far is on the disk; at once where all are."""
        if self._flushing is not None:
            waiting = asyncio.get_running_loop().create_future()
            self._waiting.append(waiting)
            await waiting

    async def _flush(self) -> None:
        """While one batch is being written the next one gathers."""
        loop = asyncio.get_running_loop()
        while self._lines or self._waiting:
            batch, self._lines = b"".join(self._lines), []
            waiting, self._waiting = self._waiting, []
            if batch:
                try:
                    await loop.run_in_executor(None, _write_through, self._file, batch)
                except OSError as error:
                    # What is on the disk now is not known, so nothing more may be answered. Nobody who waits is woken.
                    self._on_failure(error)
                    return
            for future in waiting:
                if not future.done():
                    future.set_result(None)
        self._flushing = None


class Log:
    """A file that only grows, written before the reply leaves but not forced to the disk: it outlives the process, not a power cut."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def append(self, line: dict[str, object]) -> None:
        os.write(self._file, encode(line))


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def encode(line: dict[str, object]) -> bytes:
    return _encode(line).encode() + b"\n"


def _write_through(file: int, data: bytes) -> None:
    written = 0
    while written < len(data):
        written += os.write(file, data[written:])
    os.fsync(file)


def _keep_name(directory: Path) -> None:
    """A new file's name is its directory's data: synced too, or a power cut could leave a ledger nobody finds."""
    opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
