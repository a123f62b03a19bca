"""My account: one's own sign-in code."""

from core.ui.session import guard

actor = guard("people:sign_in")

from core.ui import account_view  # noqa: E402 - the guard goes first

account_view.show(actor)
