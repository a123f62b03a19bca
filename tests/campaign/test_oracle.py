"""The judge is judged: every violation planted in a small world is seen, and a good world is called good."""

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from core.services import settlement
from tests.campaign import oracle
from tests.campaign.harness import World
from tests.sandbox.running_sandbox import CODE

LEDGER, REQUESTS = f"{CODE}.ledger.jsonl", f"{CODE}.requests.jsonl"


@dataclass
class Scene:
    """A world with one payment of each end, and a copy of its ledgers to spoil. What is done to the database is undone."""

    world: World
    ledgers: Path
    completed: uuid.UUID
    failed: uuid.UUID
    queued: uuid.UUID

    def lines(self, name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.ledgers / name).read_text().splitlines()]

    def write(self, name: str, lines: list[dict[str, Any]]) -> None:
        (self.ledgers / name).write_text("".join(json.dumps(line) + "\n" for line in lines))

    def change(self, name: str, change: Callable[[list[dict[str, Any]]], object]) -> None:
        lines = self.lines(name)
        change(lines)
        self.write(name, lines)

    def judge(self, *statements: str, promised: dict[uuid.UUID, uuid.UUID] | None = None) -> oracle.Report:
        """The report with these statements done to the database, its guards switched off."""
        with self.world.connect() as connection, connection.transaction(force_rollback=True):
            for table in ("transactions", "attempts", "events", "legs"):
                connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
            for statement in statements:
                connection.execute(statement)
            return oracle.examine(connection, self.ledgers, promised)


@pytest.fixture(scope="module")
def ends(shared_world: World) -> tuple[uuid.UUID, uuid.UUID, uuid.UUID]:
    completed, failed = shared_world.pay_by_hand("70000001"), shared_world.pay_by_hand("10020003")
    shared_world.carry_out(settlement.claim_sends)
    return completed, failed, shared_world.pay_by_hand("70000002")


