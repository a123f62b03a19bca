"""A workbook's cells read as openpyxl reads them, and whatever a hostile one holds takes no memory and ends in a sentence."""

import io
import zipfile
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl.cell.rich_text import CellRichText, TextBlock
from openpyxl.cell.text import InlineFont
from openpyxl.utils import get_column_letter

from core.documents.statement_rows import opened
from core.documents.workbook_cells import LONGEST_TAG, Workbook, column
from core.errors import BadInput

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"

MOMENT = datetime(2026, 11, 24, 14, 5, 9)  # noqa: DTZ001 - a spreadsheet's cell


def rows(content: bytes) -> dict[int, list[Any]]:
    return {row.number: list(row.cells) for row in opened(io.BytesIO(content)).rows()}


def as_openpyxl_reads(content: bytes) -> dict[int, list[Any]]:
    """The first sheet, without rows and ends of rows that are empty."""
    sheet = openpyxl.load_workbook(io.BytesIO(content), data_only=True).worksheets[0]
    found = {}
    for number, cells in enumerate(sheet.iter_rows(values_only=True), 1):
        kept = list(cells)
        while kept and kept[-1] in (None, ""):
            kept.pop()
        if kept:
            found[number] = kept
    return found


def written(*cells: tuple[int, int, Any, str], in_place: bool = False, **options: Any) -> bytes:
    """By xlsxwriter: words in one place, as Excel does it, or each in its cell."""
    kept = io.BytesIO()
    with xlsxwriter.Workbook(kept, {"in_memory": True, "constant_memory": in_place, **options}) as book:
        sheet = book.add_worksheet()
        for row, place, value, form in cells:
            sheet.write(row, place, value, book.add_format({"num_format": form}) if form else None)
    return kept.getvalue()


def packed(sheet: str, **parts: str) -> bytes:
    """The least that is a workbook, with this sheet."""
    whole = {
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{RELATIONS}"><sheets><sheet name="A" sheetId="1" r:id="rId1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": (
            '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
            f'<Relationship Id="rId1" Type="{RELATIONS}/worksheet" Target="/xl/worksheets/sheet1.xml"/>'
            f'<Relationship Id="rId2" Type="{RELATIONS}/sharedStrings" Target="sharedStrings.xml"/></Relationships>'
        ),
        "xl/worksheets/sheet1.xml": sheet,
        **{name.replace("__", "/") + ".xml": content for name, content in parts.items()},
    }
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w", zipfile.ZIP_DEFLATED) as folder:
        for name, content in whole.items():
            folder.writestr(name, content)
    return kept.getvalue()


def sheet_of(inner: str) -> str:
    return f'<worksheet xmlns="{MAIN}"><sheetData>{inner}</sheetData></worksheet>'


# ---- As openpyxl reads them

CELLS = [
    *((0, 0, "Collections of the board", ""), (2, 0, "00012345", ""), (2, 1, 12345, ""), (2, 2, 5475.5, ""), (2, 3, -0.1, "#,##0.00"), (2, 9, True, "")),
    *((3, 0, MOMENT, "dd/mm/yyyy hh:mm:ss"), (3, 1, MOMENT.date(), "d mmm yyyy"), (3, 2, time(14, 5), "hh:mm"), (3, 3, 46350, "General")),
    *((4, 0, "Nakoma & Sons <Ltd> “MK”", ""), (4, 1, " spaces ", ""), (4, 2, "two\nlines", ""), (4, 3, "00012345", ""), (4, 4, "", "0.00")),
    *((6, 27, "in AB", ""), (6, 0, 1e20, ""), (6, 1, 0.1 + 0.2, ""), (6, 2, 1_234_567.89, '"MWK" #,##0.00'), (6, 3, 46350.5, '[Red]dd"day"')),
]


@pytest.mark.parametrize("in_place", [False, True])
def test_words_numbers_days_and_gaps_are_what_openpyxl_makes_of_them(in_place: bool) -> None:
    content = written(*CELLS, in_place=in_place)
    assert rows(content) == as_openpyxl_reads(content)


def test_a_workbook_that_counts_its_days_from_1904_is_read_by_its_own_count() -> None:
    content = written(*CELLS[6:10], date_1904=True)
    assert rows(content) == as_openpyxl_reads(content)
    assert rows(content)[4][0] == MOMENT


def test_a_length_of_time_is_told_as_a_time() -> None:
    assert rows(written((0, 0, timedelta(hours=14, minutes=5, seconds=9), "[h]:mm:ss"))) == {1: ["14:05:09"]}


def test_a_formula_is_what_it_came_to_and_nothing_where_that_was_not_saved() -> None:
    kept = io.BytesIO()
    with xlsxwriter.Workbook(kept) as book:
        sheet = book.add_worksheet()
        sheet.write_formula(0, 0, "=1+1", None, 2)
        sheet.write_formula(0, 1, '=A1&"!"', None, "2!")
        sheet.write_formula(0, 2, "=1/0", None, "#DIV/0!")
        sheet.write_formula(0, 3, "=NOW()", None, "")
        sheet.write(0, 4, "end")
    assert rows(kept.getvalue()) == {1: [2, "2!", "#DIV/0!", None, "end"]}


