"""D06 to D13: the database is busy, locked or full, written to by other hands, old and large."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import psycopg
import pytest

from core import db
from core.errors import Unavailable
from core.services import drafts, payments, wake
from core.services.biller_cache import CHANNEL as BILLERS_CHANGED
from core.states import Stage
from tests.campaign.harness import until
from tests.matrix.town import LWB, MASM, SRWB, Bill, Town, new_account


@pytest.fixture(scope="module", autouse=True)
def worker(shared_town: Town) -> None:
    shared_town.start_worker().wait_ready()


def paid_without_a_doubt(town: Town, *paid: uuid.UUID) -> None:
    town.watch(*paid)
    for one in paid:
        town.expect(one, Stage.COMPLETED, effects=1, sends=1)
        assert town.arrived(one) == 1
        assert town.answers(one) == ["CONFIRMED"], "nobody had to ask"
    town.judge().assert_all_well()


def test_d06_an_exhausted_pool_is_told_and_the_same_click_pays_later(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    (draft,) = town.draft_all([Bill(LWB, new_account())])
    pool = db.engine().pool
    monkeypatch.setattr(pool, "_timeout", 0.2)
    taken = [db.engine().connect() for _ in range(30)]
    try:
        with pytest.raises(Unavailable):
            payments.submit(town.operator, draft)
    finally:
        for one in taken:
            one.close()
    paid_without_a_doubt(town, town.submit(draft))


WAITS_FOR_A_LOCK = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND application_name = 'billers'"


def test_d06_a_deadlock_costs_a_conclusion_nothing_but_time(town: Town) -> None:
    account = new_account()
    town.sandbox.next("slow", account=account, seconds=0.4)
    paid = town.pay_bill(LWB, account)
    town.watch(paid, stages=frozenset({Stage.PAY_SENDING}))
    deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    before = town.value(deadlocks)
    with town.connect() as rival, rival.transaction(force_rollback=True):
        rival.execute("SELECT FROM legs WHERE transaction_id = %s FOR UPDATE", [paid])
        until(lambda: town.value(WAITS_FOR_A_LOCK), "the worker has the row and waits for its leg")
        # And now the other way round. The worker has waited longer, so it is the one who is told first.
        rival.execute("SELECT FROM transactions WHERE id = %s FOR UPDATE", [paid])
    until(lambda: town.value(deadlocks) > before, "there was a deadlock")
    paid_without_a_doubt(town, paid)


def test_d06_a_serialization_failure_costs_a_conclusion_nothing_but_time(own_town: Town) -> None:
    town = own_town
    with town.connect() as connection:
        connection.execute(f"""ALTER DATABASE "{town.url.database}" SET default_transaction_isolation = 'repeatable read'""")
    worker = town.start_worker()
    account = new_account()
    town.sandbox.next("slow", account=account, seconds=0.4)
    paid = town.pay_bill(LWB, account)
    town.watch(paid, stages=frozenset({Stage.PAY_SENDING}))
    with town.connect() as rival, rival.transaction():
        rival.execute("UPDATE transactions SET updated_at = now() WHERE id = %s", [paid])
        until(lambda: town.value(WAITS_FOR_A_LOCK), "the worker waits for the row, which is about to be another one")
    paid_without_a_doubt(town, paid)
    assert worker.is_running


@contextmanager
def full_disk(town: Town, table: str) -> Iterator[None]:
    """The server's own word for it, for every row that is to be written to this table. How often it was said is counted outside of transactions."""
    with town.connect() as connection:
        connection.execute("CREATE SEQUENCE IF NOT EXISTS refusals")
        connection.execute("ALTER SEQUENCE refusals RESTART")
        connection.execute(
            "CREATE OR REPLACE FUNCTION no_space() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM nextval('refusals');"
            " RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$"
        )
        connection.execute(f"CREATE TRIGGER no_space BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION no_space()")
        try:
            yield
        finally:
            connection.execute(f"DROP TRIGGER no_space ON {table}")


REFUSED = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM refusals"


def test_d07_no_room_for_intents_means_that_nothing_is_sent(town: Town) -> None:
    drafted = town.draft_all([Bill(LWB, new_account()) for _ in range(3)])
    with full_disk(town, "attempts"):
        paid = [town.submit(draft) for draft in drafted]
        until(lambda: town.value(REFUSED) >= 3, "the worker tries to write its intents")
        assert {town.stage(one) for one in paid} == {Stage.QUEUED}
        assert [town.arrived(one) for one in paid] == [0, 0, 0]
    paid_without_a_doubt(town, *paid)


def test_d07_no_room_for_outcomes_means_that_they_wait_in_the_worker(town: Town) -> None:
    drafted = town.draft_all([Bill(LWB, new_account()) for _ in range(3)])
    with full_disk(town, "answers"):
        paid = [town.submit(draft) for draft in drafted]
        until(lambda: town.value(REFUSED) >= 3, "the worker tries to write its outcomes")
        assert {town.stage(one) for one in paid} <= {Stage.PAY_SENDING, Stage.PAY_UNKNOWN}
    town.watch(*paid)
    for one in paid:
        town.expect(one, Stage.COMPLETED, effects=1, sends=1)
    town.judge().assert_all_well()


