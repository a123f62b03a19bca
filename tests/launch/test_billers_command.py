"""The `billers` command speaks in sentences, whatever happens."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner, Result

from core.cli import app
from core.errors import BillersError
from core.launch import database
from core.services import staff


@pytest.fixture
def _no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing")


def run(*arguments: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(app, arguments, input=typed)


@pytest.mark.usefixtures("_no_database")
def test_an_error_of_ours_is_its_sentence_and_exit_code_1(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise BillersError("The barrel is empty. Fill it.")

    monkeypatch.setattr("core.db.migrate", refuse)
    result = run("migrate")
    assert result.exit_code == 1
    assert result.stderr == "The barrel is empty. Fill it.\n"


@pytest.mark.usefixtures("_no_database")
def test_anything_unforeseen_is_a_line_that_names_the_file_with_the_rest(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BILLERS_DATA_DIR", str(tmp_path))
    monkeypatch.setattr("core.db.migrate", lambda: {}["nothing"])
    result = run("migrate")
    assert result.exit_code == 1
    assert result.stderr.startswith("Something unforeseen happened (KeyError).")
    assert "KeyError: 'nothing'" in (tmp_path / "logs" / "billers.log").read_text()


def test_a_variable_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "harbour")
    result = run("doctor")
    assert result.exit_code == 1
    assert result.stderr.startswith("The environment cannot be used as it is. PORT: ")


@pytest.mark.usefixtures("_no_database")
def test_a_database_that_does_not_answer_is_a_finding_and_every_other_check_still_runs() -> None:
    result = run("doctor")
    assert result.exit_code == 1
    assert "BAD  database          The database that DATABASE_URL names cannot be reached." in result.stdout
    assert "BAD  durability        Not checked" in result.stdout
    assert "ok   Python" in result.stdout


@pytest.mark.usefixtures("_no_database")
def test_a_password_may_come_from_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, ...]] = []
    monkeypatch.setattr(staff, "find", lambda _actor, username: SimpleNamespace(id=username))
    monkeypatch.setattr(staff, "add", lambda _actor, *words: calls.append(words))
    monkeypatch.setattr(staff, "give_password", lambda _actor, *words: calls.append(words))
    assert run("user", "add", "grace", "--role", "operator", "--name", "Grace Phiri", typed="granite lantern\n").exit_code == 0
    assert run("user", "passwd", "grace", typed="violet\n").exit_code == 0
    assert calls == [("grace", "Grace Phiri", "operator", "granite lantern"), ("grace", "violet")]
    empty = run("user", "passwd", "grace", typed="")
    assert empty.exit_code == 1
    assert empty.stderr.startswith("No password was given.")


@pytest.mark.usefixtures("_no_database")
def test_a_bad_audit_verdict_is_exit_code_1(monkeypatch: pytest.MonkeyPatch) -> None:
    verdict = SimpleNamespace(ok=False, sentence="Entry 7 was changed after it was sealed.")
    monkeypatch.setitem(sys.modules, "core.services.audit", SimpleNamespace(verify=lambda _heads: verdict))
    result = run("audit", "verify")
    assert result.exit_code == 1
    assert result.stdout == "Entry 7 was changed after it was sealed.\n"


def test_the_password_of_the_database_stays_out_of_the_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    from core.settings import Settings

    with pytest.raises(database.DatabaseUnreachable) as caught:
        database.check(Settings(database_url="postgresql://clerk:s3cret@127.0.0.1:1/nothing"))
    assert "s3cret" not in caught.value.sentence
