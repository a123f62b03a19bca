"""`python -m tests.day --payments 5000`: the day by hand, in a world of its own, with its table on the screen."""

import argparse
import sys
from pathlib import Path

import pytest

from tests.day.plan import KEPT_IN, PLAN, Plan


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
    parser = argparse.ArgumentParser("python -m tests.day", description=__doc__)
    parser.add_argument("--payments", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=usual.seed)
    parser.add_argument("--rate", type=float, default=usual.rate, help="share of calls that meet a fault")
    parser.add_argument("--pace", type=float, default=usual.pace, help="payments a second")
    parser.add_argument("--result", type=Path, default=None, help="a directory for the pictures, the statements, the sheets and the table")
    asked = parser.parse_args()
    if asked.payments < usual.payments:
        parser.error(f"Fewer than {usual.payments} payments have no room for everything that is to go wrong.")
    plan = Plan(asked.payments, asked.seed, asked.rate, asked.pace)
    test = str(Path(__file__).parent / "test_day.py")
    return int(pytest.main(["-q", "-s", "-p", "no:cacheprovider", "--timeout=10800", test], plugins=[_Ordered(plan, asked.result)]))


if __name__ == "__main__":
    sys.exit(main())
