"""The way out of the list: what a file would hold is told before, then which columns, whose times and what kind; what was taken is told after."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from urllib.parse import urlencode

import streamlit as st

from core.access import Actor
from core.documents.workbook import MOST_ROWS
from core.errors import BillersError
from core.repositories.exports import COLUMNS, Profile
from core.services import exports
from core.services.asked import Asked
from core.services.exports import UTC, Announced, TooManyRows
from core.ui import export_history
from core.ui.pieces import complain
from core.ui.session import guarded, guarded_fragment
from core.ui.words import amount, as_of, zone

CSV, XLSX = "/export/transactions.csv", "/export/transactions.xlsx"

# Whether it is open, by Streamlit's own word: what it holds is asked for only then.
OPEN = "export-open"

# What was counted on request: of which address, and what came of it.
COUNTED, REFUSED = "export-counted", "export-refused"


@dataclass(frozen=True, slots=True)
class Choice:
    """A kind of file, as it is offered."""

    label: str
    icon: str
    path: str
    profile: Profile
    help: str


CHOICES: Sequence[Choice] = (
    Choice(
        "For a spreadsheet",
        ":material/table_view:",
        CSV,
        Profile.SPREADSHEET,
        "CSV that opens as it is meant: account numbers stay text, with their zeros; nothing in it runs as a formula.",
    ),
    Choice(
        "As an Excel workbook",
        ":material/grid_on:",
        XLSX,
        Profile.WORKBOOK,
        f"XLSX, up to {MOST_ROWS:,} rows: identifiers are text, amounts are numbers, moments are dates. A large one takes a minute until it comes.",
    ),
    Choice("For a program", ":material/data_object:", CSV, Profile.DATA, "CSV with every value exactly as it is kept; times to the microsecond."),
)


def offer(actor: Actor, asked: Asked, matching: int, words: str) -> None:
    """`matching`: how many rows the list is known to have; nothing is no file. `words`: the filter, escaped."""
    if actor.may("transactions:export") and matching:
        guarded_fragment("transactions:export")(_popover)(asked.filter_only, words)


def _popover(actor: Actor, asked: Asked, words: str) -> None:
    opened = st.popover("Export", icon=":material/download:", key=OPEN, on_change="rerun", help="Takes exactly these transactions away as a file.")
    if not opened.open:
        return
    with opened:
        told = _announce(actor, asked)
        st.caption(f"Holds: {words}. All of it, not only this page, as it is when you click. That you took it is written down.")
        columns, times = _columns(asked), _times()
        for choice in CHOICES:
            _link(choice, replace(asked, columns=columns), times, told)
        guarded_fragment("transactions:export", run_every=export_history.LOOK_SECONDS)(export_history.just_taken)()
        if st.button("What was taken before", icon=":material/history:", type="tertiary", help="Every export with its manifest: rows, sums, hash."):
            export_history.around(**{export_history.EXPORTS: export_history.ALL})


# ---- Told before


def _announce(actor: Actor, asked: Asked) -> Announced:
    told = _counted_before(asked) or exports.announced(actor, asked)
    if told.is_exact:
        st.markdown(f"**{rows_text(told.rows)}**, {value_text(told.value)} paid :gray[· {as_of(told.as_of)}]")
        return told
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**At least {rows_text(told.rows)}**", width="content")
        st.button(
            "Count exactly",
            icon=":material/calculate:",
            type="tertiary",
            on_click=_count,
            args=(asked,),
            help="Counts and adds up all of them now; of millions it takes some seconds. The file itself is counted in any case.",
        )
    complain(st.session_state.pop(REFUSED, None))
    return told


def _counted_before(asked: Asked) -> Announced | None:
    of, told = st.session_state.get(COUNTED, (None, None))
    return told if of == asked else None


@guarded("transactions:export")
def _count(actor: Actor, asked: Asked) -> None:
    try:
        st.session_state[COUNTED] = (asked, exports.counted(actor, asked))
    except BillersError as error:
        st.session_state[REFUSED] = error.sentence


def rows_text(rows: int) -> str:
    return f"{rows:,} row{'' if rows == 1 else 's'}"


def value_text(value: Mapping[str, Decimal]) -> str:
    """Amounts of two currencies are told one after the other, never added up."""
    return " + ".join(amount(one, currency) for currency, one in sorted(value.items())) or amount(Decimal("0.00"))


# ---- What kind of file


def _columns(asked: Asked) -> tuple[str, ...]:
    """Those of the list where somebody chose them there; none are all."""
    return tuple(
        st.multiselect(
            "Columns",
            list(COLUMNS),
            default=list(asked.columns),
            format_func=column_title,
            placeholder=f"All {len(COLUMNS)}",
            key=f"export-columns-{','.join(asked.columns)}",
            help="Which columns the file has, in the order in which you choose them. None chosen: all of them.",
        )
    )


def column_title(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _times() -> str:
    ours = zone().key
    return st.segmented_control(
        "Times",
        [ours, UTC] if ours != UTC else [UTC],
        format_func=lambda key: "UTC" if key == UTC else f"The bank's ({key})",
        default=ours,
        required=True,
        key="export-zone",
        help="Which zone moments are written in. In CSV each says its offset; in a workbook the column's name says the zone.",
    )


def _link(choice: Choice, asked: Asked, times: str, told: Announced) -> None:
    address = asked.address()
    more = {"zone": times} if choice.profile is Profile.WORKBOOK else {"profile": choice.profile.value, "zone": times}
    too_many = choice.profile is Profile.WORKBOOK and told.rows > MOST_ROWS
    st.link_button(
        choice.label,
        f"{choice.path}?{urlencode({**address, **more}, doseq=True)}",
        icon=choice.icon,
        help=TooManyRows(rows=told.rows, most=MOST_ROWS).sentence if too_many else choice.help,
        width="stretch",
        type="primary" if choice.profile is Profile.SPREADSHEET else "secondary",
        disabled=too_many,
    )
