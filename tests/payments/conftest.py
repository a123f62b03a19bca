"""A bench for the tests of a module: a database with its biller switched on, two operators and a manager."""

import uuid
from collections.abc import Iterator

import pytest
from sqlalchemy.engine import URL

from tests.payments.bench import Bench
from tests.world import Database, console_uses, create_database, drop_database, forget_settings


@pytest.fixture(scope="module")
def shared_bench(server_url: URL, template: URL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    directory = tmp_path_factory.mktemp("bench")
    url = create_database(server_url, f"bench_{uuid.uuid4().hex[:12]}", template=template.database)
    with pytest.MonkeyPatch.context() as patch:
        forget_settings(patch, directory)
        with console_uses(url, patch):
            made = Bench(Database(url))
            yield made
            made.close()
    drop_database(server_url, url)


@pytest.fixture
def bench(shared_bench: Bench, clean_environment: None, monkeypatch: pytest.MonkeyPatch) -> Bench:
    shared_bench.enter(monkeypatch)
    return shared_bench
