"""Dashboard: how the day goes, and what needs somebody. Where everybody arrives."""

from core.ui.session import guard

actor = guard("statistics:read")

from core.ui import dashboard_view  # noqa: E402 - the guard goes first

dashboard_view.show(actor)
