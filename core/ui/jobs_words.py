"""How jobs and their runs are told of: word, sign and colour together, and times as people say them."""

from collections.abc import Mapping
from datetime import datetime

from core.models import JobRun
from core.models.jobs import JobState, RunOutcome
from core.services.job_table import KINDS
from core.ui.words import Look

STATES: Mapping[JobState, Look] = {
    JobState.WAITING: Look("Waiting", ":material/schedule:", "gray", "It runs as soon as somebody has a hand free."),
    JobState.RUNNING: Look("Running", ":material/sync:", "blue", "Somebody works on it. It ends by itself, and is never torn off in the middle."),
    JobState.FAILED: Look("Failed", ":material/replay:", "orange", "It is tried again by itself, after a longer wait each time."),
    JobState.DEAD: Look("Dead", ":material/cancel:", "red", "It failed as often as it is tried. It is not tried again unless somebody asks for it."),
}

# A grid is a canvas: it draws letters, not icons.
OUTCOMES: Mapping[RunOutcome, str] = {RunOutcome.DONE: "✓ Done", RunOutcome.FAILED: "✕ Failed", RunOutcome.LOST: "⊘ Lost"}
RUNNING = "↻ Running"


def title(name: str) -> str:
    """What a kind is called; one that this version does not know is called as the queue calls it."""
    return KINDS[name].title if name in KINDS else name


def outcome(run: JobRun) -> str:
    return OUTCOMES[RunOutcome(run.outcome)] if run.outcome else RUNNING


def took(started: datetime, ended: datetime | None) -> str:
    """`38 ms`, `1.2 s`, `2 min 5 s`; nothing while it runs."""
    if ended is None:
        return ""
    seconds = max(0.0, (ended - started).total_seconds())
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds // 60)} min {int(seconds % 60)} s"


def tries(count: int) -> str:
    return {0: "not tried yet", 1: "tried once", 2: "tried twice"}.get(count, f"tried {count:,} times")
