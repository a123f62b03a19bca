"""What a biller may send: separators, encodings, headers, forms of amounts and days, workbooks, and files that mean harm or are none at all."""

import io
import zipfile
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook

from core.documents.statement_lines import Columns, Line, Reading, Refused, amount_of, check, find_header, guessed, moment_of
from core.documents.statement_rows import MOST_BYTES, MOST_COLUMNS, opened
from core.errors import BadInput

ZONE = ZoneInfo("Africa/Blantyre")
TODAY = date(2026, 11, 26)
COLUMNS = Columns(amount="Amount", day="Date", our_reference="Our ref", their_reference="Receipt", account="Account", kind="Type")
HEADER = ["Date", "Our ref", "Receipt", "Account", "Amount", "Type"]
ROW = ["24/11/2026", "QYNH13CZVK1D0RD5", "R-1", "00012345", "1,250.00", "Payment"]
EXPECTED = Line(2, date(2026, 11, 24), None, "QYNH13CZVK1D0RD5", "R-1", "00012345", "1250.00", "PAYMENT")


def read(content: bytes, columns: Columns = COLUMNS) -> list[Line]:
    return list(Reading(columns, ZONE, TODAY).lines(opened(io.BytesIO(content)).rows))


def table(*rows: list[Any], delimiter: str = ",", encoding: str = "utf-8") -> bytes:
    def cell(value: Any) -> str:
        text = str(value)
        return '"' + text.replace('"', '""') + '"' if any(sign in text for sign in (delimiter, '"', "\n")) else text

    return "\r\n".join(delimiter.join(cell(value) for value in row) for row in rows).encode(encoding)


def workbook(*rows: list[Any], formats: Mapping[str, str] | None = None) -> bytes:
    book = Workbook()
    for row in rows:
        book.active.append(row)
    for place, form in (formats or {}).items():
        book.active[place].number_format = form
    kept = io.BytesIO()
    book.save(kept)
    return kept.getvalue()


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_any_sensible_separator_and_encoding_reads_the_same(delimiter: str, encoding: str) -> None:
    named = [*HEADER[:2], "Reçu", *HEADER[3:]]
    (line,) = read(table(named, ROW, delimiter=delimiter, encoding=encoding), Columns(**{**_map(COLUMNS), "their_reference": "Reçu"}))
    assert line == EXPECTED


def _map(columns: Columns) -> dict[str, Any]:
    return dict(columns.named)


def test_a_word_for_spreadsheets_about_the_separator_is_no_row() -> None:
    assert read(b"sep=;\r\n" + table(HEADER, ROW, delimiter=";")) == [EXPECTED._replace(row=3)]


def test_titles_above_blank_rows_between_and_totals_below_are_passed_over_and_told() -> None:
    reading = Reading(COLUMNS, ZONE, TODAY)
    content = table(["Lilongwe Water Board, collections 24/11/2026"], [], ["Branch", "Lilongwe 3"], HEADER, ROW, [], ["", "", "", "", "1,250.00", "Total"])
    assert list(reading.lines(opened(io.BytesIO(content)).rows)) == [EXPECTED._replace(row=5)]
    assert (reading.passed_over, reading.with_amount) == (2, [7])


def test_columns_are_found_by_their_names_wherever_they_stand_and_however_they_are_written() -> None:
    order = [5, 3, 0, 4, 2, 1]
    (line,) = read(table([f" {HEADER[place].upper()} " for place in order], [ROW[place] for place in order]))
    assert line == EXPECTED


def test_the_map_is_guessed_from_the_names_that_billers_use() -> None:
    rows = list(opened(io.BytesIO(table(["Collections"], ["Transaction Date", "Bank_Reference", "Receipt No.", "Meter Number", "Amount (MWK)"], ROW))).rows())
    header = find_header(rows)
    assert header is not None
    assert dict(guessed(header).named) == {
        "day": "Transaction Date",
        "our_reference": "Bank_Reference",
        "their_reference": "Receipt No.",
        "account": "Meter Number",
        "amount": "Amount (MWK)",
    }


