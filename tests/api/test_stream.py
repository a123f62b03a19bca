"""The stream of a program: each step of a payment once, from where it left off; and that anything happened at all."""

import json
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from core.api import stream
from core.services import payments
from tests.api.conftest import API, Program


@contextmanager
def listening(program: Program, heard: int | None = None, **parameters: str) -> Iterator[Iterator[dict[str, Any]]]:
    headers = {"Last-Event-ID": str(heard)} if heard is not None else {}
    with program.http.stream("GET", f"{API}/stream", params=parameters, headers=headers) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield events(answer.iter_lines())


def events(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    event: dict[str, Any] = {"kind": "message"}
    for line in lines:
        name, _, value = line.partition(": ")
        if name == "data":
            yield {**event, **json.loads(value)}
            event = {"kind": "message"}
        elif name in ("id", "event"):
            event["id" if name == "id" else "kind"] = value


@pytest.fixture
def waiting(program: Program) -> dict[str, Any]:
    """A payment that nothing moves but a person."""
    made = program.post("/payment", program.bill(amount="600000.00"), key=uuid.uuid4().hex)
    assert made.json()["stage"] == "AWAITING_APPROVAL"
    return dict(made.json())


def test_the_steps_of_a_payment_are_told_as_they_happen_and_then_it_ends(program: Program, waiting: dict[str, Any]) -> None:
    with listening(program, transaction=waiting["id"]) as told:
        assert [next(told)["stage"] for _ in range(2)] == ["CREATED", "AWAITING_APPROVAL"]
        payments.cancel(program.owner, uuid.UUID(waiting["id"]))
        last = next(told)
        assert (last["kind"], last["stage"], last["status"], last["id"]) == ("step", "CANCELLED", "CANCELLED", "3")
        assert [one["kind"] for one in told] == ["over"]


def test_whoever_lost_the_stream_goes_on_behind_what_was_heard(program: Program) -> None:
    paid = program.pay(program.bill(), uuid.uuid4().hex).json()
    with listening(program, transaction=paid["id"]) as told:
        whole = [one for one in told if one["kind"] == "step"]
    assert [one["stage"] for one in whole] == ["CREATED", "QUEUED", "PAY_SENDING", "COMPLETED"]
    with listening(program, heard=int(whole[1]["id"]), transaction=paid["id"]) as told:
        assert [one for one in told if one["kind"] == "step"] == whole[2:]
    with listening(program, heard=int(whole[-1]["id"]), transaction=paid["id"]) as told:
        assert [one["kind"] for one in told] == ["over"]


def test_that_something_happened_is_told_and_whether_anything_was_missed(program: Program) -> None:
    with listening(program) as told:
        first = next(told)
        assert first["kind"] == "message"
        program.post("/payment", program.bill(), key=uuid.uuid4().hex)
        later = next(one for one in told if one["cursor"] > first["cursor"])
    with listening(program, heard=int(first["id"])) as told:
        assert next(told)["kind"] == "missed"
    assert int(later["id"]) == later["cursor"]


def test_one_owner_has_so_many_streams(program: Program) -> None:
    with ExitStack() as open_streams:
        # Held on to: a stream that nobody reads any more is closed.
        ears = [open_streams.enter_context(listening(program)) for _ in range(stream.MOST_OF_A_PERSON)]
        assert all(next(ear) for ear in ears)
        with program.http.stream("GET", f"{API}/stream") as refused:
            assert refused.status_code == 429
            refused.read()
        assert (refused.json()["type"], refused.headers["retry-after"]) == (f"{API}/docs#too-often", "5")
