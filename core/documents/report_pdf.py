"""A report on paper: what a manager hands on. Figures first, then their course, then each biller, then what went wrong and what is still open."""

from collections.abc import Sequence
from decimal import Decimal
from zoneinfo import ZoneInfo

from core.documents import report_words as words
from core.documents.paper import A4, FAINT, INK, PLAIN, Align, Block, draw, row, rule, space, text
from core.documents.report import HOME, Report, Tally
from core.documents.report_charts import AMBER, BLUE, GREEN, RED, SLATE, VIOLET, Bar, Card, Series, bars, cards, headed, masthead, rates

# Name, share of the width, alignment.
Column = tuple[str, float, Align]

_COMPARED: Sequence[Column] = (("", 0.34, "left"), ("This period", 0.24, "right"), ("Period before", 0.24, "right"), ("Change", 0.18, "right"))
_BILLERS: Sequence[Column] = (
    *(("Biller", 0.21, "left"), ("Payments", 0.09, "right"), ("Change", 0.09, "right"), ("Success", 0.08, "right"), ("Failed", 0.07, "right")),
    *(("In doubt", 0.08, "right"), ("Value paid", 0.19, "right"), ("Average", 0.08, "right"), ("95% within", 0.11, "right")),
)
_FAILURES: Sequence[Column] = (
    ("Biller", 0.22, "left"),
    ("Reason", 0.2, "left"),
    ("What was said", 0.36, "left"),
    ("Payments", 0.12, "right"),
    ("Share", 0.1, "right"),
)
_DOUBT: Sequence[Column] = (
    *(("Submitted", 0.21, "left"), ("Our reference", 0.23, "left"), ("Biller", 0.22, "left"), ("State", 0.16, "left"), ("Amount", 0.18, "right")),
)

# Reasons and open payments beyond these are told as a number: the workbook has them.
MOST_REASONS, MOST_OPEN = 15, 20

SIZE = 7.5


def draw_pdf(report: Report) -> bytes:
    """The PDF, on as many pages as it needs; the same bytes for the same report."""
    room = A4.room
    blocks = [
        masthead(report.bank, words.title(report), words.period(report), words.as_of(report), room),
        text(A4, f"Compared with {words.before(report)}. Days and hours are those of {report.zone}.", 7.5, ink=FAINT),
        space(6),
        _cards(report),
        *_compared(report),
        space(10),
        _volume(report),
        _value(report),
        *_billers(report),
        *_failures(report),
        *_in_doubt(report),
        space(8),
        rule(A4),
        *(text(A4, said, 6.5, ink=FAINT) for said in words.DEFINITIONS),
    ]
    about = f"{words.title(report)}, {words.period(report)}"
    return draw(A4, blocks, about, f"{report.bank}. {about}. {words.as_of(report)}.", repeatable=True)


# ---- Figures


def _cards(report: Report) -> Block:
    now, before = report.altogether, report.altogether_before
    reached = words.reaches(now, report.target_rate)
    slow = now.average_ms is not None and now.average_ms >= 1000 * report.target_seconds
    return cards(
        [
            Card("Payments", words.count(now.payments), [_against(now.payments, before.payments), f"{words.count(now.lookups)} look-ups beside"], BLUE),
            Card(
                "Success rate",
                words.percent(now),
                [f"{words.count(now.completed)} of {words.count(now.ended)} that ended", _target(now, f"{report.target_rate:.0%}", reached)],
                SLATE if now.success_rate is None else GREEN if reached else RED,
            ),
            Card("Value paid", words.amount(words.value(now)), [_against(words.value(now), words.value(before)), _others(now)], BLUE),
            Card(
                "Average answer",
                words.seconds(now.average_ms),
                [
                    f"half in {words.seconds(now.median_ms)}, 95% in {words.seconds(now.p95_ms)}",
                    f"target {report.target_seconds:g} s {'missed' if slow else 'reached'}" if now.average_ms is not None else "no call that pays",
                ],
                SLATE if now.average_ms is None else RED if slow else GREEN,
            ),
        ],
        A4.room,
    )


def _against(now: int | Decimal, before: int | Decimal) -> str:
    told = words.change(now, before)
    if not told:
        return "none in the period before"
    return "as in the period before" if told == words.UNCHANGED else f"{told} against the period before"


def _target(now: Tally, target: str, reached: bool) -> str:
    if now.success_rate is None:
        return f"target {target}: nothing has ended"
    return f"target {target} {'reached' if reached else 'missed'}"


def _others(now: Tally) -> str:
    """What was paid in other currencies, beside the kwacha."""
    others = [words.amount(value, currency) for currency, value in sorted(now.values.items()) if currency != HOME]
    return f"and {' + '.join(others)}" if others else "completed payments"


