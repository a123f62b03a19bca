"""What stands still and should not is found, with the list behind it; what has just begun, and what is history, is nobody's concern."""

from datetime import timedelta

import core.db
from core import clock
from core.access import Actor
from core.ids import new_id
from core.repositories.attention import BROKEN_FOR
from core.repositories.filters import TransactionFilter
from core.repositories.transactions import Transactions
from core.services import statistics
from core.services.asked import read
from core.services.statistics import LONG_QUEUED
from core.ui import attention
from tests.statistics.conftest import Book


def test_legs_of_core_banking_that_stay_open_are_told_and_the_list_has_them(book: Book, analyst: Actor) -> None:
    now = clock.now()
    old = now - 2 * LONG_QUEUED
    owed = [book.unsettled(old, stage, status) for stage, status in (("DEBIT_UNKNOWN", "PROCESSING"), ("REFUND_UNKNOWN", "COMPLETED"))]
    book.unsettled(old, "PAY_UNKNOWN", "PROCESSING")
    book.unsettled(now, "REVERSAL_UNKNOWN", "PROCESSING")
    seen = statistics.attention(analyst).bank_open
    assert (seen.count, sorted(seen.references)) == (2, sorted(owed))
    asked = read({name: [str(value)] for name, value in attention.BANK_OPEN.items()}, [])
    with core.db.unit_of_work() as session:
        listed = Transactions(session).page(asked.wanted(clock.BUSINESS_ZONE), 50).rows
        assert {row.our_transaction_id for row in listed} > set(owed)
        assert len(listed) == 3, "the one that has just begun is in the list, and no concern yet"
        assert not Transactions(session).page(TransactionFilter(bank_open=True, statuses=("FAILED",)), 50).rows


def test_rows_of_bulk_work_that_broke_off_are_told_for_a_day(book: Book, analyst: Actor) -> None:
    made = [book.row(clock.now()) for _ in range(3)]
    for age in (timedelta(0), BROKEN_FOR + timedelta(hours=1)):
        act = new_id()
        book.connection.execute(
            "INSERT INTO bulk_acts (id, act, asked_by, selection, eligible, blocked, totals, created_at) VALUES (%s, 'RETRY', %s, 'Three', 3, 0, '{}', %s)",
            (act, analyst.id, clock.now() - age),
        )
        for ordinal, (row, state) in enumerate(zip(made, ("FAILED", "FAILED", "DONE"), strict=True)):
            book.connection.execute(
                "INSERT INTO bulk_items (act_id, ordinal, transaction_id, state, told, at) VALUES (%s, %s, %s, %s, 'Told.', now())", (act, ordinal, row, state)
            )
        if not age:
            latest = act
    assert [(one.id, one.act, one.rows) for one in statistics.attention(analyst).broken_acts] == [(latest, "RETRY", 2)]
