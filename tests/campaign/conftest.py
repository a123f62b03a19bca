"""Worlds for the campaign's tests: one for the tests of a module, and one of its own for a test that breaks more than its payments."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import URL

from tests.campaign.harness import World, new_world


@pytest.fixture(scope="module")
def shared_world(server_url: URL, template: URL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with pytest.MonkeyPatch.context() as patch, new_world(server_url, template, tmp_path_factory.mktemp("world"), patch) as world:
        yield world


@pytest.fixture
def world(shared_world: World, clean_environment: None, monkeypatch: pytest.MonkeyPatch) -> World:
    """The module's world, with this test's environment pointing at it."""
    shared_world.enter(monkeypatch)
    return shared_world


@pytest.fixture
def own_world(server_url: URL, template: URL, tmp_path: Path, clean_environment: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with new_world(server_url, template, tmp_path, monkeypatch) as world:
        yield world
