"""A ninth biller touches three places. README says how; here it is done, in a copy of the tree, and a bill is paid through it."""

import json
import os
import re
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.world import Database

ROOT = Path(__file__).parents[2]
SECTION = (ROOT / "README.md").read_text().partition("## A ninth biller")[2].partition("\n## ")[0]

CODE = "NORTHERN_WATER"
PLACES = {"core/adapters/northern_water.py", "tests/fixtures/northern_water/", "seeds/billers.toml"}

# What tools leave in a tree.
LEFT_BEHIND = (".venv", "__pycache__", ".*_cache", ".hypothesis", ".coverage")

# Those of every biller's tests that see this one.
ITS_TESTS = "northern_water or NORTHERN_WATER or every_folder or real_socket"

# Nothing here takes longer unless it is broken.
SECONDS = 60

PAYING = """
import threading
from core.access import Actor
from core.services import drafts, lookups, payments, transactions
from core.db import unit_of_work
from core.models import User
from core.repositories.people import People

with unit_of_work() as session:
    grace = People(session).named("grace")
    actor = Actor(grace.id, "grace", "Grace", "operator", People(session).permissions_by_role()["operator"])

def settled(id):
    for _ in range(600):
        if transactions.find(actor, id).status in ("COMPLETED", "FAILED"):
            return transactions.find(actor, id)
        threading.Event().wait(0.05)
    raise SystemExit(f"It stands at {transactions.find(actor, id).stage}.")

asked = settled(lookups.ask(actor, "NORTHERN_WATER", "51000077"))
form = {"biller": "NORTHERN_WATER", "account": "51000077", "lookup": str(asked.id), "amount": "2750.25"}
draft = drafts.freeze(actor, drafts.begin(actor, form).id).draft
paid = settled(payments.submit(actor, draft.id).transaction_id)
print(asked.customer_account_name, paid.status, paid.our_transaction_id, sep="|")
"""


def block(language: str, number: int = 0) -> str:
    """One of the section's blocks of code: what a reader would copy."""
    return re.findall(rf"```{language}\n(.*?)```", SECTION, re.DOTALL)[number]


def envelope(inner: str) -> str:
    return f'<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>{inner}</soap:Body></soap:Envelope>'


def answer(operation: str, **said: str) -> str:
    return envelope(f"<{operation}Response>" + "".join(f"<{name}>{text}</{name}>" for name, text in said.items()) + f"</{operation}Response>")


def recording(folder: Path, stem: str, request: str, response: str, **told: str) -> None:
    """README shows one; the others differ in what is asked and what comes back."""
    verb = stem.partition("-")[0]
    ask = {"account": "51000001"} if verb == "lookup" else {"reference": "7K3MZQ9RT2WX5B1C", "account": "51000001", "amount": "5475.50", "currency": "MWK"}
    lines = [f'verb = "{verb}"', "[ask]", *(f'{name} = "{value}"' for name, value in ask.items()), "[understand]"]
    lines += [f'{name} = "{value}"' for name, value in told.items()]
    (folder / f"{stem}.toml").write_text("\n".join(lines) + "\n")
    (folder / f"{stem}.request.xml").write_text(request)
    (folder / f"{stem}.response.xml").write_text(response)


