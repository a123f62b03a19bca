"""After a full run, errors included, no secret stands anywhere but in its vault: every process's output, every column, file, page and message is searched.

Each secret is a canary: a text that is nowhere else in the world. That the search would find one is shown by planting it in each kind of place.
"""

import base64
import io
import json
import re
import secrets
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import structlog
from psycopg.types.json import Jsonb
from reportlab.pdfgen.canvas import Canvas
from sqlalchemy.engine import URL
from xlsxwriter import Workbook

from core import clock, db, logs
from core.access import Actor
from core.adapters import adapters
from core.errors import BillersError
from core.ids import new_secret
from core.models.vault import PLACES
from core.repositories.billers import Billers
from core.repositories.people import People
from core.security import totp, vault
from core.security.sessions import LONGEST, hash_of
from core.services import api_tokens, configurations, connection_tests, lookups, people, proofs, staff, tokens
from core.services.biller_cache import CHANNEL as BILLERS_CHANGED
from core.services.billers import write_version
from core.services.live import CHANNEL as CHANGES
from core.services.wake import CHANNEL as WORK
from core.settings import CHECKOUT, child_environment, settings
from core.states import Stage
from tests.campaign.harness import PATIENCE_SECONDS, until
from tests.front_door.conftest import Console, Served, free_port
from tests.matrix.bank import BankTown
from tests.matrix.road import Road
from tests.matrix.town import BWB, LWB, MASM, OPEN, PREPAID, REGISTRAR, SRWB, TNM, Bill, new_account
from tests.security.sinks import ENVELOPE, Sink, columns_of, files_in, leaks, notifications, statements_of
from tests.wire.conftest import Certificates
from tests.wire.conftest import certificates as certificates
from tests.world import create_database, drop_database

AIRTEL = "AIRTEL_VALIDATION"
SECRET_NAMES = ("password", "token", "api_key", "pin")


def canary(kind: str) -> str:
    return f"cnry{kind}{secrets.token_hex(10)}"


class CanaryTown(BankTown):
    """The town, where every biller and the bank want credentials that nobody else has."""

    def __init__(self, url: URL, directory: Path) -> None:
        super().__init__(url, directory)
        self.secrets: dict[str, str | bytes] = {}
        accounts = directory / "accounts.toml"
        self.sandbox.options = ("--accounts", str(accounts))
        directory.mkdir(parents=True, exist_ok=True)
        accounts.write_text(self._with_canaries((CHECKOUT / "seeds" / "sandbox.toml").read_text()))

    def _with_canaries(self, text: str) -> str:
        owner, lines = "", []
        for line in text.splitlines():
            name, _, value = line.partition(" = ")
            owner = json.loads(value) if name == "code" else "T24" if line == "[core_banking]" else owner
            if name in SECRET_NAMES and value.startswith('"') and owner:
                made = "".join(secrets.choice("0123456789") for _ in range(18)) if name == "pin" else canary(f"{owner.split('_')[0].lower()}")
                self.secrets[f"{owner}'s {name}"] = made
                line = f'{name} = "{made}"'
            lines.append(line)
        return "\n".join(lines)

    def enter(self, patch: pytest.MonkeyPatch) -> None:
        super().enter(patch)
        patch.setenv("T24_API_KEY", str(self.secrets["T24's api_key"]))
        patch.setenv("BILLERS_CREDENTIALS_AIRTEL_VALIDATION", json.dumps({"api_key": self.secrets[f"{AIRTEL}'s api_key"]}))
        patch.setenv("BILLERS_SECURE_COOKIES", "false")
        # What a program prints is in its log at once.
        patch.setenv("PYTHONUNBUFFERED", "1")
        settings.cache_clear()

    def begin(self, **biller: Any) -> None:
        super().begin(**biller)
        for code in OPEN:
            held = {name: str(value) for name in SECRET_NAMES if (value := self.secrets.get(f"{code}'s {name}"))}
            self._credentials[code] = {**self._credentials[code], **held}
            self.open(code, **self._facts_of(code))
        with db.unit_of_work() as session:
            config = Billers(session).any_of(AIRTEL)
            assert config is not None
            config.base_url, config.is_active, config.timeout_ms = self.address_of(AIRTEL), True, 2_000
            write_version(session, config, "biller.changed")

    def _facts_of(self, code: str) -> dict[str, Any]:
        return {"topology": "SEPARATE", "credit_account": "MWK1280600000001"} if code == SRWB else {}


