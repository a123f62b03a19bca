"""Number checks of a telecom: by GET, with an API key in the query string, answered in JSON."""

from collections.abc import Mapping

from core.sandbox.documents import Names, json_reply, members
from core.sandbox.messages import Refused, Reply, Request, plain
from core.sandbox.sign_in import Credentials, by_query
from core.sandbox.words import ACCOUNT_NOT_FOUND, Answer, Ask, Verb

BASE = "/v1/"
VALIDATION = "GET validation"

# A code that is not here is said as it is: nobody lists it.
CODES: Mapping[str, str] = {ACCOUNT_NOT_FOUND: "not-found", "ACTIVE": "active", "BLOCKED": "blocked", "BARRED": "barred"}

_VALIDATION: Names = (("msisdn", "account"), ("customerName", "name"), ("status", "status"))
_REFUSAL: Names = (("status", "status"), ("message", "message"))


class Rest:
    operations: Mapping[str, Verb] = {VALIDATION: Verb.LOOKUP}

    def serves(self, path: str) -> bool:
        return path.startswith(BASE)

    def understand(self, request: Request, path: str, credentials: Credentials) -> Ask:
        return question(request, path, credentials, self.operations)

    def say(self, answer: Answer, fault_status: int) -> Reply:
        return say_validation(answer, fault_status, CODES)


def question(request: Request, path: str, credentials: Credentials, operations: Mapping[str, Verb]) -> Ask:
    """`GET /v1/{what}/{msisdn}`. Raises Refused."""
    by_query(request, credentials)
    what, _, number = path.removeprefix(BASE).partition("/")
    operation = f"{request.method} {what}"
    if operation not in operations or not number or "/" in number:
        raise Refused(plain(404, f"There is no {request.method} {path} here."))
    details = {"bundle_id": request.query["bundleId"]} if request.query.get("bundleId") else {}
    return Ask(operations[operation], operation, account=number, details=details)


def say_validation(answer: Answer, fault_status: int, codes: Mapping[str, str]) -> Reply:
    if answer.fault:
        return refusal(answer, fault_status, codes)
    said = {**answer.said, "status": codes.get(answer.code, answer.code)}
    return json_reply(200, members(_VALIDATION, said), answer.copies)


def refusal(answer: Answer, fault_status: int, codes: Mapping[str, str]) -> Reply:
    """Those who put 500 on a SOAP fault put 404 on this one; the others 200."""
    said = {"status": codes.get(answer.fault, answer.fault), "message": answer.message}
    return json_reply(200 if fault_status == 200 else 404, members(_REFUSAL, said), answer.copies)
