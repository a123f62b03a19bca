"""Blantyre Water Board, postpaid: a water bill looked up by account and paid in any part."""

from core.wire.water_board import PostpaidBoard


class BwbPostpaid(PostpaidBoard):
    """SOAP 1.1 on one endpoint, or the bank's ESB. Its bills have tambala: 5,475.50 is a usual amount."""

    code = "BWB_POSTPAID"
    title = "Blantyre Water Board (postpaid)"
    namespace = "http://billers.mw/bwb"
