"""Counters for the machine's lives, and how many of those there shall be."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import URL

from tests.state_machine.counter import Counters
from tests.state_machine.counter import counters as counters_until
from tests.state_machine.plan import PLAN, Plan


@pytest.fixture
def plan(request: pytest.FixtureRequest) -> Plan:
    return request.config.stash.get(PLAN, Plan())


@pytest.fixture
def counters(server_url: URL, template: URL, tmp_path: Path, clean_environment: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Counters]:
    with counters_until(server_url, template, tmp_path, monkeypatch) as made:
        yield made
