"""One export, from its beginning to either of its ends: who may, what is written down, and what it leaves behind."""

import hashlib
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest

import core.repositories.exports
import core.repositories.snapshots
from core import clock, db
from core.access import SYSTEM
from core.errors import BadInput, NotAllowed, NotFound, Unavailable
from core.repositories.exports import COLUMNS, State, TransactionSnapshot
from core.repositories.transactions import Cursor, Sort
from core.services import exports, transactions
from core.services.asked import Asked
from core.services.exports import AT_ONCE, BOM, BrokenOff, Cancelled, Profile, TooManyExports
from tests.exports.conftest import ZONE, Crowd, exported
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
    monkeypatch.setattr(core.repositories.snapshots, "BLOCK_BYTES", 2_000)
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
    monkeypatch.setattr(core.repositories.snapshots, "BLOCK_BYTES", 100)
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
            patch.setattr(TransactionSnapshot, step, _down)
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


# ---- In which form


def test_the_file_has_the_columns_that_were_asked_for_in_their_order(crowd: Crowd) -> None:
    asked = Asked(columns=("amount", "reference", "currency"))
    lines = exported(crowd.analyst, asked).decode().splitlines()
    assert lines[0] == "amount,reference,currency"
    assert len(lines) == len(crowd.rows) + 1
    with pytest.raises(BadInput, match="no column metadata"):
        exports.begin(crowd.analyst, Asked(columns=("metadata",)), Profile.DATA)
    assert exported(crowd.analyst, Asked()).decode().splitlines()[0].split(",") == list(COLUMNS)


@pytest.mark.parametrize("sort", Sort)
def test_the_file_has_the_order_of_the_list(crowd: Crowd, sort: Sort) -> None:
    asked = Asked(sort=sort, columns=("reference",))
    wanted = asked.wanted(ZONE, crowd.analyst.id)
    page = transactions.list_page(crowd.analyst, wanted, 100, sort=sort)
    listed = [row.our_transaction_id for row in page.rows]
    while page.older:
        page = transactions.list_page(crowd.analyst, wanted, 100, older_than=page.older, sort=sort)
        listed += [row.our_transaction_id for row in page.rows]
    assert exported(crowd.analyst, asked).decode().splitlines()[1:] == listed


# ---- Piece by piece


