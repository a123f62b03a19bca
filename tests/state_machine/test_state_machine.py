"""Whatever order operators, workers, billers, administrators and the clock act in: no bill is paid twice, and every status is true at every step."""

from collections import Counter as Tally

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.state_machine.counter import Counters
from tests.state_machine.machine import machine_at
from tests.state_machine.plan import Plan

# After so many lives Hypothesis begins to live each again five times with one of its steps repeated. Begun anew, it sees more of the world in the same time.
AT_ONCE = 10


@pytest.mark.timeout(86_400)
def test_no_order_of_steps_pays_a_bill_twice_or_breaks_a_promise(counters: Counters, plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    how = settings(
        max_examples=AT_ONCE,
        stateful_step_count=plan.steps,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    for _ in range(plan.examples // AT_ONCE):
        run_state_machine_as_test(machine_at(counters), settings=how)
    with capsys.disabled():
        print(f"\n{table(counters.tally, plan)}\n")


def table(tally: Tally[str], plan: Plan) -> str:
    rows = [f"  {count:>8,}  {what}" for what, count in sorted(tally.items())]
    return "\n".join([f"{plan.examples:,} lives of {plan.steps} steps:", *rows])
