"""A till's day on paper: the sums, what is open, every payment, and lines to write on what was counted."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.documents.paper import A4, BOLD, FAINT, INK, PLAIN, Align, Block, draw, row, rule, space, text
from core.settings import settings

# Name, share of the width, alignment.
Column = tuple[str, float, Align]

_STATUSES: Sequence[Column] = (("Status", 0.4, "left"), ("Payments", 0.2, "right"), ("Value", 0.4, "right"))
_BILLERS: Sequence[Column] = (("Biller", 0.4, "left"), ("Payments", 0.15, "right"), ("Paid", 0.15, "right"), ("Value paid", 0.3, "right"))
_UNSETTLED: Sequence[Column] = (
    *(("Time", 0.08, "left"), ("Our reference", 0.18, "left"), ("Biller", 0.19, "left"), ("Account", 0.13, "left")),
    *(("Amount", 0.16, "right"), ("State", 0.17, "left"), ("Next check", 0.09, "left")),
)
_ROWS: Sequence[Column] = (
    *(("Time", 0.08, "left"), ("Our reference", 0.18, "left"), ("Biller", 0.19, "left"), ("Account", 0.13, "left")),
    *(("Customer", 0.15, "left"), ("Amount", 0.16, "right"), ("Status", 0.11, "left")),
)


@dataclass(frozen=True, slots=True)
class DaySheet:
    """All of it in words already; each row as its columns above say."""

    person: str
    day: str
    zone: str
    till: str
    till_count: int
    held: str
    held_count: int
    statuses: Sequence[Sequence[str]]
    billers: Sequence[Sequence[str]]
    unsettled: Sequence[Sequence[str]]
    rows: Sequence[Sequence[str]]
    note: str
    as_of: str


def draw_day(sheet: DaySheet) -> bytes:
    """The PDF, on as many pages as it needs."""
    blocks = [
        text(A4, settings().billers_bank_name, 9, ink=FAINT),
        text(A4, f"The day of {sheet.person}", 16, font=BOLD),
        text(A4, f"{sheet.day}, a business day in {sheet.zone}. As of {sheet.as_of}.", 9, ink=FAINT),
        space(6),
        rule(A4),
        text(A4, f"Should be in the till: {sheet.till}", 13, font=BOLD),
        text(A4, f"{sheet.till_count} completed, paid over the counter.", 9),
        *([text(A4, f"And {sheet.held} for {sheet.held_count} not settled yet: kept apart until they are.", 9, font=BOLD)] if sheet.held else []),
        space(10),
        text(A4, "Counted  ______________________     Difference  ______________________     Signature  ______________________", 9),
        space(4),
        rule(A4),
        *_table("By status", _STATUSES, sheet.statuses),
        *_table("By biller", _BILLERS, sheet.billers),
        *_table("Not settled yet", _UNSETTLED, sheet.unsettled),
        *_table("Payments, newest first", _ROWS, sheet.rows),
        *([] if sheet.rows else [space(8), text(A4, "No payments on this day.", 9)]),
        *([space(4), text(A4, sheet.note, 8, font=BOLD)] if sheet.note else []),
    ]
    return draw(A4, blocks, f"The day of {sheet.person}, {sheet.day}", f"{sheet.person}, {sheet.day}. As of {sheet.as_of}.")


def _table(title: str, columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> list[Block]:
    if not rows:
        return []
    head = row([(name, share * A4.room, align, PLAIN, FAINT) for name, share, align in columns], 7.5, after=2)
    lines = [
        row([(said, share * A4.room, align, PLAIN, INK) for said, (_, share, align) in zip(cells, columns, strict=True)], 7.5, after=1.5, head=head)
        for cells in rows
    ]
    return [space(8), text(A4, title, 10, font=BOLD), space(2), head, *lines]
