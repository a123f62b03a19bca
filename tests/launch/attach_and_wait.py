"""Attaches to an embedded server, says its process number, and leaves when its standard input ends."""

import sys
from pathlib import Path

from core.launch.embedded import EmbeddedPostgres

data_dir = Path(sys.argv[1])
with EmbeddedPostgres(data_dir, data_dir / "run") as server:
    print(server.pid, flush=True)
    sys.stdin.read()
