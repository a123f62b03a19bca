"""Keys change while everything goes on: nothing sealed is lost, missed or left, and no key goes out of use while anything needs it."""

import base64
import json
import os
import stat
import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import select
from structlog.testing import capture_logs

from core import db
from core.errors import BillersError, Misconfigured, NotFound
from core.launch.doctor import Examined, sealed_secrets
from core.models import Base, BillerConfig
from core.models.vault import PLACES
from core.repositories.sealed import Envelopes
from core.security import key_ring, vault
from core.security.vault import Ring
from core.services import vault_keys, workers
from core.services.vault_keys import SomebodyElse, StillNeeded
from core.settings import settings
from tests.security.conftest import Shelf
from tests.world import Database, SetEnvironment


def rotate() -> vault_keys.Rotation:
    return vault_keys.rotate(lambda _line: None)


def told_by(act: Callable[[vault_keys.Tell], object]) -> str:
    lines: list[str] = []
    act(lines.append)
    return "\n".join(lines)


# ---- Sealing anew


def test_everything_is_sealed_anew_with_a_new_key_and_opens_as_before(shelf: Shelf) -> None:
    assert shelf.keys_in_use() == {"k1"}
    sealed = sum(sum(places.values()) for places in envelopes_by_key().values())
    done = rotate()
    assert (done.key, done.added, done.rows, done.shut) == ("k2", True, sealed, [])
    assert set(done.resealed) == {str(place) for place in PLACES}
    assert all(done.resealed.values()), "each place had something in it"
    assert shelf.keys_in_use() == {"k2"}
    shelf.opens()


def test_a_rotation_changes_envelopes_and_nothing_else(shelf: Shelf) -> None:
    def all_but_envelopes() -> list[Any]:
        return [shelf.bench.sql(f"SELECT to_jsonb(t) - '{place.column}' FROM {place.table} t ORDER BY 1") for place in PLACES]

    before = all_but_envelopes()
    rotate()
    assert all_but_envelopes() == before, "no version, no moment and no name has changed"


def test_each_rotation_is_on_the_record_by_the_names_of_keys(shelf: Shelf) -> None:
    rotate()
    entries = shelf.bench.sql("SELECT action, subject_id, details::text FROM audit_entries WHERE action LIKE 'vault.%%' ORDER BY seq")
    assert [(action, key) for action, key, _ in entries] == [("vault.key_added", "k2"), ("vault.rotation_began", "k2"), ("vault.rotated", "k2")]
    ring = vault.load_ring()
    for _, _, details in entries:
        assert not any(base64.b64encode(key).decode() in details or key.hex() in details for key in ring.keys.values())
    assert json.loads(entries[-1][2])["left"] == {}


@pytest.mark.parametrize("acts_before", [0, 1, 2, 3])
def test_a_rotation_that_was_killed_goes_on_with_the_key_that_it_added(shelf: Shelf, monkeypatch: pytest.MonkeyPatch, acts_before: int) -> None:
    """Killed after so many batches: what was sealed anew stays so, and the rest follows."""
    replace, batches = Envelopes.replace, []

    def replace_or_die(self: Envelopes, place: Any, fresh: Any) -> int:
        if len(batches) == acts_before:
            raise KeyboardInterrupt
        batches.append(place)
        return replace(self, place, fresh)

    monkeypatch.setattr(vault_keys, "BATCH", 4)
    monkeypatch.setattr(Envelopes, "replace", replace_or_die)
    with pytest.raises(KeyboardInterrupt):
        rotate()
    monkeypatch.setattr(Envelopes, "replace", replace)
    assert shelf.keys_in_use() == ({"k1", "k2"} if acts_before else {"k1"})
    shelf.opens()
    done = rotate()
    assert (done.key, done.added) == ("k2", False), "no further key was made"
    assert list(vault.load_ring().keys) == ["k1", "k2"]
    assert shelf.keys_in_use() == {"k2"}
    shelf.opens()


