"""Loads what a console needs before its first day. Loading twice changes nothing."""

import importlib.util
import json
import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import text

from core.access import PERMISSIONS, SYSTEM
from core.db import unit_of_work
from core.errors import Misconfigured
from core.ids import new_id
from core.models import User
from core.repositories.people import People
from core.repositories.staff import Staff
from core.security import audit, passwords, vault
from core.settings import CHECKOUT, settings

SEEDS = CHECKOUT / "seeds"

# One of each role to try everything with, and a second manager and administrator: what one proposes another approves.
SANDBOX_PEOPLE = (
    ("grace", "Grace Banda", "operator"),
    ("chikondi", "Chikondi Phiri", "analyst"),
    ("mphatso", "Mphatso Mwale", "manager"),
    ("tiyamike", "Tiyamike Gondwe", "manager"),
    ("limbani", "Limbani Chirwa", "administrator"),
    ("thokozani", "Thokozani Nyirenda", "administrator"),
)


def load() -> list[str]:
    """Roles, billers and, in sandbox mode only, people to sign in as. Returns one line per thing done."""
    with unit_of_work() as session:
        # Two starters at once: the second finds everything there.
        session.execute(text("SELECT pg_advisory_xact_lock(hashtext('billers.seeds'))"))
        lines = _load_roles(People(session), Staff(session).edited())
    if settings().billers_sandbox:
        vault.ensure_ring()
    lines += _load_billers()
    if settings().billers_sandbox:
        lines += _load_sandbox_people()
    return lines


def sign_ins_path() -> Path:
    return settings().billers_data_dir / "sandbox-sign-ins.json"


def sandbox_sign_ins() -> Sequence[Mapping[str, str]]:
    """The generated sign-ins: name, role, username, password. Nothing outside sandbox mode."""
    if not settings().billers_sandbox:
        return []
    try:
        found: Sequence[Mapping[str, str]] = json.loads(sign_ins_path().read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return []
    return found


def read_roles(path: Path = SEEDS / "roles.toml") -> Mapping[str, tuple[str, frozenset[str]]]:
    """Title and permissions by role. Raises Misconfigured at a permission that the console does not know."""
    with path.open("rb") as file:
        document: Mapping[str, Any] = tomllib.load(file)
    roles = {code: (str(role["title"]), frozenset(map(str, role["permissions"]))) for code, role in document.items()}
    for code, (_, permissions) in roles.items():
        if unknown := sorted(permissions - PERMISSIONS.keys()):
            raise Misconfigured(f"{path.name} gives {code} the permission {unknown[0]}, which does not exist. Correct it; core/access.py lists them all.")
    return roles


def _load_roles(people: People, edited: frozenset[str]) -> list[str]:
    """What somebody edited on the People page is the bank's own, and stays: the page says how it differs from what is delivered."""
    wanted = {code: role for code, role in read_roles().items() if code not in edited}
    there, titles = people.permissions_by_role(), people.roles()
    lines = []
    for code, (title, permissions) in wanted.items():
        if titles.get(code) != title or there.get(code, frozenset()) != permissions:
            people.keep_role(code, title, permissions)
            lines.append(f"Role {code}: {len(permissions)} permissions.")
    return lines


def _load_billers() -> list[str]:
    if importlib.util.find_spec("core.services.billers") is None:
        return []
    module = importlib.import_module("core.services.billers")
    return list(module.load_seeds())


def _load_sandbox_people() -> list[str]:
    """The people and the file with their passwords, the one made to fit the other. Passwords that are there stay."""
    known = {row["username"]: row["password"] for row in sandbox_sign_ins()}
    rows, lines = [], []
    with unit_of_work() as session:
        session.execute(text("SELECT pg_advisory_xact_lock(hashtext('billers.seeds'))"))
        people = People(session)
        for username, name, role in SANDBOX_PEOPLE:
            there = people.named(username)
            if there is not None and not there.sandbox:
                continue  # A real person of that name: none of our business.
            password = known.get(username) or passwords.generate()
            rows.append({"name": name, "role": role, "username": username, "password": password})
            if there is None:
                there = User(id=new_id(), username=username, display_name=name, role=role, password_hash=passwords.hash_of(password), sandbox=True)
                people.add(there)
                audit.record(session, SYSTEM, "user.added", "user", there.id, username=username, role=role, sandbox=True)
                lines.append(f"Sandbox sign-in: {name}, {role}.")
            elif username not in known or not passwords.matches(password, there.password_hash):
                # The file was lost, or the database was: a sign-in that nobody knows the password of helps nobody.
                there.password_hash = passwords.hash_of(password)
                people.end_sessions_of(there.id, "new password")
                audit.record(session, SYSTEM, "user.password_set", "user", there.id, sandbox=True)
                lines.append(f"Sandbox sign-in: {name}, {role}, with a new password.")
        # Inside the transaction: people without the file would be useless, the file without people is mended at the next start.
        _write_privately(sign_ins_path(), json.dumps(rows, indent=2, ensure_ascii=False) + "\n")
    return lines


def _write_privately(path: Path, content: str) -> None:
    if path.exists() and path.read_text(encoding="utf-8") == content and path.stat().st_mode & 0o077 == 0:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(f".new-{os.getpid()}")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(content)
    fresh.replace(path)
