"""Jobs: what works behind the console, where each piece of it stands, and when what comes by the clock ran last and runs next."""

from core.ui.session import guard

actor = guard("jobs:read")

from core.ui import jobs_view  # noqa: E402 - the guard goes first

jobs_view.show()
