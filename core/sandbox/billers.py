"""The table of billers that are served, by code. A biller's base path is its code in small letters."""

from collections.abc import Mapping

from core.sandbox import airtel_validation, bwb_postpaid, lwb_postpaid, masm, register_general, srwb_postpaid, srwb_prepaid, tnm_bundles
from core.sandbox.serving import Biller

_MODULES = (lwb_postpaid, bwb_postpaid, srwb_postpaid, srwb_prepaid, masm, register_general, tnm_bundles, airtel_validation)

BILLERS: Mapping[str, Biller] = {module.BILLER.code: module.BILLER for module in _MODULES}
