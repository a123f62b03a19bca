"""The front door: who is there, and which pages are theirs. Served by `streamlit run Home.py`, routes included."""

import importlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import streamlit as st

from core.access import Actor
from core.ui import places, session

PAGES_DIRECTORY = Path(__file__).parent / "pages"

# File, name and icon in the menu, and what one must be allowed to open it; the first is where everybody arrives.
PAGES = (
    ("dashboard", "Dashboard", ":material/space_dashboard:", "statistics:read"),
    ("lookup", "Look up", ":material/person_search:", "accounts:lookup"),
    ("payment", "Pay", ":material/payments:", "transactions:pay"),
    ("my_day", "My day", ":material/today:", "transactions:pay"),
    ("transactions", "Transactions", ":material/receipt_long:", "transactions:read"),
    ("approvals", "Approvals", ":material/how_to_reg:", "approvals:read"),
    ("reconciliation", "Reconciliation", ":material/balance:", "reconciliation:read"),
    ("analytics", "Analytics", ":material/bar_chart:", "statistics:read"),
    ("reports", "Reports", ":material/summarize:", "reports:read"),
    ("configurations", "Configurations", ":material/tune:", "billers:configure"),
    ("people", "People", ":material/group:", "people:read"),
    ("notifications", "Notifications", ":material/notifications:", "notifications:read"),
    ("jobs", "Jobs", ":material/manufacturing:", "jobs:read"),
    ("audit", "Audit", ":material/policy:", "audit:read"),
    ("account", "My account", ":material/account_circle:", "people:sign_in"),
    ("gate", "Restore gate", ":material/front_hand:", "gate:sign_off"),
)

# Not in the menu: a banner leads there when it is needed.
UNLISTED = ("gate",)


def page_for(actor: Actor | None, name: str, title: str, icon: str, permission: str) -> st.Page:
    """The page as this person gets it: itself, or in its place the sign-in or the refusal, so that its address stays as it is."""
    from core.ui import account_codes, sign_in

    is_first = name == PAGES[0][0]
    path = "" if is_first else name
    if actor is None:
        return st.Page(partial(sign_in.show, f"/{path}"), title="Sign in", url_path=path, default=is_first, visibility="hidden")
    if actor.must_enrol or account_codes.are_shown():
        return st.Page(partial(account_codes.lead_through, actor), title="Sign-in code", url_path=path, default=is_first, visibility="hidden")
    if not actor.may(permission):
        return st.Page(partial(session.refuse, actor, permission), title=title, url_path=path, default=is_first, visibility="hidden")
    visibility = "hidden" if name in UNLISTED else "visible"
    return st.Page(PAGES_DIRECTORY / f"{name}.py", title=title, icon=icon, url_path=path, default=is_first, visibility=visibility)


def pages_for(actor: Actor | None) -> places.Menu:
    """All of them, by name. Whoever is on their way in gets them anew: on that way each run is another step."""
    from core.ui import account_codes

    def make() -> places.Menu:
        return {page[0]: page_for(actor, *page) for page in PAGES}

    if actor is None or actor.must_enrol or account_codes.are_shown():
        return make()
    return places.menu((actor.id, actor.role, actor.permissions), make)


def console() -> None:
    """One run: for one person, one page."""
    from core.ui import proof, shell

    actor = session.current()
    shell.configure(signed_in=actor is not None)
    shell.farewell()
    page = st.navigation(list(pages_for(actor).values()), position="hidden" if actor is None else "sidebar")
    with session.whole_run(actor):
        if actor is not None:
            shell.frame(actor)
        with session.plain_errors():
            page.run()
        if actor is not None:
            with session.plain_errors():
                proof.ask_if_wanted()


@asynccontextmanager
async def lifespan(_app: object) -> AsyncIterator[None]:
    from streamlit.runtime.pages_manager import PagesManager

    # Here rather than at the first visit. A component that streamlit-authenticator brings asks at its import in whose run it is: in nobody's.
    context_log = logging.getLogger("streamlit.runtime.scriptrunner_utils.script_run_context")
    context_log.setLevel(logging.ERROR)
    importlib.import_module("core.ui.live")
    importlib.import_module("core.ui.shell")
    importlib.import_module("core.ui.sign_in")
    context_log.setLevel(logging.WARNING)

    logs.nothing_beside_the_line()
    # Otherwise each file in pages/ is a page of its own until somebody's first run of this script: without the menu, and without us.
    PagesManager.uses_pages_directory = False
    garbage.settle()
    CACHE.start()
    async with stream.listening():
        yield
    CACHE.stop()


if __name__ == "__main__":
    with session.plain_errors():
        console()
else:
    # Imported by the server, once. Streamlit finds `app` here by reading this file, and runs the file itself as each window's script.
    from core import db, garbage, logs
    from core.api import stream
    from core.api.routes import ROUTES, middleware
    from core.services.biller_cache import CACHE
    from core.settings import Part, settings
    from core.ui.theme import FAVICON

    logs.configure(settings().billers_log_level, settings().billers_log_format)
    db.act_as(Part.WEB)

    index = Path(st.__file__).parent / "static" / "index.html"
    app = st.App(__file__, routes=ROUTES, middleware=middleware(index, FAVICON), lifespan=lifespan, on_script_error=session.report)
