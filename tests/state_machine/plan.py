"""How much is tried: a little at each commit, far more on demand."""

from dataclasses import dataclass

import pytest


@dataclass(frozen=True)
class Plan:
    """`examples` lives of `steps` steps each. A failing life is cut down to the shortest that still fails."""

    examples: int = 100
    steps: int = 30
    # None: another order each time. A number repeats a run.
    seed: int | None = None


PLAN = pytest.StashKey[Plan]()
