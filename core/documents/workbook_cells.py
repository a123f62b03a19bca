"""The cells of a workbook's first sheet, a row at a time. Nothing of the sheet is kept, and of what stands beside it only the words and the forms of days."""

import posixpath
import zipfile
import zlib
from array import array
from collections.abc import Generator, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from math import isfinite
from typing import IO, BinaryIO
from xml.parsers.expat import ExpatError, ParserCreate

from openpyxl.styles.numbers import BUILTIN_FORMATS, is_date_format, is_timedelta_format
from openpyxl.utils.datetime import MAC_EPOCH, WINDOWS_EPOCH, from_excel, from_ISO8601

from core.errors import BadInput

Cell = str | int | float | bool | datetime | date | time | None

BOOK = "xl/workbook.xml"

# What Excel itself has at most, and what no spreadsheet comes near.
MOST_COLUMNS = 16_384
LONGEST_TEXT = 32_767
LONGEST_TAG = 1 << 20
DEEPEST = 64
MOST_NAMES = 5_000
MOST_FORMS = 100_000
MOST_PARTS = 2_000

# A hundred thousand lines have some ten.
MOST_BYTES_OF_WORDS = 64 * 1024 * 1024

# What a workbook that is none ends in, wherever it is looked at.
FAULTS = (ExpatError, KeyError, ValueError, IndexError, EOFError, OSError, OverflowError, NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error)

BLOCK = 1 << 16

# Two spellings of the standard; expat puts a space between one and a tag.
_STANDARDS = ("http://schemas.openxmlformats.org/spreadsheetml/2006/main", "http://purl.oclc.org/ooxml/spreadsheetml/main")
_NAMES = ("workbookPr", "sheet", "si", "t", "rPh", "numFmts", "numFmt", "cellXfs", "xf", "row", "c", "v")
TAGS: Mapping[str, str] = {f"{standard} {name}": name for standard in _STANDARDS for name in _NAMES}
_RELATIONSHIP = "http://schemas.openxmlformats.org/package/2006/relationships Relationship"

_DIGITS = "0123456789"

Said = Mapping[str, str]


class Workbook:
    """A file that is a workbook. `rows()` begins at its start each time; what stands beside the sheet is read once."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._beside: tuple[str, Words, Forms] | None = None

    def rows(self) -> Generator[tuple[int, list[Cell]], None, None]:
        """Each row that is in the file, by its number. Formulas are what they came to when they were saved. Raises `BadInput`."""
        try:
            with zipfile.ZipFile(self._file) as folder:
                self._beside = self._beside or _beside(folder)
                part, words, forms = self._beside
                cells = Cells(words, forms)
                with folder.open(part) as sheet:
                    for _ in walk(sheet, cells):
                        yield from cells.taken()
        except FAULTS:
            raise broken() from None


def broken() -> BadInput:
    """What a person is told about a workbook that cannot be read."""
    return BadInput("This workbook is broken. Ask the biller for it again, or open it and save it as CSV.")


def defines_things() -> BadInput:
    """Definitions of a document's own make it grow as it is read, or name files that are not in it."""
    return BadInput("This workbook holds definitions that no spreadsheet writes, and is not read. Save the sheet as CSV, and import that.")


class Reader:
    """Takes the tags of one part as they come. What is told is only where it stands."""

    def __init__(self) -> None:
        self._depth = 0

    def start(self, name: str, said: Said) -> None:
        self._depth += 1
        if self._depth > DEEPEST:
            raise ValueError(name)
        self.begins(TAGS.get(name, name), said)

    def end(self, name: str) -> None:
        self._depth -= 1
        self.ends(TAGS.get(name, name))

    def begins(self, tag: str, said: Said) -> None:
        """A tag that a part's reader may want."""

    def ends(self, tag: str) -> None:
        """The same at its end."""

    def text(self, said: str) -> None:
        """What stands between two tags, in as many pieces as it comes."""


def walk(part: IO[bytes], reader: Reader) -> Iterator[None]:
    """Tells the tags of a part as they come, and stops after each block of it. Nothing of it is kept, however large it is.

    Expat and not lxml, which would hold a tree of whatever stands between two rows. What expat itself would keep is bounded here.
    """
    parser = ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = reader.start, reader.end, reader.text

    def refuse(*_: object) -> None:
        raise defines_things()

    parser.StartDoctypeDeclHandler = refuse
    told = 0
    while block := part.read(BLOCK):
        parser.Parse(block, False)
        told += len(block)
        if told - parser.CurrentByteIndex > LONGEST_TAG or len(parser.intern) > MOST_NAMES:
            raise ValueError(told)
        yield
    parser.Parse(b"", True)
    yield


