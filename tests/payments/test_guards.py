"""What the database refuses by itself, whoever asks: a bug, or a person with the SQL console."""

import uuid
from collections.abc import Iterator
from itertools import count

import psycopg
import pytest

from core.services import drafts
from core.states import PAYMENT_PLACES, Stage, Status, TransactionType, is_legal, status_of
from tests.payments.bench import Bench

ILLEGAL_MOVE, CHANGED_INTENT, REWRITTEN_HISTORY = "BM001", "BM002", "BM003"

NUMBERS = count(1)

KINDS = {"payment": TransactionType.POST_TRANSACTION, "asking": TransactionType.ACCOUNT_DETAILS}


@pytest.fixture
def connection(bench: Bench) -> Iterator[psycopg.Connection]:
    """What is done here is undone at the end."""
    with bench.connect() as made, made.transaction(force_rollback=True):
        yield made


def refusal(connection: psycopg.Connection, query: str, *values: object) -> str | None:
    """The SQLSTATE that the database refuses this with; None where it would do it. Nothing is kept either way."""
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(query, values)
    except psycopg.Error as error:
        return error.sqlstate or "?"
    return None


def stand_everywhere(connection: psycopg.Connection, kind: TransactionType) -> dict[Stage, uuid.UUID]:
    """A row in every stage, whether or not there is a way to it: put there with the trigger off, as nobody in production can."""
    connection.execute("ALTER TABLE transactions DISABLE TRIGGER hold_the_moves")
    made = {}
    for stage in Stage:
        number = next(NUMBERS)
        made[stage] = uuid.uuid4()
        connection.execute(
            "INSERT INTO transactions (id, biller_type, biller_name, our_transaction_id, transaction_type, topology, account_number, amount, stage, status,"
            " next_action_at) VALUES (%s, 'LWB_POSTPAID', 'LWB', %s, %s, %s, %s, %s, %s, %s, now())",
            [
                *(made[stage], f"REF{number:013d}", kind.value),
                *(("NONE", f"8000{number:04d}", "500") if kind.moves_money else (None, f"8000{number:04d}", None)),
                *(stage.value, status_of(stage).value),
            ],
        )
    connection.execute("ALTER TABLE transactions ENABLE TRIGGER hold_the_moves")
    return made


@pytest.mark.parametrize("kind", KINDS)
def test_the_trigger_holds_exactly_the_table_of_moves(connection: psycopg.Connection, kind: str) -> None:
    rows = stand_everywhere(connection, KINDS[kind])
    move = "UPDATE transactions SET stage = %s, status = %s, version = version + 1 WHERE id = %s"
    for old in Stage:
        for new in Stage:
            if old is new:
                continue
            refused = refusal(connection, move, new.value, status_of(new).value, rows[old])
            assert refused == (None if is_legal(KINDS[kind], old, new) else ILLEGAL_MOVE), f"{old} > {new}"


def test_the_database_names_every_stage_with_its_status(connection: psycopg.Connection) -> None:
    rows = stand_everywhere(connection, TransactionType.POST_TRANSACTION)
    for stage, row in rows.items():
        for status in Status:
            refused = refusal(connection, "UPDATE transactions SET status = %s WHERE id = %s", status.value, row)
            assert refused == (None if status is status_of(stage) else psycopg.errors.CheckViolation.sqlstate), f"{stage} as {status}"


def test_a_stage_that_waits_for_nobody_is_settled_or_in_peoples_hands(connection: psycopg.Connection) -> None:
    rows = stand_everywhere(connection, TransactionType.POST_TRANSACTION)
    for stage, row in rows.items():
        refused = refusal(connection, "UPDATE transactions SET next_action_at = NULL WHERE id = %s", row)
        rests = stage not in PAYMENT_PLACES or not PAYMENT_PLACES[stage].leaves_to or PAYMENT_PLACES[stage].flagged or stage is Stage.COMPLETED
        waits_for_the_worker = stage.value.endswith(("_SENDING", "_UNKNOWN", "_RETRY", "_ACCEPTED"))
        by_people = stage in (Stage.AWAITING_APPROVAL, Stage.REVERSAL_REQUESTED) or (rests and not waits_for_the_worker and stage is not Stage.ASKING)
        assert (refused is None) == by_people, stage


