"""One table: what can happen to a request on its way, and whether the biller can have seen it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import httpx


class OutcomeClass(StrEnum):
    """What the line alone can tell. Only ANSWERED carries a value; only NOT_SENT may be sent again by itself."""

    ANSWERED = "ANSWERED"  # A whole reply came and the adapter's reader had its say.
    NOT_SENT = "NOT_SENT"  # Not one byte of the request can have been seen.
    UNKNOWN = "UNKNOWN"  # Ask, never resend.


@dataclass(frozen=True, slots=True)
class Accident:
    outcome_class: OutcomeClass
    sentence: str


_NOT_SENT, _UNKNOWN = OutcomeClass.NOT_SENT, OutcomeClass.UNKNOWN

ACCIDENTS: Mapping[str, Accident] = {
    # Before the first byte of the request.
    "base_url_refused": Accident(_NOT_SENT, "The biller's address is not one this console may call. An administrator must correct its base URL."),
    "host_not_allowed": Accident(_NOT_SENT, "The biller's host is not on this deployment's list of allowed hosts. An administrator must add it."),
    "address_refused": Accident(_NOT_SENT, "The biller's host leads to an internal network address and was not called. Tell an administrator."),
    "request_malformed": Accident(_NOT_SENT, "The request could not be written correctly and was not sent. Tell an administrator."),
    "name_not_resolved": Accident(_NOT_SENT, "The biller's host name could not be found. Nothing was sent."),
    "connect_refused": Accident(_NOT_SENT, "The biller could not be reached. Nothing was sent."),
    "connect_timeout": Accident(_NOT_SENT, "The biller did not accept a connection in time. Nothing was sent."),
    "pool_timeout": Accident(_NOT_SENT, "No connection was free in time. Nothing was sent."),
    "tls_failed": Accident(_NOT_SENT, "The biller could not prove who it is (TLS certificate). Nothing was sent; tell an administrator."),
    "claim_too_old": Accident(_NOT_SENT, "The worker was interrupted before it sent anything."),
    "deadline_connecting": Accident(_NOT_SENT, "The biller could not be reached in time. Nothing was sent."),
    # From the first byte on.
    "deadline": Accident(_UNKNOWN, "The biller did not answer in time. It may have acted."),
    "read_timeout": Accident(_UNKNOWN, "The biller stopped answering. It may have acted."),
    "write_timeout": Accident(_UNKNOWN, "The biller stopped listening while the request was sent. It may have acted."),
    "read_failed": Accident(_UNKNOWN, "The connection broke before the answer. The biller may have acted."),
    "write_failed": Accident(_UNKNOWN, "The connection broke while the request was sent. The biller may have acted."),
    "close_failed": Accident(_UNKNOWN, "The connection broke while it was closed. The biller may have acted."),
    "broken_head": Accident(_UNKNOWN, "The biller hung up without a proper answer. It may have acted."),
    "cut_short": Accident(_UNKNOWN, "The biller's answer was cut short. It may have acted."),
    "request_broken": Accident(_UNKNOWN, "The request broke while it was sent. The biller may have acted."),
    "headers_too_large": Accident(_UNKNOWN, "The biller's answer had more headers than are read. It may have acted."),
    "reply_too_large": Accident(_UNKNOWN, "The biller's answer was longer than is read. It may have acted."),
    "encoded_reply": Accident(_UNKNOWN, "The biller compressed its answer although it was asked not to. It may have acted."),
    "wire_failed": Accident(_UNKNOWN, "The connection failed in a way that has no name here. The biller may have acted."),
    "reader_failed": Accident(_UNKNOWN, "The biller answered, and this console failed to read it. The biller may have acted; tell an administrator."),
    # A whole answer whose status no reader is asked about.
    "redirect": Accident(_UNKNOWN, "The biller pointed to another address, which is never followed. It may have acted."),
    "refused_credentials": Accident(_UNKNOWN, "The biller did not accept this console's credentials. An administrator must correct them."),
    "http_408": Accident(_UNKNOWN, "The biller gave up waiting for the request. It may have acted."),
    "http_409": Accident(_UNKNOWN, "The biller already knows this reference: it is asked what became of it."),
    "http_429": Accident(_UNKNOWN, "The biller has too many requests at the moment. It may have acted."),
    "http_502": Accident(_UNKNOWN, "The biller's gateway got no proper answer from its own system. It may have acted."),
    "http_503": Accident(_UNKNOWN, "The biller says it is not available. It may have acted."),
    "http_504": Accident(_UNKNOWN, "The biller's gateway waited for its own system in vain. It may have acted."),
}

# The most particular first. `ConnectError`, `ConnectTimeout` and `PoolTimeout` are the only ones of httpx that prove NOT_SENT.
EXCEPTIONS: tuple[tuple[type[Exception], str], ...] = (
    (httpx.ConnectTimeout, "connect_timeout"),
    (httpx.PoolTimeout, "pool_timeout"),
    (httpx.ConnectError, "connect_refused"),
    (httpx.ReadTimeout, "read_timeout"),
    (httpx.WriteTimeout, "write_timeout"),
    (httpx.ReadError, "read_failed"),
    (httpx.WriteError, "write_failed"),
    (httpx.CloseError, "close_failed"),
    (httpx.RemoteProtocolError, "cut_short"),
    (httpx.LocalProtocolError, "request_broken"),
    (Exception, "wire_failed"),
)

# The statuses a reader is asked about: done, accepted, an ESB's "no such transaction", a SOAP Fault.
READ_STATUSES = frozenset({200, 202, 404, 500})


def failure_of(error: Exception) -> str:
    return next(failure for kind, failure in EXCEPTIONS if isinstance(error, kind))


def failure_of_status(status: int, also_read: frozenset[int] = frozenset()) -> str | None:
    """None where the adapter's reader decides; otherwise the name of what this status means for the request."""
    if status in READ_STATUSES | also_read:
        return None
    if status in (401, 403):
        return "refused_credentials"
    return "redirect" if 300 <= status < 400 else f"http_{status}"


def accident(failure: str) -> Accident:
    """A status without a row of its own (`http_418`) proves nothing either."""
    return ACCIDENTS.get(failure) or Accident(_UNKNOWN, f"The biller answered with {failure.replace('_', ' ').upper()}. It may have acted.")
