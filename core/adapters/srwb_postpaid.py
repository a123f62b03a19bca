"""Southern Region Water Board, postpaid: a water bill looked up by account and paid in any part."""

from core.wire.water_board import PostpaidBoard


class SrwbPostpaid(PostpaidBoard):
    """SOAP 1.1 on one endpoint, or the bank's ESB. Zomba, Mulanje, Mangochi and the towns around them."""

    code = "SRWB_POSTPAID"
    title = "Southern Region Water Board (postpaid)"
    namespace = "http://billers.mw/srwb"