@pytest.mark.parametrize("stage", [Stage.QUEUED, Stage.PAY_SENDING, Stage.PAY_UNKNOWN, Stage.PAY_ACCEPTED, Stage.COMPLETED, Stage.FAILED])
@pytest.mark.parametrize("status", ["COMPLETED", "FAILED", "PENDING", "REVERSED"])
def test_d11_nobody_sets_a_status_by_hand(bench: Bench, connection: psycopg.Connection, stage: Stage, status: str) -> None:
    paid = bench.paid_to(stage)
    if status_of(stage).value != status:
        assert refusal(connection, "UPDATE transactions SET status = %s WHERE id = %s", status, paid) == psycopg.errors.CheckViolation.sqlstate


def test_d11_nobody_fails_a_payment_in_doubt_by_hand(bench: Bench, connection: psycopg.Connection) -> None:
    paid = bench.paid_to(Stage.PAY_UNKNOWN)
    by_hand = "UPDATE transactions SET stage = 'FAILED', status = 'FAILED', version = version + 1, next_action_at = NULL WHERE id = %s"
    assert refusal(connection, by_hand, paid) == ILLEGAL_MOVE
    assert refusal(connection, by_hand.replace("FAILED", "CANCELLED"), paid) == ILLEGAL_MOVE


def test_a_move_without_its_version_is_refused(bench: Bench, connection: psycopg.Connection) -> None:
    paid = bench.paid_to(Stage.QUEUED)
    unversioned = "UPDATE transactions SET stage = 'CANCELLED', status = 'CANCELLED' WHERE id = %s"
    assert refusal(connection, unversioned, paid) == ILLEGAL_MOVE
    assert refusal(connection, unversioned.replace(" WHERE", ", version = version + 2 WHERE"), paid) == ILLEGAL_MOVE
    assert refusal(connection, unversioned.replace(" WHERE", ", version = version + 1 WHERE"), paid) is None


def test_a_lease_never_goes_back(bench: Bench, connection: psycopg.Connection) -> None:
    paid = bench.paid_to(Stage.PAY_SENDING)
    assert refusal(connection, "UPDATE transactions SET lease_epoch = lease_epoch - 1 WHERE id = %s", paid) == ILLEGAL_MOVE


# Every column that says what is paid, with a value that is another one.
FROZEN = {
    "our_transaction_id": "'ANOTHERREFERENCE'",
    "amount": "amount + 1",
    "currency": "'ZAR'",
    "account_number": "'70000099'",
    "account_type": "'GROUP'",
    "invoice_number": "'INV-1'",
    "bundle_id": "'B-1'",
    "debit_account": "'123'",
    "credit_account": "'123'",
    "topology": "'COMPOSITE'",
    "transaction_type": "'CONFIRM_BUNDLE'",
    "config_version": "config_version + 1",
    "biller_config_id": "NULL",
    "draft_id": "NULL",
    "retry_of": "id",
    "initiated_by": "NULL",
    "created_at": "now()",
    "demo": "true",
    "id": "gen_random_uuid()",
}


@pytest.mark.parametrize("column", FROZEN)
@pytest.mark.parametrize("stage", [Stage.QUEUED, Stage.COMPLETED])
def test_what_a_payment_pays_cannot_be_changed(bench: Bench, connection: psycopg.Connection, column: str, stage: Stage) -> None:
    paid = bench.paid_to(stage)
    assert refusal(connection, f"UPDATE transactions SET {column} = {FROZEN[column]} WHERE id = %s", paid) == CHANGED_INTENT


def test_a_payment_begins_at_the_beginning(bench: Bench, connection: psycopg.Connection) -> None:
    paid = bench.paid_to(Stage.COMPLETED)
    columns = "biller_type, biller_name, our_transaction_id, transaction_type, topology, account_number, amount, stage, status"
    copy = f"INSERT INTO transactions (id, {columns}) SELECT gen_random_uuid(), {columns.replace('our_transaction_id', chr(39) + 'NEW' + chr(39))}"
    assert refusal(connection, f"{copy} FROM transactions WHERE id = %s", paid) == ILLEGAL_MOVE


