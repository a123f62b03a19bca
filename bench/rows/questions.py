"""What the pages ask the database, by the very services they call: how long all statements of one question take, on the socket, there and back."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any

from sqlalchemy import event, text

from bench.rows.samples import Make, Samples, filters, searches
from core import clock, db
from core.access import Actor
from core.errors import Busy
from core.repositories.filters import TransactionFilter
from core.repositories.statistics import Grain
from core.repositories.transactions import Sort
from core.services import analytics, statistics, transactions
from core.services.asked import Asked

# Each with other values: the first ones fill the server's caches with indexes, not with answers.
WARM_UP, RUNS = 3, 20

# What takes so long altogether is not asked again: the run would last a day, and it is known what is the matter.
HOPELESS_MS = 10_000

PAGE = 25

Ask = Callable[[Random], Any]


@dataclass(frozen=True, slots=True)
class Question:
    """`group` is what it is judged with; `target_ms` what it may take in the database."""

    group: str
    name: str
    target_ms: float
    ask: Ask


@dataclass
class Meter:
    """Time spent waiting for the database, and for how many statements."""

    seconds: float = 0.0
    statements: int = 0
    _since: list[float] = field(default_factory=list)

    def before(self, *_: object) -> None:
        self._since.append(time.perf_counter())

    def after(self, *_: object) -> None:
        self.seconds += time.perf_counter() - self._since.pop()
        self.statements += 1

    def close(self) -> None:
        """A statement that failed has no end of its own."""
        while self._since:
            self.after()


@contextmanager
def metered() -> Iterator[Meter]:
    meter, engine = Meter(), db.engine()
    event.listen(engine, "before_cursor_execute", meter.before)
    event.listen(engine, "after_cursor_execute", meter.after)
    try:
        yield meter
    finally:
        meter.close()
        event.remove(engine, "before_cursor_execute", meter.before)
        event.remove(engine, "after_cursor_execute", meter.after)


def connect() -> None:
    """A connection that stands, with nothing asked on it yet."""
    with db.unit_of_work() as session:
        session.execute(text("SELECT 1"))


def questions(actor: Actor, samples: Samples) -> Sequence[Question]:
    zone = samples.zone

    def listed(make: Make, sort: Sort) -> Ask:
        return lambda random: transactions.list_page(actor, make(random).wanted(zone, actor.id), PAGE, sort=sort)

    def counted(make: Make) -> Ask:
        return lambda random: statistics.counted(actor, make(random).wanted(zone, actor.id))

    def deep(make: Make, sort: Sort) -> Ask:
        return lambda random: _deep_page(actor, make(random).wanted(zone, actor.id), sort)

    found = []
    for name, make in filters(samples).items():
        group = "first page" if name == "nothing" else "filtered page"
        found += [Question(group, f"{name}, {sort} first", 20, listed(make, sort)) for sort in Sort]
        found.append(Question("count", name, 50, counted(make)))
    for name, make in searches(samples).items():
        found += [Question("search", f"{name}, {sort} first", 50, listed(make, sort)) for sort in Sort]
        found.append(Question("count of a search", name, 50, counted(make)))
    for name in ("nothing", "a biller", "a status", "a type", "30 days"):
        found += [Question("page at 90 % depth", f"{name}, {sort} first", 20, deep(filters(samples)[name], sort)) for sort in (Sort.NEWEST, Sort.OLDEST)]
    found += _figures(actor, samples)
    return found


def _deep_page(actor: Actor, wanted: TransactionFilter, sort: Sort) -> Any:
    """From nothing but a page's number, as somebody types it: how many there are, where that page begins, and the page."""
    rows = statistics.counted(actor, wanted).rows
    number = max(1, rows * 9 // 10 // PAGE)
    place = transactions.jump(actor, wanted, number, PAGE, sort) if number > 1 else None
    return transactions.list_page(actor, wanted, PAGE, place, sort=sort)


def _figures(actor: Actor, samples: Samples) -> Sequence[Question]:
    zone = samples.zone

    def year(random: Random, **more: Any) -> TransactionFilter:
        """365 days that end on one of the last few: no two questions are word for word the same."""
        last = samples.today - timedelta(days=random.randrange(5))
        return Asked(first_day=last - timedelta(days=364), last_day=last, **more).wanted(zone, actor.id)

    def chosen(random: Random) -> dict[str, Any]:
        return random.choice(({}, {"billers": (random.choice(samples.rows).biller,)}, {"types": (random.choice(samples.rows).kind,)}))

    def before(wanted: TransactionFilter) -> TransactionFilter:
        back = timedelta(days=365)
        return TransactionFilter(
            billers=wanted.billers, types=wanted.types, since=(wanted.since or clock.now()) - back, until=(wanted.until or clock.now()) - back
        )

    def over_time(grain: Grain) -> Ask:
        return lambda random: statistics.over_time(actor, year(random, **chosen(random)), grain)

    def whole(grain: Grain) -> Ask:
        def ask(random: Random) -> Any:
            wanted = year(random, **chosen(random))
            return analytics.analysis(actor, wanted, grain, before(wanted))

        return ask

    charts: Mapping[str, Ask] = {
        **{f"volume and value by {grain}": over_time(grain) for grain in COARSE},
        "by biller": lambda random: statistics.totals(actor, year(random, **chosen(random))),
        "answer times by biller": lambda random: statistics.answer_times(actor, year(random, **chosen(random))),
        "answer times by day": lambda random: statistics.answer_times(actor, year(random, **chosen(random)), Grain.DAY),
        "failure reasons": lambda random: statistics.failure_reasons(actor, year(random, **chosen(random))),
        "the week by the hour": lambda random: statistics.heat(actor, year(random, **chosen(random))),
        "targets": lambda _: statistics.kpis(actor),
    }
    return [
        Question("dashboard", "all its data", 25, lambda random: statistics.overview(actor, random.choice((7, 30, 90)))),
        *(Question("chart over 365 days", name, 100, ask) for name, ask in charts.items()),
        *(Question("all charts over 365 days", f"by {grain}", CHARTS * 100, whole(grain)) for grain in COARSE),
    ]


# Hours and shorter steps are not offered of a whole year.
COARSE = (Grain.DAY, Grain.WEEK, Grain.MONTH)
# What the page counts at once, each of which is a chart: volume, the same a year before, answer times twice, reasons, and the week.
CHARTS = 6


def asked_of(question: Question, random: Random, runs: int = RUNS, warm_up: int = WARM_UP) -> dict[str, float]:
    """Milliseconds in the database: the median, the 95th percentile and the longest of the runs, and how many statements one takes.

    `broken_off`: how many the database gave up, as it does after 15 s; they count with the time they had.
    """
    taken, statements, broken_off = [], 0, 0
    for run in range(-warm_up, runs):
        with metered() as meter:
            try:
                question.ask(random)
            except Busy:
                broken_off += 1
        if run >= 0 or meter.seconds * 1000 > HOPELESS_MS:
            taken.append(meter.seconds * 1000)
        statements = max(statements, meter.statements)
        if sum(taken) > HOPELESS_MS:
            break
    return {**percentiles(taken), "statements": statements, "broken_off": broken_off}


def percentiles(taken: Sequence[float]) -> dict[str, float]:
    ordered = sorted(taken)
    middle, high = (ordered[math.ceil(len(ordered) * share) - 1] for share in (0.5, 0.95))
    return {"p50": round(middle, 2), "p95": round(high, 2), "max": round(ordered[-1], 2), "runs": len(ordered)}
