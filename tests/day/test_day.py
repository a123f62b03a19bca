"""A day of payments with faults is closed to no open difference by following the console, and everybody was told of everything once."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from playwright.sync_api import expect
from sqlalchemy.engine import URL

from core import logs
from core.settings import settings
from tests.day.bank import Bank, new_bank
from tests.day.day import Day
from tests.day.people import PATIENCE_MS
from tests.day.plan import KEPT_IN, PLAN, Plan


@pytest.fixture
def plan(request: pytest.FixtureRequest) -> Plan:
    return request.config.stash.get(PLAN, Plan())


@pytest.fixture
def bank(server_url: URL, template: URL, clean_environment: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bank]:
    directory = Path(tempfile.mkdtemp(prefix="billers-day-", dir="/var/tmp"))
    try:
        with new_bank(server_url, template, directory, monkeypatch) as bank:
            logs.configure(settings().billers_log_level)
            yield bank
            structlog.reset_defaults()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.mark.browser
def test_a_day_is_closed_to_no_open_difference_and_everybody_was_told_once(
    bank: Bank, plan: Plan, request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expect.set_options(timeout=PATIENCE_MS)
    kept_in = request.config.stash.get(KEPT_IN, tmp_path)
    kept_in.mkdir(parents=True, exist_ok=True)
    with capsys.disabled():
        figures = Day(bank, plan, kept_in).run()
        print(f"\n{figures.table()}\n")
        (kept_in / "day.txt").write_text(figures.table())
    assert not figures.wrong
    assert not figures.shortfalls()
