"""A sheet, written from top to bottom. It knows one thing about text: whatever it says, it is drawn letter by letter and never read as more than text."""

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Literal

from reportlab.lib.colors import Color, black, white
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

Align = Literal["left", "centre", "right"]

# They come with reportlab and are embedded, so that a receipt looks the same on every printer.
PLAIN, BOLD = "Vera", "VeraBd"
_FILES = {PLAIN: "Vera.ttf", BOLD: "VeraBd.ttf"}

INK, FAINT, HAIR = black, Color(0.35, 0.35, 0.35), Color(0.6, 0.6, 0.6)

# Of the size of a letter, from one line to the next.
LEADING = 1.35

# Of its size, what a word is made smaller to before it is broken.
SMALLEST = 0.7

# A text from outside never fills a sheet.
MOST_LINES = 6

for _name, _file in _FILES.items():
    pdfmetrics.registerFont(TTFont(_name, _file))


@dataclass(frozen=True, slots=True)
class Paper:
    """In points. Without a height it is a roll: as long as what stands on it."""

    width: float
    height: float | None
    margin: float

    @property
    def room(self) -> float:
        return self.width - 2 * self.margin


A4 = Paper(210 * mm, 297 * mm, 16 * mm)
A5 = Paper(148 * mm, 210 * mm, 12 * mm)
ROLL = Paper(80 * mm, None, 4 * mm)


@dataclass(frozen=True, slots=True)
class Block:
    """A piece that is not torn over two pages: its height, and how it is drawn with its upper left corner here."""

    height: float
    draw: Callable[[Canvas, float, float], None]
    # Drawn again at the top of the next page as long as blocks name the same.
    head: "Block | None" = None


def draw(paper: Paper, blocks: Sequence[Block], title: str, foot: str = "", *, repeatable: bool = False) -> bytes:
    """The sheet as a PDF. Numbers its pages where there are several. `repeatable`: the same blocks make the same bytes, and one page is numbered as well."""
    pages = _pages(paper, blocks)
    height = paper.height or sum(block.height for block in blocks) + 2 * paper.margin
    kept = BytesIO()
    canvas = Canvas(kept, pagesize=(paper.width, height), invariant=repeatable)
    canvas.setTitle(printable(title))
    canvas.setAuthor("Billers")
    for number, page in enumerate(pages, 1):
        top = height - paper.margin
        for block in page:
            block.draw(canvas, paper.margin, top)
            top -= block.height
        if len(pages) > 1 or repeatable:
            _string(canvas, f"{foot}   Page {number} of {len(pages)}".strip(), PLAIN, 7, FAINT, paper.margin, paper.margin / 2, paper.room, "right")
        canvas.showPage()
    canvas.save()
    return kept.getvalue()


def _pages(paper: Paper, blocks: Sequence[Block]) -> list[list[Block]]:
    if paper.height is None:
        return [list(blocks)]
    room = paper.height - 2 * paper.margin
    pages: list[list[Block]] = [[]]
    used = 0.0
    for block in blocks:
        if used + block.height > room and pages[-1]:
            pages.append([block.head] if block.head else [])
            used = block.head.height if block.head else 0.0
        pages[-1].append(block)
        used += block.height
    return pages


# ---- Blocks


def space(height: float) -> Block:
    return Block(height, lambda canvas, x, top: None)


def rule(paper: Paper, dashed: bool = False) -> Block:
    def on(canvas: Canvas, x: float, top: float) -> None:
        canvas.saveState()
        canvas.setStrokeColor(HAIR)
        canvas.setLineWidth(0.6)
        if dashed:
            canvas.setDash(2, 2)
        canvas.line(x, top - 4, x + paper.room, top - 4)
        canvas.restoreState()

    return Block(8, on)


def text(paper: Paper, said: str, size: float = 9, *, font: str = PLAIN, align: Align = "left", ink: Color = INK) -> Block:
    lines = wrapped(said, font, size, paper.room)

    def on(canvas: Canvas, x: float, top: float) -> None:
        for number, line in enumerate(lines):
            _string(canvas, line, font, size, ink, x, _baseline(top, size, number), paper.room, align)

    return Block(len(lines) * size * LEADING, on)


