"""Airtel Malawi: checks whether a number exists. It takes no payment."""

from core.sandbox.rest import Rest
from core.sandbox.serving import Biller

BILLER = Biller("AIRTEL_VALIDATION", ("api_key",), (Rest(),))
