"""Each fault that a set-up can have, provoked: what `billers doctor` says of it, what to do about it, and that it fails for it."""

import base64
import json
import os
import re
import signal
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner

import core.db
from core import clock
from core.cli import app
from core.ids import new_id
from core.launch import doctor
from core.launch.doctor import CHECKS, Examined, Finding, examine
from core.launch.embedded import EmbeddedPostgres
from core.models import User
from core.security import vault
from core.settings import Part, settings
from tests.campaign.harness import until
from tests.world import Database, SetEnvironment

# How whatever mends something begins.
REMEDY = re.compile(r"\b(Run|Set|Remove|Correct|Name|Close|Restore|Put|Have|Start|Give|Add|Install|Make|Write|Stop|Choose|Create|chmod)\b")

# Of all interfaces.
EVERYWHERE = "0.0.0.0"  # noqa: S104

RIGHT = "violet"


def found(name: str) -> Finding:
    """What this check says of the set-up as it is."""
    return dict(examine(settings()))[name]


def is_bad(name: str, *words: str) -> None:
    """The check finds it, says what is wrong and what to do, and the command fails."""
    finding = found(name)
    assert finding.mark == "BAD", finding
    assert all(word in finding.sentence for word in words), finding.sentence
    assert REMEDY.search(finding.sentence), finding.sentence
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 1
    assert f"BAD  {name:<18}" in result.stdout


def is_worth_a_look(name: str, *words: str) -> None:
    finding = found(name)
    assert finding.mark == "see", finding
    assert REMEDY.search(finding.sentence), finding.sentence
    assert all(word in finding.sentence for word in words), finding.sentence


@pytest.fixture
def ring(database: Database) -> Path:
    vault.ensure_ring()
    return vault.ring_path()


def test_every_check_has_a_name_of_its_own_that_fits_its_column() -> None:
    names = [name for name, _ in CHECKS]
    assert len(set(names)) == len(names)
    assert all(len(name) < 18 for name in names)


# ---- The database


def test_nobody_listens(set_environment: SetEnvironment) -> None:
    set_environment(database_url="postgresql://clerk@127.0.0.1:1/billers")
    is_bad("database", "cannot be reached", "Nobody listens there", "DATABASE_URL")


def test_no_such_host(set_environment: SetEnvironment) -> None:
    set_environment(database_url="postgresql://clerk@no-such-host.invalid/billers")
    is_bad("database", "There is no such host")


@pytest.fixture
def guarded(server: EmbeddedPostgres, set_environment: SetEnvironment) -> Iterator[Callable[..., None]]:
    """A server that asks one role for a password; `guarded(password=…)` has the settings point there."""
    with server:
        place = f"host={server.socket_dir}&port=5432"
        with psycopg.connect(f"postgresql://{Part.WEB.role}@/postgres?{place}", autocommit=True) as connection:
            connection.execute(f"ALTER ROLE {Part.WEB.role} PASSWORD '{RIGHT}'")
        rules = server.cluster / "pg_hba.conf"
        rules.write_text(f"local all {Part.WEB.role} scram-sha-256\n{rules.read_text()}")
        assert server.pid is not None
        os.kill(server.pid, signal.SIGHUP)

        def point(password: str = RIGHT, name: str = "postgres") -> None:
            set_environment(database_url=f"postgresql://{Part.WEB.role}:{password}@/{name}?{place}")

        yield point
        core.db.engine().dispose()


def test_a_wrong_password_and_a_database_that_is_not_there(guarded: Callable[..., None]) -> None:
    guarded(password="granite")
    until(lambda: found("database").mark == "BAD", "the server asks for the password")
    is_bad("database", "the password is wrong", "Correct the password in DATABASE_URL")
    assert "granite" not in found("database").sentence
    guarded(name="nothing")
    is_bad("database", "The database is not there", "CREATE DATABASE")
    guarded()
    assert found("database").mark == "ok "


def test_tables_that_are_behind(empty_database: Database) -> None:
    is_bad("migrations", "Run `billers migrate`")
    is_bad("workers", "The tables are not there yet".lower().replace("the ", "", 1))


def test_tables_that_are_ahead(database: Database) -> None:
    with database.connect() as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    is_bad("migrations", "9999", "too old", "Install the console that upgraded it")


def test_a_database_that_may_forget(database: Database) -> None:
    with database.connect() as connection:
        connection.execute(f'ALTER DATABASE "{database.name}" SET synchronous_commit = off')
    is_bad("durability", "synchronous_commit")


def test_a_program_that_could_rewrite_the_record(database: Database) -> None:
    is_bad("database roles", "could rewrite the record", "Run `billers roles`")


def test_a_program_that_cannot_sign_in(database: Database, set_environment: SetEnvironment) -> None:
    assert found("program roles").mark == "ok "
    set_environment(database_url_worker=database.url.set(username="nobody_knows").render_as_string(hide_password=False))
    is_bad("program roles", "By DATABASE_URL_WORKER the worker cannot sign in")


