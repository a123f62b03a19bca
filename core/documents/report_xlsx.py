"""A report as a workbook: numbers that can be calculated with, codes that stay text, and charts of the workbook's own."""

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from decimal import Decimal
from typing import Any, Literal
from zoneinfo import ZoneInfo

from xlsxwriter import Workbook
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from core.documents import report_words as words
from core.documents.report import Report, Tally

Kind = Literal["text", "count", "money", "rate", "milliseconds"]

NUMBER_FORMATS: Mapping[Kind, str] = {"count": "#,##0", "money": "#,##0.00", "rate": "0.0%", "milliseconds": "#,##0"}

BLUE, GREEN, RED, SLATE, HEAD = "#1d4ed8", "#15803d", "#b91c1c", "#64748b", "#e2e8f0"

# More is cut by spreadsheets themselves.
LONGEST_CELL = 32_767

# A text that looks like a number, a formula or an address stays a text.
AS_IT_IS = {"in_memory": True, "strings_to_numbers": False, "strings_to_formulas": False, "strings_to_urls": False}


@dataclass(frozen=True, slots=True)
class Column:
    """`kind` is what its cells are."""

    name: str
    kind: Kind
    width: float


class Book:
    """The workbook and its formats, each made once."""

    def __init__(self, kept: io.BytesIO, report: Report) -> None:
        self.workbook = Workbook(kept, dict(AS_IT_IS))
        # The moment of the report and not that of the writing: the same figures make the same file.
        made = report.as_of.astimezone(UTC).replace(tzinfo=None, microsecond=0)
        self.workbook.set_properties({"title": f"{words.title(report)}, {words.period(report)}", "author": "Billers", "created": made})
        self.head = self._format(bold=True, bg_color=HEAD, bottom=1, text_wrap=True, valign="top")
        self.head_right = self._format(bold=True, bg_color=HEAD, bottom=1, text_wrap=True, valign="top", align="right")
        self.title = self._format(bold=True, font_size=16)
        self.faint = self._format(font_color=SLATE)
        # `@` is the format of a cell that holds text, also when somebody types into it.
        self.cells: Mapping[Kind, Format] = {
            "text": self._format(num_format="@", valign="top"),
            **{kind: self._format(num_format=number, valign="top") for kind, number in NUMBER_FORMATS.items()},
        }

    def _format(self, **properties: Any) -> Format:
        return self.workbook.add_format(properties)

    def table(self, sheet: Worksheet, top: int, columns: Sequence[Column], rows: Iterable[Sequence[Any]]) -> int:
        """A heading and its rows from this row on; answers the row after the last."""
        for place, column in enumerate(columns):
            sheet.write_string(top, place, column.name, self.head if column.kind == "text" else self.head_right)
        row = top
        for row, cells in enumerate(rows, top + 1):
            for place, (column, cell) in enumerate(zip(columns, cells, strict=True)):
                self.write(sheet, row, place, column.kind, cell)
        return row + 1

    def write(self, sheet: Worksheet, row: int, place: int, kind: Kind, cell: Any) -> None:
        form = self.cells[kind]
        if cell is None:
            sheet.write_blank(row, place, None, form)
        elif isinstance(cell, str):
            sheet.write_string(row, place, _no_markup(cell)[:LONGEST_CELL], form)
        elif isinstance(cell, Decimal) and Decimal(f"{float(cell):.15G}") != cell:
            # Spreadsheets calculate with fifteen digits. A sum that needs more is written as it is, and not as another one.
            sheet.write_string(row, place, f"{cell:,.2f}", form)
        else:
            sheet.write_number(row, place, float(cell), form)


def write_xlsx(report: Report) -> bytes:
    """The file: Summary, Billers, Over time, Failures and In doubt."""
    kept = io.BytesIO()
    book = Book(kept, report)
    _summary(book, report)
    _billers(book, report)
    _over_time(book, report)
    _failures(book, report)
    _in_doubt(book, report)
    book.workbook.close()
    return kept.getvalue()


