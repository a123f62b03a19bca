"""Loading the demonstration: as much as is asked for, in sandbox mode only, whole or not at all."""

from datetime import UTC, datetime
from random import Random

import pytest

from core.db import unit_of_work
from core.errors import Misconfigured
from core.repositories.billers import Billers
from core.repositories.demo import Demo
from core.services import demo
from core.settings import settings
from tests.demo.conftest import Sandbox, counts


def test_more_is_loaded_beside_it_only_when_asked_for(fresh: Sandbox) -> None:
    demo.load(300)
    demo.load(200, more=True)
    assert fresh.one("SELECT count(*) FROM transactions WHERE demo") == 500
    assert demo.load(100) == ["Demonstration data is there: 500 transactions."]


def test_the_same_seed_tells_the_same_stories(fresh: Sandbox) -> None:
    now, told = datetime(2026, 3, 1, 12, tzinfo=UTC), []
    for _ in range(2):
        with unit_of_work() as session:
            random = Random(7)
            teller, scribe = demo._storyteller(Demo(session), Billers(session), random, now, 200), demo._scribe(Demo(session), random)
            told.append([row for tale in teller.tell(200) for row in scribe.rows(tale) if not hasattr(row, "envelope")])
    assert told[0] == told[1]
    assert len(told[0]) > 1_000


def test_outside_sandbox_mode_nothing_is_loaded(fresh: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BILLERS_SANDBOX", "false")
    settings.cache_clear()
    with pytest.raises(Misconfigured, match="sandbox mode only"):
        demo.load(10)
    assert fresh.one("SELECT count(*) FROM transactions") == 0


def test_a_load_that_breaks_off_leaves_nothing_behind(fresh: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    before = counts(fresh)

    def break_off(_self: object) -> None:
        raise RuntimeError("the lights went out")

    monkeypatch.setattr("core.repositories.demo.Demo.analyze", break_off)
    with pytest.raises(RuntimeError, match="lights"):
        demo.load(300)
    assert counts(fresh) == before
