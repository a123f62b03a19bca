"""Department of the Registrar General: registration fees, invoiced and paid through the bank's ESB."""

from decimal import Decimal

from core.sandbox.esb import Esb
from core.sandbox.serving import Biller
from core.sandbox.trade import Fees, Trade
from core.sandbox.words import Verb

# A search of names, the reservation of a name, the registration of a company.
FEES = Fees((Decimal(1_000), Decimal(10_000), Decimal(50_000)))

BILLER = Biller("REGISTER_GENERAL", ("api_key",), (Esb(Verb.CONFIRM_INVOICE),), Trade(fees=FEES))