# ---- Sheets


def _sheet(book: Book, name: str, columns: Sequence[Column], *, landscape: bool = True) -> Worksheet:
    sheet = book.workbook.add_worksheet(name)
    for place, column in enumerate(columns):
        sheet.set_column(place, place, column.width)
    sheet.set_paper(9)
    sheet.fit_to_pages(1, 0)
    sheet.set_footer("&L&A&RPage &P of &N")
    if landscape:
        sheet.set_landscape()
    return sheet


def _summary(book: Book, report: Report) -> None:
    columns = (Column("Figure", "text", 34), Column("This period", "count", 22), Column("Period before", "count", 22))
    sheet = _sheet(book, "Summary", columns, landscape=False)
    told = (words.period(report), f"{words.as_of(report)}. Compared with {words.before(report)}.")
    sheet.write_string(0, 0, report.bank, book.faint)
    sheet.write_string(1, 0, words.title(report), book.title)
    for row, said in enumerate(told, 2):
        sheet.write_string(row, 0, said, book.faint)
    top = 5
    book.table(sheet, top, columns, ())
    row = top + 1
    for name, kind, now, before in _figures(report):
        book.write(sheet, row, 0, "text", name)
        book.write(sheet, row, 1, kind, now)
        book.write(sheet, row, 2, kind, before)
        row += 1
    sheet.freeze_panes(top + 1, 1)
    for said in words.DEFINITIONS:
        row += 1
        sheet.write_string(row, 0, said, book.faint)


def _figures(report: Report) -> list[tuple[str, Kind, Any, Any]]:
    now, before = report.altogether, report.altogether_before

    def counted(name: str, field: str) -> tuple[str, Kind, Any, Any]:
        return name, "count", getattr(now, field), getattr(before, field)

    def took(name: str, field: str) -> tuple[str, Kind, Any, Any]:
        return name, "milliseconds", getattr(now, field), getattr(before, field)

    return [
        counted("Payments", "payments"),
        counted("Completed", "completed"),
        counted("Failed", "failed"),
        counted("Reversed", "reversed"),
        counted("Cancelled", "cancelled"),
        counted("In doubt", "in_doubt"),
        counted("Not sent", "not_sent"),
        counted("Ended", "ended"),
        (f"Success rate (target {report.target_rate:.0%})", "rate", now.success_rate, before.success_rate),
        *((f"Value paid ({currency})", "money", words.value(now, currency), words.value(before, currency)) for currency in report.currencies),
        counted("Look-ups", "lookups"),
        counted("Calls that pay", "calls"),
        took(f"Average answer, ms (target {1000 * report.target_seconds:,.0f})", "average_ms"),
        took("Half within, ms", "median_ms"),
        took("95 of 100 within, ms", "p95_ms"),
    ]


def _measures(report: Report) -> tuple[Column, ...]:
    """What billers and steps are told by."""
    return (
        *(Column(name, "count", 11) for name in ("Payments", "Completed", "Failed", "Reversed", "Cancelled", "In doubt", "Not sent")),
        Column("Success rate", "rate", 10),
        Column("Target", "rate", 8),
        *(Column(f"Value paid ({currency})", "money", 20) for currency in report.currencies),
        Column("Look-ups", "count", 10),
        Column("Calls that pay", "count", 10),
        *(Column(name, "milliseconds", 12) for name in ("Average answer, ms", "Half within, ms", "95 of 100 within, ms")),
    )


def _measured(report: Report, one: Tally) -> tuple[Any, ...]:
    return (
        *(one.payments, one.completed, one.failed, one.reversed, one.cancelled, one.in_doubt, one.not_sent),
        *(one.success_rate, report.target_rate),
        *(words.value(one, currency) for currency in report.currencies),
        *(one.lookups, one.calls, one.average_ms, one.median_ms, one.p95_ms),
    )


