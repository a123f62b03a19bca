"""A workbook of one sheet, made of CSV as it comes: text stays text, an amount is a number only where its very digits can be one, a moment is a date.

A program of its own, run as `python -m core.documents.workbook FILE KIND …` with the CSV on its standard input: a million rows are a minute's work,
and the console it is made for goes on meanwhile. It holds one row at a time.
"""

import csv
import io
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

from xlsxwriter import Workbook
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

# The format's own limit, without the row of names.
MOST_ROWS = 1_048_575

# A cell holds no more letters than this, counted as UTF-16 does.
LONGEST_TEXT = 32_767
CUT = " … (cut: a cell holds no more)"

# Spreadsheets calculate with so many digits; a longer amount would lose its last ones.
EXACT_DIGITS = 15

# From when dates are counted.
DAY_ZERO = datetime(1899, 12, 30)  # noqa: DTZ001 - a spreadsheet's dates have no zone: the column's name says which it is
ONE_DAY = timedelta(days=1)

# What a column is, by the word the program is given.
TEXT, AMOUNT, MOMENT = "text", "amount", "moment"

WIDTHS = {TEXT: 20, AMOUNT: 18, MOMENT: 20}

# Others at work on this machine go first.
NICENESS = 10


class Sheet(Worksheet):  # type: ignore[misc]
    """Text is text. The library takes what begins with `<r>` and ends with `</r>` for markup of its own, and would put it into the sheet as it is."""

    def _xml_rich_inline_string(self, string: str, attributes: Sequence[tuple[str, object]] = ()) -> None:
        self._xml_inline_string(string, True, attributes)


def write(lines: Iterable[str], target: Path, kinds: Sequence[str]) -> int:
    """Writes the rows, the first of them as names, and answers how many there were. `kinds` are the columns', in their order."""
    rows = csv.reader(lines)
    with Workbook(target, {"constant_memory": True, "tmpdir": str(target.parent)}) as workbook:
        sheet = workbook.add_worksheet("Transactions", worksheet_class=Sheet)
        bold, looks = workbook.add_format({"bold": True}), _looks(workbook)
        sheet.freeze_panes(1, 0)
        for place, kind in enumerate(kinds):
            sheet.set_column(place, place, WIDTHS[kind])
        for place, name in enumerate(next(rows)):
            sheet.write_string(0, place, name, bold)
        writers = [WRITERS[kind] for kind in kinds]
        count = 0
        for count, row in enumerate(rows, 1):
            for place, cell in enumerate(row):
                if cell:
                    writers[place](sheet, count, place, cell, looks)
        sheet.autofilter(0, 0, count, len(kinds) - 1)
        # Long numbers are text on purpose.
        sheet.ignore_errors({"number_stored_as_text": f"A1:XFD{count + 1}"})
    return count


# ---- Cells


Looks = dict[str, Format]


def _looks(workbook: Workbook) -> Looks:
    return {
        AMOUNT: workbook.add_format({"num_format": "#,##0.00"}),
        # An amount with more digits than a number can have stands like the others, at the right.
        "long amount": workbook.add_format({"align": "right"}),
        MOMENT: workbook.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"}),
    }


def _text(sheet: Worksheet, row: int, column: int, cell: str, _looks: Looks) -> None:
    if len(cell) > LONGEST_TEXT // 2 and len(cell.encode("utf-16-le")) // 2 > LONGEST_TEXT:
        cell = cell[: (LONGEST_TEXT - len(CUT)) // 2] + CUT
    sheet.write_string(row, column, cell)


def _amount(sheet: Worksheet, row: int, column: int, cell: str, looks: Looks) -> None:
    """A Decimal is written digit by digit and never goes through a float. Where a spreadsheet could not keep all of them it is text."""
    amount = Decimal(cell)
    if len(amount.as_tuple().digits) <= EXACT_DIGITS:
        sheet.write_number(row, column, amount, looks[AMOUNT])
    else:
        sheet.write_string(row, column, cell, looks["long amount"])


def _moment(sheet: Worksheet, row: int, column: int, cell: str, looks: Looks) -> None:
    sheet.write_number(row, column, (datetime.fromisoformat(cell) - DAY_ZERO) / ONE_DAY, looks[MOMENT])


WRITERS: dict[str, Callable[[Worksheet, int, int, str, Looks], None]] = {TEXT: _text, AMOUNT: _amount, MOMENT: _moment}


def main() -> int:
    """Exit code 0, with the workbook at its place; anything else, and there is none."""
    target, *kinds = sys.argv[1:]
    parent = os.getppid()
    os.nice(NICENESS)
    csv.field_size_limit(sys.maxsize)
    write(io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8", newline=""), Path(target), kinds)
    if os.getppid() != parent:
        # Nobody is left who would fetch it.
        shutil.rmtree(Path(target).parent)
    return 0


if __name__ == "__main__":
    sys.exit(main())
