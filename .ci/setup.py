"""Makes the Python environment, and finds the browser for the tests. It knows one promise: run it again and it heals what was broken off.

Standard library only, as it runs before anything is installed.
"""

# ruff: noqa: S603, S606, S607, TID251 - it runs the system's own tools, and before there is a core.settings to ask.

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

OLDEST = (3, 11)
CHECKOUT = Path(__file__).resolve().parent.parent
LOCK = CHECKOUT / "requirements.lock"
# Written last: an environment without it, or with another's, is not finished.
STAMP = "billers-setup.json"
# There while an environment is being made: a Python without pip runs, and pip takes a half unpacked package for a whole one.
UNFINISHED = "billers-setup.unfinished"
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM_PACKAGES = ("chromium", "fonts-dejavu-core")
SHOWN_LINES_OF_FAILURE = 25

LAUNCHER = """\
#!/bin/sh
'''exec' {python} "$0" "$@"
' '''
import sys

sys.path.insert(0, {checkout!r})

from core.cli import app

app(prog_name="billers")
"""


def say(text: str, end: str = "\n") -> None:
    print(text, end=end, file=sys.stderr, flush=True)


def give_up(sentence: str) -> NoReturn:
    say(sentence)
    raise SystemExit(1)


def require_python() -> None:
    """Go on under a Python that is new enough, whichever name it has."""
    if sys.version_info >= OLDEST:
        return
    for minor in range(20, OLDEST[1] - 1, -1):
        found = shutil.which(f"python3.{minor}")
        if found:
            os.execv(found, [found, *sys.argv])
    give_up(f"Billers needs Python {OLDEST[0]}.{OLDEST[1]} or later, and python3 is {sys.version.split()[0]}. Install a later one and run this again.")


# The environment.


def environment() -> Path:
    """The virtual environment with everything of requirements.lock in it, made or mended where needed."""
    venv = venv_dir()
    with only_one():
        if not is_finished(venv):
            build(venv)
    return venv


def venv_dir() -> Path:
    """`.venv` in the checkout; where that is somebody else's, a directory of this user's own for this checkout."""
    own = CHECKOUT / ".venv"
    if os.access(own if own.exists() else CHECKOUT, os.W_OK):
        return own
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    venv = caches / "billers" / f"venv-{hashlib.sha256(os.fsencode(CHECKOUT)).hexdigest()[:16]}"
    try:
        venv.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        give_up(f"Neither {CHECKOUT} nor {venv.parent} can be written ({error.strerror}). Set XDG_CACHE_HOME to a directory of yours.")
    return venv


