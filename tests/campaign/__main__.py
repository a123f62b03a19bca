"""`python -m tests.campaign --payments 2000 --seed 7`: the campaign by hand, in a world of its own, with its table on the screen."""

import argparse
import sys
from pathlib import Path

import pytest

from tests.campaign.campaign import KEPT_IN, PLAN
from tests.campaign.figures import Plan

# 20,000 payments in 38 minutes: what is left of the hour is for the end, and for a slower machine.
PACE = 8.8


class _Ordered:
    """A pytest plugin that hands the plan over."""

    def __init__(self, plan: Plan, kept_in: Path | None) -> None:
        self._plan = plan
        self._kept_in = kept_in

    def pytest_configure(self, config: pytest.Config) -> None:
        config.stash[PLAN] = self._plan
        if self._kept_in is not None:
            config.stash[KEPT_IN] = self._kept_in


def main() -> int:
    usual = Plan()
    parser = argparse.ArgumentParser("python -m tests.campaign", description=__doc__)
    parser.add_argument("--payments", type=int, default=usual.payments)
    parser.add_argument("--seed", type=int, default=usual.seed)
    parser.add_argument("--rate", type=float, default=usual.rate, help="share of calls that meet a fault")
    parser.add_argument("--pace", type=float, default=PACE, help="payments a second")
    parser.add_argument("--result", type=Path, default=None, help="a directory for the figures as JSON, and for the ledgers if a promise broke")
    asked = parser.parse_args()
    if asked.payments < usual.payments:
        parser.error(f"Fewer than {usual.payments} payments cannot meet every kind of fault often enough.")
    plan = Plan(asked.payments, asked.seed, asked.rate, asked.pace)
    test = str(Path(__file__).parent / "test_campaign.py")
    return int(pytest.main(["-q", "-s", "-p", "no:cacheprovider", "--timeout=7200", test], plugins=[_Ordered(plan, asked.result)]))


if __name__ == "__main__":
    sys.exit(main())
