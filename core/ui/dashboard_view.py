"""The dashboard: what needs somebody, how today goes beside yesterday, how each biller does, what came last. It looks again by itself."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import streamlit as st

from core import clock
from core.access import Actor
from core.models import Transaction
from core.repositories.filters import TransactionFilter
from core.repositories.statistics import ENDED, AnswerTimes, BillerState, Figures, Grain
from core.services import attention, billers, health, live, periods, statistics, transactions
from core.services.statistics import DAYS_BACK, HOURS_BACK, TARGET_ANSWER_SECONDS, TARGET_SUCCESS_RATE, Overview, SoFar
from core.settings import settings
from core.states import Status
from core.ui import attention_card, kpi_panel, tables
from core.ui.attention import LOOKUP_TYPES, PAYMENT_TYPES, Concern, concerns
from core.ui.figure_words import NONE_YET, change, count, counted, percent, points, seconds, short_amount, tenths
from core.ui.filters import Asked
from core.ui.keeping import BY_BILLERS
from core.ui.live import followed
from core.ui.pieces import LOOKUP, PAYMENT, TRANSACTIONS
from core.ui.places import page_link
from core.ui.tiles import Tile, flag, payments_of
from core.ui.words import ago, amount, zone

# What was counted stays until a transaction is made or moves, and never longer than that.
KEPT_SECONDS = 15

LATEST = 10

# The ranges of the rates, by their name in the address.
RANGES: Mapping[str, tuple[str, int]] = {"today": ("Today", 1), "7d": ("7 days", 7), "30d": ("30 days", 30)}
USUAL_RANGE = "7d"
RANGE, OPENED, PICKED, WAITING = "dashboard-range", "dashboard-biller", "dashboard-picked", "dashboard-waiting"
GRID, FIELD = "dashboard-billers", "dashboard-field"

FIRST_SIGHT_PIXELS = 640

BY_THE_HOUR = "The change is told by the last whole hour of both."


def show(actor: Actor) -> None:
    chosen = _header(actor)
    st.session_state[WAITING] = True
    _live(chosen)
    attention_card.ask(_board.clear)


# ---- What stands still


def _header(actor: Actor) -> str:
    """Title, range and quick actions; answers the range."""
    asked = st.query_params.get("range", USUAL_RANGE)
    chosen = asked if asked in RANGES else USUAL_RANGE
    if st.session_state.get(RANGE) != chosen:
        st.session_state[RANGE] = chosen
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.title("Dashboard", anchor=False, width="content")
        with st.container(horizontal=True, vertical_alignment="center", width="content", gap="small"):
            st.segmented_control(
                "Range",
                RANGES,
                format_func=lambda name: RANGES[name][0],
                key=RANGE,
                required=True,
                label_visibility="collapsed",
                help="What success rate, revenue, answer time and the billers' figures are counted over. Today is part of each.",
                on_change=_remember_range,
            )
            if actor.may("transactions:pay") and st.button("New payment", icon=":material/add:", type="primary", help="Pay a bill."):
                st.switch_page(PAYMENT)
            if actor.may("accounts:lookup") and st.button("Look up", icon=":material/person_search:", help="Whose account is it, and what is owed?"):
                st.switch_page(LOOKUP)
            if actor.may("transactions:read") and st.button("Transactions", icon=":material/receipt_long:", help="Every look-up and payment."):
                st.switch_page(TRANSACTIONS)
    return chosen


def _remember_range() -> None:
    chosen = st.session_state[RANGE]
    st.query_params.from_dict({} if chosen == USUAL_RANGE else {"range": chosen})


# ---- What looks again


@dataclass(frozen=True)
class Board:
    """What was counted, and what was made of it for the screen: once for everybody who looks, so that a look costs only its drawing."""

    chosen: str
    told: Overview
    failing: Mapping[str, Figures]
    concerns: Sequence[Concern]
    tiles: Sequence[Tile]
    billers: Sequence[BillerState]
    # As Streamlit sends it: anything else would be turned into this at each look.
    grid: pa.Table
    columns: Mapping[str, Any]


@followed("statistics:read")
def _live(actor: Actor, chosen: str) -> None:
    # Only before the first figures: what looks again leaves what is there until it knows better.
    waiting = st.skeleton(height=FIRST_SIGHT_PIXELS) if st.session_state.pop(WAITING, False) else st.empty()
    try:
        mark, heard, seconds_now = statistics.mark(actor), live.CHANGES.cursor, int(clock.now().timestamp())
        board = _board(actor, settings().dsn, mark, heard, _slot(seconds_now, chosen), chosen)
    finally:
        waiting.empty()
    attention_card.show(actor, board.concerns, board.told.as_of, _board.clear)
    if not board.told.by_day.rows:
        _nothing(actor)
    with st.grid(4, min_column_width=150, gap="small"):
        for one in board.tiles:
            one.show()
    _billers(board)
    kpi_panel.show(actor, mark, seconds_now // kpi_panel.KEPT_SECONDS)
    if actor.may("transactions:read"):
        _latest(actor, mark)


@st.cache_resource(show_spinner=False, hash_funcs=BY_BILLERS, max_entries=16, ttl=60)
def _board(actor: Actor, database: str, mark: tuple[object, ...], heard: object, slot: int, chosen: str) -> Board:
    """Figures are the same for all who see the same billers. A resource and no data, so that it is not copied at each look.

    The mark knows transactions; what was heard, billers that were paused and what was put off as well; the slot, what only ages.
    """
    del database, mark, heard, slot
    told = statistics.overview(actor, RANGES[chosen][1])
    failing = health.failing(told.by_hour, told.as_of, zone())
    rows = sorted(told.seen.billers, key=lambda biller: (not biller.is_active, biller.title))
    columns = _biller_columns()
    if not any(one.in_doubt for one in told.chosen.figures.by_biller().values()):
        del columns["In doubt"]
    found = concerns(told.seen, failing, attention.away(actor, told.seen, failing))
    return Board(chosen, told, failing, found, [*_so_far(told), *_rates(told, chosen)], rows, _biller_frame(told, rows, failing), columns)


def _slot(seconds_now: int, chosen: str) -> int:
    """Of each choice at another moment: nobody waits for all of them."""
    return (seconds_now + KEPT_SECONDS * list(RANGES).index(chosen) // len(RANGES)) // KEPT_SECONDS


def _nothing(actor: Actor) -> None:
    with st.container(border=True, horizontal_alignment="center"):
        st.subheader("No transactions in the last 30 days", anchor=False, text_alignment="center")
        st.markdown("Figures appear with the first look-up or payment; nothing needs to be switched on.", text_alignment="center")
        with st.container(horizontal=True, horizontal_alignment="center"):
            if actor.may("accounts:lookup"):
                page_link(LOOKUP, label="Look an account up", icon=":material/person_search:")
            if actor.may("transactions:pay"):
                page_link(PAYMENT, label="Pay a bill", icon=":material/payments:")


# ---- Tiles


def _so_far(told: Overview) -> list[Tile]:
    days = periods.steps(*_days_back(told.as_of), Grain.DAY, zone())
    bars = (_payments(told.by_hour, _last_hours(told.as_of)), _payments(told.by_day, days[-14:]), _payments(told.by_day, days))
    shown = ("the last 24 hours, hour by hour", "the last 14 days", "the last 30 days")
    names = (("Payments today", "yesterday"), ("Payments this week", "last week"), ("Payments this month", "last month"))
    icons = (":material/today:", ":material/date_range:", ":material/calendar_month:")
    return [
        *(
            Tile(
                label,
                count(one.figures.payments),
                change(one.compared.payments, one.before.payments),
                f"vs {earlier}, until {_hour(told)}",
                {"Open": payments_of(one.period), counted(one.figures.lookups, "look-up"): payments_of(one.period, types=LOOKUP_TYPES)},
                icon=icon,
                chart_data=trend,
                chart_type="bar",
                help=f"Transactions that move money; look-ups are counted apart. {BY_THE_HOUR} The bars: {chart}.",
            )
            for one, (label, earlier), icon, trend, chart in zip(told.so_far, names, icons, bars, shown, strict=True)
        ),
        _active(told, days),
    ]


def _active(told: Overview, days: Sequence[datetime]) -> Tile:
    able = [biller for biller in told.seen.billers if biller.is_active and not biller.paused_because and not biller.breaker_reason]
    by_day = told.by_day.by_step()
    paid = [sum(1 for figures in by_day[day].by_biller().values() if figures.payments) if day in by_day else 0 for day in days[-14:]]
    return Tile(
        "Active billers",
        f"{len(able)} of {len(told.seen.billers)}",
        paid[-1] - paid[-2],
        "paid today, vs yesterday",
        {f"{counted(paid[-1], 'biller')} paid today": payments_of(told.so_far[0].period)},
        icon=":material/storefront:",
        chart_data=paid,
        chart_type="bar",
        help="Switched on, not paused, and answering: payments can be sent to them now. The bars: how many billers were paid on each of the last 14 days.",
    )


def _rates(told: Overview, chosen: str) -> list[Tile]:
    now, period = told.chosen.figures, told.chosen.period
    # Of several days the hour makes little difference, and there is no room for it: the help has it.
    against = f"vs {_before(chosen)}" + (f", until {_hour(told)}" if chosen == "today" else "")
    grain = Grain.HOUR if period.days == 1 else Grain.DAY
    steps = [step for step in periods.steps(period.first_day, period.last_day, grain, zone()) if step <= told.as_of]
    by_step = now.by_step()
    over_time = [by_step.get(step) for step in steps]
    return [_success(told.chosen, against, over_time), _revenue(told.chosen, against, over_time), *_answer_times(told, against)]


def _success(chosen: SoFar, against: str, over_time: Sequence[Figures | None]) -> Tile:
    now, period = chosen.figures, chosen.period
    difference = points(chosen.compared.success_rate, chosen.before.success_rate)
    doubt = {f"{count(now.in_doubt)} in doubt": payments_of(period, Status.PROCESSING.value)} if now.in_doubt else {}
    failed = now.payments_by_status.get(Status.FAILED, 0)
    return Tile(
        "Success rate",
        percent(now.success_rate),
        0 if difference == 0 else None if difference is None else f"{difference:+.1f} pp",
        against,
        {
            f"{count(now.completed)} of {count(now.ended)} ended": payments_of(period, *(status.value for status in ENDED)),
            f"{count(failed)} failed": payments_of(period, Status.FAILED.value),
            **doubt,
        },
        icon=flag(now.success_rate is not None and now.success_rate >= TARGET_SUCCESS_RATE),
        chart_data=[tenths(one.success_rate) for one in over_time if one and one.success_rate is not None],
        help=f"Completed of completed, failed and reversed payments; target {TARGET_SUCCESS_RATE:.0%}, met where the badge is ticked."
        f" What is in doubt or was cancelled is in neither. Rounded down. {BY_THE_HOUR}",
    )


def _revenue(chosen: SoFar, against: str, over_time: Sequence[Figures | None]) -> Tile:
    now = chosen.figures
    return Tile(
        "Revenue (value paid)",
        short_amount(now.value),
        change(chosen.compared.value, chosen.before.value),
        against,
        {amount(now.value): payments_of(chosen.period, Status.COMPLETED.value)},
        icon=":material/payments:",
        chart_data=[float(one.value) if one else 0.0 for one in over_time],
        chart_type="area",
        help=f"The sum of completed payments in kwacha. What is in doubt is not in it, nor what was reversed. {BY_THE_HOUR}"
        + "".join(f" Besides: {amount(value, currency)}." for currency, value in now.values.items() if currency != "MWK"),
    )


# Of the answer times: the tile's name, which of them it shows, and what that means.
ANSWERS: Sequence[tuple[str, Callable[[AnswerTimes], float], str]] = (
    ("Median answer", lambda times: times.median_ms, "Half of the calls that pay were answered within this time."),
    ("95% answered within", lambda times: times.p95_ms, "Of 100 calls that pay, 95 were answered within this time."),
)


def _answer_times(told: Overview, against: str) -> list[Tile]:
    now, before = told.times.altogether, told.times_before.altogether
    tiles = []
    for label, of, meaning in ANSWERS:
        slower = round((of(now) - of(before)) / 1000, 2) if now and before else None
        tiles.append(
            Tile(
                label,
                seconds(of(now) if now else None),
                None if slower is None else f"{slower:+.2f} s" if slower else 0,
                against,
                {f"of {counted(now.calls, 'call')}, {seconds(now.average_ms)} on average" if now else "no call yet": payments_of(told.chosen.period)},
                icon=flag(now is not None and of(now) < TARGET_ANSWER_SECONDS * 1000),
                delta_color="inverse",
                chart_data=[of(times) / 1000 for times in told.times.by_step.values()],
                help=f"{meaning} Target {TARGET_ANSWER_SECONDS} s, met where the badge is ticked. A call that got no answer counts with its wait."
                " What came before is told by its last whole hour.",
            )
        )
    return tiles


# ---- Billers


def _billers(board: Board) -> None:
    st.subheader(
        "Billers",
        anchor=False,
        help=f"Payments of each biller: {RANGES[board.chosen][0].lower()}, today included. A click on a name or a field opens the payments behind it.",
    )
    st.dataframe(
        board.grid,
        column_config=board.columns,
        column_order=list(board.columns),
        hide_index=True,
        height=tables.ROW_PIXELS * (len(board.billers) + 1) + 3,
        row_height=tables.ROW_PIXELS,
        key=GRID,
        on_select=_pick_field,
        selection_mode="single-cell",
        alt="Billers with their state, success rate, volume, answer time, last success, and the last 24 hours.",
    )
    clicked = st.session_state.get(OPENED)
    place, column = (clicked.row, "Biller") if clicked else st.session_state.pop(FIELD, (None, ""))
    if place is not None and place < len(board.billers):
        st.switch_page(TRANSACTIONS, query_params=field_address(board.told, board.billers[place].code, column))


def _pick_field() -> None:
    for place, column in st.session_state[GRID].selection.cells[:1]:
        st.session_state[FIELD] = (place, column)


def field_address(told: Overview, code: str, column: str) -> dict[str, Any]:
    """The list behind a field of the grid: the payments it was counted from."""
    if column in DAY_STRIP:
        since = clock.business_day(_last_hours(told.as_of)[0], zone())
        statuses = (Status.FAILED.value,) if DAY_STRIP[column] else ()
        return Asked(billers=(code,), statuses=statuses, types=PAYMENT_TYPES, first_day=since, last_day=clock.business_day(told.as_of, zone())).address()
    return payments_of(told.chosen.period, *FIELDS.get(column, ()), billers=(code,))


# Which payments a field was counted from, where it is not all of them; and the fields of the last 24 hours, of which one is of failures.
FIELDS: Mapping[str, tuple[str, ...]] = {
    "Success rate": tuple(status.value for status in ENDED),
    "Ended": tuple(status.value for status in ENDED),
    "In doubt": (Status.PROCESSING.value,),
    "Value": (Status.COMPLETED.value,),
    "Last success": (Status.COMPLETED.value,),
}
DAY_STRIP: Mapping[str, bool] = {"24 hours": False, "Failed": True}

STATES = {"✓ Active": "green", "△ Degraded": "yellow", "⊖ Paused": "orange", "✕ Not answering": "red", "⊘ Off": "gray"}


def state_chip(biller: BillerState, *, is_failing: bool = False) -> str:
    if not biller.is_active:
        return "⊘ Off"
    if biller.breaker_reason:
        return "✕ Not answering"
    if biller.paused_because:
        return "⊖ Paused"
    return "△ Degraded" if is_failing else "✓ Active"


def _biller_frame(told: Overview, rows: Sequence[BillerState], failing: Mapping[str, Figures]) -> pa.Table:
    figures, by_hour, hours = told.chosen.figures.by_biller(), told.by_hour.by_biller(), _last_hours(told.as_of)
    nothing = Figures([])
    return pa.Table.from_pylist(
        [
            {
                "Biller": biller.title,
                "State": [state_chip(biller, is_failing=biller.code in failing)],
                **_biller_row(figures.get(biller.code, nothing), told.times.by_biller.get(biller.code)),
                "Last success": ago(biller.last_success_at, told.as_of) if biller.last_success_at else "never",
                **_day_strip(by_hour.get(biller.code, nothing), hours),
            }
            for biller in rows
        ]
    )


def _biller_row(now: Figures, times: AnswerTimes | None) -> dict[str, Any]:
    return {
        "Success rate": None if now.success_rate is None else tenths(now.success_rate),
        "Ended": f"{count(now.completed)} of {count(now.ended)}" if now.ended else NONE_YET,
        "In doubt": count(now.in_doubt) if now.in_doubt else NONE_YET,
        "Payments": count(now.payments),
        "Value": short_amount(now.value) if now.payments else NONE_YET,
        "95% within": seconds(times.p95_ms if times else None),
    }


def _day_strip(by_hour: Figures, hours: Sequence[datetime]) -> dict[str, list[float]]:
    """Each of the last 24 hours: how many payments, and which part of those that ended had failed."""
    found = by_hour.by_step()
    course = [found.get(hour) for hour in hours]
    return {
        "24 hours": [float(one.payments) if one else 0.0 for one in course],
        "Failed": [round(100 * one.payments_by_status.get(Status.FAILED, 0) / one.ended, 1) if one and one.ended else 0.0 for one in course],
    }


def _biller_columns() -> dict[str, Any]:
    column = st.column_config
    right: dict[str, Any] = {"alignment": "right"}
    return {
        "Biller": column.ButtonColumn(width=126, type="tertiary", alignment="left", key=OPENED, help="A click opens its payments of this range."),
        "State": column.MultiselectColumn(
            width=118,
            options=list(STATES),
            color=list(STATES.values()),
            help="Active: payments are sent. Degraded: in this hour and the one before at least three payments failed, and fewer were paid than the target"
            " asks for. Paused: an administrator stopped it. Not answering: its breaker is open, it is left alone for a while. Off: not switched on.",
        ),
        "Success rate": column.ProgressColumn(width=98, min_value=0, max_value=100, format="%.1f%%", help="Completed of those that ended; target 95%."),
        "Ended": column.TextColumn(width=92, help="Completed payments of those that ended: completed, failed and reversed.", **right),
        "In doubt": column.TextColumn(width=58, help="Sent or perhaps sent, and not settled.", **right),
        "Payments": column.TextColumn(width=70, help="Transactions that move money.", **right),
        "95% within": column.TextColumn(width=72, help="Of 100 calls that pay, 95 were answered within this time.", **right),
        "Last success": column.TextColumn(width=100, help="When it last did what it was asked: a payment, or a look-up."),
        "24 hours": column.BarChartColumn(width=92, y_min=0, help="Payments in each of the last 24 hours, this one last. A click opens them from that day on."),
        "Failed": column.BarChartColumn(
            width=74, y_min=0, y_max=100, color="red", help="Of the payments that ended in each of those hours the part that failed, from 0 to 100%."
        ),
        "Value": column.TextColumn(width=112, help="Sum of completed payments, shortened from a million on. A click opens them.", **right),
    }


# ---- The last ones


def _latest(actor: Actor, mark: tuple[object, ...]) -> None:
    st.subheader("Last ten transactions", anchor=False, help="Look-ups and payments, newest first. A click on an ID opens its story.")
    rows, names = _last_ten(actor, settings().dsn, mark)
    if not rows:
        st.caption("None yet.")
        return
    clicked = tables.grid(rows, names, "dashboard-latest", on_pick=_pick)
    if reference := clicked.our_transaction_id if clicked else st.session_state.pop(PICKED, None):
        st.switch_page(TRANSACTIONS, query_params={"id": reference})


@st.cache_resource(show_spinner=False, hash_funcs=BY_BILLERS, max_entries=4, ttl=60)
def _last_ten(actor: Actor, database: str, mark: tuple[object, ...]) -> tuple[Sequence[Transaction], Mapping[str, str]]:
    """The rows, and the billers' short names: read once for everybody who may see them."""
    del database, mark
    return transactions.list_page(actor, TransactionFilter()).rows[:LATEST], billers.short_names(actor)


def _pick(reference: str) -> None:
    st.session_state[PICKED] = reference


# ---- Small


def _payments(figures: Figures, steps: Sequence[datetime]) -> list[int]:
    found = figures.by_step()
    return [found[step].payments if step in found else 0 for step in steps]


def _last_hours(moment: datetime) -> list[datetime]:
    """The first moments of the last 24 business hours, this one last."""
    this = moment.replace(minute=0, second=0, microsecond=0)
    return [this - timedelta(hours=back) for back in range(HOURS_BACK - 1, -1, -1)]


def _days_back(moment: datetime) -> tuple[date, date]:
    back = periods.last_days(DAYS_BACK, moment, zone())
    return back.first_day, back.last_day


def _hour(told: Overview) -> str:
    return f"{told.hour.astimezone(zone()):%H:%M}"


def _before(chosen: str) -> str:
    return "yesterday" if chosen == "today" else f"the {RANGES[chosen][0]} before"