def test_d07_no_room_for_a_submit_is_told_and_the_same_click_pays_later(town: Town) -> None:
    (draft,) = town.draft_all([Bill(LWB, new_account())])
    with full_disk(town, "transactions"), pytest.raises(Unavailable):
        payments.submit(town.operator, draft)
    assert drafts.find(town.operator, draft).transaction_id is None
    paid_without_a_doubt(town, town.submit(draft))


# ---- Other hands, other sizes


@pytest.mark.parametrize("stage", [Stage.QUEUED, Stage.COMPLETED])
def test_d11_a_status_set_by_hand_is_refused_and_nothing_comes_of_it(town: Town, stage: Stage) -> None:
    with town.held_back(LWB) if stage is Stage.QUEUED else nullcontext():
        paid = town.pay_bill(LWB)
        town.watch(paid, stages=frozenset({stage}))
        with town.connect() as connection:
            for change in ("status = 'FAILED'", "stage = 'FAILED', status = 'FAILED', next_action_at = NULL", "stage = 'REVERSED', status = 'REVERSED'"):
                with pytest.raises(psycopg.Error):
                    connection.execute(f"UPDATE transactions SET {change} WHERE id = %s", [paid])
            with pytest.raises(psycopg.Error):
                connection.execute("UPDATE transactions SET amount = 1 WHERE id = %s", [paid])
        assert town.stage(paid) is stage
    paid_without_a_doubt(town, paid)


HISTORY = """
    INSERT INTO transactions (id, biller_type, biller_name, our_transaction_id, transaction_type, topology, account_number, amount, currency,
                              stage, status, version, created_at, completed_at, demo)
    SELECT gen_random_uuid(), (ARRAY['LWB_POSTPAID', 'MASM', 'SRWB_POSTPAID'])[1 + number %% 3], 'History', 'H' || lpad(number::text, 15, '0'),
           'POST_TRANSACTION', 'NONE', '6' || lpad((number %% 50000)::text, 7, '0'), 500 + number %% 1000, 'MWK',
           CASE WHEN number %% 20 = 0 THEN 'FAILED' ELSE 'COMPLETED' END, CASE WHEN number %% 20 = 0 THEN 'FAILED' ELSE 'COMPLETED' END, 4,
           now() - number * interval '30 s', now() - number * interval '30 s', true
    FROM generate_series(%s::integer, %s::integer) AS number
"""

# What the worker asks for all day: due rows of one biller, and calls whose lease is lost.
ASKED_ALL_DAY = (
    (
        "SELECT id FROM transactions WHERE biller_type = 'LWB_POSTPAID' AND next_action_at <= now() AND stage = ANY ('{QUEUED,PAY_RETRY}')"
        " ORDER BY next_action_at LIMIT 6"
    ),
    (
        "SELECT id FROM transactions WHERE stage = ANY ('{ASKING,PAY_SENDING}') AND next_action_at <= now() AND lease_until <= now()"
        " ORDER BY next_action_at LIMIT 200"
    ),
)


def pages_read(town: Town) -> int:
    """How many pages of 8 KiB these questions read, one run each."""
    plans = [town.value(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {question}")[0]["Plan"] for question in ASKED_ALL_DAY]
    return sum(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] for plan in plans)


def test_d12_history_does_not_slow_down_what_is_due(own_town: Town) -> None:
    """A million rows would cost no more: a hundred thousand cost the same few pages as ten thousand, since what is settled is in no index of what is due."""
    town = own_town
    read = []
    with town.connect() as connection:
        for first, last in ((1, 10_000), (10_001, 100_000)):
            connection.execute("ALTER TABLE transactions DISABLE TRIGGER USER")
            connection.execute(HISTORY, [first, last])
            connection.execute("ALTER TABLE transactions ENABLE TRIGGER USER")
            connection.execute("VACUUM ANALYZE transactions")
            read.append(pages_read(town))
    assert read[1] <= read[0] + 2
    assert read[1] < 20
    town.start_worker()
    paid = town.pay_all([Bill(biller, new_account(biller)) for biller in (LWB, MASM, SRWB) for _ in range(4)])
    paid_without_a_doubt(town, *paid)
    took = town.value("SELECT max(extract(epoch FROM completed_at - created_at)) FROM transactions WHERE NOT demo AND amount IS NOT NULL")
    assert took < 3


def test_d13_a_notify_that_nobody_heard_costs_a_second_and_no_payment(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    (draft,) = town.draft_all([Bill(LWB, new_account())])
    monkeypatch.setattr(wake, "CHANNEL", "nobody_listens_here")
    paid = town.submit(draft)
    paid_without_a_doubt(town, paid)
    assert town.value("SELECT extract(epoch FROM completed_at - created_at) < 3 FROM transactions WHERE id = %s", paid)


def test_d13_a_listener_that_was_sent_away_listens_again(town: Town) -> None:
    # The worker's own, not that of the jobs within it: theirs comes back at once, to a channel of its own.
    listening = f"SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query = 'LISTEN {BILLERS_CHANGED}'"
    before = {pid for (pid,) in until(lambda: town.rows(listening), "the worker listens")}
    for pid in before:
        town.rows("SELECT pg_terminate_backend(%s)", pid)
    until(lambda: {pid for (pid,) in town.rows(listening)} - before, "the worker listens again")
    paid_without_a_doubt(town, town.pay_bill())
