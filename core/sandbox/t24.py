"""The bank's T24 as Temenos publishes it: balances, transfers, their list and their reversal, in JSON whose body alone says how it went."""

import binascii
import hmac
import json
from base64 import b64decode
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from core.sandbox.documents import JSON
from core.sandbox.messages import Refused, Reply, Request, plain
from core.sandbox.serving import Biller
from core.sandbox.sign_in import SIGN_IN, Credentials
from core.sandbox.t24_accounts import ACCOUNT_CLOSED, INSUFFICIENT_FUNDS, OVERRIDE
from core.sandbox.t24_book import CODE, UNAUTHORISED
from core.sandbox.t24_teller import DRY_RUN, NO_RECORD, NOT_GIVEN_BACK, Listed
from core.sandbox.words import ACCOUNT_BLOCKED, ACCOUNT_NOT_FOUND, DUPLICATE, INVALID_AMOUNT, NOT_FOUND, PENDING, SUCCESS, Answer, Ask, Verb

BALANCES, POST, DELETE, LIST = "GET balances", "POST transfers", "DELETE transfers", "GET transfers"
BALANCES_PATH, TRANSFERS_PATH = "/holdings/accounts/balances", "/order/transfers"

# A code that is not here is said as it is: nobody lists it.
CODES: Mapping[str, str] = {
    NOT_FOUND: "TGVCP-007",
    ACCOUNT_NOT_FOUND: "AC-INVALID.ACCOUNT",
    INSUFFICIENT_FUNDS: "AC-INSUFFICIENT.FUNDS",
    ACCOUNT_CLOSED: "AC-ACCOUNT.CLOSED",
    ACCOUNT_BLOCKED: "AC-ACCOUNT.BLOCKED",
    INVALID_AMOUNT: "FT-INVALID.AMOUNT",
    DUPLICATE: "FT-DUPLICATE.REFERENCE",
    NO_RECORD: "FT-RECORD.MISSING",
    NOT_GIVEN_BACK: "FT-REVERSAL.NOT.ALLOWED",
}

# The published length of each text of a transfer, and whether it must be there.
TEXTS: Mapping[str, tuple[int, bool]] = {
    "transactionType": (4, True),
    "debitAccountId": (16, True),
    "debitCurrency": (3, True),
    "creditAccountId": (16, True),
    "debitReference": (16, False),
    "creditReference": (27, False),
}
LONGEST_DETAIL, LONGEST_AMOUNT, LONGEST_NAME = 35, 18, 19

BALANCE_ROW = (
    ("accountId", "account"),
    ("accountName", "name"),
    ("currencyId", "currency"),
    ("workingBalance", "working"),
    ("ledgerBalance", "ledger"),
    ("clearedBalance", "cleared"),
    ("lockedAmount", "locked"),
    ("useableBalance", "balance"),
)
TRANSFER_ROW = (
    ("transactionType", "transaction_type"),
    ("debitAccountId", "account"),
    ("debitCurrency", "currency"),
    ("debitAmount", "amount"),
    ("creditAccountId", "credit_account"),
    ("debitReference", "reference"),
    ("creditReference", "credit_reference"),
)
# Published as numbers: written without quotation marks, as exactly as they are.
NUMBERS = frozenset({"debitAmount"})
# A bank must add these to the published list, or nothing can be found in it.
ADDED_TO_ROWS = (("id", "external_id"), ("recordStatus", "record"))

Pairs = Iterable[tuple[str, str]]


class T24:
    operations: Mapping[str, Verb] = {BALANCES: Verb.LOOKUP, POST: Verb.PAY, DELETE: Verb.REVERSE, LIST: Verb.STATUS}

    def serves(self, path: str) -> bool:
        return True

    def understand(self, request: Request, path: str, credentials: Credentials) -> Ask:
        _signed_in(request, credentials)
        if (request.method, path) == ("GET", BALANCES_PATH):
            return Ask(Verb.LOOKUP, BALANCES, account=request.query.get("accountId", ""))
        if (request.method, path) == ("POST", TRANSFERS_PATH):
            return _transfer(request)
        match request.method, path.removeprefix(TRANSFERS_PATH + "/").split("/"):
            case "DELETE", [number] if path.startswith(TRANSFERS_PATH + "/"):
                return Ask(Verb.REVERSE, DELETE, details={"id": number})
            case "GET", [debited, credited] if path.startswith(TRANSFERS_PATH + "/"):
                return Ask(Verb.STATUS, LIST, reference=request.query.get("debitReference", ""), account=debited, details={"credit_account": credited})
        raise Refused(plain(404, f"There is no {request.method} {path} here."))

    def say(self, answer: Answer, fault_status: int) -> Reply:
        """`fault_status` 200: failures come with HTTP 200 too."""
        code = answer.code
        if answer.fault or code not in (SUCCESS, PENDING, ""):
            usual = 404 if code == NOT_FOUND else 400
            return _failure(answer, usual if answer.fault and fault_status != 200 else 200)
        if isinstance(answer, Listed):
            return _page([*answer.before, answer.said], (*TRANSFER_ROW, *ADDED_TO_ROWS), answer.copies)
        if answer.ask.operation == BALANCES:
            return _page([{**answer.said, "name": answer.said.get("name", "")[:LONGEST_NAME]}], BALANCE_ROW, answer.copies)
        return _screen(answer)


def _screen(answer: Answer) -> Reply:
    said = answer.said
    record = said.get("record", "")
    if answer.code == PENDING and record in ("", "Live"):
        # A fault says that it is not done although it is.
        record = UNAUTHORISED
    header = {"id": said.get("external_id", ""), "transactionStatus": record, "status": "success"}
    return _reply(200, {"header": _header(header), "body": _row(said, TRANSFER_ROW)}, answer.copies)


