"""Figures as tables: one row a biller, on the page with words, and as a file with exact values. Both are made from the same rows."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import streamlit as st

from core.repositories.statistics import AnswerTimes, AnswerTimesBy, Figures
from core.states import Status
from core.ui import tables
from core.ui.figure_words import NONE_YET, change, count, seconds, tenths
from core.ui.words import amount

ALL = "All billers"

# A spreadsheet that meets one of these first takes what follows for a formula.
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")

CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Row:
    """A biller, or all of them together; what they came to, and what they came to before, where that is compared."""

    code: str
    title: str
    now: Figures
    times: AnswerTimes | None
    before: Figures | None


def rows(now: Figures, times: AnswerTimesBy, before: Figures | None, titles: Mapping[str, str]) -> list[Row]:
    """All together first, then each biller that had anything, the largest first."""
    apart, earlier = now.by_biller(), before.by_biller() if before else {}
    codes = sorted({*apart, *earlier}, key=lambda code: (-apart[code].payments if code in apart else 0, titles.get(code, code)))
    nothing = Figures([])
    return [
        Row("", ALL, now, times.altogether, before),
        *(
            Row(code, titles.get(code, code), apart.get(code, nothing), times.by_biller.get(code), earlier.get(code, nothing) if before else None)
            for code in codes
        ),
    ]


@dataclass(frozen=True)
class Table:
    """The rows of some days, and what is made of them once: for the screen, and as a file."""

    rows: Sequence[Row]
    first_day: date
    last_day: date

    @cached_property
    def shown(self) -> pa.Table:
        """As the grid takes it: anything else would be turned into this at each look."""
        whole = self.rows[0].now.payments
        return pa.Table.from_pylist([_shown(row, whole) for row in self.rows])

    @cached_property
    def csv(self) -> bytes:
        return as_csv(self.rows, self.first_day, self.last_day)


def show(table: Table, key: str, opened: str) -> int | None:
    """Draws the table; answers which row's name was clicked."""
    found = table.rows
    st.dataframe(
        table.shown,
        column_config=_columns(opened),
        hide_index=True,
        height=tables.ROW_PIXELS * (len(found) + 1) + 3,
        row_height=tables.ROW_PIXELS,
        key=key,
        alt="Performance of each biller: volume, success rate, value and answer time.",
    )
    clicked = st.session_state.get(opened)
    return clicked.row if clicked and clicked.row < len(found) else None


def _shown(row: Row, whole: int) -> dict[str, Any]:
    now, before = row.now, row.before
    told = {
        "Biller": row.title,
        "Payments": count(now.payments),
        "Change": _told(change(now.payments, before.payments)) if before else None,
        "Success rate": None if now.success_rate is None else tenths(now.success_rate),
        "Ended": f"{count(now.completed)} of {count(now.ended)}" if now.ended else NONE_YET,
        "Failed": count(now.payments_by_status.get(Status.FAILED, 0)),
        "In doubt": count(now.in_doubt),
        "Value": amount(now.value if now.payments else None),
        "Average answer": seconds(row.times.average_ms if row.times else None),
        "95% within": seconds(row.times.p95_ms if row.times else None),
        "Share": 100 * now.payments / whole if whole else None,
        "Average paid": amount(average_paid(now)),
        "Look-ups": count(now.lookups),
    }
    return {name: value for name, value in told.items() if before or name != "Change"}


def average_paid(figures: Figures) -> Decimal | None:
    paid = sum(cell.count for cell in figures.cells if cell.value and cell.currency == "MWK")
    return (figures.value / paid).quantize(CENT) if paid else None


def _told(difference: str | int | None) -> str:
    return {None: NONE_YET, 0: "="}.get(difference, str(difference))


def _columns(opened: str) -> dict[str, Any]:
    column = st.column_config
    right: dict[str, Any] = {"alignment": "right"}
    return {
        "Biller": column.ButtonColumn(width=160, type="tertiary", alignment="left", key=opened, help="A click opens its payments of this range."),
        "Payments": column.TextColumn(width=78, help="Transactions that move money.", **right),
        "Change": column.TextColumn(width=72, help="Against the period before, of the same length and up to the same hour.", **right),
        "Share": column.NumberColumn(width=64, format="%.1f%%", help="Of all payments of the range."),
        "Success rate": column.ProgressColumn(width=124, min_value=0, max_value=100, format="%.1f%%", help="Completed of those that ended; target 95%."),
        "Ended": column.TextColumn(width=112, help="Completed payments of those that ended: completed, failed and reversed.", **right),
        "Failed": column.TextColumn(width=60, help="Proven not to have moved money.", **right),
        "In doubt": column.TextColumn(width=66, help="Sent or perhaps sent, and not settled.", **right),
        "Value": column.TextColumn(width=146, help="Sum of completed payments.", **right),
        "Average paid": column.TextColumn(width=116, help="Value by the number of completed payments.", **right),
        "Average answer": column.TextColumn(width=104, help="How long calls that pay took to be answered, on average; target 3 s.", **right),
        "95% within": column.TextColumn(width=80, help="Of 100 calls that pay, 95 were answered within this time.", **right),
        "Look-ups": column.TextColumn(width=74, help="Questions about accounts, invoices and bundles: no money moves.", **right),
    }


def as_csv(found: Sequence[Row], first: date, last: date) -> bytes:
    """Exact values, one row a biller. No cell is a formula to a spreadsheet; the mark in front tells it that this is UTF-8."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\r\n")
    written = [_written(row, first, last) for row in found]
    lines.writerow(written[0])
    lines.writerows(line.values() for line in written)
    return b"\xef\xbb\xbf" + text.getvalue().encode()


def _written(row: Row, first: date, last: date) -> dict[str, object]:
    now, before, times = row.now, row.before, row.times
    by_status = {f"payments_{status.value.lower()}": now.payments_by_status.get(status, 0) for status in Status}
    return {
        "biller": safe(row.code or "ALL"),
        "biller_title": safe(row.title),
        "first_day": first.isoformat(),
        "last_day": last.isoformat(),
        "payments": now.payments,
        "payments_before": before.payments if before else "",
        **by_status,
        "success_rate": "" if now.success_rate is None else f"{now.success_rate:.6f}",
        "value_mwk": f"{now.value:f}",
        "value_mwk_before": f"{before.value:f}" if before else "",
        "answered_calls": times.calls if times else 0,
        "answer_ms_average": f"{times.average_ms:.0f}" if times else "",
        "answer_ms_median": f"{times.median_ms:.0f}" if times else "",
        "answer_ms_p95": f"{times.p95_ms:.0f}" if times else "",
        "lookups": now.lookups,
    }


def safe(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.lstrip().startswith(FORMULA_SIGNS) or text.startswith(FORMULA_SIGNS) else text
