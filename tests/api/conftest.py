"""The bank among others: a real console, a worker, and the sandbox's billers and core banking, asked by programs over HTTP."""

import os
import subprocess
import sys
import tomllib
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.engine import URL

import core.db
from core import clock
from core.access import PERMISSIONS, Actor
from core.ids import new_id
from core.models import User, UserBiller
from core.repositories.people import People
from core.services import api_tokens, seeds
from core.services.api_tokens import LONGEST_DAYS_PROVED, NOT_FOR_PROGRAMS
from core.settings import CHECKOUT, settings
from tests.api.accounts import new_account
from tests.front_door.conftest import Served, free_port
from tests.sandbox.running_sandbox import Sandbox
from tests.world import PASSWORD_HASH, connect, console_uses, create_database, drop_database, forget_settings

API = "/api/billers"

# A role with every right: no bank can make one, since whoever sets billers up moves no money, and one token opens every route by it.
EVERYTHING = "everything"
FOR_PROGRAMS = sorted(set(PERMISSIONS) - NOT_FOR_PROGRAMS)

# A fiftieth of each wait: what a biller answers late is settled while a test looks on.
TIME_FACTOR = "0.02"


@dataclass
class Program:
    """Somebody's program: what it asks with, and whose it is."""

    http: httpx.Client
    owner: Actor
    secret: str
    token_id: uuid.UUID

    def get(self, path: str, **parameters: Any) -> httpx.Response:
        return self.http.get(f"{API}{path}", params=parameters)

    def post(self, path: str, body: Mapping[str, Any] | None = None, key: str | None = None, **more: Any) -> httpx.Response:
        headers = {"Idempotency-Key": key} if key else {}
        return self.http.post(f"{API}{path}", json=dict(body or {}), headers={**headers, **more.pop("headers", {})}, **more)

    def pay(self, bill: Mapping[str, Any], key: str, path: str = "/payment") -> httpx.Response:
        """The answer once it is settled: a busy machine says at first that it is not, and the same key then asks for the same payment."""
        answer = self.post(path, bill, key=key)
        while answer.status_code == 202 and answer.json()["stage"] != "AWAITING_APPROVAL":
            self.until_settled(answer.headers["location"])
            answer = self.post(path, bill, key=key)
        return answer

    def look_up(self, account: str, biller: str = "LWB_POSTPAID") -> str:
        """The id of an answered look-up."""
        answer = self.post("/account-lookup", {"biller": biller, "account": account})
        assert answer.status_code in (200, 202), answer.text
        return str(self.until_settled(answer.headers["location"])["id"])

    def bill(self, account: str | None = None, amount: str = "5475.50", biller: str = "LWB_POSTPAID") -> dict[str, Any]:
        """What is sent to pay an account that was looked up."""
        account = account or new_account()
        return {"biller": biller, "account": account, "amount": amount, "lookup": self.look_up(account, biller)}

    def answered(self, path: str, **about: Any) -> dict[str, Any]:
        """What a biller says, asked until it is in time."""
        while (answer := self.get(path, **about)).status_code == 202:
            self.until_settled(answer.headers["location"])
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def until_settled(self, address: str) -> dict[str, Any]:
        """The transaction once nothing moves it any more: its stream ends then."""
        with self.http.stream("GET", f"{API}/stream", params={"transaction": address.rpartition("/")[2]}) as told:
            assert [line for line in told.iter_lines() if line][-2:] == ["event: over", "data: {}"]
        return dict(self.http.get(address).json())


