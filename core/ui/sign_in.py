"""The sign-in page: streamlit-authenticator's form and password check, our throttle before it and our session after it."""

import secrets
from collections.abc import Iterator, MutableMapping
from typing import Any
from urllib.parse import urlencode

import streamlit as st
import streamlit_authenticator
from streamlit_authenticator.controllers import AuthenticationController

from core.errors import BillersError
from core.services import people
from core.services.people import Try
from core.services.seeds import sandbox_sign_ins
from core.settings import settings
from core.ui.session import go_to, plain_errors, was_signed_in
from core.ui.theme import LOGO
from core.ui.words import plain

FORM = "sign-in"

CODE_HELP = "Six digits from your authenticator app, or a recovery code. Leave it empty if you have not set one up."

# What the way in says when it sends somebody back here.
NOTICES = {
    "ticket": "That took longer than a minute. Sign in once more.",
    "left": "You are signed out.",
    "elsewhere": "For your safety, sign in on this page itself.",
}


def show(page_path: str = "/") -> None:
    """All that a stranger sees. After signing in the browser goes on to the page that was asked for, with its query."""
    _, middle, _ = st.columns([1, 4, 1])
    with middle:
        st.image(str(LOGO), width=150, alt="Billers")
        _say_what_happened()
        with plain_errors():
            attempts = Attempts(st.context.ip_address)
            if ticket := _ticket_from_form(attempts):
                _enter(ticket, page_path)
        if settings().billers_sandbox:
            _offer_sandbox_people(page_path)


def _say_what_happened() -> None:
    if notice := NOTICES.get(st.query_params.get("notice", "")):
        st.info(notice, icon=":material/info:")
    elif was_signed_in():
        st.info("You are signed out. Sign in again; nothing you submitted is lost.", icon=":material/logout:")


def _enter(ticket: str, page_path: str) -> None:
    """By way of the route that sets the cookie: a script cannot set one that scripts cannot read."""
    query = urlencode([(name, value) for name in st.query_params if name != "notice" for value in st.query_params.get_all(name)])
    go_to("/session/enter?" + urlencode({"ticket": ticket, "next": page_path + (f"?{query}" if query else "")}))


# The form.


class Attempts(MutableMapping[str, Any]):
    """What streamlit-authenticator takes for the table of all users. Looked into, it counts a try and yields one password hash.

    It contains every name, so that an unknown one costs the same bcrypt check as a known one; and nobody's hash but the one being tried is ever read.
    """

    def __init__(self, address: str | None) -> None:
        self.begun: Try | None = None
        self._address = address
        self._user: dict[str, Any] = {}

    def __contains__(self, _username: object) -> bool:
        return True

    def __getitem__(self, username: str) -> dict[str, Any]:
        if self.begun is None:
            self.begun = people.begin_try(username, self._address)
            self._user = {"password": self.begun.password_hash, "name": ""}
        return self._user

    def __setitem__(self, _username: str, _user: Any) -> None:
        """What the library would like to remember is not remembered."""

    def __delitem__(self, _username: str) -> None: ...

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


class Credentials(dict[str, Any]):
    """The library's `credentials`, which it insists on tidying at each run; ours stays as it is."""

    def __init__(self, attempts: Attempts) -> None:
        super().__init__(usernames=attempts)

    def __setitem__(self, _name: str, _value: Any) -> None: ...


class NoCookie:
    """In place of the library's cookie, which scripts can read and which outlives a sign-out."""

    def get_cookie(self) -> None: ...

    def set_cookie(self) -> None: ...


class SignInForm(streamlit_authenticator.Authenticate):  # type: ignore[misc]
    """The library's sign-in with one field more: its own form has no room for a code. Its constructor would put a component for its cookie into the page."""

    def __init__(self, attempts: Attempts) -> None:
        self.path = None
        self.attrs = {"login_sleep_time": 0}
        self.cookie_controller = NoCookie()
        self.authentication_controller = AuthenticationController(Credentials(attempts), auto_hash=False, secret_key=secrets.token_hex(32))

    def login(self) -> str | None:
        """The code that was typed beside name and password, which the library has checked by then; None while nothing was sent.

        Everybody is asked for a code, or the asking would tell whose password was right.
        """
        with st.form(FORM):
            st.subheader("Sign in", anchor=False)
            username = st.text_input("User name", autocomplete="off")
            password = st.text_input("Password", type="password", autocomplete="off")
            code = st.text_input("Code", autocomplete="one-time-code", placeholder="if you have set one up", help=CODE_HELP)
            if not st.form_submit_button("Sign in", type="primary", width="stretch"):
                return None
        self.authentication_controller.login(username, password)
        return code


def _ticket_from_form(attempts: Attempts) -> str | None:
    """A ticket when the form was sent and the password was right; says why not otherwise."""
    st.session_state["authentication_status"] = None
    try:
        code = SignInForm(attempts).login()
        if attempts.begun is None:
            return None
        return people.conclude_try(attempts.begun, matched=st.session_state["authentication_status"] is True, code=code)
    except BillersError as error:
        st.error(error.sentence, icon=":material/error:")
        return None
    finally:
        # The library's idea of who is signed in is nobody's.
        for name in ("authentication_status", "username", "name", "email", "roles"):
            st.session_state[name] = None


# The sandbox.


def _offer_sandbox_people(page_path: str) -> None:
    sign_ins = sandbox_sign_ins()
    if not sign_ins:
        return
    with st.container(border=True, gap="small"):
        st.markdown(
            ":orange-badge[:material/science: SANDBOX] **Sign in as**", help="Test billers, no real money. Outside sandbox mode none of these people exists."
        )
        for row in sign_ins:
            label = f"{plain(row['name'])} :gray[{plain(row['role'])}]"
            if st.button(label, key=f"as-{row['username']}", width="stretch"):
                with plain_errors():
                    _enter(people.ticket_for_sandbox_person(row["username"], st.context.ip_address), page_path)
        with st.expander("User names and passwords"):
            st.table({"User name": [row["username"] for row in sign_ins], "Password": [row["password"] for row in sign_ins]}, hide_index=True)
