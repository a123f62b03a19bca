"""Reports: a day, a week or a month to hand on, those that were made, and when they are made by themselves."""

from core.ui.session import guard

actor = guard("reports:read")

from core.ui import report_view  # noqa: E402 - the guard goes first

report_view.show(actor)
