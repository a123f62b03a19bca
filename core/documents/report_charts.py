"""The pictures of a report on paper, drawn by reportlab's own lines and bars. It knows how a chart is read on a black and white print: by its words."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from reportlab.lib.colors import Color, HexColor, white
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfgen.canvas import Canvas

from core.documents.paper import BOLD, FAINT, INK, PLAIN, Align, Block, wrapped
from core.documents.report_words import short

BLUE, GREEN, RED, VIOLET, AMBER, SLATE = (HexColor(code) for code in ("#1d4ed8", "#15803d", "#b91c1c", "#7c3aed", "#d97706", "#94a3b8"))
NAVY, GRID, TINT = HexColor("#0f2a5f"), HexColor("#d8dee8"), HexColor("#f1f5fb")

# Names of steps that have room below the bars.
MOST_TICKS = 12

TITLE_ROOM, LEGEND_ROOM, TICK_ROOM = 16.0, 12.0, 12.0

# The same beside each, so that steps of two charts stand one above the other.
LEFT_ROOM = 36.0


@dataclass(frozen=True, slots=True)
class Series:
    """One layer of bars."""

    name: str
    colour: Color
    values: Sequence[float]


@dataclass(frozen=True, slots=True)
class Bar:
    """One lying bar, 0 to 1, and what stands beside it."""

    name: str
    share: float
    says: str
    colour: Color


@dataclass(frozen=True, slots=True)
class Card:
    """One figure in a box: what it is, how much, and what is said about it. `tone` colours the line on its left."""

    name: str
    figure: str
    notes: Sequence[str]
    tone: Color


def cards(shown: Sequence[Card], room: float, height: float = 62) -> Block:
    gap = 8.0
    width = (room - gap * (len(shown) - 1)) / len(shown)

    def on(canvas: Canvas, x: float, top: float) -> None:
        for one in shown:
            canvas.setFillColor(TINT)
            canvas.roundRect(x, top - height, width, height, 4, stroke=0, fill=1)
            canvas.setFillColor(one.tone)
            canvas.rect(x, top - height + 4, 2.5, height - 8, stroke=0, fill=1)
            say(canvas, one.name, x + 9, top - 13, 7.5, ink=FAINT)
            say(canvas, one.figure, x + 9, top - 30, _fitting(one.figure, 14, width - 16, BOLD), font=BOLD)
            for number, note in enumerate(one.notes):
                say(canvas, note, x + 9, top - 43 - 9.5 * number, _fitting(note, 7, width - 14), ink=FAINT)
            x += width + gap

    return Block(height + 8, on)


def bars(title: str, steps: Sequence[str], series: Sequence[Series], room: float, height: float = 118, label: Callable[[float], str] = short) -> Block:
    """Standing bars, one upon the other, over time."""
    legend = LEGEND_ROOM if len(series) > 1 else 0
    whole = [sum(one.values[place] for one in series) for place in range(len(steps))]
    ticks = nice_ticks(max(whole, default=0))
    left = max(LEFT_ROOM, 8 + max(_width(label(tick), 6.5) for tick in ticks))

    def on(canvas: Canvas, x: float, top: float) -> None:
        say(canvas, title, x, top - 9, 9, font=BOLD)
        upper, lower = top - TITLE_ROOM - 4, top - height + legend + TICK_ROOM
        for tick in ticks:
            y = lower + (upper - lower) * tick / ticks[-1]
            _line(canvas, x + left, y, x + room, y)
            say(canvas, label(tick), x, y - 2, 6.5, ink=FAINT, width=left - 5, align="right")
        slot = (room - left) / max(1, len(steps))
        every = math.ceil(len(steps) / MOST_TICKS)
        for place, name in enumerate(steps):
            begin, y = x + left + slot * place, lower
            for one in series:
                tall = (upper - lower) * one.values[place] / ticks[-1]
                canvas.setFillColor(one.colour)
                canvas.rect(begin + slot * 0.15, y, slot * 0.7, tall, stroke=0, fill=1)
                y += tall
            if place % every == 0:
                say(canvas, name, begin - slot, lower - 9, 6.5, ink=FAINT, width=3 * slot, align="centre")
        if legend:
            _legend(canvas, series, x + left, top - height + 3)

    return Block(height + 8, on)


def rates(title: str, rows: Sequence[Bar], target: float, room: float) -> Block:
    """Lying bars from nothing to all, the target as a line, the counts beside them."""
    names, beside, slot = 0.28 * room, 0.24 * room, 15.0
    height = TITLE_ROOM + 10 + slot * len(rows) + TICK_ROOM

    def on(canvas: Canvas, x: float, top: float) -> None:
        say(canvas, title, x, top - 9, 9, font=BOLD)
        begin, width = x + names, room - names - beside
        upper = top - TITLE_ROOM - 10
        lower = upper - slot * len(rows)
        for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
            _line(canvas, begin + width * tick, lower, begin + width * tick, upper)
            say(canvas, f"{tick:.0%}", begin + width * tick - 20, lower - 9, 6.5, ink=FAINT, width=40, align="centre")
        for place, one in enumerate(rows):
            middle = upper - slot * (place + 0.5)
            say(canvas, one.name, x, middle - 2.5, _fitting(one.name, 7.5, names - 8), width=names - 8)
            canvas.setFillColor(one.colour)
            canvas.rect(begin, middle - 4, width * one.share, 8, stroke=0, fill=1)
            say(canvas, one.says, begin + width + 8, middle - 2.5, _fitting(one.says, 7.5, beside - 8))
        at = begin + width * target
        canvas.saveState()
        canvas.setStrokeColor(INK)
        canvas.setLineWidth(0.9)
        canvas.setDash(3, 2)
        canvas.line(at, lower, at, upper + 3)
        canvas.restoreState()
        say(canvas, f"target {target:.0%}", at - 40, upper + 5, 6.5, width=80, align="centre")

    return Block(height + 8, on)


def headed(blocks: Sequence[Block], room: float, title: str, note: str = "") -> list[Block]:
    """A title that never stands alone at the foot of a page: it goes with the first of what it is over."""

    def on(canvas: Canvas, x: float, top: float) -> None:
        say(canvas, title, x, top - 9, 9, font=BOLD)
        if note:
            say(canvas, note, x, top - 9, 7, ink=FAINT, width=room, align="right")

    return [together([Block(TITLE_ROOM, on), *blocks[:2]]), *blocks[2:]]


def together(blocks: Sequence[Block]) -> Block:
    """One block of several: not torn over two pages."""

    def on(canvas: Canvas, x: float, top: float) -> None:
        for block in blocks:
            block.draw(canvas, x, top)
            top -= block.height

    return Block(sum(block.height for block in blocks), on)


def masthead(bank: str, title: str, period: str, as_of: str, room: float) -> Block:
    """The head of the first page: whose it is, what it is about, and when it was true."""
    height = 66.0

    def on(canvas: Canvas, x: float, top: float) -> None:
        canvas.setFillColor(NAVY)
        canvas.roundRect(x, top - height, room, height, 5, stroke=0, fill=1)
        say(canvas, bank, x + 14, top - 18, 8.5, ink=white)
        say(canvas, title, x + 14, top - 38, 17, font=BOLD, ink=white)
        say(canvas, period, x + 14, top - 54, 10.5, ink=white)
        say(canvas, as_of, x + 14, top - 54, 8, ink=white, width=room - 28, align="right")

    return Block(height + 8, on)


def nice_ticks(most: float) -> list[float]:
    """From nothing to at least the largest, in four or five steps that people count in."""
    if most <= 0:
        return [0.0, 1.0]
    rough = most / 4
    size = 10 ** math.floor(math.log10(rough))
    step = next(size * one for one in (1, 2, 2.5, 5, 10) if size * one >= rough)
    step = max(1.0, step) if most >= 1 else step
    return [step * place for place in range(math.ceil(most / step - 1e-9) + 1)]


# ---- Letters and lines


def say(
    canvas: Canvas, said: str, x: float, y: float, size: float, *, font: str = PLAIN, ink: Color = INK, width: float = 1_000, align: Align = "left"
) -> None:
    """One line, letter by letter; what does not fit is cut."""
    lines = wrapped(said, font, size, width)
    line = lines[0] if len(lines) == 1 else f"{lines[0][:-1]}…"
    canvas.setFillColor(ink)
    canvas.setFont(font, size)
    match align:
        case "left":
            canvas.drawString(x, y, line)
        case "right":
            canvas.drawRightString(x + width, y, line)
        case "centre":
            canvas.drawCentredString(x + width / 2, y, line)


def _fitting(said: str, size: float, width: float, font: str = PLAIN) -> float:
    """The size at which it stays on one line, but never so small that nobody reads it."""
    return min(size, max(0.6 * size, 0.98 * size * width / max(1.0, _width(said, size, font))))


def _width(said: str, size: float, font: str = PLAIN) -> float:
    return float(pdfmetrics.stringWidth(said, font, size))


def _line(canvas: Canvas, x: float, y: float, to_x: float, to_y: float) -> None:
    canvas.setStrokeColor(GRID)
    canvas.setLineWidth(0.5)
    canvas.line(x, y, to_x, to_y)


def _legend(canvas: Canvas, series: Sequence[Series], x: float, y: float) -> None:
    for one in series:
        canvas.setFillColor(one.colour)
        canvas.rect(x, y, 6, 6, stroke=0, fill=1)
        say(canvas, one.name, x + 9, y + 0.5, 7, ink=FAINT)
        x += 24 + _width(one.name, 7)