def _page(rows: Sequence[Mapping[str, str]], names: Sequence[tuple[str, str]], copies: int) -> Reply:
    header = f'{{"audit":{{"T24_time":7}},"page_start":1,"page_size":{len(rows)},"total_size":{len(rows)},"status":"success"}}'
    return _reply(200, {"header": header, "body": "[" + ",".join(_row(row, names) for row in rows) + "]"}, copies)


def _failure(answer: Answer, status: int) -> Reply:
    code, message = CODES.get(answer.code, answer.code), answer.message or answer.said.get("message", "")
    header = _header({"id": answer.said.get("external_id", ""), "status": "failed"})
    if answer.code == OVERRIDE:
        override = {"overrideDetails": [{"id": "ACCT.UNAUTH.OD", "code": "ACCT.UNAUTH.OD", "description": message, "options": ["RECEIVED", "NO"]}]}
        return _reply(status, {"header": header, "override": json.dumps(override)}, answer.copies)
    error: dict[str, Any] = {"code": code, "message": message, "type": "BUSINESS"}
    if answer.ask.operation in (POST, DELETE):
        error = {"type": "BUSINESS", "errorDetails": [{"fieldName": "", "code": code, "message": message}]}
    return _reply(status, {"header": header, "error": json.dumps(error)}, answer.copies)


def _header(said: Mapping[str, str]) -> str:
    return json.dumps({"audit": {"T24_time": 11, "versionNumber": "1"}, **{name: text for name, text in said.items() if text}})


def _row(said: Mapping[str, str], names: Sequence[tuple[str, str]]) -> str:
    members = ((name, said[ours]) for name, ours in names if said.get(ours))
    return "{" + ",".join(f"{json.dumps(name)}:{text if name in NUMBERS else json.dumps(text, ensure_ascii=False)}" for name, text in members) + "}"


def _reply(status: int, parts: Mapping[str, str], copies: int) -> Reply:
    """One object. Copies of its parts stand in it again: JSON allows that, and a reader must notice."""
    inner = ",".join(f'"{name}":{text}' for name, text in parts.items())
    return Reply(status, ("{" + ",".join([inner] * copies) + "}\n").encode(), JSON)


def _transfer(request: Request) -> Ask:
    body = _body(request)
    unknown = set(body) - {*TEXTS, "debitAmount", "paymentDetails"}
    if unknown:
        raise _not_understood(f"EB-FIELD.UNKNOWN: {', '.join(sorted(unknown))}")
    for name, (longest, is_needed) in TEXTS.items():
        said = body.get(name, None if is_needed else " ")
        if not isinstance(said, str) or not 1 <= len(said) <= longest:
            raise _not_understood(f"EB-FIELD.INVALID: {name}")
    amount = body.get("debitAmount")
    if not isinstance(amount, Decimal) or len(f"{amount:f}") > LONGEST_AMOUNT:
        raise _not_understood("EB-FIELD.INVALID: debitAmount")
    _check_details(body.get("paymentDetails", []))
    details = {"credit_account": body["creditAccountId"], "transaction_type": body["transactionType"]}
    if "creditReference" in body:
        details["credit_reference"] = body["creditReference"]
    is_dry = request.query.get("validate_only") == "true"
    return Ask(
        Verb.LOOKUP if is_dry else Verb.PAY,
        POST,
        reference=body.get("debitReference", ""),
        account=body["debitAccountId"],
        amount=f"{amount:f}",
        currency=body["debitCurrency"],
        details={**details, DRY_RUN: "true"} if is_dry else details,
    )


def _body(request: Request) -> dict[str, Any]:
    try:
        found = json.loads(request.body, parse_float=Decimal, parse_int=Decimal)
    except ValueError:
        raise _not_understood("EB-NOT.JSON") from None
    body = found.get("body") if isinstance(found, dict) else None
    if not isinstance(body, dict):
        raise _not_understood("EB-BODY.MISSING")
    return body


def _check_details(lines: object) -> None:
    if not isinstance(lines, list) or not all(isinstance(line, dict) and len(line.get("paymentDetail", "")) <= LONGEST_DETAIL for line in lines):
        raise _not_understood("EB-FIELD.INVALID: paymentDetails")


def _not_understood(said: str) -> Refused:
    error = {"type": "BUSINESS", "errorDetails": [{"fieldName": said.partition(": ")[2], "code": said.partition(":")[0], "message": said}]}
    return Refused(_reply(400, {"header": _header({"status": "failed"}), "error": json.dumps(error)}, 1))


def _signed_in(request: Request, credentials: Credentials) -> None:
    """The published ways: HTTP Basic, or the API key as the whole of `Authorization`. A branch that is named must be ours. Raises Refused."""
    given = request.headers.get("authorization", "")
    proven = "api_key" in credentials and _same(given, credentials["api_key"])
    if "username" in credentials:
        proven = proven or _same(_basic(given), f"{credentials['username']}:{credentials['password']}")
    if not proven:
        raise Refused(SIGN_IN)
    if request.headers.get("companyid", credentials.get("company_id")) != credentials.get("company_id"):
        raise _not_understood("EB-INVALID.COMPANY: companyId")


def _same(given: str, right: str) -> bool:
    return hmac.compare_digest(given.encode(), right.encode())


def _basic(given: str) -> str:
    scheme, _, rest = given.partition(" ")
    try:
        return b64decode(rest.strip(), validate=True).decode() if scheme.lower() == "basic" else ""
    except (binascii.Error, ValueError):
        return ""


BILLER = Biller(CODE, (), (T24(),))
