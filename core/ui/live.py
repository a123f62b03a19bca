"""The pulse of what looks again by itself: a fragment that is drawn within `pulse` is drawn anew when something changed, and otherwise left alone.

The browser follows one stream a window, and asks for the fragment again: at once after a change, then at most once a second, and never before the last
answer was drawn. Where no stream can be had it asks every quarter of a minute instead; a tab that nobody sees follows nothing, and catches up when it is
seen again. Nothing but the fragment is drawn: what is typed, ticked and chosen beside it stays.
"""

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import streamlit as st

from core.access import Actor
from core.services import live
from core.ui.session import guarded_fragment

P = ParamSpec("P")
R = TypeVar("R")

# The script that follows, beside this file.
SCRIPT = (Path(__file__).parent / "assets" / "live.js").read_text(encoding="utf-8")

# Where there is no stream; and between two drawings of one fragment, however much happens.
POLL_SECONDS = 15.0
GAP_SECONDS = 1.0

# Tells one drawing from the next, where nothing changed between them.
DRAWINGS = count()

_follow = st.components.v2.component("billers_live", js=SCRIPT)


def followed(
    permission: str, poll_seconds: float = POLL_SECONDS, gap_seconds: float = GAP_SECONDS
) -> Callable[[Callable[Concatenate[Actor, P], R]], Callable[P, R | None]]:
    """A guarded fragment that is drawn anew when something changed. It does not count as somebody being at work.

    Where a person stands and waits for this one answer, both spans are shorter.
    """

    def decorate(function: Callable[Concatenate[Actor, P], R]) -> Callable[P, R | None]:
        @functools.wraps(function)
        def drawn(actor: Actor, /, *args: P.args, **kwargs: P.kwargs) -> R:
            with pulse(f"{function.__module__}.{function.__name__}", poll_seconds, gap_seconds):
                return function(actor, *args, **kwargs)

        return guarded_fragment(permission, touch=False)(drawn)

    return decorate


@contextmanager
def pulse(name: str, poll_seconds: float = POLL_SECONDS, gap_seconds: float = GAP_SECONDS) -> Iterator[None]:
    """Whatever the block draws, in a fragment that is guarded with `touch=False`, follows the database. `name` is the fragment's own within its page.

    The counter is read before the block asks anything: what changes meanwhile is seen the next time.
    """
    data = {"drawn": live.CHANGES.cursor, "poll_ms": 1000 * poll_seconds, "gap_ms": 1000 * gap_seconds}
    try:
        yield
    except Exception:
        # Whoever shows the error shows it in place of the block; the next change tries again.
        _mount(name, data)
        raise
    _mount(name, data)


def _mount(name: str, data: Mapping[str, float]) -> None:
    """Last in its fragment: what the browser hears of it comes after everything else was drawn."""
    told = _follow(key=f"pulse-{name}", data={**data, "drawing": next(DRAWINGS)}, on_asked_change=_nothing)
    if isinstance(asked := told.asked, dict):
        live.note_screen(asked.get("screen_ms"))


def _nothing() -> None:
    """That it was asked is all: the fragment is drawn anew by that."""
