"""A person's token, a biller that answers, and the command as a script calls it."""

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import structlog
from sqlalchemy.engine import URL
from typer.testing import CliRunner, Result

from core import db
from core.access import Actor
from core.cli import app
from core.services import api_tokens
from tests.campaign.harness import World, new_world
from tests.world import proven

PAYS = ("transactions:pay", "transactions:read", "accounts:lookup", "billers:read")


@dataclass
class Script:
    """Whoever runs `billers` with a token in the environment."""

    world: World
    patch: pytest.MonkeyPatch
    person: Actor
    tokens: list[str] = field(default_factory=list)

    def __call__(self, *words: object) -> Result:
        try:
            return CliRunner().invoke(app, [str(word) for word in words])
        finally:
            # A command is a process of its own; here the next one must not act as this one did.
            db.act_as_owner()

    def json(self, *words: object) -> tuple[int, Any]:
        """Exit code, and what it said as a document."""
        result = self(*words, "--json")
        return result.exit_code, json.loads(result.stdout)

    def may(self, *scopes: str) -> str:
        """From here on it has a token for this."""
        made = api_tokens.make(proven(self.person), f"Script {len(self.tokens)}", scopes, 30)
        self.tokens.append(made.secret)
        self.patch.setenv("BILLERS_TOKEN", made.secret)
        return made.secret


@pytest.fixture(scope="module")
def shared_town(server_url: URL, template: URL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """With one worker, which is there for all tests of a module."""
    with pytest.MonkeyPatch.context() as patch, new_world(server_url, template, tmp_path_factory.mktemp("town"), patch, timeout_ms=10_000) as world:
        world.start_worker().wait_ready()
        yield world


@pytest.fixture
def script(shared_town: World, clean_environment: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Script]:
    shared_town.enter(monkeypatch)
    monkeypatch.chdir(tmp_path)
    made = Script(shared_town, monkeypatch, shared_town.add_person("manager"))
    made.may(*PAYS)
    written_by = logging.getLogRecordFactory()
    yield made
    db.act_as_owner()
    structlog.reset_defaults()
    logging.setLogRecordFactory(written_by)


@pytest.fixture
def account() -> Callable[[], str]:
    from tests.matrix.town import new_account

    return new_account
