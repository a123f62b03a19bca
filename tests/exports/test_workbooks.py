"""The list as a workbook: text is text, an amount has its own digits, a moment is a date, and what a cell cannot hold is said before or in it."""

import io
import zipfile
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import openpyxl
import pytest
from openpyxl.utils.escape import unescape

from core.documents import workbook
from core.services import exports, workbooks
from core.services.asked import Asked
from core.services.exports import Profile, TooManyRows
from core.services.workbooks import NotWritten
from tests.exports.conftest import NASTY, ZONE, Crowd, exported
from tests.exports.test_exports import entries

Cells = list[dict[str, Any]]


def sheet(content: bytes) -> Cells:
    """Its cells by the names above them, as a spreadsheet reads them."""
    read = openpyxl.load_workbook(io.BytesIO(content)).worksheets[0]
    names, *rows = read.iter_rows()
    return [{str(name.value): cell for name, cell in zip(names, row, strict=True)} for row in rows]


def test_it_has_the_lists_rows_with_each_cell_of_its_kind(crowd: Crowd) -> None:
    kept = {row["our_transaction_id"]: row for row in crowd.rows}
    cells = sheet(exported(crowd.analyst, Asked(), Profile.WORKBOOK))
    csv = exported(crowd.analyst, Asked(columns=("reference",))).decode().splitlines()[1:]
    assert [row["reference"].value for row in cells] == csv
    for row in cells:
        mine = kept[row["reference"].value]
        # Zeros in front, more than fifteen digits, signs of a formula: text, letter by letter.
        assert (row["account_number"].value, row["account_number"].data_type) == (mine["account_number"], "s")
        assert unescape(row["customer_name"].value or "") == (mine["customer_account_name"] or "")
        assert row["submitted_at (Africa/Blantyre)"].is_date
        told = row["submitted_at (Africa/Blantyre)"].value.replace(tzinfo=ZONE)
        assert abs(mine["created_at"] - told) <= timedelta(seconds=1)


def test_nothing_in_it_is_a_formula(crowd: Crowd) -> None:
    content = exported(crowd.analyst, Asked(), Profile.WORKBOOK)
    cells = [cell for row in sheet(content) for cell in row.values()]
    assert {cell.data_type for cell in cells} <= {"s", "n", "d"}
    assert {"=1+1", "@SUM(A1:A9)"} <= {cell.value for cell in cells}
    with zipfile.ZipFile(io.BytesIO(content)) as parts:
        assert b"<f" not in parts.read("xl/worksheets/sheet1.xml")


def test_an_amount_has_its_own_digits_and_one_that_is_too_long_for_a_number_is_text(crowd: Crowd) -> None:
    with crowd.database.connect() as connection:
        connection.execute("ALTER TABLE transactions DISABLE TRIGGER USER")
        # Fifteen digits, of which binary fractions keep less than two decimals.
        connection.execute("UPDATE transactions SET amount = 9000000000000.03 WHERE amount = 1000.01")
    content = exported(crowd.analyst, Asked(), Profile.WORKBOOK)
    amounts = [row["amount"] for row in sheet(content) if row["amount"].value is not None]
    numbers = {cell.value for cell in amounts if cell.data_type == "n"}
    assert numbers == {0.01, 999.99, 1000, 9000000000000.03}
    assert {cell.value for cell in amounts if cell.data_type == "s"} == {"9999999999999999.99"}
    with zipfile.ZipFile(io.BytesIO(content)) as parts:
        written = parts.read("xl/worksheets/sheet1.xml")
    # As they are kept, and not as the nearest number that a machine calculates with.
    for digits in (b"<v>0.01</v>", b"<v>999.99</v>", b"<v>1000.00</v>", b"<v>9000000000000.03</v>"):
        assert digits in written
    assert b"<v>9000000000000.029" not in written


def test_times_are_of_the_zone_that_stands_over_them(crowd: Crowd) -> None:
    export = exports.begin(crowd.analyst, Asked(columns=("reference", "submitted_at")), Profile.WORKBOOK, "UTC")
    content = b"".join(iter(export.next_block, b""))
    export.end()
    kept = {row["our_transaction_id"]: row["created_at"] for row in crowd.rows}
    for row in sheet(content):
        assert list(row) == ["reference", "submitted_at (UTC)"]
        told = row["submitted_at (UTC)"].value.replace(tzinfo=ZoneInfo("UTC"))
        assert abs(kept[row["reference"].value] - told) <= timedelta(seconds=1)


def test_more_rows_than_one_holds_are_refused_before_anything_begins(crowd: Crowd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "MOST_ROWS", len(crowd.rows) - 1)
    with pytest.raises(TooManyRows, match=r"400 rows, and an Excel workbook holds 399\. Take them as CSV, or narrow the filter"):
        exports.begin(crowd.analyst, Asked(), Profile.WORKBOOK)
    assert entries(crowd) == []
    assert exports.lately(crowd.analyst) == []
    assert exported(crowd.analyst, Asked(), Profile.DATA)


def test_a_program_that_fails_is_a_sentence_and_an_end(crowd: Crowd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbooks, "PROGRAM", "core.documents.no_such_program")
    export = exports.begin(crowd.analyst, Asked(), Profile.WORKBOOK)
    with pytest.raises(NotWritten, match="could not be written"):
        export.next_block()
    assert entries(crowd)[-1][2]["because"] == "the workbook could not be written"


@pytest.mark.parametrize("text", ["<r></is></c><c><f>1+1</f></c></r>", "_x0041_", *(name for name in NASTY if name and "\r" not in name)])
def test_text_is_read_as_it_was_written(tmp_path: Any, text: str) -> None:
    target = tmp_path / "one.xlsx"
    quoted = text.replace('"', '""')
    assert workbook.write(["name\r\n", *f'"{quoted}"\r\n'.splitlines(keepends=True)], target, [workbook.TEXT]) == 1
    cell = openpyxl.load_workbook(target).worksheets[0]["A2"]
    assert cell.data_type == "s"
    assert unescape(cell.value) == text


def test_a_text_that_is_longer_than_a_cell_says_that_it_was_cut(tmp_path: Any) -> None:
    target = tmp_path / "one.xlsx"
    workbook.csv.field_size_limit(1_000_000)
    workbook.write(["name\n", "x" * 40_000 + "\n"], target, [workbook.TEXT])
    told = str(openpyxl.load_workbook(target).worksheets[0]["A2"].value)
    assert told.endswith(workbook.CUT)
    assert len(told) <= workbook.LONGEST_TEXT


def test_an_amount_is_never_a_float_on_its_way(tmp_path: Any) -> None:
    target = tmp_path / "one.xlsx"
    amounts = ["0.01", "0.10", "1234567890123.45", "9999999999999.99", "10000000000000.01"]
    workbook.write(["amount\n", *(f"{amount}\n" for amount in amounts)], target, [workbook.AMOUNT])
    read = [row[0].value for row in openpyxl.load_workbook(target).worksheets[0].iter_rows(min_row=2)]
    assert [Decimal(str(value)) for value in read] == [Decimal(amount) for amount in amounts]
    assert [isinstance(value, str) for value in read] == [False, False, False, False, True]


def test_a_moment_is_the_second_it_was(tmp_path: Any) -> None:
    target = tmp_path / "one.xlsx"
    workbook.write(["at\n", "2024-02-29 23:59:59\n"], target, [workbook.MOMENT])
    assert openpyxl.load_workbook(target).worksheets[0]["A2"].value == datetime(2024, 2, 29, 23, 59, 59)  # noqa: DTZ001 - a spreadsheet's dates have no zone
