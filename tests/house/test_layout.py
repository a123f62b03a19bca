"""The house in order: what may stand at the top, that each module says what it knows, that services are guarded."""

import ast
import importlib
import inspect
import pkgutil
import subprocess
from pathlib import Path

import pytest

import core
import core.services
from core.access import PERMISSIONS

ROOT = Path(__file__).parents[2]

TOP_LEVEL = {
    *("Home.py", "pages", "core", "migrations", "seeds", "tests", ".streamlit", "pyproject.toml", "README.md"),
    *("Makefile", ".ci", "bench", "requirements.lock", "CHANGELOG.md", ".gitignore"),
}

# Services that no person calls: the worker's, the command line's, and what other services are made of.
WITHOUT_AN_ACTOR = {
    *("breaks", "breakers", "claims", "core_banking", "errands", "moves", "pinned", "policy", "scope", "seeds", "settlement", "sweeps", "wake", "workers"),
}


def _tracked() -> list[str]:
    try:
        listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    except (OSError, subprocess.CalledProcessError):
        # A checkout without git (a bare machine's copy) is read as it lies there.
        return [path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py") if ".venv" not in path.parts]
    return listed


def test_nothing_stands_at_the_top_that_has_no_place_there() -> None:
    assert {path.partition("/")[0] for path in _tracked()} <= TOP_LEVEL


@pytest.mark.parametrize("path", [path for path in _tracked() if path.endswith(".py") and path.startswith(("core/", "pages/", "migrations/", "tests/"))])
def test_a_module_opens_by_saying_what_it_knows(path: str) -> None:
    source = (ROOT / path).read_text()
    if source.strip() and not path.endswith("tests/__init__.py"):
        assert ast.get_docstring(ast.parse(source)), f"{path} does not say what it is for"


def test_the_map_names_every_part_of_core() -> None:
    parts = {module.name for module in pkgutil.iter_modules(core.__path__)}
    told = {word.strip(",") for line in (core.__doc__ or "").splitlines() for word in line.partition("  ")[0].split()}
    assert parts <= told, f"core/__init__.py does not mention {sorted(parts - told)}"


def test_every_service_a_person_calls_names_its_permission() -> None:
    unguarded = []
    for found in pkgutil.iter_modules(core.services.__path__):
        if found.name in WITHOUT_AN_ACTOR:
            continue
        module = importlib.import_module(f"core.services.{found.name}")
        for name, service in inspect.getmembers(module, inspect.isfunction):
            takes_actor = "actor" in inspect.signature(service).parameters
            if service.__module__ == module.__name__ and not name.startswith("_") and takes_actor and getattr(service, "needs", None) not in PERMISSIONS:
                unguarded.append(f"{found.name}.{name}")
    # These only say beforehand what the guarded services will answer, or are a part of them.
    assert unguarded == ["api_tokens.grantable", "billers.chosen", "payments.actions"]


@pytest.mark.parametrize("page", sorted((ROOT / "pages").glob("*.py")), ids=lambda page: page.stem)
def test_a_pages_first_statement_is_its_guard(page: Path) -> None:
    """On a fresh server a page can be run without the main script: only its own first statement stands between it and a stranger."""
    body = [node for node in ast.parse(page.read_text()).body if not isinstance(node, ast.Import | ast.ImportFrom)]
    first = next(node for node in body if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)))
    calls = [node.func.id for node in ast.walk(first) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    assert "guard" in calls or page.stem == "sign_in", f"{page.name} begins with {ast.unparse(first)[:60]}"


def test_no_file_names_a_registry_or_this_machine() -> None:
    # Written apart so that this file does not name them.
    forbidden = ["pypi" + ".org", "pythonhosted" + ".org", "registry.npmjs" + ".org", "deb.debian" + ".org", "/work" + "/main", "/opt" + "/pypi"]
    texts = [path for path in _tracked() if path.endswith((".py", ".md", ".toml", ".lock", ".sql", ".mako")) or path in ("Makefile", ".ci/run")]
    found = [(path, word) for path in texts for word in forbidden if word in (ROOT / path).read_text()]
    assert not found
