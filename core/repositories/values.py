"""A statement is put together once for all who ask the same of other values. What is asked gives its values away, and keeps places for them.

To put a search's statement together takes longer than the server takes to answer it.
"""

import uuid
from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Any, TypeVar

from sqlalchemy import ARRAY, Date, DateTime, Float, Integer, Numeric, Text, Uuid, bindparam

T = TypeVar("T")

# What a value is to the server. A moment is a date as well, and so comes before it.
KINDS: tuple[tuple[type, Any], ...] = (
    (datetime, DateTime(timezone=True)),
    (date, Date()),
    (Decimal, Numeric(18, 2)),
    (uuid.UUID, Uuid()),
    (int, Integer()),
    (float, Float()),
    (str, Text()),
)


class Values:
    """The values of one statement, by the names of their places."""

    def __init__(self) -> None:
        self.taken: dict[str, Any] = {}

    def place(self, value: Any) -> Any:
        """Where the statement has this value. A tuple is what `IN` is asked of. None is no value."""
        if value is None:
            return None
        if isinstance(value, tuple):
            return self._take(list(map(_plain, value)), _kind(value[0]), is_many=True)
        return self._take(_plain(value), _kind(value))

    def array(self, values: Sequence[Any], of: type) -> Any:
        """Where it has these, as one."""
        return self._take(list(map(_plain, values)), of, is_array=True)

    def _take(self, value: Any, kind: type, *, is_many: bool = False, is_array: bool = False) -> Any:
        name = f"value_{len(self.taken)}"
        self.taken[name] = value
        return _place(name, kind, is_many, is_array)


def put_together(build: Callable[..., T], *asked: Any) -> tuple[T, dict[str, Any]]:
    """The statement that answers what is asked, and its values. `build` keeps what it has put together.

    What is asked are numbers, and things that know where their values are: whose `placed` gives the same with a place for each of them, which is equal for all
    who ask the same of others.
    """
    values = Values()
    return build(*(one.placed(values) if hasattr(one, "placed") else values.place(one) for one in asked)), values.taken


@cache
def _place(name: str, kind: type, is_many: bool, is_array: bool) -> Any:
    """The same for all: statements are told apart by it."""
    sql = dict(KINDS)[kind]
    return bindparam(name, type_=ARRAY(sql) if is_array else sql, expanding=is_many)


def _kind(value: Any) -> type:
    return next(kind for kind, _ in KINDS if isinstance(value, kind))


def _plain(value: Any) -> Any:
    """A status is text to the server."""
    return str(value) if isinstance(value, str) else value
