"""The rows of a biller's file, one after the other. It knows which bytes are a table at all, and holds one row of it at a time."""

import codecs
import csv
import io
import re
import zipfile
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import BinaryIO, Literal

from core.documents.workbook_cells import BOOK, FAULTS, MOST_PARTS, Cell, Workbook, broken, defines_things
from core.errors import BadInput

Format = Literal["csv", "xlsx"]

# The page takes no more either (.streamlit/config.toml): a hundred thousand lines are some ten.
MOST_BYTES = 20 * 1024 * 1024
MOST_ROWS = 500_000
MOST_COLUMNS = 200

# What a workbook may grow to when it is unpacked.
MOST_UNPACKED = 400 * 1024 * 1024

BLOCK = 1 << 16

# Of these, the one that makes most lines equally wide.
DELIMITERS = ",;\t|"
LINES_LOOKED_AT = 60

# How other kinds of files begin, and what to do about each.
OTHERS: Sequence[tuple[bytes, str]] = (
    (b"\xd0\xcf\x11\xe0", "This is an old or a locked Excel file. Open it, save it as XLSX without a password, or as CSV, and import that."),
    (b"%PDF", "This is a PDF. Ask the biller for the statement as CSV or XLSX."),
    (b"\x1f\x8b", "This file is packed. Unpack it, and import what was in it."),
    (b"Rar!", "This file is packed. Unpack it, and import what was in it."),
)
MARKUP = re.compile(rb"\s*<(!doctype|html|\?xml|table|\w+:?\w* )", re.IGNORECASE)
SPREADSHEETS_WORD = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)

BOMS: Sequence[tuple[bytes, str]] = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))

# What writes no UTF-8 in this part of the world. It reads any byte, so it comes last.
OTHERWISE = "cp1252"


@dataclass(frozen=True, slots=True)
class Row:
    """`number` is the row as a spreadsheet counts them."""

    number: int
    cells: Sequence[Cell]


@dataclass(frozen=True, slots=True)
class Table:
    """A file that can be read. `rows()` begins at its start each time."""

    format: Format
    rows: Callable[[], Generator[Row, None, None]]


def opened(file: BinaryIO) -> Table:
    """What this file is, from its bytes and not from its name. Raises `BadInput` with what to do about one that is no table."""
    size = file.seek(0, io.SEEK_END)
    if size == 0:
        raise BadInput("This file is empty. Ask the biller for the statement again.")
    if size > MOST_BYTES:
        raise BadInput(f"This file has more than {MOST_BYTES // 1024**2} MB. Import the statement in parts, a week or a day each.")
    file.seek(0)
    head = file.read(BLOCK)
    if head.startswith(b"PK\x03\x04"):
        _refuse_bombs(file)
        book = Workbook(file)
        return Table("xlsx", lambda: _bounded(_xlsx(book)))
    for start, sentence in OTHERS:
        if head.startswith(start):
            raise BadInput(sentence)
    if MARKUP.match(head):
        raise BadInput("This is a web page or XML under another name. Open it in a spreadsheet, save it as XLSX or CSV, and import that.")
    encoding = _encoding(file, head)
    return Table("csv", lambda: _bounded(_csv(file, encoding)))


def _bounded(rows: Generator[Row, None, None]) -> Generator[Row, None, None]:
    # Closed at once where nobody reads on: the file is its opener's again.
    with closing(rows):
        for row in rows:
            if row.number > MOST_ROWS:
                raise BadInput(f"This file has more than {MOST_ROWS:,} rows. Import the statement in parts, a week or a day each.")
            if len(row.cells) > MOST_COLUMNS:
                raise BadInput(f"Row {row.number:,} has more than {MOST_COLUMNS} columns: this is no statement, or its separators are broken.")
            yield row


# ---- Text


def _encoding(file: BinaryIO, head: bytes) -> str:
    for bom, name in BOMS:
        if head.startswith(bom):
            return name
    if head[1:200:2].count(0) > 50:
        return "utf-16-le"
    if b"\0" in head:
        raise BadInput("This is no text and no workbook. Save the statement as CSV or XLSX, and import that.")
    decoder = codecs.getincrementaldecoder("utf-8")()
    file.seek(0)
    try:
        while block := file.read(BLOCK):
            decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return OTHERWISE
    return "utf-8"


def _csv(file: BinaryIO, encoding: str) -> Generator[Row, None, None]:
    file.seek(0)
    text = io.TextIOWrapper(file, encoding, errors="replace", newline="")
    try:
        sample = text.read(BLOCK)
        text.seek(0)
        told = SPREADSHEETS_WORD.fullmatch(sample.partition("\n")[0])
        if told:
            text.readline()
        reader = csv.reader(text, delimiter=told[1] if told else _delimiter(sample))
        try:
            for number, cells in enumerate(reader, 2 if told else 1):
                yield Row(number, cells)
        except csv.Error:
            raise BadInput(
                f"The text after row {reader.line_num:,} cannot be read as a table: a quotation mark is missing there, or a cell is endless."
            ) from None
    finally:
        # Whoever opened the file goes on using it.
        text.detach()


def _delimiter(sample: str) -> str:
    lines = sample.splitlines(keepends=True)[:LINES_LOOKED_AT]

    def evenness(delimiter: str) -> tuple[int, int]:
        try:
            widths = [len(cells) for cells in csv.reader(lines, delimiter=delimiter) if len(cells) > 1]
        except csv.Error:
            return 0, 0
        usual = max(set(widths), key=widths.count, default=0)
        return widths.count(usual), usual

    return max(DELIMITERS, key=evenness)


# ---- Workbooks


def _refuse_bombs(file: BinaryIO) -> None:
    """A workbook is a packed folder of XML: looked at before anything of it is unpacked."""
    try:
        with zipfile.ZipFile(file) as folder:
            parts = folder.infolist()
            if BOOK not in {part.filename for part in parts}:
                raise BadInput("This is a packed folder and no workbook. Unpack it, and import the CSV or XLSX that was in it.")
            if len(parts) > MOST_PARTS or sum(part.file_size for part in parts) > MOST_UNPACKED:
                raise BadInput("This workbook unpacks to more than a statement can have. Save the sheet alone as CSV, and import that.")
            # Others unpack into as much memory as they please.
            if any(part.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for part in parts):
                raise broken()
            for part in parts:
                if part.filename.endswith((".xml", ".rels")):
                    with folder.open(part) as opened_part:
                        if b"<!DOCTYPE" in opened_part.read(BLOCK):
                            raise defines_things()
    except FAULTS:
        raise broken() from None


def _xlsx(book: Workbook) -> Generator[Row, None, None]:
    with closing(book.rows()) as rows:
        for number, cells in rows:
            yield Row(number, cells)
