"""How the log is written: one JSON line an event, without the values of variables, so that no secret ends up in it by way of a trace."""

import logging
import sys

import structlog


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
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