@pytest.mark.parametrize("stage", [Stage.QUEUED, Stage.COMPLETED, Stage.FAILED, Stage.CANCELLED])
def test_the_record_of_a_payment_cannot_be_deleted(bench: Bench, connection: psycopg.Connection, stage: Stage) -> None:
    paid = bench.paid_to(stage)
    assert refusal(connection, "DELETE FROM transactions WHERE id = %s", paid) == REWRITTEN_HISTORY
    assert refusal(connection, "DELETE FROM legs WHERE transaction_id = %s", paid) == CHANGED_INTENT
    assert refusal(connection, "TRUNCATE transactions CASCADE") == REWRITTEN_HISTORY


@pytest.mark.parametrize("table", ["attempts", "answers", "events", "audit_entries", "seals", "biller_config_versions"])
def test_history_is_only_added_to(bench: Bench, connection: psycopg.Connection, table: str) -> None:
    bench.paid_to(Stage.COMPLETED)
    from core.services import audit

    audit.seal_all()
    column = connection.execute("SELECT column_name FROM information_schema.columns WHERE table_name = %s AND is_identity = 'NO' LIMIT 1", [table]).fetchone()
    assert column is not None
    assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() != (0,)
    assert refusal(connection, f"UPDATE {table} SET {column[0]} = {column[0]}") == REWRITTEN_HISTORY
    assert refusal(connection, f"DELETE FROM {table}") == REWRITTEN_HISTORY
    if table != "biller_config_versions":
        assert refusal(connection, f"TRUNCATE {table}") == REWRITTEN_HISTORY


def test_a_reference_is_minted_once(bench: Bench, connection: psycopg.Connection) -> None:
    paid = bench.paid_to(Stage.QUEUED)
    assert refusal(connection, "UPDATE legs SET reference = 'ANOTHER' WHERE transaction_id = %s", paid) == CHANGED_INTENT
    assert refusal(connection, "UPDATE legs SET kind = 'REFUND' WHERE transaction_id = %s AND kind = 'PAY'", paid) == CHANGED_INTENT
    assert refusal(connection, "UPDATE legs SET tainted = true WHERE transaction_id = %s", paid) is None


@pytest.mark.parametrize(
    "column", ["form = '{}'", "payload = '{}'", "payload_hash = 'x'", "frozen_at = now()", "frozen_at = NULL, payload = NULL, payload_hash = NULL"]
)
def test_what_was_shown_for_review_stays_what_it_was(bench: Bench, connection: psycopg.Connection, column: str) -> None:
    draft = bench.draft()
    assert refusal(connection, f"UPDATE drafts SET {column} WHERE id = %s", draft) == CHANGED_INTENT


def test_going_back_from_the_review_changes_a_copy(bench: Bench) -> None:
    frozen = bench.draft()
    changed = drafts.save(bench.operator, frozen, {"amount": "700"})
    assert changed.id != frozen
    assert not changed.frozen
    assert drafts.find(bench.operator, frozen).amount.text == "5475.50"


# ---- Keys


def insert_beside(connection: psycopg.Connection, paid: uuid.UUID, **columns: str) -> str | None:
    """A second row like this one in everything but these columns."""
    values = {
        **{name: name for name in ("biller_type", "biller_name", "transaction_type", "topology", "account_number", "amount", "currency")},
        "id": "gen_random_uuid()",
        "our_transaction_id": "'SECOND'",
        "stage": "'CREATED'",
        "status": "'PENDING'",
        "next_action_at": "now()",
        **columns,
    }
    return refusal(connection, f"INSERT INTO transactions ({', '.join(values)}) SELECT {', '.join(values.values())} FROM transactions WHERE id = %s", paid)


UNIQUE = psycopg.errors.UniqueViolation.sqlstate


