"""What a database must promise before money is sent: that what it confirms is kept."""

from collections.abc import Mapping
from typing import Any

# Each may be turned off by a server's administrator, for a role or for a database, and each then loses or tears confirmed payments when the power fails.
DURABILITY = ("fsync", "full_page_writes", "synchronous_commit")

# Columns of a question. Asked on a connection of ours: a role's and a database's own settings count as the server's do.
PROMISES = ", ".join(f"current_setting('{name}') AS {name}" for name in DURABILITY)
QUESTION = f"SELECT {PROMISES}"


def promises_of(row: Any) -> dict[str, str]:
    """What such a question's answer says, among whatever else it does."""
    return {name: getattr(row, name) for name in DURABILITY}


def weakness(values: Mapping[str, str]) -> str | None:
    """What must be set otherwise for a confirmed payment to be kept, as a sentence; None: nothing."""
    off = [name for name in DURABILITY if values[name] == "off"]
    if not off:
        return None
    return (
        f"The database has {' and '.join(off)} off, so a power failure loses confirmed payments. "
        f"Set {' and '.join(f'{name} = on' for name in off)} in postgresql.conf and reload the server; "
        "where ALTER ROLE or ALTER DATABASE turned it off, RESET it there."
    )
