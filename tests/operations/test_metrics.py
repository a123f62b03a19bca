"""What monitoring is told: the same as the pages, for whoever may know it, and nothing for anybody else."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import replace

import httpx
import pytest
from starlette.applications import Starlette

from core import clock
from core.access import SYSTEM, Actor
from core.api.routes import ROUTES
from core.services import api_tokens, metrics, rollups
from core.states import Stage
from core.wire.contract import Outcome
from tests.payments.bench import CODE, Bench
from tests.payments.conftest import bench, shared_bench  # noqa: F401 - fixtures
from tests.people.conftest import quick_passwords  # noqa: F401 - a fixture
from tests.people.test_staff import signed_in
from tests.world import AddPerson, Database, SetEnvironment, statements

SECRET = "0123456789abcdef0123456789abcdef"


def figures() -> Mapping[str, float]:
    """Each line's name with its labels, and its value."""
    lines = [line for line in metrics.tell(metrics.SCRAPER).splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def grown(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    told = {name: value - before.get(name, 0) for name, value in after.items() if name.startswith("billers_")}
    return {name: value for name, value in told.items() if value and not re.match("billers_(database|scrape|payments_in_doubt_oldest|queue_oldest)", name)}


def test_what_happens_is_counted_by_biller_as_it_happens_and_again_once_it_is_in_the_sums(bench: Bench) -> None:  # noqa: F811
    before = figures()
    bench.pay()
    bench.answer(Outcome.CONFIRMED, duration_ms=700)
    bench.paid_to(Stage.FAILED)
    bench.paid_to(Stage.REVIEW)
    bench.paid_to(Stage.PAY_UNKNOWN)
    bench.pay()
    expected = {
        f'billers_transactions_attempted_total{{biller="{CODE}",kind="payment"}}': 5,
        f'billers_transactions_attempted_total{{biller="{CODE}",kind="lookup"}}': 5,
        f'billers_transactions{{biller="{CODE}",kind="lookup",status="COMPLETED"}}': 5,
        f'billers_transactions{{biller="{CODE}",kind="payment",status="COMPLETED"}}': 1,
        f'billers_transactions{{biller="{CODE}",kind="payment",status="FAILED"}}': 1,
        f'billers_transactions{{biller="{CODE}",kind="payment",status="PROCESSING"}}': 2,
        f'billers_transactions{{biller="{CODE}",kind="payment",status="PENDING"}}': 1,
        f'billers_value_paid{{biller="{CODE}",currency="MWK"}}': 5475.5,
        'billers_payments_in_doubt{state="asked"}': 1,
        'billers_payments_in_doubt{state="review"}': 1,
        "billers_queue_payments": 1,
    }
    told = grown(before, figures())
    assert {name: value for name, value in told.items() if "duration" not in name} == expected
    rollups.rebuild()
    assert grown(before, figures()) == told


def test_answer_times_are_a_histogram_whose_bounds_hold_what_they_say(bench: Bench) -> None:  # noqa: F811
    before = figures()
    for milliseconds in (40, 700, 2_900, 45_000):
        bench.pay()
        bench.answer(Outcome.CONFIRMED, duration_ms=milliseconds)
    told = {name: value for name, value in grown(before, figures()).items() if "duration" in name}

    def name(part: str, bound: str = "") -> str:
        return f'billers_call_duration_seconds_{part}{{biller="{CODE}"' + (f',le="{bound}"' if bound else "") + "}"

    within = {bound: told.get(name("bucket", bound), 0) for bound in ("0.1", "0.25", "0.5", "1", "2", "3", "30", "60", "+Inf")}
    assert within == {"0.1": 1, "0.25": 1, "0.5": 1, "1": 2, "2": 2, "3": 3, "30": 3, "60": 4, "+Inf": 4}
    assert (told[name("count")], round(told[name("sum")], 3)) == (4, 48.64)


def test_the_oldest_in_doubt_has_an_age(bench: Bench) -> None:  # noqa: F811
    one = bench.paid_to(Stage.PAY_UNKNOWN)
    bench.sql("ALTER TABLE transactions DISABLE TRIGGER hold_the_moves")
    bench.sql("UPDATE transactions SET created_at = created_at - interval '2 hours' WHERE id = %s", one)
    bench.sql("ALTER TABLE transactions ENABLE TRIGGER hold_the_moves")
    assert 7_200 <= figures()['billers_payments_in_doubt_oldest_age_seconds{state="asked"}'] < 7_300


def test_no_figure_is_counted_from_the_rows(bench: Bench) -> None:  # noqa: F811
    """At ten million of them it would take seconds, each time. Where one is read by itself, an index leads there."""
    rollups.rebuild()
    with statements() as asked:
        metrics.tell(metrics.SCRAPER)
    of_rows = [one for one in asked if re.search(r"FROM (transactions|answers|attempts|events)\b", one)]
    narrow = ("status = ", "stage = ", "e.xid >= ", "xid >= ", "breaks", "rollup_state")
    assert [one for one in of_rows if not any(word in one for word in narrow)] == []


def test_without_a_database_that_is_what_it_tells(set_environment: SetEnvironment) -> None:
    set_environment(database_url="postgresql://nobody@127.0.0.1:1/nothing")
    told = figures()
    assert told["billers_database_up"] == 0
    assert "process_resident_memory_bytes" in told
    assert not any(name.startswith("billers_transactions") for name in told)


# ---- Who may ask


def get(**headers: str) -> httpx.Response:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=Starlette(routes=ROUTES))
        async with httpx.AsyncClient(transport=transport, base_url="https://console.test") as client:
            return await client.get("/metrics", headers=headers)

    return asyncio.run(ask())


@pytest.fixture
def chief(add_person: AddPerson, quick_passwords: None) -> Actor:  # noqa: F811
    return replace(add_person("administrator", username="chief"), proved_at=clock.now())


def test_a_stranger_is_not_told_that_there_is_anything(database: Database) -> None:
    assert (get().status_code, get().text) == (404, "There is nothing here.")


def test_a_browser_finds_nothing_there_whoever_sits_at_it(database: Database, chief: Actor) -> None:
    from core.security.sessions import cookie_name

    assert get(cookie=f"{cookie_name()}={signed_in('chief')}").status_code == 404


def test_a_token_opens_it_with_the_right_and_not_without(database: Database, chief: Actor) -> None:
    watching = api_tokens.make(chief, "Prometheus", ["metrics:read"], 30)
    other = api_tokens.make(chief, "Auditor", ["audit:read"], 30)
    told = get(authorization=f"Bearer {watching.secret}")
    assert (told.status_code, told.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert "billers_database_up 1\n" in told.text
    assert get(authorization=f"Bearer {other.secret}").status_code == 403
    api_tokens.revoke(chief, watching.id)
    refused = get(authorization=f"Bearer {watching.secret}")
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")


def test_the_secret_of_the_settings_opens_it_and_no_other_does(database: Database, set_environment: SetEnvironment) -> None:
    assert get(authorization=f"Bearer {SECRET}").status_code == 401
    set_environment(billers_metrics_token=SECRET)
    assert get(authorization=f"Bearer {SECRET}").status_code == 200
    assert get(authorization=f"Bearer {SECRET[:-1]}").status_code == 401
    set_environment(database_url="postgresql://nobody@127.0.0.1:1/nothing")
    assert "billers_database_up 0\n" in get(authorization=f"Bearer {SECRET}").text
    assert get(authorization="Bearer billers_" + "x" * 43).status_code == 503


@pytest.mark.parametrize("short", ["x", "0123456789abcdef", "0123456789abcdef 123456789abcdefX", "é" * 40])
def test_a_secret_that_could_be_guessed_is_refused_at_the_start(set_environment: SetEnvironment, short: str) -> None:
    from core.errors import Misconfigured
    from core.settings import settings

    set_environment(billers_metrics_token=short)
    with pytest.raises(Misconfigured, match="BILLERS_METRICS_TOKEN") as refused:
        settings()
    assert short not in refused.value.sentence or len(short) == 1


def test_the_machines_operator_may_read_them_as_well(database: Database) -> None:
    assert "billers_sessions 0\n" in metrics.tell(SYSTEM)
