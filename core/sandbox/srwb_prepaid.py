"""Southern Region Water Board, prepaid: an invoice for the amount that is wanted, paid with a token for the meter. A token cannot be taken back."""

from decimal import Decimal

from core.sandbox.esb import Esb
from core.sandbox.serving import Biller
from core.sandbox.soap import Soap
from core.sandbox.trade import Tariff, Trade
from core.sandbox.words import Verb

# The namespace is illustrative: no public source states it.
SOAP = Soap(
    namespace="http://billers.mw/srwb-prepaid",
    operations={
        "GetAccountDetails": Verb.LOOKUP,
        "GetInvoice": Verb.GET_INVOICE,
        "ConfirmInvoice": Verb.CONFIRM_INVOICE,
        "GetTransactionStatus": Verb.STATUS,
    },
)

# Illustrative: 5 % of charges, and a cubic metre for 350 kwacha.
TARIFF = Tariff(charges_percent=Decimal(5), price_of_unit=Decimal(350))

BILLER = Biller("SRWB_PREPAID", ("username", "password"), (SOAP, Esb(Verb.CONFIRM_INVOICE)), Trade(tariff=TARIFF, invoices_valid_days=1))
