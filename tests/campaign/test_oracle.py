"""The judge is judged: every violation planted in a small world is seen, and a good world is called good."""

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from core.services import claims
from tests.campaign import oracle
from tests.campaign.evidence import BANK
from tests.campaign.harness import World
from tests.sandbox.running_sandbox import CODE

LEDGER, REQUESTS = f"{CODE}.ledger.jsonl", f"{CODE}.requests.jsonl"
BANK_LEDGER, BANK_REQUESTS = f"{BANK}.ledger.jsonl", f"{BANK}.requests.jsonl"

CUSTOMER, SUSPENSE = "2010000001", "MWK1280600000001"


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
    shared_world.carry_out(claims.claim_sends)
    return completed, failed, shared_world.pay_by_hand("70000002")


@pytest.fixture
def scene(world: World, ends: tuple[uuid.UUID, uuid.UUID, uuid.UUID], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    # The chain is sealed by other connections, which would wait for the spoilt tables; it has a test of its own.
    monkeypatch.setattr(oracle, "_the_chain_holds", lambda report: None)
    for name in (LEDGER, REQUESTS, BANK_LEDGER, BANK_REQUESTS):
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


# ---- Core banking. What the bank's book would have is written by hand, and the payments are made SEPARATE in the database only.


@dataclass
class Bank:
    """The completed payment as one that was debited first, and the failed one as one that was debited and given back."""

    scene: Scene
    statements: list[str]
    lines: list[dict[str, Any]]
    arrivals: list[dict[str, Any]]

    def judge(self, *statements: str) -> oracle.Report:
        self.scene.write(BANK_LEDGER, self.lines)
        self.scene.write(BANK_REQUESTS, self.arrivals)
        return self.scene.judge(*self.statements, *statements)

    def debited(self) -> dict[str, Any]:
        """The debit of the completed payment."""
        return self.lines[0]


def _legs_of(transaction: uuid.UUID, name: str) -> list[str]:
    """Its debit was meant to be sent once, and once to be given back."""
    legs = [(kind, f"{kind[:8]}{name}") for kind in ("DEBIT", "REVERSAL", "REFUND")]
    attempt = "INSERT INTO attempts (id, transaction_id, leg, verb, reference, lease_epoch, worker) VALUES"
    return [
        f"UPDATE transactions SET topology = 'SEPARATE', debit_account = '{CUSTOMER}', credit_account = '{SUSPENSE}' WHERE id = '{transaction}'",
        *(f"INSERT INTO legs (transaction_id, kind, reference) VALUES ('{transaction}', '{kind}', '{reference}')" for kind, reference in legs),
        *(f"{attempt} ('{uuid.uuid4()}', '{transaction}', '{kind}', 'pay', '{reference}', 1, 'by hand')" for kind, reference in legs),
    ]


@pytest.fixture
def bank(scene: Scene) -> Bank:
    paid = scene.lines(LEDGER)[0]
    failed = scene.world.find(scene.failed)
    accounts = {"debit_account": CUSTOMER, "credit_account": SUSPENSE, "currency": "MWK", "at": "2026-01-01T08:00:00.000000+00:00"}
    taken = {**accounts, "kind": "DEBIT", "id": "FT2", "reference": "DEBITFAILED", "amount": f"{failed.amount:.2f}"}
    lines = [
        {**accounts, "kind": "DEBIT", "id": "FT1", "reference": "DEBITPAID", "amount": paid["amount"]},
        taken,
        {**taken, "kind": "REVERSAL", "at": "2026-01-01T08:00:01.000000+00:00"},
    ]
    arrivals = [
        {"operation": "POST transfers", "reference": "DEBITPAID"},
        {"operation": "POST transfers", "reference": "DEBITFAILED"},
        {"operation": "DELETE transfers", "reference": None, "id": "FT2"},
    ]
    return Bank(scene, [*_legs_of(scene.completed, "PAID"), *_legs_of(scene.failed, "FAILED")], lines, arrivals)


def test_a_debit_for_each_completed_payment_and_none_for_a_failed_one_is_in_order(bank: Bank) -> None:
    report = bank.judge()
    report.assert_all_well(settled=False)
    assert report.debits == 1


def test_a_second_debit_is_double(bank: Bank) -> None:
    bank.lines.append({**bank.debited(), "id": "FT9"})
    assert "was debited 2 times" in bank.judge().double[0]


def test_a_second_refund_is_double(bank: Bank) -> None:
    back = {**bank.debited(), "reference": "REFUNDPAID", "debit_account": SUSPENSE, "credit_account": CUSTOMER}
    bank.lines += [{**back, "id": "FT8"}, {**back, "id": "FT9"}]
    assert "was refunded 2 times" in bank.judge().double[0]


def test_a_completed_payment_that_nobody_was_debited_for_is_wrong(bank: Bank) -> None:
    del bank.lines[0]
    assert "the customer was debited 0 times" in bank.judge().wrong[0]


def test_a_completed_payment_whose_debit_was_given_back_is_wrong(bank: Bank) -> None:
    bank.lines.append({**bank.debited(), "kind": "REVERSAL"})
    assert "the customer was debited 0 times" in bank.judge().wrong[0]


def test_a_failed_payment_whose_debit_was_kept_is_wrong(bank: Bank) -> None:
    del bank.lines[2]
    assert "is told as unpaid, and the customer was debited 1 times" in bank.judge().wrong[0]


def test_a_debit_that_nobody_knows_is_lost(bank: Bank) -> None:
    bank.lines.append({**bank.debited(), "reference": "NOBODYKNOWSTHIS1", "id": "FT9"})
    report = bank.judge()
    assert "core banking moved" in report.lost[0]
    assert "no intent was written" in report.wrong[0]


def test_a_debit_before_the_payment_was_sent_is_wrong(bank: Bank) -> None:
    bank.lines.append({**bank.debited(), "reference": "DEBITQUEUED", "id": "FT9"})
    assert any("is told as not sent" in sentence for sentence in bank.judge(*_legs_of(bank.scene.queued, "QUEUED")).wrong)


def test_a_debit_of_a_payment_that_needs_none_is_wrong(bank: Bank) -> None:
    found = bank.judge(f"UPDATE transactions SET topology = 'NONE' WHERE id = '{bank.scene.completed}'").wrong
    assert any("is NONE, and core banking has debited it" in sentence for sentence in found)


@pytest.mark.parametrize(("name", "value"), [("debit_account", "2010000002"), ("credit_account", CUSTOMER), ("amount", "5475.51"), ("currency", "ZAR")])
def test_a_debit_of_something_else_is_wrong(bank: Bank, name: str, value: str) -> None:
    bank.debited()[name] = value
    assert "core banking has" in bank.judge().wrong[0]


def test_a_refund_that_goes_the_way_of_the_debit_is_wrong(bank: Bank) -> None:
    bank.lines.append({**bank.debited(), "reference": "REFUNDPAID", "id": "FT9"})
    assert any("core banking has" in sentence for sentence in bank.judge().wrong)


def test_a_payment_that_both_gave_back_is_reversed(bank: Bank) -> None:
    bank.lines.append({**bank.debited(), "reference": "REFUNDPAID", "id": "FT9", "debit_account": SUSPENSE, "credit_account": CUSTOMER})
    bank.scene.change(LEDGER, lambda lines: lines.append({**lines[0], "kind": "REVERSAL", "external_id": "LWB9"}))
    given_back = f"UPDATE transactions SET stage = 'REVERSED', status = 'REVERSED' WHERE id = '{bank.scene.completed}'"
    told = f"UPDATE events SET to_stage = 'REVERSED' WHERE to_stage = 'COMPLETED' AND transaction_id = '{bank.scene.completed}'"
    bank.judge(given_back, told).assert_all_well(settled=False)


def test_a_biller_paid_before_the_customer_was_debited_is_wrong(bank: Bank) -> None:
    bank.debited()["at"] = "2099-01-01T08:00:00.000000+00:00"
    assert "before the customer was debited" in bank.judge().wrong[0]


def test_a_payment_that_goes_on_without_its_debit_is_wrong(bank: Bank) -> None:
    del bank.lines[0]
    doubtful = f"UPDATE transactions SET stage = 'PAY_UNKNOWN', status = 'PROCESSING', next_action_at = now() WHERE id = '{bank.scene.completed}'"
    assert any("goes on as debited" in sentence for sentence in bank.judge(doubtful).wrong)


def test_the_number_of_another_debit_is_wrong(bank: Bank) -> None:
    assert "core banking's number FT7" in bank.judge("UPDATE legs SET external_id = 'FT7' WHERE reference = 'DEBITPAID'").wrong[0]


@pytest.mark.parametrize("name", [LEDGER, REQUESTS])
def test_a_biller_told_of_accounts_that_it_is_not_to_debit_is_wrong(bank: Bank, name: str) -> None:
    paying = {"PAY", "PostTransaction"}
    bank.scene.change(name, lambda lines: [line.update(debit_account=CUSTOMER) for line in lines if {line.get("kind"), line.get("operation")} & paying])
    assert "was told of the accounts 2010000001" in bank.judge().wrong[0]


def test_a_composite_payment_names_both_accounts(scene: Scene) -> None:
    composite = f"UPDATE transactions SET topology = 'COMPOSITE', debit_account = '{CUSTOMER}', credit_account = '{SUSPENSE}' WHERE id = '{scene.completed}'"
    assert "was told of the accounts None and None" in scene.judge(composite).wrong[0]
    paying, accounts = {"PAY", "PostTransaction"}, {"debit_account": CUSTOMER, "credit_account": SUSPENSE}
    reference = scene.world.find(scene.completed).our_transaction_id
    for name in (LEDGER, REQUESTS):
        scene.change(
            name,
            lambda lines: [line.update(accounts) for line in lines if {line.get("kind"), line.get("operation")} & paying and line["reference"] == reference],
        )
    scene.judge(composite).assert_all_well(settled=False)


@pytest.mark.parametrize("number", [0, 2])
def test_a_request_to_core_banking_without_an_intent_is_wrong(bank: Bank, number: int) -> None:
    bank.arrivals.append(bank.arrivals[number])
    assert "arrived 2 times, and 1 intents" in bank.judge().wrong[0]


def test_a_dry_run_is_no_request_for_money(bank: Bank) -> None:
    bank.arrivals.append({**bank.arrivals[0], "dry_run": "true"})
    bank.judge().assert_all_well(settled=False)


def test_a_retry_that_is_not_there_is_lost(scene: Scene) -> None:
    columns = "actor_name, action, subject_type, subject_id, details"
    gone = f"INSERT INTO audit_entries ({columns}) VALUES ('x', 'transaction.retried', 'transaction', '{uuid.uuid4()}', '{{}}')"
    assert "was made by a retry, and is not there" in scene.judge(gone).lost[0]


def test_a_broken_audit_chain_is_wrong(own_world: World) -> None:
    own_world.pay_by_hand("70000001")
    own_world.judge().assert_all_well(settled=False)
    with own_world.connect() as connection:
        connection.execute("ALTER TABLE audit_entries DISABLE TRIGGER USER")
        connection.execute("UPDATE audit_entries SET actor_name = 'somebody else' WHERE seq = (SELECT max(seq) FROM audit_entries)")
    assert "chain" in own_world.judge().wrong[0]