@pytest.fixture
def pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if four hundred rows were many, and a few kilobytes much."""
    monkeypatch.setattr(core.repositories.exports, "PIECE_ROWS", 20)
    monkeypatch.setattr(core.repositories.snapshots, "BLOCK_BYTES", 500)
    monkeypatch.setattr(core.repositories.snapshots, "AHEAD_BYTES", 2_000)


def copying(crowd: Crowd) -> int:
    with crowd.database.connect() as connection:
        row = connection.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'COPY%'").fetchone()
    assert row
    return int(row[0])


@pytest.mark.parametrize("sort", Sort)
@pytest.mark.parametrize("asked", [Asked(), Asked(statuses=("COMPLETED",)), Asked(since="this-year"), Asked(search="nobody at all"), Asked(search="banda")])
def test_put_together_from_pieces_it_is_the_same_file(crowd: Crowd, request: pytest.FixtureRequest, asked: Asked, sort: Sort) -> None:
    asked = replace(asked, sort=sort)
    files = {profile: exported(crowd.analyst, asked, profile) for profile in (Profile.DATA, Profile.SPREADSHEET)}
    request.getfixturevalue("pieces")
    assert {profile: exported(crowd.analyst, asked, profile) for profile in files} == files


def test_what_was_written_since_the_sums_is_in_one_of_the_pieces(crowd: Crowd, pieces: None) -> None:
    with crowd.database.connect() as connection:
        connection.execute("DELETE FROM rollup_hours WHERE hour > (SELECT min(hour) FROM rollup_hours)")
    assert exported(crowd.analyst, Asked(columns=("reference",))).count(b"\n") - 1 == len(crowd.rows)


def test_two_connections_see_one_moment(crowd: Crowd, pieces: None) -> None:
    export = exports.begin(crowd.analyst, Asked(columns=("reference", "type")), Profile.DATA)
    begun = export.next_block()
    assert copying(crowd) == 2
    with crowd.database.connect() as connection:
        connection.execute("ALTER TABLE transactions DISABLE TRIGGER USER; DELETE FROM transactions WHERE amount IS NULL")
    file = begun + b"".join(iter(export.next_block, b""))
    export.end()
    assert export.rows == export.sum.rows == len(crowd.rows) == file.count(b"\n") - 1
    assert copying(crowd) == 0


def test_one_export_at_a_time_has_two_connections(crowd: Crowd, pieces: None) -> None:
    running = [exports.begin(crowd.analyst, Asked(), Profile.DATA) for _ in range(2)]
    for export in running:
        export.next_block()
    assert copying(crowd) == 3
    for export in running:
        export.end()
    with_room = exports.begin(crowd.analyst, Asked(), Profile.DATA)
    with_room.next_block()
    assert copying(crowd) == 2
    with_room.end()


def test_a_server_without_room_for_a_second_connection_writes_the_file_on_one(crowd: Crowd, pieces: None, monkeypatch: pytest.MonkeyPatch) -> None:
    begin, lines = core.repositories.snapshots.Line._begin, []

    def only_once(line: core.repositories.snapshots.Line, *args: Any) -> None:
        lines.append(line)
        if len(lines) > 1:
            raise psycopg.OperationalError("too many clients already")
        begin(line, *args)

    monkeypatch.setattr(core.repositories.snapshots.Line, "_begin", only_once)
    assert exported(crowd.analyst, Asked(columns=("reference",))).count(b"\n") - 1 == len(crowd.rows)
    assert len(lines) == 2


@pytest.mark.parametrize("which", [0, 1])
def test_either_connection_that_is_lost_breaks_it_off(crowd: Crowd, pieces: None, which: int) -> None:
    export = exports.begin(crowd.analyst, Asked(), Profile.DATA)
    assert export.next_block()
    with crowd.database.connect() as connection:
        mine = "datname = current_database() AND query LIKE 'COPY%'"
        connection.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {mine} ORDER BY backend_start OFFSET {which} LIMIT 1")  # type: ignore[arg-type]
    with pytest.raises(BrokenOff):
        while export.next_block():
            pass
    assert entries(crowd)[-1][2]["because"] == "the database did not go on"
    assert copying(crowd) == 0


@pytest.mark.parametrize("count", [1, 2, 3, 7, 100])
def test_hours_are_cut_where_each_piece_has_its_share(count: int) -> None:
    start = datetime(2026, 11, 1, tzinfo=ZoneInfo("UTC"))
    hours = [{"hour": start + timedelta(hours=number), "count": 1 + number % 5} for number in range(100)]
    cuts = core.repositories.exports.cut(hours, count)
    edges = [start, *map(datetime.fromisoformat, cuts), start + timedelta(hours=100)]
    shares = [sum(one["count"] for one in hours if since <= one["hour"] < until) for since, until in pairwise(edges)]
    assert sum(shares) == sum(one["count"] for one in hours)
    assert max(shares) <= sum(shares) / count + 5


@pytest.mark.parametrize(("profile", "zone", "offset"), [(Profile.DATA, "Africa/Blantyre", "+02:00"), (Profile.SPREADSHEET, "UTC", "+00:00")])
def test_times_are_of_the_zone_that_was_chosen(crowd: Crowd, profile: Profile, zone: str, offset: str) -> None:
    kept = {row["created_at"].replace(microsecond=0) for row in crowd.rows}
    export = exports.begin(crowd.analyst, Asked(columns=("submitted_at",)), profile, zone)
    told = b"".join(iter(export.next_block, b"")).decode("utf-8-sig").split()[1:]
    export.end()
    assert all(moment.endswith(offset) for moment in told)
    assert {datetime.fromisoformat(moment).replace(microsecond=0) for moment in told} == kept
    with pytest.raises(BadInput, match="or in UTC"):
        exports.begin(crowd.analyst, Asked(), profile, "Europe/Oslo")


def test_a_zone_of_half_hours_is_told_to_the_minute(crowd: Crowd) -> None:
    snapshot = TransactionSnapshot(ZoneInfo("America/St_Johns"))
    wanted = Asked().wanted(ZONE)
    told = b"".join(snapshot.blocks(wanted, snapshot.sum(wanted), Profile.SPREADSHEET, ("submitted_at",))).decode().split()[1:]
    snapshot.close()
    assert {moment[-6:] for moment in told} <= {"-03:30", "-02:30"}
    assert {datetime.fromisoformat(moment) for moment in told} == {row["created_at"].replace(microsecond=0) for row in crowd.rows}


# ---- What is kept of it


@pytest.mark.parametrize("profile", Profile)
def test_the_manifest_is_of_the_very_file(crowd: Crowd, profile: Profile) -> None:
    asked = Asked(since="this-year", sort=Sort.LARGEST, columns=("reference", "amount", "status"), statuses=("COMPLETED",))
    export = exports.begin(crowd.analyst, asked, profile)
    file = b"".join(iter(export.next_block, b""))
    export.end()
    told = exports.manifest(exports.kept(crowd.analyst, export.id))
    assert (told["sha256"], told["size_bytes"], told["state"]) == (hashlib.sha256(file).hexdigest(), len(file), "complete")
    assert (told["rows"], told["order"], told["columns"], told["profile"]) == (export.sum.rows, "largest", list(asked.columns), profile.value)
    assert told["value_paid"] == {currency: str(amount) for currency, amount in export.sum.value.items()}
    assert told["exported_by"] == "Chikondi"
    # Days that have a name are told by their dates: next year it is another year.
    year = clock.business_day(clock.now(), ZONE).year
    assert f"from={year}-01-01" in str(told["list"])
    assert "since=" not in str(told["list"])


def test_what_was_asked_for_cannot_be_changed_afterwards_and_an_end_is_written_once(crowd: Crowd) -> None:
    exported(crowd.analyst, Asked())
    for act in ("UPDATE exports SET filter = 'nothing'", "UPDATE exports SET rows = 0", "DELETE FROM exports", "TRUNCATE exports"):
        with crowd.database.connect() as connection, pytest.raises(psycopg.errors.DatabaseError):
            connection.execute(act)  # type: ignore[arg-type]


def test_one_sees_ones_own_and_a_manager_everybodys(crowd: Crowd, add_person: AddPerson) -> None:
    exported(crowd.analyst, Asked())
    (mine,) = exports.lately(crowd.analyst)
    colleague, manager = add_person("analyst"), add_person("manager")
    assert exports.lately(colleague) == []
    with pytest.raises(NotFound):
        exports.kept(colleague, mine.export.id)
    assert [one.export.id for one in exports.lately(manager)] == [mine.export.id]
    assert exports.kept(manager, mine.export.id).by == "Chikondi"
    with pytest.raises(NotAllowed):
        exports.lately(add_person("operator"))


# ---- Cancelled


@pytest.fixture
def every_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a second had passed between two blocks."""
    monkeypatch.setattr(exports, "LOOK_SECONDS", 0)


