"""Analytics: a range of days in figures, and every figure a way to the rows behind it."""

from core.ui.session import guard

actor = guard("statistics:read")

from core.ui import analytics_view  # noqa: E402 - the guard goes first

analytics_view.show(actor)
