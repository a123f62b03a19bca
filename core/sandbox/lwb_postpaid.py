"""Lilongwe Water Board, postpaid: SOAP 1.1, one endpoint, water bills looked up and paid."""

from core.sandbox.soap import Soap
from core.sandbox.words import Verb

CODE = "LWB_POSTPAID"

# The namespace is illustrative: no public source states it.
DIALECT = Soap(
    namespace="http://billers.mw/lwb",
    operations={
        "GetAccountDetails": Verb.LOOKUP,
        "PostTransaction": Verb.PAY,
        "GetTransactionStatus": Verb.STATUS,
        "ReverseTransaction": Verb.REVERSE,
    },
)
