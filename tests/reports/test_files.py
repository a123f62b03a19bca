"""The files, read back: each says exactly what the report says, and no cell of any of them is more than text or a number."""

import csv
import io
import random
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from openpyxl import load_workbook

from core.documents import report_words
from core.documents.report import BillerPart, DoubtPart, FailurePart, Report, StepPart, Tally
from core.documents.report_charts import nice_ticks
from core.documents.report_csv import BLANKS, FORMULA_SIGNS, HEADER, write_csv
from core.documents.report_pdf import draw_pdf
from core.documents.report_xlsx import write_xlsx
from core.models.reports import ReportKind
from tests.receipts.reading import drawn, words_of
from tests.reports.conftest import HOSTILE

WRITERS: Sequence[Callable[[Report], bytes]] = (write_csv, write_xlsx, draw_pdf)


def tally(chance: random.Random, most: int = 2_000) -> Tally:
    completed, failed, given_back, cancelled, in_doubt, not_sent = (chance.randint(0, most) for _ in range(6))
    ended = completed + failed + given_back
    return Tally(
        payments=ended + cancelled + in_doubt + not_sent,
        completed=completed,
        failed=failed,
        reversed=given_back,
        cancelled=cancelled,
        in_doubt=in_doubt,
        not_sent=not_sent,
        ended=ended,
        success_rate=completed / ended if ended else None,
        values={"MWK": Decimal(chance.randint(0, 10**14)) / 100, "USD": Decimal(chance.randint(1, 10**6)) / 100},
        lookups=chance.randint(0, most),
        calls=ended,
        average_ms=chance.uniform(100, 9_000),
        median_ms=chance.uniform(100, 9_000),
        p95_ms=chance.uniform(100, 9_000),
    )


def report(kind: ReportKind = ReportKind.WEEKLY, names: Sequence[str] = ("Lilongwe Water Board", "MASM"), seed: int = 1) -> Report:
    """Figures of every kind, in every part; `names` are what billers are called, and what they say."""
    chance = random.Random(seed)
    first = {ReportKind.DAILY: date(2025, 11, 20), ReportKind.WEEKLY: date(2025, 11, 17), ReportKind.MONTHLY: date(2025, 11, 1)}[kind]
    steps = {ReportKind.DAILY: 24, ReportKind.WEEKLY: 7, ReportKind.MONTHLY: 30}[kind]
    length = timedelta(hours=1) if kind is ReportKind.DAILY else timedelta(days=1)
    start = datetime(first.year, first.month, first.day, tzinfo=UTC) - timedelta(hours=2)
    return Report(
        kind=kind,
        first_day=first,
        last_day=first + timedelta(days=steps - 1) if kind is not ReportKind.DAILY else first,
        is_over=True,
        before=(start - steps * length, start),
        as_of=datetime(2025, 12, 1, 4, 0, 3, tzinfo=UTC),
        zone="Africa/Blantyre",
        bank="National Bank of Malawi",
        target_rate=0.95,
        target_seconds=3,
        altogether=tally(chance, 100_000),
        altogether_before=tally(chance, 100_000),
        billers=tuple(BillerPart(f"BILLER_{place}", name, tally(chance), tally(chance)) for place, name in enumerate(names)),
        course=tuple(StepPart(start + place * length, tally(chance)) for place in range(steps)),
        failures=tuple(FailurePart(f"BILLER_{place}", name, name, name, 10 + place) for place, name in enumerate(names)),
        in_doubt=tuple(
            DoubtPart(f"7K3MZQ9RT2WX5B{place:02}", f"BILLER_{place}", name, start, Decimal("15250.50"), "MWK", place == 0) for place, name in enumerate(names)
        ),
    )


EMPTY = replace(report(names=()), altogether=Tally(), altogether_before=Tally(), course=())


def lines_of(told: Report) -> list[dict[str, str]]:
    content = write_csv(told)
    assert content.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def sheets_of(told: Report) -> dict[str, list[list[Any]]]:
    book = load_workbook(io.BytesIO(write_xlsx(told)))
    return {sheet.title: [[cell.value for cell in row] for row in sheet.iter_rows()] for sheet in book}


# ---- CSV


