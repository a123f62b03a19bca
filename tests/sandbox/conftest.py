"""One sandbox for all tests that leave it running, set back before each; one of its own for those that kill it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from running_sandbox import Sandbox

# Long enough to be told apart from an answer at once, short enough to wait for.
QUICK = {"hang_seconds": 0.3, "slow_seconds": 0.3, "drip_seconds": 0.0005, "late_seconds": 0.3, "asks_until_done": 2}
AS_DEFAULT = {"deduplicates": "no", "inquiry_lag_seconds": 0, "inquiry_lies": False, "down": False, "fault_status": 500}


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    sandbox = Sandbox(tmp_path_factory.mktemp("sandbox"))
    sandbox.start()
    yield sandbox
    assert sandbox.stop() == 0


@pytest.fixture
def sandbox(running: Sandbox) -> Sandbox:
    running.control("DELETE", "/faults")
    running.control("DELETE", "/faults/counts")
    running.control("PUT", "/settings", QUICK)
    for biller in running.control("GET", "/health")[1]["billers"]:
        running.control("PUT", f"/billers/{biller}", AS_DEFAULT)
    return running


@pytest.fixture
def own_sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    sandbox = Sandbox(tmp_path / "sandbox")
    sandbox.start()
    yield sandbox
    if sandbox.process.poll() is None:
        sandbox.stop()
