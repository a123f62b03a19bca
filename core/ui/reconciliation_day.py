"""A biller's day beside its statement: both totals, the differences by kind, what may be done about the one that is chosen, and the sign-off."""

from collections.abc import Sequence
from datetime import date

import pyarrow as pa  # type: ignore[import-untyped]
import streamlit as st

from core.access import Actor
from core.errors import NotFound
from core.models.reconciliation import LineKind, Result
from core.repositories.reconciliation import MOST_SHOWN, Item
from core.services import reconciliation
from core.services.asked import Asked
from core.services.day_figures import AGREES
from core.services.reconciliation import ACTS, RESULTS, DayView
from core.states import MONEY_TYPES, Status
from core.ui import reconciliation_acts, reconciliation_close
from core.ui.figure_words import counted
from core.ui.pieces import TRANSACTIONS
from core.ui.places import page_link
from core.ui.reconciliation_view import back, day_text
from core.ui.tables import NOTHING, ROW_PIXELS
from core.ui.words import amount, as_of, clock_time, plain, stage_label

CHOSEN, GRID = "reconciliation-result", "reconciliation-items"
ALL = "all"

SETTLED_MEANWHILE = "None is left of this kind: the last was settled in the meantime. Choose another kind, or load the page again."

MOST_ROWS_HIGH = 12


def show(actor: Actor) -> None:
    back()
    biller, day = _asked()
    seen = reconciliation.of_day(actor, biller, day)
    st.title(f"{plain(seen.biller)}, {day_text(day)}", anchor=False)
    _state(seen)
    _figures(seen)
    if not seen.files:
        st.info("No statement tells of this day yet. Once one is imported, each of its lines is compared with our payments.", icon=":material/upload_file:")
    else:
        _differences(actor, seen)
    reconciliation_close.show(actor, seen)


def _asked() -> tuple[str, date]:
    try:
        return st.query_params.get("biller", ""), date.fromisoformat(st.query_params["day"])
    except ValueError:
        raise NotFound("The address names no day. Open Reconciliation, and choose one there.") from None


def _state(seen: DayView) -> None:
    if seen.close is not None:
        st.markdown(":green-badge[:material/verified: Signed off]")
    elif not seen.files:
        # What is ours alone until then is no difference of anything.
        st.markdown(":gray-badge[:material/hourglass_empty: No statement]")
    elif seen.figures.open:
        st.markdown(f":orange-badge[:material/difference: {seen.figures.open:,} open]")
    else:
        st.markdown(":blue-badge[:material/draw: To sign off]")
    if seen.changed_since:
        st.warning(
            "Payments of this day have moved, or were made, since it was signed off. The sheet says what was signed; reopen the day to work on it.",
            title="It has changed since",
            icon=":material/sync_problem:",
        )
    elif not seen.is_over and seen.files:
        st.caption(":orange[:material/schedule:] The day is not over: payments may still come.")


def _figures(seen: DayView) -> None:
    figures, currency = seen.figures, seen.currency
    ours, theirs, gap, suspense = st.columns(4)
    with ours, st.container(border=True, height="stretch"):
        st.metric("Ours", amount(figures.ours, currency), help="Completed payments that were submitted on this day.")
        page_link(TRANSACTIONS, label=counted(figures.ours_count, "payment"), icon=":material/list:", query_params=_behind(seen))
    with theirs, st.container(border=True, height="stretch"):
        st.metric("Theirs", amount(figures.theirs, currency), help="What the biller says it took on this day, less what it gave back.")
        st.caption(counted(figures.theirs_count, "line"))
    with gap, st.container(border=True, height="stretch"):
        st.metric(
            "Theirs less ours",
            amount(figures.gap, currency),
            help="The kinds of differences below add up to exactly this. Above nothing, the biller has more than we know of; below, not all that we took.",
        )
        st.caption(f"{figures.matched:,} matched")
    with suspense, st.container(border=True, height="stretch"):
        st.metric(
            "Suspense should hold",
            amount(seen.suspense.should_hold, currency),
            help="What the account that this biller's payments are credited to should hold, as far as payments tell: debited for completed payments, and not "
            "given back, on this day and on earlier days that are not signed off. The bank owes it to the biller; a day that is signed off counts as settled. "
            "Payments without core banking debit no account, and are not in it.",
        )
        st.caption(f"{amount(seen.suspense.in_doubt, currency)} in doubt beside it" if seen.suspense.in_doubt else "nothing in doubt beside it")
    st.caption(f"{as_of(seen.as_of)}.")


