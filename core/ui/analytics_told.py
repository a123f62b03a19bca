"""What was counted for a range, and how its days and steps are called: what every part of the page is handed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from functools import cache, cached_property, lru_cache
from typing import Any, TypeVar

import plotly.graph_objects as go
from plotly.basedatatypes import BaseFigure

from core import clock
from core.repositories.statistics import AnswerTimesBy, Figures, Grain
from core.services import periods
from core.services.analytics import Analysis
from core.services.periods import Period
from core.ui import figure_tables, figures
from core.ui.analytics_asked import Wish
from core.ui.figure_tables import Table
from core.ui.figures import Figure
from core.ui.words import zone

Address = Mapping[str, Any]

# The list behind a point: of which set of points, and at which place in it. Asked only when somebody clicks: a year has thousands of points.
LeadsTo = Callable[[int, int], Address | None]
Made = TypeVar("Made")


class Drawn(BaseFigure):  # type: ignore[misc]
    """A figure that nobody changes any more, handed on as it stands, in the look that Plotly would give it.

    Plotly would check each point and then copy them all, which takes longer than all the rest of a page. That it finds nothing wrong and changes nothing is
    what tests see to.
    """

    def __init__(self, figure: Figure) -> None:
        self._told = {**figure, "layout": {**figure.get("layout", {}), "template": _look()}}

    def to_dict(self) -> Figure:
        return self._told


@cache
def _look() -> Figure:
    """Streamlit's, which its script in the browser puts the theme's colours into."""
    look: Figure = go.Figure().to_dict()["layout"]["template"]
    return look


@dataclass(frozen=True)
class Picture:
    """A figure, what it says to whoever does not see it, and where a click on it leads."""

    figure: Figure | Drawn
    alt: str
    leads_to: LeadsTo | None = None


@dataclass(frozen=True)
class Told:
    """What was counted for a range, and what every section needs to show it. One for all who ask for the same: nobody changes it."""

    # What decided what was counted.
    wish: Wish
    period: Period
    titles: Mapping[str, str]
    counted: Analysis
    as_of: datetime
    # What was made of it, by name and manner.
    made: dict[tuple[str, ...], Any] = field(default_factory=dict)

    @property
    def now(self) -> Figures:
        return self.counted.now

    @property
    def times(self) -> AnswerTimesBy:
        return self.counted.times

    @cached_property
    def before(self) -> Figures | None:
        """None where nothing is compared. Against a time before the first transaction everything would have grown: that compares nothing."""
        earlier = self.counted.before
        return earlier if earlier and earlier.rows else None

    @cached_property
    def steps(self) -> Sequence[datetime]:
        return [step for step in periods.steps(self.period.first_day, self.period.last_day, self.wish.grain, zone()) if step <= self.as_of]

    @cached_property
    def labels(self) -> Sequence[str]:
        return [step_label(step, self.wish.grain, self.period) for step in self.steps]

    @cached_property
    def course(self) -> Sequence[Figures]:
        """Step by step; of one in which nothing happened it is nothing."""
        return self.course_of(self.now)

    @cached_property
    def course_before(self) -> Sequence[tuple[datetime, Figures]]:
        """The time before, step for step beside these. Weeks and months begin elsewhere in it, and would be compared with parts of themselves."""
        if self.before is None or self.wish.grain in (Grain.WEEK, Grain.MONTH):
            return []
        first = clock.business_day(self.period.before[0], zone())
        steps = periods.steps(first, first + timedelta(days=self.period.days - 1), self.wish.grain, zone())
        by_step = self.before.by_step()
        return [(step, by_step.get(step, NOTHING)) for step in steps[: len(self.steps)]]

    def put_away(self) -> None:
        """What was told apart step by step, once it is drawn: of the years that are kept it would be half of all that a console holds. It is told anew where it
        is asked for."""
        for name in ("course", "course_before"):
            vars(self).pop(name, None)

    @cached_property
    def by_biller(self) -> Mapping[str, Figures]:
        return self.now.by_biller()

    @cached_property
    def largest_first(self) -> Sequence[str]:
        """The billers that were paid, those with most payments first."""
        found = {code: one.payments for code, one in self.by_biller.items() if one.payments}
        return sorted(found, key=lambda code: (-found[code], self.title(code)))

    @cached_property
    def table(self) -> Table:
        rows = figure_tables.rows(self.now, self.times, self.before, self.titles)
        return Table(rows, self.period.first_day, self.period.last_day)

    def course_of(self, apart: Figures) -> Sequence[Figures]:
        by_step = apart.by_step()
        return [by_step.get(step, NOTHING) for step in self.steps]

    def picture(self, *name: str, draw: Callable[[], Picture]) -> Picture:
        """Drawn once for everybody who looks at the same figures in the same manner."""

        def handed_on() -> Picture:
            made = draw()
            return replace(made, figure=Drawn(made.figure))

        return self.once(*name, make=handed_on)

    def once(self, *name: str, make: Callable[[], Made]) -> Made:
        """Made by the first who looks, and kept for all others."""
        if name not in self.made:
            self.made[name] = make()
        made: Made = self.made[name]
        return made

    def title(self, code: str) -> str:
        return self.titles.get(code, code)

    def colour(self, code: str) -> str:
        """The same in each figure, whatever the filter leaves."""
        place = list(self.titles).index(code) if code in self.titles else 0
        return figures.BILLERS[place % len(figures.BILLERS)]

    def list_of_step(self, place: int, *statuses: str, billers: Sequence[str] = ()) -> Address:
        """Of the step at this place: its days, and of a shorter one its time of day."""
        step = self.steps[place]
        first, last = periods.days_of(step, self.wish.grain, (self.period.first_day, self.period.last_day), zone())
        return self.wish.list_address(first, last, *statuses, billers=billers, time_of_day=periods.times_of(step, self.wish.grain, zone()))

    def list_of_all(self, *statuses: str, billers: Sequence[str] = (), reasons: Sequence[str] = ()) -> Address:
        return self.wish.list_address(self.period.first_day, self.period.last_day, *statuses, billers=billers, reasons=reasons)

    def list_of_hour(self, weekday: int, hour: int, *statuses: str) -> Address:
        """Of one hour of the week, in all weeks of the range."""
        return self.wish.list_address(
            self.period.first_day, self.period.last_day, *statuses, weekdays=(weekday,), time_of_day=(time(hour), time((hour + 1) % 24))
        )


NOTHING = Figures([])


def day_text(day: date) -> str:
    return f"{day.day} {day:%b %Y}"


def step_label(step: datetime, grain: Grain, period: Period) -> str:
    """`10:15`, `23 Nov 10:00`, `23 Nov`, `17–23 Nov`, `Nov 2025`: as much of the step as lies in the range."""
    first, last = periods.days_of(step, grain, (period.first_day, period.last_day), zone())
    has_years = period.first_day.year != period.last_day.year
    if grain is Grain.MONTH:
        return f"{first:%b %Y}"
    if grain in periods.WITHIN_A_DAY:
        day = "" if period.days == 1 else f"{_short_day(first, has_years)} "
        return f"{day}{step.astimezone(zone()):%H:%M}"
    if first == last:
        return _short_day(first, has_years)
    year = f" {first:%Y}" if has_years else ""
    return f"{first.day}–{last.day} {last:%b}{year}" if first.month == last.month else f"{first.day} {first:%b} – {last.day} {last:%b}{year}"


@lru_cache(2048)
def _short_day(day: date, has_year: bool) -> str:
    """Written once: a year has hundreds, and each range has them anew."""
    return f"{day.day} {day:%b %Y}" if has_year else f"{day.day} {day:%b}"


def days_text(period: Period) -> str:
    return day_text(period.first_day) if period.days == 1 else f"{day_text(period.first_day)} – {day_text(period.last_day)}"


def until_text(moment: datetime) -> str:
    """The last day of a half-open interval, with the hour where it ends within a day."""
    local = moment.astimezone(zone())
    if (local.hour, local.minute) == (0, 0):
        return day_text(clock.business_day(moment - timedelta(seconds=1), zone()))
    return f"{day_text(local.date())}, {local:%H:%M}"
