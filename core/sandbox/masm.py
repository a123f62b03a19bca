"""Medical Aid Society of Malawi: contributions looked up and paid through the bank's ESB, by kind of account."""

from core.sandbox.esb import Esb
from core.sandbox.serving import Biller
from core.sandbox.trade import Trade
from core.sandbox.words import Verb

BILLER = Biller("MASM", ("token",), (Esb(Verb.PAY),), Trade(account_types=frozenset({"M", "MEMBER", "GROUP"})))