def test_a_word_in_several_colours_is_one_word_and_how_it_is_spoken_is_none() -> None:
    book = openpyxl.Workbook()
    book.active["A1"] = CellRichText("LWB", TextBlock(InlineFont(b=True), "-00"), "12")
    kept = io.BytesIO()
    book.save(kept)
    assert rows(kept.getvalue()) == {1: ["LWB-0012"]}
    words = f'<sst xmlns="{MAIN}"><si><r><t>LWB</t></r><r><t>-1</t></r><rPh sb="0" eb="1"><t>spoken</t></rPh></si></sst>'
    cell = '<c t="s"><v>0</v></c><c t="inlineStr"><is><t>a</t><rPh sb="0" eb="1"><t>spoken</t></rPh><r><t>b</t></r></is></c>'
    assert rows(packed(sheet_of(f"<row>{cell}</row>"), xl__sharedStrings=words)) == {1: ["LWB-1", "ab"]}


def test_rows_and_cells_without_an_address_stand_one_after_the_other() -> None:
    inner = '<row><c><v>1</v></c><c><v>2</v></c></row><row r="5"><c r="C5"><v>3</v></c><c><v>4</v></c><c r="A5"><v>0</v></c></row><row><c><v>5</v></c></row>'
    assert rows(packed(sheet_of(inner))) == {1: [1, 2], 5: [0, None, 3, 4], 6: [5]}


def test_the_first_sheet_with_cells_is_read_whatever_the_parts_are_called_and_however_tags_are_spelled() -> None:
    kept = io.BytesIO()
    with xlsxwriter.Workbook(kept) as book:
        chart = book.add_chart({"type": "line"})
        chart.add_series({"values": "=July!$A$1:$A$2"})
        book.add_chartsheet().set_chart(chart)
        book.add_worksheet("July").write(0, 0, "the first")
        book.add_worksheet("August").write(0, 0, "the second")
    assert rows(kept.getvalue()) == {1: ["the first"]}
    spelled = f'<x:worksheet xmlns:x="{MAIN}"><x:sheetData><x:row r="2"><x:c r="B2"><x:v>7</x:v></x:c></x:row></x:sheetData></x:worksheet>'
    assert rows(packed(spelled)) == {2: [None, 7]}


def test_what_is_coloured_and_empty_is_no_cell() -> None:
    content = written((0, 0, "end", ""), (0, 400, "", "0.00"), (9, 400, "", "0.00"))
    assert rows(content)[1] == ["end"]


def test_a_workbook_is_read_from_its_start_each_time_and_left_open() -> None:
    file = io.BytesIO(written(*CELLS))
    book = Workbook(file)
    assert next(book.rows()) == (1, ["Collections of the board"])
    assert list(book.rows()) == list(book.rows())
    assert not file.closed


@pytest.mark.parametrize("number", [1, 26, 27, 52, 53, 702, 703, 16_384])
def test_a_column_has_the_number_that_openpyxl_gives_its_letters(number: int) -> None:
    assert column(get_column_letter(number)) == number


VALUES = st.one_of(
    st.text(st.characters(min_codepoint=32, max_codepoint=0xFFFD, exclude_categories=["Cs"]), max_size=20),
    st.integers(-(10**12), 10**12),
    st.floats(-1e9, 1e9, allow_nan=False).map(lambda value: round(value, 2)),
    st.datetimes(datetime(1990, 1, 1), datetime(2080, 1, 1)).map(lambda value: value.replace(microsecond=0)),  # noqa: DTZ001 - a spreadsheet's cells
    st.dates(date(1990, 1, 1), date(2080, 1, 1)),
    st.booleans(),
    st.none(),
)


# Two readers of whole workbooks: on a busy machine they take a while.
@settings(deadline=None)
@given(st.lists(st.lists(VALUES, max_size=6), max_size=6))
def test_any_sheet_that_openpyxl_writes_is_read_as_openpyxl_reads_it(table: list[list[Any]]) -> None:
    book = openpyxl.Workbook()
    for cells in table:
        book.active.append([value if not isinstance(value, str) else f"'{value}" for value in cells])
    kept = io.BytesIO()
    book.save(kept)
    assert {number: cells for number, cells in rows(kept.getvalue()).items() if cells} == as_openpyxl_reads(kept.getvalue())


# ---- What means harm

MANY = 1_000_000
LONG_WORD = f"<si><t>{'x' * 32_000}</t></si>"
START = f'<worksheet xmlns="{MAIN}">'

