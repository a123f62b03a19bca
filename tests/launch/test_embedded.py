"""The embedded server: one for all who are attached, gone with the last, back after any accident."""

import os
import re
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

import psycopg
import pytest

from core.launch import account, binaries
from core.launch.embedded import DatabaseNotStarted, EmbeddedPostgres
from core.settings import LONGEST_SOCKET_DIRECTORY, Settings

from .helpers import IS_ROOT, NOBODY, as_user, finish, is_running, python, wait_until

pytestmark = pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks at processes as Linux shows them")


def connect(server: EmbeddedPostgres, database: str = "billers") -> psycopg.Connection:
    return psycopg.connect(host=str(server.socket_dir), port=5432, user="billers", dbname=database, autocommit=True)


def ask(server: EmbeddedPostgres, question: str) -> object:
    with connect(server) as connection:
        row = connection.execute(question).fetchone()
        assert row is not None
        return row[0]


def test_a_first_start_makes_a_durable_database_for_a_role_that_is_no_superuser(new_server: EmbeddedPostgres) -> None:
    new_server.attach()
    settings = {name: ask(new_server, f"SHOW {name}") for name in ("fsync", "full_page_writes", "synchronous_commit", "data_checksums")}
    assert set(settings.values()) == {"on"}
    assert ask(new_server, "SHOW listen_addresses") == ""
    assert ask(new_server, "SELECT datlocprovider::text || datlocale FROM pg_database WHERE datname = 'billers'") == "bC.UTF-8"
    assert ask(new_server, "SELECT concat_ws(' ', rolname, rolsuper, rolcreatedb) FROM pg_roles WHERE rolname = current_user") == "billers f t"
    assert ask(new_server, "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'billers'") == "billers"


def test_the_data_survives_a_stop_and_every_kind_of_crash(server: EmbeddedPostgres) -> None:
    server.attach()
    with connect(server) as connection:
        connection.execute("CREATE TABLE kept (n int)")
    for accident in (server.kill, server.stop_immediate, server.detach):
        with connect(server) as connection:
            connection.execute("INSERT INTO kept VALUES (1)")
        accident()
        assert server.pid is None
        if accident == server.detach:
            server.attach()
        else:
            server.start()
    assert ask(server, "SELECT count(*) FROM kept") == 3


def test_the_last_to_leave_stops_the_server(server: EmbeddedPostgres) -> None:
    other = EmbeddedPostgres(server.data_dir, server.socket_dir)
    server.attach()
    other.attach()
    pid = server.pid
    assert pid is not None
    server.detach()
    assert other.pid == pid
    other.detach()
    assert other.pid is None
    assert not is_running(pid)


def test_several_starters_at_once_give_one_server(new_server: EmbeddedPostgres) -> None:
    holders = [python("tests/launch/attach_and_wait.py", str(new_server.data_dir)) for _ in range(5)]
    try:
        said = [holder.stdout.readline().strip() for holder in holders if holder.stdout]
        assert all(line.isdigit() for line in said), said
        assert set(said) == {str(new_server.pid)}
        for holder in holders:
            holder.communicate()
        assert new_server.pid is None
    finally:
        for holder in holders:
            finish(holder)


def test_a_killed_users_server_is_adopted_by_the_next(server: EmbeddedPostgres) -> None:
    holder = python("tests/launch/attach_and_wait.py", str(server.data_dir))
    assert holder.stdout
    started = int(holder.stdout.readline())
    finish(holder)
    assert is_running(started)
    server.attach()
    assert server.pid == started
    server.detach()
    assert not is_running(started)


def test_a_pid_file_whose_number_is_a_strangers_by_now_does_not_hinder_a_start(server: EmbeddedPostgres) -> None:
    server.attach()
    pid_file = server.cluster / "postmaster.pid"
    noted = pid_file.read_text()
    server.kill()
    # The same system user as the server's: PostgreSQL forgives everybody else's number.
    user = account.server_account(server.cluster)
    with subprocess.Popen(["sleep", "600"], **({} if user.is_caller else {"user": user.uid})) as stranger:
        pid_file.write_text(re.sub(r"^\d+", str(stranger.pid), noted))
        assert server.pid is None
        server.start()
        assert server.pid not in (None, stranger.pid)
        stranger.kill()


def test_a_start_after_a_crash_ends_the_servers_processes_and_nobody_elses(server: EmbeddedPostgres) -> None:
    server.attach()
    user = account.server_account(server.cluster)
    # As a person would who has gone there to look.
    with subprocess.Popen(["sleep", "600"], cwd=server.cluster, **({} if user.is_caller else {"user": user.uid})) as onlooker:
        server.kill()
        server.start()
        assert onlooker.poll() is None
        onlooker.kill()


