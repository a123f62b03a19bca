"""`python -m tests.campaign --payments 300 --seed 7`: the campaign by hand, in a world of its own, with its table on the screen."""

import argparse
import sys
from pathlib import Path

import pytest

from tests.campaign.campaign import PLAN, Plan


class _Ordered:
    """A pytest plugin that hands the plan over."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def pytest_configure(self, config: pytest.Config) -> None:
        config.stash[PLAN] = self._plan


def main() -> int:
    usual = Plan()
    parser = argparse.ArgumentParser("python -m tests.campaign", description=__doc__)
    parser.add_argument("--payments", type=int, default=usual.payments)
    parser.add_argument("--seed", type=int, default=usual.seed)
    parser.add_argument("--rate", type=float, default=usual.rate, help="share of calls that meet a fault")
    parser.add_argument("--kills", type=int, default=usual.kills, help="workers to kill between intent and outcome")
    parser.add_argument("--database-stops", type=int, default=usual.database_stops)
    asked = parser.parse_args()
    # Fewer payments than usual cannot meet every kind of fault so often.
    of_a_kind = min(usual.faults_of_a_kind, asked.payments // 60)
    plan = Plan(asked.payments, asked.seed, asked.rate, asked.kills, of_a_kind, asked.database_stops)
    return int(pytest.main(["-q", "-s", "-p", "no:cacheprovider", "--timeout=7200", str(Path(__file__).parent / "test_campaign.py")], plugins=[_Ordered(plan)]))


if __name__ == "__main__":
    sys.exit(main())
