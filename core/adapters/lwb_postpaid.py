"""Lilongwe Water Board, postpaid: a water bill looked up by account and paid in any part."""

from core.wire.water_board import PostpaidBoard


class LwbPostpaid(PostpaidBoard):
    """SOAP 1.1 on one endpoint, or the bank's ESB. The account is at times a meter's number, with a customer id beside it that is not asked for."""

    code = "LWB_POSTPAID"
    title = "Lilongwe Water Board (postpaid)"
    namespace = "http://billers.mw/lwb"
