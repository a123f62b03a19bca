"""How the log is written: one line an event, whatever is in it, and without the values of variables, so that no secret ends up in it by way of a trace.

What other libraries say is written the same way. Writing never raises: a full disk under a log costs its lines, and must not cost a payment.

Each act of a person and each request of a program has a name of its own, born with it. What it asks for keeps the name in its story, and every line that is
written about it, by whichever process, carries it: `grep` for one tells the whole way.
"""

import logging
import re
import secrets
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Literal, TextIO

import structlog

Form = Literal["json", "text"]

_NAMED = structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"])


def _as_text(logger: Any, method: str, event: Any) -> str:
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in _NAMED(logger, method, event))


# Each writes on one line what has many, and as letters and digits what would move a terminal's cursor: nobody's name can begin a line of its own.
RENDERERS: Mapping[str, Any] = {"json": structlog.processors.JSONRenderer(), "text": _as_text}

# What such a name holds is never written. Nobody should log it; this is for the day on which somebody does.
SECRETS = re.compile(r"(?:^|[_-])(?:passwords?|secrets?|tokens?|cookies?|credentials?|authorization|api_?keys?|pins?)$", re.IGNORECASE)
HIDDEN = "…"


# What an act's name is called in a line, and in the first event of what it asked for.
CORRELATION = "correlation"


def begin_act() -> str:
    """A new name for what this thread, or this request, does from here on."""
    name = _new_name()
    structlog.contextvars.bind_contextvars(**{CORRELATION: name})
    return name


def act() -> str:
    """The name of the act that goes on; a new one where nobody began any, as in the worker's own rounds."""
    return str(structlog.contextvars.get_contextvars().get(CORRELATION) or _new_name())


@contextmanager
def under(name: str | None, **facts: Any) -> Iterator[None]:
    """What is written until the block ends belongs to that act, and says these facts, too."""
    with structlog.contextvars.bound_contextvars(**({CORRELATION: name} if name else {}), **facts):
        yield


def _new_name() -> str:
    return secrets.token_hex(8)


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


def configure(level: str = "INFO", form: Form = "json") -> None:
    """For this process. A trace names files and lines; structlog's own default would print every local variable, passwords included."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            TIMED,
            structlog.processors.format_exc_info,
            without_secrets,
            RENDERERS[form],
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping().get(level.upper(), logging.INFO)),
        logger_factory=structlog.PrintLoggerFactory(Forgiving(sys.stderr)),  # type: ignore[arg-type]
        cache_logger_on_first_use=False,
    )
    logging.setLogRecordFactory(LINES_OF_OTHERS[form])


TIMED = structlog.processors.TimeStamper(fmt="iso", utc=True)


def without_secrets(_logger: object, _method: str, event: Any) -> Any:
    """The same event, with what is called a secret hidden, however deep it lies."""
    if isinstance(event, Mapping):
        return {name: HIDDEN if SECRETS.search(str(name)) else without_secrets(_logger, _method, value) for name, value in event.items()}
    if isinstance(event, list | tuple):
        return [without_secrets(_logger, _method, value) for value in event]
    return event


class LineOfOthers(logging.LogRecord):
    """What a library has to say, already as a line of ours: some have handlers of their own, and would write a header's line break as one."""

    form: Form = "json"

    def getMessage(self) -> str:  # noqa: N802 - its name in the standard library
        said: dict[str, Any] = {"event": super().getMessage(), "logger": self.name, "level": self.levelname.lower()}
        if self._trace:
            said["exception"] = self._trace
        return str(RENDERERS[self.form](None, "", without_secrets(None, "", TIMED(None, "", said))))

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        # Kept apart from what a formatter would add below the line.
        self._trace = "".join(traceback.format_exception(*self.exc_info)) if self.exc_info and self.exc_info[0] else ""
        self.exc_info = self.exc_text = self.stack_info = None


class TextOfOthers(LineOfOthers):
    form: Form = "text"


LINES_OF_OTHERS: Mapping[str, type[LineOfOthers]] = {"json": LineOfOthers, "text": TextOfOthers}


def nothing_beside_the_line() -> None:
    """Takes away what the handlers that are there now would put around a line. Called once the server has made its own."""
    for name in (None, *list(logging.root.manager.loggerDict)):
        for handler in logging.getLogger(name).handlers:
            handler.setFormatter(logging.Formatter("%(message)s"))
