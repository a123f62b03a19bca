"""Small pieces that several pages are made of: a telling in its colour, a list of facts, a complaint beside a field, a way to another page."""

import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn

import streamlit as st

from core.access import Actor
from core.errors import NotFound
from core.settings import CHECKOUT
from core.ui.places import page_link
from core.ui.tellings import Telling, Tone
from core.ui.words import plain

LOOKUP, PAYMENT, TRANSACTIONS, CONFIGURATIONS, PEOPLE, AUDIT = (
    CHECKOUT / "pages" / f"{name}.py" for name in ("lookup", "payment", "transactions", "configurations", "people", "audit")
)

# A form as wide as a hand's breadth of text: wider ones are harder to follow, and a telephone has less anyway.
FORM_WIDTH = 720

# An alert has its own colour in both themes; its icon says the same to whoever does not see colours.
TONES: Mapping[Tone, tuple[Callable[..., object], str]] = {
    "good": (st.success, ":material/check_circle:"),
    "bad": (st.error, ":material/cancel:"),
    "waiting": (st.info, ":material/schedule:"),
    "doubt": (st.warning, ":material/sync:"),
    "review": (st.warning, ":material/gavel:"),
    "stopped": (st.info, ":material/block:"),
}


def show_telling(told: Telling) -> None:
    alert, icon = TONES[told.tone]
    alert(told.rest, title=told.happened, icon=icon)


def show_facts(facts: Mapping[str, str], alt: str) -> None:
    """Names and values, already escaped; what is empty is left out."""
    st.table({name: value for name, value in facts.items() if value}, border="horizontal", alt=alt)


def code(text: object) -> str:
    """An identifier as it is, letter by letter: nothing is read in a code span, so nothing in it needs to be escaped but its own end."""
    return f"`{' '.join(str(text).replace('`', ' ').split())}`"


def complain(sentence: str | None) -> None:
    """What is wrong with the field above, next to it."""
    if sentence:
        st.markdown(f":red[:material/error: {plain(sentence)}]")


def id_in_address(name: str) -> uuid.UUID | None:
    """The id the address carries, or None where it carries none. Raises `NotFound` for one that cannot be."""
    text = st.query_params.get(name)
    if text is None:
        return None
    try:
        return uuid.UUID(text)
    except ValueError:
        raise NotFound("This address leads nowhere: part of it is missing. Start again from the menu.") from None


def turn_to(**address: str | list[str]) -> NoReturn:
    """This page again, under another address."""
    st.query_params.from_dict(address)
    st.rerun()


def link_to(page: Path, label: str, icon: str, **address: str) -> None:
    page_link(page, label=label, icon=icon, query_params=address)


def link_to_record(actor: Actor, kind: str, which: object) -> None:
    """What was done to this object, by whomever: for those who may see the record."""
    if actor.may("audit:read"):
        link_to(AUDIT, "On the record", ":material/policy:", subject=f"{kind}:{which}")