def _read(folder: zipfile.ZipFile, part: str, reader: Reader) -> None:
    with folder.open(part) as opened:
        for _ in walk(opened, reader):
            pass


# ---- What stands beside the sheet


class Words(Reader):
    """The workbook's words, which its cells name by number: packed, as a string of its own for each would be many times that."""

    def __init__(self) -> None:
        super().__init__()
        self._bytes = bytearray()
        self._ends = array("Q", [0])
        self._said = ""
        self._takes = self._is_aside = False

    def __getitem__(self, number: int) -> str:
        if number < 0:
            raise IndexError(number)
        return self._bytes[self._ends[number] : self._ends[number + 1]].decode()

    def begins(self, tag: str, _: Said) -> None:
        if tag == "t":
            self._takes = not self._is_aside
        elif tag == "si":
            self._said = ""
        elif tag == "rPh":
            # How the word is spoken, in scripts where that is not seen.
            self._is_aside = True

    def text(self, said: str) -> None:
        if self._takes:
            self._said += said
            if len(self._said) > LONGEST_TEXT:
                raise ValueError

    def ends(self, tag: str) -> None:
        if tag == "t":
            self._takes = False
        elif tag == "rPh":
            self._is_aside = False
        elif tag == "si":
            self._bytes += self._said.encode()
            self._ends.append(len(self._bytes))
            # A word that is empty takes its place, too.
            if len(self._bytes) + 8 * len(self._ends) > MOST_BYTES_OF_WORDS:
                raise BadInput("This workbook holds more words than a statement can have. Import the statement in parts, a week or a day each, or as CSV.")


class Forms(Reader):
    """In which forms a number is shown: which of them are days, which are lengths of time, and from when days are counted."""

    def __init__(self, epoch: datetime) -> None:
        super().__init__()
        self.epoch = epoch
        self.dates: set[str] = set()
        self.lengths: set[str] = set()
        self._own: dict[str, str] = {}
        self._count = 0
        self._within = ""

    def begins(self, tag: str, said: Said) -> None:
        if tag in ("numFmts", "cellXfs"):
            self._within = tag
        elif tag == "numFmt" and self._within == "numFmts":
            self._own[said.get("numFmtId", "")] = said.get("formatCode", "")
        elif tag == "xf" and self._within == "cellXfs":
            self._take(str(self._count), said.get("numFmtId", "0"))
            self._count += 1
        if self._count + len(self._own) > MOST_FORMS:
            raise ValueError

    def ends(self, tag: str) -> None:
        if tag == self._within:
            self._within = ""

    def _take(self, number: str, form: str) -> None:
        code = self._own.get(form) or BUILTIN_FORMATS.get(int(form))
        if is_date_format(code):
            self.dates.add(number)
        if is_timedelta_format(code):
            self.lengths.add(number)


class Places(Reader):
    """Which sheets there are, and which parts belong to the workbook."""

    def __init__(self) -> None:
        super().__init__()
        self.sheets: list[str] = []
        self.parts: dict[str, tuple[str, str]] = {}
        self.epoch = WINDOWS_EPOCH

    def begins(self, tag: str, said: Said) -> None:
        if tag == _RELATIONSHIP and said.get("TargetMode") != "External":
            # `worksheets/sheet1.xml` beside the workbook, or `/xl/worksheets/sheet1.xml` from the top.
            self.parts[said["Id"]] = said["Type"].rpartition("/")[2], posixpath.normpath(posixpath.join("/xl", said["Target"])).lstrip("/")
        elif tag == "sheet":
            self.sheets.append(next((value for name, value in said.items() if name.endswith(" id")), ""))
        elif tag == "workbookPr" and said.get("date1904") in ("1", "true"):
            self.epoch = MAC_EPOCH
        if len(self.parts) + len(self.sheets) > MOST_PARTS:
            raise ValueError


