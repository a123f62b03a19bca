"""`python -m tests.state_machine --examples 5000 --steps 60`: the machine by hand, at any size, with its table on the screen."""

import argparse
import sys
from pathlib import Path

import pytest

from tests.state_machine.plan import PLAN, Plan


class _Ordered:
    """A pytest plugin that hands the plan over."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def pytest_configure(self, config: pytest.Config) -> None:
        config.stash[PLAN] = self._plan


def main() -> int:
    parser = argparse.ArgumentParser("python -m tests.state_machine", description=__doc__)
    parser.add_argument("--examples", type=int, default=5_000)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--seed", type=int)
    asked = parser.parse_args()
    plan = Plan(asked.examples, asked.steps, asked.seed)
    return int(pytest.main(["-q", "-s", "-p", "no:cacheprovider", "--timeout=86400", str(Path(__file__).parent)], plugins=[_Ordered(plan)]))


if __name__ == "__main__":
    sys.exit(main())
