"""TNM: mobile bundles, listed and sold at their price by SixDee eRecharge."""

from decimal import Decimal

from core.sandbox.erecharge import ERecharge
from core.sandbox.serving import Biller
from core.sandbox.trade import Trade
from core.sandbox.words import Bundle

# Illustrative: TNM publishes no list for machines. Everybody is offered the same.
BUNDLES = (
    Bundle("D1", "Daily", Decimal(350), "300 MB", "1 day"),
    Bundle("D7", "Weekly", Decimal(2_500), "2.5 GB", "7 days"),
    Bundle("D30", "Monthly", Decimal(9_900), "10 GB", "30 days"),
    Bundle("SOCIAL7", "Social media, weekly", Decimal(1_200), "1 GB", "7 days"),
    Bundle("NIGHT", "Night", Decimal(600), "2 GB", "00:00 to 05:00"),
    Bundle("MEGA30", "Mega, monthly", Decimal(25_000), "40 GB", "30 days"),
)

CREDENTIALS = ("username", "password", "pin", "sender_msisdn", "sender_user_id", "api_key")

BILLER = Biller("TNM_BUNDLES", CREDENTIALS, (ERecharge(),), Trade(bundles={bundle.id: bundle for bundle in BUNDLES}))