@contextmanager
def only_one() -> Iterator[None]:
    """Two set-ups at once take turns. This very file is the lock: it is there, and everybody can read it."""
    with Path(__file__).open() as itself:
        try:
            fcntl.flock(itself, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another set-up is at work; waiting for it.")
            fcntl.flock(itself, fcntl.LOCK_EX)
        # Kept by the children, too: when a set-up is killed, its pip goes on for a while, and the next one has to wait for that.
        os.set_inheritable(itself.fileno(), True)
        yield


def stamp(venv: Path) -> dict[str, str]:
    """What a finished environment was made from. A moved checkout or another Python makes it another one."""
    return {
        "requirements": hashlib.sha256(LOCK.read_bytes()).hexdigest(),
        "launcher": hashlib.sha256(LAUNCHER.encode()).hexdigest(),
        "checkout": str(CHECKOUT),
        "venv": str(venv),
        "python": version_of(Path(sys.executable)),
    }


def is_finished(venv: Path) -> bool:
    try:
        found = json.loads((venv / STAMP).read_text())
    except (OSError, ValueError):
        return False
    return found == stamp(venv) and works(venv)


def works(venv: Path) -> bool:
    return bool(version_of(venv / "bin" / "python"))


def version_of(python: Path) -> str:
    """`3.11`, or nothing if it does not run."""
    try:
        asked = subprocess.run([python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return asked.stdout.strip() if asked.returncode == 0 else ""


def build(venv: Path) -> None:
    began = time.monotonic()
    (venv / STAMP).unlink(missing_ok=True)
    if (venv / UNFINISHED).exists() or version_of(venv / "bin" / "python") != version_of(Path(sys.executable)):
        make_venv(venv)
    (venv / UNFINISHED).touch()
    install(venv)
    script = venv / "bin" / "billers"
    script.write_text(LAUNCHER.format(python=shlex.quote(str(venv / "bin" / "python")), checkout=str(CHECKOUT)))
    script.chmod(0o755)
    fresh = venv / f"{STAMP}.new"
    fresh.write_text(json.dumps(stamp(venv)))
    (venv / UNFINISHED).unlink()
    fresh.replace(venv / STAMP)
    say(f"✓ environment ({time.monotonic() - began:.0f} s): {venv}")


def make_venv(venv: Path) -> None:
    if venv.exists():
        say(f"The environment in {venv} is incomplete; making it again.")
        shutil.rmtree(venv)
    say(f"Making a Python environment in {venv}.")
    if not has_venv():
        apt_install(["python3-venv"], "Python's venv module is not installed. Install the package python3-venv and run this again.")
        if not has_venv():
            give_up(f"{sys.executable} has no venv module, even with the package python3-venv. Install its own venv package and run this again.")
    venv.mkdir(parents=True)
    (venv / UNFINISHED).touch()
    made = subprocess.run([sys.executable, "-m", "venv", venv], capture_output=True, text=True, close_fds=False, check=False)
    if made.returncode != 0:
        give_up(f"The environment could not be made:\n{made.stdout}{made.stderr}")


def has_venv() -> bool:
    """Debian keeps `ensurepip`, without which venv makes an environment that cannot install anything, in a package of its own."""
    return subprocess.run([sys.executable, "-c", "import ensurepip, venv"], capture_output=True, check=False).returncode == 0


def install(venv: Path) -> None:
    """What is installed is exactly what requirements.lock names, by content; nothing is compiled, so no compiler is needed."""
    total = len(re.findall(r"^[\w.\[\]-]+==", LOCK.read_text(), re.MULTILINE))
    say(f"Installing {total} packages.")
    options = ["--require-hashes", "--no-deps", "--only-binary=:all:", "--no-input", "--disable-pip-version-check", "--progress-bar=off"]
    command = [venv / "bin" / "python", "-m", "pip", "install", *options, "-r", LOCK]
    shows_progress = sys.stderr.isatty()
    lines: list[str] = []
    collected = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", close_fds=False) as pip:
        for line in pip.stdout or ():
            lines.append(line.rstrip())
            # "Processing" where the package lies on this machine.
            is_package = line.startswith(("Collecting ", "Processing "))
            collected += is_package
            if shows_progress and (is_package or line.startswith("Installing ")):
                text = f"  {collected} of {total}: {Path(line.split()[1]).name}" if is_package else "  Unpacking."
                say(f"\r\x1b[K{text[:100]}", end="")
    if shows_progress:
        say("\r\x1b[K", end="")
    if pip.returncode != 0:
        say("\n".join(lines[-SHOWN_LINES_OF_FAILURE:]))
        give_up("The packages could not be installed; pip's last words are above. Check the network and run this again.")


# The browser.


def browser() -> Path:
    """The Chromium that the browser tests drive."""
    chosen = os.environ.get("BILLERS_CHROMIUM")
    if chosen:
        if not os.access(chosen, os.X_OK):
            give_up(f"BILLERS_CHROMIUM names {chosen}, which cannot be run. Correct it, or unset it.")
        return Path(chosen)
    return find_chromium() or install_chromium()


def find_chromium() -> Path | None:
    found = next((path for path in map(shutil.which, CHROMIUM_NAMES) if path), None)
    return Path(found) if found else None


def install_chromium() -> Path:
    missing = "The browser tests need Chromium. Install the package chromium, or set BILLERS_CHROMIUM to its program, and run this again."
    with only_one():
        if find_chromium() is None:
            apt_install(CHROMIUM_PACKAGES, missing)
    return find_chromium() or give_up(missing)


def browser_driver(venv: Path) -> None:
    """Playwright's wheel carries a Node.js that a minimal Debian cannot load: it wants libatomic."""
    missing = "The browser tests' driver needs libatomic. Install the package libatomic1 and run this again."
    with only_one():
        if not _driver_runs(venv):
            apt_install(["libatomic1"], missing)
    if not _driver_runs(venv):
        give_up(missing)


def _driver_runs(venv: Path) -> bool:
    for node in venv.glob("lib/python*/site-packages/playwright/driver/node"):
        return subprocess.run([node, "--version"], capture_output=True, check=False).returncode == 0
    return False


# The system's packages.


def apt_install(packages: Sequence[str], sentence: str) -> None:
    """Install Debian packages as root; anybody else is told which."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        give_up(sentence)
    say(f"Installing system packages: {' '.join(packages)}.")
    # Recommended packages would be a desktop's worth.
    for arguments in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
        done = subprocess.run(
            ["apt-get", "-q", *arguments],
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            close_fds=False,
            check=False,
        )
        if done.returncode != 0:
            say("\n".join(done.stdout.splitlines()[-SHOWN_LINES_OF_FAILURE:]))
            give_up(f"apt-get {arguments[0]} failed; its last words are above. {sentence}")


def main() -> None:
    require_python()
    parser = argparse.ArgumentParser(description="Make the Python environment.")
    parser.add_argument("--print-venv", action="store_true", help="print where the environment is")
    parser.add_argument("--browser", action="store_true", help="see to a Chromium for the browser tests, too")
    options = parser.parse_args()
    venv = environment()
    if options.browser:
        browser()
        browser_driver(venv)
    if options.print_venv:
        print(venv)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        give_up("\nInterrupted. Run it again, and it goes on.")