def test_a_role_that_is_missing(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server of the tests' own has them all, and other tests need them: so here a fourth is asked for."""
    monkeypatch.setattr(doctor, "PROGRAM_ROLES", (*doctor.PROGRAM_ROLES, "billers_fourth"))
    is_bad("program roles", "billers_fourth are not there", "Run `billers roles`")


@pytest.mark.parametrize(("hours", "words"), [(1, "ahead of"), (-1, "behind")])
def test_a_clock_that_is_off(database: Database, monkeypatch: pytest.MonkeyPatch, hours: int, words: str) -> None:
    assert found("clocks").mark == "ok "
    moment = clock.now() + timedelta(hours=hours)
    monkeypatch.setattr(clock, "now", lambda: moment)
    is_bad("clocks", words, "NTP")


def test_a_gate_that_is_closed(database: Database) -> None:
    with database.connect() as connection:
        connection.execute(
            "INSERT INTO gates (id, because, noticed_by, mirrored_seq, mirrored_at, found_seq) VALUES (1, 'Event 7 is gone.', 'here', 7, now(), 6)"
        )
    is_bad("restore gate", "is closed", "`billers gate`")


def test_programs_that_are_too_old(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    assert found("Python").mark == found("database version").mark == "ok "
    monkeypatch.setattr(doctor, "OLDEST_PYTHON", (9, 1))
    is_bad("Python", "9.1 or later is needed", "Install one")
    monkeypatch.setattr(doctor, "OLDEST_POSTGRESQL", 99)
    is_bad("database version", "99 or later is needed", "Have a DBA upgrade")


# ---- Processes


def test_nobody_at_work_is_worth_a_look_and_bad_once_somebody_waits(database: Database) -> None:
    is_worth_a_look("workers", "billers worker")
    with database.connect() as connection:
        connection.execute(
            "INSERT INTO transactions (id, biller_type, biller_name, our_transaction_id, transaction_type, account_number, stage, status, next_action_at)"
            " SELECT gen_random_uuid(), code, name, 'REFERENCE0000001', 'ACCOUNT_DETAILS', '1', 'CREATED', 'PENDING', now() - interval '1 min'"
            " FROM biller_types LIMIT 1"
        )
    is_bad("workers", "1 payments and look-ups wait", "billers worker")
    with database.connect() as connection:
        connection.execute("INSERT INTO workers (id, name) VALUES (gen_random_uuid(), 'here:1')")
    assert found("workers").mark == "ok "


def test_a_worker_with_other_keys(database: Database, ring: Path) -> None:
    with database.connect() as connection:
        connection.execute("INSERT INTO workers (id, name, vault_keys) VALUES (gen_random_uuid(), 'here:1', %s)", [vault.load_ring().told])
        assert found("shared keys").mark == "ok "
        connection.execute("INSERT INTO workers (id, name, vault_keys) VALUES (gen_random_uuid(), 'there:2', 'k1:0000000000000000')")
    is_bad("shared keys", "there:2", "same ring")


def test_a_port_that_is_taken(free_port: Callable[[], int], set_environment: SetEnvironment) -> None:
    import socket

    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        set_environment(port=port, database_url="postgresql://nobody@127.0.0.1:1/nothing")
        is_bad("port", str(port), "PORT")


# ---- Keys


def test_no_ring(database: Database) -> None:
    is_bad("vault", "There is no key ring", "BILLERS_VAULT_KEYS")


def test_a_ring_that_others_may_read(ring: Path) -> None:
    ring.chmod(0o640)
    is_bad("vault", "Others may read", "chmod 600")


def test_half_a_ring(ring: Path) -> None:
    with core.db.unit_of_work() as session:
        sealed = vault.seal_secret({"username": "x"}, "biller_configs", config := _first_config(session), "authentication")
        session.execute(core.db.text("UPDATE biller_configs SET authentication = :sealed WHERE id = :id"), {"sealed": sealed, "id": config})
    assert found("sealed secrets").mark == found("credentials").mark == "ok "
    keys = json.loads(ring.read_text())
    # A key of the same name that is another: what was sealed does not open.
    ring.write_text(json.dumps({"k1": base64.b64encode(b"x" * 32).decode()}))
    is_bad("credentials", "do not open", "Put the ring back")
    ring.write_text(json.dumps({"k2": keys["k1"]}))
    is_bad("sealed secrets", "The ring lacks k1 (1 sealed)", "Put the key back")


def _first_config(session: object) -> object:
    return session.execute(core.db.text("SELECT id FROM biller_configs LIMIT 1")).scalar_one()  # type: ignore[attr-defined]


def test_a_ring_that_is_none(database: Database, set_environment: SetEnvironment) -> None:
    set_environment(billers_vault_keys="{}")
    is_bad("vault", "BILLERS_VAULT_KEYS must be JSON")


# ---- The set-up


@pytest.mark.parametrize(
    ("variables", "name", "words"),
    [
        ({"t24_api_url": "https://bank.example/t24"}, "core banking", ("T24_API_KEY is not", "Set both")),
        ({"t24_api_key": "k"}, "core banking", ("T24_API_URL is not", "Set both")),
        ({"t24_api_url": "http://bank.example/t24", "t24_api_key": "k"}, "core banking", ("not https",)),
        ({"billers_secure_cookies": "false"}, "front door", ("in the clear", "Remove it")),
        ({"billers_secure_cookies": "false", "billers_sandbox": "true", "billers_bind": EVERYWHERE}, "front door", ("in the clear",)),
        ({"billers_bind": EVERYWHERE}, "front door", ("FORWARDED_ALLOW_IPS is not set", "proxy's address")),
        ({"forwarded_allow_ips": "*"}, "front door", ("FORWARDED_ALLOW_IPS=*", "Name the proxy")),
        ({"billers_sandbox": "true", "billers_public_hosts": '["pay.example.mw"]'}, "sandbox", ("where others can reach it", "Remove BILLERS_SANDBOX")),
        ({"billers_sandbox": "true", "billers_bind": EVERYWHERE}, "sandbox", ("Remove BILLERS_SANDBOX",)),
        ({"billers_timezone": "Africa/Nowhere"}, "time zone", ("is no time zone", "tzdata")),
        ({"billers_ca_bundle": "/no/such/bundle.pem"}, "certificates", ("BILLERS_CA_BUNDLE",)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_settings_that_do_not_go_together(set_environment: SetEnvironment, variables: dict[str, str], name: str, words: tuple[str, ...]) -> None:
    set_environment(database_url="postgresql://nobody@127.0.0.1:1/nothing", **variables)
    is_bad(name, *words)


def test_a_name_that_nobody_was_told(set_environment: SetEnvironment) -> None:
    set_environment(database_url="postgresql://nobody@127.0.0.1:1/nothing")
    is_worth_a_look("front door", "BILLERS_PUBLIC_HOSTS")
    set_environment(billers_public_hosts='["pay.example.mw"]')
    assert found("front door").mark == "ok "


def test_a_biller_that_lives_where_nothing_may_be_sent(database: Database, set_environment: SetEnvironment) -> None:
    is_worth_a_look("billers", "No biller is on")
    with database.connect() as connection:
        connection.execute("UPDATE biller_configs SET is_active = true, base_url = 'https://water.example/pay' WHERE biller_type = 'LWB_POSTPAID'")
    is_bad("billers", "water.example (Lilongwe Water Board)", "BILLERS_ALLOWED_HOSTS")
    for named in ("water.example", "Water.Example", "water.example:443"):
        set_environment(billers_allowed_hosts=f'["{named}"]')
        assert found("billers").mark == "ok ", named
    set_environment(billers_allowed_hosts='["water.example:8443"]')
    is_bad("billers", "BILLERS_ALLOWED_HOSTS")


def test_nobody_who_could_sign_in(database: Database) -> None:
    is_worth_a_look("people", "billers user add")
    with core.db.unit_of_work() as session:
        session.add(User(id=new_id(), username="chief", display_name="Chief", role="administrator", password_hash="!", sandbox=False))
    assert found("people").mark == "ok "


def test_a_disk_that_is_full(set_environment: SetEnvironment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    set_environment(database_url="postgresql://nobody@127.0.0.1:1/nothing", billers_data_dir=tmp_path)
    logs = tmp_path / "logs"
    logs.mkdir()
    real = doctor.shutil.disk_usage
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda place: real(place)._replace(free=1 << 20) if place == logs else real(place))
    is_bad("disk space", str(logs), "Make room")


def test_a_directory_that_cannot_be_written(set_environment: SetEnvironment) -> None:
    """Of another user, or on a file system that takes nothing: `/proc` is one for everybody, root included."""
    set_environment(database_url="postgresql://nobody@127.0.0.1:1/nothing", billers_audit_heads="/proc/self/heads.jsonl")
    is_bad("data directory", "/proc/self cannot be written", "choose another place")


def test_a_check_that_fails_in_a_way_of_its_own_is_a_finding_and_the_next_goes_on(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_examined: Examined) -> Finding:
        raise core.errors.BillersError("The barrel is empty. Fill it.")

    monkeypatch.setattr(doctor, "CHECKS", (("barrel", fails), *CHECKS))
    told = dict(examine(settings()))
    assert told["barrel"] == Finding(False, "The barrel is empty. Fill it.")
    assert told["Python"].is_ok


def test_a_set_up_as_it_should_be_has_nothing_bad(database: Database, ring: Path, set_environment: SetEnvironment, free_port: Callable[[], int]) -> None:
    set_environment(
        port=free_port(),
        billers_public_hosts='["pay.example.mw"]',
        database_url_web=database.url.set(username=Part.WEB.role).render_as_string(hide_password=False),
        database_url_worker=database.url.set(username=Part.WORKER.role).render_as_string(hide_password=False),
    )
    result = CliRunner().invoke(app, ["doctor"])
    assert (result.exit_code, [line for line in result.stdout.splitlines() if line.startswith("BAD")]) == (0, [])
