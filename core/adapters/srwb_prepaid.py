"""Southern Region Water Board, prepaid: a meter looked up, an invoice made for an amount, and a token sold for it."""

from core.wire.water_board import PrepaidBoard


class SrwbPrepaid(PrepaidBoard):
    """SOAP 1.1 on one endpoint, or the bank's ESB. The same money buys different units: debt and charges are taken first."""

    code = "SRWB_PREPAID"
    title = "Southern Region Water Board (prepaid)"
    namespace = "http://billers.mw/srwb-prepaid"