def test_what_a_killed_starter_left_half_made_is_cleared_away(new_server: EmbeddedPostgres) -> None:
    leftover = new_server.data_dir / "pgdata.new-abc"
    leftover.mkdir()
    (leftover / "PG_VERSION").write_text("18\n")
    new_server.attach()
    assert not leftover.exists()


def test_data_of_another_major_version_is_named_in_a_sentence_and_left_alone(server: EmbeddedPostgres) -> None:
    server.attach()
    server.detach()
    (server.cluster / "PG_VERSION").write_text("17\n")
    with pytest.raises(DatabaseNotStarted, match=r"was written by PostgreSQL 17, and this version of Billers brings PostgreSQL \d+"):
        server.attach()


def test_another_system_user_cannot_reach_the_server(server: EmbeddedPostgres) -> None:
    server.attach()
    assert stat.S_IMODE(server.socket_dir.stat().st_mode) == 0o700
    assert stat.S_IMODE(server.cluster.stat().st_mode) == 0o700
    assert stat.S_IMODE(server.data_dir.stat().st_mode) & 0o066 == 0
    if IS_ROOT:
        # Neither a stranger, stopped by the directory, nor the server's own user, stopped by pg_hba.conf.
        for uid in (12345, account.server_account(server.cluster).uid):
            assert as_user(uid, lambda: _is_refused(server)) == 0


def test_nobody_signs_in_as_superuser(server: EmbeddedPostgres) -> None:
    server.attach()
    with pytest.raises(psycopg.OperationalError, match=r"pg_hba\.conf"):
        psycopg.connect(host=str(server.socket_dir), port=5432, user="postgres", dbname="postgres")


def test_a_normal_user_and_root_alike_can_run_it() -> None:
    # This user's start is every other test; here is the other kind's.
    home = Path(tempfile.mkdtemp(prefix="billers-test-"))
    try:
        if IS_ROOT:
            os.chown(home, NOBODY, NOBODY)
            assert as_user(NOBODY, lambda: _start_and_stop(home / "data")) == 0
        else:
            _start_and_stop(home / "data")
        assert stat.S_IMODE((home / "data").stat().st_mode) == 0o700
    finally:
        shutil.rmtree(home)


@pytest.mark.skipif(not IS_ROOT, reason="only root runs the server as somebody else")
def test_programs_under_a_closed_directory_are_copied_to_where_the_servers_user_can_run_them(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data_dir.chmod(0o711)
    closed = data_dir / "closed"
    closed.mkdir(mode=0o700)
    packages = binaries._site_packages()
    for part in (binaries.PACKAGE, binaries.LIBRARIES):
        (closed / part).symlink_to(packages / part)
    monkeypatch.setattr(binaries, "_site_packages", lambda: closed)
    user = account.server_account(data_dir / "pgdata")
    programs = binaries.programs_for(user, data_dir)
    assert programs.is_relative_to(data_dir / f"pgsql-{binaries.version()}")
    assert b"PostgreSQL" in user.run([programs / "initdb", "--version"]).stdout


@pytest.mark.skipif(not IS_ROOT, reason="only root runs the server as somebody else")
def test_a_data_directory_that_the_servers_user_cannot_reach_is_a_sentence(data_dir: Path) -> None:
    inside = data_dir / "inside"  # The directory around it stays closed: opening it is not ours to do.
    with pytest.raises(DatabaseNotStarted, match=r"may not pass through to .* Choose another directory with BILLERS_DATA_DIR"):
        EmbeddedPostgres(inside, inside / "run").attach()


def test_a_long_path_gets_a_short_directory_for_its_socket_and_works(data_dir: Path) -> None:
    data_dir.chmod(0o711)
    long = data_dir / ("long name, with 'quotes' & more " * 5)
    chosen = Settings(billers_data_dir=long)
    assert len(os.fsencode(chosen.socket_dir)) <= LONGEST_SOCKET_DIRECTORY
    with EmbeddedPostgres(long, chosen.socket_dir) as server, psycopg.connect(chosen.dsn.replace("+psycopg", "")) as connection:
        assert connection.info.dbname == "billers"
        assert server.pid is not None
    wait_until(lambda: not (chosen.socket_dir / ".s.PGSQL.5432").exists(), "the socket is gone")
    chosen.socket_dir.rmdir()


def _is_refused(server: EmbeddedPostgres) -> None:
    with pytest.raises(psycopg.OperationalError):
        connect(server)


def _start_and_stop(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir, data_dir / "run") as server:
        assert ask(server, "SELECT 1") == 1
        server.kill()
        server.start()
        assert ask(server, "SELECT 1") == 1
    assert server.pid is None