def test_a_second_column_of_the_same_name_is_told_apart() -> None:
    columns = Columns(amount="Amount (2)", day="Date", account="Account")
    assert [line.amount for line in read(table(["Date", "Account", "Amount", "Amount"], ["24/11/2026", "1", "9.00", "7.00"]), columns)] == ["7.00"]


@pytest.mark.parametrize(
    ("columns", "complaint"),
    [
        (Columns(day="Date", account="Account"), "the amount"),
        (Columns(amount="Amount", account="Account"), "the day"),
        (Columns(amount="Amount", day="Date"), "a reference or the account"),
        (Columns(amount="Amount", day="Date", account="Date"), "chosen for two things"),
    ],
)
def test_a_map_with_which_nothing_could_be_matched_is_refused(columns: Columns, complaint: str) -> None:
    with pytest.raises(BadInput, match=complaint):
        check(columns)


def test_a_file_without_the_columns_of_the_map_says_which() -> None:
    with pytest.raises(BadInput, match="“Receipt”"):
        read(table(["Date", "Amount", "Number"], ["24/11/2026", "1.00", "1"]))


# ---- Amounts


@pytest.mark.parametrize(
    ("said", "amount"),
    [
        *(("1250", "1250.00"), ("1250.5", "1250.50"), ("1,250.00", "1250.00"), ("1,234,567.89", "1234567.89"), ("MWK 1,250.00", "1250.00")),
        *(("K1250", "1250.00"), ("1,250.00 MWK", "1250.00"), ("1 250.00", "1250.00"), ("1\u00a0250.00", "1250.00"), ("1'250.00", "1250.00")),
        *(("-1,250.00", "-1250.00"), ("(1,250.00)", "-1250.00"), ("1,250.00-", "-1250.00"), ("\u22121250", "-1250.00"), ("MWK -5", "-5.00")),
        *(("+5.00", "5.00"), ("'5.00", "5.00"), ('="5.00"', "5.00"), (5475.5, "5475.50"), (12, "12.00"), (0.1 + 0.2, "0.30"), (1_234_567.89, "1234567.89")),
    ],
)
def test_an_amount_is_read_however_it_is_grouped_and_signed(said: Any, amount: str) -> None:
    assert amount_of(said) == Decimal(amount)


@pytest.mark.parametrize(
    "said", ["1.250,00", "12,50", "1,2,3", "1e3", "NaN", "Infinity", "١٢٣", "1.005", "=1+1", "twelve", "0", "0.00", "9" * 20, True, time(1), "1,25"]
)
def test_what_could_be_read_in_two_ways_is_refused_and_never_rounded(said: Any) -> None:
    with pytest.raises(Refused):
        amount_of(said)


def test_a_comma_before_the_decimals_is_read_where_the_map_says_so() -> None:
    assert amount_of("1.250,05", decimal_comma=True) == Decimal("1250.05")
    with pytest.raises(Refused):
        amount_of("1,250.05", decimal_comma=True)


@given(st.decimals(min_value="0.01", max_value="9999999999999.99", places=2), st.booleans(), st.booleans())
def test_any_amount_that_people_write_is_read_back_as_it_is(amount: Decimal, is_grouped: bool, is_given_back: bool) -> None:
    written = f"{amount:,.2f}" if is_grouped else f"{amount:.2f}"
    assert amount_of(f"({written})" if is_given_back else written) == (-amount if is_given_back else amount)


# ---- Days and times


@pytest.mark.parametrize(
    "said",
    [
        *("24/11/2026", "24-11-2026", "24.11.2026", "24/11/26", "2026-11-24", "2026/11/24", "20261124", "24 Nov 2026", "24-Nov-26", "24 November 2026"),
        *("Nov 24, 2026", "November 24 2026", "Tue, 24 Nov 2026", "24Nov2026", datetime(2026, 11, 24), date(2026, 11, 24), 46350),  # noqa: DTZ001 - a cell
    ],
)
def test_a_day_is_read_in_the_forms_that_billers_write(said: Any) -> None:
    assert moment_of(said, None, ZONE) == (date(2026, 11, 24), None)


