"""`billers config`: whoever runs the machine sees what waits, and decides where a bank has one administrator only."""

from typer.testing import CliRunner, Result

from core.access import Actor
from core.cli import app
from core.services import configurations
from core.services.configurations import Configuration
from tests.configurations.conftest import OTHER_HOST, row

WHY = "Letter of the water board of 20 Nov."


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["config", *arguments])


def propose(administrator: Actor, active: Configuration) -> str:
    saved = configurations.edit(administrator, active.id, 2, {**active.content, "base_url": OTHER_HOST}, {"password": "another-lantern"}, WHY)
    return str(saved.proposal)


def test_it_shows_what_waits_before_and_after(administrator: Actor, active: Configuration) -> None:
    assert run().stdout == "No change of a configuration waits.\n"
    number = propose(administrator, active)
    told = run().stdout
    assert told.startswith(f"{number}  LWB postpaid: proposed by Limbani Chirwa, until ")
    assert f"UTC. {WHY}" in told
    assert f'    base_url: "https://api.lwb.example/v2" → "{OTHER_HOST}"\n    authentication: changed\n' in told
    assert "lantern" not in told
    configurations.pause(administrator, active.id, 2, "Maintenance.")
    assert "It has changed since, and can only be rejected." in run().stdout


def test_a_first_activation_shows_everything_it_says(administrator: Actor, one: Configuration) -> None:
    configurations.propose_activation(administrator, one.id, 1, "It is tested.")
    assert '    validation_rules.amount_max: null → "1000000.00"\n' in run().stdout


def test_it_approves(administrator: Actor, active: Configuration) -> None:
    number = propose(administrator, active)
    assert run("approve", number).stdout == f"Change {number} is approved: it is version 3 now.\n"
    assert row(active.id).base_url == OTHER_HOST
    again = run("approve", number)
    assert (again.exit_code, again.stderr) == (1, "It was decided meanwhile. The configuration's history tells how.\n")


def test_it_rejects_with_a_reason(administrator: Actor, active: Configuration) -> None:
    number = propose(administrator, active)
    assert run("reject", number, "--reason", " ").exit_code == 1
    assert run("reject", number, "--reason", "Not announced.").stdout == f"Change {number} is rejected: the configuration stays as it is.\n"
    assert row(active.id).version == 2
    assert run("reject", number).exit_code == 2, "a reason is asked for"