@dataclass
class Bank:
    """All of it, and who may do what in it."""

    url: URL
    port: int
    sandbox: Sandbox
    directory: Path
    environment: Mapping[str, str]
    programs: list[httpx.Client] = field(default_factory=list)

    @property
    def console(self) -> str:
        return f"http://localhost:{self.port}"

    def connect(self) -> psycopg.Connection:
        return connect(self.url)

    def person(self, role: str, billers: Sequence[str] = ()) -> Actor:
        """Somebody new of this role, who proved a moment ago who they are."""
        user = User(id=new_id(), username=f"{role}-{new_id().hex[-8:]}", display_name=f"A new {role}", role=role, password_hash=PASSWORD_HASH, sandbox=True)
        with core.db.unit_of_work() as session:
            session.add(user)
            session.flush()
            session.add_all(UserBiller(user_id=user.id, biller_type=one) for one in billers)
            held = People(session).permissions_by_role()[role]
        return Actor(user.id, user.username, user.display_name, role, frozenset(held), "127.0.0.1", frozenset(billers) or None, clock.now())

    def program(self, role: str = EVERYTHING, scopes: Sequence[str] | None = None, billers: Sequence[str] = (), owner: Actor | None = None) -> Program:
        """A program of somebody new, with all that such a person can give it, or with these rights."""
        owner = owner or self.person(role, billers)
        made = api_tokens.make(owner, "A test", scopes if scopes is not None else api_tokens.grantable(owner), LONGEST_DAYS_PROVED)
        http = httpx.Client(base_url=self.console, headers={"Authorization": f"Bearer {made.secret}"}, trust_env=False, timeout=40)
        self.programs.append(http)
        return Program(http, owner, made.secret, made.id)

    def ledger(self, account: str, biller: str = "LWB_POSTPAID") -> list[dict[str, Any]]:
        """What the biller itself says it took for this account."""
        return [line for line in self.sandbox.lines("ledger", biller) if line["account"] == account]

    @contextmanager
    def served(self) -> Iterator[None]:
        with Served(self.port, self.directory / "console.log"):
            yield


def environment_of(url: URL, directory: Path, sandbox: Sandbox) -> dict[str, str]:
    told = tomllib.loads((CHECKOUT / "seeds" / "sandbox.toml").read_text())["core_banking"]
    return {
        "DATABASE_URL": url.render_as_string(hide_password=False),
        "BILLERS_DATA_DIR": str(directory),
        "BILLERS_SANDBOX": "true",
        "BILLERS_SANDBOX_PORT": str(sandbox.port),
        "BILLERS_SANDBOX_CONTROL_PORT": str(sandbox.control_port),
        "BILLERS_SECURE_COOKIES": "false",
        "BILLERS_TIME_FACTOR": TIME_FACTOR,
        "T24_API_URL": f"http://127.0.0.1:{sandbox.port}/t24",
        "T24_API_KEY": str(told["api_key"]),
        "T24_INQUIRY_CERTIFIED": "true",
        "T24_MAX_PROCESSING_SECONDS": "30",
    }


@contextmanager
def bank_at(server_url: URL, directory: Path) -> Iterator[Bank]:
    """Its database, its sandbox and its worker; the console is served by whoever needs it."""
    directory.mkdir(parents=True, exist_ok=True)
    url = create_database(server_url, f"api_{uuid.uuid4().hex[:12]}")
    sandbox = Sandbox(directory / "sandbox")
    sandbox.start()
    with pytest.MonkeyPatch.context() as patch:
        forget_settings(patch, directory)
        environment = environment_of(url, directory, sandbox)
        for name, value in environment.items():
            patch.setenv(name, value)
        settings.cache_clear()
        with console_uses(url, patch):
            core.db.migrate()
            seeds.load()
            with core.db.unit_of_work() as session:
                People(session).keep_role(EVERYTHING, "Everything", frozenset(PERMISSIONS))
                session.execute(text("UPDATE biller_configs SET timeout_ms = 20000"))
            arguments = (sys.executable, "-m", "core.cli", "worker")
            with (directory / "worker.log").open("wb") as output:
                worker = subprocess.Popen(arguments, cwd=CHECKOUT, stdout=output, stderr=subprocess.STDOUT, env=dict(os.environ))  # noqa: TID251
            bank = Bank(url, free_port(), sandbox, directory, environment)
            try:
                yield bank
            finally:
                for http in bank.programs:
                    http.close()
                worker.terminate()
                worker.wait(60)
                sandbox.process.terminate()
                sandbox.process.wait(20)
                if sandbox.process.stdout is not None:
                    sandbox.process.stdout.close()
    drop_database(server_url, url)


@pytest.fixture(scope="package")
def running_bank(server_url: URL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    with bank_at(server_url, tmp_path_factory.mktemp("bank")) as bank, bank.served():
        yield bank


@pytest.fixture
def bank(running_bank: Bank, clean_environment: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bank]:
    """The running bank; this process' services use its database meanwhile."""
    for name, value in running_bank.environment.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    with console_uses(running_bank.url, monkeypatch):
        yield running_bank


@pytest.fixture
def program(bank: Bank) -> Program:
    return bank.program()


@pytest.fixture
def new_key() -> Callable[[], str]:
    return lambda: uuid.uuid4().hex
