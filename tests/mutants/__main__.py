"""`make mutants`: prints a row for each mutant, and fails unless every one was noticed and the tests pass where nothing was changed."""

import sys

from core import clock
from tests.mutants.runner import Run, run_all
from tests.mutants.table import MUTANTS


def main() -> int:
    asked = sys.argv[1:]
    chosen = {name: mutant for name, mutant in MUTANTS.items() if not asked or name in asked}
    if unknown := set(asked) - set(MUTANTS):
        print(f"There is no mutant {', '.join(sorted(unknown))}. Known: {', '.join(MUTANTS)}.", file=sys.stderr)
        return 2
    began = clock.monotonic_seconds()
    control, ran = run_all(chosen)
    print(f"\n{'mutant':<32}{'':>8}{'seconds':>9}  noticed by")
    for name, run in ran.items():
        print(f"{name:<32}{'caught' if run.is_caught else 'MISSED':>8}{run.seconds:>9.1f}  {_told(run)}")
    caught = sum(run.is_caught for run in ran.values())
    print(f"{'nothing changed':<32}{'green' if control.is_green else 'RED':>8}{control.seconds:>9.1f}  {control.passed} tests pass")
    print(f"\n{caught} of {len(ran)} caught in {clock.monotonic_seconds() - began:.0f} s.")
    for run in [control, *ran.values()]:
        if not (run.is_green if run is control else run.is_caught):
            print(f"\n{run.output[-3_000:]}", file=sys.stderr)
    return 0 if caught == len(ran) and control.is_green else 1


def _told(run: Run) -> str:
    if run.is_caught:
        return f"{run.noticed_by}: {run.why}"
    return "every test passed" if run.is_green else f"pytest ended with {run.exit_code}, and no test could say why"


if __name__ == "__main__":
    sys.exit(main())
