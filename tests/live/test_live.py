"""Telling without a price, and measuring what a browser says: the parts of the stream that need no server."""

from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import text

from core import db
from core.errors import Unavailable
from core.services import live
from core.services.live import CHANNEL, HERALD, Stopwatch
from tests.payments.bench import Bench
from tests.world import Database

SECONDS = 20


@pytest.fixture
def ears(database: Database) -> Iterator[psycopg.Connection]:
    """A connection that hears what is told from here on."""
    with database.connect() as connection:
        connection.execute(f"LISTEN {CHANNEL}")
        yield connection


@pytest.fixture
def herald(monkeypatch: pytest.MonkeyPatch) -> live.Herald:
    """This process speaks as a worker does."""
    monkeypatch.setattr(HERALD, "on", True)
    HERALD.say()
    return HERALD


def heard(ears: psycopg.Connection) -> list[str]:
    """All that was told before this question, moments only."""
    ears.execute(f"NOTIFY {CHANNEL}, 'the end'")
    told = []
    for word in ears.notifies(timeout=SECONDS):
        if word.payload == "the end":
            return told
        told.append(word.payload)
    raise AssertionError("The question itself was not heard.")


def test_a_unit_of_work_is_told_of_once_with_the_databases_moment(ears: psycopg.Connection) -> None:
    with db.unit_of_work() as session:
        before = session.execute(text("SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint")).scalar_one()
        live.tell(session)
        live.tell(session)
        after = session.execute(text("SELECT ceil(extract(epoch FROM clock_timestamp()) * 1000)::bigint")).scalar_one()
    (moment,) = heard(ears)
    assert before <= int(moment) <= after


def test_a_worker_says_nothing_within_its_payments_and_once_for_many_behind_them(ears: psycopg.Connection, herald: live.Herald, bench: Bench) -> None:
    heard(ears)
    bench.pay()
    bench.claim()
    assert heard(ears) == []
    assert herald.say()
    assert len(heard(ears)) == 1
    assert not herald.say()


def test_a_worker_says_nothing_of_what_was_rolled_back(ears: psycopg.Connection, herald: live.Herald) -> None:
    with pytest.raises(ZeroDivisionError), db.unit_of_work() as session:
        live.tell(session)
        session.execute(text("SELECT 1"))
        raise ZeroDivisionError
    assert not herald.say()
    assert heard(ears) == []


def test_what_could_not_be_told_is_told_the_next_time(ears: psycopg.Connection, herald: live.Herald, monkeypatch: pytest.MonkeyPatch) -> None:
    with db.unit_of_work() as session:
        live.tell(session)
        session.execute(text("SELECT 1"))
    with monkeypatch.context() as away, pytest.raises(Unavailable):
        away.setattr(db, "engine", lambda: db.make_engine("postgresql+psycopg://nobody@127.0.0.1:1/nothing"))
        herald.say()
    assert herald.say()
    assert len(heard(ears)) == 1


@pytest.mark.parametrize("nonsense", [None, "12", True, -1, float("nan"), float("inf"), 10**9, {}])
def test_a_browser_cannot_spoil_the_figures(nonsense: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "TO_SCREEN", Stopwatch())
    live.note_screen(nonsense)
    assert live.latency() is None
    live.note_screen(250)
    assert live.latency() == live.Latency(250.0, 250.0, 1)


def test_percentiles_are_values_that_were_measured() -> None:
    watch = Stopwatch()
    assert watch.read() is None
    for milliseconds in range(100, 0, -1):
        watch.note(milliseconds)
    assert watch.read() == live.Latency(50, 99, 100)
