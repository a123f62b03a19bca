"""One name for all that comes of an act: born with the page's run or the request, kept in the story, written by whoever works on it."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from streamlit.testing.v1 import AppTest

from core import logs
from core.api.acts import HEADER, Acts
from core.services import lookups
from core.states import Stage
from core.ui import session
from tests.campaign.conftest import shared_world, world  # noqa: F401 - fixtures
from tests.campaign.harness import CODE, World, until
from tests.world import Database

SCRIPT = """
import streamlit as st
from core import logs
from core.ui import session

session.current()
st.text(logs.act())
st.text(logs.act())
"""


def test_each_run_of_a_page_is_an_act_of_its_own(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "token", lambda: None)
    window = AppTest.from_string(SCRIPT, default_timeout=30).run()
    first = [one.value for one in window.text]
    second = [one.value for one in window.run().text]
    assert len(set(first)) == len(set(second)) == 1
    assert first != second


def test_each_request_is_one_and_is_told_its_name() -> None:
    async def ask() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app=Starlette(routes=[Route("/", _its_name)], middleware=[Middleware(Acts)]))
        async with httpx.AsyncClient(transport=transport, base_url="http://console.test") as client:
            return [await client.get("/", headers={HEADER: "somebody-else's"}) for _ in range(2)]

    one, other = asyncio.run(ask())
    assert one.text == one.headers[HEADER]
    assert other.text == other.headers[HEADER]
    assert len({one.text, other.text, "somebody-else's"}) == 3


def _its_name(_request: Request) -> PlainTextResponse:
    return PlainTextResponse(logs.act())


def test_what_nobody_began_has_a_name_that_nothing_else_has() -> None:
    assert len({logs.act() for _ in range(10)}) == 10


@pytest.fixture
def at_work(world: World) -> Iterator[World]:  # noqa: F811
    """The world with one worker, whose biller has its time on a busy machine."""
    world.configure(timeout_ms=10_000)
    world.start_worker().wait_ready()
    yield world
    world.dismiss_workers()


def lines_of(world: World, act: str) -> list[dict[str, Any]]:  # noqa: F811
    """What `grep` would find in the workers' logs."""
    return [json.loads(line) for worker in world.workers for line in worker.lines if act in line]


def test_one_name_leads_from_the_act_to_the_wire_and_to_what_came_of_it(at_work: World, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure()
    world = at_work  # noqa: F811
    act = logs.begin_act()
    asked = lookups.ask(world.operator, CODE, "70000001")
    world.wait_for(asked, Stage.COMPLETED)
    draft = world.draft("70000001", asked)
    paid = world.submit(draft)
    world.wait_for(paid, Stage.COMPLETED)
    until(lambda: len(lines_of(world, act)) == 4, "the worker has written of both calls")
    written = [json.loads(line) for line in capsys.readouterr().err.splitlines() if act in line]
    assert [(line["event"], line["transaction"], line["by"]) for line in written] == [
        ("transaction.asked_for", str(one), world.operator.username) for one in (asked, paid)
    ]
    for one, verb in ((asked, "lookup"), (paid, "pay")):
        called, made = (line for line in lines_of(world, act) if line["transaction"] == str(one))
        assert (called["event"], called["host"], called["sent"], called["status"]) == ("line.called", "127.0.0.1", True, 200)
        assert (made["event"], made["verb"], made["outcome"], made["attempt"]) == ("attempt.made", verb, "CONFIRMED", called["attempt"])
        kept = world.value("SELECT facts->>'correlation' FROM events WHERE transaction_id = %s AND from_stage IS NULL", one)
        assert kept == act


def test_a_story_from_before_acts_had_names_is_carried_out_as_any_other(world: World) -> None:  # noqa: F811
    world.configure(timeout_ms=10_000)
    asked = lookups.ask(world.operator, CODE, "70000002")
    with world.connect() as connection:
        connection.execute("ALTER TABLE events DISABLE TRIGGER append_only")
        connection.execute("UPDATE events SET facts = facts - 'correlation' WHERE transaction_id = %s", [asked])
        connection.execute("ALTER TABLE events ENABLE TRIGGER append_only")
    worker = world.start_worker()
    world.wait_for(asked, Stage.COMPLETED)
    until(lambda: any("attempt.made" in line and str(asked) in line for line in worker.lines), "the worker has written of it")
    assert not any("correlation" in line for line in worker.lines if str(asked) in line)
    world.dismiss_workers()
