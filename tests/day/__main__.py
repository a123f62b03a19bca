"""`python -m tests.day --payments 5000`: the day by hand, in a world of its own, with its table on the screen."""

import argparse
import sys
from pathlib import Path

from tests import by_hand
from tests.day.plan import KEPT_IN, PLAN, Plan


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
    return by_hand.run(Path(__file__).parent / "test_day.py", {PLAN: plan, KEPT_IN: asked.result}, 10800)


if __name__ == "__main__":
    sys.exit(main())
