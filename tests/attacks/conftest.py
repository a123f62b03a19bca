"""The console that is attacked: the real server of the front door's tests, and the browser of the browser's."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser
from sqlalchemy import URL

from tests.browser.conftest import chromium
from tests.browser.conftest import context as context
from tests.front_door.conftest import Console, Served, free_port
from tests.front_door.conftest import add_somebody as add_somebody
from tests.front_door.conftest import console as console
from tests.front_door.conftest import console_database as console_database
from tests.front_door.conftest import running_console as running_console
from tests.front_door.conftest import token_of as token_of
from tests.world import forget_settings


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Gone with the file that wanted it: as long as one is open there is a loop in this thread, and tests of other files run loops of their own."""
    with chromium() as started:
        yield started


@pytest.fixture(scope="session")
def running_undefended(console_database: URL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    directory = tmp_path_factory.mktemp("undefended")
    with pytest.MonkeyPatch.context() as patch:
        forget_settings(patch, directory)
        patch.setenv("DATABASE_URL", console_database.render_as_string(hide_password=False))
        patch.setenv("BILLERS_SECURE_COOKIES", "false")
        with Served(free_port(), directory / "console.log", "tests/attacks/undefended.py") as served:
            yield served


@pytest.fixture
def undefended(running_undefended: Console, console: Console) -> Console:
    """The same console without its front door, on the same database: whoever is signed in at one is at the other."""
    return running_undefended
