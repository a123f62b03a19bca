"""How often something may happen: a bucket of tokens for each who asks, in the memory of one process. It knows how long somebody has to wait."""

from collections.abc import Callable
from dataclasses import dataclass

from core import clock

# Who asks is made up by whoever asks: beyond so many, those that asked longest ago are forgotten.
MOST_KEYS = 50_000


@dataclass(frozen=True, slots=True)
class Rate:
    """`burst` at once, and `per_second` for ever."""

    burst: float
    per_second: float

    @property
    def full_after_seconds(self) -> float:
        return self.burst / self.per_second


class Buckets:
    """One bucket a key, all of one rate. A full one is nobody's: it is forgotten."""

    def __init__(self, rate: Rate, now: Callable[[], float] = clock.monotonic_seconds) -> None:
        self._rate = rate
        self._now = now
        # Tokens left, and when that was; who asked last stands last.
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, key: str) -> float:
        """Takes one and returns 0; or takes none, and returns the seconds until there is one."""
        now = self._now()
        self._forget(now)
        left, since = self._left.pop(key, (self._rate.burst, now))
        left = min(self._rate.burst, left + (now - since) * self._rate.per_second)
        wait = 0.0 if left >= 1 else (1 - left) / self._rate.per_second
        self._left[key] = (left if wait else left - 1, now)
        return wait

    def _forget(self, now: float) -> None:
        while self._left:
            oldest = next(iter(self._left))
            if len(self._left) < MOST_KEYS and now - self._left[oldest][1] < self._rate.full_after_seconds:
                return
            del self._left[oldest]

    def __len__(self) -> int:
        return len(self._left)
