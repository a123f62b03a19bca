"""Names in figures: a biller's name or code is letters in each of them."""

import json
from collections.abc import Callable

import pytest

from core.ui import figures
from core.ui.figures import BLUE, Figure, Series

NAME = '<a href="http://evil.example/">R&D</a> %{x}'
LINE = [Series(NAME, BLUE, [1, 2], ["one", "two"])]

DRAWN: dict[str, Callable[[], Figure]] = {
    "over time": lambda: figures.over_time(["a", "b"], LINE),
    "bars over time": lambda: figures.bars_over_time(["a", "b"], LINE, "MWK"),
    "rates": lambda: figures.rates([NAME], [0.5], ["50%"]),
    "shares": lambda: figures.shares([NAME], [1], [BLUE], "1"),
    "pareto": lambda: figures.pareto([NAME], [1], ["said"]),
    "answer times": lambda: figures.answer_times([NAME], [1.0], [2.0], ["said"]),
}


@pytest.mark.parametrize("kind", DRAWN)
def test_a_name_in_a_figure_is_neither_a_link_nor_a_template(kind: str) -> None:
    written = json.dumps(DRAWN[kind]())
    assert "<a" not in written
    assert "%{x}<br>&lt;a" in written or "%{x}" not in written.replace("%{x:.1f}", "")
    assert "R&amp;D" in written, "and it can be read"
    assert "&#37;{x}" in written