HARM: Mapping[str, tuple[Callable[[], bytes], str]] = {
    "entities deep in the sheet": (lambda: packed(f'{"<!-- -->" * 20_000}<!DOCTYPE x [<!ENTITY a "b">]>{sheet_of("<row/>")}'), "no spreadsheet writes"),
    "a file of this machine": (lambda: packed(f'{" " * 70_000}<!DOCTYPE x SYSTEM "file:///etc/passwd">{sheet_of("<row/>")}'), "no spreadsheet writes"),
    "an entity in the words": (lambda: packed(sheet_of("<row/>"), xl__sharedStrings=f"{' ' * 70_000}<!DOCTYPE x><sst/>"), "no spreadsheet writes"),
    "no end of tags within tags": (lambda: packed("<a>" * MANY), "broken"),
    "no end of cells within cells": (lambda: packed(sheet_of("<c><v>" * MANY)), "broken"),
    "no end of values within values": (lambda: packed(sheet_of("<row><c>" + "<v><v></v>" * MANY)), "broken"),
    "no end of rows within cells": (lambda: packed(sheet_of("<row><c>" * MANY)), "broken"),
    "a tag without end": (lambda: packed(f'<a b="{"x" * 50_000_000}"/>'), "broken"),
    "names without end": (lambda: packed(START + "".join(f"<n{number}/>" for number in range(300_000))), "broken"),
    "a cell without end": (lambda: packed(sheet_of(f'<row><c t="str"><v>{"x" * 50_000_000}</v></c></row>')), "broken"),
    "a word without end": (lambda: packed(sheet_of("<row/>"), xl__sharedStrings=f'<sst xmlns="{MAIN}"><si><t>{"x" * 50_000_000}</t></si></sst>'), "broken"),
    "words without end": (lambda: packed(sheet_of("<row/>"), xl__sharedStrings=f'<sst xmlns="{MAIN}">{LONG_WORD * 2_100}</sst>'), "more words"),
    "a column that is none": (lambda: packed(sheet_of('<row><c r="ZZZZ1"><v>1</v></c></row>')), "broken"),
    "a column beyond Excel's": (lambda: packed(sheet_of('<row><c r="ZZZ1"><v>1</v></c></row>')), "broken"),
    "a column beyond ours": (lambda: packed(sheet_of('<row><c r="ZZ1"><v>1</v></c></row>')), "more than 200 columns"),
    "a row beyond ours": (lambda: packed(sheet_of('<row r="1048576"><c><v>1</v></c></row>')), "more than 500,000 rows"),
    "a row twice": (lambda: packed(sheet_of('<row r="2"/><row r="2"/>')), "broken"),
    "a word that is not there": (lambda: packed(sheet_of('<row><c t="s"><v>3</v></c></row>')), "broken"),
    "a word before the first": (lambda: packed(sheet_of('<row><c t="s"><v>-1</v></c></row>')), "broken"),
    "a number that is none": (lambda: packed(sheet_of("<row><c><v>nan</v></c></row>")), "broken"),
    "a number without end": (lambda: packed(sheet_of("<row><c><v>1e999</v></c></row>")), "broken"),
    "a sheet that stops": (lambda: packed(sheet_of("<row><c><v>1</v></c></row>")[:-20]), "broken"),
    "no sheet": (lambda: packed("", xl__workbook=f'<workbook xmlns="{MAIN}"/>'), "no sheet with cells"),
    "a sheet elsewhere": (
        lambda: packed(
            sheet_of("<row/>"),
            xl__workbook=f'<workbook xmlns="{MAIN}" xmlns:r="{RELATIONS}"><sheets><sheet name="A" r:id="rId9"/></sheets></workbook>',
        ),
        "no sheet with cells",
    ),
}


@pytest.mark.parametrize("kind", HARM)
def test_a_hostile_workbook_ends_in_a_sentence(kind: str) -> None:
    made, complaint = HARM[kind]
    with pytest.raises(BadInput) as refused:
        rows(made())
    assert complaint in refused.value.sentence


def damaged() -> Iterator[bytes]:
    whole = bytearray(written(*CELLS))
    for place in range(0, len(whole), 97):
        yield bytes([*whole[:place], whole[place] ^ 0xFF, *whole[place + 1 :]])


def test_a_workbook_with_a_wrong_byte_is_read_or_refused_and_nothing_else() -> None:
    refused = 0
    for content in damaged():
        try:
            rows(content)
        except BadInput:
            refused += 1
    assert refused > 10


def test_a_part_that_was_packed_in_another_way_is_not_unpacked() -> None:
    kept = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(packed(sheet_of("<row/>")))) as folder, zipfile.ZipFile(kept, "w", zipfile.ZIP_LZMA) as other:
        for name in folder.namelist():
            other.writestr(name, folder.read(name))
    with pytest.raises(BadInput, match="broken"):
        rows(kept.getvalue())


def test_a_comment_longer_than_any_tag_is_no_part_of_a_statement() -> None:
    with pytest.raises(BadInput, match="broken"):
        rows(packed(sheet_of("<row/>") + f"<!--{'x' * (3 * LONGEST_TAG)}-->"))


def highest_kilobytes() -> int:
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1])


def test_what_stands_between_the_rows_takes_no_memory() -> None:
    """A million tags that a reader of trees would hold until the sheet ends."""
    content = packed(f"{START}<cols>{'<col/>' * MANY}</cols><sheetData><row><c><v>1</v></c></row></sheetData></worksheet>")
    # From here on the highest is counted anew.
    Path("/proc/self/clear_refs").write_text("5")
    before = highest_kilobytes()
    assert rows(content) == {1: [1]}
    assert highest_kilobytes() - before < 20_000
