"""The table of billers that are served: code → dialect. A biller's base path is its code in small letters."""

from collections.abc import Mapping
from typing import Protocol

from core.sandbox import lwb_postpaid
from core.sandbox.messages import Reply, Request
from core.sandbox.words import Answer, Ask, Verb


class Dialect(Protocol):
    """How a biller is spoken to. Pure: no socket, no clock, no file."""

    @property
    def operations(self) -> Mapping[str, Verb]:
        """The dialect's own operation names, as faults, counts and the request log call them."""

    def understand(self, request: Request, path: str) -> Ask:
        """The request's meaning. `path` is what follows the biller's base path. Raises NotUnderstood, which carries the reply."""

    def say(self, answer: Answer, fault_status: int) -> Reply:
        """The answer's bytes. `fault_status` is the HTTP status that this biller puts on a fault."""


DIALECTS: Mapping[str, Dialect] = {
    lwb_postpaid.CODE: lwb_postpaid.DIALECT,
}


def base_path(code: str) -> str:
    return code.lower()