@pytest.mark.parametrize("kind", list(ReportKind))
def test_each_figure_of_the_csv_is_the_reports(kind: ReportKind) -> None:
    told = report(kind)
    lines = lines_of(told)
    assert tuple(lines[0]) == HEADER

    def figures(section: str, biller: str = "", of: str = "") -> dict[str, str]:
        return {line["measure"]: line["value"] for line in lines if (line["section"], line["biller"], line["of"]) == (section, biller, of)}

    parts = [("altogether", "", "", told.altogether), ("before", "", "", told.altogether_before)]
    parts += [("biller", part.code, "", part.now) for part in told.billers] + [("biller_before", part.code, "", part.before) for part in told.billers]
    step_kind = "hour" if kind is ReportKind.DAILY else "day"
    parts += [(step_kind, "", (step.start + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%S+02:00"), step.now) for step in told.course]
    for section, biller, of, one in parts:
        found = figures(section, biller, of)
        for name in ("payments", "completed", "failed", "reversed", "cancelled", "in_doubt", "not_sent", "ended", "lookups"):
            assert found[name] == str(getattr(one, name)), (section, biller, of, name)
        assert {name: Decimal(found[f"value_{name.lower()}"]) for name in one.values} == dict(one.values)
        assert found["success_rate"] == f"{one.success_rate:.6f}"
        assert found["answer_p95_ms"] == f"{one.p95_ms:.0f}"
    assert figures("report")["as_of"] == "2025-12-01T06:00:03+02:00"


def test_no_cell_of_the_csv_is_a_formula_of_somebody_elses() -> None:
    lines = lines_of(report(names=HOSTILE))
    for line in lines:
        for cell in line.values():
            if cell.lstrip(BLANKS).startswith(FORMULA_SIGNS):
                # The one formula of ours: a text in quotes, and nothing else.
                assert cell.startswith('="'), line
                assert '"' not in cell[2:-1].replace('""', ""), line
    codes = [line["of"] for line in lines if line["section"] == "failure" and line["measure"] == "words"]
    assert '="007"' in codes
    assert '="1E5"' in codes
    assert len(codes) == len(HOSTILE)


# ---- XLSX


@pytest.mark.parametrize("kind", list(ReportKind))
def test_each_figure_of_the_workbook_is_the_reports_and_a_number(kind: ReportKind) -> None:
    told = report(kind)
    sheets = sheets_of(told)
    assert list(sheets) == ["Summary", "Billers", "Over time", "Failures", "In doubt"]
    summary = {row[0]: row[1:3] for row in sheets["Summary"] if row[0]}
    now, before = told.altogether, told.altogether_before
    assert summary["Payments"] == [now.payments, before.payments]
    assert summary["Value paid (MWK)"] == pytest.approx([float(now.values["MWK"]), float(before.values["MWK"])], rel=1e-15)
    assert summary["Value paid (USD)"] == pytest.approx([float(now.values["USD"]), float(before.values["USD"])], rel=1e-15)
    assert summary["Success rate (target 95%)"] == pytest.approx([now.success_rate, before.success_rate])
    for name, parts in (("Billers", [part.now for part in told.billers]), ("Over time", [step.now for step in told.course])):
        head, *rows = sheets[name]
        for one, row in zip(parts, rows, strict=False):
            cells = dict(zip(head, row, strict=True))
            assert [cells[column] for column in ("Payments", "Completed", "Failed", "In doubt", "Look-ups")] == [
                *(one.payments, one.completed, one.failed, one.in_doubt, one.lookups)
            ]
            # As a spreadsheet shows it.
            assert Decimal(f"{cells['Value paid (MWK)']:.15G}") == one.values["MWK"]
            assert cells["95 of 100 within, ms"] == pytest.approx(one.p95_ms)
    assert [row[:5] for row in sheets["Failures"][1:3]] == [[one.biller, one.title, one.code, one.words, one.count] for one in told.failures]
    assert [row[0] for row in sheets["In doubt"][1:3]] == [one.reference for one in told.in_doubt]


def test_the_workbook_is_formatted_frozen_and_has_charts_of_its_own() -> None:
    content = write_xlsx(report())
    book = load_workbook(io.BytesIO(content))
    billers = book["Billers"]
    column = next(cell.column for cell in billers[1] if cell.value == "Value paid (MWK)")
    assert billers.cell(2, column).number_format == "#,##0.00"
    assert billers.freeze_panes == "C2"
    assert billers.column_dimensions["B"].width > 30
    assert (billers.cell(2, 1).data_type, billers.cell(2, 1).number_format, billers.cell(2, 3).data_type) == ("s", "@", "n")
    charts = [name for name in zipfile.ZipFile(io.BytesIO(content)).namelist() if name.startswith("xl/charts/chart")]
    assert len(charts) == 5


def test_words_of_others_are_text_in_the_workbook_letter_by_letter() -> None:
    content = write_xlsx(report(names=HOSTILE))
    archive = zipfile.ZipFile(io.BytesIO(content))
    for name in archive.namelist():
        if name.startswith("xl/worksheets/sheet"):
            sheet = archive.read(name)
            assert b"<f>" not in sheet
            assert b"<hyperlink" not in sheet
    rows = sheets_of(report(names=HOSTILE))["Failures"][1:]
    assert [row[2] for row in rows[: len(HOSTILE)]] == list(HOSTILE)


def test_words_that_look_like_the_workbooks_own_markup_are_no_markup() -> None:
    forged = '<r><t>paid</t></r><r><t xml:space="preserve">twice</t></r>'
    rows = sheets_of(report(names=(forged,)))["Failures"][1:]
    assert rows[0][2].strip() == forged


def test_a_sum_that_a_workbook_cannot_hold_is_written_as_it_is() -> None:
    huge = Decimal("9007199254740993.11")
    told = report()
    told = replace(told, altogether=replace(told.altogether, values={"MWK": huge}))
    summary = {row[0]: row[1] for row in sheets_of(told)["Summary"] if row[0]}
    assert summary["Value paid (MWK)"] == "9,007,199,254,740,993.11"


# ---- PDF


@pytest.mark.parametrize("kind", list(ReportKind))
def test_the_paper_says_whose_it_is_of_when_and_each_figure(kind: ReportKind) -> None:
    told = report(kind)
    pdf = draw_pdf(told)
    strings = drawn(pdf)
    said = " ".join(strings)
    assert {"National Bank of Malawi", report_words.TITLES[kind], "As of 1 Dec 2025, 06:00:03 CAT"} <= set(strings)
    now, before = told.altogether, told.altogether_before
    for tally_ in (now, before):
        for name in ("completed", "failed", "reversed", "cancelled", "in_doubt", "not_sent"):
            assert f"{getattr(tally_, name):,}" in strings, name
        assert f"MWK {tally_.values['MWK']:,.2f}" in strings
        assert f"USD {tally_.values['USD']:,.2f}" in strings
        assert report_words.percent(tally_) in strings
    assert f"{now.payments:,}" in strings
    for part in told.billers:
        assert f"{part.now.payments:,}" in strings
        assert report_words.percent(part.now) in strings
    for one in told.in_doubt:
        assert one.reference in strings
    assert f"target {told.target_rate:.0%}" in said
    pages = [line for line in strings if "Page " in line]
    assert [line.rpartition("Page ")[2] for line in pages] == [f"{number} of {len(pages)}" for number in range(1, len(pages) + 1)]
    assert all("As of 1 Dec 2025" in line for line in pages)


def test_words_of_others_are_drawn_and_never_run() -> None:
    pdf = draw_pdf(report(names=HOSTILE))
    said = words_of(pdf)
    assert "/JavaScript" not in pdf.decode("latin-1")
    assert "<b>&amp;</b>" in said
    assert '"; DROP' in said
    assert '=HYPERLINK("http://x.example","y")' in said.replace(" ", "")


def test_more_reasons_than_a_page_wants_are_told_as_a_number() -> None:
    said = words_of(draw_pdf(report(names=[f"Reason {number}" for number in range(40)])))
    assert "and 25 reasons more, in the workbook" in said


def test_a_period_that_is_not_over_says_so_and_against_what_it_stands() -> None:
    told = replace(report(ReportKind.MONTHLY), is_over=False, before=(datetime(2025, 9, 30, 22, tzinfo=UTC), datetime(2025, 10, 20, 8, 30, tzinfo=UTC)))
    said = words_of(draw_pdf(told))
    assert "November 2025, so far" in said
    assert "Compared with October 2025, up to 20 Oct, 10:30." in said


# ---- All of them


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("kind", list(ReportKind))
def test_the_same_report_is_the_same_file_and_another_is_not(write: Callable[[Report], bytes], kind: ReportKind) -> None:
    assert write(report(kind)) == write(report(kind))
    assert write(report(kind)) != write(report(kind, seed=2))


@pytest.mark.parametrize("write", WRITERS)
def test_a_period_in_which_nothing_happened_is_a_file_too(write: Callable[[Report], bytes]) -> None:
    assert write(EMPTY)


def test_a_paper_of_nothing_says_that_there_was_nothing() -> None:
    said = words_of(draw_pdf(EMPTY))
    assert "No payment of this period failed." in said
    assert "Every payment of this period that was sent is settled." in said
    assert "nothing has ended" in said


@pytest.mark.parametrize("most", [0, 0.4, 1, 3, 9, 10, 11, 999, 1_000, 1_001, 123_456_789])
def test_an_axis_reaches_its_largest_bar_in_a_few_round_steps(most: float) -> None:
    ticks = nice_ticks(most)
    assert ticks[0] == 0
    assert ticks[-1] >= most
    assert 2 <= len(ticks) <= 6
