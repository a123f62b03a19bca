"""A biller's day as it was signed off, on paper: both totals, how the one becomes the other, every difference with what was made of it, and who signed."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.documents.paper import A4, BOLD, FAINT, INK, PLAIN, Align, Block, draw, pair, row, rule, space, text

# Name, share of the width, alignment.
Column = tuple[str, float, Align]

_BRIDGE: Sequence[Column] = (("", 0.5, "left"), ("Lines or payments", 0.2, "right"), ("Amount", 0.3, "right"))
_FILES: Sequence[Column] = (("File", 0.34, "left"), ("Lines", 0.1, "right"), ("Imported", 0.24, "left"), ("SHA-256", 0.32, "left"))
_DIFFERENCES: Sequence[Column] = (
    *(("Difference", 0.12, "left"), ("Our reference", 0.16, "left"), ("Theirs", 0.13, "left"), ("Account", 0.11, "left")),
    *(("Ours", 0.12, "right"), ("Theirs", 0.12, "right"), ("What was made of it", 0.24, "left")),
)


@dataclass(frozen=True, slots=True)
class CloseSheet:
    """All of it in words already; each row as its columns above say."""

    bank: str
    biller: str
    day: str
    zone: str
    bridge: Sequence[Sequence[str]]
    suspense: Sequence[tuple[str, str]]
    files: Sequence[Sequence[str]]
    differences: Sequence[Sequence[str]]
    # What is not listed, where not all are.
    more: str
    note: str
    signed_by: str
    signed_at: str


def draw_close(sheet: CloseSheet) -> bytes:
    """The PDF, on as many pages as it needs; the same bytes for the same sheet."""
    about = f"{sheet.biller}, {sheet.day}"
    blocks = [
        text(A4, sheet.bank, 9, ink=FAINT),
        text(A4, f"Daily close: {sheet.biller}", 16, font=BOLD),
        text(A4, f"{sheet.day}, a business day in {sheet.zone}.", 9, ink=FAINT),
        space(6),
        rule(A4),
        *_table("From ours to theirs", _BRIDGE, sheet.bridge, first_and_last_bold=True),
        space(8),
        text(A4, "Suspense account", 10, font=BOLD),
        space(2),
        *(pair(A4, name, value) for name, value in sheet.suspense),
        *_table("Statements of the biller", _FILES, sheet.files),
        *_table("Differences, and what was made of each", _DIFFERENCES, sheet.differences),
        *([] if sheet.differences else [space(8), text(A4, "No differences: every line has its payment, and every payment its line.", 9)]),
        *([space(4), text(A4, sheet.more, 8, font=BOLD)] if sheet.more else []),
        space(10),
        rule(A4),
        text(A4, f"Signed off by {sheet.signed_by}, {sheet.signed_at}.", 10, font=BOLD),
        *([text(A4, sheet.note, 9)] if sheet.note else []),
        text(
            A4,
            "Whoever signs a day off has imported no statement of it. A signed-off day is changed by nobody until it is reopened, with a reason.",
            7.5,
            ink=FAINT,
        ),
    ]
    return draw(A4, blocks, f"Daily close: {about}", f"Daily close: {about}. Signed off {sheet.signed_at}.", repeatable=True)


def _table(title: str, columns: Sequence[Column], rows: Sequence[Sequence[str]], *, first_and_last_bold: bool = False) -> list[Block]:
    if not rows:
        return []
    head = row([(name, share * A4.room, align, PLAIN, FAINT) for name, share, align in columns], 7.5, after=2)
    lines = []
    for place, cells in enumerate(rows):
        font = BOLD if first_and_last_bold and place in (0, len(rows) - 1) else PLAIN
        lines.append(
            row([(said, share * A4.room, align, font, INK) for said, (_, share, align) in zip(cells, columns, strict=True)], 7.5, after=1.5, head=head)
        )
    return [space(8), text(A4, title, 10, font=BOLD), space(2), head, *lines]
