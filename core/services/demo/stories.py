"""Draws who comes when, and how it ends. The same seed and the same moment give the same stories."""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import accumulate
from random import Random
from typing import NamedTuple
from zoneinfo import ZoneInfo

from core.models.snapshot import AccountType, Snapshot
from core.services.demo import endings, world
from core.services.demo.days import weeks
from core.services.demo.endings import Ending, Step
from core.services.demo.world import Crowd, Customer, Price, Said, Trade
from core.states import TransactionType
from core.wire.contract import Flow, Outcome, Verb, flow_of

QUESTION_OF: Mapping[Flow, TransactionType] = {
    Flow.PLAIN: TransactionType.ACCOUNT_DETAILS,
    Flow.INVOICE: TransactionType.GET_INVOICE,
    Flow.BUNDLE: TransactionType.BUNDLE_DETAILS,
    Flow.NONE: TransactionType.ACCOUNT_DETAILS,
}
PAYMENT_OF: Mapping[Flow, TransactionType] = {
    Flow.PLAIN: TransactionType.POST_TRANSACTION,
    Flow.INVOICE: TransactionType.CONFIRM_INVOICE,
    Flow.BUNDLE: TransactionType.CONFIRM_BUNDLE,
}

# How long somebody at the counter looks at an answer before they pay, in seconds.
LOOKS_AT_IT = (12.0, 75.0)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody of the sandbox; `share` is how much of the work at the counter is theirs."""

    id: uuid.UUID
    name: str
    share: float


@dataclass(frozen=True)
class Market:
    """A biller as it is configured, and its business."""

    config_id: uuid.UUID
    version: int
    snapshot: Snapshot
    verbs: frozenset[Verb]
    trade: Trade
    customers: Crowd
    # How often whoever comes does so for the busiest account of all, beyond what Zipf's law gives it.
    council: float = 0.0

    @cached_property
    def flow(self) -> Flow:
        return flow_of(self.verbs)

    @cached_property
    def account_types(self) -> Sequence[AccountType | None]:
        """The kinds of accounts, each as often as the trade says; a kind that is not configured is nobody's."""
        configured = {one.code: one for one in self.snapshot.validation_rules.account_types}
        return [configured[code] for code, share in self.trade.account_types.items() if code in configured for _ in range(share)] or [None]

    @cached_property
    def chances(self) -> Sequence[tuple[Ending, float]]:
        """How often a payment goes another way than the usual. Whoever cannot be asked leaves nothing in doubt here, since doubt there does not end."""
        can_ask, can_reverse, trouble = Verb.STATUS in self.verbs, Verb.REVERSE in self.verbs, self.trade.trouble
        return (
            (endings.EXPIRED, world.EXPIRED * trouble),
            (endings.REFUSED, world.REFUSED * trouble),
            (endings.CANCELLED, world.CANCELLED if can_reverse else world.CANCELLED + world.REVERSED),
            (endings.REVERSED, world.REVERSED if can_reverse else 0.0),
            (endings.PAID_AFTER_DOUBT, world.CONFIRMED_AFTER_DOUBT if can_ask else 0.0),
            (endings.PAID_LATER, world.CONFIRMED_LATER if can_ask else 0.0),
        )


class Visit(NamedTuple):
    """Somebody comes: to ask, to pay, or both. Known before it is known when."""

    market: Market
    asks: bool
    pays: bool


class Scene(NamedTuple):
    """Who pays what to whom, and who serves them."""

    market: Market
    customer: Customer
    account_type: AccountType | None
    price: Price
    person: Person


class Call(NamedTuple):
    """One request and its answer within a story, in seconds since its beginning."""

    step: Step
    sent: float
    answered: float


class Tale(NamedTuple):
    """One transaction. `steps` are seconds since it `begun`, one for each of the ending's."""

    scene: Scene
    kind: TransactionType
    ending: Ending
    steps: Sequence[float]
    calls: Sequence[Call]
    begun: datetime
    refusal: Said | None

    def at(self, seconds: float) -> datetime:
        return self.begun + timedelta(seconds=seconds)


