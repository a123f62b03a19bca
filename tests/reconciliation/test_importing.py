"""Importing twice changes nothing: neither the file, nor its lines in another file; and what cannot be kept whole is not kept at all."""

import io
import threading
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from core.documents.statement_lines import Columns
from core.errors import BadInput, NotAllowed, NotFound
from core.models.reconciliation import Result
from core.services import reconciliation, statements
from core.services.statements import MOST_DAYS
from tests.payments.bench import CODE
from tests.payments.conftest import bench, shared_bench  # noqa: F401 - fixtures
from tests.reconciliation.conftest import COLUMNS, House, as_csv

TABLES = ("statements", "statement_lines", "statement_matches", "statement_columns", "difference_notes")


def everything(house: House) -> dict[str, Any]:
    """All that is kept of statements, and what is on the record about them."""
    kept = {table: house.bench.sql(f"SELECT * FROM {table} ORDER BY 1") for table in TABLES}
    return {**kept, "record": house.bench.sql("SELECT count(*) FROM audit_entries WHERE action LIKE 'statement%%'")}


def test_the_same_file_twice_changes_nothing(house: House) -> None:
    lines = [house.line(house.paid()), house.line(house.paid(biller_type="MASM"))]
    first = house.load(*lines)
    before = everything(house)
    assert first.new_lines == 2
    assert house.load(*lines, name="the same under another name.csv").new_lines == 0
    assert everything(house) == before


def test_the_same_lines_in_another_file_change_nothing(house: House) -> None:
    lines = [house.line(house.paid()), house.line(house.paid(biller_type="MASM"))]
    house.load(*lines)
    before = everything(house)
    shuffled = house.load(*reversed(lines))
    assert (shuffled.lines, shuffled.new_lines) == (2, 0)
    # Another order of the columns, another form of the day, a time that the first file did not tell: the lines are the same.
    header = ("Receipt", "Amount", "Account", "Our reference", "Type", "Date")
    other = [{**line, "Date": f"{house.day:%Y-%m-%d} 14:05", "Amount": f"MWK {float(line['Amount']):,.2f}"} for line in lines]
    assert statements.load(house.analyst, CODE, "week.csv", io.BytesIO(as_csv(other, header)), COLUMNS).new_lines == 0
    assert everything(house) == before


def test_a_longer_file_brings_its_new_lines_and_none_of_the_others_again(house: House) -> None:
    first, second = house.line(house.paid()), house.line(house.paid())
    house.load(first)
    more = house.load(first, second)
    assert (more.lines, more.new_lines, more.matched) == (2, 1, 1)
    assert house.results() == {Result.MATCHED: 2}


def test_two_equal_lines_of_one_file_are_two_and_stay_two(house: House) -> None:
    line = {**house.line(house.paid(biller_type="MASM")), "Our reference": "", "Receipt": ""}
    house.load(line, line)
    assert house.results() == {Result.THEIRS_ONLY: 1, Result.DUPLICATE: 1}
    assert house.load(line, line, house.line(house.paid())).new_lines == 1
    assert house.load(line, name="one.csv").new_lines == 0


def test_a_file_with_one_bad_row_leaves_nothing_behind(house: House) -> None:
    before = everything(house)
    with pytest.raises(BadInput, match=r"^Nothing was imported\. Row 3"):
        house.load(house.line(house.paid()), house.line(house.paid(), Amount="twelve"))
    assert everything(house) == before
    assert reconciliation.of_day(house.analyst, CODE, house.day).files == []


def test_days_that_lie_too_far_apart_are_a_mistake_and_a_file_without_payments_is_none(house: House) -> None:
    one = house.paid()
    with pytest.raises(BadInput, match=f"more than {MOST_DAYS} days apart"):
        house.load(house.line(one), house.line(one, Date=f"{house.day - timedelta(days=MOST_DAYS + 1):%d/%m/%Y}"))
    with pytest.raises(BadInput, match="There is no payment in this file"):
        house.load(house.line(one, Amount=""))


def test_the_map_is_kept_for_the_biller_and_offered_again(house: House) -> None:
    columns = replace(COLUMNS, left_out=("Fee",))
    file = io.BytesIO(as_csv([house.line(house.paid())]))
    statements.load(house.analyst, CODE, "first.csv", file, columns)
    again = statements.look(house.analyst, CODE, file)
    assert (again.columns, again.is_kept, again.imported_before) == (columns, True, True)
    # A file whose columns have other names: what they probably are, for a person to look at.
    other = statements.look(house.analyst, CODE, io.BytesIO(b"Transaction date,Bank ref,Amount paid\r\n24/11/2026,A,1.00\r\n"))
    assert (other.is_kept, other.imported_before) == (False, False)
    assert dict(other.columns.named) == {"day": "Transaction date", "our_reference": "Bank ref", "amount": "Amount paid"}
    assert other.rows == [["24/11/2026", "A", "1.00"]]


def test_two_who_import_the_same_file_at_once_import_it_once(house: House) -> None:
    lines = [house.line(house.paid()) for _ in range(50)]
    done: list[int] = []
    people = [threading.Thread(target=lambda: done.append(house.load(*lines).new_lines)) for _ in range(3)]
    for one in people:
        one.start()
    for one in people:
        one.join()
    assert sorted(done) == [0, 0, 50]
    assert house.results() == {Result.MATCHED: 50}


def test_a_file_keeps_its_own_name_and_nothing_of_where_it_lay(house: House) -> None:
    house.load(house.line(house.paid()), name="C:\\Users\\grace\\..\\lwb\u202e 24 Nov.csv")
    ((statement, _),) = reconciliation.of_day(house.analyst, CODE, house.day).files
    assert statement.file_name == "lwb 24 Nov.csv"


def test_who_may_not_import_does_not_and_no_machine_does(house: House) -> None:
    line = house.line(house.paid())
    for somebody in (house.bench.operator, replace(house.analyst, permissions=frozenset({"reconciliation:read"})), replace(house.analyst, id=None)):
        with pytest.raises(NotAllowed):
            house.load(line, by=somebody)
    for unknown in (replace(house.analyst, billers=frozenset({"MASM"})), replace(house.analyst, billers=frozenset())):
        with pytest.raises(NotFound):
            house.load(line, by=unknown)
        with pytest.raises(NotFound):
            statements.look(unknown, CODE, io.BytesIO(as_csv([line])))


def test_lines_of_a_week_are_matched_day_by_day(house: House) -> None:
    tomorrow = house.day + timedelta(days=1)
    today_paid, tomorrow_paid = house.paid(), house.paid(at=house.at(34))
    done = house.load(house.line(today_paid), house.line(tomorrow_paid, Date=f"{tomorrow:%d/%m/%Y}"))
    assert done.days == (house.day, tomorrow)
    assert done.statement_id is not None
    assert reconciliation.of_file(house.analyst, done.statement_id)[1] == [(house.day, 1), (tomorrow, 1)]
    assert house.results() == house.results(tomorrow) == {Result.MATCHED: 1}


def test_a_map_without_what_is_needed_is_refused_before_anything_is_read(house: House) -> None:
    with pytest.raises(BadInput, match="Choose the column with the amount"):
        house.load(house.line(house.paid()), columns=Columns(account="Account"))
