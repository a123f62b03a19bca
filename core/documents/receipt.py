"""A receipt: what was paid, for whom, under which references, and how anybody can check it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from core.documents.paper import A5, BOLD, FAINT, ROLL, Block, Paper, banner, draw, pair, rule, space, text
from core.settings import settings

PAPERS = {"a5": A5, "roll": ROLL}

# Groups of the token on one line; a roll has room for three.
_GROUPS_A_LINE = {"a5": 5, "roll": 3}
_TOKEN_SIZE = {"a5": 19, "roll": 17}


@dataclass(frozen=True, slots=True)
class Slip:
    """All of it in words already. `token` is cash, so it is kept out of every other text."""

    reference: str
    # What marks it as anything but the first print of a completed payment, in capitals.
    marks: Sequence[str]
    amount: str
    amount_in_words: str
    facts: Sequence[tuple[str, str]]
    token_note: str
    check: str
    printed: str
    token: str | None = field(default=None, repr=False)


def draw_receipt(slip: Slip, paper: str = "a5") -> bytes:
    """The PDF. `paper` is one of PAPERS."""
    sheet = PAPERS[paper]
    blocks = [
        text(sheet, settings().billers_bank_name, 15, font=BOLD, align="centre"),
        text(sheet, "Receipt for a bill payment", 9, align="centre", ink=FAINT),
        space(6),
        *(banner(sheet, mark) for mark in slip.marks),
        text(sheet, slip.amount, 18, font=BOLD, align="centre"),
        text(sheet, slip.amount_in_words, 8.5, align="centre"),
        space(4),
        rule(sheet),
        *(pair(sheet, label, value, 8.5) for label, value in slip.facts),
        *_token(sheet, slip, paper),
        rule(sheet),
        text(sheet, slip.check, 8),
        space(4),
        text(sheet, slip.printed, 7, ink=FAINT),
    ]
    return draw(sheet, blocks, f"Receipt {slip.reference}", slip.reference)


def _token(sheet: Paper, slip: Slip, paper: str) -> list[Block]:
    if slip.token is None:
        return [rule(sheet), text(sheet, slip.token_note, 8.5, font=BOLD)] if slip.token_note else []
    groups, count = slip.token.split(), _GROUPS_A_LINE[paper]
    lines = ["  ".join(groups[start : start + count]) for start in range(0, len(groups), count)]
    return [
        rule(sheet, dashed=True),
        text(sheet, "Token: type it into the meter", 8.5, align="centre", ink=FAINT),
        space(2),
        *(text(sheet, line, _TOKEN_SIZE[paper], font=BOLD, align="centre") for line in lines),
        rule(sheet, dashed=True),
    ]
