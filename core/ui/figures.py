"""The pictures, as Plotly's own plain dictionaries. It knows how a figure looks; what it shows was counted elsewhere.

Colours are stand-ins: Streamlit puts the chart colours of .streamlit/config.toml in their place in the browser, so that a figure
follows light and dark without a run of the script. A test holds them to Streamlit's.
"""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.services.statistics import TARGET_ANSWER_SECONDS, TARGET_SUCCESS_RATE
from core.states import Status

Figure = dict[str, Any]

# chartCategoricalColors, by place.
CATEGORIES = tuple(f"#{place:06}" for place in range(1, 11))
BLUE, GREEN, AMBER, VIOLET, CYAN, RED, LIME, PINK, SLATE, OCHRE = CATEGORIES

# chartSequentialColors, by place: from the page's own colour to the strongest.
SEQUENCE = tuple(f"#{place:06}" for place in range(11, 21))

# Colours by which billers are told apart: in the order of their names, the same in each figure. Red is for what failed.
BILLERS = (BLUE, GREEN, AMBER, VIOLET, CYAN, PINK, LIME, SLATE, OCHRE)

STATUSES: Mapping[Status, str] = {
    Status.COMPLETED: GREEN,
    Status.FAILED: RED,
    Status.REVERSED: VIOLET,
    Status.CANCELLED: AMBER,
    Status.PROCESSING: BLUE,
    Status.PENDING: SLATE,
}

# The page behind a figure: what stands on a bar is written in it.
BACKGROUND = "#000038"
CLEAR = "rgba(0,0,0,0)"

HEIGHT = 320
TALL = 380
BAR_PIXELS = 34

# As many names of steps as a telephone has room for.
MOST_TICKS = 7
# Of names longer than `23 Nov` half as many.
SHORT_NAME = 6

# Neither zoom nor tool bar: the range is chosen above, and a swipe on a telephone scrolls the page.
CONFIG = {"displayModeBar": False, "scrollZoom": False, "doubleClick": False}


@dataclass(frozen=True, slots=True)
class Series:
    """One line or set of bars: what each point is, and what it says when pointed at."""

    name: str
    colour: str
    values: Sequence[float | None]
    says: Sequence[str]
    dashed: bool = False


def label(text: str) -> str:
    """Text from outside (billers' names, their codes) as text in a figure: Plotly reads some HTML in whatever it writes, links among it, and `%{…}` in some."""
    return html.escape(text, quote=False).replace("%{", "&#37;{")


def labels(texts: Sequence[str]) -> list[str]:
    return [label(text) for text in texts]


def over_time(
    steps: Sequence[str],
    series: Sequence[Series],
    *,
    stacked: bool = False,
    unit: str = "",
    suffix: str = "",
    rate: bool = False,
    target: tuple[float, str] | None = None,
    height: int = HEIGHT,
) -> Figure:
    """Lines over time; stacked, the space between them is what each adds. `target` is where its line lies, and what is written on it."""
    traces = [
        {
            "type": "scatter",
            "mode": "lines" if one.dashed or len(steps) > 45 else "lines+markers",
            "line": {"color": one.colour, "width": 1.5 if one.dashed else 2, **({"dash": "dot"} if one.dashed else {})},
            "marker": {"size": 5, "color": one.colour},
            **({"stackgroup": "all"} if stacked and not one.dashed else {}),
            **_trace(one, steps),
        }
        for one in series
    ]
    axis: Figure = {"rangemode": "tozero", "title": {"text": unit}, "ticksuffix": suffix}
    if rate:
        axis = {"ticksuffix": "%", "range": [max(0.0, _least(series) - 2), 100.5]}
    figure = {"data": traces, "layout": _layout(xaxis=_time_axis(steps), yaxis=axis, showlegend=len(series) > 1, height=height)}
    if rate:
        target = (100 * TARGET_SUCCESS_RATE, f"target {TARGET_SUCCESS_RATE:.0%}")
    if target:
        _target(figure, *target, across=True)
    return figure


def bars_over_time(steps: Sequence[str], series: Sequence[Series], unit: str) -> Figure:
    traces: list[Figure] = []
    for one in series:
        if one.dashed:
            traces.append({"type": "scatter", "mode": "lines", "line": {"color": one.colour, "width": 1.5, "dash": "dot"}, **_trace(one, steps)})
        else:
            traces.append({"type": "bar", "marker": {"color": one.colour, "cornerradius": 3}, **_trace(one, steps)})
    return {
        "data": traces,
        "layout": _layout(xaxis=_time_axis(steps), yaxis={"rangemode": "tozero", "title": {"text": unit}}, bargap=0.25, showlegend=len(series) > 1),
    }


