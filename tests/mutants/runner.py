"""Puts each mutant into a copy of the checkout, and runs the tests that must notice it. The checkout itself is never touched."""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Queue

from sqlalchemy.engine import URL

from core import clock
from core.launch.embedded import EmbeddedPostgres
from core.settings import CHECKOUT, DATABASE_PORT, DATABASE_ROLE, child_environment
from tests.mutants.table import Edit, Mutant
from tests.world import GIVEN_DATABASE_URL

# What a copy is made of: everything that tests read.
COPIED = ("core", "tests", "seeds", "migrations", "pages", "Home.py", "pyproject.toml", "README.md", "Makefile", ".streamlit")

# Two copies at work at once, each on a core of its own.
COPIES = 2

LONGEST_SECONDS = 240

# pytest's word for "tests ran, and some failed". Anything else, an import that breaks included, proves nothing about a mutant.
TESTS_FAILED = 1


@dataclass(frozen=True, slots=True)
class Run:
    """What became of the tests. `noticed_by` is the first that failed, and `why` the first line of what it said."""

    exit_code: int
    failed: int
    passed: int
    noticed_by: str
    why: str
    seconds: float
    output: str

    @property
    def is_caught(self) -> bool:
        return self.exit_code == TESTS_FAILED and self.failed > 0

    @property
    def is_green(self) -> bool:
        return self.exit_code == 0 and self.passed > 0


def applied(edit: Edit, source: str) -> str:
    """The source with the one place changed. Raises where that place is not there, or there more than once."""
    if source.count(edit.old) != 1:
        raise LookupError(f"{edit.file} has this {source.count(edit.old)} times, and a mutant changes one place: {edit.old!r}")
    return source.replace(edit.old, edit.new)


class Copy:
    """A copy of the checkout that may be spoilt."""

    def __init__(self, directory: Path, database_url: str) -> None:
        self._directory = directory
        self._database_url = database_url
        for name in COPIED:
            source = CHECKOUT / name
            if source.is_dir():
                shutil.copytree(source, directory / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(source, directory / name)

    @contextmanager
    def spoilt_by(self, edits: Sequence[Edit]) -> Iterator[None]:
        before = {edit.file: (self._directory / edit.file).read_text() for edit in edits}
        try:
            for edit in edits:
                path = self._directory / edit.file
                path.write_text(applied(edit, path.read_text()))
            yield
        finally:
            for name, source in before.items():
                (self._directory / name).write_text(source)

    def test(self, tests: Sequence[str]) -> Run:
        began = clock.monotonic_seconds()
        # No bytecode: a file that is changed twice within a second would be taken for the one before.
        environment = {**child_environment(), "DATABASE_URL": self._database_url, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(self._directory)}
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", f"--timeout={LONGEST_SECONDS // 2}", "--tb=short", *tests]
        ran = subprocess.run(command, cwd=self._directory, env=environment, capture_output=True, text=True, check=False, timeout=LONGEST_SECONDS)
        return _read(ran.returncode, ran.stdout + ran.stderr, clock.monotonic_seconds() - began)


def _read(exit_code: int, output: str, seconds: float) -> Run:
    def counted(word: str) -> int:
        found = re.findall(rf"(\d+) {word}", output.rstrip().rpartition("\n")[2])
        return int(found[0]) if found else 0

    named = re.search(r"^FAILED \S+::(\w+)", output, re.MULTILINE)
    said = re.search(r"^E +(.+)$", output, re.MULTILINE)
    return Run(exit_code, counted("failed"), counted("passed"), named[1] if named else "", said[1][:100] if said else "", seconds, output)


@contextmanager
def database_server() -> Iterator[str]:
    """The server that all runs make their databases in: DATABASE_URL's, or one for as long as this takes."""
    if GIVEN_DATABASE_URL:
        yield GIVEN_DATABASE_URL
        return
    # /var/tmp, and open to pass through: as root the server runs as somebody else.
    directory = Path(tempfile.mkdtemp(prefix="billers-mutants-", dir="/var/tmp"))
    directory.chmod(0o711)
    try:
        with EmbeddedPostgres(directory, directory / "run"):
            url = URL.create("postgresql", DATABASE_ROLE, database="postgres", query={"host": str(directory / "run"), "port": str(DATABASE_PORT)})
            yield url.render_as_string(hide_password=False)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def run_all(mutants: Mapping[str, Mutant]) -> tuple[Run, dict[str, Run]]:
    """The control, with nothing changed, and then each mutant."""
    tests = sorted({test for mutant in mutants.values() for test in mutant.noticed_by})
    with database_server() as url, tempfile.TemporaryDirectory(prefix="billers-mutants-") as directory:
        copies: Queue[Copy] = Queue()
        for number in range(COPIES):
            copies.put(Copy(_made(Path(directory) / str(number)), url))

        def run(mutant: Mutant | None) -> Run:
            copy = copies.get()
            try:
                with copy.spoilt_by(mutant.edits if mutant else ()):
                    return copy.test(mutant.noticed_by if mutant else tests)
            finally:
                copies.put(copy)

        with ThreadPoolExecutor(COPIES) as pool:
            control, *ran = pool.map(run, [None, *mutants.values()])
    return control, dict(zip(mutants, ran, strict=True))


def _made(directory: Path) -> Path:
    directory.mkdir()
    return directory
