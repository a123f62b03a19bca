"""What is written down outside the database survives a crash while it is written, and is forgotten only by a sign-off."""

import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.durability import DURABILITY, weakness
from core.services import mirror
from core.services.mirror import MOST_BOOKMARKS, SLOT_BYTES, Bookmark

DATABASE = uuid.UUID("019a0000-0000-7000-8000-000000000001")
BEGAN = datetime(2026, 11, 25, 10, 0, 0, 123456, UTC)


def event(seq: int) -> Bookmark:
    return Bookmark(seq, BEGAN + timedelta(seconds=seq), uuid.UUID(int=seq))


def file_of(directory: Path) -> Path:
    return directory / "history" / f"{DATABASE}.json"


def test_nothing_is_known_of_a_database_that_was_never_seen() -> None:
    assert mirror.recall(DATABASE).bookmarks == ()


def test_the_newest_are_kept_to_the_microsecond_and_each_database_has_its_own() -> None:
    for seq in range(1, MOST_BOOKMARKS + 4):
        mirror.remember(DATABASE, 0, [event(seq)])
    mirror.remember(DATABASE, 0, [event(MOST_BOOKMARKS + 3)])
    assert mirror.recall(DATABASE).bookmarks == tuple(event(seq) for seq in range(MOST_BOOKMARKS + 3, 3, -1))
    assert mirror.recall(uuid.UUID(int=7)).bookmarks == ()


def test_eight_of_the_longest_fit_into_their_place() -> None:
    long = [Bookmark(2**63 - 1 - number, BEGAN, uuid.UUID(int=2**128 - 1)) for number in range(MOST_BOOKMARKS)]
    mirror.remember(DATABASE, 2**63 - 1, long)
    assert set(mirror.recall(DATABASE).bookmarks) == set(long)


@pytest.mark.parametrize("turn", [1, 2])
def test_a_crash_in_the_middle_of_writing_costs_the_last_word_and_no_more(tmp_path: Path, turn: int) -> None:
    for seq in range(1, turn + 2):
        mirror.remember(DATABASE, 0, [event(seq)])
    written = bytearray(file_of(tmp_path).read_bytes())
    slot = mirror.recall(DATABASE).turn % 2 * SLOT_BYTES
    written[slot + 90] ^= 1
    file_of(tmp_path).write_bytes(written)
    assert mirror.recall(DATABASE).bookmarks[0] == event(turn)
    mirror.remember(DATABASE, 0, [event(9)])
    assert mirror.recall(DATABASE).bookmarks[0] == event(9)


def test_a_sign_off_forgets_what_is_lost_and_an_older_one_changes_nothing() -> None:
    mirror.remember(DATABASE, 0, [event(5)])
    mirror.remember(DATABASE, 1, [event(3)])
    mirror.remember(DATABASE, 0, [event(6)])
    assert (mirror.recall(DATABASE).gate, mirror.recall(DATABASE).bookmarks) == (1, (event(3),))


def test_it_is_closed_to_others(tmp_path: Path) -> None:
    mirror.remember(DATABASE, 0, [event(1)])
    assert file_of(tmp_path).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("setting", DURABILITY)
def test_each_setting_that_loses_confirmed_payments_is_named_with_what_to_set(setting: str) -> None:
    on = dict.fromkeys(DURABILITY, "on")
    assert weakness(on) is None
    assert weakness({**on, "synchronous_commit": "local"}) is None
    assert f"Set {setting} = on in postgresql.conf" in str(weakness({**on, setting: "off"}))
