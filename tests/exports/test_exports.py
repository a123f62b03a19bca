"""One export, from its beginning to either of its ends: who may, what is written down, and what it leaves behind."""

import hashlib
from typing import Any

import pytest

import core.repositories.exports
from core import db
from core.access import SYSTEM
from core.errors import BadInput, NotAllowed, Unavailable
from core.repositories.exports import Snapshot
from core.repositories.transactions import Cursor
from core.services import exports
from core.services.asked import Asked
from core.services.exports import AT_ONCE, BOM, BrokenOff, Profile, TooManyExports
from tests.exports.conftest import Crowd, exported
from tests.world import AddPerson


def entries(crowd: Crowd) -> list[tuple[str, str, dict[str, Any]]]:
    with crowd.database.connect() as connection:
        return connection.execute("SELECT actor_name, action, details FROM audit_entries WHERE subject_type = 'export' ORDER BY seq").fetchall()


def connections(crowd: Crowd) -> int:
    """How many are in the middle of a copy or of its transaction."""
    with crowd.database.connect() as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle' AND pid <> pg_backend_pid()"
        ).fetchone()
    assert row
    return int(row[0])


@pytest.mark.parametrize("role", ["operator", "administrator"])
def test_who_may_not_export_gets_nothing(crowd: Crowd, add_person: AddPerson, role: str) -> None:
    with pytest.raises(NotAllowed, match="export transactions"):
        exports.begin(add_person(role), Asked(), Profile.DATA)
    assert entries(crowd) == []


@pytest.mark.parametrize("profile", Profile)
def test_what_left_is_written_down_before_and_after(crowd: Crowd, profile: Profile) -> None:
    asked = Asked(statuses=("COMPLETED",), types=("POST_TRANSACTION", "CONFIRM_INVOICE"), size=100, pace=15)
    file = exported(crowd.analyst, asked, profile)
    paid = [row for row in crowd.rows if row["status"] == "COMPLETED" and row["transaction_type"] in asked.types]
    (who, began, first), (_, ended, last) = entries(crowd)
    assert (who, began, ended) == ("chikondi", "transactions.export_begun", "transactions.exported")
    assert first["filter"] == last["filter"] == "completed, payments or invoice payments"
    assert first["profile"] == last["profile"] == profile.value
    assert first["rows"] == last["rows"] == len(paid) > 10
    assert last["value"] == {currency: str(sum(row["amount"] for row in paid if row["currency"] == currency)) for currency in ("MWK", "USD")}
    assert last["sha256"] == hashlib.sha256(file).hexdigest()
    assert (last["complete"], last["size_bytes"]) == (True, len(file))


def test_it_is_written_down_before_its_first_byte_can_be_read(crowd: Crowd) -> None:
    export = exports.begin(crowd.analyst, Asked(), Profile.DATA)
    try:
        assert [action for _, action, _ in entries(crowd)] == ["transactions.export_begun"]
    finally:
        export.end()


@pytest.mark.parametrize("blocks", [0, 1, 2])
def test_one_that_was_left_in_the_middle_says_so_and_leaves_nothing_running(crowd: Crowd, monkeypatch: pytest.MonkeyPatch, blocks: int) -> None:
    monkeypatch.setattr(core.repositories.exports, "BLOCK_BYTES", 2_000)
    export = exports.begin(crowd.analyst, Asked(), Profile.SPREADSHEET)
    taken = b"".join(export.next_block() for _ in range(blocks))
    export.end()
    export.end()
    _, (_, action, told) = entries(crowd)
    assert (action, told["complete"], told["because"]) == ("transactions.exported", False, "the reader went away")
    assert told["rows"] < len(crowd.rows)
    assert (told["size_bytes"], told["sha256"]) == (len(taken), hashlib.sha256(taken).hexdigest())
    assert connections(crowd) == 0


