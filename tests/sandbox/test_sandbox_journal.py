"""The one promise of the journal: nobody who awaited `settled` is answered before the disk has the line."""

import asyncio
import os
import threading
from pathlib import Path

import pytest

from core.sandbox.journal import Journal


def never(error: OSError) -> None:
    raise AssertionError(error)


def test_settled_waits_for_the_disk_and_many_share_one_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    syncing, may_sync, syncs = threading.Event(), threading.Event(), []

    def slow_fsync(file: int) -> None:
        syncing.set()
        may_sync.wait(10)
        syncs.append(os.fstat(file).st_size)

    async def scene() -> None:
        book = Journal(tmp_path / "a.jsonl", never)
        monkeypatch.setattr(os, "fsync", slow_fsync)
        book.append({"line": 0})
        first = asyncio.create_task(book.settled())
        await asyncio.to_thread(syncing.wait, 10)
        rest = []
        for number in range(1, 50):
            book.append({"line": number})
            rest.append(asyncio.create_task(book.settled()))
        for _ in range(100):
            await asyncio.sleep(0)
        assert not first.done()
        assert not any(task.done() for task in rest)
        may_sync.set()
        await asyncio.gather(first, *rest)
        await book.settled()

    asyncio.run(scene())
    assert len(syncs) == 2
    assert len((tmp_path / "a.jsonl").read_bytes().splitlines()) == 50


def test_a_disk_that_fails_answers_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    async def scene() -> None:
        failure: asyncio.Future[OSError] = asyncio.get_running_loop().create_future()
        book = Journal(tmp_path / "a.jsonl", failure.set_result)
        monkeypatch.setattr(os, "fsync", full)
        book.append({"line": 0})
        waiting = asyncio.create_task(book.settled())
        assert (await failure).errno == 28
        assert not waiting.done()
        waiting.cancel()

    asyncio.run(scene())
