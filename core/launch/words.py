"""Knows how the launcher speaks: one line for each step, with or without a terminal."""

import contextlib
import io
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import TextIO


class Console:
    """Lines for a person to read. It never raises: a closed terminal must not keep the launcher from stopping what it started."""

    def __init__(self, stream: TextIO | None = None) -> None:
        # Python has no standard output at all when it was closed by whoever started it.
        self._stream = stream or sys.stdout or io.StringIO()
        self._is_terminal = self._stream.isatty()

    def line(self, text: str) -> None:
        self._write(f"{text}\n")

    def begin(self, name: str) -> None:
        """Show what is awaited; overwritten by `done`. Without a terminal nothing can be overwritten, so nothing is shown."""
        if self._is_terminal:
            self._write(f"… {name}")

    def done(self, name: str, seconds: float, note: str = "") -> None:
        self._end("✓", name, f"({note}, {seconds:.1f} s)" if note else f"({seconds:.1f} s)")

    def failed(self, name: str) -> None:
        self._end("✗", name, "")

    def _end(self, mark: str, name: str, rest: str) -> None:
        self._write(("\r\x1b[K" if self._is_terminal else "") + f"{mark} {name} {rest}".rstrip() + "\n")

    def _write(self, text: str) -> None:
        # A terminal that cannot show a tick gets a question mark.
        shown = text.encode(self._stream.encoding or "utf-8", "replace").decode(self._stream.encoding or "utf-8", "replace")
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(shown)
            self._stream.flush()


def table(rows: Sequence[Mapping[str, str]], columns: Sequence[str]) -> list[str]:
    """Rows as aligned lines under their column names."""
    cells = [[column.replace("_", " ") for column in columns], *([row.get(column, "") for column in columns] for row in rows)]
    widths = [max(len(row[index]) for row in cells) for index in range(len(columns))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]


def sentence_of_exit(code: int | None) -> str:
    if code is None:
        return "is still running"
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with code {code}"
