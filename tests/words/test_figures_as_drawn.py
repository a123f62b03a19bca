"""Figures are handed on as they were made: Plotly would have had nothing to say against them, and nothing to change."""

import json
from collections.abc import Callable

import plotly.graph_objects as go
import plotly.io
import pytest

from core.ui import figures
from core.ui.analytics_told import Drawn
from core.ui.figures import AMBER, BLUE, Figure, Series

STEPS = ["22 Nov", "23 Nov"]
LINES = [Series("Payments", BLUE, [1, 2], ["one", "two"]), Series("The time before", AMBER, [3, None], ["three", "–"], dashed=True)]

DRAWN: dict[str, Callable[[], Figure]] = {
    "over time": lambda: figures.over_time(STEPS, LINES),
    "one upon the other": lambda: figures.over_time(STEPS, LINES, stacked=True, height=figures.TALL),
    "rates over time": lambda: figures.over_time(STEPS, LINES, rate=True),
    "with a target": lambda: figures.over_time(STEPS, LINES, suffix=" s", target=(3, "target 3 s")),
    "of many steps": lambda: figures.over_time([f"{day}" for day in range(100)], [Series("Payments", BLUE, list(range(100)), ["some"] * 100)], unit="MWK"),
    "bars over time": lambda: figures.bars_over_time(STEPS, LINES, "MWK"),
    "rates": lambda: figures.rates(["LWB", "MASM"], [0.5, 0.99], ["50%", "99%"]),
    "shares": lambda: figures.shares(["LWB", "MASM"], [1, 2], [BLUE, AMBER], "3<br>payments"),
    "pareto": lambda: figures.pareto(["BLOCKED", "no code"], [2, 1], ["said", "nothing"]),
    "the week": lambda: figures.week(["Mon"], [[1, *[None] * 23]], [["1", *[""] * 23]], [["said"] * 24], of_failures=False),
    "the week's failures": lambda: figures.week(["Mon"], [[50.0, *[None] * 23]], [["50%", *[""] * 23]], [["said"] * 24], of_failures=True),
    "answer times": lambda: figures.answer_times(["LWB"], [1.0], [2.0], ["said"]),
}


@pytest.mark.parametrize("kind", DRAWN)
def test_a_figure_is_what_plotly_would_have_made_of_it(kind: str) -> None:
    figure = DRAWN[kind]()
    handed_on = json.loads(plotly.io.to_json(Drawn(figure).to_dict(), validate=False))
    assert handed_on == json.loads(go.Figure(figure).to_json()), "checked, and in Streamlit's look"
    assert handed_on["layout"]["template"]["layout"], "which its script in the browser fills in"