@dataclass(frozen=True)
class Storyteller:
    """`people` serve at the counter; `now` is when the last story may end."""

    random: Random
    markets: Sequence[Market]
    people: Sequence[Person]
    now: datetime
    zone: ZoneInfo

    def tell(self, count: int) -> Iterator[Tale]:
        """Exactly `count` of them, visit by visit in the order of time."""
        for week in weeks(self.random, count, self.now, self.zone):
            visits = list(self._visits(week.rows))
            for visit, moment in zip(visits, week.moments(self.random, len(visits)), strict=True):
                yield from self._tell_visit(visit, moment)

    def _visits(self, count: int) -> Iterator[Visit]:
        shares = list(accumulate(market.trade.share for market in self.markets))
        left = count
        while left:
            market = self.random.choices(self.markets, cum_weights=shares)[0]
            pays = market.flow is not Flow.NONE
            asks = not pays or (left > 1 and self.random.random() < world.ASKS_FIRST)
            if asks and pays and self.random.random() < world.NOT_FOUND:
                pays = False
            left -= asks + pays
            yield Visit(market, asks, pays)

    def _tell_visit(self, visit: Visit, moment: datetime) -> Iterator[Tale]:
        market, trade = visit.market, visit.market.trade
        scene, is_bad = self._scene(market), self._is_bad(market, moment)
        told, elapsed = [], 0.0
        if visit.asks:
            ending = self._answered(visit)
            steps, calls = self._course(market, ending, is_bad)
            told.append((0.0, QUESTION_OF[market.flow], ending, steps, calls, trade.unknown if ending.is_refused else None))
            elapsed = steps[-1] + self.random.uniform(*LOOKS_AT_IT)
        if visit.pays:
            ending = self._paid(market, is_bad)
            steps, calls = self._course(market, ending, is_bad)
            told.append((elapsed, PAYMENT_OF[market.flow], ending, steps, calls, self.random.choice(trade.refusals) if ending.is_refused else None))
        # Whatever ends, has ended by now.
        begun = min(moment, self.now - timedelta(seconds=told[-1][0] + told[-1][3][-1]))
        for start, kind, ending, steps, calls, refusal in told:
            yield Tale(scene, kind, ending, steps, calls, begun + timedelta(seconds=start), refusal)

    def _scene(self, market: Market) -> Scene:
        random = self.random
        is_council = market.council and random.random() < market.council
        customer = market.customers.at(0) if is_council else world.busy_one(random, market.customers)
        person = random.choices(self.people, cum_weights=self._shares)[0]
        return Scene(market, customer, random.choice(market.account_types), market.trade.price(random, customer), person)

    @cached_property
    def _shares(self) -> Sequence[float]:
        return list(accumulate(one.share for one in self.people))

    def _is_bad(self, market: Market, moment: datetime) -> bool:
        return any(since <= moment < until for since, until in self._bad_afternoons.get(market.snapshot.biller_type, ()))

    @cached_property
    def _bad_afternoons(self) -> Mapping[str, Sequence[tuple[datetime, datetime]]]:
        midnight = self.now.astimezone(self.zone).replace(hour=0, minute=0, second=0, microsecond=0)
        found: dict[str, list[tuple[datetime, datetime]]] = {}
        for bad in world.BAD_AFTERNOONS:
            since, until = (midnight - timedelta(days=bad.days_ago) + timedelta(hours=hour) for hour in (bad.since, bad.until))
            found.setdefault(bad.biller, []).append((since.astimezone(UTC), until.astimezone(UTC)))
        return found

    def _answered(self, visit: Visit) -> Ending:
        found = visit.pays or (visit.market.flow is Flow.NONE and self.random.random() >= world.NOT_FOUND)
        return endings.ANSWERED if found else endings.NOT_ANSWERED

    def _paid(self, market: Market, is_bad: bool) -> Ending:
        if is_bad and self.random.random() < world.LOST_IN_A_BAD_AFTERNOON:
            return endings.EXPIRED
        chance = self.random.random()
        for ending, share in market.chances:
            if chance < share:
                return ending
            chance -= share
        return endings.PAID

    def _course(self, market: Market, ending: Ending, is_bad: bool) -> tuple[Sequence[float], Sequence[Call]]:
        """When each step happens, and the calls in between, in seconds since the beginning."""
        elapsed, steps, calls = 0.0, [], []
        for step in ending.steps:
            if step.wait:
                elapsed += self.random.uniform(*step.wait)
            if step.asks:
                sent, elapsed = elapsed, elapsed + self._answer_seconds(market, step, is_bad)
                calls.append(Call(step, sent, elapsed))
            steps.append(elapsed)
        return steps, calls

    def _answer_seconds(self, market: Market, step: Step, is_bad: bool) -> float:
        deadline = market.snapshot.timeout_ms / 1000
        if step.outcome is Outcome.UNKNOWN:
            return deadline
        seconds = market.trade.answer_ms / 1000 * self.random.lognormvariate(0, world.SPREAD)
        if self.random.random() < world.SLOW:
            seconds *= world.SLOWER_BY
        if is_bad:
            seconds *= world.SLOWER_IN_A_BAD_AFTERNOON
        return min(seconds, deadline * 0.95)
