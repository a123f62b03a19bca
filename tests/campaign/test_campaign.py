"""300 payments while a third of all calls go wrong and workers and the database die: none is paid twice, none is lost, each comes to its end."""

from pathlib import Path

import pytest
from sqlalchemy.engine import URL

from core.launch.embedded import EmbeddedPostgres
from tests.campaign.campaign import PLAN, Campaign, Plan
from tests.campaign.harness import World


@pytest.fixture
def plan(request: pytest.FixtureRequest) -> Plan:
    return request.config.stash.get(PLAN, Plan())


@pytest.fixture
def embedded(server_url: URL) -> EmbeddedPostgres | None:
    """The tests' own server, which may be stopped; None where DATABASE_URL names somebody else's."""
    host = server_url.query.get("host")
    directory = Path(str(host)).parent if host else None
    return EmbeddedPostgres(directory, directory / "run") if directory and (directory / "pgdata").exists() else None


def test_a_campaign_of_faults_and_deaths_pays_each_bill_once(
    own_world: World, plan: Plan, embedded: EmbeddedPostgres | None, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = Campaign(own_world, plan, embedded).run()
    with capsys.disabled():
        print(f"\n{figures.table()}\n")
    figures.report.assert_all_well()
    assert figures.report.review == 0
    assert not figures.shortfalls()