def _billers(book: Book, report: Report) -> None:
    columns = (
        *(Column("Code", "text", 18), Column("Biller", "text", 34), *_measures(report)),
        *(Column("Payments before", "count", 11), Column(f"Value before ({report.currencies[0]})", "money", 20)),
    )
    sheet = _sheet(book, "Billers", columns)
    rows = [(part.code, part.title, *_measured(report, part.now), part.before.payments, words.value(part.before)) for part in report.billers]
    end = book.table(sheet, 0, columns, rows)
    sheet.freeze_panes(1, 2)
    if not rows:
        return
    place = _places(columns)
    chart = book.workbook.add_chart({"type": "bar"})
    chart.add_series(
        {
            "name": "Success rate",
            "categories": ["Billers", 1, 1, end - 1, 1],
            "values": ["Billers", 1, place["Success rate"], end - 1, place["Success rate"]],
            "fill": {"color": GREEN},
            "data_labels": {"value": True, "num_format": "0.0%"},
            "gap": 60,
        }
    )
    chart.set_title({"name": f"Success rate by biller (target {report.target_rate:.0%})", "name_font": {"size": 12}})
    chart.set_x_axis({"min": 0, "max": 1, "num_format": "0%", "major_gridlines": {"visible": True, "line": {"color": HEAD}}})
    chart.set_y_axis({"reverse": True})
    chart.set_legend({"none": True})
    _insert(sheet, chart, end, 0, f"Success rate by biller, the target is {report.target_rate:.0%}.", 60 + 34 * (len(rows) + 2))
    shares = book.workbook.add_chart({"type": "bar"})
    shares.add_series(
        {
            "name": "Payments",
            "categories": ["Billers", 1, 1, end - 1, 1],
            "values": ["Billers", 1, place["Payments"], end - 1, place["Payments"]],
            "fill": {"color": BLUE},
            "data_labels": {"value": True, "num_format": "#,##0"},
            "gap": 60,
        }
    )
    shares.set_title({"name": "Payments by biller", "name_font": {"size": 12}})
    shares.set_x_axis({"num_format": "#,##0", "major_gridlines": {"visible": True, "line": {"color": HEAD}}})
    shares.set_y_axis({"reverse": True})
    shares.set_legend({"none": True})
    _insert(sheet, shares, end, 7, "Payments by biller.", 60 + 34 * (len(rows) + 2))


def _over_time(book: Book, report: Report) -> None:
    kind = words.step_kind(report)
    columns = (Column(kind.capitalize(), "text", 14), Column("Begins", "text", 27), *_measures(report))
    sheet = _sheet(book, "Over time", columns)
    zone = ZoneInfo(report.zone)
    rows = [(words.step(report, step.start), step.start.astimezone(zone).isoformat(), *_measured(report, step.now)) for step in report.course]
    end = book.table(sheet, 0, columns, rows)
    sheet.freeze_panes(1, 1)
    if not rows:
        return
    place = _places(columns)
    steps = ["Over time", 1, 0, end - 1, 0]
    volume = book.workbook.add_chart({"type": "column", "subtype": "stacked"})
    for name, colour in (("Completed", GREEN), ("Failed", RED), ("Reversed", "#7c3aed"), ("Cancelled", "#d97706"), ("In doubt", BLUE), ("Not sent", SLATE)):
        values = ["Over time", 1, place[name], end - 1, place[name]]
        volume.add_series({"name": name, "categories": steps, "values": values, "fill": {"color": colour}, "gap": 40})
    volume.set_title({"name": f"Payments by {kind}", "name_font": {"size": 12}})
    volume.set_y_axis({"num_format": "#,##0", "major_gridlines": {"visible": True, "line": {"color": HEAD}}})
    volume.set_legend({"position": "bottom"})
    _insert(sheet, volume, end, 0, f"Payments by {kind}, told apart by status.", 300)
    value = f"Value paid ({report.currencies[0]})"
    paid = book.workbook.add_chart({"type": "column"})
    paid.add_series({"name": value, "categories": steps, "values": ["Over time", 1, place[value], end - 1, place[value]], "fill": {"color": BLUE}, "gap": 40})
    paid.set_title({"name": f"{value} by {kind}", "name_font": {"size": 12}})
    paid.set_y_axis({"num_format": "#,##0", "major_gridlines": {"visible": True, "line": {"color": HEAD}}})
    paid.set_legend({"none": True})
    _insert(sheet, paid, end, 7, f"{value} by {kind}.", 300)


