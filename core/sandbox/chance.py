"""Which call gets which fault: first what was ordered for the next calls, then chance, at a given rate."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random

from core.sandbox.faults import DRAWN


@dataclass(slots=True)
class Order:
    """A fault for the next `count` calls that match. None matches all."""

    biller: str
    operation: str
    fault: str
    count: int = 1
    account: str | None = None
    reference: str | None = None
    seconds: float | None = None

    def fits(self, biller: str, operation: str, account: str, reference: str) -> bool:
        return (self.biller, self.operation) == (biller, operation) and self.account in (None, account) and self.reference in (None, reference)


@dataclass(frozen=True, slots=True)
class Odds:
    """The rate of faults, of which kinds and where. None means all: of `kinds`, all that chance may draw."""

    rate: float = 0
    kinds: tuple[str, ...] | None = None
    seed: int = 0
    operations: frozenset[str] | None = None
    billers: frozenset[str] | None = None


class Deck:
    """The faults of one operation: shuffled once by the seed and dealt in turn, so that each kind comes as often as every other."""

    def __init__(self, kinds: Iterable[str], seed: str) -> None:
        self._random = Random(seed)  # noqa: S311 - chance that can be repeated is wanted here
        self._kinds = list(kinds)
        self._random.shuffle(self._kinds)
        self._dealt = 0

    def draw(self, rate: float) -> str | None:
        if self._random.random() >= rate:
            return None
        self._dealt += 1
        return self._kinds[(self._dealt - 1) % len(self._kinds)]


@dataclass(slots=True)
class Chance:
    odds: Odds = field(default_factory=Odds)
    orders: list[Order] = field(default_factory=list)
    # How often each fault was given, by (biller, operation, fault). Kept when faults are switched off: it is then that one wants to read it.
    counts: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    _decks: dict[tuple[str, str], Deck] = field(default_factory=dict)

    def play(self, odds: Odds) -> None:
        self.odds = odds
        self._decks.clear()

    def stop(self) -> None:
        self.play(Odds())
        self.orders.clear()

    def draw(self, biller: str, operation: str, account: str, reference: str) -> tuple[str, float | None] | None:
        """The fault for this call, and the seconds that were ordered with it. None: serve it faithfully."""
        drawn = self._ordered(biller, operation, account, reference) or self._by_odds(biller, operation)
        if drawn is not None:
            self.counts[biller, operation, drawn[0]] += 1
        return drawn

    def _ordered(self, biller: str, operation: str, account: str, reference: str) -> tuple[str, float | None] | None:
        for order in self.orders:
            if order.fits(biller, operation, account, reference):
                order.count -= 1
                if order.count == 0:
                    self.orders.remove(order)
                return order.fault, order.seconds
        return None

    def _by_odds(self, biller: str, operation: str) -> tuple[str, None] | None:
        odds = self.odds
        if odds.rate == 0 or biller not in (odds.billers or {biller}) or operation not in (odds.operations or {operation}):
            return None
        deck = self._decks.get((biller, operation))
        if deck is None:
            deck = self._decks[biller, operation] = Deck(odds.kinds or DRAWN, f"{odds.seed}/{biller}/{operation}")
        fault = deck.draw(odds.rate)
        return (fault, None) if fault else None
