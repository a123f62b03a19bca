"""What Temenos publishes of T24's interface, as a judge: a request and an answer fit it, or it says where they do not."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

from jsonschema import Draft4Validator, ValidationError
from jsonschema.validators import extend

from tests.wire.samples import sample

TRANSFERS = "temenos/order-accountTransfers-v1.0.1-swagger.json"
HOLDINGS = "temenos/holdings-accounts-service-v4.3.0-swagger.json"
PAYMENT_ORDERS = "temenos/order-paymentOrders-service-v3.0.0-swagger.json"

# How a client shows who it is besides the published way: gateways before T24 have headers of their own for an API key.
OF_GATEWAYS = frozenset({"apikey", "x-api-key"})
OF_HTTP = frozenset({"content-type", "host", "content-length"})

# What a bank must add to the published list, or no transfer of ours could be found in it.
ADDED_TO_LIST = frozenset({"body[].id", "body[].debitReference", "body[].recordStatus", "body[].creditReference"})
# T24 gives a refused record's number too; the sister service's file has it in its errors.
ADDED_TO_FAILURES = frozenset({"header.id"})


def added_to(method: str, path: str, status: int) -> frozenset[str]:
    """The names that an answer may have beyond the published ones."""
    of_list = ADDED_TO_LIST if method == "GET" and path.startswith("/order/transfers/") else frozenset()
    return of_list if status == 200 else ADDED_TO_FAILURES


def _of_characters(_: Any, bound: int, instance: Any, __: Mapping[str, Any]) -> Iterator[ValidationError]:
    """The files write an amount's greatest length as its `maximum`: taken literally, nobody could be debited more than 18."""
    if isinstance(instance, int | Decimal) and len(f"{instance:f}") > bound:
        yield ValidationError(f"{instance} has more than {bound} characters")


def _of_sign(_: Any, __: int, instance: Any, ___: Mapping[str, Any]) -> Iterator[ValidationError]:
    if isinstance(instance, int | Decimal) and instance < 0:
        yield ValidationError(f"{instance} is negative")


Judge = extend(Draft4Validator, {"maximum": _of_characters, "minimum": _of_sign})


def read_json(document: bytes) -> Any:
    return json.loads(document, parse_float=Decimal)


@lru_cache
def published(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(sample(name))
    return found


@dataclass(frozen=True)
class Operation:
    """One published operation of one file."""

    file: str
    method: str
    path: str

    @property
    def told(self) -> dict[str, Any]:
        found: dict[str, Any] = published(self.file)["paths"][self.path][self.method]
        return found

    def parameters(self, place: str) -> dict[str, dict[str, Any]]:
        return {one["name"]: one for one in self.told["parameters"] if one["in"] == place}


def operation_of(method: str, path: str) -> Operation:
    for file in (TRANSFERS, HOLDINGS):
        for template, methods in published(file)["paths"].items():
            # A path without a blank goes before one that it would fill.
            if method.lower() in methods and re.fullmatch(re.sub(r"\\\{[^}]*\\\}|\{[^}]*\}", "[^/]+", template), path):
                return Operation(file, method.lower(), template)
    raise AssertionError(f"{method} {path} is published nowhere.")


def request_problems(method: str, target: str, headers: Mapping[str, str], body: bytes) -> list[str]:
    """Where a request is not what is published: path, query, headers and body."""
    path, _, query = target.partition("?")
    operation = operation_of(method, path)
    problems = []
    for pair in filter(None, query.split("&")):
        name, _, value = pair.partition("=")
        known = operation.parameters("query").get(name)
        if known is None:
            problems.append(f"query {name}: unknown")
        elif known["type"] == "boolean" and value not in ("true", "false"):
            problems.append(f"query {name}: no boolean")
    secured = {one.get("name", "Authorization").lower() for one in published(operation.file)["securityDefinitions"].values()}
    named = {name.lower() for name in operation.parameters("header")} | secured | OF_GATEWAYS | OF_HTTP
    problems += [f"header {name}: unknown" for name in headers if name.lower() not in named]
    wanted = [one["schema"] for one in operation.parameters("body").values()]
    if body and not wanted:
        problems.append("body: none is published")
    elif body:
        problems += document_problems(operation.file, wanted[0], read_json(body))
    elif any(one.get("required") for one in operation.parameters("body").values()):
        problems.append("body: missing")
    return problems


def answer_problems(method: str, path: str, status: int, body: bytes, added: frozenset[str] = frozenset()) -> list[str]:
    """Where an answer is not what is published for its status; a status that is not, is the default's."""
    operation = operation_of(method, path)
    responses = operation.told["responses"]
    return document_problems(operation.file, responses.get(str(status), responses["default"])["schema"], read_json(body), added)


def document_problems(file: str, schema: Mapping[str, Any], document: Any, added: frozenset[str] = frozenset()) -> list[str]:
    whole = {"definitions": published(file)["definitions"], "allOf": [schema]}
    wrong = [f"{'.'.join(map(str, error.absolute_path))}: {error.message}" for error in Judge(whole).iter_errors(document)]
    return wrong + [f"{name}: unknown" for name in dict.fromkeys(_unknown(file, schema, document, "")) if name not in added]


def _unknown(file: str, schema: Mapping[str, Any], document: Any, place: str) -> Iterator[str]:
    """Names that no schema has. JSON schema lets them pass, and a misspelt optional name with them."""
    if "$ref" in schema:
        schema = published(file)["definitions"][schema["$ref"].rpartition("/")[2]]
    if isinstance(document, dict):
        for name, value in document.items():
            where = f"{place}.{name}" if place else name
            known = schema.get("properties", {}).get(name)
            if known is None:
                yield where
            else:
                yield from _unknown(file, known, value, where)
    elif isinstance(document, list):
        for value in document:
            yield from _unknown(file, schema.get("items", {}), value, f"{place}[]")
