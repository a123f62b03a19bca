"""D08, D09 and D10: a database that has forgotten what it promised to keep, and one that does not promise it."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from core import db
from core.errors import BadInput, NotAllowed, NotLegalNow
from core.services import approvals, banners, claims, gate, payments, reopening
from core.states import Stage
from tests.campaign.harness import WorkerProcess, until
from tests.matrix.bank import BankTown, new_bank_account
from tests.matrix.town import LWB, SRWB, Bill, Town, new_account
from tests.world import connect

ENDS = frozenset({Stage.COMPLETED, Stage.FAILED, Stage.REVERSED, Stage.REVIEW})

COMPARED = "Compared the billers' statements of the gap: nothing else was paid."


def draft_by_hand(town: Town) -> uuid.UUID:
    account = new_account()
    return town.draft(account, town.look_up_by_hand(account)[0])


@contextmanager
def copy_comes_back(town: Town) -> Iterator[None]:
    """What is done in this block is lost: the database that is there afterwards is a copy from before it."""
    name, kept = str(town.url.database), f"{town.url.database}_kept"
    elsewhere = town.url.set(database="postgres")
    db.engine().dispose()
    with connect(elsewhere) as connection:
        connection.execute(f'CREATE DATABASE "{kept}" TEMPLATE "{name}"')
    yield
    db.engine().dispose()
    with connect(elsewhere) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        connection.execute(f'ALTER DATABASE "{kept}" RENAME TO "{name}"')


@contextmanager
def weakened(town: Town, setting: str) -> Iterator[None]:
    """This database has the setting off for whoever connects."""
    db.engine().dispose()
    with connect(town.url.set(database="postgres")) as connection:
        connection.execute(f'ALTER DATABASE "{town.url.database}" SET {setting} = off')
    yield
    db.engine().dispose()
    with connect(town.url.set(database="postgres")) as connection:
        connection.execute(f'ALTER DATABASE "{town.url.database}" RESET {setting}')


def closed(town: Town) -> int:
    return int(town.value("SELECT count(*) FROM gates WHERE reopened_at IS NULL"))


def why_nothing_is_sent(town: Town) -> str | None:
    """What every page says to whoever looks at it."""
    return banners.look(town.manager).why_nothing_is_sent


def look_around(town: Town, worker: WorkerProcess) -> None:
    """It has made its rounds."""
    alive = "SELECT count(*) FROM workers WHERE name LIKE %s AND seen_at > started_at + interval '4 s'"
    until(lambda: not worker.is_running or town.value(alive, f"%:{worker.pid}"), "the worker has looked around")
    assert worker.is_running, worker.lines


def test_d09_after_the_last_commits_were_lost_nothing_is_sent_until_people_have_looked(own_town: Town) -> None:
    """The payment went out, and the database that has come back knows only that it was queued. Sent again, it would be paid twice (rule 12)."""
    town = own_town
    paid = town.submit(draft_by_hand(town))
    with copy_comes_back(town):
        worker = town.start_worker()
        town.watch(paid)
        town.expect(paid, Stage.COMPLETED, effects=1, sends=1)
        assert worker.stop() == 0
    assert town.stage(paid) is Stage.QUEUED
    again = town.start_worker()
    until(lambda: closed(town), "the worker has noticed")
    newer = town.pay_bill()
    look_around(town, again)
    assert [town.stage(paid), town.stage(newer)] == [Stage.QUEUED] * 2
    assert town.arrived(paid) == 1, "it was sent a second time"
    assert why_nothing_is_sent(town) == gate.NOTICE
    with pytest.raises(NotLegalNow, match="nobody knows yet whether this payment was sent"):
        payments.cancel(town.manager, paid)

    with pytest.raises(NotAllowed):
        reopening.sign_off(town.operator, COMPARED)
    with pytest.raises(BadInput):
        reopening.sign_off(town.manager, "Fine.")
    assert reopening.sign_off(town.manager, COMPARED) == 1
    with pytest.raises(NotLegalNow, match="The gate is open"):
        reopening.sign_off(town.manager, COMPARED)
    town.watch(paid, newer)
    town.expect(paid, Stage.COMPLETED, effects=1)
    assert town.arrived(paid) == 1
    town.expect(newer, Stage.COMPLETED, effects=1, sends=1)
    look_around(town, town.start_worker())
    assert why_nothing_is_sent(town) is None
    assert [town.acts(action, 1) for action in ("gate.closed", "gate.signed_off")] == [1, 1]
    town.judge().assert_all_well()


def test_d09_a_commit_lost_under_a_worker_that_goes_on_is_noticed_by_its_next_claim(own_town: Town) -> None:
    """A fail-over: the worker stays, and never looked in between. The intent was written down before its first byte left."""
    town = own_town
    paid = town.submit(draft_by_hand(town))
    with copy_comes_back(town):
        town.carry_out(claims.claim_sends)
        town.expect(paid, Stage.COMPLETED, effects=1, sends=1)
    # More events than were lost have been written meanwhile: the number alone would tell nothing.
    for _ in range(4):
        town.submit(draft_by_hand(town))
    assert town.value("SELECT max(seq) FROM events") > 20
    assert town.carry_out(claims.claim_sends) == []
    assert closed(town) == 1
    assert town.arrived(paid) == 1
    reopening.sign_off(town.manager, COMPARED)
    town.start_worker()
    settled = [one for (one,) in town.rows("SELECT id FROM transactions WHERE amount IS NOT NULL")]
    town.watch(*settled)
    town.expect(paid, Stage.COMPLETED, effects=1)
    town.judge().assert_all_well()


def test_d08_a_database_from_an_hour_ago_sends_nothing_of_that_hour_again(own_bank_town: BankTown) -> None:
    """Payments in every stage that waits to be sent, and what became of them in the hour that is lost."""
    town = own_bank_town
    worker = town.start_worker()
    account = new_bank_account()
    forms = town.ask_all([*(Bill(biller, new_account(biller)) for biller in (LWB, LWB, LWB, SRWB, SRWB, SRWB)), Bill(LWB, new_account(), "600000.00")])
    by_hand = [town.freeze(form) for form in forms if form["biller"] == LWB]
    at_bank = [town.charged(form, number) for form, number in zip(forms[3:6], (account, new_bank_account(), new_bank_account()), strict=True)]
    # One that Lilongwe's door was shut to, and one whose customer is debited while Southern Region is not to be paid.
    town.hold_back(LWB)
    retried = town.submit(by_hand[0])
    town.wait_to_be_retried(retried)
    town.trouble("slow", account=account, seconds=0.6)
    debited = town.submit(at_bank[0])
    town.watch(debited, stages=frozenset({Stage.DEBIT_SENDING}))
    town.hold_back(SRWB)
    town.watch(debited, stages=frozenset({Stage.DEBITED}))
    paid, stopped, approved = (town.submit(draft) for draft in by_hand[1:])
    both, stopped_both = (town.submit(draft) for draft in at_bank[1:])
    assert worker.stop() == 0
    everything = (retried, debited, paid, stopped, both, stopped_both, approved)
    queued = Stage.QUEUED
    assert [town.stage(one) for one in everything] == [Stage.PAY_RETRY, Stage.DEBITED, queued, queued, queued, queued, Stage.AWAITING_APPROVAL]

    with copy_comes_back(town):
        for one in (stopped, stopped_both):
            payments.cancel(town.operator, one)
        approvals.approve(town.manager, uuid.UUID(str(town.value("SELECT id FROM proposals WHERE transaction_id = %s", approved))))
        town.let_go(LWB)
        town.let_go(SRWB)
        worker = town.start_worker()
        forgotten = town.pay_bill()
        town.watch(paid, retried, debited, both, approved, forgotten)
        assert {town.stage(one) for one in (paid, retried, debited, both, approved)} == {Stage.COMPLETED}
        reference = town.find(forgotten).our_transaction_id
        assert worker.stop() == 0
    town.promised = {draft: one for draft, one in town.promised.items() if one != forgotten}
    town.let_go(LWB)
    town.let_go(SRWB)

    again = town.start_worker()
    until(lambda: closed(town), "the worker has noticed")
    look_around(town, again)
    assert reopening.sign_off(town.manager, COMPARED) == len(everything)
    town.watch(*everything, stages=ENDS)
    for one in (paid, retried, debited, both, approved):
        town.expect(one, Stage.COMPLETED, effects=1)
        assert town.arrived(one) == 1, town.tell(one)
    for one in (debited, both):
        assert (town.at_bank(one), town.debits_arrived(one)) == (["DEBIT"], 1)
    # Stopped in the hour that is lost: nobody has it, and it is not sent by itself.
    for one in (stopped, stopped_both):
        town.expect(one, Stage.FAILED, effects=0)
    assert town.at_bank(stopped_both) == []
    # What was paid in that hour and is not in the database at all is found by people only, in the biller's statement.
    report = town.judge()
    assert len(report.lost) == 1
    assert [line for line in (*report.double, *report.lost, *report.wrong, *report.unsettled) if reference not in line] == []


@pytest.mark.parametrize("setting", ["synchronous_commit"])
def test_d10_a_worker_refuses_a_database_that_does_not_keep_what_it_confirms(own_town: Town, setting: str) -> None:
    town = own_town
    paid = town.submit(draft_by_hand(town))
    with weakened(town, setting):
        worker = town.start_worker()
        until(lambda: not worker.is_running or town.stage(paid) is not Stage.QUEUED, "the worker refuses to start")
        assert not worker.is_running
        assert worker.wait() != 0
        assert any(f"Set {setting} = on" in line for line in worker.lines), worker.lines
        town.expect(paid, Stage.QUEUED, effects=0, sends=0)
    town.judge().assert_all_well(settled=False)
    town.start_worker()
    town.watch(paid)
    town.judge().assert_all_well()


def test_d10_a_running_worker_stops_sending_when_the_promise_is_taken_back(own_town: Town) -> None:
    town = own_town
    worker = town.start_worker()
    until(lambda: "ready" in worker.lines, "it is ready")
    (draft,) = town.draft_all([Bill(LWB, new_account())])
    with weakened(town, "synchronous_commit"):
        # Its connections are new ones from now on, as after a reload.
        town.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
        paid = town.submit(draft)
        until(lambda: any("synchronous_commit off" in line for line in worker.lines), "it says so")
        look_around(town, worker)
        town.expect(paid, Stage.QUEUED, effects=0, sends=0)
        assert "synchronous_commit = on" in str(why_nothing_is_sent(town))
    town.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
    town.watch(paid)
    town.expect(paid, Stage.COMPLETED, effects=1, sends=1)
    assert why_nothing_is_sent(town) is None
    town.judge().assert_all_well()
