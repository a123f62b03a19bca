"""Figures as people read them: counts grouped, rates never better than they are, changes with the word for what they are compared with."""

import math
from decimal import Decimal

from core.ui.words import amount

# Largest first: how a sum is shortened where a tile has no room for it. The exact one stands beside it.
SHORTENED = ((Decimal(10**12), "T"), (Decimal(10**9), "B"), (Decimal(10**6), "M"))

NONE_YET = "–"


def count(number: int) -> str:
    """`1,204`."""
    return f"{number:,}"


def short_count(number: int) -> str:
    """`940`, `1.2k`, `3.4M`: what a small field has room for, cut and not rounded up."""
    for size, letter in ((10**6, "M"), (10**3, "k")):
        if number >= size:
            return f"{number // size:,}{letter}" if number >= 10 * size else f"{number * 10 // size / 10:.1f}{letter}"
    return str(number)


def counted(number: int, one: str, many: str = "") -> str:
    """`1 payment`, `1,204 payments`."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def tenths(rate: float) -> float:
    """A rate of 0 to 1 in hundredths, cut after the first decimal: what is shown of it, as words or as a bar."""
    # Through the text, so that 0.29 is 29.0 and not 28.9 for want of a bit.
    return math.floor(float(f"{rate * 1000:.6f}")) / 10


def percent(rate: float | None) -> str:
    """`94.9%`, rounded down: 94.96 is below a target of 95, and 99.99 is not all. A dash where nothing has ended."""
    return NONE_YET if rate is None else f"{tenths(rate):.1f}%"


def points(now: float | None, before: float | None) -> float | None:
    """The change of a rate, in points of a hundred as they are shown."""
    return None if now is None or before is None else round(tenths(now) - tenths(before), 1)


def seconds(milliseconds: float | None) -> str:
    """`1.5 s`, `0.38 s`."""
    if milliseconds is None:
        return NONE_YET
    told = milliseconds / 1000
    return f"{told:.2f} s" if told < 1 else f"{told:,.1f} s"


def short_amount(value: Decimal, currency: str = "MWK") -> str:
    """`MWK 425.6 M`, cut and not rounded up; below a million the whole amount."""
    for size, letter in SHORTENED:
        if value >= size:
            return f"{currency} {math.floor(value / size * 10) / 10:,.1f} {letter}"
    return amount(value, currency)


def change(now: int | Decimal, before: int | Decimal) -> str | int | None:
    """`+12.3%`; the number itself where there was nothing to compare with, and None where there still is nothing."""
    if not before:
        return f"+{now:,}" if now else None
    if now == before:
        return 0
    return f"{float((now - before) / before):+.1%}"
