"""How somebody is told by HTTP: a webhook's signed message, an SMS gateway's request, and how either answer is read. Nothing here opens a connection.

It knows one thing: whether what was to be told was taken. An answer of the two hundreds says so; any other answer is a no, and no answer is neither.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

import orjson

from core.wire.accidents import OutcomeClass
from core.wire.contract import Exchange, Reply, Request, Terms
from core.wire.line import Answer

# The whole of a call, name and connection included. Whoever takes longer to say "thanks" is told again.
DEADLINE_SECONDS = 10.0

# Every whole answer is read: which status says what is decided here.
ANY_STATUS = frozenset(range(100, 600))

ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER = "Billers-Notification", "Billers-Timestamp", "Billers-Signature"


@dataclass(frozen=True, slots=True)
class Said:
    """What came of one try. `reached` is False where nobody answered: that says nothing of what was to be told. `for_good`: asking again changes nothing."""

    taken: bool
    answer: str
    reached: bool = True
    for_good: bool = False


class OutOfReach(Exception):
    """Whoever is to take it was not there, or did not let us in. What was to be told has no part in it."""


def signature(key: str, timestamp: int, body: bytes) -> str:
    """HMAC-SHA256 over `timestamp.body`, in hexadecimal digits: the body cannot be another, and an old message cannot be sent as a new one."""
    return hmac.new(key.encode(), str(timestamp).encode() + b"." + body, hashlib.sha256).hexdigest()


def to_webhook(url: str, key: str, notification: str, timestamp: int, told: Mapping[str, Any]) -> tuple[Terms, Exchange[Said]]:
    """The message as JSON, with its id, its time and its signature. Told again, it has the same id, and a time and signature of its own."""
    body = orjson.dumps(told)
    headers = {
        "Content-Type": "application/json",
        ID_HEADER: notification,
        TIMESTAMP_HEADER: str(timestamp),
        SIGNATURE_HEADER: f"v1={signature(key, timestamp, body)}",
    }
    return _posted(url, headers, body)


@dataclass(frozen=True, slots=True)
class Gateway:
    """How an SMS gateway wants to be asked: by a form or by JSON, in which fields, and what else it wants to hear each time."""

    url: str
    as_json: bool
    to_field: str
    text_field: str
    more: Mapping[str, str]
    header: str = ""
    header_value: str = field(default="", repr=False)


def to_gateway(gateway: Gateway, notification: str, phone: str, text: str) -> tuple[Terms, Exchange[Said]]:
    fields = {**gateway.more, gateway.to_field: phone, gateway.text_field: text}
    body = orjson.dumps(fields) if gateway.as_json else urlencode(fields).encode()
    headers = {"Content-Type": "application/json" if gateway.as_json else "application/x-www-form-urlencoded", ID_HEADER: notification}
    if gateway.header:
        headers[gateway.header] = gateway.header_value
    return _posted(gateway.url, headers, body)


def base_of(url: str) -> str:
    """Scheme and host: as much of an address as may be shown, for its path may be its password."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def path_of(url: str) -> str:
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _posted(url: str, headers: Mapping[str, str], body: bytes) -> tuple[Terms, Exchange[Said]]:
    terms = Terms(base_of(url), {}, deadline_seconds=DEADLINE_SECONDS)
    return terms, Exchange(Request("POST", path_of(url), headers, body), read, ANY_STATUS)


def read(reply: Reply) -> Said:
    """Of what came back only the status counts, and is kept: a body may have anything in it."""
    return Said(200 <= reply.status < 300, f"HTTP {reply.status}")


def said_by(answer: Answer[Said]) -> Said:
    """What came of the call, accidents included."""
    if answer.value is not None:
        return answer.value
    failure = answer.failure or "wire_failed"
    told = TOLD.get(failure) or "The connection broke before the answer."
    return Said(False, told, reached=answer.outcome_class is OutcomeClass.ANSWERED)


# The line's accidents in words of whoever is told of something.
TOLD: Mapping[str, str] = {
    "base_url_refused": "This address may not be called. Write it as https://host/path.",
    "host_not_allowed": "The host is not on this deployment's list: add it to BILLERS_NOTIFICATION_HOSTS.",
    "address_refused": "The host leads to an address that may not be called: see BILLERS_NOTIFICATION_NETWORKS.",
    "request_malformed": "The address or a header has a character that does not belong there.",
    "name_not_resolved": "The host's name could not be found.",
    "connect_refused": "Nobody listens there.",
    "connect_timeout": "It accepted no connection in time.",
    "deadline_connecting": "It could not be reached in time.",
    "deadline": f"It did not answer within {DEADLINE_SECONDS:.0f} seconds.",
    "tls_failed": "It could not prove who it is (TLS certificate).",
    "reply_too_large": "Its answer was longer than is read.",
    "headers_too_large": "Its answer had more headers than are read.",
    "encoded_reply": "It compressed its answer although it was asked not to.",
}
