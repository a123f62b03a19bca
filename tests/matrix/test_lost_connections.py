"""D01 to D05: the connection to the database is lost at the worst moment, or for a while. D04, stopped at once under load, is the campaign's."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from core import db
from core.errors import Unavailable
from core.services import payments
from core.settings import settings
from core.states import Stage
from tests.campaign.harness import WorkerProcess, until
from tests.matrix.thief import CommitThief
from tests.matrix.town import LWB, MASM, PAYING, Bill, Town, new_account

BOTH = pytest.mark.parametrize("kept", [True, False], ids=["kept", "not kept"])


@pytest.fixture(autouse=True)
def nobody_works_on(town: Town) -> Iterator[None]:
    """Each test has workers of its own."""
    yield
    town.dismiss_workers()


@pytest.fixture
def thief(town: Town, tmp_path: Path) -> Iterator[CommitThief]:
    made = CommitThief(town.url, tmp_path / "thief")
    yield made
    made.end()


def worker_behind(town: Town, thief: CommitThief) -> WorkerProcess:
    return town.start_worker(DATABASE_URL=thief.url.render_as_string(hide_password=False)).wait_ready()


@contextmanager
def console_behind(thief: CommitThief, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process as a console whose way to the database is the thief's."""
    with patch.context() as changed:
        changed.setenv("DATABASE_URL", thief.url.render_as_string(hide_password=False))
        settings.cache_clear()
        try:
            yield
        finally:
            db.engine().dispose()
    settings.cache_clear()


def draft_by_hand(town: Town) -> uuid.UUID:
    account = new_account()
    return town.draft(account, town.look_up_by_hand(account)[0])


def paid_without_a_doubt(town: Town, *paid: uuid.UUID) -> None:
    town.watch(*paid)
    for one in paid:
        town.expect(one, Stage.COMPLETED, effects=1, sends=1)
        assert town.arrived(one) == 1
        assert town.answers(one) == ["CONFIRMED"], "nobody had to ask"
    town.judge().assert_all_well()


# ---- The connection is lost on COMMIT


@BOTH
def test_d01_the_commit_of_a_submit_is_lost_and_the_next_click_finds_it_or_makes_it(
    town: Town, thief: CommitThief, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = draft_by_hand(town)
    with console_behind(thief, monkeypatch):
        thief.steal("INSERT INTO transactions", kept=kept)
        if kept:
            assert payments.submit(town.operator, draft).already
        else:
            with pytest.raises(Unavailable):
                payments.submit(town.operator, draft)
        assert thief.stolen == 1
    again = {payments.submit(town.operator, draft).transaction_id for _ in range(3)}
    assert len(again) == 1
    town.start_worker()
    paid_without_a_doubt(town, *again)


@BOTH
def test_d01_the_commit_of_a_retry_is_lost_and_there_is_one_child(town: Town, thief: CommitThief, kept: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    first = town.submit(draft_by_hand(town))
    payments.cancel(town.operator, first)
    with console_behind(thief, monkeypatch):
        thief.steal("INSERT INTO transactions", kept=kept)
        if kept:
            assert payments.retry(town.operator, first).already
        else:
            with pytest.raises(Unavailable):
                payments.retry(town.operator, first)
        assert thief.stolen == 1
    children = {payments.retry(town.operator, first).transaction_id for _ in range(3)}
    assert len(children) == 1
    town.start_worker()
    paid_without_a_doubt(town, *children)


@BOTH
def test_d02_the_commit_of_an_intent_is_lost_and_it_is_sent_once(town: Town, thief: CommitThief, kept: bool) -> None:
    paid = town.submit(draft_by_hand(town))
    thief.steal("INSERT INTO attempts", town.find(paid).our_transaction_id, kept=kept)
    worker_behind(town, thief)
    until(lambda: thief.stolen, "the intent's commit is lost")
    paid_without_a_doubt(town, paid)


@BOTH
def test_d03_the_commit_of_an_outcome_is_lost_and_it_is_told_once(town: Town, thief: CommitThief, kept: bool) -> None:
    paid = town.submit(draft_by_hand(town))
    # The answer's masked request has both; the intent's row has no operation.
    thief.steal(town.find(paid).our_transaction_id, PAYING[LWB], kept=kept)
    worker_behind(town, thief)
    until(lambda: thief.stolen, "the outcome's commit is lost")
    paid_without_a_doubt(town, paid)


# ---- Away


def test_d05_while_the_database_is_away_nothing_is_lost_and_everybody_is_told(town: Town, thief: CommitThief, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = worker_behind(town, thief)
    (late,) = town.draft_all([Bill(LWB, new_account())])
    bills = [Bill(biller, new_account(biller)) for biller in (LWB, MASM) for _ in range(4)]
    for bill in bills:
        town.sandbox.next("slow", PAYING[bill.biller], biller=bill.biller, account=bill.account, seconds=1.5)
    paid = town.pay_all(bills)
    until(lambda: all(town.arrived(one) for one in paid), "their calls are out")
    thief.close_the_road()
    with console_behind(thief, monkeypatch), pytest.raises(Unavailable):
        payments.submit(town.operator, late)
    # Longer than the calls take: their answers wait in the worker.
    until(lambda: thief.turned_away >= 6, "the worker tries again and again")
    assert {town.stage(one) for one in paid} == {Stage.PAY_SENDING}
    thief.open_the_road()
    assert worker.is_running
    paid_without_a_doubt(town, *paid, town.submit(late))