def banner(paper: Paper, said: str, size: float = 11) -> Block:
    """White on black: what nobody may overlook, on paper without colours too."""
    lines = wrapped(said, BOLD, size, paper.room - 12)
    height = len(lines) * size * LEADING + 6

    def on(canvas: Canvas, x: float, top: float) -> None:
        canvas.saveState()
        canvas.setFillColor(INK)
        canvas.rect(x, top - height, paper.room, height, stroke=0, fill=1)
        canvas.restoreState()
        for number, line in enumerate(lines):
            _string(canvas, line, BOLD, size, white, x, _baseline(top - 3, size, number), paper.room, "centre")

    return Block(height + 6, on)


def pair(paper: Paper, label: str, value: str, size: float = 9, *, font: str = PLAIN) -> Block:
    """A name and what it stands for, in two columns."""
    left = paper.room * 0.32
    return row([(label, left, "left", PLAIN, FAINT), (value, paper.room - left, "left", font, INK)], size, after=2)


Cell = tuple[str, float, Align, str, Color]


def row(cells: Sequence[Cell], size: float = 8, *, after: float = 0, head: Block | None = None) -> Block:
    """Cells side by side, each as tall as its text needs."""
    gap = size * 0.8
    sizes = [_whole(said, font, size, width - gap) for said, width, _, font, _ in cells]
    lines = [wrapped(said, font, fitting, width - gap) for (said, width, _, font, _), fitting in zip(cells, sizes, strict=True)]

    def on(canvas: Canvas, x: float, top: float) -> None:
        for (_, width, align, font, ink), texts, fitting in zip(cells, lines, sizes, strict=True):
            for number, line in enumerate(texts):
                _string(canvas, line, font, fitting, ink, x, _baseline(top, size, number), width - gap, align)
            x += width

    return Block(max(len(texts) for texts in lines) * size * LEADING + after, on, head)


# ---- Letters


def printable(said: object) -> str:
    """On one line, and of letters only: what steers a text (its direction, its lines) is left out."""
    return "".join(letter for letter in " ".join(str(said).split()) if unicodedata.category(letter)[0] != "C")


def _known(said: str, font: str) -> str:
    """Letters this font has; of another its base (ŵ → w), else a question mark, so that the reader sees that something stood there."""
    glyphs = pdfmetrics.getFont(font).face.charToGlyph
    if all(ord(letter) in glyphs for letter in said):
        return said
    known = []
    for letter in said:
        base = [part for part in unicodedata.normalize("NFKD", letter) if ord(part) in glyphs and not unicodedata.combining(part)]
        known.append(letter if ord(letter) in glyphs else "".join(base) or ("" if unicodedata.combining(letter) else "?"))
    return "".join(known)


def wrapped(said: str, font: str, size: float, width: float) -> list[str]:
    """In lines that fit, broken between words, and inside one only where it is wider than the sheet."""
    words = [piece for word in _known(printable(said), font).split(" ") for piece in _pieces(word, font, size, width)]
    lines = [""]
    for word in words:
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and _width(longer, font, size) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    if len(lines) > MOST_LINES:
        lines = [*lines[: MOST_LINES - 1], f"{lines[MOST_LINES - 1][:-1]}…"]
    return lines


def _whole(said: str, font: str, size: float, width: float) -> float:
    """The size at which a reference or an amount stays in one piece: who reads it out reads it whole."""
    widest = max((_width(word, font, size) for word in _known(printable(said), font).split(" ")), default=0.0)
    # A hair less than would fit exactly: rounding must not break what was just made to fit.
    return size if widest <= width else max(size * SMALLEST, 0.999 * size * width / widest)


def _pieces(word: str, font: str, size: float, width: float) -> list[str]:
    if _width(word, font, size) <= width:
        return [word]
    pieces = [""]
    for letter in word:
        if pieces[-1] and _width(pieces[-1] + letter, font, size) > width:
            pieces.append("")
        pieces[-1] += letter
    return pieces


def _width(said: str, font: str, size: float) -> float:
    return float(pdfmetrics.stringWidth(said, font, size))


def _baseline(top: float, size: float, number: int) -> float:
    return top - size - number * size * LEADING


def _string(canvas: Canvas, said: str, font: str, size: float, ink: Color, x: float, y: float, width: float, align: Align) -> None:
    canvas.setFillColor(ink)
    canvas.setFont(font, size)
    match align:
        case "left":
            canvas.drawString(x, y, said)
        case "right":
            canvas.drawRightString(x + width, y, said)
        case "centre":
            canvas.drawCentredString(x + width / 2, y, said)