def test_one_whose_last_block_was_taken_but_not_asked_for_more_is_not_called_whole(crowd: Crowd) -> None:
    export = exports.begin(crowd.analyst, Asked(), Profile.DATA)
    export.next_block()
    export.end()
    assert entries(crowd)[-1][2]["complete"] is False


def test_a_database_that_stops_in_the_middle_breaks_it_off(crowd: Crowd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core.repositories.exports, "BLOCK_BYTES", 100)
    with crowd.database.connect() as connection:
        # More than the socket between us holds.
        connection.execute("ALTER TABLE transactions DISABLE TRIGGER USER; UPDATE transactions SET error_message = repeat('x', 20000)")
    export = exports.begin(crowd.analyst, Asked(), Profile.DATA)
    assert export.next_block()
    with crowd.database.connect() as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'COPY%'")
    with pytest.raises(BrokenOff):
        while export.next_block():
            pass
    assert entries(crowd)[-1][2]["because"] == "the database did not go on"


def test_a_row_that_arrives_meanwhile_is_not_in_it(crowd: Crowd) -> None:
    export = exports.begin(crowd.analyst, Asked(), Profile.DATA)
    with crowd.database.connect() as connection:
        connection.execute("ALTER TABLE transactions DISABLE TRIGGER USER; DELETE FROM transactions WHERE amount IS NULL")
    file = b"".join(iter(export.next_block, b""))
    export.end()
    assert export.rows == export.sum.rows == len(crowd.rows)
    assert file.count(b"ACCOUNT_DETAILS") > 0


def test_an_empty_set_is_a_header_and_no_more(crowd: Crowd) -> None:
    assert exported(crowd.analyst, Asked(search="nobody at all")).count(b"\n") == 1
    assert exported(crowd.analyst, Asked(search="nobody at all"), Profile.SPREADSHEET).startswith(BOM)
    assert entries(crowd)[-1][2]["complete"] is True


def test_the_place_in_the_list_does_not_narrow_it(crowd: Crowd) -> None:
    place = Cursor(crowd.rows[0]["created_at"], crowd.rows[0]["id"])
    assert exported(crowd.analyst, Asked(older=place, size=50)) == exported(crowd.analyst, Asked())


def test_only_so_many_at_once_and_each_end_makes_room(crowd: Crowd) -> None:
    running = [exports.begin(crowd.analyst, Asked(), Profile.DATA) for _ in range(AT_ONCE)]
    with pytest.raises(TooManyExports):
        exports.begin(crowd.analyst, Asked(), Profile.DATA)
    running.pop().end()
    exported(crowd.analyst, Asked())
    for export in running:
        export.end()


def _down(*_: object, **__: object) -> None:
    raise Unavailable


@pytest.mark.parametrize("step", ["__init__", "sum", "blocks"])
def test_one_that_cannot_begin_takes_no_place(crowd: Crowd, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    for _ in range(AT_ONCE + 1):
        with monkeypatch.context() as patch:
            patch.setattr(Snapshot, step, _down)
            with pytest.raises(Unavailable):
                exports.begin(crowd.analyst, Asked(), Profile.DATA)
    assert connections(crowd) == 0
    assert exported(crowd.analyst, Asked())


def test_mine_only_means_whoever_asks(crowd: Crowd) -> None:
    mine = [row for row in crowd.rows if row["initiated_by"] == crowd.analyst.id]
    assert exported(crowd.analyst, Asked(mine=True)).count(b",chikondi,") == len(mine) > 10
    with pytest.raises(BadInput):
        exports.begin(SYSTEM, Asked(mine=True), Profile.DATA)


def test_an_export_does_not_take_a_connection_of_the_pool(crowd: Crowd) -> None:
    before = db.engine().pool.checkedout()  # type: ignore[attr-defined]
    export = exports.begin(crowd.analyst, Asked(), Profile.DATA)
    assert db.engine().pool.checkedout() == before  # type: ignore[attr-defined]
    export.end()