@pytest.mark.parametrize("profile", Profile)
def test_one_that_is_cancelled_ends_at_its_next_block(crowd: Crowd, every_look: None, monkeypatch: pytest.MonkeyPatch, profile: Profile) -> None:
    monkeypatch.setattr(core.repositories.snapshots, "BLOCK_BYTES", 2_000)
    export = exports.begin(crowd.analyst, Asked(), profile)
    if profile is not Profile.WORKBOOK:
        assert export.next_block()
    assert exports.cancel(crowd.analyst, export.id)
    assert not exports.cancel(crowd.analyst, export.id)
    with pytest.raises(Cancelled):
        export.next_block()
    assert exports.kept(crowd.analyst, export.id).state is State.CANCELLED
    assert [action for _, action, _ in entries(crowd)] == ["transactions.export_begun", "transactions.export_cancelled", "transactions.exported"]
    assert entries(crowd)[-1][2]["because"] == "it was cancelled"
    assert connections(crowd) == 0
    assert exported(crowd.analyst, Asked())


def test_it_says_how_far_it_is(crowd: Crowd, every_look: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core.repositories.snapshots, "BLOCK_BYTES", 2_000)
    export = exports.begin(crowd.analyst, Asked(), Profile.DATA)
    try:
        export.next_block()
        assert export.look()
        seen = exports.kept(crowd.analyst, export.id)
        assert (seen.state, seen.export.rows) == (State.RUNNING, export.rows)
        assert 0 < seen.export.rows < seen.export.expected_rows == len(crowd.rows)
    finally:
        export.end()


def test_only_ones_own_can_be_cancelled_and_not_after_its_end(crowd: Crowd, add_person: AddPerson) -> None:
    export = exports.begin(crowd.analyst, Asked(), Profile.DATA)
    try:
        for other in (add_person("analyst"), add_person("manager")):
            with pytest.raises(NotFound):
                exports.cancel(other, export.id)
    finally:
        export.end()
    assert not exports.cancel(crowd.analyst, export.id)
    assert exports.kept(crowd.analyst, export.id).state is State.BROKEN_OFF


def test_one_whose_process_died_is_not_called_running(crowd: Crowd) -> None:
    export = exports.begin(crowd.analyst, Asked(), Profile.DATA)
    try:
        assert exports.kept(crowd.analyst, export.id).state is State.RUNNING
        with crowd.database.connect() as connection:
            connection.execute("UPDATE exports SET seen_at = seen_at - interval '1 minute'")
        seen = exports.kept(crowd.analyst, export.id)
        assert (seen.state, exports.manifest(seen)["why_not_complete"]) == (State.BROKEN_OFF, "its process ended under it")
    finally:
        export.end()


# ---- Told before


def test_what_is_announced_is_what_the_file_holds(crowd: Crowd) -> None:
    for asked in (Asked(), Asked(statuses=("COMPLETED",)), Asked(search="banda")):
        export = exports.begin(crowd.analyst, asked, Profile.DATA)
        export.end()
        told, counted = exports.announced(crowd.analyst, asked), exports.counted(crowd.analyst, asked)
        assert (told.rows, told.is_exact, dict(told.value)) == (export.sum.rows, True, dict(export.sum.value))
        assert (counted.rows, dict(counted.value)) == (export.sum.rows, dict(export.sum.value))


def test_counting_takes_a_place_and_gives_it_back(crowd: Crowd) -> None:
    running = [exports.begin(crowd.analyst, Asked(), Profile.DATA) for _ in range(AT_ONCE)]
    with pytest.raises(TooManyExports):
        exports.counted(crowd.analyst, Asked())
    for export in running:
        export.end()
    for _ in range(AT_ONCE + 1):
        assert exports.counted(crowd.analyst, Asked()).rows == len(crowd.rows)