@pytest.fixture
def scene(world: World, ends: tuple[uuid.UUID, uuid.UUID, uuid.UUID], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    # The chain is sealed by other connections, which would wait for the spoilt tables; it has a test of its own.
    monkeypatch.setattr(oracle, "_the_chain_holds", lambda report: None)
    for name in (LEDGER, REQUESTS):
        (tmp_path / name).write_bytes((world.sandbox.directory / name).read_bytes())
    return Scene(world, tmp_path, *ends)


def test_a_good_world_is_called_good(scene: Scene) -> None:
    report = scene.judge()
    report.assert_all_well(settled=False)
    assert (report.payments, report.effects, report.completed, report.failed) == (3, 1, 1, 1)
    assert len(report.unsettled) == 1
    with pytest.raises(oracle.Broken, match="has not come to its end"):
        report.assert_all_well()


def test_a_second_effect_is_double(scene: Scene) -> None:
    scene.change(LEDGER, lambda lines: lines.append({**lines[0], "external_id": "LWB9"}))
    assert "was paid 2 times" in scene.judge().double[0]


def test_an_effect_given_back_is_none(scene: Scene) -> None:
    scene.change(LEDGER, lambda lines: lines.append({**lines[0], "kind": "REVERSAL", "external_id": "LWB9"}))
    report = scene.judge()
    assert report.double == []
    assert "is told as paid" in report.lost[0]


def test_a_completed_payment_without_its_effect_is_lost(scene: Scene) -> None:
    scene.change(LEDGER, lambda lines: lines.clear())
    assert "the biller does not have it" in scene.judge().lost[0]


def test_an_effect_that_nobody_knows_is_lost(scene: Scene) -> None:
    scene.change(LEDGER, lambda lines: lines.append({**lines[0], "reference": "NOBODYKNOWSTHIS1"}))
    report = scene.judge()
    assert "no transaction tells of it" in report.lost[0]
    assert "no intent was written" in report.wrong[0]


def test_an_effect_under_a_failed_payment_is_wrong(scene: Scene) -> None:
    reference = scene.world.find(scene.failed).our_transaction_id
    scene.change(LEDGER, lambda lines: lines.append({**lines[0], "reference": reference, "account": "10020003"}))
    assert "is told as unpaid, and the biller has it" in scene.judge().wrong[0]


def test_an_effect_before_the_payment_was_sent_is_wrong(scene: Scene) -> None:
    reference = scene.world.find(scene.queued).our_transaction_id
    scene.change(LEDGER, lambda lines: lines.append({**lines[0], "reference": reference, "account": "70000002"}))
    assert any("is told as not sent" in sentence for sentence in scene.judge().wrong)


def test_an_effect_of_a_payment_under_way_is_in_order(scene: Scene) -> None:
    """A worker killed after the biller acted: the row is in doubt, and is settled later."""
    doubtful = f"UPDATE transactions SET stage = 'PAY_UNKNOWN', status = 'PROCESSING', next_action_at = now() WHERE id = '{scene.completed}'"
    last_told = f"UPDATE events SET to_stage = 'PAY_UNKNOWN' WHERE to_stage = 'COMPLETED' AND transaction_id = '{scene.completed}'"
    scene.judge(doubtful, last_told).assert_all_well(settled=False)


@pytest.mark.parametrize(("name", "value"), [("account", "70000009"), ("amount", "5475.51"), ("currency", "ZAR")])
def test_an_effect_of_something_else_is_wrong(scene: Scene, name: str, value: str) -> None:
    scene.change(LEDGER, lambda lines: lines[0].update({name: value}))
    assert "the biller has" in scene.judge().wrong[0]


def test_the_number_of_another_payment_is_wrong(scene: Scene) -> None:
    assert "not this payment's" in scene.judge("UPDATE transactions SET external_transaction_id = 'LWB7' WHERE status = 'COMPLETED' AND amount > 0").wrong[0]


def test_a_bill_paid_again_by_its_retry_is_double(scene: Scene) -> None:
    child = f"UPDATE transactions SET retry_of = '{scene.completed}' WHERE id = '{scene.failed}'"
    reference = scene.world.find(scene.failed).our_transaction_id
    scene.change(LEDGER, lambda lines: lines.append({**lines[0], "reference": reference, "account": "10020003"}))
    assert "and its retries were paid 2 times" in scene.judge(child).double[0]


def test_a_row_that_waits_for_nobody_is_wrong(scene: Scene) -> None:
    idle = "ALTER TABLE transactions DROP CONSTRAINT ck_transactions_next_step"
    assert "waits for nobody" in scene.judge(idle, f"UPDATE transactions SET next_action_at = NULL WHERE id = '{scene.queued}'").wrong[0]


def test_a_row_that_waits_for_people_is_in_order(scene: Scene) -> None:
    review = f"UPDATE transactions SET stage = 'REVIEW', status = 'PROCESSING', next_action_at = NULL WHERE id = '{scene.queued}'"
    told = f"UPDATE events SET to_stage = 'REVIEW' WHERE to_stage = 'QUEUED' AND transaction_id = '{scene.queued}'"
    report = scene.judge(review, told)
    report.assert_all_well()
    assert report.review == 1


def test_a_submitted_draft_without_its_transaction_is_lost(scene: Scene) -> None:
    (gone,) = scene.judge(f"UPDATE transactions SET draft_id = NULL WHERE id = '{scene.queued}'").lost
    assert "was submitted, and there is no transaction" in gone
    (told,) = scene.judge(promised={uuid.uuid4(): uuid.uuid4()}).lost
    assert "was submitted, and there is no transaction" in told


def test_a_request_without_an_intent_is_wrong(scene: Scene) -> None:
    assert any("intents were written before" in sentence for sentence in scene.judge("DELETE FROM attempts WHERE verb = 'pay'").wrong)
    scene.change(REQUESTS, lambda lines: lines.append(next(line for line in lines if line["operation"] == "PostTransaction")))
    assert "arrived 2 times, and 1 intents" in scene.judge().wrong[0]


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM events WHERE version = 2",
        "DELETE FROM events WHERE to_stage = 'COMPLETED'",
        "UPDATE events SET from_stage = 'PAY_RETRY' WHERE to_stage = 'COMPLETED'",
        "UPDATE transactions SET version = version + 1",
    ],
)
def test_a_story_with_a_gap_is_wrong(scene: Scene, statement: str) -> None:
    assert any("has a gap" in sentence for sentence in scene.judge(statement).wrong)


def test_a_line_still_being_written_is_not_read(scene: Scene) -> None:
    with (scene.ledgers / LEDGER).open("a") as file:
        file.write('{"kind": "PAY", "refer')
    scene.judge().assert_all_well(settled=False)


def test_a_broken_audit_chain_is_wrong(own_world: World) -> None:
    own_world.pay_by_hand("70000001")
    own_world.judge().assert_all_well(settled=False)
    with own_world.connect() as connection:
        connection.execute("ALTER TABLE audit_entries DISABLE TRIGGER USER")
        connection.execute("UPDATE audit_entries SET actor_name = 'somebody else' WHERE seq = (SELECT max(seq) FROM audit_entries)")
    assert "chain" in own_world.judge().wrong[0]
