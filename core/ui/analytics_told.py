"""What was counted for a range, and how its days and steps are called: what every part of the page is handed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any

from core import clock
from core.repositories.statistics import AnswerTimesBy, Figures, Grain
from core.services import periods
from core.services.periods import Period
from core.ui import figures
from core.ui.analytics_asked import Wish
from core.ui.words import zone

Address = Mapping[str, Any]


@dataclass(frozen=True)
class Told:
    """What was counted for the range, and what every section needs to show it."""

    wish: Wish
    period: Period
    titles: Mapping[str, str]
    now: Figures
    before: Figures | None
    before_steps: Sequence[datetime]
    times: AnswerTimesBy
    times_before: AnswerTimesBy | None
    as_of: datetime

    @cached_property
    def steps(self) -> Sequence[datetime]:
        return [step for step in periods.steps(self.period.first_day, self.period.last_day, self.wish.grain, zone()) if step <= self.as_of]

    @cached_property
    def labels(self) -> Sequence[str]:
        return [step_label(step, self.wish.grain, self.period) for step in self.steps]

    @cached_property
    def largest_first(self) -> Sequence[str]:
        """The billers that were paid, those with most payments first."""
        found = {code: one.payments for code, one in self.now.by_biller().items() if one.payments}
        return sorted(found, key=lambda code: (-found[code], self.title(code)))

    def title(self, code: str) -> str:
        return self.titles.get(code, code)

    def colour(self, code: str) -> str:
        """The same in each figure, whatever the filter leaves."""
        place = list(self.titles).index(code) if code in self.titles else 0
        return figures.BILLERS[place % len(figures.BILLERS)]

    def list_of_step(self, step: datetime, *statuses: str, billers: Sequence[str] = ()) -> Address:
        first, last = periods.days_of(step, self.wish.grain, (self.period.first_day, self.period.last_day), zone())
        return self.wish.list_address(first, last, *statuses, billers=billers)

    def list_of_all(self, *statuses: str, billers: Sequence[str] = (), reasons: Sequence[str] = ()) -> Address:
        return self.wish.list_address(self.period.first_day, self.period.last_day, *statuses, billers=billers, reasons=reasons)


def day_text(day: date) -> str:
    return f"{day.day} {day:%b %Y}"


def step_label(step: datetime, grain: Grain, period: Period) -> str:
    """`23 Nov`, `17–23 Nov`, `Nov 2025`: as much of the step as lies in the range."""
    first, last = periods.days_of(step, grain, (period.first_day, period.last_day), zone())
    year = f" {first:%Y}" if period.first_day.year != period.last_day.year else ""
    if grain is Grain.MONTH:
        return f"{first:%b %Y}"
    if first == last:
        return f"{first.day} {first:%b}{year}"
    return f"{first.day}–{last.day} {last:%b}{year}" if first.month == last.month else f"{first.day} {first:%b} – {last.day} {last:%b}{year}"


def days_text(period: Period) -> str:
    return day_text(period.first_day) if period.days == 1 else f"{day_text(period.first_day)} – {day_text(period.last_day)}"


def until_text(moment: datetime) -> str:
    """The last day of a half-open interval, with the hour where it ends within a day."""
    local = moment.astimezone(zone())
    if (local.hour, local.minute) == (0, 0):
        return day_text(clock.business_day(moment - timedelta(seconds=1), zone()))
    return f"{day_text(local.date())}, {local:%H:%M}"
