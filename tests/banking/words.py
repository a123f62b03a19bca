"""Transfers and answers that the tests of core banking share."""

import json
from decimal import Decimal
from typing import Any

from core.banking.contract import Transfer
from core.money import Money
from core.wire.contract import Reply, Terms

REFERENCE = "7K3M9QXW2B4D6F8H"
CUSTOMER = "2010000001"
SUSPENSE = "MWK1280600010001"
AMOUNT = Money(Decimal("5475.50"))
TRANSFER = Transfer(REFERENCE, CUSTOMER, SUSPENSE, AMOUNT, credit_reference="LWB 100001", details=("Lilongwe Water Board", "Account 100001"))

TERMS = Terms("https://t24.bank.example/api", {}, {"api_key": "an-api-key"})

BODY = {
    "transactionType": "AC",
    "debitAccountId": CUSTOMER,
    "debitCurrency": "MWK",
    "debitAmount": 5475.5,
    "creditAccountId": SUSPENSE,
    "debitReference": REFERENCE,
}
ROW = {**BODY, "id": "FT0000000001"}


def reply(status: int, document: Any) -> Reply:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return Reply(status, {"content-type": "application/json"}, body)


def success(record: str | None = "Live", number: str | None = "FT0000000001", body: dict[str, Any] | None = None, **parts: Any) -> dict[str, Any]:
    header = {"status": "success", "id": number, "transactionStatus": record}
    return {"header": {name: value for name, value in header.items() if value is not None}, "body": BODY if body is None else body, **parts}


def failure(*codes: str, number: str | None = None, **parts: Any) -> dict[str, Any]:
    details = [{"fieldName": "debitAccountId", "code": code, "message": f"It says {code}."} for code in codes]
    header = {"status": "failed"} | ({"id": number} if number else {})
    return {"header": header, **({"error": {"type": "BUSINESS", "errorDetails": details}} if codes else {}), **parts}


def override(code: str = "ACCT.UNAUTH.OD") -> dict[str, Any]:
    return {"overrideDetails": [{"id": code, "code": code, "description": "Unauthorised overdraft.", "options": ["RECEIVED", "NO"]}]}


def listing(*rows: dict[str, Any], **header: Any) -> dict[str, Any]:
    return {"header": {"status": "success", **header}, "body": list(rows)}


def no_records() -> dict[str, Any]:
    return {"header": {"status": "failed"}, "error": {"code": "TGVCP-007", "message": "No records were found", "type": "BUSINESS"}}
