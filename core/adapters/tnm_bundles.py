"""TNM: a bundle chosen from a list and bought for a number. Lists and numbers come as JSON, the purchase is SixDee's eRecharge."""

from collections.abc import Callable
from datetime import UTC, datetime

from core.wire.belief import ACCOUNT_STATES, BELIEVED, BELIEVED_OF_REFUSAL, Echo, believed, mismatch, safely
from core.wire.contract import Account, Bundle, Bundles, Exchange, Outcome, Payment, Query, Receipt, Reply
from core.wire.letters import Unreadable
from core.wire.rest import Keys, money, objects, text
from core.wire.rest_biller import MESSAGE, RestBiller, keys_in
from core.wire.soap import Element, Elements, child, fault_of
from core.wire.soap import text as said
from core.wire.soap_biller import SoapBiller, answer_in

# Only the operation is in the namespace; what it holds is in none.
X = Elements("http://erecharge.sixdee.com", prefix="erec")
N = Elements("")

MOST_BUNDLES = 500


class TnmBundles(SoapBiller, RestBiller):
    """There is no inquiry and no reversal: a purchase in doubt is a person's to clear up with TNM."""

    code = "TNM_BUNDLES"
    title = "TNM (bundles)"
    dialects = ("erecharge",)
    namespace = X.namespace
    default_path = "/erecharge"
    account_key = "msisdn"
    masked = frozenset({"WSPassword", "Pin"})
    outcomes = {
        "0": Outcome.CONFIRMED,
        "1": Outcome.ACCEPTED,
        "10": Outcome.REJECTED,  # Invalid number.
        "11": Outcome.REJECTED,  # Invalid bundle.
        "12": Outcome.REJECTED,  # An exclusive bundle is active, and no other may be bought beside it.
        "13": Outcome.REJECTED,  # The amount is not the bundle's price.
    }  # anything else reads as Outcome.UNKNOWN: there is nobody to ask, and it goes to REVIEW.

    def lookup(self, query: Query) -> Exchange[Account]:
        parameters = [("bundleId", query.bundle_id), self._key()]
        return self._get("account_details", "/v1/validation/{account}", self._told_account(query), account=query.account, query=parameters)

    def bundles(self, query: Query) -> Exchange[Bundles]:
        read = safely(lambda reply: self._read_bundles(reply, query), Bundles)
        return self._get("bundles", "/v1/bundles/{account}", read, account=query.account, query=[self._key()])

    def purchase_bundle(self, payment: Payment) -> Exchange[Receipt]:
        held = self.terms.credentials
        request = N.RechargeRequest(
            N.WSUsername(held.get("username", "")),
            N.WSPassword(held.get("password", "")),
            N.ExternalTxnId(payment.reference),
            N.RequestTime(_moment(payment.requested_at)),
            N.Channel("API"),
            N.SenderMsisdn(held.get("sender_msisdn", "")),
            N.SenderUserId(held.get("sender_user_id", "")),
            N.Pin(held.get("pin", "")),
            N.SubscriberMsisdn(payment.account),
            N.Amount(payment.amount.text),
            N.ExternalSystem("BILLERS"),
            N.Parameters(_parameter("PREPAID", "true"), _parameter("BUNDLE_ID", payment.bundle_id or "")),
            N.Prefix(),
            N.Additionalnfo(),  # Misspelt on the wire.
        )
        return self._call("purchase_bundle", X.recharge(request), self._recharged(payment))

    def _key(self) -> tuple[str, str | None]:
        return ("apikey", self.terms.credentials.get("api_key"))

    def _authorization(self) -> dict[str, str]:
        """Who asks is said inside the body; a header would say it to every proxy on the way."""
        return {}

    def _recharged(self, payment: Payment) -> Callable[[Reply], Receipt]:
        return safely(lambda reply: self._read_recharge(reply, payment), Receipt)

    def _read_recharge(self, reply: Reply, payment: Payment) -> Receipt:
        answer = answer_in(reply)
        fault = fault_of(answer)
        if fault is not None:
            return Receipt(self._of_fault(reply, fault.code), code=fault.code or None, message=fault.text)
        response = child(answer, "RechargeResponse")
        if response is None:
            raise Unreadable("The answer holds no RechargeResponse.")
        code, message = said(response, "CommandStatus"), said(response, "ResponseMsg")
        wrong = mismatch(_echo(response), payment)
        if wrong is not None:
            return Receipt(Outcome.UNKNOWN, code=code, message=message, mismatch=wrong)
        return Receipt(believed(self, code, BELIEVED.get(reply.status, ())), code=code, message=message, external_id=said(response, "TransactionID"))

    def _read_bundles(self, reply: Reply, query: Query) -> Bundles:
        answer = keys_in(reply)
        # A list that is there is the answer; a status speaks only where there is none.
        state, message = text(answer, "status"), text(answer, *MESSAGE)
        offered = "bundles" in answer and reply.status == 200
        outcome = Outcome.CONFIRMED if offered else self._of_state(reply, state, ACCOUNT_STATES, BELIEVED_OF_REFUSAL)
        if not self.names_the_account(text(answer, self.account_key), query, outcome):
            return Bundles(Outcome.UNKNOWN, code=state, message=message, mismatch="account")
        if not offered:
            return Bundles(outcome, account=query.account, code=state, message=message)
        currency = text(answer, "currency") or self.terms.currency
        if currency != self.terms.currency:
            return Bundles(Outcome.UNKNOWN, code=state, message=message, mismatch="currency")
        return Bundles(outcome, account=query.account, items=_items(objects(answer, "bundles"), currency), code=state, message=message)


def _items(offered: list[Keys], currency: str) -> tuple[Bundle, ...]:
    items = tuple(_bundle(one, currency) for one in offered)
    if len(items) > MOST_BUNDLES or len({item.id for item in items}) != len(items):
        raise Unreadable("The list has a bundle twice, or more bundles than are read.")
    return items


def _bundle(offered: Keys, currency: str) -> Bundle:
    """One bundle. What is half a bundle spoils the list: who knows what the other halves belong to."""
    number, name, price = text(offered, "id"), text(offered, "name"), money(offered, currency, "price")
    if number is None or name is None or price is None or price.amount <= 0:
        raise Unreadable("The list has a bundle without an id, a name or a price.")
    return Bundle(number, name, price, data=text(offered, "data"), validity=text(offered, "validity"))


def _parameter(key: str, value: str) -> Element:
    return N.Parameter(N.key(key), N.value(value))


def _moment(at: datetime | None) -> str:
    """UTC, with no zone written: the interface has no place for one."""
    return "" if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _echo(response: Element) -> Echo:
    return Echo(reference=said(response, "ExternalTxnId"), account=said(response, "SubscriberMsisdn"), amount=said(response, "Amount"))