def _beside(folder: zipfile.ZipFile) -> tuple[str, Words, Forms]:
    """Where the first sheet is, the words its cells name, and the forms they are shown in."""
    there, places = set(folder.namelist()), Places()
    _read(folder, "xl/_rels/workbook.xml.rels", places)
    _read(folder, BOOK, places)
    words, forms = Words(), Forms(places.epoch)
    for kind, part in places.parts.values():
        if kind in ("sharedStrings", "styles") and part in there:
            _read(folder, part, words if kind == "sharedStrings" else forms)
    # A chart that is a sheet of its own has no cells.
    for kind, part in (places.parts[sheet] for sheet in places.sheets if sheet in places.parts):
        if kind == "worksheet" and part in there:
            return part, words, forms
    raise BadInput("This workbook has no sheet with cells. Save the statement as CSV, and import that.")


# ---- The sheet


class Cells(Reader):
    """Takes a sheet's tags as they come, and lays whole rows down until somebody takes them."""

    def __init__(self, words: Words, forms: Forms) -> None:
        super().__init__()
        self._words, self._forms = words, forms
        self._rows: list[tuple[int, list[Cell]]] = []
        self._number = self._place = 0
        self._cells: list[Cell] = []
        self._kind = self._form = self._said = ""
        self._takes = self._is_aside = False

    def taken(self) -> list[tuple[int, list[Cell]]]:
        """The rows that are whole since it was asked last."""
        rows, self._rows = self._rows, []
        return rows

    def start(self, name: str, said: Said) -> None:
        """Without the way by `begins`: a hundred thousand lines have some million cells."""
        self._depth += 1
        if self._depth > DEEPEST:
            raise ValueError(name)
        tag = TAGS.get(name)
        if tag is None:
            return
        if tag == "c":
            place = said.get("r")
            self._place = column(place.rstrip(_DIGITS)) if place else self._place + 1
            self._kind, self._form, self._said = said.get("t", "n"), said.get("s", ""), ""
        elif tag == "v":
            self._takes = self._kind != "inlineStr"
        elif tag == "t":
            self._takes = self._kind == "inlineStr" and not self._is_aside
        elif tag == "row":
            number = int(said["r"]) if "r" in said else self._number + 1
            if number <= self._number:
                raise ValueError(number)
            self._number, self._place, self._cells = number, 0, []
        elif tag == "rPh":
            self._is_aside = True

    def text(self, said: str) -> None:
        if self._takes:
            self._said += said
            if len(self._said) > LONGEST_TEXT:
                raise ValueError

    def end(self, name: str) -> None:
        self._depth -= 1
        tag = TAGS.get(name)
        if tag is None:
            return
        if tag in ("v", "t"):
            self._takes = False
        elif tag == "c":
            # What is only coloured is no cell: rows end with what stands in them.
            if self._said:
                self._lay(self._value(self._said))
        elif tag == "row":
            self._rows.append((self._number, self._cells))
        elif tag == "rPh":
            self._is_aside = False

    def _lay(self, value: Cell) -> None:
        cells, place = self._cells, self._place
        if place == len(cells) + 1:
            cells.append(value)
            return
        if not 1 <= place <= MOST_COLUMNS:
            raise ValueError(place)
        cells.extend([None] * (place - len(cells)))
        cells[place - 1] = value

    def _value(self, said: str) -> Cell:
        kind = self._kind
        if kind == "s":
            return self._words[int(said)]
        if kind == "n":
            number = float(said) if "." in said or "E" in said or "e" in said else int(said)
            return self._shown(number) if self._form in self._forms.dates else _finite(number)
        if kind == "b":
            return bool(int(said))
        if kind == "d":
            return _as_cell(from_ISO8601(said))
        return said

    def _shown(self, number: float) -> Cell:
        """A number that is shown as a day, or as a length of time."""
        try:
            return _as_cell(from_excel(number, self._forms.epoch, timedelta=self._form in self._forms.lengths))
        except (OverflowError, ValueError):
            return "#VALUE!"


@lru_cache(maxsize=1024)
def column(letters: str) -> int:
    """`A` is 1. Raises `ValueError`."""
    number = 0
    for letter in letters:
        if not "A" <= letter <= "Z" or len(letters) > 3:
            raise ValueError(letters)
        number = number * 26 + ord(letter) - ord("A") + 1
    return number


def _finite(number: float) -> float:
    if not isfinite(number):
        raise ValueError(number)
    return number


def _as_cell(value: datetime | date | time | timedelta) -> Cell:
    """A length of time is text here: `14:05:00`."""
    return str(value) if isinstance(value, timedelta) else value
