"""Who is at this browser, asked anew at each run: of the script, of a fragment, of a dialog, of a callback. Each skips the others' check."""

import functools
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Concatenate, NoReturn, ParamSpec, TypeVar

import streamlit as st
import structlog
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.scriptrunner import get_script_run_ctx

from core import logs
from core.access import PERMISSIONS, Actor, refusal, when_proof_is_wanted
from core.errors import BillersError, ProveAgain
from core.ids import incident_id
from core.security.sessions import cookie_name
from core.services import people

P = ParamSpec("P")
R = TypeVar("R")

log = structlog.get_logger()

# Who was found at the start of the run that goes on: of the whole script, what it draws inside it included. A fragment or a callback by itself is outside.
_AT_THE_START: ContextVar[Actor | None] = ContextVar("billers.at_the_start", default=None)

# Set once somebody was seen in this window: whoever is not there any more was signed out, not merely a stranger.
SEEN = "billers.was_signed_in"

# Set where an act was refused until its person proves again who they are; then, while they are asked.
PROOF_WANTED, PROOF_ASKED = "billers.proof_wanted", "billers.proof_asked"


def token() -> str | None:
    """The session's cookie, as the browser sent it when this window was opened."""
    return st.context.cookies.get(cookie_name())


def current(*, touch: bool = True) -> Actor | None:
    """Who is signed in here, or None. `touch=False` where nobody did anything."""
    actor = _AT_THE_START.get()
    if actor is None:
        # A run of its own, of the page or of a part of it: whatever it asks for goes by a name of its own in the log.
        logs.begin_act()
        actor = people.actor_of(token(), touch=touch)
    if actor is not None:
        st.session_state[SEEN] = True
    return actor


@contextmanager
def whole_run(actor: Actor | None) -> Iterator[None]:
    """One run of the whole script, for whom it found at its start: page and fragments within it need not look again some milliseconds later."""
    before = _AT_THE_START.set(actor)
    try:
        yield
    finally:
        _AT_THE_START.reset(before)


def is_whole_run() -> bool:
    """False where a fragment is drawn anew by itself."""
    return _AT_THE_START.get() is not None


def was_signed_in() -> bool:
    return SEEN in st.session_state


def guard(permission: str) -> Actor:
    """Every page's first statement. Returns who asks; shows a stranger the sign-in, and somebody without the right why not, and ends the run."""
    if permission not in PERMISSIONS:
        raise KeyError(permission)
    actor = None
    with plain_errors():
        actor = current()
        if actor is None:
            from core.ui.sign_in import show

            show()
        elif not actor.may(permission):
            refuse(actor, permission)
    if actor is None or not actor.may(permission):
        st.stop()
    return actor


def refuse(actor: Actor, permission: str) -> None:
    """What somebody without the right sees instead of a page."""
    st.title("Not for your role")
    st.warning(refusal(actor, permission).sentence, icon=":material/lock:")


@contextmanager
def plain_errors() -> Iterator[None]:
    """Nobody sees a trace: what we foresaw is shown in its own sentence, everything else as an incident that the log knows.

    Also a decorator: `@plain_errors()`.
    """
    try:
        yield
    except ProveAgain as error:
        st.info(error.sentence, icon=":material/lock:")
    except BillersError as error:
        st.error(error.sentence, icon=":material/error:")
    except Exception as error:  # noqa: BLE001 - the last line before the screen
        report(error)


def report(error: Exception) -> bool:
    """Shows an unforeseen error as an incident and logs it under the same number. True: Streamlit need not show it, too."""
    incident = incident_id()
    # Written out here: structlog's own way shows each frame's variables, passwords among them.
    log.error("unforeseen error on a page", incident=incident, trace="".join(traceback.format_exception(error)))
    st.error(
        "Something went wrong on our side. What you submitted before is kept."
        f" Load the page again; if it stays so, tell an administrator: incident {incident}.",
        icon=":material/error:",
    )
    return True


