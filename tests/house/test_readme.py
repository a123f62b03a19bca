"""What the README claims, read by a test."""

import re
import tomllib
from pathlib import Path

from typer.main import get_command

from core.cli import app
from core.settings import Settings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_the_configuration_table_is_the_settings() -> None:
    rows = dict(re.findall(r"^\| `([A-Z0-9_]+)` \| .* \| (.+) \|$", README, re.MULTILINE))
    assert rows == {name.upper(): field.description for name, field in Settings.model_fields.items()}


def test_every_command_it_names_exists() -> None:
    command = get_command(app)
    for line in re.findall(r"billers ((?:[a-z]+ ?){1,2})", "\n".join(re.findall(r"```sh\n(.*?)```", README, re.DOTALL))):
        words = line.split()
        group = command
        for word in words:
            if not hasattr(group, "commands"):
                break
            assert word in group.commands, f"billers {line} does not exist"
            group = group.commands[word]


def test_every_make_target_it_names_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"make ([a-z]+)", README)) & {"run", "test", "lint"} <= targets


def test_the_permission_table_is_the_seeds() -> None:
    meanings = {
        "look up, pay, retry, cancel own": {"accounts:lookup", "transactions:pay", "transactions:retry", "transactions:cancel_own"},
        "cancel anyone's": {"transactions:cancel"},
        "transactions and their stories": {"transactions:read"},
        "verify the audit chain": {"audit:verify"},
    }
    roles = {code: set(role["permissions"]) for code, role in tomllib.loads((ROOT / "seeds" / "roles.toml").read_text()).items()}
    table = README.partition("## Who may do what")[2].partition("\n## ")[0]
    header, _, *rows = [line.strip("|").split("|") for line in table.strip().splitlines()]
    for row in rows:
        for role, mark in zip((cell.strip() for cell in header[1:]), row[1:], strict=True):
            held = meanings[row[0].strip()] & roles[role]
            assert held == (meanings[row[0].strip()] if "●" in mark else set()), f"{row[0]} for {role}"


def test_the_pictures_it_shows_are_there() -> None:
    assert all((ROOT / path).is_file() for path in re.findall(r"!\[[^]]*\]\(([^)]+)\)", README))
