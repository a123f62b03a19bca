"""Keys are rotated three times, once by a process that is killed half way, while a worker pays two hundred bills: none is lost, none is paid twice."""

import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
from psycopg.types.json import Jsonb
from sqlalchemy.engine import URL

from core.models.vault import PLACES
from core.security import vault
from core.services import tokens
from core.settings import CHECKOUT, child_environment
from core.states import Stage
from tests.campaign.harness import PATIENCE_SECONDS, until
from tests.matrix.town import LWB, PREPAID, Bill, Town, new_account, new_town

PLAIN, WITH_TOKENS = 160, 40

# Of one configuration: so that a rotation takes seconds, and not an instant between two payments.
OLD_VERSIONS = 4_000

# One each: a part of them lasts as long as some thousand versions are sealed anew.
PACE_SECONDS = 0.12


@pytest.fixture
def town(server_url: URL, template: URL, tmp_path: Path, clean_environment: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Town]:
    with new_town(server_url, template, tmp_path, monkeypatch) as town:
        yield town


class Rotating:
    """`billers keys rotate`, as somebody calls it."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "core.cli", "keys", "rotate"]
        self.process = subprocess.Popen(command, cwd=CHECKOUT, env=child_environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def end(self) -> str:
        said, _ = self.process.communicate(timeout=PATIENCE_SECONDS)
        assert self.process.returncode == 0, said
        return said

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate(timeout=PATIENCE_SECONDS)


def keys_in_use(town: Town) -> set[str]:
    asked = " UNION ".join(f"SELECT split_part({place.column}, '.', 2) FROM {place.table} WHERE {place.column} IS NOT NULL" for place in PLACES)
    return {key for (key,) in town.rows(asked)}


def grow_a_history(town: Town) -> None:
    """Thousands of versions of one configuration, each with its copy of the credentials."""
    config_id, snapshot = town.rows("SELECT c.id, v.snapshot FROM biller_configs c JOIN biller_config_versions v ON v.config_id = c.id ORDER BY 1 LIMIT 1")[0]
    said = {"username": "billers", "password": "of long ago"}
    rows = [
        (config_id, 1_000 + number, Jsonb(snapshot), vault.seal_secret(said, "biller_configs", config_id, "authentication")) for number in range(OLD_VERSIONS)
    ]
    with town.connect() as connection, connection.cursor() as cursor, connection.transaction():
        cursor.executemany("INSERT INTO biller_config_versions (config_id, version, snapshot, authentication) VALUES (%s, %s, %s, %s)", rows)


def paid_meanwhile(town: Town) -> list[int]:
    """How many payments were answered between each beginning of a sealing and the end that follows it."""
    return [
        count
        for (count,) in town.rows(
            "SELECT (SELECT count(*) FROM answers n JOIN transactions t ON t.id = n.transaction_id WHERE t.amount IS NOT NULL AND n.at BETWEEN b.at AND"
            " (SELECT min(at) FROM audit_entries e WHERE e.action = 'vault.rotated' AND e.seq > b.seq))"
            " FROM audit_entries b WHERE b.action = 'vault.rotation_began' ORDER BY b.seq"
        )
    ]


def test_rotating_keys_under_load_loses_no_payment(town: Town) -> None:
    grow_a_history(town)
    worker = town.start_worker().wait_ready()
    prepaid = town.draft_all([Bill(PREPAID, new_account(PREPAID), "5000.00") for _ in range(WITH_TOKENS)])
    first = town.draft_all([Bill(LWB, new_account(LWB))])[0]
    drafts = [first, *town.copies_of(first, PLAIN - 1)]
    # A token with every fifth.
    queue = [draft for number in range(WITH_TOKENS) for draft in (*drafts[number * 4 : number * 4 + 4], prepaid[number])]
    paid: list[uuid.UUID] = []
    to_pay: Queue[uuid.UUID | None] = Queue()
    stop = threading.Event()

    def pay_all() -> None:
        while (draft := to_pay.get()) is not None and not stop.wait(PACE_SECONDS):
            paid.append(town.submit(draft))

    def pay_next() -> None:
        """A quarter of them: the first before anything is sealed anew, and one each time that begins, however long the one before took."""
        for _ in range(len(queue) // 4):
            to_pay.put(next(drafted))

    def rotating(time: int) -> Rotating:
        begun = Rotating()
        until(lambda: town.value("SELECT count(*) FROM audit_entries WHERE action = 'vault.rotation_began'") == time, "it began to seal anew")
        pay_next()
        return begun

    drafted = iter(queue)
    stream = Streaming(pay_all)
    try:
        pay_next()
        until(lambda: len(paid) > 3, "payments flow")
        assert keys_in_use(town) == {"k1"}
        assert "with key k2" in rotating(1).end()
        assert keys_in_use(town) == {"k2"}
        town.open(LWB, timeout_ms=2_100)

        killed = rotating(2)
        until(lambda: {"k2", "k3"} <= keys_in_use(town), "some of it is sealed with the third key, and some not yet")
        killed.kill()
        town.open(PREPAID, timeout_ms=2_100)
        assert {"k2", "k3"} <= keys_in_use(town), "it was killed in the middle"
        assert "Going on with key k3" in Rotating().end()
        assert keys_in_use(town) == {"k3"}

        assert "with key k4" in rotating(3).end()
        to_pay.put(None)
        stream.join()
    finally:
        stop.set()
        to_pay.put(None)
        stream.join()
    town.watch(*paid)
    assert worker.is_running
    assert {town.stage(one) for one in paid} == {Stage.COMPLETED}
    assert len(paid) == PLAIN + WITH_TOKENS
    report = town.judge()
    report.assert_all_well()
    assert (report.completed, report.effects) == (len(paid), len(paid))
    # Not one call went wrong for want of a key: what was sealed anew was opened by a worker that was never started anew.
    assert town.value("SELECT count(*) FROM answers WHERE failure IN ('not_prepared', 'refused_credentials')") == 0
    assert all(paid_meanwhile(town)), "each time something was sealed anew, payments went on"
    everything_opens(town)
    assert keys_in_use(town) == {"k4"}
    for key in ("k1", "k2", "k3"):
        retire(key)
    everything_opens(town)


def everything_opens(town: Town) -> None:
    """Every token that the biller has sold, and every set of credentials."""
    sold = {line["reference"]: line["token"] for line in town.sandbox.lines("ledger", PREPAID) if line.get("token")}
    there = town.rows("SELECT t.id, t.our_transaction_id FROM vended_tokens v JOIN transactions t ON t.id = v.transaction_id")
    assert len(sold) == len(there) == WITH_TOKENS
    for transaction_id, reference in there:
        assert tokens.reveal(town.manager, transaction_id, "test of the vault").replace(" ", "") == sold[reference].replace(" ", "")
    for table, key in (("biller_configs", "id"), ("biller_config_versions", "config_id")):
        for config_id, envelope in town.rows(f"SELECT {key}, authentication FROM {table} WHERE authentication IS NOT NULL"):
            assert vault.open_secret(envelope, "biller_configs", config_id, "authentication")


def retire(key: str) -> None:
    command = [sys.executable, "-m", "core.cli", "keys", "retire", key, "--no-backup-needs-it"]
    done = subprocess.run(command, cwd=CHECKOUT, env=child_environment(), capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    assert done.returncode == 0, done.stderr


class Streaming:
    """Something that goes on beside the test, in a thread. What it raises is raised where it is waited for."""

    def __init__(self, act: Callable[[], None]) -> None:
        self._raised: list[BaseException] = []
        self._thread = threading.Thread(target=self._run, args=(act,))
        self._thread.start()

    def join(self) -> None:
        self._thread.join()
        if self._raised:
            raise self._raised.pop()

    def _run(self, act: Callable[[], Any]) -> None:
        try:
            act()
        except BaseException as error:  # noqa: BLE001 - raised again by `join`
            self._raised.append(error)