def rates(names: Sequence[str], values: Sequence[float], texts: Sequence[str]) -> Figure:
    """A bar for each biller from nothing to 100 %, the target as a line, the counts beside it."""
    bars = {
        "type": "bar",
        "orientation": "h",
        "y": labels(names),
        "x": [100 * value for value in values],
        "marker": {"color": [GREEN if value >= TARGET_SUCCESS_RATE else RED for value in values], "cornerradius": 3},
        "hovertext": list(texts),
        "hovertemplate": "%{y}<br>%{hovertext}<extra></extra>",
    }
    # In a column of their own: on the bars they would be unreadable in one theme, and at their ends the target would cross them out.
    column = {"type": "scatter", "mode": "text", "y": labels(names), "x": [103] * len(names), "text": list(texts), "textposition": "middle right"}
    ticks = [0, 25, 50, 75, 100]
    axis = {"range": [0, 185], "tickvals": ticks, "ticktext": [f"{tick}%" for tick in ticks], "showgrid": True}
    figure = {"data": [bars, {**column, "hoverinfo": "skip"}], "layout": _layout(xaxis=axis, yaxis=_names_axis(), height=tall(len(names)))}
    _target(figure, 100 * TARGET_SUCCESS_RATE, f"target {TARGET_SUCCESS_RATE:.0%}")
    return figure


def shares(names: Sequence[str], values: Sequence[int], colours: Sequence[str], middle: str) -> Figure:
    """A ring. What it is the whole of stands in the middle."""
    ring = {
        "type": "pie",
        "labels": labels(names),
        "values": list(values),
        "hole": 0.62,
        "sort": False,
        "direction": "clockwise",
        "marker": {"colors": list(colours), "line": {"color": BACKGROUND, "width": 2}},
        "textinfo": "percent",
        "textposition": "outside",
        "hovertemplate": "%{label}<br>%{value:,} payments, %{percent}<extra></extra>",
    }
    legend = {"orientation": "h", "y": -0.08, "yanchor": "top", "x": 0.5, "xanchor": "center"}
    note = {"text": middle, "showarrow": False, "x": 0.5, "y": 0.5, "xref": "paper", "yref": "paper", "font": {"size": 16}}
    return {"data": [ring], "layout": _layout(showlegend=True, legend=legend, annotations=[note], margin={"l": 10, "r": 10, "t": 24, "b": 10}, height=TALL)}


def pareto(names: Sequence[str], counts: Sequence[int], says: Sequence[str], height: int = HEIGHT) -> Figure:
    """Reasons by how often, and the line of what they come to together: the few that make the most of it stand on the left."""
    whole, together, line = sum(counts), 0, []
    for one in counts:
        together += one
        line.append(100 * together / whole)
    bars = {
        "type": "bar",
        "name": "Payments",
        "x": labels(names),
        "y": list(counts),
        "text": [f"{one:,}" for one in counts],
        "textposition": "outside",
        "cliponaxis": False,
        "marker": {"color": RED, "cornerradius": 3},
        "hovertext": list(says),
        "hovertemplate": "%{hovertext}<extra></extra>",
    }
    cumulative = {
        "type": "scatter",
        "mode": "lines+markers",
        "name": "Together",
        "x": labels(names),
        "y": line,
        "yaxis": "y2",
        "line": {"color": SLATE, "width": 1.5},
        "marker": {"size": 5, "color": SLATE},
        "hovertemplate": "%{y:.0f}% with those before it<extra></extra>",
    }
    right = {"overlaying": "y", "side": "right", "range": [0, 108], "showgrid": False, "tickvals": [0, 50, 100], "ticktext": ["0%", "50%", "100%"]}
    return {
        "data": [bars, cumulative],
        "layout": _layout(yaxis={"rangemode": "tozero"}, xaxis={"type": "category", "tickangle": -35 if len(names) > 4 else 0}, height=height)
        | {"yaxis2": {**right, "fixedrange": True}},
    }


def week(
    days: Sequence[str], values: Sequence[Sequence[float | None]], texts: Sequence[Sequence[str]], says: Sequence[Sequence[str]], *, of_failures: bool
) -> Figure:
    """A field for each hour of each weekday: the stronger its colour, the more. Its number stands in it, where there is room."""
    hours = [f"{hour:02}" for hour in range(24)]
    strongest = [[0, BACKGROUND], [1, RED]] if of_failures else [[place / (len(SEQUENCE) - 1), colour] for place, colour in enumerate(SEQUENCE)]
    fields = {
        "type": "heatmap",
        "x": hours,
        "y": list(days),
        "z": [list(row) for row in values],
        "text": [list(row) for row in texts],
        "texttemplate": "%{text}",
        "colorscale": strongest,
        "zmin": 0,
        "xgap": 2,
        "ygap": 2,
        "hoverinfo": "skip",
        "colorbar": {"thickness": 8, "outlinewidth": 0, "ticksuffix": "%" if of_failures else "", "nticks": 5},
    }
    # Plotly selects points, not fields: unseen ones in their middles are what is pointed at and clicked.
    middles = {
        "type": "scatter",
        "mode": "markers",
        "x": hours * len(days),
        "y": [day for day in days for _ in hours],
        "marker": {"size": 22, "opacity": 0, "color": BLUE, "symbol": "square"},
        "hovertext": [text for row in says for text in row],
        "hovertemplate": "%{hovertext}<extra></extra>",
        "showlegend": False,
    }
    across = {"type": "category", "showgrid": False, "tickangle": 0, "tickvals": hours[::3], "ticktext": [f"{hour}h" for hour in range(0, 24, 3)]}
    return {"data": [fields, middles], "layout": _layout(xaxis=across, yaxis={**_names_axis(), "type": "category"}, margin={"l": 8, "r": 8, "t": 8, "b": 8})}


