"""What a biller's module tells of it: who it is, how it is spoken to, and what it deals in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from core.sandbox.behaviours import Behaviour
from core.sandbox.messages import Reply, Request
from core.sandbox.sign_in import Credentials
from core.sandbox.trade import Trade
from core.sandbox.words import Acts, Answer, Ask, Verb


class Dialect(Protocol):
    """How a biller is spoken to. Pure: no socket, no clock, no file."""

    @property
    def operations(self) -> Mapping[str, Verb]:
        """The dialect's own operation names, as faults, counts and the request log call them."""

    def serves(self, path: str) -> bool:
        """Whether this dialect answers at a path. `path` is what follows the biller's base path, here and below."""

    def understand(self, request: Request, path: str, credentials: Credentials) -> Ask:
        """The request's meaning, once it has proved who sent it. Raises Refused, which carries the reply."""

    def say(self, answer: Answer, fault_status: int) -> Reply:
        """The answer's bytes. `fault_status` is the HTTP status that this biller puts on a fault."""


class Decides(Protocol):
    """Who carries out what was understood."""

    def behaviour(self, ask: Ask) -> tuple[str, Behaviour] | None:
        """The behaviour that the asked account was given, by name."""

    def answer(self, ask: Ask, acts: Acts) -> Answer:
        """Does it, and says what came of it."""


class Keeps(Protocol):
    """What remembers: a biller's book, or the bank's."""

    @property
    def ledger_path(self) -> Path:
        """The file that the oracle reads by itself."""

    async def settled(self) -> None:
        """Returns once everything it says is on the disk."""

    def account_of(self, ask: Ask) -> str:
        """The account that a message is about, be it named there or not."""

    def note(self, ask: Ask | None, *, fault: str | None, behaviour: str | None, status: int | None) -> None:
        """Notes that a message arrived, and what was answered to it."""


@dataclass(frozen=True, slots=True)
class Biller:
    """`credentials` are the names that its entry in seeds/sandbox.toml must have. Several dialects share the base path."""

    code: str
    credentials: tuple[str, ...]
    dialects: tuple[Dialect, ...]
    trade: Trade = field(default_factory=Trade)

    @property
    def operations(self) -> Mapping[str, Verb]:
        return {name: verb for dialect in self.dialects for name, verb in dialect.operations.items()}

    @property
    def base_path(self) -> str:
        return self.code.lower()
