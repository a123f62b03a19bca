"""SixDee eRecharge: one SOAP operation that buys a bundle, credentials in its body; the questions before it by GET. There is no inquiry."""

from collections.abc import Mapping

from lxml import etree

from core.sandbox import rest
from core.sandbox.documents import Malformed, Names, elements, fields_of, first_in_body, json_reply, soap_reply
from core.sandbox.messages import Refused, Reply, Request, plain
from core.sandbox.sign_in import Credentials, by_fields
from core.sandbox.soap import REFERENCE, not_understood
from core.sandbox.words import (
    ACCOUNT_BLOCKED,
    ACCOUNT_NOT_FOUND,
    DUPLICATE,
    EXCLUSIVE_BUNDLE,
    INVALID_AMOUNT,
    INVALID_BUNDLE,
    LIMIT_EXCEEDED,
    PENDING,
    SUCCESS,
    UNLISTED,
    Answer,
    Ask,
    Verb,
)

ENDPOINT = "/erecharge"
NAMESPACE = "http://erecharge.sixdee.com"
BUNDLES, RECHARGE = "GET bundles", "recharge"

# The message has no currency; this service knows one.
CURRENCY = "MWK"

# CommandStatus. 90 and 99 are in nobody's list.
CODES: Mapping[str, str] = {
    SUCCESS: "0",
    PENDING: "1",
    ACCOUNT_NOT_FOUND: "10",
    ACCOUNT_BLOCKED: "10",
    INVALID_BUNDLE: "11",
    EXCLUSIVE_BUNDLE: "12",
    INVALID_AMOUNT: "13",
    LIMIT_EXCEEDED: "13",
    DUPLICATE: "90",
    UNLISTED: "99",
    "ACTIVE": "active",
    "BLOCKED": "blocked",
}

SIGNS_IN_WITH: Mapping[str, str] = {
    "WSUsername": "username",
    "WSPassword": "password",
    "Pin": "pin",
    "SenderMsisdn": "sender_msisdn",
    "SenderUserId": "sender_user_id",
}

NEEDS = ("ExternalTxnId", "SubscriberMsisdn", "Amount")

_RECEIPT: Names = (("TransactionID", "external_id"), ("ExternalTxnId", "reference"), ("CommandStatus", "status"), ("ResponseMsg", "message"))


class ERecharge:
    operations: Mapping[str, Verb] = {BUNDLES: Verb.BUNDLES, rest.VALIDATION: Verb.LOOKUP, RECHARGE: Verb.PURCHASE_BUNDLE}

    def serves(self, path: str) -> bool:
        return path == ENDPOINT or path.startswith(rest.BASE)

    def understand(self, request: Request, path: str, credentials: Credentials) -> Ask:
        return self._purchase(request, credentials) if path == ENDPOINT else rest.question(request, path, credentials, self.operations)

    def _purchase(self, request: Request, credentials: Credentials) -> Ask:
        if request.method != "POST":
            raise Refused(plain(405, "SOAP is sent by POST."))
        asked = _recharge_request(request.body)
        fields = fields_of(asked)
        by_fields(fields, credentials, SIGNS_IN_WITH)
        for name in NEEDS:
            if not fields.get(name):
                raise not_understood("MISSING_FIELD", f"{name} is missing.")
        if not REFERENCE.fullmatch(fields["ExternalTxnId"]):
            raise not_understood("INVALID_REFERENCE", "ExternalTxnId is not a reference.")
        return Ask(
            Verb.PURCHASE_BUNDLE,
            RECHARGE,
            reference=fields["ExternalTxnId"],
            account=fields["SubscriberMsisdn"],
            amount=fields["Amount"],
            currency=CURRENCY,
            details={"bundle_id": _parameters(asked).get("BUNDLE_ID", "")},
        )

    def say(self, answer: Answer, fault_status: int) -> Reply:
        match answer.ask.verb:
            case Verb.LOOKUP:
                return rest.say_validation(answer, fault_status, CODES)
            case Verb.BUNDLES:
                return _say_bundles(answer, fault_status)
        said = {**answer.echoing, "status": CODES.get(answer.code, answer.code), "message": answer.message or answer.said.get("message", "")}
        inner = f"<RechargeResponse>{elements(_RECEIPT, said)}</RechargeResponse>" * answer.copies
        return soap_reply(200, f'<rechargeResponse xmlns="{NAMESPACE}">{inner}</rechargeResponse>')


def _recharge_request(document: bytes) -> etree._Element:
    try:
        recharge = first_in_body(document)
    except Malformed as malformed:
        raise not_understood("MALFORMED", str(malformed)) from None
    name = etree.QName(recharge).localname
    if name != RECHARGE:
        raise not_understood("UNKNOWN_OPERATION", f"There is no operation {name}.")
    for child in recharge:
        if etree.QName(child).localname == "RechargeRequest":
            return child
    raise not_understood("MISSING_FIELD", "RechargeRequest is missing.")


def _parameters(asked: etree._Element) -> dict[str, str]:
    """The pairs of `Parameters/Parameter{key, value}`."""
    pairs = (fields_of(parameter) for parameter in asked.iter() if etree.QName(parameter).localname == "Parameter")
    return {pair.get("key", ""): pair.get("value", "") for pair in pairs}


def _say_bundles(answer: Answer, fault_status: int) -> Reply:
    if answer.fault:
        return rest.refusal(answer, fault_status, CODES)
    offered = [
        {"id": bundle.id, "name": bundle.name, "price": f"{bundle.price:.2f}", "data": bundle.data, "validity": bundle.validity} for bundle in answer.bundles
    ]
    return json_reply(200, [("msisdn", answer.said.get("account", "")), ("currency", CURRENCY), ("bundles", offered)], answer.copies)