def test_the_keys_against_paying_twice_hold_in_the_database(bench: Bench, connection: psycopg.Connection) -> None:
    paid = bench.paid_to(Stage.FAILED)
    assert insert_beside(connection, paid) is None
    assert insert_beside(connection, paid, our_transaction_id="our_transaction_id") == UNIQUE
    assert insert_beside(connection, paid, draft_id="draft_id") == UNIQUE
    retried = (
        "INSERT INTO transactions (id, our_transaction_id, retry_of, stage, status, biller_type, biller_name, transaction_type, topology, account_number,"
        " amount, next_action_at) SELECT gen_random_uuid(), %s, id, 'CREATED', 'PENDING', biller_type, biller_name, transaction_type, topology,"
        " account_number, amount, now() FROM transactions WHERE id = %s"
    )
    connection.execute(retried, ["FIRST CHILD", paid])
    assert refusal(connection, retried, "SECOND CHILD", paid) == UNIQUE


IN_FLIGHT_STAGES = [Stage.QUEUED, Stage.PAY_SENDING, Stage.PAY_UNKNOWN, Stage.PAY_ACCEPTED, Stage.PAY_RETRY, Stage.REVIEW]


@pytest.mark.parametrize("stage", [*IN_FLIGHT_STAGES, Stage.COMPLETED, Stage.FAILED, Stage.CANCELLED])
def test_one_payment_in_flight_per_account(bench: Bench, connection: psycopg.Connection, stage: Stage) -> None:
    paid = bench.paid_to(stage)
    # A second one that nobody looked at before: created, and then queued.
    connection.execute(
        "INSERT INTO transactions (id, our_transaction_id, stage, status, biller_type, biller_name, transaction_type, topology, account_number, amount,"
        " next_action_at) SELECT gen_random_uuid(), 'SECOND', 'CREATED', 'PENDING', biller_type, biller_name, transaction_type, topology, account_number,"
        " amount, now() FROM transactions WHERE id = %s",
        [paid],
    )
    queue = "UPDATE transactions SET stage = 'QUEUED', version = version + 1 WHERE our_transaction_id = 'SECOND'"
    assert refusal(connection, queue) == (UNIQUE if stage in IN_FLIGHT_STAGES else None)


def test_a_waived_review_lets_the_next_payment_in(bench: Bench) -> None:
    paid = bench.paid_to(Stage.REVIEW)
    bench.sql("UPDATE transactions SET in_flight_waived = true WHERE id = %s", paid)
    account = bench.find(paid).account_number
    assert bench.pay(account, reason="The statement shows that it was not taken.")


@pytest.mark.parametrize(("stage", "is_free"), [("CREATED", False), ("COMPLETED", False), ("FAILED", True), ("CANCELLED", True)])
def test_one_living_payment_per_invoice(connection: psycopg.Connection, stage: str, is_free: bool) -> None:
    connection.execute("ALTER TABLE transactions DISABLE TRIGGER hold_the_moves")
    insert = (
        "INSERT INTO transactions (id, our_transaction_id, stage, status, biller_type, biller_name, transaction_type, topology, account_number, amount,"
        " invoice_number, next_action_at) VALUES (gen_random_uuid(), %s, %s, %s, 'LWB_POSTPAID', 'LWB', 'CONFIRM_INVOICE',"
        " 'NONE', '70000001', 500, 'INV-1', now())"
    )
    connection.execute(insert, ["FIRST", stage, status_of(Stage(stage)).value])
    assert refusal(connection, insert, "SECOND", "CREATED", "PENDING") == (None if is_free else UNIQUE)


def test_an_amount_is_more_than_nothing_and_belongs_to_payments_only(bench: Bench, connection: psycopg.Connection) -> None:
    paid = bench.paid_to(Stage.FAILED)
    check = psycopg.errors.CheckViolation.sqlstate
    assert insert_beside(connection, paid, amount="0") == check
    assert insert_beside(connection, paid, amount="-5") == check
    assert insert_beside(connection, paid, topology="NULL") == check
    assert insert_beside(connection, paid, transaction_type="'ACCOUNT_DETAILS'") == check
    assert insert_beside(connection, paid, transaction_type="'CONFIRM_INVOICE'") == check
    assert insert_beside(connection, paid, currency="'kwacha'") == check