def _behind(seen: DayView) -> dict[str, str | list[str]]:
    """The list of what is counted as ours."""
    types = tuple(sorted(kind.value for kind in MONEY_TYPES))
    return Asked(billers=(seen.biller_type,), statuses=(Status.COMPLETED.value,), types=types, first_day=seen.day, last_day=seen.day).address()


# ---- Differences


def _differences(actor: Actor, seen: DayView) -> None:
    tallies = seen.figures.tallies
    st.subheader("Line by line", anchor=False, help="What is open comes first. Select a row to see both sides and what can be done.")
    kinds = [ALL, *(result.value for result in RESULTS if result in tallies)]
    asked = st.query_params.get("result", ALL)
    wanted = st.session_state.get(CHOSEN) or asked
    if wanted not in kinds:
        # It was there when it was chosen.
        st.info(SETTLED_MEANWHILE, icon=":material/sync:")
        wanted = ALL
    st.session_state[CHOSEN] = wanted
    chosen = st.segmented_control("Kind", kinds, format_func=lambda kind: _label(seen, kind), key=CHOSEN, label_visibility="collapsed", required=True)
    result = None if chosen in (None, ALL) else Result(chosen)
    if result is not None:
        told, gap = RESULTS[result], tallies[result].gap
        st.caption(f"{told.meaning} {told.next_step}" + (f" Together {amount(gap, seen.currency)} between ours and theirs." if gap else ""))
    found = reconciliation.items(actor, seen.biller_type, seen.day, result)
    if not found:
        reconciliation_acts.tell()
        if result is None:
            st.success("Every line has its payment, and every payment its line.", icon=":material/check_circle:")
        else:
            # It was there a moment ago, when the kinds were counted.
            st.info(SETTLED_MEANWHILE, icon=":material/sync:")
        return
    if len(found) == MOST_SHOWN:
        st.caption(f"The first {MOST_SHOWN:,} are shown, the open ones first; the file of differences has all.")
    picked = _grid(found, seen, chosen or ALL)
    if result is not None and result not in AGREES:
        reconciliation_acts.for_all(actor, seen, result)
    if picked is None:
        reconciliation_acts.tell()
    else:
        reconciliation_acts.show(actor, seen, picked)


def _label(seen: DayView, kind: str) -> str:
    if kind == ALL:
        return f"All differences {seen.figures.differences:,}"
    one = seen.figures.tallies[Result(kind)]
    return f"{RESULTS[Result(kind)].label} {one.count:,}"


def _grid(found: Sequence[Item], seen: DayView, kind: str) -> Item | None:
    text = st.column_config.TextColumn
    key = f"{GRID}-{seen.biller_type}-{seen.day}-{kind}"
    rows = [_row(item, seen.currency) for item in found]
    st.dataframe(
        pa.table({name: [row[name] for row in rows] for name in rows[0]}),
        column_config={
            "State": text(width=108, help="Open: neither settled nor explained. Proposed: another manager decides."),
            "Kind": text(width=108),
            "Our reference": text(width=148, help="Ours, as we have it; where no payment was found, as the line says it."),
            "Their reference": text(width=120),
            "Account": text(width=88),
            "Ours": text(width=108, alignment="right"),
            "Theirs": text(width=108, alignment="right", help="Below nothing: given back."),
            "Ours stands": text(width=140),
            "Row": text(width=60, alignment="right", help="The row of the biller's file."),
            "Time": text(width=108),
        },
        hide_index=True,
        row_height=ROW_PIXELS,
        height=ROW_PIXELS * (min(len(found), MOST_ROWS_HIGH) + 1) + 3,
        key=key,
        on_select="rerun",
        selection_mode="single-row",
        alt="Lines and payments, what is open first. Select a row to see what can be done.",
    )
    selected = st.session_state[key].selection.rows if key in st.session_state else []
    return found[selected[0]] if selected and selected[0] < len(found) else None


def _row(item: Item, currency: str) -> dict[str, str]:
    at = item.at or item.created_at
    is_open = "◷ Proposed" if item.is_proposed else "● Open"
    theirs = None if item.their_amount is None else -item.their_amount if item.kind is LineKind.REVERSAL else item.their_amount
    return {
        "State": "✓ Agrees" if item.result in AGREES else f"✓ {ACTS[item.act]}" if item.act else is_open,
        "Kind": RESULTS[item.result].label,
        "Our reference": item.our_transaction_id or item.our_reference or NOTHING,
        "Their reference": item.their_reference or NOTHING,
        "Account": item.account_number or item.account or NOTHING,
        "Ours": amount(item.our_amount, currency),
        "Theirs": amount(theirs, currency),
        "Ours stands": stage_label(item.stage) if item.stage else NOTHING,
        "Row": f"{item.row:,}" if item.row else NOTHING,
        "Time": clock_time(at) if at else NOTHING,
    }
