"""`python -m tests.campaign --payments 2000 --seed 7`: the campaign by hand, in a world of its own, with its table on the screen."""

import argparse
import sys
from pathlib import Path

from tests import by_hand
from tests.campaign.campaign import KEPT_IN, PLAN
from tests.campaign.figures import Plan

# 20,000 payments in 38 minutes: what is left of the hour is for the end, and for a slower machine.
PACE = 8.8


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
    return by_hand.run(Path(__file__).parent / "test_campaign.py", {PLAN: plan, KEPT_IN: asked.result}, 7200)


if __name__ == "__main__":
    sys.exit(main())
