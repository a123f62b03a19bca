"""300 payments while a third of all calls go wrong and workers and the database die: none is paid twice, none is lost, each comes to its end."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from sqlalchemy.engine import URL

from core import logs
from core.launch.embedded import EmbeddedPostgres
from core.settings import settings
from tests.campaign.campaign import KEPT_IN, PLAN, Campaign
from tests.campaign.city import City, new_city
from tests.campaign.figures import Plan


@pytest.fixture
def plan(request: pytest.FixtureRequest) -> Plan:
    return request.config.stash.get(PLAN, Plan())


@pytest.fixture
def city(server_url: URL, template: URL, tmp_path: Path, clean_environment: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[City]:
    with new_city(server_url, template, tmp_path, monkeypatch) as city:
        logs.configure(settings().billers_log_level)
        yield city
        structlog.reset_defaults()


@pytest.fixture
def embedded(server_url: URL) -> EmbeddedPostgres | None:
    """The tests' own server, which may be stopped; None where DATABASE_URL names somebody else's."""
    host = server_url.query.get("host")
    directory = Path(str(host)).parent if host else None
    return EmbeddedPostgres(directory, directory / "run") if directory and (directory / "pgdata").exists() else None


def test_a_campaign_of_faults_and_deaths_pays_each_bill_once(
    city: City, plan: Plan, embedded: EmbeddedPostgres | None, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        campaign = Campaign(city, plan, embedded)
        figures = campaign.run()
        print(f"\n{figures.table()}\n")
    if kept_in := request.config.stash.get(KEPT_IN, None):
        campaign.keep(figures, kept_in)
    assert not figures.breaches()
    assert not figures.shortfalls()
