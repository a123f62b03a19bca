"""How the log is written: one JSON line an event, without the values of variables, so that no secret ends up in it by way of a trace.

Writing it never raises: a full disk under a log costs its lines, and must not cost a payment.
"""

import logging
import sys
from contextlib import suppress
from typing import TextIO

import structlog


class Forgiving:
    """A stream whose failures are nobody's: what cannot be written is dropped, and the next line is tried again."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, words: str) -> int:
        # ValueError: somebody has closed it.
        with suppress(OSError, ValueError):
            self._stream.write(words)
        return len(words)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()


def say(words: str) -> None:
    """One line on standard output, for whoever waits for it. In production it is the log's file, too."""
    print(words, file=Forgiving(sys.stdout), flush=True)


def configure(level: str = "INFO") -> None:
    """For this process. A trace names files and lines; structlog's own default would print every local variable, passwords included."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping().get(level.upper(), logging.INFO)),
        logger_factory=structlog.PrintLoggerFactory(Forgiving(sys.stderr)),  # type: ignore[arg-type]
        cache_logger_on_first_use=False,
    )
