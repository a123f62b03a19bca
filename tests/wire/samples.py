"""Messages of the real world, and hostile ones, which lie beside the checkout."""

import os
from pathlib import Path

import pytest

SAMPLES = Path(__file__).resolve().parents[2].parent / "shared" / "samples"


def sample(name: str) -> bytes:
    if not SAMPLES.is_dir():
        # On a build machine their absence would make this a test of nothing.
        assert os.environ.get("CI") != "true", f"The samples are not at {SAMPLES}."  # noqa: TID251 - the test asks about its own machine
        pytest.skip(f"The samples are not at {SAMPLES}.")
    return (SAMPLES / name).read_bytes()
