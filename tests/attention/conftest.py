"""A database of one's own, rows as they would be, and people who look at what needs them."""

from collections.abc import Sequence
from typing import Any

import psycopg
import pytest

from core.access import Actor
from core.models.attention import Kind
from core.services import attention, statistics
from core.services.attention import Finding
from tests.statistics.conftest import Book, book  # noqa: F401 - fixtures
from tests.world import AddPerson

LWB = "LWB_POSTPAID"

# Without a worker nobody sends anything: so it is in these tests, and only some are about it.
ALWAYS = Kind.NO_WORKER


def found(actor: Actor, *but: Kind) -> dict[Kind, Finding]:
    """What needs somebody now, by its kind, with what was put off beside it."""
    seen = statistics.attention(actor)
    beside = attention.findings(seen, put_off=attention.away(actor, seen))
    return {one.kind: one for one in beside if one.kind not in (ALWAYS, *but)}


def sql(connection: psycopg.Connection[Any], query: str, *values: object) -> Sequence[Any]:
    cursor = connection.execute(query, values)
    return cursor.fetchall() if cursor.description else []


@pytest.fixture
def manager(add_person: AddPerson) -> Actor:
    return add_person("manager", display_name="Grace Banda")


@pytest.fixture
def colleague(add_person: AddPerson) -> Actor:
    return add_person("manager", display_name="Chikondi Phiri")
