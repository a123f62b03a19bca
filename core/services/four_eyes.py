"""Which parts of a biller's configuration take two people, and why: a table. Whatever stands in neither of its halves is refused by a test.

Two people decide where one could send money or secrets astray, or have an answer read as something it does not say. One person may do what only words
something, or only holds payments back: nobody waits for a second signature to stop a biller.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from core.services.configuration_rules import RULES

ADDRESS = "where payments and credentials are sent"
CREDENTIALS = "what the biller knows us by"
RESULTS = "what an answer means for the money"
LIMITS = "how much may be paid, and by whom alone"
TOPOLOGY = "whose account is debited and credited"

# Path of a field → what it decides. A path counts for everything below it.
TWO_PEOPLE: Mapping[str, str] = MappingProxyType(
    {
        "base_url": ADDRESS,
        "endpoints": ADDRESS,
        "dialect": ADDRESS,
        "authentication": CREDENTIALS,
        f"{RULES}.removed_codes": RESULTS,
        "inquiry_certified": RESULTS,
        # A payment that the biller does not know is sent again after it.
        "max_processing_seconds": RESULTS,
        # Without the question, a lost payment is settled by people; with a reversal, money comes back.
        "features.status": RESULTS,
        "features.reverse": RESULTS,
        # Each amount below is in it.
        "default_currency": LIMITS,
        "supported_currencies": LIMITS,
        f"{RULES}.amount_min": LIMITS,
        f"{RULES}.amount_max": LIMITS,
        f"{RULES}.second_person_above": LIMITS,
        "duplicate_window_minutes": LIMITS,
        "topology": TOPOLOGY,
        "credit_account": TOPOLOGY,
        "credit_account_type": TOPOLOGY,
    }
)

# What one person may change at once, and why that is no danger to money.
ONE_PERSON: Mapping[str, str] = MappingProxyType(
    {
        "biller_name": "a name",
        "display_name": "a name",
        "description": "a help text",
        f"{RULES}.account_label": "a help text",
        f"{RULES}.account_example": "a help text",
        f"{RULES}.account_help": "a help text",
        # A biller says itself whether it has the account, and each payment's account is looked up before.
        f"{RULES}.account_pattern": "what may be typed",
        f"{RULES}.account_check": "what may be typed",
        f"{RULES}.account_is_meter": "what may be typed",
        f"{RULES}.account_types": "what may be typed",
        # A payment whose answer did not come in time is asked about; none fails or is sent again by it.
        "timeout_ms": "how long one call may take",
        # Only a request that cannot have left is tried again.
        "retry_attempts": "how soon it is tried again",
        "concurrency": "how many calls are out at once",
        # What could not be sent in time fails with no money moved.
        "expires_after_minutes": "how long a payment may wait unsent",
        # Whatever else is switched off is only not offered, and switched on only what the biller's class has.
        "features": "what is offered",
    }
)

# A biller never changes; a configuration of another one is another configuration.
FIXED = frozenset({"biller_type"})


def takes_two(paths: Iterable[str]) -> dict[str, str]:
    """Of these fields, those that take two people, each with what it decides. The longest path that names a field counts."""
    found = {path: _decides(path) for path in paths}
    return {path: why for path, why in found.items() if why is not None}


def _decides(path: str) -> str | None:
    """None for what one person may change. What nobody has thought of takes two."""
    place = path
    while place:
        if place in TWO_PEOPLE:
            return TWO_PEOPLE[place]
        if place in ONE_PERSON or place in FIXED:
            return None
        place = place.rpartition(".")[0]
    return RESULTS
