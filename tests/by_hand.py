"""A long test, run by hand at a size of one's own: what was asked for is handed to it by pytest's stash, where its fixtures look for it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest


class _Handed:
    """A pytest plugin."""

    def __init__(self, things: Mapping[pytest.StashKey[Any], Any]) -> None:
        self._things = things

    def pytest_configure(self, config: pytest.Config) -> None:
        for key, thing in self._things.items():
            if thing is not None:
                config.stash[key] = thing


def run(test: Path, things: Mapping[pytest.StashKey[Any], Any], seconds: int) -> int:
    """Runs this file's test with these things, of which None is as if it had not been asked for; answers pytest's exit code."""
    return int(pytest.main(["-q", "-s", "-p", "no:cacheprovider", f"--timeout={seconds}", str(test)], plugins=[_Handed(things)]))
