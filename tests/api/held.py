"""Schemathesis in front of the real thing: every operation, by a token with every right, until so many requests were made."""

import json
import os
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from core.settings import CHECKOUT
from tests.api.conftest import API, Bank, Program

# Above the accounts of other tests.
FIRST_NUMBER = 500_000

TOKENS = 8


@dataclass
class Held:
    """What came of it: how often each operation answered what, and what schemathesis says."""

    said: str
    found_nothing: bool
    statuses: Mapping[str, Counter[int]]

    @property
    def examples(self) -> int:
        return sum(sum(one.values()) for one in self.statuses.values())

    def lacking(self, first: str) -> list[str]:
        """The operations that no answer of this hundred was seen of."""
        return sorted(label for label, seen in self.statuses.items() if not any(str(status).startswith(first) for status in seen))

    def table(self) -> str:
        lines = [f"{label:<45} {' '.join(f'{status}×{count}' for status, count in sorted(seen.items()))}" for label, seen in sorted(self.statuses.items())]
        return "\n".join([*lines, f"{self.examples} requests of {len(self.statuses)} operations"])


def operations_of(program: Program) -> set[str]:
    made = program.get("/openapi.json").json()
    return {f"{method.upper()} {path}" for path, methods in made["paths"].items() for method in methods}


def facts_for(bank: Bank, program: Program, directory: Path) -> Path:
    """What exists, for tests.api.hooks."""
    configs = program.get("/configs").json()["items"]
    bill = program.bill()
    paid = program.pay(bill, "held-paid-0001").json()
    refused = program.pay(program.bill("10020004"), "held-failed-01").json()
    assert (paid["status"], refused["status"]) == ("COMPLETED", "FAILED"), (paid, refused)
    facts = {
        "url": f"{bank.console}{API}",
        "base_path": API,
        "answers": str(directory / "answers.jsonl"),
        "tokens": [program.secret, *(bank.program(owner=program.owner).secret for _ in range(TOKENS - 1))],
        "other_token": bank.program().secret,
        "first_number": FIRST_NUMBER,
        # Other tests leave drafts of the same billers behind: what two people have looked at is what an operation is met in its success with.
        "configs": {one["content"]["biller_type"]: one["id"] for one in configs if one["is_approved"]},
        "content": next(one["content"] for one in configs if one["content"]["biller_type"] == "LWB_POSTPAID" and one["is_approved"]),
        "paid": paid["id"],
        "failed": refused["id"],
    }
    (directory / "openapi.json").write_text(program.get("/openapi.json").text)
    path = directory / "facts.json"
    path.write_text(json.dumps(facts))
    return path


def hold(bank: Bank, directory: Path, examples: int, seed: int) -> Held:
    """`examples` of each operation and phase at most; how many there were in all is counted from the answers."""
    program = bank.program()
    facts = facts_for(bank, program, directory)
    environment = {**os.environ, "BILLERS_HELD": str(facts), "SCHEMATHESIS_HOOKS": "tests.api.hooks", "PYTHONPATH": str(CHECKOUT)}  # noqa: TID251
    command = [
        *(str(Path(sys.executable).parent / "schemathesis"), "--config-file", str(CHECKOUT / "tests" / "api" / "schemathesis.toml")),
        *("run", str(directory / "openapi.json"), "--url", f"{bank.console}{API}"),
        *("--checks", "all", "--exclude-checks", "object_level_authorization", "--continue-on-failure", "--no-shrink", "--suppress-health-check", "all"),
        *("--max-examples", str(examples), "--seed", str(seed), "--request-timeout", "40", "--no-color", "--warnings", "off"),
    ]
    done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)
    seen: dict[str, Counter[int]] = defaultdict(Counter)
    for label in operations_of(program):
        seen[label] = Counter()
    for line in (directory / "answers.jsonl").read_text().splitlines():
        label, status = json.loads(line)
        seen[label][status] += 1
    return Held(done.stdout + done.stderr, done.returncode == 0, seen)
