"""What pages ask at each rerun is kept while nothing changes, forgotten when anything does, and never what decides about money."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import text

from core import db
from core.access import Actor
from core.services import biller_cache, billers, claims, configuration_approvals, configurations, settlement
from core.services.biller_cache import BillerCache
from core.services.breakers import Breakers
from core.services.configurations import Configuration
from core.states import Stage
from core.wire.contract import Outcome
from tests.configurations.conftest import seeded, switch_on
from tests.payments.bench import CODE, Bench
from tests.world import Database, statements

# Far longer than any of it takes.
SECONDS = 20


@pytest.fixture
def cache(administrator: Actor, monkeypatch: pytest.MonkeyPatch) -> Iterator[BillerCache]:
    """The process's own, listening to this test's database."""
    made = BillerCache()
    for module in (biller_cache, billers):
        monkeypatch.setattr(module, "CACHE", made)
    made.start()
    assert made.await_turn(on=True, seconds=SECONDS)
    yield made
    made.stop()


def wait_until(condition: Callable[[], bool]) -> None:
    tick = threading.Event()
    for _ in range(SECONDS * 100):
        if condition():
            return
        tick.wait(0.01)
    raise AssertionError("It did not happen.")


def is_offered(actor: Actor, one: Configuration) -> bool:
    return any(card.code == one.snapshot.biller_type for card in billers.list_billers(actor))


def test_a_page_that_asks_again_asks_the_database_nothing(administrator: Actor, cache: BillerCache) -> None:
    first = billers.list_billers(administrator), billers.biller_names(administrator)
    with statements() as sent:
        for _ in range(100):
            assert (billers.list_billers(administrator), billers.biller_names(administrator)) == first
    assert sent == []


def test_without_a_listener_every_question_goes_to_the_database(administrator: Actor) -> None:
    billers.list_billers(administrator)
    with statements() as sent:
        billers.list_billers(administrator)
    assert len(sent) == 2


def test_a_change_by_another_connection_is_heard_of(administrator: Actor, cache: BillerCache, one: Configuration, database: Database) -> None:
    """As another process makes it: the row, and the word of it, in one transaction."""
    assert not is_offered(administrator, one)
    with database.connect() as other, other.transaction():
        other.execute("UPDATE biller_configs SET is_active = true WHERE id = %s", [one.id])
        other.execute(f"NOTIFY {biller_cache.CHANNEL}")
    wait_until(lambda: is_offered(administrator, one))


@pytest.mark.usefixtures("cache")
def test_every_change_of_a_configuration_is_seen_by_who_made_it_at_once(administrator: Actor, colleague: Actor, one: Configuration) -> None:
    assert not is_offered(administrator, one)
    switch_on(administrator, colleague, one)
    assert is_offered(administrator, one)
    configurations.pause(administrator, one.id, 2, "Maintenance until 14:00.")
    assert [card.paused_because for card in billers.list_billers(administrator)] == ["Maintenance until 14:00."]
    configurations.resume(administrator, one.id, 3)
    assert [card.paused_because for card in billers.list_billers(administrator)] == [None]
    configurations.edit(administrator, one.id, 4, {**one.content, "display_name": "LWB, renamed"})
    assert [card.snapshot.display_name for card in billers.list_billers(administrator)] == ["LWB, renamed"]
    configurations.deactivate(administrator, one.id, 5)
    assert not is_offered(administrator, one)


@pytest.mark.parametrize("act", ["create", "clone", "edit", "approve", "activate", "pause", "resume", "deactivate", "forget_credentials", "restore"])
def test_each_act_tells_the_other_processes_in_its_own_unit_of_work(
    administrator: Actor, colleague: Actor, one: Configuration, content: dict[str, Any], database: Database, act: str
) -> None:
    before: dict[str, tuple[str, ...]] = {
        "pause": ("approve",),
        "deactivate": ("approve",),
        "resume": ("approve", "pause"),
        "activate": ("approve", "deactivate"),
        "restore": ("edit",),
    }
    acts: dict[str, Callable[[int], object]] = {
        "create": lambda _: configurations.create(administrator, content),
        "clone": lambda _: configurations.clone(administrator, one.id),
        "approve": lambda _: switch_on(administrator, colleague, one),
        "restore": lambda shown: configurations.restore(administrator, one.id, shown, 1),
        "edit": lambda shown: configurations.edit(administrator, one.id, shown, {**one.content, "timeout_ms": 1_000}),
        "activate": lambda shown: configurations.activate(administrator, one.id, shown),
        "pause": lambda shown: configurations.pause(administrator, one.id, shown, "Maintenance."),
        "resume": lambda shown: configurations.resume(administrator, one.id, shown),
        "deactivate": lambda shown: configurations.deactivate(administrator, one.id, shown),
        "forget_credentials": lambda shown: configurations.forget_credentials(administrator, one.id, shown),
    }
    for shown, name in enumerate(before.get(act, ()), start=1):
        acts[name](shown)
    with database.connect() as other:
        other.execute(f"LISTEN {biller_cache.CHANNEL}")
        acts[act](len(before.get(act, ())) + 1)
        assert [one.channel for one in other.notifies(timeout=SECONDS, stop_after=1)] == [biller_cache.CHANNEL]


def test_what_was_rolled_back_is_not_told(administrator: Actor, one: Configuration, database: Database) -> None:
    with database.connect() as other:
        other.execute(f"LISTEN {biller_cache.CHANNEL}")
        with pytest.raises(ZeroDivisionError), db.unit_of_work() as session:
            biller_cache.tell_everybody(session)
            raise ZeroDivisionError
        other.execute("NOTIFY billers_config, 'mine'")
        assert [one.payload for one in other.notifies(timeout=SECONDS, stop_after=1)] == ["mine"]


def test_a_lost_listener_turns_the_cache_off_until_it_listens_again(administrator: Actor, cache: BillerCache, one: Configuration, database: Database) -> None:
    assert not is_offered(administrator, one)
    with database.connect() as other:
        other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'billers listener' AND datname = current_database()")
        # Nobody hears of this one: there is no word of it at all.
        other.execute("UPDATE biller_configs SET is_active = true WHERE id = %s", [one.id])
    assert cache.await_turn(on=False, seconds=SECONDS)
    assert is_offered(administrator, one)
    assert cache.await_turn(on=True, seconds=SECONDS)
    assert is_offered(administrator, one)
    configurations.deactivate(administrator, one.id, 1)
    wait_until(lambda: not is_offered(administrator, one))


def test_an_answer_that_was_looked_up_before_a_change_is_not_kept_after_it(cache: BillerCache) -> None:
    def ask() -> str:
        cache.forget()
        return "old"

    assert cache.answer("question", ask) == "old"
    assert cache.answer("question", lambda: "new") == "new"
    assert cache.answer("question", lambda: "newer") == "new"


def test_an_open_circuit_is_news_too(administrator: Actor, cache: BillerCache) -> None:
    one = seeded(administrator)
    with db.unit_of_work() as session:
        session.execute(text("UPDATE biller_configs SET is_active = true WHERE id = :id"), {"id": one.id})
        biller_cache.tell_everybody(session)
    assert [card.trouble for card in billers.list_billers(administrator)] == [None]
    Breakers()._keep({one.snapshot.biller_type: "It does not answer."}, set(), set())
    assert [card.trouble for card in billers.list_billers(administrator)] == ["It does not answer."]
    Breakers()._keep({}, set(), {one.snapshot.biller_type})
    assert [card.trouble for card in billers.list_billers(administrator)] == [None]


def test_a_version_is_read_once(cache: BillerCache, one: Configuration) -> None:
    with db.unit_of_work() as session:
        # Word of its creation may still be on its way here.
        wait_until(lambda: billers.version_of(session, one.id, 1) is billers.version_of(session, one.id, 1))
        with statements() as sent:
            found = billers.version_of(session, one.id, 1)
        assert billers.version_of(session, one.id, 7) is None
    assert found is not None
    assert found == one.snapshot
    assert sent == []


# ---- Money


@pytest.fixture
def bench(administrator: Actor, database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    made = Bench(database)
    made.configure(is_active=True, base_url="https://api.lwb.example/v2", features={})
    yield made
    made.close()


@pytest.mark.parametrize("change", ["is_active = false", "paused_at = now(), paused_reason = 'Maintenance.'"])
def test_what_was_switched_off_behind_the_caches_back_is_not_sent(administrator: Actor, bench: Bench, cache: BillerCache, change: str) -> None:
    paid = bench.pay()
    billers.list_billers(administrator)
    bench.sql(f"UPDATE biller_configs SET {change} WHERE biller_type = %s", CODE)
    assert [card.code for card in billers.list_billers(administrator)] == [CODE], "nobody told the cache"
    assert claims.claim_sends("worker", {CODE: 10}) == []
    assert bench.stage(paid) is Stage.QUEUED


def test_a_payment_in_flight_keeps_its_version_whatever_is_configured_meanwhile(administrator: Actor, colleague: Actor, bench: Bench) -> None:
    """H09, by the page's own service: host, time-out and credentials of a payment are those it was reviewed under; a restore is no way back for it either."""
    one = seeded(administrator)

    def by_two(saved: configurations.Saved) -> int:
        assert saved.proposal is not None
        return configuration_approvals.approve(colleague, saved.proposal)

    by_two(configurations.edit(administrator, one.id, one.version, one.content, {"username": "old", "password": "old-secret"}, "The biller's first."))
    armed = configurations.find(administrator, one.id)
    sent, waiting = bench.pay(), bench.pay()
    errand = bench.claim()
    moved = {**armed.content, "base_url": "https://api.elsewhere.example/v2", "timeout_ms": 5_000}
    now = by_two(configurations.edit(administrator, one.id, armed.version, moved, {"username": "new", "password": "new-secret"}, "The biller has moved."))
    bench.sql("UPDATE transactions SET next_action_at = now() WHERE id = %s", waiting)
    later = bench.claim()
    for one_errand in (errand, later):
        assert one_errand.config_version == armed.version
        assert (one_errand.snapshot.base_url, one_errand.snapshot.timeout_ms) == ("https://api.lwb.example/v2", 30_000)
        assert settlement_credentials(one_errand) == {"username": "old", "password": "old-secret"}
    settlement.conclude([bench.result(errand, Outcome.CONFIRMED), bench.result(later, Outcome.CONFIRMED)])
    assert {bench.stage(one) for one in (sent, waiting)} == {Stage.COMPLETED}
    new = bench.pay()
    newest = bench.claim()
    assert (newest.stand.id, newest.snapshot.base_url) == (new, "https://api.elsewhere.example/v2")
    assert settlement_credentials(newest) == {"username": "new", "password": "new-secret"}
    meanwhile = bench.pay()
    assert by_two(configurations.restore(administrator, one.id, now, armed.version, "The biller moved back.")) == now + 1
    of_the_moved = bench.claim()
    assert (of_the_moved.stand.id, of_the_moved.config_version, of_the_moved.snapshot.base_url) == (meanwhile, now, "https://api.elsewhere.example/v2")
    assert settlement_credentials(of_the_moved) == {"username": "new", "password": "new-secret"}
    after = bench.pay()
    restored = bench.claim()
    assert (restored.stand.id, restored.config_version, restored.snapshot.base_url) == (after, now + 1, "https://api.lwb.example/v2")
    assert settlement_credentials(restored) == {"username": "old", "password": "old-secret"}


def settlement_credentials(errand: Any) -> dict[str, Any]:
    return dict(errand.party.terms().credentials)


def test_deactivating_says_how_many_payments_wait(administrator: Actor, bench: Bench) -> None:
    bench.pay()
    bench.pay()
    one = seeded(administrator)
    assert configurations.unsent(administrator, one.id) == 2
    configurations.deactivate(administrator, one.id, one.version)
    assert configurations.acts(administrator, one.id)[0].details["unsent"] == 2
