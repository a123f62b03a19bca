"""What the disk allows: `pgbench` with one small durable insert a commit, alone and from many at once."""

import re
from pathlib import Path

from core.launch import account, binaries
from core.settings import DATABASE_NAME, DATABASE_PORT, DATABASE_ROLE, settings

CLIENTS = (1, 16)
SCRIPT = "INSERT INTO bench_commits (words) VALUES ('one small row, and its fsync');\n"
TABLE = "CREATE TABLE IF NOT EXISTS bench_commits (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, words text)"

_TPS = re.compile(r"tps = ([\d.]+)")


def measured(data_dir: Path, seconds: int) -> dict[str, float]:
    """Commits a second by number of clients."""
    me = account.caller()
    pgbench = binaries.programs_for(me, data_dir) / "pgbench"
    script = data_dir / "commit.sql"
    script.write_text(SCRIPT)
    found = {}
    for clients in CLIENTS:
        where = ["-h", str(settings().socket_dir), "-p", str(DATABASE_PORT), "-U", DATABASE_ROLE, DATABASE_NAME]
        ran = me.run([pgbench, "-n", "-f", script, "-c", str(clients), "-j", "1", "-T", str(seconds), "-M", "prepared", *where])
        said = _TPS.search(ran.stdout.decode())
        if said is None:
            raise SystemExit(f"pgbench did not say how many commits it made:\n{ran.stdout.decode()}")
        found[f"pgbench, {clients}"] = float(said[1])
    return found
