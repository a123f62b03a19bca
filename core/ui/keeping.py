"""What was read for one person and is shown to another who asks the same: only where both see the same billers."""

from collections.abc import Callable, Mapping
from datetime import datetime
from zlib import crc32

from core.access import Actor


def seen_by(actor: Actor) -> tuple[str, ...] | None:
    """What of a person an answer depends on, beside what they asked."""
    return None if actor.billers is None else tuple(sorted(actor.billers))


# For `st.cache_resource(hash_funcs=BY_BILLERS)`: the person stands among what the answer is kept under.
BY_BILLERS: Mapping[type, Callable[[Actor], object]] = {Actor: seen_by}

# Figures of a range stay until a transaction is made or moves, and never longer than the shortest step of time.
STEP_SECONDS = 900


def slot(now: datetime, asked: str) -> int:
    """Another one each step of time, for each question at another moment: nobody waits for all of them."""
    return (int(now.timestamp()) + crc32(asked.encode()) % STEP_SECONDS) // STEP_SECONDS
