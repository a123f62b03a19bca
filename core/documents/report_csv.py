"""A report as tidy CSV: one figure a line. It knows how a spreadsheet misreads a cell, and prevents it."""

import csv
import io
from collections.abc import Iterator
from zoneinfo import ZoneInfo

from core.documents import report_words as words
from core.documents.report import Report, Tally

HEADER = ("section", "biller", "of", "measure", "value")

# A spreadsheet takes a file without it for one in the code page of its own country.
BOM = b"\xef\xbb\xbf"

# A spreadsheet that meets one of these at the start of a cell, or after blanks, takes what follows for a formula; the wide forms are those of East Asian
# keyboards.
FORMULA_SIGNS = tuple("=+-@＝＋－＠")
BLANKS = " \t\r\n\v\f\u00a0\u3000\ufeff"

# Longer texts cannot stand in a formula.
LONGEST_LITERAL = 255

Line = tuple[str, str, str, str, object]


def write_csv(report: Report) -> bytes:
    """The file, in the export's spreadsheet profile: UTF-8 with its mark, identifiers kept as text, no cell a formula of its own."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(HEADER)
    for section, biller, of, measure, value in _lines(report):
        # Codes and references are identifiers; `value` is a number of ours unless it says that it is a text.
        writer.writerow((section, as_text(biller), of, measure, value))
    return BOM + text.getvalue().encode()


def _lines(report: Report) -> Iterator[Line]:
    yield from _about(report)
    yield from _tally("altogether", "", "", report.altogether)
    yield from _tally("before", "", "", report.altogether_before)
    for part in report.billers:
        yield ("biller", part.code, "", "name", as_text(part.title))
        yield from _tally("biller", part.code, "", part.now)
        yield from _tally("biller_before", part.code, "", part.before)
    zone = ZoneInfo(report.zone)
    for step in report.course:
        yield from _tally(words.step_kind(report), "", step.start.astimezone(zone).isoformat(), step.now)
    for failure in report.failures:
        yield ("failure", failure.biller, identifier(failure.code), "payments", failure.count)
        yield ("failure", failure.biller, identifier(failure.code), "words", as_text(failure.words))
    for doubt in report.in_doubt:
        of = identifier(doubt.reference)
        yield ("in_doubt", doubt.biller, of, "submitted_at", doubt.submitted_at.astimezone(zone).isoformat(timespec="seconds"))
        yield ("in_doubt", doubt.biller, of, f"amount_{doubt.currency.lower()}", f"{doubt.amount:f}")
        yield ("in_doubt", doubt.biller, of, "state", "under review" if doubt.under_review else "being confirmed")


def _about(report: Report) -> Iterator[Line]:
    facts = {
        "bank": as_text(report.bank),
        "kind": report.kind.value,
        "first_day": report.first_day.isoformat(),
        "last_day": report.last_day.isoformat(),
        "is_over": "true" if report.is_over else "false",
        "as_of": report.as_of.astimezone(ZoneInfo(report.zone)).isoformat(timespec="seconds"),
        "zone": report.zone,
        "target_success_rate": report.target_rate,
        "target_answer_seconds": report.target_seconds,
        **({"only": as_text("; ".join(report.only))} if report.only else {}),
    }
    for measure, value in facts.items():
        yield ("report", "", "", measure, value)


def _tally(section: str, biller: str, of: str, one: Tally) -> Iterator[Line]:
    counts = ("payments", "completed", "failed", "reversed", "cancelled", "in_doubt", "not_sent", "ended")
    for measure in counts:
        yield (section, biller, of, measure, getattr(one, measure))
    yield (section, biller, of, "success_rate", "" if one.success_rate is None else f"{one.success_rate:.6f}")
    for currency in sorted({"MWK", *one.values}):
        yield (section, biller, of, f"value_{currency.lower()}", f"{words.value(one, currency):f}")
    yield (section, biller, of, "lookups", one.lookups)
    yield (section, biller, of, "answered_calls", one.calls)
    for name in ("average_ms", "median_ms", "p95_ms"):
        took = getattr(one, name)
        yield (section, biller, of, f"answer_{name}", "" if took is None else f"{took:.0f}")


# ---- Cells


def identifier(said: str) -> str:
    """`="00123"`: the one form in which a spreadsheet keeps leading zeros and `1E5` as they are, and shows them without an addition."""
    if len(said) > LONGEST_LITERAL or any(not letter.isprintable() for letter in said):
        return f"'{said}"
    quoted = said.replace('"', '""')
    return f'="{quoted}"'


def as_text(said: str) -> str:
    """What would be a formula gets an apostrophe in front, as people who type it themselves do."""
    would_be_formula = said.lstrip(BLANKS).startswith(FORMULA_SIGNS) or said.startswith(("\t", "\r", "\n"))
    return f"'{said}" if would_be_formula else said
