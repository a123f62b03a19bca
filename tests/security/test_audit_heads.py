"""Heads that were published: written where the database does not reach, and held against the chain as it is now."""

import json
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from core import clock
from core.access import SYSTEM
from core.cli import app
from core.db import unit_of_work
from core.errors import BadInput
from core.security import audit
from core.services import audit_heads
from core.services.audit import seal_all, verify
from tests.world import Database, SetEnvironment

# As the tables' owner with the guards switched off.
WITHOUT_GUARDS = "ALTER TABLE audit_entries DISABLE TRIGGER USER; ALTER TABLE seals DISABLE TRIGGER USER"


@pytest.fixture
def file(database: Database, tmp_path: Path, set_environment: SetEnvironment) -> Path:
    """Where heads are published in this test."""
    where = tmp_path / "elsewhere" / "heads.jsonl"
    set_environment(billers_audit_heads=where)
    return where


def write(*subjects: object) -> None:
    for subject in subjects:
        with unit_of_work() as session:
            audit.record(session, SYSTEM, "thing.done", "thing", subject)
    seal_all()


def later(monkeypatch: pytest.MonkeyPatch, **by: int) -> None:
    moment = clock.now() + timedelta(**by)
    monkeypatch.setattr(clock, "now", lambda: moment)


def test_a_head_is_the_chains_number_hash_and_moment_on_a_line_of_its_own(file: Path) -> None:
    write("a", "b")
    verdict = verify()
    assert audit_heads.publish_due() is not None
    (line,) = file.read_text().splitlines()
    assert json.loads(line) == {"number": verdict.sealed, "hash": verdict.head_hash, "at": json.loads(line)["at"]}
    assert file.stat().st_mode & 0o007 == 0


def test_the_next_one_comes_when_its_minutes_are_over_and_something_was_written(
    file: Path, monkeypatch: pytest.MonkeyPatch, set_environment: SetEnvironment
) -> None:
    set_environment(billers_audit_heads=file, billers_audit_heads_minutes=5)
    monkeypatch.setattr(clock, "business_day", lambda *_: "one day")
    write("a")
    assert audit_heads.publish_due() is not None
    write("b")
    assert audit_heads.publish_due() is None
    later(monkeypatch, minutes=4)
    assert audit_heads.publish_due() is None
    later(monkeypatch, minutes=1)
    assert audit_heads.publish_due() is not None
    later(monkeypatch, minutes=5)
    assert audit_heads.publish_due() is None, "nothing was written since"
    assert [head.number for head in audit_heads.published()] == [verify().sealed - 1, verify().sealed]


def test_at_a_days_end_there_is_one_whatever_the_minutes(file: Path, monkeypatch: pytest.MonkeyPatch, set_environment: SetEnvironment) -> None:
    set_environment(billers_audit_heads=file, billers_audit_heads_minutes=1440)
    write("a")
    assert audit_heads.publish_due() is not None
    later(monkeypatch, hours=23, minutes=59)
    assert audit_heads.publish_due() is not None
    assert len(audit_heads.published()) == 2


def test_several_workers_at_once_write_one(file: Path) -> None:
    write("a")
    threads = [threading.Thread(target=audit_heads.publish_due) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(file.read_text().splitlines()) == 1


def test_every_head_that_was_published_holds(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for subject in "abc":
        write(subject)
        audit_heads.publish_due()
        later(monkeypatch, minutes=20)
    heads = audit_heads.published()
    assert len(heads) == 3
    assert verify(heads).ok
    result = CliRunner().invoke(app, ["audit", "verify"])
    assert result.exit_code == 0
    assert "All 3 heads that were published hold" in result.stdout


def test_a_tail_written_anew_is_told_at_the_first_head_that_does_not_hold(file: Path, monkeypatch: pytest.MonkeyPatch, database: Database) -> None:
    for subject in "abcd":
        write(subject)
        audit_heads.publish_due()
        later(monkeypatch, minutes=20)
    heads = audit_heads.published()
    with database.connect() as connection:
        connection.execute(WITHOUT_GUARDS)
        connection.execute("UPDATE audit_entries SET actor_name = 'nobody' WHERE subject_type = 'thing' AND subject_id IN ('c', 'd')")
        connection.execute("DELETE FROM seals WHERE number > %s", (heads[1].number,))
    seal_all()
    assert verify().ok, "without the heads nobody can tell"
    verdict = verify(heads)
    assert not verdict.ok
    assert verdict.first_bad is not None
    assert verdict.first_bad.number == heads[2].number
    result = CliRunner().invoke(app, ["audit", "verify", "--published", str(file)])
    assert result.exit_code == 1
    assert "written anew" in result.stdout


def test_a_tail_cut_off_is_told_with_the_moment_of_the_head(file: Path, database: Database) -> None:
    write("a", "b")
    audit_heads.publish_due()
    with database.connect() as connection:
        connection.execute(WITHOUT_GUARDS)
        connection.execute("DELETE FROM seals WHERE number = (SELECT max(number) FROM seals)")
        connection.execute("DELETE FROM audit_entries WHERE subject_type = 'thing' AND subject_id = 'b'")
    sentence = verify(audit_heads.published()).sentence
    assert "cut off" in sentence
    assert f"{clock.now():%b %Y}" in sentence


def test_the_worker_logs_each_head_and_one_that_does_not_hold_any_more(
    file: Path, database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write("a")
    head = audit_heads.publish_due()
    assert head is not None
    assert head.hash in capsys.readouterr().out
    with database.connect() as connection:
        connection.execute(WITHOUT_GUARDS)
        connection.execute("UPDATE seals SET hash = sha256('') WHERE number = %s", (head.number,))
    later(monkeypatch, minutes=20)
    audit_heads.publish_due()
    assert "audit.head_does_not_hold" in capsys.readouterr().out


def test_half_a_line_after_a_power_cut_is_no_head_and_the_next_one_is_whole(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write("a")
    audit_heads.publish_due()
    with file.open("ab") as open_file:
        open_file.write(b'{"number": 99, "ha')
    assert len(audit_heads.published()) == 1
    write("b")
    later(monkeypatch, minutes=20)
    assert audit_heads.publish_due() is not None
    assert [head.number for head in audit_heads.published()] == [verify().sealed - 1, verify().sealed]


@pytest.mark.parametrize("content", ["no json", '{"number": "1"}', '{"number": 1, "hash": "ab", "at": "2026-11-24T00:00:00+00:00"}', '["x"]'])
def test_a_file_of_something_else_is_told_by_its_line(file: Path, content: str) -> None:
    file.parent.mkdir(parents=True)
    file.write_text(f"{content}\n")
    with pytest.raises(BadInput, match=r"Line 1 of heads\.jsonl is no head"):
        audit_heads.published(file)


def test_a_file_that_is_not_there_is_told_where_somebody_names_it(file: Path) -> None:
    assert audit_heads.published() == []
    with pytest.raises(BadInput, match="There is no file"):
        audit_heads.published(file)
