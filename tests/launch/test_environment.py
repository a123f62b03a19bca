"""`make setup`: from nothing, after an interruption, twice at once, and in a checkout that is somebody else's."""

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from .helpers import CHECKOUT, IS_ROOT, NOBODY, as_user, finish, wait_until


class Checkout:
    """A checkout with the set-up in it and one small package in its lock."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.venv = directory / ".venv"
        (directory / "core").mkdir()
        (directory / "core" / "__init__.py").touch()
        (directory / "core" / "cli.py").write_text("import tiny\n\n\ndef app(prog_name: str) -> None:\n    print(prog_name, tiny.WORD)\n")
        shutil.copytree(CHECKOUT / ".ci", directory / ".ci", ignore=shutil.ignore_patterns("__pycache__"))

    def lock(self, wheel: Path, *, digest: str = "") -> None:
        """`digest` stands in for the wheel's own, to spoil the lock."""
        digest = digest or hashlib.sha256(wheel.read_bytes()).hexdigest()
        (self.directory / "requirements.lock").write_text(f"tiny @ {wheel.as_uri()} \\\n    --hash=sha256:{digest}\n")

    def start(self, *options: str) -> "subprocess.Popen[str]":
        # The console's own environment has a Python that is a venv's; the set-up is run by the system's.
        command = [sys._base_executable, str(self.directory / ".ci" / "setup.py"), *options]  # type: ignore[attr-defined]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def set_up(self, *options: str) -> "subprocess.CompletedProcess[str]":
        process = self.start(*options)
        out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def says(self) -> str:
        return subprocess.run([self.venv / "bin" / "billers"], capture_output=True, text=True, check=False, cwd="/").stdout


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """A package of one line, as pip installs it without asking anybody."""
    path = tmp_path / "tiny-1.0-py3-none-any.whl"
    files = {
        "tiny.py": 'WORD = "works"\n',
        "tiny-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n",
        "tiny-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},sha256={_record_digest(text)},{len(text)}\n" for name, text in files.items())
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in {**files, "tiny-1.0.dist-info/RECORD": f"{record}tiny-1.0.dist-info/RECORD,,\n"}.items():
            archive.writestr(name, text)
    return path


@pytest.fixture
def checkout(tmp_path: Path, wheel: Path) -> Checkout:
    # A space in its path, as some people have.
    directory = tmp_path / "my checkout"
    directory.mkdir()
    checkout = Checkout(directory)
    checkout.lock(wheel)
    return checkout


@pytest.fixture
def setup(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(CHECKOUT / ".ci"))
    import setup as module

    yield module
    sys.modules.pop("setup", None)


def test_a_set_up_killed_in_the_middle_heals_on_the_next_run_and_two_at_once_take_turns(checkout: Checkout) -> None:
    process = checkout.start()
    wait_until(checkout.venv.exists, "the environment is being made")
    finish(process)
    assert not (checkout.venv / "billers-setup.json").exists()
    both = [checkout.start("--print-venv") for _ in range(2)]
    said = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert [out for out, _ in said] == [f"{checkout.venv}\n"] * 2
    assert sum("Installing" in err for _, err in said) == 1
    assert checkout.says() == "billers works\n"
    again = checkout.set_up()
    assert (again.returncode, again.stderr) == (0, "")


def test_a_package_that_is_not_what_the_lock_says_is_refused_and_nothing_counts_as_finished(checkout: Checkout, wheel: Path) -> None:
    checkout.lock(wheel, digest="0" * 64)
    refused = checkout.set_up()
    assert refused.returncode == 1
    assert "The packages could not be installed" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not (checkout.venv / "billers-setup.json").exists()


def test_a_checkout_that_is_somebody_elses_gets_an_environment_in_the_users_cache(setup: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(setup.os, "access", lambda *_: False)
    venv = setup.venv_dir()
    assert venv.parent == tmp_path / "cache" / "billers"
    monkeypatch.setattr(setup, "CHECKOUT", tmp_path / "another")
    assert setup.venv_dir() != venv


def test_without_root_a_missing_system_package_is_named(setup: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(setup.os, "geteuid", lambda: NOBODY)
    monkeypatch.setattr(setup.shutil, "which", lambda _name: None)
    monkeypatch.setattr(setup, "has_venv", lambda: False)
    monkeypatch.delenv("BILLERS_CHROMIUM", raising=False)
    for act, package in ((setup.browser, "chromium"), (lambda: setup.make_venv(Path("/nowhere")), "python3-venv")):
        with pytest.raises(SystemExit) as caught:
            act()
        assert caught.value.code == 1
        assert f"the package {package}" in capsys.readouterr().err


def test_an_old_python_is_a_sentence(setup: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(setup.sys, "version_info", (3, 9, 2))
    monkeypatch.setattr(setup.shutil, "which", lambda _name: None)
    with pytest.raises(SystemExit):
        setup.require_python()
    assert capsys.readouterr().err.startswith("Billers needs Python 3.11 or later")


def test_the_gate_runs_its_stages_in_order_and_stops_at_the_first_that_fails(
    setup: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    import gate

    programs = tmp_path / "bin"
    programs.mkdir()
    for name, code in {"good": 0, "bad": 1}.items():
        (programs / name).write_text(f"#!/bin/sh\necho it says {name}\nexit {code}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setattr(setup, "environment", lambda: tmp_path)
    monkeypatch.setitem(gate.SUITES, "lint", {"first": ("good",), "second": ("bad",), "third": ("good",)})
    assert gate.main("lint") == 1
    shown = capfd.readouterr().out
    assert shown.index("it says good") < shown.index("it says bad")
    summary = [line.split()[:2] for line in shown.partition("summary")[2].splitlines()[1:]]
    assert summary == [["✓", "setup"], ["✓", "first"], ["✗", "second"], ["-", "third"], ["total", summary[-1][1]]]


@pytest.mark.skipif(not IS_ROOT, reason="only root can become somebody who may not write here")
def test_the_lock_of_two_set_ups_needs_no_right_to_write(setup: ModuleType) -> None:
    def take_turns() -> None:
        with setup.only_one():
            assert not os.access(setup.__file__, os.W_OK)

    assert as_user(NOBODY, take_turns) == 0


def _record_digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