def _compared(report: Report) -> list[Block]:
    now, before = report.altogether, report.altogether_before
    counts = {
        "Completed": "completed",
        "Failed": "failed",
        "Reversed": "reversed",
        "Cancelled": "cancelled",
        "In doubt": "in_doubt",
        "Not sent": "not_sent",
    }
    rows = [
        (name, words.count(getattr(now, field)), words.count(getattr(before, field)), words.change(getattr(now, field), getattr(before, field)))
        for name, field in counts.items()
    ]
    rows.append(("Success rate", words.percent(now), words.percent(before), _points(now, before)))
    rows += [
        (f"Value paid, {one}", words.amount(words.value(now, one), one), words.amount(words.value(before, one), one), _change_of(report, one))
        for one in report.currencies
    ]
    rows.append(("Answer time, average", words.seconds(now.average_ms), words.seconds(before.average_ms), ""))
    rows.append(("Answer time, 95 of 100 within", words.seconds(now.p95_ms), words.seconds(before.p95_ms), ""))
    return headed(_table(_COMPARED, rows), A4.room, "Against the period before")


def _points(now: Tally, before: Tally) -> str:
    if not now.ended or not before.ended:
        return ""
    tenths = now.completed * 1000 // now.ended - before.completed * 1000 // before.ended
    return f"{tenths / 10:+.1f} points" if tenths else words.UNCHANGED


def _change_of(report: Report, currency: str) -> str:
    return words.change(words.value(report.altogether, currency), words.value(report.altogether_before, currency))


# ---- Course


def _volume(report: Report) -> Block:
    layers = (
        *(("Completed", GREEN, "completed"), ("Failed", RED, "failed"), ("Reversed", VIOLET, "reversed"), ("Cancelled", AMBER, "cancelled")),
        *(("In doubt", BLUE, "in_doubt"), ("Not sent", SLATE, "not_sent")),
    )
    series = [Series(name, colour, [getattr(step.now, field) for step in report.course]) for name, colour, field in layers]
    shown = [one for one in series if any(one.values)] or series[:1]
    return bars(f"Payments by {words.step_kind(report)}", _steps(report), shown, A4.room)


def _value(report: Report) -> Block:
    sums = [float(words.value(step.now)) for step in report.course]
    return bars(f"Value paid by {words.step_kind(report)}, {HOME}", _steps(report), [Series("Value paid", BLUE, sums)], A4.room)


def _steps(report: Report) -> list[str]:
    return [words.step(report, step.start) for step in report.course]


# ---- Billers


def _billers(report: Report) -> list[Block]:
    paid = [part for part in report.billers if part.now.ended]
    by_rate = sorted(paid, key=lambda part: (-(part.now.success_rate or 0), part.title))
    shown = [
        Bar(
            part.title,
            part.now.success_rate or 0,
            f"{words.percent(part.now)} · {words.count(part.now.completed)} of {words.count(part.now.ended)}",
            GREEN if words.reaches(part.now, report.target_rate) else RED,
        )
        for part in by_rate
    ]
    rows = [
        (
            part.title,
            words.count(part.now.payments),
            words.change(part.now.payments, part.before.payments) or words.NONE_YET,
            words.percent(part.now),
            words.count(part.now.failed),
            words.count(part.now.in_doubt),
            words.values(part.now),
            words.seconds(part.now.average_ms),
            words.seconds(part.now.p95_ms),
        )
        for part in report.billers
    ]
    charts = [rates("Success rate by biller", shown, report.target_rate, A4.room)] if shown else []
    return [*charts, *_section("Billers", _BILLERS, rows, "No biller had a transaction in this period.")]


# ---- What went wrong, and what is open


def _failures(report: Report) -> list[Block]:
    whole = sum(one.count for one in report.failures)
    rows = [(one.title, one.code or "without a code", one.words, words.count(one.count), f"{one.count / whole:.1%}") for one in report.failures[:MOST_REASONS]]
    more = len(report.failures) - len(rows)
    note = f"and {_counted(more, 'reason')} more, in the workbook" if more else ""
    return _section("Why payments failed", _FAILURES, rows, "No payment of this period failed.", note)


def _in_doubt(report: Report) -> list[Block]:
    zone = ZoneInfo(report.zone)
    rows = [
        (
            f"{one.submitted_at.astimezone(zone):%d/%m/%Y %H:%M:%S}",
            one.reference,
            one.title,
            "Under review" if one.under_review else "Being confirmed",
            words.amount(one.amount, one.currency),
        )
        for one in report.in_doubt[:MOST_OPEN]
    ]
    count = report.altogether.in_doubt
    note = f"the oldest {len(rows)} of {words.count(count)}" if count > len(rows) else ""
    return _section("Still in doubt at the moment of this report", _DOUBT, rows, "Every payment of this period that was sent is settled.", note)


def _counted(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"


# ---- Tables


def _section(title: str, columns: Sequence[Column], rows: Sequence[Sequence[str]], otherwise: str, note: str = "") -> list[Block]:
    """A table under its title, or the sentence that there is nothing to tell."""
    if not rows:
        return [space(8), *headed([text(A4, otherwise, SIZE, ink=FAINT)], A4.room, title)]
    return [space(8), *headed(_table(columns, rows), A4.room, title, note)]


def _table(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> list[Block]:
    head = row([(name, share * A4.room, align, PLAIN, FAINT) for name, share, align in columns], SIZE, after=2)
    lines = [
        row([(said, share * A4.room, align, PLAIN, INK) for said, (_, share, align) in zip(cells, columns, strict=True)], SIZE, after=1.5, head=head)
        for cells in rows
    ]
    return [head, *lines]
