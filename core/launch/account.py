"""Knows which operating system user runs the database server: PostgreSQL refuses to be root."""

import os
import pwd
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from core.errors import BillersError

# `postgres` is there where a distribution's PostgreSQL is; `nobody` is there on every Unix.
UNPRIVILEGED = ("postgres", "nobody")

# Nothing of the caller's environment reaches the server: PGDATA, PGPORT and PGOPTIONS would change what it does.
ENVIRONMENT: Mapping[str, str] = {"PATH": os.defpath, "LC_ALL": "C"}


class NoAccount(BillersError):
    """The embedded database cannot run as this operating system user. Give the user a name in /etc/passwd, or set DATABASE_URL."""


@dataclass(frozen=True, slots=True)
class Account:
    """An operating system user to run commands as."""

    name: str
    uid: int
    gid: int

    @property
    def is_caller(self) -> bool:
        return self.uid == os.geteuid()

    def run(self, command: Sequence[str | Path], *, text: str = "", output: IO[bytes] | int = subprocess.PIPE) -> subprocess.CompletedProcess[bytes]:
        """Run a command as this user and wait for its end; its output and its complaints come back as one text."""
        arguments = [str(word) for word in command]
        drop = {} if self.is_caller else {"user": self.uid, "group": self.gid, "extra_groups": []}
        return subprocess.run(  # type: ignore[call-overload,no-any-return]  # noqa: S603 - our own binaries, no shell
            arguments, input=text.encode(), stdout=output, stderr=subprocess.STDOUT, cwd="/", env=dict(ENVIRONMENT), umask=0o077, check=False, **drop
        )

    def reaches(self, path: Path) -> bool:
        """Whether this user may pass through, or execute, `path`. The kernel is asked: modes alone do not tell (ACLs, mounts)."""
        return self.run(["/bin/sh", "-c", 'test -x "$1"', "sh", path]).returncode == 0

    def give(self, path: Path) -> None:
        if not self.is_caller:
            os.chown(path, self.uid, self.gid)


def caller() -> Account:
    return _account(os.geteuid())


def server_account(cluster: Path) -> Account:
    """Who runs the server: the caller; for root whoever owns the cluster already, else an unprivileged user."""
    if os.geteuid() != 0:
        return caller()
    if cluster.exists() and (owner := cluster.stat().st_uid) != 0:
        return _account(owner)
    for name in UNPRIVILEGED:
        try:
            return _account(pwd.getpwnam(name).pw_uid)
        except KeyError:
            continue
    raise NoAccount("The database cannot run as root, and this system has neither a user `postgres` nor `nobody`. Add one, or set DATABASE_URL.")


def _account(uid: int) -> Account:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        raise NoAccount(f"User id {uid} has no name on this system, and PostgreSQL needs one. Add it to /etc/passwd, or set DATABASE_URL.") from None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
