"""Airtel Malawi: whose number is this? A look-up and nothing else: no payment is ever made here."""

from core.wire.contract import Account, Exchange, Outcome, Query
from core.wire.rest_biller import RestBiller


class AirtelValidation(RestBiller):
    """One GET, answered in JSON. Its top-up, should a biller bring it one day, is another interface altogether."""

    code = "AIRTEL_VALIDATION"
    title = "Airtel Malawi (number check)"
    dialects = ("rest",)
    account_key = "msisdn"
    outcomes = {
        "active": Outcome.CONFIRMED,
        "blocked": Outcome.REJECTED,
        "barred": Outcome.REJECTED,  # Lost or stolen, or its owner asked for it.
        "not-found": Outcome.REJECTED,  # Of a number, and no inquiry: nothing was ever sent that could be missing.
    }

    def lookup(self, query: Query) -> Exchange[Account]:
        # The key travels in the address, where every log on the way may keep it: the transcript masks it, a proxy does not.
        credentials = self.terms.credentials
        return self._get(
            "account_details", "/v1/validation/{account}", self._told_account(query), account=query.account, query=[("apikey", credentials.get("api_key"))]
        )
