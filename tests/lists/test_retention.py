"""Months of stories are put away where somebody wants that: never deleted, never out of the chain, and never while a payment waits."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

import core.db
from core import clock
from core.ids import new_id
from core.services import audit, retention
from core.states import TransactionType
from tests.lists.conftest import Ledger
from tests.world import SetEnvironment

OLD = datetime(2024, 3, 15, tzinfo=UTC)


def told(ledger: Ledger, at: datetime) -> Any:
    """A payment of that day with a line of its story."""
    (row,) = ledger.add(1, created_at=at, transaction_type=TransactionType.POST_TRANSACTION)
    ledger.connection.execute("SELECT ensure_partitions(%s, 1)", (at,))
    ledger.connection.execute(
        "INSERT INTO events (at, transaction_id, version, to_stage, actor_name, reason) VALUES (%s, %s, 1, 'CREATED', 'test', 'created')", (at, row["id"])
    )
    ledger.connection.execute(
        "INSERT INTO attempts (id, at, transaction_id, verb, reference, lease_epoch, worker) VALUES (%s, %s, %s, 'pay', 'R', 1, 'test')",
        (new_id(), at, row["id"]),
    )
    return row


def lines(ledger: Ledger, table: str = "events") -> int:
    (count,) = ledger.connection.execute(f"SELECT count(*) FROM {table}").fetchone() or (0,)
    return int(count)


def state_of(month: str) -> tuple[bool, bool, str | None]:
    (found,) = [one for one in retention.standings() if one.month.name == month]
    return found.month.is_attached, found.is_due, found.because


def test_unset_everything_is_kept(ledger: Ledger) -> None:
    told(ledger, OLD)
    audit.seal_all()
    assert retention.put_old_away() == []
    assert state_of("2024-03") == (True, False, None)


def test_an_old_month_is_put_away_whole_and_the_chain_still_covers_it(ledger: Ledger, set_environment: SetEnvironment) -> None:
    told(ledger, OLD)
    told(ledger, clock.now() - timedelta(days=1))
    audit.seal_all()
    set_environment(billers_keep_months=12)
    assert retention.put_old_away() == ["2024-03"]
    assert (lines(ledger), lines(ledger, "events_2024_03"), lines(ledger, "attempts_2024_03")) == (1, 1, 1)
    assert state_of("2024-03") == (False, False, None)
    assert retention.put_old_away() == []
    audit.seal_all()
    verdict = audit.verify()
    assert verdict.ok, verdict.sentence
    assert ("month.put_away", "2024-03") in ledger.connection.execute("SELECT action, subject_id FROM audit_entries").fetchall()
    with pytest.raises(psycopg.Error, match="append-only"):
        ledger.connection.execute("DELETE FROM events_2024_03")


def test_a_line_changed_in_a_month_that_was_put_away_breaks_the_chain(ledger: Ledger, set_environment: SetEnvironment) -> None:
    told(ledger, OLD)
    audit.seal_all()
    set_environment(billers_keep_months=12)
    retention.put_old_away()
    ledger.connection.execute("ALTER TABLE events_2024_03 DISABLE TRIGGER USER; UPDATE events_2024_03 SET reason = 'another'")
    assert not audit.verify().ok


def test_a_month_stays_while_a_payment_from_before_its_end_waits(ledger: Ledger, set_environment: SetEnvironment) -> None:
    told(ledger, OLD)
    audit.seal_all()
    set_environment(billers_keep_months=12)
    waiting = told(ledger, OLD - timedelta(days=60))
    audit.seal_all()
    ledger.connection.execute("ALTER TABLE transactions DISABLE TRIGGER hold_the_moves")
    ledger.connection.execute("UPDATE transactions SET stage = 'REVIEW', status = 'PROCESSING' WHERE id = %s", (waiting["id"],))
    assert retention.put_old_away() == []
    assert "not settled" in str(state_of("2024-03")[2])
    ledger.connection.execute("UPDATE transactions SET stage = 'FAILED', status = 'FAILED' WHERE id = %s", (waiting["id"],))
    assert retention.put_old_away() == ["2024-01", "2024-03"]


def test_a_month_stays_until_the_chain_covers_it(ledger: Ledger, set_environment: SetEnvironment) -> None:
    told(ledger, OLD)
    set_environment(billers_keep_months=12)
    assert retention.put_old_away() == []
    audit.seal_all()
    assert retention.put_old_away() == ["2024-03"]


def test_months_come_back_when_the_schema_goes_down(ledger: Ledger, set_environment: SetEnvironment) -> None:
    told(ledger, OLD)
    audit.seal_all()
    set_environment(billers_keep_months=12)
    retention.put_old_away()
    core.db.downgrade("0003")
    assert lines(ledger) == 1
    with pytest.raises(psycopg.Error, match="append-only"):
        ledger.connection.execute("DELETE FROM events_2024_03")
