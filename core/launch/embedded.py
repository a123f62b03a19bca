"""A small supervisor of an embedded PostgreSQL. It knows one thing: the server runs exactly while somebody is attached to it.

Two locks say so: one is held alone to start and to stop, the other is shared while attached; the last to leave stops the server.
If whoever started it is killed, the server runs on, and the next to attach adopts it.
"""

import contextlib
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg

from core.errors import BillersError
from core.launch import account, binaries, locks
from core.launch.account import Account
from core.settings import DATABASE_NAME, DATABASE_PORT, DATABASE_ROLE, PROGRAM_ROLES, REPORTS_ROLE

# Owns the system catalogs. Nobody can sign in as it: pg_hba.conf knows the tables' owner and the programs' roles only.
SUPERUSER = "postgres"
IDENTITY_MAP = "launcher"

# Crash recovery after a power cut may replay `max_wal_size`; on a slow disk that takes minutes, not seconds.
START_SECONDS = 300
STOP_SECONDS = 120
# Backends notice their postmaster's death within milliseconds, unless they are busy.
LEFTOVER_SECONDS = 5
POLL_SECONDS = 0.02
LARGEST_LOG_BYTES = 50_000_000

# Written anew at each start. fsync, full_page_writes and synchronous_commit are on by default, and stated so that nothing turns them off.
CONFIGURATION = {
    "listen_addresses": "''",
    "port": str(DATABASE_PORT),
    "unix_socket_permissions": "0700",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "max_connections": "200",
    "max_wal_size": "4GB",
    "wal_compression": "on",
    "checkpoint_completion_target": "0.9",
    "random_page_cost": "1.1",
    "timezone": "'UTC'",
    "log_timezone": "'UTC'",
    "log_line_prefix": "'%m [%p] %q%a '",
    "log_lock_waits": "on",
    "log_min_duration_statement": "2s",
    # After a restart it reads what it held before: lists of ten million rows are as quick as they were.
    "shared_preload_libraries": "'pg_prewarm'",
}

# In megabytes: what the server holds in memory of its own, at least and at most, whatever the machine has.
LEAST_BUFFERS, MOST_BUFFERS = 128, 16_384

# How much a container may use, where one says so.
LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))

# By name, too: somebody's shell may stand in the directory.
PROCESSES_WORKING_IN = """
for process in /proc/[0-9]*; do
    [ "$process/cwd" -ef "$1" ] && read -r name < "$process/comm" && [ "$name" = postgres ] && echo "${process#/proc/}"
done 2>/dev/null
true
"""

PERMISSIONS = f"""\
# Written by Billers at each start: these roles, over the socket, and only for the system users in pg_ident.conf.
local all {",".join((DATABASE_ROLE, *PROGRAM_ROLES))} peer map={IDENTITY_MAP}
"""

# In single-user mode a statement ends with its line. None of these owns anything, makes anything, or is a member of another; the owner is one of each, and so
# sees what they ask and can end it.
MAKE_ROLES = (
    *(
        f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN CREATE ROLE {role} LOGIN; END IF; END $$;\n"
        f"GRANT {role} TO {DATABASE_ROLE};\n"
        for role in PROGRAM_ROLES
    ),
    f"ALTER ROLE {REPORTS_ROLE} SET default_transaction_read_only = on;\n",
)

# In the cluster, once its roles are made: one that an earlier version made has only the owner.
ROLES_MADE = "billers.roles"


