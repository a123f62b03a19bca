"""The gate: its stages are a table, run in order. It knows one rule: the first stage that fails ends it."""

# ruff: noqa: E402, S603, TID251 - it writes no bytecode beside itself, runs our own tools, and before there is a core.settings to ask.

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True

import setup

PYTEST_REST = ("tests", *(f"--ignore=tests/{alone}" for alone in ("browser", "matrix", "campaign", "attacks", "api", "processes", "day")))

# Each file on one of several processes, each of which has a database server of its own. What is left out here watches the clock, and has the machine to
# itself.
AT_ONCE = ("-n", "auto", "--maxprocesses=4", "--dist=loadfile")
# Its tests wait for clocks more than they work.
TWO_AT_ONCE = ("-n", "2", "--dist=loadfile")

# Name, then a program of the environment with its arguments. No stage is skipped: a missing directory is a failure.
LINT: dict[str, tuple[str, ...]] = {
    "ruff check": ("ruff", "check", "."),
    "ruff format": ("ruff", "format", "--check", "."),
    "mypy": ("mypy",),
    "import-linter": ("lint-imports",),
}
TESTS: dict[str, tuple[str, ...]] = {
    "tests": ("python", "-m", "pytest", *PYTEST_REST, *AT_ONCE, "--cov=core", "--cov-report=term"),
    "fault matrix": ("python", "-m", "pytest", "tests/matrix", *TWO_AT_ONCE),
    # One console, worker and sandbox for all of its files.
    "HTTP API": ("python", "-m", "pytest", "tests/api"),
    "processes": ("python", "-m", "pytest", "tests/processes"),
    "browser tests": ("python", "-m", "pytest", "tests/browser"),
    # All in one stage, a real browser included: at its end stands the table of what was tried, and what it lacks fails it.
    "attacks": ("python", "-m", "pytest", "tests/attacks", *TWO_AT_ONCE),
    "fault campaign": ("python", "-m", "pytest", "tests/campaign", "-s"),
    "day at the bank": ("python", "-m", "pytest", "tests/day", "-s", "--timeout=1200"),
}
SUITES = {"lint": LINT, "test": {**LINT, **TESTS}, "matrix": {"fault matrix": TESTS["fault matrix"]}, "attacks": {"attacks": TESTS["attacks"]}}


def main(suite: str) -> int:
    results: list[tuple[str, float, bool]] = []
    began = time.monotonic()
    environment = _set_up(wants_browser=suite in ("test", "attacks"), results=results)
    if environment is not None:
        for name, command in SUITES[suite].items():
            if not _run(name, command, environment, results):
                break
    _summary(results, SUITES[suite], time.monotonic() - began)
    return 0 if all(passed for *_, passed in results) else 1


def _set_up(*, wants_browser: bool, results: list[tuple[str, float, bool]]) -> dict[str, str] | None:
    """What the stages run in; None if it could not be made."""
    began = time.monotonic()
    _headline("setup")
    try:
        venv = setup.environment()
        chromium = {"BILLERS_CHROMIUM": str(setup.browser())} if wants_browser else {}
        if wants_browser:
            setup.browser_driver(venv)
    except SystemExit:
        results.append(("setup", time.monotonic() - began, False))
        return None
    results.append(("setup", time.monotonic() - began, True))
    return {**os.environ, **_caches(venv), **chromium, "VIRTUAL_ENV": str(venv), "PATH": f"{venv / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}


def _caches(venv: Path) -> dict[str, str]:
    """Everything that tools leave behind lies in the environment: the checkout may be somebody else's."""
    caches = venv / "cache"
    caches.mkdir(exist_ok=True)
    return {
        "RUFF_CACHE_DIR": str(caches / "ruff"),
        "MYPY_CACHE_DIR": str(caches / "mypy"),
        "COVERAGE_FILE": str(caches / "coverage"),
        "HYPOTHESIS_STORAGE_DIRECTORY": str(caches / "hypothesis"),
        "PYTHONPYCACHEPREFIX": str(caches / "bytecode"),
        "PYTEST_ADDOPTS": f"{os.environ.get('PYTEST_ADDOPTS', '')} -o cache_dir='{caches / 'pytest'}'",
    }


def _run(name: str, command: tuple[str, ...], environment: dict[str, str], results: list[tuple[str, float, bool]]) -> bool:
    began = time.monotonic()
    _headline(name)
    program, *arguments = command
    if program == "lint-imports":
        arguments = [*arguments, "--cache-dir", str(Path(environment["VIRTUAL_ENV"]) / "cache" / "import-linter")]
    tool = Path(environment["VIRTUAL_ENV"]) / "bin" / program
    passed = subprocess.run([tool, *arguments], cwd=setup.CHECKOUT, env=environment, check=False).returncode == 0
    results.append((name, time.monotonic() - began, passed))
    return passed


def _headline(name: str) -> None:
    print(f"\n── {name} ".ljust(80, "─"), flush=True)


def _summary(results: list[tuple[str, float, bool]], stages: dict[str, tuple[str, ...]], seconds: float) -> None:
    _headline("summary")
    for name, took, passed in results:
        print(f"{'✓' if passed else '✗'} {name:<20}{took:>8.1f} s{'' if passed else '   failed'}")
    done = {name for name, *_ in results}
    for name in stages:
        if name not in done:
            print(f"- {name:<20}{'not run':>10}")
    print(f"  {'total':<20}{seconds:>8.1f} s", flush=True)


if __name__ == "__main__":
    setup.require_python()
    try:
        raise SystemExit(main(sys.argv[1] if len(sys.argv) > 1 else "test"))
    except KeyboardInterrupt:
        setup.give_up("\nInterrupted.")