def answer_times(names: Sequence[str], medians: Sequence[float], p95s: Sequence[float], says: Sequence[str]) -> Figure:
    """Two bars for each biller, in seconds, and the target."""
    common = {"type": "bar", "orientation": "h", "y": labels(names), "hovertext": list(says)}
    shown = {"hovertemplate": "%{y}<br>%{hovertext}<extra></extra>", "textposition": "outside", "cliponaxis": False, "texttemplate": "%{x:.1f} s"}
    figure = {
        "data": [
            {**common, **shown, "name": "95 of 100 within", "x": list(p95s), "marker": {"color": AMBER, "cornerradius": 3}},
            {**common, **shown, "name": "Half within", "x": list(medians), "marker": {"color": BLUE, "cornerradius": 3}},
        ],
        "layout": _layout(
            xaxis={"rangemode": "tozero", "ticksuffix": " s", "showgrid": True},
            yaxis=_names_axis(),
            height=tall(1.5 * len(names)),
            showlegend=True,
            legend={"orientation": "h", "y": -0.12, "yanchor": "top", "x": 0, "traceorder": "reversed"},
        ),
    }
    _target(figure, TARGET_ANSWER_SECONDS, f"target {TARGET_ANSWER_SECONDS} s")
    return figure


# ---- What all have


def _trace(one: Series, steps: Sequence[str]) -> Figure:
    return {
        "name": label(one.name),
        "x": list(steps),
        "y": list(one.values),
        "hovertext": list(one.says),
        "hovertemplate": f"%{{x}}<br>{label(one.name)}: %{{hovertext}}<extra></extra>",
    }


def _layout(**more: Any) -> Figure:
    layout: Figure = {
        "height": HEIGHT,
        "margin": {"l": 8, "r": 8, "t": 28, "b": 8},
        "paper_bgcolor": CLEAR,
        "plot_bgcolor": CLEAR,
        "dragmode": False,
        "clickmode": "event+select",
        # One point and not all of its moment: a click that meets several selects none.
        "hovermode": "closest",
        "hoverdistance": 40,
        "showlegend": False,
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        "separators": ".,",
    }
    for name, value in more.items():
        layout[name] = {"fixedrange": True, "automargin": True, "separatethousands": True, **value} if name in ("xaxis", "yaxis") else value
    return layout


def _time_axis(steps: Sequence[str]) -> Figure:
    # Text and no dates: Plotly would put ticks between the steps, and think in its own zone.
    longest = max((len(step) for step in steps), default=0)
    every = -(-len(steps) // (MOST_TICKS if longest <= SHORT_NAME else MOST_TICKS // 2))
    return {"type": "category", "tickvals": list(steps)[::every], "tickangle": 0}


def _names_axis() -> Figure:
    return {"autorange": "reversed", "ticklabelstandoff": 6, "showgrid": False}


def tall(bars: float) -> int:
    """High enough for so many bars one below the other."""
    return max(HEIGHT, 70 + round(BAR_PIXELS * bars))


def _least(series: Sequence[Series]) -> float:
    found = [value for one in series for value in one.values if value is not None]
    return min([*found, 100 * TARGET_SUCCESS_RATE])


def _target(figure: Figure, at: float, says: str, *, across: bool = False) -> None:
    along, over = ("y", "x") if across else ("x", "y")
    line = {
        "type": "line",
        f"{along}0": at,
        f"{along}1": at,
        f"{over}0": 0,
        f"{over}1": 1,
        f"{over}ref": "paper",
        "line": {"color": AMBER, "width": 2, "dash": "dash"},
    }
    place = {"x": 1, "xref": "paper", "xanchor": "right", "y": at, "yanchor": "bottom"} if across else {"x": at, "y": 1, "yref": "paper", "yanchor": "bottom"}
    figure["layout"]["shapes"] = [line]
    figure["layout"]["annotations"] = [{"text": says, "showarrow": False, "font": {"color": AMBER}, **place}]
