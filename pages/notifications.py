"""Notifications: who was told of what and what became of it, alerts and their thresholds, and by which ways who is told."""

from core.ui.session import guard

actor = guard("notifications:read")

from core.ui import notifications_view  # noqa: E402 - the guard goes first

notifications_view.show(actor)
