"""What the README claims, read by a test."""

import re
import tomllib
from pathlib import Path

from typer.main import get_command

from core.access import PERMISSIONS
from core.adapters import adapters
from core.cli import app
from core.settings import Settings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()

# What each row of the table of roles stands for.
MEANINGS = {
    "look up, pay, retry, cancel own": {"accounts:lookup", "transactions:pay", "transactions:retry", "transactions:cancel_own"},
    "cancel anyone's": {"transactions:cancel"},
    "see what waits for a second person": {"approvals:read"},
    "say from which amounts on a second person decides": {"approvals:rules"},
    "approve, resolve, reverse": {"transactions:approve", "transactions:resolve", "transactions:reverse", "transactions:waive"},
    "transactions and their stories": {"transactions:read"},
    "dashboard and analytics": {"statistics:read"},
    "put off for a while what needs attention": {"attention:put_off"},
    "export transactions": {"transactions:export"},
    "see what others exported": {"exports:read"},
    "save views of the list, and share them": {"views:save"},
    "say what a role's list opens with": {"views:manage"},
    "make reports and take them away": {"reports:read"},
    "say which reports are made by themselves": {"reports:schedule"},
    "billers' statements: import them, and work their differences through": {"reconciliation:read", "reconciliation:import"},
    "sign a biller's day off, and reopen one": {"reconciliation:close"},
    "receipts, and prepaid tokens with a reason": {"receipts:print", "tokens:reveal"},
    "configure billers, and decide about another's change": {"billers:configure", "billers:approve"},
    "see who did what, and verify the audit chain": {"audit:read", "audit:verify"},
    "look after people: who they are, what they see, where they are signed in": {"people:read", "people:manage"},
    "say what each role may do": {"people:roles"},
    "let a program act in one's name, by an API token": {"api:tokens"},
    "see who was told of what, and what became of it": {"notifications:read"},
    "say who is told of what, by which way, and from where on an alert is raised": {"notifications:manage"},
    "see what works in the background": {"jobs:read"},
    "retry and cancel work in the background, and start it by hand": {"jobs:manage"},
    "sign the restore gate off": {"gate:sign_off"},
    "let monitoring read its figures": {"metrics:read"},
}


def test_the_configuration_table_is_the_settings() -> None:
    table = README.partition("| variable |")[2]
    rows = dict(re.findall(r"^\| `([A-Z0-9_]+)` \| .* \| (.+) \|$", table, re.MULTILINE))
    assert rows == {name.upper(): field.description for name, field in Settings.model_fields.items()}


def test_every_command_it_names_exists() -> None:
    command = get_command(app)
    for line in re.findall(r"billers ((?:[a-z-]+ ?){1,2})", "\n".join(re.findall(r"```sh\n(.*?)```", README, re.DOTALL))):
        words = line.split()
        group = command
        for word in words:
            if not hasattr(group, "commands"):
                break
            assert word in group.commands, f"billers {line} does not exist"
            group = group.commands[word]


def test_every_biller_stands_in_its_list_with_its_dialects() -> None:
    table = README.partition("| biller |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| (`[A-Z_`, ]+`) \| .* \| (.+) \|$", table, re.MULTILINE)
    listed = {code: dialects for codes, dialects in rows for code in re.findall(r"`([A-Z_]+)`", codes)}
    assert set(listed) == set(adapters())
    words = {"soap": "SOAP", "esb": "ESB", "erecharge": "eRecharge", "rest": "REST"}
    for code, adapter in adapters().items():
        assert {word for word in words.values() if word in listed[code]} == {words[dialect] for dialect in adapter.dialects}, code


def test_every_permission_of_a_role_is_told_of() -> None:
    """A right that stands in no row of the table would be given away unseen."""
    told = {"people:sign_in", "billers:read", "transactions:check"}
    told |= {permission for row in MEANINGS.values() for permission in row}
    assert set(PERMISSIONS) == told


def test_every_make_target_it_names_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"make ([a-z]+)", README)) & {"run", "test", "lint"} <= targets


def test_the_permission_table_is_the_seeds() -> None:
    roles = {code: set(role["permissions"]) for code, role in tomllib.loads((ROOT / "seeds" / "roles.toml").read_text()).items()}
    table = README.partition("## Who may do what")[2].partition("\n## ")[0]
    header, _, *rows = [line.strip("|").split("|") for line in table.strip().splitlines()]
    for row in rows:
        for role, mark in zip((cell.strip() for cell in header[1:]), row[1:], strict=True):
            held = MEANINGS[row[0].strip()] & roles[role]
            assert held == (MEANINGS[row[0].strip()] if "●" in mark else set()), f"{row[0]} for {role}"


def test_the_pictures_it_shows_are_there() -> None:
    assert all((ROOT / path).is_file() for path in re.findall(r"!\[[^]]*\]\(([^)]+)\)", README))