def test_what_somebody_enters_meanwhile_is_never_written_over(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the reading and the writing of a row an administrator enters other credentials, still with the old key: theirs stay, and are sealed anew."""
    replace, config_id = Envelopes.replace, next(iter(shelf.credentials))
    old = Ring(dict(vault.load_ring().keys))
    entered = []

    def enter_and_replace(self: Envelopes, place: Any, fresh: Any) -> int:
        if place.table == "biller_configs" and not entered:
            envelope = vault.seal_secret({"username": "billers", "password": "entered meanwhile"}, "biller_configs", config_id, "authentication", old)
            with shelf.bench.database.connect() as connection:
                connection.execute("UPDATE biller_configs SET authentication = %s WHERE id = %s", (envelope, config_id))
            entered.append(envelope)
        return replace(self, place, fresh)

    monkeypatch.setattr(Envelopes, "replace", enter_and_replace)
    rotate()
    shelf.credentials[config_id] = {"username": "billers", "password": "entered meanwhile"}
    assert shelf.keys_in_use() == {"k2"}
    shelf.opens()


def test_credentials_that_were_dropped_meanwhile_stay_dropped(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    replace, config_id = Envelopes.replace, next(iter(shelf.credentials))

    def drop_and_replace(self: Envelopes, place: Any, fresh: Any) -> int:
        with shelf.bench.database.connect() as connection:
            connection.execute("UPDATE biller_configs SET authentication = NULL WHERE id = %s", (config_id,))
        return replace(self, place, fresh)

    monkeypatch.setattr(Envelopes, "replace", drop_and_replace)
    rotate()
    assert shelf.bench.sql("SELECT authentication FROM biller_configs WHERE id = %s", config_id) == [(None,)]


def test_a_row_that_somebody_holds_is_waited_for(shelf: Shelf) -> None:
    """An edit that takes its time has its row; the rotation has it after that."""
    held, config_id = shelf.bench.database.connect(), next(iter(shelf.credentials))
    rotated: list[object] = []
    with held, held.transaction():
        held.execute("SELECT FROM biller_configs WHERE id = %s FOR UPDATE", (config_id,))
        rotation = threading.Thread(target=lambda: rotated.append(rotate()))
        rotation.start()
        waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        while rotation.is_alive() and shelf.bench.sql(waits) == [(0,)]:
            pass
        assert rotation.is_alive()
        held.execute("UPDATE biller_configs SET description = 'held' WHERE id = %s", (config_id,))
    rotation.join()
    assert rotated
    assert shelf.bench.sql("SELECT description FROM biller_configs WHERE id = %s", config_id) == [("held",)]
    assert shelf.keys_in_use() == {"k2"}
    shelf.opens()


def test_two_that_rotate_at_once_take_turns(shelf: Shelf) -> None:
    with db.glance() as session, Envelopes(session).alone() as alone:
        assert alone
        with pytest.raises(SomebodyElse):
            rotate()
    assert rotate().key == "k2"


def test_what_no_key_opens_is_told_by_its_row_and_stays_as_it_is(shelf: Shelf) -> None:
    moved, other = list(shelf.sold)[:2]
    with shelf.bench.database.connect() as connection:
        swap(connection, "vended_tokens", "envelope", "transaction_id", other, moved)
        before = connection.execute("SELECT envelope FROM vended_tokens WHERE transaction_id = %s", (moved,)).fetchone()
        done = rotate()
        assert done.shut == [f"vended_tokens.envelope {moved}"]
        assert shelf.bench.sql("SELECT details->'shut' FROM audit_entries WHERE action = 'vault.rotated'") == [(done.shut,)]
        assert connection.execute("SELECT envelope FROM vended_tokens WHERE transaction_id = %s", (moved,)).fetchone() == before
    assert shelf.keys_in_use() == {"k1", "k2"}
    # It does not stand in the way of the next key either.
    assert (again := rotate()).key == "k3"
    assert again.added
    with pytest.raises(StillNeeded, match=r"1 in vended_tokens.envelope is sealed with k1"):
        vault_keys.retire("k1", no_backup_needs_it=True)


def swap(connection: psycopg.Connection, table: str, column: str, key: str, source: object, target: object) -> None:
    """As a superuser can: the table's own rules have no say."""
    with connection.transaction():
        connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        connection.execute(f"UPDATE {table} SET {column} = (SELECT {column} FROM {table} WHERE {key} = %s) WHERE {key} = %s", (source, target))
        connection.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


# ---- Who holds the new key


def test_a_worker_that_runs_tells_of_the_new_key_without_a_restart(shelf: Shelf) -> None:
    me = uuid.uuid4()
    workers.sign_on(me, "here:1")
    assert shelf.bench.sql("SELECT vault_keys FROM workers WHERE id = %s", me) == [(vault.load_ring().told,)]
    waited_for, beating, said = threading.Event(), threading.Event(), list[str]()

    def tell(line: str) -> None:
        said.append(line)
        if line == "Waiting until every worker tells that it holds key k2.":
            waited_for.set()

    def beat() -> None:
        # However slow the machine is: not before the rotation has looked once.
        waited_for.wait(60)
        while not beating.wait(0.05):
            workers.still_here(me)

    heart = threading.Thread(target=beat)
    heart.start()
    try:
        vault_keys.rotate(tell)
    finally:
        waited_for.set()
        beating.set()
        heart.join()
    assert "Waiting until every worker tells that it holds key k2." in said
    assert shelf.keys_in_use() == {"k2"}
    assert shelf.bench.sql("SELECT vault_keys FROM workers WHERE id = %s", me)[0][0].split(", ")[1].startswith("k2:")


def test_nothing_is_sealed_anew_for_a_worker_that_could_not_open_it(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker on another machine, with a ring of its own: its k1 is another one."""
    monkeypatch.setattr(vault_keys, "WORKERS_TELL_WITHIN_SECONDS", 0.0)
    shelf.bench.sql("INSERT INTO workers (id, name, vault_keys) VALUES (gen_random_uuid(), 'far:7', %s)", Ring({"k2": b"x" * 32}).told)
    with pytest.raises(Misconfigured, match=r"far:7 does not hold key k2.*nothing was sealed anew"):
        rotate()
    assert shelf.keys_in_use() == {"k1"}
    # One that has ended, or was not heard of for long, is nobody's concern.
    shelf.bench.sql("UPDATE workers SET seen_at = now() - interval '1 hour'")
    assert rotate().key == "k2"


# ---- The environment's ring


def of_environment(**keys: bytes) -> str:
    return json.dumps({name: base64.b64encode(key).decode() for name, key in keys.items()})


def test_where_the_environment_has_the_keys_a_person_puts_the_new_one_there(
    database: Database, monkeypatch: pytest.MonkeyPatch, set_environment: SetEnvironment
) -> None:
    from tests.payments.bench import Bench

    set_environment(billers_vault_keys=of_environment(k1=b"1" * 32))
    bench = Bench(database)
    bench.enter(monkeypatch)
    shelf = Shelf(bench)
    shelf.fill(1)
    lines: list[str] = []
    asked = vault_keys.rotate(lines.append)
    assert asked.waits_for == key_ring.next_path()
    assert stat.S_IMODE(asked.waits_for.stat().st_mode) == 0o600
    wanted = asked.waits_for.read_text().strip()
    assert list(json.loads(wanted)) == ["k1", "k2"]
    assert json.loads(wanted)["k2"] not in "\n".join(lines), "a key is not shown on a terminal"
    assert str(asked.waits_for) in "\n".join(lines)
    # Asked again, it says the same, and makes no third key.
    assert vault_keys.rotate(lines.append).waits_for
    assert asked.waits_for.read_text().strip() == wanted
    assert shelf.keys_in_use() == {"k1"}
    set_environment(billers_vault_keys=wanted)
    done = vault_keys.rotate(lines.append)
    assert (done.key, done.waits_for, done.shut) == ("k2", None, [])
    assert not key_ring.next_path().exists(), "what was followed is thrown away"
    assert shelf.keys_in_use() == {"k2"}
    shelf.opens()
    line = vault_keys.retire("k1", no_backup_needs_it=True)
    assert "Take it out of BILLERS_VAULT_KEYS" in line
    bench.close()


# ---- Retiring


def test_a_key_goes_out_of_use_once_nothing_is_sealed_with_it(shelf: Shelf) -> None:
    rotate()
    with pytest.raises(StillNeeded, match=r"Backups of the database that were made before .* UTC cannot be read without k1"):
        vault_keys.retire("k1")
    assert list(vault.load_ring().keys) == ["k1", "k2"]
    vault_keys.retire("k1", no_backup_needs_it=True)
    assert list(vault.load_ring().keys) == ["k2"]
    assert stat.S_IMODE(vault.ring_path().stat().st_mode) == 0o600
    shelf.opens()
    assert shelf.bench.sql("SELECT subject_id FROM audit_entries WHERE action = 'vault.key_retired'") == [("k1",)]
    with pytest.raises(NotFound, match="There is no key k1 in the ring"):
        vault_keys.retire("k1", no_backup_needs_it=True)
    assert {key.name: key.state.partition(" ")[0] for key in vault_keys.list_keys()} == {"k1": "retired", "k2": "seals"}


def test_a_key_that_something_is_sealed_with_stays(shelf: Shelf) -> None:
    vault_keys.add(lambda _line: None)
    with pytest.raises(StillNeeded, match=r"in biller_configs.authentication, .* in biller_config_versions.authentication.* are sealed with k1"):
        vault_keys.retire("k1", no_backup_needs_it=True)
    with pytest.raises(StillNeeded, match="k2 is the newest key"):
        vault_keys.retire("k2", no_backup_needs_it=True)
    assert list(vault.load_ring().keys) == ["k1", "k2"]


def test_a_key_that_a_worker_may_still_seal_with_stays(shelf: Shelf) -> None:
    first = vault.load_ring().told
    rotate()
    shelf.bench.sql("INSERT INTO workers (id, name, vault_keys) VALUES (gen_random_uuid(), 'far:7', %s)", first)
    with pytest.raises(StillNeeded, match="far:7 may still seal with k1"):
        vault_keys.retire("k1", no_backup_needs_it=True)


def test_nothing_gets_past_the_retiring_of_its_key(shelf: Shelf) -> None:
    """Somebody has sealed with the old key and not committed yet: they are waited for, and then the key stays. Who comes after is refused."""
    old, transaction_id = Ring(dict(vault.load_ring().keys)), next(iter(shelf.sold))
    rotate()
    late = vault.seal_secret({"token": shelf.sold[transaction_id]}, "vended_tokens", transaction_id, "token", old)
    with shelf.bench.database.connect() as slow:
        refused: list[BillersError] = []

        def retire() -> None:
            with pytest.raises(BillersError) as refusal:
                vault_keys.retire("k1", no_backup_needs_it=True)
            refused.append(refusal.value)

        with slow.transaction():
            slow.execute("UPDATE vended_tokens SET envelope = %s WHERE transaction_id = %s", (late, transaction_id))
            retiring = threading.Thread(target=retire)
            retiring.start()
            waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            while retiring.is_alive() and shelf.bench.sql(waits) == [(0,)]:
                pass
            assert retiring.is_alive(), "it waits for whoever is half way through"
        retiring.join()
        assert "is sealed with k1" in refused[0].sentence
        assert rotate().resealed["vended_tokens.envelope"] == 1
        vault_keys.retire("k1", no_backup_needs_it=True)
        with pytest.raises(psycopg.Error, match="key k1 is retired"):
            slow.execute("UPDATE vended_tokens SET envelope = %s WHERE transaction_id = %s", (late, transaction_id))
    shelf.opens()


def test_no_key_gets_the_name_of_one_that_was(shelf: Shelf) -> None:
    rotate()
    vault_keys.retire("k1", no_backup_needs_it=True)
    assert rotate().key == "k3"
    assert key_ring.fresh_name([]) == "k1"
    assert key_ring.fresh_name(["k9", "west", "k10", "kx"]) == "k11"


def test_a_missing_key_is_told_of(shelf: Shelf) -> None:
    rotate()
    key_ring.keep(Ring({"k1": vault.load_ring().keys["k1"]}))
    assert {key.name: key.state for key in vault_keys.list_keys()} == {"k1": "seals", "k2": "MISSING"}


# ---- The ring's file


def test_the_ring_is_changed_whole_and_keeps_its_owner(shelf: Shelf) -> None:
    before = vault.ring_path().stat()
    vault_keys.add(lambda _line: None)
    after = vault.ring_path().stat()
    assert (after.st_uid, after.st_gid, stat.S_IMODE(after.st_mode)) == (before.st_uid, before.st_gid, 0o600)
    assert after.st_ino != before.st_ino, "it was put in place of the old one, never half written"
    assert sorted(path.name for path in vault.ring_path().parent.glob("vault-keys*")) == ["vault-keys.json"]


def test_called_by_root_the_ring_stays_the_consoles(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[int, int]] = []
    owner = vault.ring_path().stat()
    monkeypatch.setattr(os, "geteuid", lambda: owner.st_uid + 1)
    monkeypatch.setattr(os, "fchown", lambda _file, uid, gid: given.append((uid, gid)))
    vault_keys.add(lambda _line: None)
    assert given == [(owner.st_uid, owner.st_gid)]


def test_a_ring_that_cannot_be_written_stays_as_it_is(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_path: Path, _target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(Misconfigured, match="cannot be written"):
        vault_keys.add(lambda _line: None)
    assert list(vault.load_ring().keys) == ["k1"]


# ---- The list of places


def test_nothing_is_sealed_for_a_place_that_no_rotation_would_find() -> None:
    with pytest.raises(LookupError, match=r"add the column that holds it to core\.models\.vault\.PLACES"):
        vault.seal_secret({"x": "y"}, "users", uuid.uuid4(), "diary", Ring({"k1": b"1" * 32}))


def test_each_place_on_the_list_is_a_column_and_the_database_holds_its_keys(database: Database) -> None:
    with database.connect() as connection:
        triggers = {
            (table, args.decode().rstrip("\0"))
            for table, args in connection.execute("SELECT tgrelid::regclass::text, tgargs FROM pg_trigger WHERE tgname = 'hold_the_keys'")
        }
    assert triggers == {(place.table, place.column) for place in PLACES}
    for place in PLACES:
        table = Base.metadata.tables[place.table]
        assert place.column in table.columns
        assert tuple(column.name for column in table.primary_key) == place.row
        assert place.bound_to[1] in table.columns


def test_a_walk_goes_on_behind_the_last_row(shelf: Shelf) -> None:
    for place in PLACES:
        with db.unit_of_work() as session:
            envelopes, walked, after = Envelopes(session), [], None
            while rows := envelopes.older(place, "k9", after, 2):
                walked += [row.row for row in rows]
                after = rows[-1].row
        there = shelf.bench.sql(f"SELECT {', '.join(place.row)} FROM {place.table} WHERE {place.column} IS NOT NULL ORDER BY {', '.join(place.row)}")
        assert walked == there
        assert len(walked) > 2


def envelopes_by_key() -> dict[str, dict[Any, int]]:
    with db.unit_of_work() as session:
        return {key: dict(places) for key, places in Envelopes(session).by_key().items()}


# ---- What the database itself refuses


@pytest.mark.parametrize(
    "change",
    [
        "snapshot = '{}'",
        "version = version + 100",
        "authentication = NULL",
        "authentication = 'open'",
        "authentication = regexp_replace(authentication, '.$', '')",
        "authentication = replace(authentication, 'v1.k1.', 'v1.k2.'), created_at = now()",
        "authentication = authentication",
    ],
)
def test_history_changes_by_nothing_but_sealing_anew(shelf: Shelf, change: str) -> None:
    with shelf.bench.database.connect() as connection, pytest.raises(psycopg.Error, match="append-only"):
        connection.execute(f"UPDATE biller_config_versions SET {change} WHERE authentication IS NOT NULL")
    with shelf.bench.database.connect() as connection, pytest.raises(psycopg.Error, match="append-only"):
        connection.execute("DELETE FROM biller_config_versions")


def test_a_sold_token_cannot_be_written_over(shelf: Shelf) -> None:
    with shelf.bench.database.connect() as connection, pytest.raises(psycopg.Error, match="append-only"):
        connection.execute("UPDATE vended_tokens SET envelope = (SELECT envelope FROM vended_tokens LIMIT 1)")


# ---- What carries secrets does not show them


def test_what_was_opened_shows_its_words_and_not_what_they_say(shelf: Shelf) -> None:
    with db.unit_of_work() as session:
        config = session.scalars(select(BillerConfig).limit(1)).one()
        opened = vault.open_secret(config.authentication or "", "biller_configs", config.id, "authentication")
    assert opened["password"] not in f"{opened!r} {opened}"
    assert repr(opened) == "Opened(password, username)"
    with capture_logs() as logged:
        rotate()
    assert opened["password"] not in str(logged)


def test_the_doctor_tells_of_a_key_that_something_needs(shelf: Shelf) -> None:
    examined = Examined(settings(), shelf.bench.database.connect())
    assert examined.connection is not None
    with examined.connection:
        assert sealed_secrets(examined).is_ok
        first = Ring(dict(vault.load_ring().keys))
        done = rotate()
        key_ring.keep(first)
        finding = sealed_secrets(examined)
        assert not finding.is_ok
        assert f"The ring lacks k2 ({done.rows} sealed)" in finding.sentence


def test_the_first_key_makes_the_ring_and_never_beside_what_another_ring_sealed(database: Database) -> None:
    assert not vault.ring_path().exists()
    told: list[str] = []
    assert vault_keys.add(told.append) == "k1"
    assert "Back that file up now" in told[0]
    assert list(vault.load_ring().keys) == ["k1"]
    assert vault.ring_path().stat().st_mode & 0o777 == 0o600
    with database.connect() as connection:
        assert connection.execute("SELECT subject_id, details FROM audit_entries WHERE action = 'vault.key_added'").fetchall() == [("k1", {"beside": []})]
        sealed = vault.seal_secret({"username": "x"}, "biller_configs", config := one_config(connection), "authentication")
        connection.execute("UPDATE biller_configs SET authentication = %s WHERE id = %s", [sealed, config])
    vault.ring_path().unlink()
    with pytest.raises(Misconfigured, match="Something is sealed already"):
        vault_keys.add(told.append)
    assert not vault.ring_path().exists()


def one_config(connection: psycopg.Connection) -> uuid.UUID:
    return connection.execute("SELECT id FROM biller_configs ORDER BY id LIMIT 1").fetchall()[0][0]