@pytest.mark.parametrize(
    ("day", "apart", "moment"),
    [
        ("24/11/2026 14:05", None, datetime(2026, 11, 24, 12, 5, tzinfo=UTC)),
        ("24/11/2026", "2:05:09 pm", datetime(2026, 11, 24, 12, 5, 9, tzinfo=UTC)),
        ("2026-11-24T14:05:09.123+02:00", None, datetime(2026, 11, 24, 12, 5, 9, tzinfo=UTC)),
        ("2026-11-24", time(0, 30), datetime(2026, 11, 23, 22, 30, tzinfo=UTC)),
        ("20261124", "140509", datetime(2026, 11, 24, 12, 5, 9, tzinfo=UTC)),
        (datetime(2026, 11, 24, 14, 5), None, datetime(2026, 11, 24, 12, 5, tzinfo=UTC)),  # noqa: DTZ001 - a spreadsheet's cell
    ],
)
def test_a_time_is_read_beside_the_day_or_with_it(day: Any, apart: Any, moment: datetime) -> None:
    assert moment_of(day, apart, ZONE) == (date(2026, 11, 24), moment)


def test_a_moment_told_in_another_zone_is_of_the_banks_business_day() -> None:
    assert moment_of("2026-11-23T22:30:00Z", None, ZONE)[0] == date(2026, 11, 24)


@pytest.mark.parametrize("said", ["31/02/2026", "11/24/2026", "24/13/2026", "yesterday", "24/11", "1/2/3", "25:00", True])
def test_what_is_no_day_is_refused(said: Any) -> None:
    with pytest.raises(Refused):
        moment_of(said, None, ZONE)


def test_the_month_comes_first_only_where_the_map_says_so() -> None:
    assert moment_of("11/12/2026", None, ZONE)[0] == date(2026, 12, 11)
    assert moment_of("11/12/2026", None, ZONE, month_first=True)[0] == date(2026, 11, 12)


def test_a_day_in_the_future_or_long_gone_is_no_day_of_a_statement() -> None:
    for day in ("28/11/2026", "24/11/1997"):
        with pytest.raises(BadInput, match="no day of a statement"):
            read(table(HEADER, [day, *ROW[1:]]))


# ---- Lines


@pytest.mark.parametrize("said", ["Reversal", "REFUND", "rvsl"])
def test_money_given_back_is_told_by_a_word_or_by_its_sign(said: str) -> None:
    lines = read(table(HEADER, [*ROW[:5], said], [*ROW[:4], "-7.00", ""]))
    assert [(line.kind, line.amount) for line in lines] == [("REVERSAL", "1250.00"), ("REVERSAL", "7.00")]


def test_rows_that_the_map_leaves_out_are_no_payments() -> None:
    columns = Columns(**_map(COLUMNS), left_out=("Commission",))
    assert len(read(table(HEADER, ROW, [*ROW[:5], "commission"]), columns)) == 1


def test_bad_rows_are_told_by_their_numbers_and_nothing_of_the_file_is_taken() -> None:
    bad = [[*ROW[:4], "twelve", ""], ROW, ["someday", *ROW[1:]], *[[*ROW[:4], "x", ""] for _ in range(9)]]
    with pytest.raises(BadInput) as refused:
        read(table(HEADER, *bad))
    said = refused.value.sentence
    assert said.startswith("Nothing was imported. Row 2: “twelve” is no amount.")
    assert "Row 4: “someday” is no day." in said
    assert said.count("Row ") == 5


def test_signs_that_nobody_sees_are_no_part_of_a_reference() -> None:
    (line,) = read(table(HEADER, [ROW[0], "\u200bQYNH13 CZVK\u202e", " R\u00a01 ", "'00012345", *ROW[4:]]))
    assert (line.our_reference, line.their_reference, line.account) == ("QYNH13 CZVK", "R 1", "00012345")


def test_a_reference_longer_than_any_there_is_is_refused() -> None:
    with pytest.raises(BadInput, match="longer than any reference"):
        read(table(HEADER, [ROW[0], "Q" * 500, *ROW[2:]]))


# ---- Workbooks


