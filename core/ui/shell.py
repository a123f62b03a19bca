"""The frame around every page: whose console this is, who is signed in, and what everybody must know before they pay."""

import streamlit as st

from core.access import Actor
from core.errors import BillersError
from core.services import banners, billers, own_account, people
from core.settings import CHECKOUT, settings
from core.ui import session
from core.ui.places import page_link
from core.ui.session import go_to, guarded, guarded_fragment
from core.ui.theme import FAVICON, LOGO, LOGO_ICON
from core.ui.words import plain

# How often the banners look again by themselves.
BANNERS_EVERY_SECONDS = 15

# White on the primary colour and the primary colour on the dark page cannot both reach 4.5 to 1: what is chosen is told in the links' colour there.
CHOSEN_IN_THE_DARK = '<style>[data-testid="stButtonGroup"] button[data-variant][data-rac][data-selected] {color: #a8c8ff}</style>'

LEAVING = "billers.leaving"

# Whether somebody else knows this person's password, as this window knows it.
NOT_THEIR_OWN = "billers.not-their-own"


def configure(*, signed_in: bool) -> None:
    """The page's first call."""
    st.set_page_config(
        page_title="Billers",
        page_icon=str(FAVICON),
        layout="wide" if signed_in else "centered",
        menu_items={"Get help": None, "Report a bug": None, "About": "Billers: bill payments, each paid once."},
    )


def frame(actor: Actor) -> None:
    """What stands around the page."""
    if st.context.theme.type == "dark":
        st.html(CHOSEN_IN_THE_DARK)
    st.logo(str(LOGO), icon_image=str(LOGO_ICON), size="large")
    with st.sidebar, st.container(border=True, gap="small"):
        st.markdown(f"**{plain(actor.display_name)}**  \n:gray[{plain(actor.role.capitalize())}]{_limits(actor)}")
        st.button("Sign out", icon=":material/logout:", on_click=_sign_out, width="stretch")
    if settings().billers_sandbox:
        st.markdown(":orange-badge[:material/science: SANDBOX] :gray[Test billers, no real money.]")
    _ask_for_a_password_of_their_own(actor)
    _banners()


def _limits(actor: Actor) -> str:
    """Whoever is limited to some billers reads here which: of others nothing is missing, it is not theirs to see."""
    if actor.billers is None:
        return ""
    return f"  \n:gray[Sees {plain(', '.join(billers.short_names(actor).values()) if actor.may('billers:read') else 'some billers')}]"


def _ask_for_a_password_of_their_own(actor: Actor) -> None:
    """Once a window is asked about it; until they have one, each page says so."""
    state = st.session_state
    if NOT_THEIR_OWN not in state:
        state[NOT_THEIR_OWN] = own_account.password_is_given(actor)
    if state[NOT_THEIR_OWN]:
        st.warning("Your password was given to you, and whoever gave it knows it. Choose one of your own.", icon=":material/key:")
        page_link(CHECKOUT / "pages" / "account.py", label="Choose a password", icon=":material/arrow_forward:")


def farewell() -> None:
    """After somebody signed out here: the browser drops its cookie, which opens nothing any more, and starts afresh."""
    if st.session_state.pop(LEAVING, False):
        go_to("/session/leave")


@guarded("people:sign_in")
def _sign_out(_actor: Actor) -> None:
    if token := session.token():
        people.sign_out(token)
    st.session_state[LEAVING] = True


@guarded_fragment("people:sign_in", run_every=BANNERS_EVERY_SECONDS)
def _banners(actor: Actor) -> None:
    """Nothing, as long as all is well."""
    try:
        seen = banners.look(actor)
    except BillersError as error:
        st.warning(error.sentence, icon=":material/hourglass_top:")
        return
    if seen.why_nothing_is_sent:
        st.error(seen.why_nothing_is_sent, icon=":material/front_hand:")
        if actor.may("gate:sign_off"):
            page_link(CHECKOUT / "pages" / "gate.py", label="See what was lost, and sign it off", icon=":material/arrow_forward:")
    elif not seen.worker_seen:
        st.warning(_why_payments_wait(), icon=":material/hourglass_top:")
    if seen.waiting:
        label = f"{seen.waiting} {'proposal waits' if seen.waiting == 1 else 'proposals wait'} for you to decide"
        page_link(CHECKOUT / "pages" / "approvals.py", label=label, icon=":material/how_to_reg:")


def _why_payments_wait() -> str:
    if not settings().enable_background_jobs:
        return "Payments are kept but not sent: background jobs are off on this machine, and no worker runs elsewhere. They go out when one starts."
    return "Payments are kept but not sent: no worker has been heard of for 15 seconds. They go out by themselves as soon as one is back."
