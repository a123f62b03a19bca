"""How each of the eight billers is spoken to, written from design/wire.md: requests as bytes, answers as what they say."""

import base64
import json
import tomllib
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from running_sandbox import CHECKOUT, Answered, Sandbox

SEEDS = tomllib.loads((CHECKOUT / "seeds" / "sandbox.toml").read_text(encoding="utf-8"))
CREDENTIALS = {row["code"]: {name: value for name, value in row.items() if name != "code"} for row in SEEDS["biller"]}

NAMESPACES = {
    "LWB_POSTPAID": "http://billers.mw/lwb",
    "BWB_POSTPAID": "http://billers.mw/bwb",
    "SRWB_POSTPAID": "http://billers.mw/srwb",
    "SRWB_PREPAID": "http://billers.mw/srwb-prepaid",
}
SOAP_BILLERS = tuple(NAMESPACES)
ESB_BILLERS = (*SOAP_BILLERS, "MASM", "REGISTER_GENERAL")

XML = {"Content-Type": "text/xml; charset=utf-8"}


def number_of(code: str, behaviour: str) -> str:
    """The first test account of a biller that behaves so."""
    return next(row["number"] for row in SEEDS["account"] if code in row.get("billers", [row.get("biller")]) and row["behaviour"] == behaviour)


