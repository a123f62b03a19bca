"""A bench with a server and a database of its own: where they lie, that nothing of this machine's settings reaches them, and what is told and kept."""

# ruff: noqa: TID251 - it sets the environment of a console of its own before any setting is read.

import argparse
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any


def measure(told: argparse.ArgumentParser, run: Callable[[argparse.Namespace, Path], dict[str, Any]], text_of: Callable[[dict[str, Any]], str]) -> int:
    """Asks for the bench's own options and these two, runs it, prints its table. Answers 1 where something was missed."""
    told.add_argument("--data-dir", type=Path, default=None, help="kept, instead of one in /var/tmp that is removed")
    told.add_argument("--result", type=Path, default=None, help="where the figures go as JSON")
    asked = told.parse_args()
    data_dir = asked.data_dir or Path(tempfile.mkdtemp(prefix="billers-bench-", dir="/var/tmp"))
    # As root, the server runs as somebody else, who has to pass through here.
    data_dir.mkdir(parents=True, exist_ok=True)
    data_dir.chmod(0o711)
    for name in [name for name in os.environ if name.startswith(("BILLERS_", "T24_")) or name == "DATABASE_URL"]:
        del os.environ[name]
    os.environ.update({"BILLERS_DATA_DIR": str(data_dir), "BILLERS_LOG_LEVEL": "WARNING"})
    try:
        found = run(asked, data_dir)
    finally:
        if asked.data_dir is None:
            shutil.rmtree(data_dir, ignore_errors=True)
    print(text_of(found))
    if asked.result is not None:
        asked.result.write_text(json.dumps(found, indent=2) + "\n")
    return 1 if found["missed"] else 0
