"""An answer as JSON, for programs: one document on standard output, amounts as text, times in ISO 8601 with their offset."""

import dataclasses
from typing import Any

import orjson
import typer
from pydantic import BaseModel


def say_json(answer: object) -> None:
    typer.echo(as_json(answer))


def as_json(answer: object) -> str:
    return orjson.dumps(answer, default=_plain, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS).decode()


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {one.name: getattr(value, one.name) for one in dataclasses.fields(value) if not one.name.startswith("_")}
    if isinstance(value, set | frozenset):
        return sorted(value)
    return str(value)
