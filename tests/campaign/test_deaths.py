"""`kill -9` of the worker at each point of a payment's way, with the biller acting and not: one effect, and the truth in the end."""

import signal
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy.engine import URL

from core.services import payments
from core.states import Stage
from tests.campaign.harness import World, new_world, until
from tests.campaign.mortality import POINTS

# A fault ordered for the payment's first request; None: the biller acts and answers.
ACTING = {"P08": "act_then_hang"}
NOT_ACTING = {"P04": "hang_without_acting", "P08": "hang_without_acting"}

CASES = [f"{point}-{biller}" for point in POINTS for biller in ("acting", "not-acting")]


@dataclass(frozen=True)
class Death:
    """One worker's end, and the payment it was at."""

    transaction_id: uuid.UUID
    exit_code: int
    stage_found: Stage


@dataclass(frozen=True)
class Aftermath:
    world: World
    deaths: Mapping[str, Death]


@pytest.fixture(scope="module")
def aftermath(server_url: URL, template: URL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aftermath]:
    """All deaths, one after the other; then one worker that lives settles whatever they left."""
    directory: Path = tmp_path_factory.mktemp("deaths")
    with pytest.MonkeyPatch.context() as patch, new_world(server_url, template, directory, patch) as world:
        deaths = {case: _die_at(world, case, f"7000{number:04d}") for number, case in enumerate(CASES)}
        survivor = world.start_worker().wait_ready()
        for death in deaths.values():
            until(lambda death=death: _settled(world, death.transaction_id), world.tell(death.transaction_id))
        survivor.stop()
        yield Aftermath(world, deaths)


def _settled(world: World, transaction_id: uuid.UUID) -> bool:
    """As somebody who keeps the payment open on the screen: each look has the biller asked, where that is due."""
    payments.check_now(world.manager, transaction_id)
    return world.stage(transaction_id) in (Stage.COMPLETED, Stage.FAILED, Stage.REVIEW)


def _die_at(world: World, case: str, account: str) -> Death:
    point, _, biller = case.partition("-")
    fault = ACTING.get(point) if biller == "acting" else NOT_ACTING.get(point, "500_without_acting")
    if fault:
        world.sandbox.next(fault, operation="PostTransaction", account=account)
    paid = world.pay_by_hand(account)
    mortal = world.start_worker("tests.campaign.mortal_worker", MORTAL_AT=point, MORTAL_REFERENCE=world.find(paid).our_transaction_id)
    until(lambda: not mortal.is_running, f"the worker dies {POINTS[point]}")
    return Death(paid, mortal.wait(), world.stage(paid))


@pytest.mark.parametrize("case", CASES)
def test_a_worker_killed_there_leaves_one_effect_and_the_truth(aftermath: Aftermath, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    world, death = aftermath.world, aftermath.deaths[case]
    world.enter(monkeypatch)
    assert death.exit_code == -signal.SIGKILL
    assert world.stage(death.transaction_id) is Stage.COMPLETED, world.tell(death.transaction_id)
    assert [entry["kind"] for entry in world.ledger(death.transaction_id)] == ["PAY"]
    world.judge().assert_all_well()


# What the dead worker left behind proves that it died where it was to die.
LEFT_IN: Mapping[str, frozenset[Stage]] = {
    "P01": frozenset({Stage.QUEUED}),
    "P02": frozenset({Stage.PAY_SENDING}),
    "P03": frozenset({Stage.PAY_SENDING}),
    "P04": frozenset({Stage.PAY_SENDING}),
    "P05": frozenset({Stage.PAY_SENDING}),
    "P06": frozenset({Stage.PAY_SENDING}),
    "P07": frozenset({Stage.COMPLETED, Stage.PAY_UNKNOWN}),
    "P08": frozenset({Stage.PAY_UNKNOWN}),
}


@pytest.mark.parametrize("case", CASES)
def test_it_died_where_it_was_to_die(aftermath: Aftermath, case: str) -> None:
    assert aftermath.deaths[case].stage_found in LEFT_IN[case.partition("-")[0]]
