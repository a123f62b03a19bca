"""What else works behind the console, each with what waits of it, what came to nothing within a day, and the way to where it is looked after."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from core.access import Actor
from core.repositories.jobs import Beside
from core.settings import CHECKOUT
from core.ui.bulk_acts import ALL, BULK
from core.ui.figure_words import counted
from core.ui.pieces import TRANSACTIONS, link_to

NOTIFICATIONS, REPORTS = (CHECKOUT / "pages" / f"{name}.py" for name in ("notifications", "reports"))


@dataclass(frozen=True, slots=True)
class Work:
    """One kind of other work: what of it goes on, what is wrong with it (nothing, where empty), and where it is looked after, by whom."""

    title: str
    icon: str
    goes_on: str
    wrong: str
    page: Path | None = None
    label: str = ""
    right: str = ""
    address: Mapping[str, str] | None = None


def works(beside: Beside) -> list[Work]:
    return [
        Work(
            "Payments",
            ":material/payments:",
            f"{counted(beside.workers, 'worker')} at work.",
            "" if beside.workers else "Nothing is sent until one is started.",
            TRANSACTIONS,
            "Queued payments",
            "transactions:read",
            {"status": "PENDING"},
        ),
        Work(
            "Acts on many",
            ":material/checklist:",
            f"{counted(beside.acts, 'act')} with {counted(beside.act_rows, 'row')} to go." if beside.acts else "None is going on.",
            f"{counted(beside.act_rows_failed, 'row')} failed within a day." if beside.act_rows_failed else "",
            TRANSACTIONS,
            "Acts on many",
            "transactions:read",
            {BULK: ALL},
        ),
        Work(
            "Notifications",
            ":material/notifications:",
            f"{counted(beside.notices, 'notification')} to be told." if beside.notices else "All are told.",
            f"{counted(beside.notices_dead, 'notification')} given up within a day." if beside.notices_dead else "",
            NOTIFICATIONS,
            "Those given up" if beside.notices_dead else "What was told",
            "notifications:read",
            {"part": "log", **({"state": "dead"} if beside.notices_dead else {})},
        ),
        Work(
            "Reports",
            ":material/summarize:",
            f"{counted(beside.reports, 'report')} owed." if beside.reports else "None is owed.",
            f"{counted(beside.reports_failed, 'report')} could not be made; each says why, and is tried again." if beside.reports_failed else "",
            REPORTS,
            "Reports",
            "reports:read",
        ),
    ]


def show(actor: Actor, beside: Beside) -> None:
    st.subheader("Beside the jobs", anchor=False, help="What the worker does itself, every second or few.")
    with st.grid(4, min_column_width=220, gap="small"):
        for one in works(beside):
            with st.container(border=True, gap="xsmall"):
                st.markdown(f"{one.icon} **{one.title}**")
                st.markdown(f"{one.goes_on} :red[{one.wrong}]" if one.wrong else one.goes_on)
                if one.page is not None and actor.may(one.right):
                    link_to(one.page, one.label, ":material/arrow_forward:", **(one.address or {}))
