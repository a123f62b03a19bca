"""A data directory that the server's user can reach: pytest's own, for root, is closed to everybody else."""

import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.launch.embedded import EmbeddedPostgres


@pytest.fixture
def data_dir() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="billers-test-"))
    yield directory
    EmbeddedPostgres(directory, directory / "run").kill()
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def made_cluster() -> Iterator[Path]:
    """A data directory whose server has run once; copying it is quicker than making another."""
    directory = Path(tempfile.mkdtemp(prefix="billers-test-"))
    with EmbeddedPostgres(directory, directory / "run"):
        pass
    yield directory / "pgdata"
    shutil.rmtree(directory)


@pytest.fixture
def new_server(data_dir: Path) -> Iterator[EmbeddedPostgres]:
    """Never started."""
    server = EmbeddedPostgres(data_dir, data_dir / "run")
    yield server
    server.detach()


@pytest.fixture
def server(new_server: EmbeddedPostgres, made_cluster: Path) -> EmbeddedPostgres:
    """Stopped, with its cluster made."""
    subprocess.run(["cp", "-a", made_cluster, new_server.cluster], check=True)
    return new_server


@pytest.fixture
def free_port() -> Callable[[], int]:
    """A port that nobody listens on; each call gives another."""
    given: set[int] = set()

    def choose() -> int:
        while True:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                number = int(probe.getsockname()[1])
            if number not in given:
                given.add(number)
                return number

    return choose