def test_a_workbook_reads_as_its_text_would() -> None:
    content = workbook(
        ["Collections"],
        HEADER,
        [datetime(2026, 11, 24, 14, 5), ROW[1], 12345, 700000123.0, 1250.5, "Payment"],  # noqa: DTZ001 - a spreadsheet's cell
        ["24/11/2026", ROW[1], "R-2", "00012345", "1,250.00", None],
        [],
        [None, None, None, "Total", 2500.5],
    )
    first, second = read(content)
    assert first == Line(3, date(2026, 11, 24), datetime(2026, 11, 24, 12, 5, tzinfo=UTC), ROW[1], "12345", "700000123", "1250.50", "PAYMENT")
    assert second == EXPECTED._replace(row=4, their_reference="R-2")


def test_a_formula_in_a_workbook_is_not_worked_out() -> None:
    reading = Reading(COLUMNS, ZONE, TODAY)
    assert list(reading.lines(opened(io.BytesIO(workbook(HEADER, [*ROW[:4], "=SUM(A1:A9)", ""]))).rows)) == []
    assert reading.passed_over == 1


# ---- What is no statement


def packed(**parts: bytes) -> bytes:
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w", zipfile.ZIP_DEFLATED) as folder:
        for name, content in parts.items():
            folder.writestr(name.replace("__", "/"), content)
    return kept.getvalue()


BOMB = b"0" * (200 * 1024 * 1024)

HARM: Mapping[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "is empty"),
    "too large": (lambda: b"x" * (MOST_BYTES + 1), "20 MB"),
    "an old workbook": (lambda: b"\xd0\xcf\x11\xe0" + b"\0" * 600, "old or a locked Excel"),
    "a PDF": (lambda: b"%PDF-1.7 ...", "PDF"),
    "a web page": (lambda: b"  <html><table><tr><td>1</td></tr></table></html>", "web page"),
    "XML": (lambda: b"<?xml version='1.0'?><!DOCTYPE x><x/>", "web page or XML"),
    "packed": (lambda: b"\x1f\x8b\x08" + b"\0" * 99, "packed"),
    "a folder that is no workbook": (lambda: packed(**{"statement.csv": b"a,b"}), "packed folder"),
    "a workbook that is none": (lambda: packed(**{"xl__workbook.xml": b"<x/>"}), "broken"),
    "a bomb": (lambda: packed(**{"xl__workbook.xml": b"<x/>", "a": BOMB, "b": BOMB, "c": BOMB}), "unpacks to more"),
    "entities": (lambda: packed(**{"xl__workbook.xml": b'<!DOCTYPE lolz [<!ENTITY lol "lol">]><x>&lol;</x>'}), "no spreadsheet writes"),
    "half a folder": (lambda: workbook(HEADER, ROW)[:900], "broken"),
    "a program": (lambda: b"\x7fELF" + bytes(range(256)) * 9, "no text and no workbook"),
    "a picture": (lambda: b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + b"\xff\x01" * 50, "no text and no workbook"),
    "endless columns": (lambda: table(HEADER, ["1"] * (MOST_COLUMNS + 1)), "columns"),
    "an endless cell": (lambda: table(HEADER) + b'\r\n"' + b"x" * 200_000, "cannot be read as a table"),
    "no header": (lambda: b"1,2,3\r\n4,5,6\r\n", "No row among the first"),
}


@pytest.mark.parametrize("kind", HARM)
def test_what_is_no_statement_is_refused_with_what_to_do(kind: str) -> None:
    made, complaint = HARM[kind]
    with pytest.raises(BadInput) as refused:
        read(made())
    assert complaint in refused.value.sentence


def ends_well(content: bytes) -> bool:
    """With lines that the database takes, or with a sentence."""
    try:
        return all("\n" not in part and "\0" not in part for line in read(content) for part in line if isinstance(part, str))
    except BadInput as error:
        return error.sentence.endswith(".")


@given(st.binary(max_size=400))
def test_no_bytes_whatever_end_in_anything_but_lines_or_a_sentence(content: bytes) -> None:
    assert ends_well(content)


@given(st.lists(st.lists(st.text(max_size=12), min_size=6, max_size=6), max_size=6))
def test_no_text_in_the_cells_ends_in_anything_but_lines_or_a_sentence(rows: list[list[str]]) -> None:
    assert ends_well(table(HEADER, *rows, encoding="utf-16"))
