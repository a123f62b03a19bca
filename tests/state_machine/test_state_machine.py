"""Whatever order operators, workers, billers, administrators and the clock act in: no bill is paid twice, and every status is true at every step."""

from collections import Counter as Tally

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from core.states import PAYMENT_PLACES
from tests.state_machine.counter import Counters
from tests.state_machine.machine import FAULTS, machine_at
from tests.state_machine.plan import Plan

# After so many lives Hypothesis begins to live each again five times with one of its steps repeated. Begun anew, it sees more of the world in the same
# time.
AT_ONCE = 10

# Of a hundred lives at least so many. They are far below what is usual: fewer would mean that next to nothing happened.
LEAST = {
    "paid": 100,
    "clicked again": 10,
    "sent": 100,
    "sent, and no answer": 30,
    "asked": 10,
    "met a fault": 30,
    "killed": 20,
    "went on with a claim": 3,
    "concluded later": 5,
    "concluded twice": 5,
    "ended in COMPLETED": 50,
    "ended in FAILED": 5,
    "ended in REVERSED": 2,
}
# Where a payment must have stood at the least, seen at the end of a step: those that stand for long enough.
STOOD = {"QUEUED", "DEBIT_SENDING", "DEBIT_UNKNOWN", "DEBITED", "PAY_SENDING", "PAY_UNKNOWN", "REVIEW", "COMPLETED", "FAILED"}


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
    for number in range(-(-plan.examples // AT_ONCE)):
        machine = machine_at(counters)
        # What a run is repeated by; without one each run sees another part of the world.
        run_state_machine_as_test(machine if plan.seed is None else seed(plan.seed + number)(machine), settings=how)
    with capsys.disabled():
        print(f"\n{table(counters.tally, plan)}\n")
    assert not shortfalls(counters.tally, plan)


def shortfalls(tally: Tally[str], plan: Plan) -> list[str]:
    """What happened too seldom for this to prove anything. Nothing is asked of a run that is smaller than each commit's."""
    if plan.examples < Plan().examples:
        return []
    seldom = [f"{what}: {tally[what]}, and {least} at the least" for what, least in LEAST.items() if tally[what] < least]
    return [*seldom, *(f"nothing stood in {stage}" for stage in sorted(STOOD) if not tally[f"stood in {stage}"])]


def table(tally: Tally[str], plan: Plan) -> str:
    """One line for each thing that was done, and what stages and faults were met."""
    listed = {what: count for what, count in tally.items() if not what.startswith(("stood in ", "fault "))}
    stood = [stage for stage in PAYMENT_PLACES if tally[f"stood in {stage}"]]
    met = [fault for fault in FAULTS if tally[f"fault {fault}"]]
    rows = [f"  {count:>8,}  {what}" for what, count in sorted(listed.items())]
    rows += [f"  {len(stood):>8,}  of {len(PAYMENT_PLACES)} stages stood in", f"  {len(met):>8,}  of {len(FAULTS)} kinds of faults met"]
    return "\n".join([f"{plan.examples:,} lives of {plan.steps} steps:", *rows])
