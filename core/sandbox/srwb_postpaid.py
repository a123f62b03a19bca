"""Southern Region Water Board, postpaid: water bills looked up and paid, in SOAP 1.1 or through the bank's ESB."""

from core.sandbox.esb import Esb
from core.sandbox.serving import Biller
from core.sandbox.soap import Soap
from core.sandbox.words import Verb

# The namespace is illustrative: no public source states it.
SOAP = Soap(
    namespace="http://billers.mw/srwb",
    operations={
        "GetAccountDetails": Verb.LOOKUP,
        "PostTransaction": Verb.PAY,
        "GetTransactionStatus": Verb.STATUS,
        "ReverseTransaction": Verb.REVERSE,
    },
)

BILLER = Biller("SRWB_POSTPAID", ("username", "password"), (SOAP, Esb(Verb.PAY)))
