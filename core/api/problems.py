"""What a program is told when it does not get what it asked for: one shape (RFC 9457), from the front door to the last route. It knows every kind there is.

400 says that a request does not fit the description; 422, that it does and cannot be done as asked. So whoever reads the description can never meet a 400.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.responses import Response

from core.errors import BadInput, BillersError, Busy, Conflict, Misconfigured, NotAllowed, NotFound, NotLegalNow, NotSignedIn, ProveAgain, Unavailable
from core.ids import incident_id
from core.services.exports import TooManyExports
from core.services.idempotency import AnotherPayload, StillRunning, TakenOver
from core.services.payments import AlreadyInFlight, DuplicateSuspected, InvoiceTaken

# Everything below it is a program's, and is answered in a program's words.
API = "/api/billers"

MEDIA_TYPE = "application/problem+json"

# What each kind is called in its address leads to, on the page that describes the API.
DESCRIBED_AT = f"{API}/docs"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of problem: its status, its title, and what a program does about it."""

    status: int
    title: str
    what_to_do: str


KINDS: Mapping[str, Kind] = {
    "does-not-fit": Kind(400, "The request does not fit the description", "Correct what `errors` names; the same request is refused each time."),
    "no-key": Kind(400, "A key is missing", "Send `Idempotency-Key`: a new one for each payment, and the same one to ask for the same payment again."),
    "not-signed-in": Kind(401, "Nobody is signed in", "Send `Authorization: Bearer` and a token that holds: it may be over, or revoked."),
    "not-allowed": Kind(403, "This is not allowed", "Use a token with the right that is named, or have its owner given that right."),
    "not-there": Kind(404, "There is nothing here", "Check the address; what belongs to a biller that the token's owner does not serve is not there, either."),
    "no-such-method": Kind(405, "This cannot be done here", "Use one of the methods that `Allow` names."),
    "no-such-form": Kind(406, "There is no such form", "Accept one of the media types that the description names."),
    "too-slow": Kind(408, "The request did not arrive in time", "Send it again, over a better connection."),
    "conflict": Kind(409, "Something else stands in the way", "Look at how it stands now before you decide."),
    "not-now": Kind(409, "This is not possible at present", "Look at the transaction: its status says what can be done."),
    "paid-lately": Kind(
        409, "The same amount was paid to this account a short while ago", "Look at `earlier`. If this one is meant as well, send why: `reason`."
    ),
    "in-flight": Kind(409, "A payment to this account is on its way", "Look at `earlier`, and wait for its end before you pay again."),
    "invoice-taken": Kind(409, "This invoice is paid, or being paid", "Look at `earlier`: an invoice is paid once."),
    "still-running": Kind(409, "The first request under this key is still under way", "Ask again after `Retry-After` seconds, with the same key."),
    "changed-meanwhile": Kind(412, "It was changed meanwhile", "Read it again, and send its new `ETag` as `If-Match`."),
    "too-long": Kind(413, "The request is too long", "Send less."),
    "not-json": Kind(415, "The body is no JSON", "Send `Content-Type: application/json`."),
    "wrong-host": Kind(421, "The console does not answer under this name", "Ask for it under the name that you were given."),
    "cannot-be-done": Kind(422, "It cannot be done as asked", "Read `detail` and, where it is there, `errors`: another value helps, the same one does not."),
    "key-used": Kind(422, "The key was used for something else", "Use a new key for each payment."),
    "not-answered": Kind(422, "The biller did not answer the question", "Read `detail` and `code`: the biller's own word is beside it."),
    "too-often": Kind(429, "Too much was asked in a short time", "Ask again after `Retry-After` seconds."),
    "failed": Kind(500, "Something went wrong", "Try again; if it stays so, tell an administrator `instance`."),
    "unavailable": Kind(503, "It is not available at present", "Nothing was lost. Try again after `Retry-After` seconds, with the same key."),
}

# What a service's error is to a program. The first that fits counts.
OF_ERRORS: Sequence[tuple[type[BillersError], str]] = (
    (DuplicateSuspected, "paid-lately"),
    (AlreadyInFlight, "in-flight"),
    (InvoiceTaken, "invoice-taken"),
    (StillRunning, "still-running"),
    (TakenOver, "still-running"),
    (AnotherPayload, "key-used"),
    (NotSignedIn, "not-signed-in"),
    (ProveAgain, "not-allowed"),
    (NotAllowed, "not-allowed"),
    (NotFound, "not-there"),
    (NotLegalNow, "not-now"),
    (Conflict, "conflict"),
    (BadInput, "cannot-be-done"),
    (TooManyExports, "unavailable"),
    (Busy, "unavailable"),
    (Misconfigured, "unavailable"),
    (Unavailable, "unavailable"),
)

# How soon to ask again, where nobody knows better.
AGAIN_SECONDS = {"still-running": 1, "unavailable": 5, "in-flight": 5}

# What the front door calls a status, before any route is reached.
OF_STATUSES: Mapping[int, str] = {
    **{kind.status: name for name, kind in reversed(list(KINDS.items())) if kind.status not in (409, 422)},
    403: "not-allowed",
    409: "conflict",
    422: "cannot-be-done",
}


class Problem(Exception):
    """One of these kinds, in words for whoever looks at it. `errors` say which part of the request is meant; `facts` stand beside the usual members."""

    def __init__(self, kind: str, detail: str, *, errors: Sequence[Mapping[str, str]] = (), headers: Mapping[str, str] | None = None, **facts: Any) -> None:
        self.kind, self.detail, self.errors, self.headers, self.facts = kind, detail, errors, dict(headers or {}), facts
        super().__init__(detail)


def problem_of(error: BillersError) -> Problem:
    """What a service refused, as a program is told of it."""
    kind = next((name for one, name in OF_ERRORS if isinstance(error, one)), "failed")
    facts: dict[str, Any] = {}
    if isinstance(error, DuplicateSuspected | AlreadyInFlight | InvoiceTaken):
        facts["earlier"] = f"{API}/transactions/{error.earlier.id}"
    complaints: Mapping[str, str] = getattr(error, "complaints", {})
    errors = [{"pointer": f"#/{path.replace('.', '/')}", "detail": sentence} for path, sentence in complaints.items()]
    return Problem(kind, error.sentence, errors=errors, **facts)


def answer(problem: Problem, incident: str | None = None) -> Response:
    """The problem as it is sent. What it is called here is what the log calls it, too."""
    kind = KINDS[problem.kind]
    body = {
        "type": f"{DESCRIBED_AT}#{problem.kind}",
        "title": kind.title,
        "status": kind.status,
        "detail": problem.detail,
        "instance": incident or incident_id(),
        **({"errors": list(problem.errors)} if problem.errors else {}),
        **problem.facts,
    }
    again = AGAIN_SECONDS.get(problem.kind)
    headers = {"Cache-Control": "no-store", **({"Retry-After": str(again)} if again else {}), **problem.headers}
    return Response(orjson.dumps(body), kind.status, headers, MEDIA_TYPE)


def of_status(status: int, sentence: str, headers: Mapping[str, str] | None = None) -> Response:
    """What was turned away before a route saw it."""
    return answer(Problem(OF_STATUSES.get(status, "failed"), sentence, headers=headers))


def is_programs(path: str) -> bool:
    return path == API or path.startswith(f"{API}/")