def guarded(permission: str, *, touch: bool = True) -> Callable[[Callable[Concatenate[Actor, P], R]], Callable[P, R | None]]:
    """For a callback: the function gets who asks, of this moment, as its first argument. Without the right it does not run.

    `st.button(…, on_click=cancel, args=(id,))` with `@guarded("transactions:cancel_own") def cancel(actor, id)`.
    """
    if permission not in PERMISSIONS:
        raise KeyError(permission)

    def decorate(function: Callable[Concatenate[Actor, P], R]) -> Callable[P, R | None]:
        @functools.wraps(function)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R | None:
            with plain_errors():
                actor = current(touch=touch)
                if actor is None:
                    st.session_state[SEEN] = True
                    _start_over()
                elif actor.may(permission):
                    return function(actor, *args, **kwargs)
                else:
                    refuse(actor, permission)
            return None

        return checked

    return decorate


def guarded_fragment(
    permission: str, run_every: str | float | None = None, *, touch: bool | None = None, **options: Any
) -> Callable[[Callable[Concatenate[Actor, P], R]], Callable[P, R | None]]:
    """`st.fragment` that asks who is there at each of its runs, and hands that Actor to the function first.

    A fragment that runs by itself (`run_every`, or `touch=False` where something else has it run) does not count as somebody being at work, or an
    unattended till would never be signed out.
    """

    def decorate(function: Callable[Concatenate[Actor, P], R]) -> Callable[P, R | None]:
        at_work = run_every is None if touch is None else touch
        made: Callable[P, R | None] = st.fragment(run_every=run_every, **options)(_then_asks(guarded(permission, touch=at_work)(function)))
        return made

    return decorate


def guarded_dialog(title: str, permission: str, **options: Any) -> Callable[[Callable[Concatenate[Actor, P], R]], Callable[P, R | None]]:
    """`st.dialog` that asks who is there at each of its runs. Where an act in it wants a proof, it is asked for in it: one dialog does not open another."""

    def decorate(function: Callable[Concatenate[Actor, P], R]) -> Callable[P, R | None]:
        checked = guarded(permission)(function)

        @functools.wraps(checked)
        def drawn(*args: P.args, **kwargs: P.kwargs) -> R | None:
            from core.ui import proof

            place = st.container()
            done = checked(*args, **kwargs)
            with place, plain_errors():
                proof.ask_here_if_wanted()
            return done

        made: Callable[P, R | None] = st.dialog(title, **options)(drawn)
        return made

    return decorate


# ---- Proving again who one is


def want_proof() -> None:
    """Whoever draws next asks the person of this window to prove who they are. What asked for it is pressed again afterwards."""
    # Outside a page's run there is nobody to ask: a route tells it in words.
    if get_script_run_ctx(suppress_warning=True) is not None:
        st.session_state[PROOF_WANTED] = True


when_proof_is_wanted(want_proof)


def _then_asks(fragment: Callable[P, R | None]) -> Callable[P, R | None]:
    """A fragment that is drawn by itself leaves the asking to the whole page: a dialog of its own would close with its next drawing."""

    @functools.wraps(fragment)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> R | None:
        done = fragment(*args, **kwargs)
        context = get_script_run_ctx()
        if PROOF_WANTED in st.session_state and not is_whole_run() and context is not None and context.fragment_ids_this_run:
            st.rerun(scope="app")
        return done

    return drawn


def _start_over() -> None:
    """The whole page again, so that nothing of it stays on the screen of somebody who is signed out."""
    context = get_script_run_ctx()
    if context is not None and context.fragment_ids_this_run:
        st.rerun(scope="app")
    # Within a callback the whole script runs next by itself.


def go_to(path: str) -> NoReturn:
    """Sends the browser to a route of ours. Streamlit's own sign-in does it by this message; a script written into the page would be stopped."""
    message = ForwardMsg()
    message.auth_redirect.url = path
    context = get_script_run_ctx()
    if context is not None:
        context.enqueue(message)
    st.stop()
