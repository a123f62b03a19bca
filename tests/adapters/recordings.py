"""The recordings of every biller, found on the disk. A ninth biller adds a folder and edits nothing here."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from core.adapters import adapters
from core.money import Money
from core.wire.contract import Biller, Exchange, Outcome, Payment, Query, Receipt, Reply, Terms, Told, Verb

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"

# One of each kind that a biller may want; an adapter takes what it needs. No secret among them may survive in a transcript.
CREDENTIALS: Mapping[str, str] = {
    "username": "recorded-user",
    "password": "recorded-password",
    "pin": "recorded-pin",
    "token": "recorded-token",
    "api_key": "recorded-api-key",
    "sender_msisdn": "recorded-sender",
    "sender_user_id": "recorded-sender-id",
}

# What a verb is asked with; every other verb is asked with a payment.
ASKED_WITH_A_QUERY = frozenset({Verb.LOOKUP, Verb.GET_INVOICE, Verb.BUNDLES})


@dataclass(frozen=True)
class Recording:
    code: str
    stem: str
    facts: Mapping[str, Any]
    request: bytes
    reply: Reply

    def __str__(self) -> str:
        return f"{self.code.lower()}/{self.stem}"

    @property
    def verb(self) -> Verb:
        return Verb(self.facts["verb"])

    @property
    def dialect(self) -> str:
        return str(self.facts.get("dialect", adapters()[self.code].dialects[0]))

    @property
    def biller(self) -> Biller:
        return adapters()[self.code](self.terms())

    def terms(self, base_url: str = "https://biller.test") -> Terms:
        held = self.facts.get("signs_in_with", CREDENTIALS)
        return Terms(base_url, {}, {name: CREDENTIALS[name] for name in held}, deadline_seconds=5, dialect=self.dialect)

    def exchange(self) -> Exchange[Any]:
        asked: dict[str, Any] = dict(self.facts["ask"])
        if "amount" in asked:
            asked["amount"] = Money.from_text(asked["amount"], asked.pop("currency"))
        question = (Query if self.verb in ASKED_WITH_A_QUERY else Payment)(**asked)
        exchange: Exchange[Any] = getattr(self.biller, self.verb)(question)
        return exchange

    def understanding(self) -> dict[str, Any]:
        return {"outcome": Outcome(self.facts["understand"]["outcome"]).value, **self.facts["understand"]}


def said_by(value: Receipt | Told) -> dict[str, Any]:
    """What was understood, in the words of a recording: the fields that are not empty, as text, and lists of such."""
    pairs = ((one.name, getattr(value, one.name)) for one in fields(value))
    return {name: _told(said) for name, said in pairs if said not in (None, "", ())}


def _told(said: object) -> object:
    if isinstance(said, tuple):
        return [said_by(one) if is_dataclass(one) else str(one) for one in said]  # type: ignore[arg-type]
    return said.text if isinstance(said, Money) else str(said)


def recordings(code: str | None = None) -> list[Recording]:
    return [recording for one in adapters() if code in (None, one) for recording in _of(one)]


def _of(code: str) -> Iterator[Recording]:
    for path in sorted((FIXTURES / code.lower()).glob("*.toml")):
        facts = tomllib.loads(path.read_text(encoding="utf-8"))
        reply = facts.get("reply", {})
        headers = {name.lower(): value for name, value in reply.get("headers", {}).items()}
        yield Recording(code, path.stem, facts, _body(path, "request"), Reply(reply.get("status", 200), headers, _body(path, "response")))


def _body(path: Path, kind: str) -> bytes:
    found = list(path.parent.glob(f"{path.stem}.{kind}.*"))
    assert len(found) <= 1, f"{path.stem} has {len(found)} {kind} files."
    return found[0].read_bytes() if found else b""