@dataclass
class Run:
    """What was done, and what came of it: `sinks` is where it could have gone."""

    town: CanaryTown
    console: Console
    sinks: list[Sink] = field(default_factory=list)
    failures: set[str] = field(default_factory=set)
    said: dict[str, str] = field(default_factory=dict)

    @property
    def secrets(self) -> dict[str, str | bytes]:
        return self.town.secrets

    def keep(self, name: str, content: bytes | str) -> None:
        self.sinks.append(Sink.of(name, content))


@pytest.fixture(scope="module")
def run(server_url: URL, template: URL, tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[Run]:
    url = create_database(server_url, f"canary_{uuid.uuid4().hex[:12]}", template=template.database)
    directory = tmp_path_factory.mktemp("canary")
    town = CanaryTown(url, directory)
    with pytest.MonkeyPatch.context() as patch:
        town.enter(patch)
        try:
            town.begin()
            town.enter(patch)
            with Served(free_port(), directory / "console.log") as console, town.connect() as listening:
                made = Run(town, console)
                with notifications(listening, (WORK, BILLERS_CHANGED, CHANGES)) as heard, (directory / "this-process.log").open("w") as log:
                    logs.configure("DEBUG")
                    structlog.configure(logger_factory=structlog.PrintLoggerFactory(log))
                    do_everything(made, certificates)
                made.keep("notifications", "\n".join(heard))
                made.sinks += search_places(made, server_url)
                yield made
        finally:
            town.enter(patch)
            town.end()
            structlog.reset_defaults()
            drop_database(server_url, url)


# ---- A full run


def do_everything(run: Run, certificates: Certificates) -> None:
    town = run.town
    worker = town.start_worker().wait_ready()
    manager, administrator, operator = town.manager, town.add_person("administrator"), town.operator
    enter_the_house(run, administrator)
    pay_everybody(run)
    meet_strangers(run, certificates)
    configure(run, administrator)
    worker.stop()
    careless = town.start_worker("tests.security.careless_worker").wait_ready()
    pay_with_defects(run)
    careless.stop()
    walk_through_the_console(run, {"manager": manager, "administrator": administrator, "operator": operator})
    for words in (["doctor"], ["keys", "list"], ["keys", "rotate"], ["audit", "verify"], ["user", "list"]):
        command(run, words)
    for number, process in enumerate(town.workers):
        run.keep(f"output of worker {number}", "\n".join(process.lines))
    run.failures |= {failure for (failure,) in town.rows("SELECT DISTINCT failure FROM answers WHERE failure IS NOT NULL")}
    ring = vault.load_ring()
    for name, key in ring.keys.items():
        run.secrets[f"vault key {name}"] = key
    for line in town.sandbox.lines("ledger", PREPAID):
        if line.get("token"):
            run.secrets[f"prepaid token {line['reference']}"] = re.sub(r"\D", "", line["token"])


def enter_the_house(run: Run, administrator: Actor) -> None:
    """Somebody new signs in, is mistaken, sets a code up, and lets a program in."""
    password, wrong = canary("pass"), canary("wrong")
    run.secrets.update({"a person's password": password, "a password that was tried": wrong})
    staff.add(administrator, "chisomo", "Chisomo Phiri", "manager", password)
    with pytest.raises(BillersError):
        people.sign_in("chisomo", wrong, "127.0.0.1")
    ticket = people.sign_in("chisomo", password, "127.0.0.1")
    token = people.redeem(ticket, "127.0.0.1", "a browser")
    run.secrets.update({"ticket": ticket, "session cookie": token})
    chisomo = people.actor_of(token)
    assert chisomo is not None
    offer = proofs.offer(chisomo)
    secret = base64.b32decode(offer.secret)
    run.secrets.update({"TOTP secret": offer.secret, "TOTP secret's bytes": secret})
    codes = proofs.confirm(chisomo, totp.code_of(secret, totp.step_at(clock.now().timestamp())))
    run.secrets.update({f"recovery code {number}": code for number, code in enumerate(codes)})
    made = api_tokens.make(chisomo, "Nightly export", ["transactions:read"], 7)
    run.secrets["API token"] = made.secret
    run.said["cookie"] = token


def pay_everybody(run: Run) -> None:
    """One payment to each biller; the customer is debited first at Southern Region. What a biller refuses is among it."""
    town = run.town
    bills = [Bill(code, new_account(code), "5000.00" if code == PREPAID else "5475.50") for code in (LWB, BWB, PREPAID, PREPAID, MASM, REGISTRAR, TNM)]
    forms = town.ask_all(bills)
    paid = [town.submit(town.freeze(form)) for form in forms]
    paid.append(town.pay_debited())
    town.watch(*paid)
    assert {town.stage(one) for one in paid} == {Stage.COMPLETED}
    asked = lookups.ask(town.operator, AIRTEL, "0991234567")
    town.wait_for(asked, Stage.COMPLETED)
    run.said["prepaid"], run.said["its reference"] = str(paid[2]), town.find(paid[2]).our_transaction_id
    # Core banking does not know us, once.
    town.trouble("status_401")
    town.wait_for(town.pay_debited(), Stage.DEBIT_RETRY, Stage.COMPLETED)


def meet_strangers(run: Run, certificates: Certificates) -> None:
    """A biller that no longer knows us, and one that cannot prove who it is."""
    town = run.town
    wrong = run.secrets["credentials that are refused"] = canary("refused")
    (form,) = town.ask_all([Bill(BWB, new_account(BWB))])
    town.open(BWB, credentials={"username": "billers", "password": wrong})
    town.submit(town.freeze(form))
    road = Road(town.sandbox.port, tls=certificates.server("self-signed"))
    try:
        town.open(REGISTRAR, base_url=f"https://localhost:{road.port}/register_general")
        town.wait_for(lookups.ask(town.operator, REGISTRAR, new_account(REGISTRAR)), Stage.FAILED)
    finally:
        road.close()


def configure(run: Run, administrator: Actor) -> None:
    """An administrator enters credentials, tries them in vain, and proposes them."""
    typed = canary("typed")
    run.secrets["credentials in a form"] = typed
    one = next(found for found in configurations.list_all(administrator) if found.snapshot.biller_type == SRWB)
    # The town's own waits are shorter than anybody may configure.
    content = {**one.content, "expires_after_minutes": 60, "max_processing_seconds": 60}
    entered = {"username": "billers", "password": typed}
    tried = connection_tests.run(administrator, one.id, new_account(SRWB), bank_account="2900000001", typed=content, credentials=entered)
    assert not tried.passed
    configurations.edit(administrator, one.id, one.version, {**content, "description": "Others."}, entered, "The biller gave us new ones.")
    for moved in ("https://127.0.0.1:1/srwb", f"https://127.0.0.1:{run.town.sandbox.port}/srwb"):
        with suppress(BillersError):
            connection_tests.run(administrator, one.id, new_account(SRWB), typed={**content, "base_url": moved, "topology": "NONE"}, credentials=entered)


def pay_with_defects(run: Run) -> None:
    """The adapter fails with the credentials in its hands, and the reader with the answer."""
    town = run.town
    forms = town.ask_all([Bill(MASM, new_account(MASM)), Bill(LWB, new_account(LWB))])
    first, second = [town.submit(town.freeze(form)) for form in forms]
    town.wait_for(first, Stage.PAY_RETRY)
    town.watch(second)
    assert "not_prepared" in town.failures(first)
    assert "reader_failed" in town.failures(second)


def walk_through_the_console(run: Run, who: dict[str, Actor]) -> None:
    """Every page as each of them gets it, and every file that can be had."""
    prepaid = run.said["prepaid"]
    pages = ("", "lookup", "payment", "my_day", "transactions", "approvals", "analytics", "reports", "configurations", "people", "audit", "account")
    for role, actor in who.items():
        token = cookie_of(run.town, actor)
        run.secrets[f"cookie of the {role}"] = token
        for page in pages:
            run.keep(f"page {page or 'dashboard'} of the {role}", run.console.open(page, token=token))
        run.keep(f"a transaction's page of the {role}", run.console.open("transactions", query=f"id={prepaid}", token=token))
        with run.console.client(token) as browser:
            for address in (
                *("/healthz", "/readyz", "/metrics", "/export/transactions.csv", "/export/transactions.csv?profile=data", "/export/transactions.xlsx"),
                *("/export/audit.csv", "/my-day.pdf", f"/receipt/{prepaid}.pdf" if role != "operator" else "/healthz"),
                *(f"/reports/daily/{clock.now():%Y-%m-%d}.{form}" for form in ("pdf", "xlsx", "csv")),
            ):
                answered = browser.get(address)
                run.said[f"{address} {role}"] = str(answered.status_code)
                run.keep(f"{address} of the {role}", answered.content + repr([one for one in answered.headers.items() if one[0] != "set-cookie"]).encode())
    fall_over(run, cookie_of(run.town, who["manager"]))
    with run.console.client(run.said["cookie"][::-1]) as stranger:
        run.keep("a page of a stranger", stranger.get("/export/transactions.csv").content)
    assert tokens.reveal(run.town.operator, uuid.UUID(prepaid))


def fall_over(run: Run, token: str) -> None:
    """A page and a file meet what nobody foresaw: a table that is not there."""
    run.secrets["cookie of whoever met a defect"] = token
    with run.town.connect() as connection:
        for table, fails in (("saved_views", lambda: run.console.open("transactions", token=token)), ("exports", lambda: _export(run, token))):
            connection.execute(f"ALTER TABLE {table} RENAME TO mislaid")
            run.keep(f"page without {table}", fails())
            connection.execute(f"ALTER TABLE mislaid RENAME TO {table}")


def _export(run: Run, token: str) -> str:
    with run.console.client(token) as browser:
        return browser.get("/export/transactions.csv").text


def cookie_of(town: CanaryTown, actor: Actor) -> str:
    """What their browser holds: a session as the way in makes one."""
    token = new_secret()
    with db.unit_of_work() as session:
        assert actor.id is not None
        People(session).open_session(hash_of(token), actor.id, LONGEST, "127.0.0.1", "a browser")
    return token


def command(run: Run, words: list[str]) -> None:
    called = [sys.executable, "-m", "core.cli", *words]
    done = subprocess.run(called, cwd=CHECKOUT, env=child_environment(), capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    run.said[" ".join(words)] = done.stdout + done.stderr
    run.keep(f"billers {' '.join(words)}", done.stdout + done.stderr)


def search_places(run: Run, server_url: URL) -> list[Sink]:
    """The database, the data directory, and the server's own log."""
    town = run.town
    with town.connect() as connection:
        found = [*columns_of(connection), statements_of(connection)]
    # What is the vault's, and the sandbox's own: it is the biller, and knows what it sold.
    found += files_in(town.directory, but=(vault.ring_path(), town.sandbox.directory, town.directory / "accounts.toml"))
    host = server_url.query.get("host")
    found += [Sink.of("log of the database", path.read_bytes()) for path in Path(str(host)).parent.glob("postgres.log")] if host else []
    return found


# ---- What is held


def test_it_was_a_full_run(run: Run) -> None:
    """The errors that were to happen happened, and the secrets were there to leak."""
    assert {"refused_credentials", "tls_failed", "not_prepared", "reader_failed"} <= run.failures
    assert {f"{code}'s {name}" for code in adapters() for name in SECRET_NAMES} & set(run.secrets) >= {f"{LWB}'s password", f"{MASM}'s token", f"{TNM}'s pin"}
    assert sum(name.startswith("prepaid token") for name in run.secrets) == 2
    assert sum(name.startswith("vault key") for name in run.secrets) == 2
    assert all(len(secret) >= 8 for secret in run.secrets.values())
    fetched = {asked: status for asked, status in run.said.items() if asked.startswith("/")}
    for wanted in ("/export/transactions.csv manager", "/export/transactions.xlsx manager", "/export/audit.csv manager", "/my-day.pdf operator"):
        assert fetched[wanted] == "200", fetched
    fallen = next(sink for sink in run.sinks if sink.name == "file console.log").content
    assert fallen.count(b"UndefinedTable") >= 2, "a page and a file fell over, and the log has the trace"
    kinds = {sink.name.partition(" ")[0] for sink in run.sinks}
    assert {"column", "file", "page", "output", "billers", "notifications", "pg_stat_activity"} <= kinds
    assert len([sink for sink in run.sinks if sink.name.startswith("column")]) > 300
    assert next(sink for sink in run.sinks if sink.name == "notifications").content, "something was told"


def test_no_secret_stands_anywhere(run: Run) -> None:
    assert leaks(run.secrets, run.sinks) == []


def test_each_envelope_stands_where_a_rotation_finds_it(run: Run) -> None:
    holding = {sink.name for sink in run.sinks if ENVELOPE.search(sink.content)}
    assert holding <= {f"column {place}" for place in PLACES}
    assert len(holding) >= 4


# ---- That the search would find one


def plant_in_a_column(run: Run, column: str, value: object) -> Iterator[Sink]:
    with run.town.connect() as connection:
        connection.execute(f"CREATE TABLE planted (it {column})")
        connection.execute("INSERT INTO planted VALUES (%s)", (value,))
        yield from columns_of(connection)
        connection.execute("DROP TABLE planted")


def plant_in_a_notification(run: Run, secret: str) -> Iterator[Sink]:
    with run.town.connect() as listening, notifications(listening, (WORK,)) as heard, run.town.connect() as telling:
        telling.execute("SELECT pg_notify(%s, %s)", (WORK, secret))
        until(lambda: heard, "it was heard")
    yield Sink.of("notifications", "\n".join(heard))


def plant_in_a_file(run: Run, secret: str) -> Iterator[Sink]:
    path = run.town.directory / "spool" / "planted.log"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f'{{"event": "x", "detail": "{secret}"}}\n')
    yield from files_in(run.town.directory)
    path.unlink()


def plant_in_a_pdf(run: Run, secret: str) -> Iterator[Sink]:
    made = io.BytesIO()
    canvas = Canvas(made)
    canvas.drawString(72, 720, secret)
    canvas.save()
    yield Sink.of("a receipt", made.getvalue())


def plant_in_a_workbook(run: Run, secret: str) -> Iterator[Sink]:
    made = io.BytesIO()
    with Workbook(made) as book:
        book.add_worksheet().write_string(0, 0, secret)
    yield Sink.of("a workbook", made.getvalue())


def plant_in_an_output(run: Run, secret: str) -> Iterator[Sink]:
    """A process of ours that says it, as a careless log line would."""
    done = subprocess.run([sys.executable, "-c", f"print('password={secret}')"], capture_output=True, check=True)
    yield Sink.of("output", done.stdout)


def plant_in_a_statement(run: Run, secret: str) -> Iterator[Sink]:
    with run.town.connect() as connection, run.town.connect() as careless:
        careless.execute(f"SELECT '{secret}'")
        yield statements_of(connection)


PLANTS: dict[str, Callable[[Run, str], Iterator[Sink]]] = {
    "a text column": lambda run, secret: plant_in_a_column(run, "text", f"x{secret}y"),
    "a JSON column": lambda run, secret: plant_in_a_column(run, "jsonb", Jsonb({"deep": [{"in": secret}]})),
    "bytes": lambda run, secret: plant_in_a_column(run, "bytea", b"\x00\xff" + secret.encode() + b"\x00"),
    "base64 of more": lambda run, secret: plant_in_a_column(run, "text", _basic(secret)),
    "a file": plant_in_a_file,
    "a receipt": plant_in_a_pdf,
    "a workbook": plant_in_a_workbook,
    "an output": plant_in_an_output,
    "a notification": plant_in_a_notification,
    "a statement": plant_in_a_statement,
}


def _basic(secret: str) -> str:
    return "Basic " + base64.b64encode(f"billers:{secret}".encode()).decode()


@pytest.mark.parametrize("place", PLANTS)
def test_a_secret_that_was_planted_is_found(run: Run, place: str) -> None:
    planted = canary("planted")
    sinks = [sink for step in [PLANTS[place](run, planted)] for sink in step]
    assert leaks({"the canary": planted}, sinks), place


def test_what_a_window_shows_and_a_file_says_is_searched(run: Run) -> None:
    """What is no secret is found there by the same search."""
    reference = {"a payment's reference": run.said["its reference"]}
    for name in ("page transactions of the manager", "/export/transactions.csv of the manager", "/export/transactions.xlsx of the manager"):
        assert leaks(reference, [sink for sink in run.sinks if sink.name == name]), name
    assert leaks(reference, [sink for sink in run.sinks if sink.name == f"/receipt/{run.said['prepaid']}.pdf of the manager"])


def test_a_token_is_found_however_it_is_grouped() -> None:
    token = "12345678901234567890"
    for shown in (token, "1234 5678 9012 3456 7890", "1234-5678-9012-3456-7890"):
        assert leaks({"token": token}, [Sink.of("page", f"<{shown}>")])
