"""What lists or tells something says it to programs as well; the line is completed by the shell."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from typer.main import get_command

from core.cli import app
from core.services.job_table import KINDS
from core.settings import CHECKOUT
from tests.cli.conftest import Script

# Every command that lists or tells: what it is asked, and what its document has.
TELLS: tuple[tuple[tuple[str, ...], Any], ...] = (
    (("doctor",), lambda told: {"check", "finding", "sentence"} == set(told[0])),
    (("user", "list"), lambda told: {"username", "display_name", "role", "disabled"} == set(told[0])),
    (("audit", "list"), lambda told: told[0]["seq"] > 0 and told[0]["details"] is not None),
    (("audit", "verify"), lambda told: told["ok"] is True and told["head_hash"] is not None),
    (("keys", "list"), lambda told: told[0]["name"] == "k1"),
    (("gate",), lambda told: told == {"open": True, "gate": None}),
    (("config",), lambda told: told == []),
    (("retention",), lambda told: told[0]["bytes"] >= 0),
    (("rollups", "verify"), lambda told: told["ok"] in (True, False)),
    (("jobs",), lambda told: {one["name"] for one in told["schedules"]} == set(KINDS)),
)

# They do something, and tell how it went by their exit code and a line.
ACTS = {
    *("up", "web", "worker", "sandbox", "migrate", "seed", "roles"),
    *("user add", "user disable", "user passwd", "user reset-totp", "keys add", "keys rotate", "keys retire"),
    *("gate sign-off", "config approve", "config reject", "rollups rebuild", "reports make-due"),
    *("jobs retry", "jobs cancel", "jobs run", "jobs work", "sandbox statement"),
}


@pytest.mark.parametrize(("words", "is_right"), TELLS, ids=lambda value: " ".join(value) if isinstance(value, tuple) else "")
def test_what_tells_something_tells_it_as_a_document(script: Script, words: tuple[str, ...], is_right: Any) -> None:
    result = script(*words, "--json")
    assert is_right(json.loads(result.stdout)), result.output


def commands() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        inner = getattr(command, "commands", None)
        if inner is None or command.invoke_without_command:
            found[name] = command
        for below, one in (inner or {}).items():
            found[f"{name} {below}"] = one
    return found


def test_every_command_tells_or_acts() -> None:
    with_json = {name for name, command in commands().items() if any("--json" in option.opts for option in command.params)}
    assert {" ".join(words) for words, _ in TELLS} | {"pay", "lookup", "export", "report", "reconcile"} == with_json
    assert set(commands()) == with_json | ACTS


def test_what_is_on_the_record_is_found_by_the_words_of_the_page(script: Script) -> None:
    name = f"{script.person.username}"
    found = json.loads(script("audit", "list", f"action:api_key.made who:{name}", "--json").stdout)
    assert [(one["action"], one["actor_name"]) for one in found] == [("api_key.made", name)]
    assert "api_key.made" in script("audit", "list", f"who:{name}").stdout
    refused = script("audit", "list", "colour:red")
    assert (refused.exit_code, refused.stdout) == (1, "")


def asked_by_a_shell(**variables: str) -> str:
    environment = {**os.environ, **variables}  # noqa: TID251 - what a child process gets
    program = [str(CHECKOUT / ".venv" / "bin" / "billers")] if (CHECKOUT / ".venv" / "bin" / "billers").exists() else [sys.executable, "-m", "core.cli"]
    return subprocess.run(program, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False).stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_can_complete_the_line(shell: str) -> None:
    assert "_BILLERS_COMPLETE" in asked_by_a_shell(_BILLERS_COMPLETE=f"source_{shell}")


@pytest.mark.parametrize(
    ("line", "completed"),
    [("rec", ["reconcile"]), ("keys re", ["retire"]), ("audit ", ["list", "verify"]), ("report --f", ["--format"]), ("pay --bu", ["--bundle"])],
)
def test_what_was_begun_is_completed(line: str, completed: list[str]) -> None:
    words = f"billers {line}"
    told = asked_by_a_shell(_BILLERS_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=str(len(words.split(" ")) - 1))
    assert sorted(told.split()) == completed