def http(method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def signed(code: str) -> dict[str, str]:
    """The headers that prove who asks."""
    mine = CREDENTIALS[code]
    if "token" in mine:
        return {"Authorization": f"Bearer {mine['token']}"}
    if "username" not in mine:
        return {"apikey": mine["api_key"], "X-API-Key": mine["api_key"]}
    return {"Authorization": "Basic " + base64.b64encode(f"{mine['username']}:{mine['password']}".encode()).decode()}


def envelope(inner: str) -> bytes:
    return f'<?xml version="1.0"?><e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>{inner}</e:Body></e:Envelope>'.encode()


def elements(fields: dict[str, str]) -> str:
    return "".join(f"<{name}>{text}</{name}>" for name, text in fields.items())


def soap(code: str, operation: str, **fields: str) -> bytes:
    body = envelope(f'<{operation} xmlns="{NAMESPACES[code]}">{elements(fields)}</{operation}>')
    return http("POST", f"/{code.lower()}/soap", body, SOAPAction=f'"{operation}"', **XML, **signed(code))


def esb(code: str, what: str, subject: str, **query: str) -> bytes:
    return http("GET", f"/{code.lower()}/v1/{what}/{subject}" + ("?" + urlencode(query) if query else ""), **signed(code))


def esb_pay(code: str, reference: str, account: str, amount: str, **more: str) -> bytes:
    fields = {"our-transaction-id": reference, "account-number": account, "amount": amount, "currency": "MWK"}
    fields |= {name.replace("_", "-"): text for name, text in more.items()}
    document = f"<post-payment-request>{elements(fields)}</post-payment-request>".encode()
    return http("POST", f"/{code.lower()}/v1/transactions", document, **XML, **signed(code))


def telecom(code: str, what: str, number: str, **query: str) -> bytes:
    return http("GET", f"/{code.lower()}/v1/{what}/{number}?" + urlencode({**query, "apikey": CREDENTIALS[code]["api_key"]}))


def recharge(reference: str, number: str, amount: str, bundle: str, **wrong: str) -> bytes:
    mine = CREDENTIALS["TNM_BUNDLES"]
    fields = {
        "WSUsername": mine["username"],
        "WSPassword": mine["password"],
        "ExternalTxnId": reference,
        "RequestTime": "2026-11-25T09:30:00",
        "Channel": "API",
        "SenderMsisdn": mine["sender_msisdn"],
        "SenderUserId": mine["sender_user_id"],
        "Pin": mine["pin"],
        "SubscriberMsisdn": number,
        "Amount": amount,
        "ExternalSystem": "BILLERS",
        **wrong,
    }
    pairs = (("PREPAID", "true"), ("BUNDLE_ID", bundle))
    parameters = "".join(f"<Parameter><key>{key}</key><value>{value}</value></Parameter>" for key, value in pairs)
    inner = f"{elements(fields)}<Parameters>{parameters}</Parameters><Prefix/><Additionalnfo/>"
    body = envelope(f'<recharge xmlns="http://erecharge.sixdee.com"><RechargeRequest>{inner}</RechargeRequest></recharge>')
    return http("POST", "/tnm_bundles/erecharge", body, SOAPAction='"recharge"', **XML)


def said(answered: Answered) -> dict[str, Any]:
    """What an answer says, in either notation."""
    return json.loads(answered.body) if answered.body.startswith(b"{") else answered.said


@dataclass(frozen=True)
class Payer:
    """One biller through one dialect: how a payment of it is prepared, made and asked about."""

    code: str
    dialect: str

    @property
    def operation(self) -> str:
        if self.dialect == "esb":
            return "post-payment"
        return {"SRWB_PREPAID": "ConfirmInvoice", "TNM_BUNDLES": "recharge"}.get(self.code, "PostTransaction")

    @property
    def account(self) -> str:
        return number_of(self.code, "pays")

    @property
    def amount(self) -> str:
        return {"TNM_BUNDLES": "2500.00", "REGISTER_GENERAL": "1000.00"}.get(self.code, "5475.50")

    def invoice(self, sandbox: Sandbox, account: str) -> dict[str, Any]:
        if self.dialect == "soap":
            return said(sandbox.exchange(soap(self.code, "GetInvoice", AccountNumber=account, Amount=self.amount, Currency="MWK")))
        return said(sandbox.exchange(esb(self.code, "invoices", account, amount=self.amount)))

    def payment(self, sandbox: Sandbox, reference: str, account: str = "") -> bytes:
        """The message that pays, with an invoice fetched for it where one is needed."""
        account = account or self.account
        if self.code == "TNM_BUNDLES":
            return recharge(reference, account, self.amount, "D7")
        fetched = self.invoice(sandbox, account) if self.code in ("SRWB_PREPAID", "REGISTER_GENERAL") else {}
        number = fetched.get("InvoiceNumber") or fetched.get("invoiceNumber")
        if self.dialect == "esb":
            return esb_pay(self.code, reference, account, self.amount, **({"invoice-number": number} if number else {}))
        more = {"InvoiceNumber": number} if number else {}
        return soap(self.code, self.operation, OurTransactionId=reference, **more, AccountNumber=account, Amount=self.amount, Currency="MWK")

    def inquiry(self, reference: str) -> bytes:
        return esb(self.code, "transactions", reference) if self.dialect == "esb" else soap(self.code, "GetTransactionStatus", OurTransactionId=reference)

    def code_in(self, answered: Answered) -> str:
        """The one word that tells how it went."""
        told = said(answered)
        return next(told[name] for name in ("Status", "CommandStatus", "Code", "status") if name in told)

    def word(self, code: str) -> str:
        """A result of the SOAP dialect as this dialect says it."""
        if self.dialect == "esb":
            return ESB_WORDS.get(code, code)
        return ERECHARGE_WORDS.get(code, code) if self.dialect == "erecharge" else code


ESB_WORDS = {
    "SUCCESS": "success",
    "PENDING": "pending",
    "NOT_FOUND": "not-found",
    "DUPLICATE": "duplicate",
    "ACCOUNT_NOT_FOUND": "invalid-account",
    "ACCOUNT_BLOCKED": "rejected",
    "LIMIT_EXCEEDED": "rejected",
    "INVALID_AMOUNT": "amount-not-allowed",
}
ERECHARGE_WORDS = {
    "SUCCESS": "0",
    "PENDING": "1",
    "ACCOUNT_NOT_FOUND": "10",
    "ACCOUNT_BLOCKED": "10",
    "INVALID_AMOUNT": "13",
    "LIMIT_EXCEEDED": "13",
    "DUPLICATE": "90",
    "E-9047": "99",
}

PAYERS = (
    *(Payer(code, "soap") for code in SOAP_BILLERS),
    *(Payer(code, "esb") for code in ESB_BILLERS),
    Payer("TNM_BUNDLES", "erecharge"),
)


def named(payer: Payer) -> str:
    return f"{payer.code} by {payer.dialect}"
