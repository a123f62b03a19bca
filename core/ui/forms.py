"""The form that every visit to a biller begins with: which biller, which account. Enter submits."""

from collections.abc import Callable, Sequence

import pyarrow as pa  # type: ignore[import-untyped]
import streamlit as st

from core.access import Actor
from core.errors import BadInput, NotFound
from core.services import billers as biller_service
from core.services.billers import BillerCard, SandboxAccount
from core.ui.pieces import LOOKUP, complain, link_to
from core.ui.words import plain

# Biller, account, kind of account (None where the biller has no kinds).
Act = Callable[[str, str, str | None], None]


def account_form(
    key: str, cards: Sequence[BillerCard], act: Act, *, paying: bool = False, biller: str = "", account: str = "", account_type: str = ""
) -> str | None:
    """Asks for biller and account, and hands both to `act` when they are submitted; what it complains of is told beside the field.

    `biller`, `account` and `account_type` are what the form starts with. Answers the chosen biller's code; None where there is none to choose, or
    where the chosen one cannot do what is wanted (`paying`: it takes no payments).
    """
    if not cards:
        st.info("No biller is switched on. An administrator can switch one on; then it is offered here.", icon=":material/domain_disabled:")
        return None
    st.session_state.setdefault(f"{key}-account", account)
    with st.container(border=True):
        card = _choose(key, cards, st.query_params.get("biller") or biller)
        _tell_trouble(card)
        if paying and not card.takes_payments:
            _why_no_payments(card)
            return None
        _ask_account(key, card, act, account_type)
    return card.code


def _ask_account(key: str, card: BillerCard, act: Act, account_type: str) -> None:
    rules = card.snapshot.validation_rules
    with st.form(f"{key}-form", border=False):
        kind = _ask_type(key, card, account_type) if rules.account_types else None
        number = st.text_input(
            rules.account_label,
            key=f"{key}-account",
            placeholder=f"for example {rules.account_example}" if rules.account_example else None,
            help=_help(rules.account_help, rules.account_example),
            autocomplete="off",
            icon=":material/tag:",
        )
        below = st.container()
        if st.form_submit_button("Look up", type="primary", icon=":material/search:", help="Asks the biller for name and balance. Enter does the same."):
            try:
                act(card.code, number or "", kind)
            except (BadInput, NotFound) as error:
                with below:
                    complain(error.sentence)


def _ask_type(key: str, card: BillerCard, chosen: str) -> str | None:
    types = card.snapshot.validation_rules.account_types
    st.session_state.setdefault(f"{key}-type-{card.code}", chosen if chosen in {one.code for one in types} else types[0].code)
    return st.segmented_control(
        "Kind of account",
        [one.code for one in types],
        format_func=lambda code: next(one.label for one in types if one.code == code),
        key=f"{key}-type-{card.code}",
        required=True,
        help=f"{plain(card.name)} keeps several kinds of accounts: choose the one the number below belongs to.",
    )


def _why_no_payments(card: BillerCard) -> None:
    st.info(
        f"{plain(card.name)} takes no payments here: it only confirms whose number it is, and has no way to be paid. Nothing is wrong with the number.",
        title="Look-ups only",
        icon=":material/info:",
    )
    link_to(LOOKUP, "Look a number up", ":material/person_search:", biller=card.code)


def _choose(key: str, cards: Sequence[BillerCard], biller: str) -> BillerCard:
    """The last one used stands first. The choice goes into the address, where a reload finds it."""
    codes = [card.code for card in cards]
    widget = f"{key}-biller"
    usual = next((card.code for card in cards if card.takes_payments), codes[0])

    def remember() -> None:
        st.query_params["biller"] = st.session_state[widget]

    code = st.selectbox(
        "Biller",
        codes,
        index=codes.index(biller if biller in codes else usual),
        format_func=lambda code: next(card.label for card in cards if card.code == code),
        key=widget,
        on_change=remember,
        help="The company whose bill is paid, and which kind of bill. Only those switched on are offered.",
    )
    return next((card for card in cards if card.code == code), cards[0])


def _tell_trouble(card: BillerCard) -> None:
    if card.snapshot.description:
        st.caption(plain(card.snapshot.description))
    if card.paused_because:
        st.warning(f"{plain(card.name)} is paused: {plain(card.paused_because)}", icon=":material/pause_circle:")
    elif card.trouble:
        st.warning(f"{plain(card.name)} is in trouble: {plain(card.trouble)} Payments are kept, and sent once it answers again.", icon=":material/warning:")


def _help(what: str, example: str) -> str:
    said = f"{what[0].upper()}{what[1:]}" if what else "As printed on the bill"
    return plain(f"{said}, for example {example}." if example else f"{said}.")


def sandbox_accounts(actor: Actor, key: str, biller: str | None) -> None:
    """In sandbox mode: the test accounts, and what each does. A click puts the number into the form."""
    accounts = [one for one in biller_service.sandbox_accounts(actor) if one.biller == biller]
    if not accounts:
        return
    with st.expander("Test accounts", icon=":material/science:"):
        st.caption("Sandbox only. Tick a row to put its number into the form; what happens when it is paid depends on the number.")
        st.dataframe(
            pa.Table.from_pylist([{"Account": one.number, "Name": one.name, "Balance": one.balance, "What it does": one.what} for one in accounts]),
            hide_index=True,
            height=320,
            key=f"{key}-test-accounts",
            on_select=lambda: _take_over(key, accounts),
            selection_mode="single-row",
            column_config={
                "Account": st.column_config.TextColumn(width="small"),
                "Balance": st.column_config.TextColumn(width="small", alignment="right"),
                "What it does": st.column_config.TextColumn(width="large"),
            },
            alt="Test accounts of the sandbox and what each does",
        )


def _take_over(key: str, accounts: Sequence[SandboxAccount]) -> None:
    for row in st.session_state[f"{key}-test-accounts"].selection.rows:
        st.session_state[f"{key}-account"] = accounts[row].number