def _failures(book: Book, report: Report) -> None:
    columns = (
        *(Column("Biller code", "text", 18), Column("Biller", "text", 34), Column("Reason", "text", 22), Column("What was said", "text", 70)),
        *(Column("Payments", "count", 11), Column("Share", "rate", 9)),
    )
    sheet = _sheet(book, "Failures", columns)
    whole = sum(one.count for one in report.failures)
    rows = [(one.biller, one.title, one.code, one.words, one.count, one.count / whole) for one in report.failures]
    end = book.table(sheet, 0, columns, rows)
    sheet.freeze_panes(1, 0)
    if not rows:
        sheet.write_string(2, 0, "No payment of this period failed.", book.faint)
        return
    chart = book.workbook.add_chart({"type": "bar"})
    last = min(end - 1, 15)
    chart.add_series(
        {
            "name": "Failed payments",
            "categories": ["Failures", 1, 1, last, 2],
            "values": ["Failures", 1, 4, last, 4],
            "fill": {"color": RED},
            "data_labels": {"value": True, "num_format": "#,##0"},
            "gap": 60,
        }
    )
    chart.set_title({"name": "Why payments failed", "name_font": {"size": 12}})
    chart.set_y_axis({"reverse": True})
    chart.set_x_axis({"num_format": "#,##0", "major_gridlines": {"visible": True, "line": {"color": HEAD}}})
    chart.set_legend({"none": True})
    _insert(sheet, chart, end, 0, "The most frequent reasons why payments failed.", 100 + 28 * last)


def _in_doubt(book: Book, report: Report) -> None:
    columns = (
        *(Column("Our reference", "text", 22), Column("Biller code", "text", 18), Column("Biller", "text", 34), Column("Submitted", "text", 27)),
        *(Column("Amount", "money", 18), Column("Currency", "text", 9), Column("State", "text", 18)),
    )
    sheet = _sheet(book, "In doubt", columns)
    zone = ZoneInfo(report.zone)
    rows = [
        (
            *(one.reference, one.biller, one.title, one.submitted_at.astimezone(zone).isoformat(timespec="seconds")),
            *(one.amount, one.currency, "Under review" if one.under_review else "Being confirmed"),
        )
        for one in report.in_doubt
    ]
    end = book.table(sheet, 0, columns, rows)
    sheet.freeze_panes(1, 0)
    if not rows:
        sheet.write_string(2, 0, "Every payment of this period was settled.", book.faint)
    elif report.altogether.in_doubt > len(rows):
        sheet.write_string(end + 1, 0, f"The oldest {len(rows):,} of {report.altogether.in_doubt:,}; the list of transactions has them all.", book.faint)


def _places(columns: Sequence[Column]) -> Mapping[str, int]:
    return {column.name: place for place, column in enumerate(columns)}


def _insert(sheet: Worksheet, chart: Any, end: int, place: int, alt: str, height: float) -> None:
    chart.set_size({"width": 690, "height": height})
    sheet.insert_chart(end + 1, place, chart, {"description": alt})


def _no_markup(cell: str) -> str:
    """The library takes what begins with `<r>` and ends with `</r>` for markup of its own, and would put it into the file as it is."""
    return f" {cell}" if cell.startswith("<r>") else cell