def add_recordings(folder: Path) -> None:
    folder.mkdir()
    for suffix, number in (("toml", 0), ("request.xml", 0), ("response.xml", 1)):
        (folder / f"pay-confirmed.{suffix}").write_text(block("toml" if suffix == "toml" else "xml", number))
    pay = (folder / "pay-confirmed.request.xml").read_text()
    ours = {"OurTransactionId": "7K3MZQ9RT2WX5B1C", "AccountNumber": "51000001", "Amount": "5475.50"}
    for name, status, outcome in (("accepted", "90", "ACCEPTED"), ("rejected", "11", "REJECTED"), ("unknown", "57", "UNKNOWN")):
        recording(folder, f"pay-{name}", pay, answer("Pay", Status=status, **ours), outcome=outcome, code=status)
    ask = envelope('<Status xmlns="urn:northern-water"><OurTransactionId>7K3MZQ9RT2WX5B1C</OurTransactionId></Status>')
    recording(folder, "status-confirmed", ask, answer("Status", Status="0", TransactionId="N-1", **ours), outcome="CONFIRMED", code="0", external_id="N-1")
    never_seen = answer("Status", Status="404", OurTransactionId="7K3MZQ9RT2WX5B1C")
    recording(folder, "status-not-found", ask, never_seen, outcome="NOT_FOUND", code="404")
    look = envelope('<Find xmlns="urn:northern-water"><AccountNumber>51000001</AccountNumber></Find>')
    found = answer("Find", AccountNumber="51000001", CustomerName="Ruth Nyirenda", Status="ACTIVE")
    recording(folder, "lookup-found", look, found, outcome="CONFIRMED", number="51000001", name="Ruth Nyirenda", state="ACTIVE", code="ACTIVE")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree with a ninth biller in it."""
    copy = tmp_path_factory.mktemp("ninth") / "tree"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".git", "screenshots", *LEFT_BEHIND))
    (copy / "core/adapters/northern_water.py").write_text(block("python"))
    add_recordings(copy / "tests/fixtures/northern_water")
    with (copy / "seeds/billers.toml").open("a") as seeds:
        seeds.write(block("toml", 1))
    return copy


def changed(tree: Path) -> set[str]:
    """What `git status` would list: files that differ, and whole folders that are new."""
    found = set()
    for path in sorted(tree.rglob("*")):
        name = path.relative_to(tree).as_posix()
        theirs = ROOT / name
        if "__pycache__" in name or any(name.startswith(place) for place in found if place.endswith("/")):
            continue
        if path.is_dir() and not theirs.exists():
            found.add(f"{name}/")
        elif path.is_file() and (not theirs.exists() or theirs.read_bytes() != path.read_bytes()):
            found.add(name)
    return found


def run(tree: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("BILLERS_", "PYTEST"))}  # noqa: TID251 - what a child process gets
    return subprocess.run(
        [sys.executable, *arguments], cwd=tree, env={**inherited, **environment, "PYTHONDONTWRITEBYTECODE": "1"}, capture_output=True, text=True, check=False
    )


def git_status(tree: Path) -> set[str]:
    """Against a commit of the tree as it was, in a repository of its own."""
    original, repository = tree.parent / "original", tree.parent / "repository"
    shutil.copytree(tree, original, ignore=shutil.ignore_patterns("northern_water*", *LEFT_BEHIND))
    shutil.copy(ROOT / "seeds/billers.toml", original / "seeds/billers.toml")

    def git(work_tree: Path, *arguments: str) -> str:
        command = ["git", "-c", "user.name=x", "-c", "user.email=x@example.test", "--git-dir", str(repository), "--work-tree", str(work_tree)]
        return subprocess.run([*command, *arguments], cwd=work_tree, capture_output=True, text=True, check=True).stdout

    git(original, "init", "-q")
    git(original, "add", "-A")
    git(original, "commit", "-qm", "As it was")
    return {line[3:] for line in git(tree, "status", "--porcelain").splitlines()}


def test_three_places_are_touched_and_no_fourth(tree: Path) -> None:
    assert changed(tree) == PLACES
    if shutil.which("git"):
        # A bare machine has none; the walk above says the same.
        assert git_status(tree) == PLACES


def test_the_tests_of_every_biller_hold_for_it_unedited(tree: Path) -> None:
    ran = run(tree, "-m", "pytest", "tests/adapters/test_recordings.py", "-v", "-k", ITS_TESTS, "-p", "no:cacheprovider")
    assert ran.returncode == 0, ran.stdout[-3000:]
    assert ran.stdout.count("northern_water/pay-confirmed") >= 4
    assert CODE in ran.stdout


@contextmanager
def background(tree: Path, environment: Mapping[str, str], *command: str) -> Iterator[str]:
    """A program of the tree, from the line that says it is ready; answers that line."""
    process = subprocess.Popen([sys.executable, *command], cwd=tree, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True)  # noqa: TID251
    assert process.stdout is not None
    try:
        assert select.select([process.stdout], [], [], SECONDS)[0], f"{command} did not say that it is ready"
        yield process.stdout.readline()
    finally:
        process.terminate()
        process.wait(SECONDS)
        process.stdout.close()


def test_a_bill_is_looked_up_and_paid_through_it(tree: Path, empty_database: Database, tmp_path: Path) -> None:
    ledgers = tmp_path / "sandbox"
    environment = {"DATABASE_URL": empty_database.dsn, "BILLERS_DATA_DIR": str(tmp_path), "BILLERS_SANDBOX": "true", "PYTHONDONTWRITEBYTECODE": "1"}
    with background(tree, environment, "-m", "core.sandbox", "--port", "0", "--control-port", "0", "--dir", str(ledgers)) as ready:
        environment["BILLERS_SANDBOX_PORT"] = str(json.loads(ready)["port"])
        for command in ("migrate", "seed"):
            done = run(tree, "-m", "core.cli", command, **environment)
            assert done.returncode == 0, done.stderr
        with background(tree, environment, "-m", "core.worker") as started:
            assert started.strip() == "ready"
            paid = run(tree, "-c", PAYING, **environment)
    assert paid.returncode == 0, paid.stderr
    name, status, reference = paid.stdout.strip().splitlines()[-1].split("|")
    assert (name, status) == ("Ruth Nyirenda", "COMPLETED")
    (effect,) = [json.loads(line) for line in (ledgers / f"{CODE}.ledger.jsonl").read_text().splitlines()]
    assert (effect["kind"], effect["reference"], effect["account"], effect["amount"]) == ("PAY", reference, "51000077", "2750.25")
    with psycopg.connect(empty_database.url.set(drivername="postgresql").render_as_string(hide_password=False)) as connection:
        assert connection.execute("SELECT name FROM biller_types WHERE code = %s", (CODE,)).fetchone() == ("Northern Region Water Board",)
