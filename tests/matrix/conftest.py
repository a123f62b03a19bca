"""Worlds for the matrix, and the rule that each of its tests ends in the oracle."""

import re
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import URL

from tests.campaign import oracle
from tests.matrix.bank import BankTown, new_bank_town
from tests.matrix.town import Town, new_town
from tests.wire.conftest import certificates as certificates

NAMED = re.compile(r"test_[wpdch][0-9]{2}_")

PASSED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if call.when == "call":
        item.stash[PASSED] = report.passed
    return report


@pytest.fixture(autouse=True)
def asks_the_oracle(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A test that carries an id and never had its world judged proves nothing, so it fails."""
    examine, reports = oracle.examine, list[oracle.Report]()

    def recorded(*arguments: object, **named: object) -> oracle.Report:
        report = examine(*arguments, **named)  # type: ignore[arg-type]
        reports.append(report)
        return report

    monkeypatch.setattr(oracle, "examine", recorded)
    yield
    # One that failed has said why.
    if NAMED.match(request.node.name) and request.node.stash.get(PASSED, False):
        assert reports, "This test carries an id of the matrix, and never called the oracle."


@pytest.fixture(scope="module")
def shared_town(server_url: URL, template: URL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with pytest.MonkeyPatch.context() as patch, new_town(server_url, template, tmp_path_factory.mktemp("town"), patch) as town:
        yield town


@pytest.fixture
def town(shared_town: Town, clean_environment: None, monkeypatch: pytest.MonkeyPatch) -> Town:
    """The module's town, with this test's environment pointing at it."""
    shared_town.enter(monkeypatch)
    return shared_town


@pytest.fixture
def own_town(server_url: URL, template: URL, tmp_path: Path, clean_environment: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Town]:
    """For a test that leaves something behind which the oracle would hold against the others'."""
    with new_town(server_url, template, tmp_path, monkeypatch) as town:
        yield town


@pytest.fixture(scope="module")
def shared_bank_town(server_url: URL, template: URL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BankTown]:
    with pytest.MonkeyPatch.context() as patch, new_bank_town(server_url, template, tmp_path_factory.mktemp("bank"), patch) as town:
        yield town


@pytest.fixture
def bank_town(shared_bank_town: BankTown, clean_environment: None, monkeypatch: pytest.MonkeyPatch) -> BankTown:
    """The module's town that has a bank, with this test's environment pointing at it."""
    shared_bank_town.enter(monkeypatch)
    return shared_bank_town


@pytest.fixture
def own_bank_town(server_url: URL, template: URL, tmp_path: Path, clean_environment: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[BankTown]:
    with new_bank_town(server_url, template, tmp_path, monkeypatch) as town:
        yield town