def _memory() -> dict[str, str]:
    """Two fifths of the machine's memory for the server's own buffers, which is as much as is of use to it, and half of it for them and files together.

    What it holds by itself is there whenever a page asks for it: what the operating system holds of files is given to whoever asks last. The console needs
    the least.
    """
    limits = [int(text) for path in LIMITS if path.exists() and (text := path.read_text().strip()).isdigit()]
    megabytes = min([os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), *limits]) // 2**20
    buffers = min(max(megabytes * 2 // 5, LEAST_BUFFERS), MOST_BUFFERS)
    return {"shared_buffers": f"{buffers}MB", "effective_cache_size": f"{max(megabytes // 2, LEAST_BUFFERS)}MB"}


class DatabaseNotStarted(BillersError):
    """The embedded database did not start. Its log, postgres.log in the data directory, says why."""


class EmbeddedPostgres:
    """The embedded server of one data directory.

    `with EmbeddedPostgres(data_dir, socket_dir): …` is a stay: the server answers, with the role and the database made, until the block ends.
    """

    def __init__(self, data_dir: Path, socket_dir: Path) -> None:
        self.data_dir = data_dir.absolute()
        self.socket_dir = socket_dir.absolute()
        self.cluster = self.data_dir / "pgdata"
        self.log = self.data_dir / "postgres.log"
        self._start_lock = self.data_dir / "postgres.start.lock"
        self._attendance = locks.Attendance(self.data_dir / "postgres.attached.lock")

    def __enter__(self) -> Self:
        self.attach()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.detach()

    def attach(self) -> None:
        """Start the server unless it runs, wait until it answers, and count as attached. Raises DatabaseNotStarted."""
        self._make_data_dir()
        with locks.exclusive(self._start_lock):
            self._ensure_running()
            if not self._attendance.is_held:
                self._attendance.enter()

    def detach(self) -> None:
        """Leave; the last to leave stops the server. Harmless when not attached."""
        if not self._attendance.is_held:
            return
        with locks.exclusive(self._start_lock):
            if self._attendance.leave():
                self._stop("fast")

    @property
    def pid(self) -> int | None:
        """The running server's process, or None. A stale `postmaster.pid`, its number perhaps taken by a stranger, does not count."""
        noted = self._noted_pid()
        return noted if noted in self._processes() else None

    def start(self) -> None:
        """Start the server again after an accident, for whoever is attached."""
        with locks.exclusive(self._start_lock):
            self._ensure_running()

    def stop_immediate(self) -> None:
        """Stop without a checkpoint, as a power cut would, but with every process gone. For tests of accidents."""
        with locks.exclusive(self._start_lock):
            self._stop("immediate")

    def kill(self) -> None:
        """SIGKILL the server, and nothing else. For tests of accidents."""
        if pid := self.pid:
            os.kill(pid, signal.SIGKILL)
            _wait_until(lambda: self.pid is None, STOP_SECONDS)

    # Start and stop. The caller holds the start lock.

    def _ensure_running(self) -> None:
        server = account.server_account(self.cluster)
        if self.pid is None:
            self._check_version()
            self._make_reachable(server)
            programs = binaries.programs_for(server, self.data_dir)
            if not self.cluster.exists():
                self._initialize(server, programs)
            self._clear_leftovers()
            self._start_server(server, programs)
        self._wait_for_answer()
        self._make_database()

    def _start_server(self, server: Account, programs: Path) -> None:
        self._configure(server)
        self._make_roles(server, programs)
        self._make_log(server)
        started = server.run([programs / "pg_ctl", "start", "-D", self.cluster, "-l", self.log, "-s", "-w", "-t", str(START_SECONDS)])
        # A killed launcher's `pg_ctl` may have been quicker than ours: then the server is there all the same.
        if started.returncode != 0 and self.pid is None:
            raise DatabaseNotStarted(f"The embedded database did not start. Its log, {self.log}, ends with:\n{self._end_of_log()}")

    def _stop(self, mode: str) -> None:
        if self.pid is None:
            return
        server = account.server_account(self.cluster)
        pg_ctl = binaries.programs_for(server, self.data_dir) / "pg_ctl"
        stopped = server.run([pg_ctl, "stop", "-D", self.cluster, "-s", "-w", "-m", mode, "-t", str(STOP_SECONDS)])
        if stopped.returncode != 0 and self.pid is not None:
            server.run([pg_ctl, "stop", "-D", self.cluster, "-s", "-w", "-m", "immediate"])

    def _clear_leftovers(self) -> None:
        """After a SIGKILL of the server, end the processes it left, then drop a pid file that nobody believes but PostgreSQL.

        In that order: the file is how PostgreSQL itself finds out that old processes still write here.
        """
        for number in (signal.SIGQUIT, signal.SIGKILL):
            for pid in self._processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            if _wait_until(lambda: not self._processes(), LEFTOVER_SECONDS):
                break
        # PostgreSQL forgives a number that nobody has. It stops at a stranger's, and at a zombie's, which stays where nothing reaps (many containers).
        if (noted := self._noted_pid()) and _exists(noted):
            (self.cluster / "postmaster.pid").unlink()
            (self.socket_dir / f".s.PGSQL.{DATABASE_PORT}.lock").unlink(missing_ok=True)

    def _wait_for_answer(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self._connect().close()
            except psycopg.OperationalError as error:
                if self.pid is None or time.monotonic() > deadline:
                    raise DatabaseNotStarted(
                        f"The embedded database does not answer. The end of its log, {self.log}, says why:\n{self._end_of_log()}"
                    ) from error
                if "authentication failed" in str(error):
                    raise DatabaseNotStarted(
                        f"The embedded database in {self.data_dir} was started by another user. Stop it there, or choose another BILLERS_DATA_DIR."
                    ) from error
                _pause()
            else:
                return

    def _make_database(self) -> None:
        if not (self.cluster / ROLES_MADE).exists():
            raise DatabaseNotStarted(
                f"The embedded database in {self.data_dir} has been running since an earlier version of Billers. Stop whatever uses it, and start again."
            )
        with self._connect() as connection:
            if connection.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE_NAME]).fetchone() is None:
                connection.execute(f"CREATE DATABASE {DATABASE_NAME}")

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(host=str(self.socket_dir), port=DATABASE_PORT, user=DATABASE_ROLE, dbname="postgres", autocommit=True, connect_timeout=10)

    # Files.

    def _initialize(self, server: Account, programs: Path) -> None:
        """Make the cluster aside and rename it: one that is there is whole. Names are never used twice, as a killed launcher's initdb may still be writing."""
        for leftover in self.data_dir.glob("pgdata.new-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        fresh = Path(tempfile.mkdtemp(prefix="pgdata.new-", dir=self.data_dir))
        server.give(fresh)
        locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        made = server.run([programs / "initdb", "-D", fresh, "-U", SUPERUSER, "--auth=reject", "--data-checksums", *locale, "--no-instructions"])
        if made.returncode != 0:
            raise DatabaseNotStarted(f"The embedded database could not be made in {self.data_dir}:\n{made.stdout.decode(errors='replace').strip()}")
        self._run_alone(server, programs, fresh, f"CREATE ROLE {DATABASE_ROLE} LOGIN CREATEDB;\n")
        with (fresh / "postgresql.conf").open("a") as configuration:
            configuration.write("\ninclude 'billers.conf'\n")
        fresh.rename(self.cluster)
        _sync_directory(self.data_dir)

    def _make_roles(self, server: Account, programs: Path) -> None:
        """The programs' roles, once."""
        made = self.cluster / ROLES_MADE
        if not made.exists():
            self._run_alone(server, programs, self.cluster, "".join(MAKE_ROLES))
            self._write(ROLES_MADE, "".join(f"{role}\n" for role in PROGRAM_ROLES), server)

    def _run_alone(self, server: Account, programs: Path, cluster: Path, statements: str) -> None:
        """Without a running server, so that there is never one that somebody could enter as superuser."""
        ran = server.run([programs / "postgres", "--single", "-D", cluster, "postgres"], text=statements)
        if ran.returncode != 0 or b"ERROR" in ran.stdout:
            raise DatabaseNotStarted(f"The embedded database's roles could not be made:\n{ran.stdout.decode(errors='replace').strip()}")

    def _configure(self, server: Account) -> None:
        directory = str(self.socket_dir).replace("'", "''").replace('"', '""')
        values = CONFIGURATION | _memory() | {"unix_socket_directories": f"'\"{directory}\"'"}
        self._write("billers.conf", "".join(f"{name} = {value}\n" for name, value in values.items()), server)
        self._write("pg_hba.conf", PERMISSIONS, server)
        # root may become anybody anyway; named, it can look after another user's server.
        names = dict.fromkeys((account.caller().name, "root"))
        self._write("pg_ident.conf", "".join(f'{IDENTITY_MAP} "{name}" {role}\n' for name in names for role in (DATABASE_ROLE, *PROGRAM_ROLES)), server)

    def _write(self, name: str, text: str, server: Account) -> None:
        path = self.cluster / name
        fresh = path.with_suffix(".new")
        fresh.write_text(text, encoding="utf-8")
        fresh.chmod(0o600)
        server.give(fresh)
        fresh.replace(path)

    def _make_data_dir(self) -> None:
        """Closed to everybody else. Root's is open for passing through, because the server inside it runs as somebody else."""
        mode = 0o711 if os.geteuid() == 0 else 0o700
        try:
            for directory in reversed((self.data_dir, *self.data_dir.parents)):
                if not directory.exists():
                    directory.mkdir(mode=mode, exist_ok=True)
                    directory.chmod(mode)
            if self.data_dir.stat().st_uid == os.geteuid():
                self.data_dir.chmod(mode)
        except OSError as error:
            raise DatabaseNotStarted(f"{self.data_dir} cannot be made or opened ({error.strerror}). Choose another directory with BILLERS_DATA_DIR.") from error
        if not os.access(self.data_dir, os.W_OK | os.X_OK):
            raise DatabaseNotStarted(f"{self.data_dir} belongs to somebody else. Choose another directory with BILLERS_DATA_DIR.")

    def _make_reachable(self, server: Account) -> None:
        if not server.reaches(self.data_dir):
            raise DatabaseNotStarted(
                f"The database runs as user {server.name}, which may not pass through to {self.data_dir}. Choose another directory with BILLERS_DATA_DIR."
            )
        self.socket_dir.mkdir(mode=0o700, exist_ok=True)
        found = self.socket_dir.lstat()
        # The stand-in for a long path lies in /tmp, where anybody could have put something in its place.
        if not self.socket_dir.is_dir() or self.socket_dir.is_symlink() or found.st_uid not in (os.geteuid(), server.uid):
            raise DatabaseNotStarted(f"{self.socket_dir} belongs to somebody else. Remove it, or choose another directory with BILLERS_DATA_DIR.")
        self.socket_dir.chmod(0o700)
        server.give(self.socket_dir)

    def _check_version(self) -> None:
        try:
            found = (self.cluster / "PG_VERSION").read_text().strip()
        except FileNotFoundError:
            return
        if found != binaries.major():
            raise DatabaseNotStarted(
                f"The data in {self.cluster} was written by PostgreSQL {found}, and this version of Billers brings PostgreSQL {binaries.major()}. "
                "Dump it with the version that wrote it and load it into a new BILLERS_DATA_DIR, or go back to that version."
            )

    def _make_log(self, server: Account) -> None:
        if self.log.exists() and self.log.stat().st_size > LARGEST_LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        self.log.touch(mode=0o600)
        server.give(self.log)

    def _end_of_log(self, lines: int = 8) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""

    # Processes.

    def _noted_pid(self) -> int | None:
        try:
            return int((self.cluster / "postmaster.pid").read_text().partition("\n")[0])
        except (FileNotFoundError, ValueError):
            return None

    def _processes(self) -> set[int]:
        """The cluster's processes: those that work in its directory, as all of PostgreSQL's do and zombies do not.

        Asked as the server's user: in a container root may not look into other users' processes.
        """
        if not Path("/proc/self/cwd").exists():
            noted = self._noted_pid()
            return {noted} if noted and _exists(noted) else set()
        listed = account.server_account(self.cluster).run(["/bin/sh", "-c", PROCESSES_WORKING_IN, "sh", self.cluster])
        return {int(word) for word in listed.stdout.split()}


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        _pause()
    return True


def _pause() -> None:
    threading.Event().wait(POLL_SECONDS)


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
